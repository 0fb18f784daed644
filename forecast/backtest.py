"""Rolling-origin evaluation: fit on rows up to a cutoff, replay what follows, forecast at each.

All models forecast the same rows, and the baselines always run. N series, W windows, H horizon,
R rows (series, cutoff, step ahead) whose timestamp exists.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import fitting, metrics, provenance
from forecast.data.clock import Times
from forecast.data.panel import Panel
from forecast.errors import DataError, ForecastError
from forecast.forecaster import Forecaster, interpolate, mean
from forecast.models import FAMILIES, family
from forecast.results import LEVELS, Benchmark, ModelRun, Task
from forecast.training.run import Run
from forecast.transform import looks_like_prices

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Watch = Callable[[str, float, str], None]


def run(
    panel: Panel,
    task: Task,
    models: Iterable[str],
    *,
    options: dict[str, Any] | None = None,
    resources: Run | None = None,
    name: str = "data",
) -> Benchmark:
    """Backtest `models` and the baselines on `panel`.

    `options` go to `fitting.fit` (transform, seed, settings per model under "settings"). A model
    that fails is marked as failed, the others go on. Raises DataError when not one window fits.
    """
    options, resources = dict(options or {}), resources or Run()
    plan = plan_windows(panel, task)
    prices = looks_like_prices(panel.rows(np.zeros(len(panel), np.int64), plan.counts[0]))
    rows = plan.rows(panel)
    season = 1 if prices or not panel.clock.seasons else panel.clock.seasons[0]
    mae, mse = _naive_errors(panel, plan.counts[0], season)
    settings, runs = options.pop("settings", {}), {}
    for model in with_baselines(models, prices):
        job = _Job(panel, plan, task, model, {**options, "settings": settings.get(model, {})})
        runs[model] = job.run(rows, resources)
    return Benchmark(
        ids=panel.ids,
        clock=panel.clock,
        name=name,
        horizon=task.horizon,
        windows=len(plan.counts),
        stride=task.step,
        season=season,
        prices=prices,
        **{key: rows[key] for key in ("series", "cutoff", "ds", "step", "origin")},
        y=panel.values[rows["place"]],
        mae_scale=mae,
        mse_scale=mse,
        levels=LEVELS,
        runs=runs,
        facts=_facts(panel, task, options),
    )


def _facts(panel: Panel, task: Task, options: dict[str, Any]) -> dict[str, Any]:
    """Return what makes the numbers repeatable."""
    return {
        "fingerprint": fitting.fingerprint(panel),
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


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Rows seen at each window: `counts` (W, N); `used` where a window has truth (W, N)."""

    counts: Ints
    used: NDArray[np.bool_]
    cutoffs: Times  # (W, N)
    horizon: int

    def rows(self, panel: Panel) -> dict[str, Any]:
        """Return the R rows to forecast as columns; `window` and `place` say where they lie."""
        left = np.minimum(panel.lengths - self.counts, self.horizon) * self.used
        series, window = np.nonzero(left.T)
        ahead = left.T[series, window]
        total = int(ahead.sum())
        begin = np.repeat(np.cumsum(ahead) - ahead, ahead)
        step = np.arange(total) - begin + 1
        series, window = np.repeat(series, ahead), np.repeat(window, ahead)
        place = panel.offsets[series] + self.counts[window, series] + step - 1
        last = _last_seen(panel)
        return {
            "series": series,
            "window": window,
            "step": step,
            "place": place,
            "cutoff": self.cutoffs[window, series],
            "ds": panel.all_times()[place],
            "origin": last[panel.offsets[series] + self.counts[window, series] - 1],
        }


def plan_windows(panel: Panel, task: Task) -> Plan:
    """Lay out the windows of `task` on `panel`; DataError says how many would fit."""
    if task.first_cutoff is None:
        counts, cutoffs = _windows_from_the_ends(panel, task)
    else:
        counts, cutoffs = _windows_from(panel, task, task.first_cutoff)
    seen = np.concatenate([[0], np.cumsum(~np.isnan(panel.values))])
    known = seen[panel.offsets[:-1] + np.maximum(counts, 0)] - seen[panel.offsets[:-1]] > 0
    used = (counts > 0) & (counts < panel.lengths) & known
    if not used.any():
        raise DataError(
            "no series has a value before its cutoff and a row after it",
            hint="fewer --windows, a shorter --horizon or another --first-cutoff",
        )
    return Plan(np.maximum(counts, 0), used, cutoffs, task.horizon)


def _windows_from_the_ends(panel: Panel, task: Task) -> tuple[Ints, Times]:
    back = task.horizon + task.step * np.arange(task.windows)[::-1]
    counts = panel.lengths - back[:, None]  # (W, N)
    most = int(panel.lengths.max(initial=0))
    fits = (most - task.horizon - 1) // task.step + 1 if most > task.horizon else 0
    if fits < task.windows:
        raise DataError(
            f"{task.windows} windows of {task.horizon} steps, {task.step} apart, need "
            f"{back[0] + 1} rows; the longest series has {most}",
            hint=f"--windows {fits}" if fits else "a shorter --horizon",
        )
    times = panel.all_times()
    place = panel.offsets[:-1] + np.clip(counts - 1, 0, np.maximum(panel.lengths - 1, 0))
    return counts, times[np.minimum(place, len(times) - 1)]


