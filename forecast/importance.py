"""Which inputs does a fitted model live on? Permutation importance over windows.

An input is permuted over the windows, the others stay as they came, and the error rises by as much
as the model relied on it: Breiman (2001), doi 10.1023/A:1010933404324, as scikit-learn's
`permutation_importance` does it on rows of a table. A window's part of an input are the rows from
its cutoff to the next one, so that what is put there comes from the same time of day. The model
is the one fitted at the first cutoff; what it saw before stays.

Inputs are the `values` of the series themselves, the `calendar` (weekday and season; the hour where
cutoffs are not whole days apart), and each covariate; a static one is permuted over the series.
N series, T rows, W windows.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import metrics
from forecast.data.clock import Clock, Times
from forecast.data.panel import Panel
from forecast.forecaster import Forecaster
from forecast.models.base import MEDIAN
from forecast.plan import Plan
from forecast.walk import Walk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
REPEATS = 5
VALUES, CALENDAR = "values", "calendar"


def measure(walk: Walk, forecaster: Forecaster, scale: Floats) -> dict[str, Any]:
    """Return by how much MASE rises when each input is permuted: its mean and spread by input.

    `scale` (N,) is that of MASE; `forecaster` stands at the first cutoff.
    """
    if len(walk.plan.counts) < 2:
        return {}
    truth = np.concatenate([block["y"] for block in walk.plan.rows(walk.panel)])
    owner = np.concatenate([block["series"] for block in walk.plan.rows(walk.panel)])

    def error(panel: Panel, model: Forecaster) -> float:
        median = replace(walk, panel=panel).whole(model)[:, 1 + MEDIAN]
        off = np.abs(truth - median)
        kept = np.isfinite(off)
        size = np.bincount(owner[kept], minlength=len(scale)).astype(np.float64)
        total = np.bincount(owner[kept], off[kept], len(scale)).astype(np.float64)
        return metrics.mean(metrics.ratio(metrics.ratio(total, size), scale))

    base = error(walk.panel, forecaster)
    found = {}
    for name in inputs(forecaster, walk.panel):
        rng = np.random.default_rng(0)  # the same permutations for every input
        risen = []
        for _ in range(REPEATS):
            panel, model = permuted(walk, forecaster, name, rng)
            risen.append(error(panel, model) - base)
        found[name] = {"mean": float(np.mean(risen)), "spread": float(np.std(risen, ddof=1))}
    return found


def inputs(forecaster: Forecaster, panel: Panel) -> list[str]:
    """Return what can be permuted; a static covariate only where there are series to swap."""
    whole = forecaster.clock.kind != "trading"
    named = [c.name for c in forecaster.coding.columns if c.role != "static" or len(panel) > 1]
    return [VALUES, *([CALENDAR] if whole else []), *named]


def permuted(
    walk: Walk, forecaster: Forecaster, name: str, rng: np.random.Generator
) -> tuple[Panel, Forecaster]:
    """Return panel and forecaster with one input permuted over the windows."""
    order = rng.permutation(len(walk.plan.counts))
    panel = walk.panel
    if name == CALENDAR:
        return panel, replace(forecaster, clock=Scrambled.over(forecaster, walk, order))
    if name == VALUES:
        source = places(panel, walk.plan, walk.task.step, order)
        return replace(panel, values=panel.values[source]), forecaster
    covariates = panel.covariates
    assert covariates is not None
    k = [column.name for column in covariates.columns].index(name)
    values = covariates.values.copy()
    if covariates.columns[k].role == "static":
        own = values[panel.offsets[:-1], k][rng.permutation(len(panel))]
        values[:, k] = np.repeat(own, panel.lengths)
        beside = forecaster.beside.copy()
        coded = forecaster.coding.code(replace(covariates, values=values).take(panel.offsets[:-1]))
        place = {series: i for i, series in enumerate(panel.ids)}
        at = np.array([place[series] for series in forecaster.ids], np.int64)
        static = len(forecaster.coding.names("static"))
        beside[:, :static] = coded[at, :static]
        forecaster = replace(forecaster, beside=beside)
    else:
        values[:, k] = values[places(panel, walk.plan, walk.task.step, order), k]
    return replace(panel, covariates=replace(covariates, values=values)), forecaster


def places(panel: Panel, plan: Plan, step: int, order: Ints) -> Ints:
    """Return where each row (T,) is taken from: windows, `step` rows each, in another `order`.

    Rows up to the first cutoff, and those of windows that are not whole, stay.
    """
    source = np.arange(len(panel.values))
    for i, begin in enumerate(plan.counts[0]):
        windows = min(len(order), (int(panel.lengths[i]) - int(begin)) // step)
        own = order[order < windows]
        first = int(panel.offsets[i] + begin)
        block = first + own[:, None] * step + np.arange(step)
        source[first : first + windows * step] = block.ravel()
    return source


@dataclass(frozen=True, slots=True)
class Scrambled(Clock):
    """A clock whose phases are those of other windows: `order` from the step `origin` on."""

    origin: int = 0
    block: int = 1  # steps a window
    order: tuple[int, ...] = ()

    @classmethod
    def over(cls, forecaster: Forecaster, walk: Walk, order: Ints) -> "Scrambled":
        """Return the forecaster's clock, scrambled over the windows of `walk`."""
        clock = forecaster.clock
        own = {field.name: getattr(clock, field.name) for field in fields(Clock)}
        first = int(clock.number(walk.plan.cutoffs[0]).max()) + 1
        return cls(**own, origin=first, block=walk.task.step, order=tuple(map(int, order)))

    def phases(self, times: Times) -> Floats:
        """Return the phases at the steps that are shown in place of `times`."""
        number = (self.number(times) - self.origin) // self.block
        inside = (number >= 0) & (number < len(self.order))
        at = np.clip(number, 0, len(self.order) - 1)
        moved = np.where(inside, (np.array(self.order)[at] - at) * self.block, 0)
        return Clock.phases(self, self.shift(times, moved))
