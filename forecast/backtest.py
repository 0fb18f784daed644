"""Rolling-origin evaluation: fit on rows up to a cutoff, replay what follows, forecast at each.

All models forecast the same rows, and the baselines always run. N series, W windows, H horizon,
R rows (series, cutoff, step ahead) whose timestamp exists.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import metrics, provenance, record, runfolder
from forecast.data import sessions
from forecast.data.frequency import seasoned
from forecast.data.panel import Panel
from forecast.errors import FitError
from forecast.job import PROBES, Job, Work
from forecast.models import FAMILIES, family
from forecast.models.base import LEVELS
from forecast.plan import COLUMNS, Plan, plan_windows
from forecast.results import Benchmark, Task
from forecast.results.tally import let_go
from forecast.runfolder import Storage
from forecast.training.run import Run
from forecast.transform import looks_like_prices
from forecast.walk import Walk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def run(
    panel: Panel,
    task: Task,
    models: Iterable[str],
    *,
    options: dict[str, Any] | None = None,
    resources: Run | None = None,
    baselines: bool = True,
    probes: Iterable[str] = (),
) -> Benchmark:
    """Backtest `models` on `panel`, and the baselines unless they are not wanted.

    `options` go to `fitting.fit` (transform, seed, settings per model under "settings"). A model
    that fails is marked as failed, the others go on. In the folder of `resources` forecasts are
    kept as they come, and a run that was ended goes on. `probes` look into the fit at the first
    cutoff: `importance` of its inputs, `in_sample` forecasts. Raises DataError when not one window
    fits, UsageError when the folder holds another run.
    """
    options, resources = dict(options or {}), resources or Run()
    plan = plan_windows(panel, task)
    panel = seasoned(panel, plan.counts[0])
    prices = looks_like_prices(panel.rows(np.zeros(len(panel), np.int64), plan.counts[0]))
    names = with_baselines(models, prices) if baselines else list(models)
    facts = _facts(panel, task, options)
    about = {**facts, "options": options, "device": resources.device, "clock": asdict(panel.clock)}
    chosen = {name: PROBES[name] for name in probes}
    storage = runfolder.opened(resources.folder, about | ({"probes": [*chosen]} if chosen else {}))
    rows = _rows(panel, plan, storage)
    season = 1 if prices or not panel.clock.seasons else panel.clock.seasons[0]
    mae, mse = _naive_errors(panel, plan.counts[0], season)
    if prices and options.get("transform", "auto") in ("auto", "log-diff"):
        if said := sessions.told(panel):
            resources.tell(said)
        panel = sessions.derive(panel)  # whole, as a cutoff of a series may be the past of another
    work = Work(panel, plan, task, options, resources, storage, mae, chosen)
    return Benchmark(
        ids=panel.ids,
        clock=panel.clock,
        name="data",
        horizon=task.horizon,
        windows=len(plan.counts),
        stride=task.step,
        season=season,
        prices=prices,
        **rows,
        mae_scale=mae,
        mse_scale=mse,
        levels=LEVELS,
        runs={model: work.runs(model) for model in names},
        facts=facts,
    )


def forecasts(
    panel: Panel, plan: Plan, task: Task, model: str, options: dict[str, Any], resources: Run
) -> Floats:
    """Return one model's forecasts of the rows of `plan` (R, 1 + Q): mean and quantiles.

    Raises FitError when the model fails.
    """
    work = Work(panel, plan, task, options, resources, Storage())
    found = Job(work, model, 0, Walk(panel, plan, task)).run()
    if found.failed is not None:
        raise FitError(found.failed)
    return np.concatenate([found.mean[:, None], found.quantiles], axis=1)


def _rows(panel: Panel, plan: Plan, storage: Storage) -> dict[str, Any]:
    """Return the columns of all rows (R,), which say what is forecast."""
    found = {name: storage.array(name, (plan.size,), kind) for name, kind in COLUMNS.items()}
    begin = 0
    for block in plan.rows(panel):
        end = begin + len(block["step"])
        for name, column in found.items():
            column[begin:end] = block[name]
            let_go(column)
        begin = end
    return found


def _facts(panel: Panel, task: Task, options: dict[str, Any]) -> dict[str, Any]:
    """Return what makes the numbers repeatable."""
    return {
        "known": list(panel.known),
        "fingerprint": record.fingerprint(panel),
        "task": asdict(task),
        "seed": options.get("seed", 0),
        "hardware": provenance.hardware(),
        "versions": provenance.versions(),
    }


def with_baselines(models: Iterable[str], prices: bool) -> list[str]:
    """Return `models` and the baselines that always run, each name once."""
    wanted = [family(name).name for name in models]
    always = [f.name for f in FAMILIES.values() if f.baseline and (prices or not f.prices_only)]
    return list(dict.fromkeys([*wanted, *always]))


def _naive_errors(panel: Panel, counts: Ints, season: int) -> tuple[Floats, Floats]:
    """Return the seasonal naive's mean absolute and squared error on the first rows, (N,) each."""
    errors = [metrics.naive_errors(panel.series(i)[: counts[i]], season) for i in range(len(panel))]
    mae, mse = np.array(errors, np.float64).reshape(-1, 2).T
    return mae, mse