def _windows_from(panel: Panel, task: Task, first: int) -> tuple[Ints, Times]:
    grid = np.unique(panel.all_times())
    start = int(np.searchsorted(grid, first, "right")) - 1
    if start < 0 or start + task.horizon >= len(grid):
        span = panel.clock.write(grid[[0, -1]])
        raise DataError(
            f"the first cutoff lies outside the data, {span[0]} to {span[1]}",
            hint="--first-cutoff must leave rows before it and a horizon after it",
        )
    fits = (len(grid) - 1 - task.horizon - start) // task.step + 1
    if fits < task.windows:
        raise DataError(
            f"only {fits} of {task.windows} windows fit after the first cutoff",
            hint=f"--windows {fits}",
        )
    cutoffs = grid[start + task.step * np.arange(task.windows)]
    counts = np.stack([panel.counts_until(int(cut)) for cut in cutoffs])
    return counts, np.broadcast_to(cutoffs[:, None], counts.shape)


@dataclass(frozen=True, slots=True)
class _Job:
    """One model over all windows."""

    panel: Panel
    plan: Plan
    task: Task
    model: str
    options: dict[str, Any]

    def run(self, rows: dict[str, Any], resources: Run) -> ModelRun:
        total = len(rows["step"])
        out = ModelRun(self.model, np.full(total, np.nan), np.full((total, len(LEVELS)), np.nan))
        try:
            self._replay(out, rows, resources)
        except ForecastError as error:
            out.mean[:], out.quantiles[:] = np.nan, np.nan
            out.failed = error.message
        return out

    def _replay(self, out: ModelRun, rows: dict[str, Any], resources: Run) -> None:
        order = np.argsort(rows["window"], kind="stable")
        bounds = np.searchsorted(rows["window"][order], np.arange(len(self.plan.counts) + 1))
        forecaster, before = None, np.zeros(len(self.panel), np.int64)
        watch = resources.progress
        for w, counts in enumerate(self.plan.counts):
            refit = self.task.refit is not None and w % self.task.refit == 0
            if forecaster is None or refit:
                began = time.perf_counter()
                forecaster = self._fit(counts, resources)
                out.fit_seconds += time.perf_counter() - began
            else:
                began = time.perf_counter()
                forecaster = forecaster.update(self.panel.rows(before, counts))
                out.predict_seconds += time.perf_counter() - began
            before = counts
            began = time.perf_counter()
            self._predict(out, forecaster, rows, order[bounds[w] : bounds[w + 1]])
            out.predict_seconds += time.perf_counter() - began
            watch(f"{self.model}: windows", (w + 1) / len(self.plan.counts), "")
        if forecaster is not None:
            out.parameters = sum(array.size for array in forecaster.model.arrays.values())
            out.config = asdict(forecaster.model.config)
            out.notes = (f"{forecaster.transform.name}: {forecaster.transform.reason}",)
            out.device = resources.device

    def _fit(self, counts: Ints, resources: Run) -> Forecaster:
        known = self.panel.rows(np.zeros(len(self.panel), np.int64), counts)
        note = resources.progress
        named = replace(resources, progress=lambda s, d, n: note(f"{self.model}: {s}", d, n))
        return fitting.fit(known, self.model, self.task.horizon, run=named, **self.options)

    def _predict(
        self, out: ModelRun, forecaster: Forecaster, rows: dict[str, Any], here: Ints
    ) -> None:
        """Forecast the rows at places `here`, those of one window."""
        series, back = np.unique(rows["series"][here], return_inverse=True)
        place = {name: i for i, name in enumerate(forecaster.ids)}
        at = np.array([place[self.panel.ids[i]] for i in series], np.int64)
        times = forecaster.clock.ahead(forecaster.last[at], self.task.horizon)
        quantiles = forecaster.quantiles(at, times)  # (n, H, Q)
        step = rows["step"][here] - 1
        out.mean[here] = mean(quantiles)[back, step]
        out.quantiles[here] = interpolate(quantiles, LEVELS)[back, step]


def _naive_errors(panel: Panel, counts: Ints, season: int) -> tuple[Floats, Floats]:
    """Return the seasonal naive's mean absolute and squared error on the first rows, (N,) each."""
    errors = [metrics.naive_errors(panel.series(i)[: counts[i]], season) for i in range(len(panel))]
    mae, mse = np.array(errors, np.float64).reshape(-1, 2).T
    return mae, mse


def _last_seen(panel: Panel) -> Floats:
    """Return for every row the last value seen in its series up to it (T,)."""
    place = np.where(np.isnan(panel.values), -1, np.arange(len(panel.values)))
    begin = np.repeat(panel.offsets[:-1], panel.lengths)
    source = np.maximum.accumulate(place)
    return np.where(source >= begin, panel.values[np.maximum(source, 0)], np.nan)
