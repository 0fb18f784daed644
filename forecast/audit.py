"""Does a forecast know what came after its cutoff? Asked by experiment, model by model.

Each experiment forecasts twice from the same cutoffs, with the same series in batches of the same
shape, and changes only what a forecaster must not see:

    noise        values after the cutoff become noise, past covariates those of other rows
    truncation   the rows after the last step that is judged are gone
    order        the series come in another order

Each is made with a fit at the cutoff itself (refit), and with one at an earlier cutoff whose state
is carried to it (frozen). All numbers must agree to the last bit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import backtest
from forecast.data.covariates import Covariates
from forecast.data.frequency import seasoned
from forecast.data.panel import Panel
from forecast.models.base import LEVELS
from forecast.plan import Plan, plan_windows
from forecast.results import Task
from forecast.training.run import Run

Floats = NDArray[np.float64]
Change = Callable[[Panel, Plan], Panel]


@dataclass(frozen=True, slots=True)
class Leak:
    """The first number that moved when only the future did."""

    model: str
    experiment: str
    where: str
    before: float
    after: float

    def __str__(self) -> str:
        return (
            f"{self.model} sees what it must not ({self.experiment}): {self.where} was "
            f"{self.before:.9g}, became {self.after:.9g}"
        )


def audit(
    panel: Panel,
    task: Task,
    models: Iterable[str],
    *,
    options: dict[str, Any] | None = None,
    resources: Run | None = None,
) -> list[Leak]:
    """Return the first leak of each experiment with each model, none when all is well.

    The first two windows of `task` are used. Raises FitError when a model cannot be fitted, and
    DataError when not one window fits.
    """
    options, resources = options or {}, resources or Run()
    plan = _first_two(plan_windows(panel, task))
    panel = seasoned(panel, plan.counts[0])
    found = []
    for model in models:
        for name, once in (("frozen fit", None), ("refit", 1)):
            protocol = replace(task, refit=once, seeds=1)
            true = backtest.forecasts(panel, plan, protocol, model, options, resources)
            for experiment, change in EXPERIMENTS.items():
                other = change(panel, plan)
                moved = backtest.forecasts(other, plan, protocol, model, options, resources)
                leak = _first_difference(panel, plan, true, moved)
                if leak is not None:
                    found.append(Leak(model, f"{experiment}, {name}", *leak))
    return found


def _first_two(plan: Plan) -> Plan:
    """Return the plan of the first two windows that have rows; only the last of them is judged."""
    windows = np.flatnonzero(plan.judged.any(axis=1))[:2]
    judged = plan.judged[windows].copy()
    judged[:-1] = 0
    return Plan(plan.counts[windows], judged, plan.cutoffs[windows], plan.gap)


def noised(panel: Panel, plan: Plan) -> Panel:
    """Return the panel with noise for all that is known only after the last cutoff."""
    rng = np.random.default_rng(0)
    row = np.arange(len(panel.values)) - np.repeat(panel.offsets[:-1], panel.lengths)
    later = row >= np.repeat(plan.counts[-1], panel.lengths)
    size = np.nanmean(np.abs(panel.values)) + 1.0
    noise = size * rng.lognormal(0.0, 2.0, len(row))
    noise[rng.random(len(row)) < 0.1] = np.nan
    return replace(
        panel,
        values=np.where(later, noise, panel.values),
        covariates=panel.covariates and _shuffled(panel.covariates, later, rng),
    )


def _shuffled(
    covariates: Covariates, later: NDArray[np.bool_], rng: np.random.Generator
) -> Covariates:
    """Return the covariates with the `later` rows of the past ones drawn from all their rows."""
    values, past = covariates.values.copy(), covariates.places("past")
    drawn = rng.integers(0, len(values), int(later.sum()))
    values[np.ix_(later, past)] = covariates.values[np.ix_(drawn, past)]
    return replace(covariates, values=values)


def truncated(panel: Panel, plan: Plan) -> Panel:
    """Return the rows up to the last one that is judged."""
    stop = np.minimum(plan.counts[-1] + plan.gap + plan.judged[-1], panel.lengths)
    return panel.rows(np.zeros(len(panel), np.int64), stop)


def reordered(panel: Panel, plan: Plan) -> Panel:
    """Return the panel as if its input had held the series the other way round."""
    order = panel.order if len(panel.order) else np.arange(len(panel))
    return replace(panel, order=order[::-1].copy())


EXPERIMENTS: dict[str, Change] = {"noise": noised, "truncation": truncated, "order": reordered}


def _first_difference(
    panel: Panel, plan: Plan, true: Floats, moved: Floats
) -> tuple[str, float, float] | None:
    same = (true == moved) | (np.isnan(true) & np.isnan(moved))
    if same.all():
        return None
    row, column = (int(k) for k in np.argwhere(~same)[0])
    series, step, place = plan.places(len(plan.counts) - 1)
    at = int(np.flatnonzero(place == row)[0])
    clock = panel.clock.of((panel.ids[series[at]],))
    cutoff = clock.write(plan.cutoffs[-1, series[at : at + 1]])[0]
    what = "the mean" if column == 0 else f"quantile {LEVELS[column - 1]:g}"
    where = f"series `{panel.ids[series[at]]}`, cutoff {cutoff}, step {step[at] + 1}, {what}"
    return where, float(true[row, column]), float(moved[row, column])
