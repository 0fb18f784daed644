"""What a backtest found: the task, each model's forecasts at every cutoff, and their scores.

Shapes: R rows (series, cutoff, step ahead) shared by all models, N series, H horizon, Q levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import metrics
from forecast.data.clock import Clock, Times
from forecast.errors import UsageError
from forecast.significance import Verdict, diebold_mariano, holm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LEVELS = (0.025, *DECILES, 0.975)
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Task:
    """What is forecast: `windows` cutoffs `stride` steps apart, `horizon` steps from each.

    `stride` defaults to the horizon. With `first_cutoff`, a clock time, the windows start there;
    without it they are the last ones of each series. `refit` fits anew every so many windows.
    """

    horizon: int
    windows: int = 1
    stride: int | None = None
    first_cutoff: int | None = None
    refit: int | None = None

    def __post_init__(self) -> None:
        """Refuse counts below one."""
        for name in ("horizon", "windows", "stride", "refit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}", hint=f"--{name} must be at least 1")

    @property
    def step(self) -> int:
        """Steps between cutoffs."""
        return self.horizon if self.stride is None else self.stride


@dataclass(slots=True, eq=False)
class ModelRun:
    """One model's forecasts on all rows and what they cost; NaN throughout when it failed."""

    name: str
    mean: Floats  # (R,)
    quantiles: Floats  # (R, Q) at the benchmark's levels
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    parameters: int = 0
    device: str = "cpu"
    config: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failed: str | None = None  # the reason


@dataclass(frozen=True, slots=True)
class Score:
    """One model's scores; NaN where a score is not defined or the model failed.

    `p` is the Diebold-Mariano p-value of the difference from the baseline's MASE, by Holm over all
    models with one. Percentage errors are in percent, shares (cover80, skill, hits) in [0, 1].
    `missing` rows were scored as the naive's, `unscaled` series left out of MASE and RMSSE for
    want of an in-sample naive error, `zero_truths` rows left out of MAPE.
    """

    model: str
    mase: float = NAN
    rmsse: float = NAN
    rmse: float = NAN
    mae: float = NAN
    smape: float = NAN
    mape: float = NAN
    wql: float = NAN
    cover80: float = NAN
    bias: float = NAN
    skill: float = NAN
    skill_wql: float = NAN
    p: float = NAN
    r2_vs_rw: float = NAN
    hit_rate: float = NAN
    hit_low: float = NAN
    hit_high: float = NAN
    rows: int = 0
    missing: int = 0
    unscaled: int = 0
    zero_truths: int = 0
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    parameters: int = 0
    device: str = "cpu"


@dataclass(eq=False)
class Benchmark:
    """Every model's forecasts on the same R rows, ordered by series, cutoff and step ahead.

    Complete when built: scores are computed once.

    `baseline` is what skill is counted against: the random walk on prices, else the better of the
    daily and the weekly naive; chosen here when left empty. `season` is 1 on prices.
    """

    ids: tuple[str, ...]
    clock: Clock
    name: str
    horizon: int
    windows: int
    stride: int
    season: int
    prices: bool
    series: Ints  # (R,)
    cutoff: Times  # (R,)
    ds: Times  # (R,)
    step: Ints  # (R,) 1..H
    y: Floats  # (R,) NaN where the truth is missing
    origin: Floats  # (R,) last observed value at the cutoff
    mae_scale: Floats  # (N,) in-sample seasonal-naive mean absolute error
    mse_scale: Floats  # (N,) in-sample seasonal-naive mean squared error
    levels: tuple[float, ...]
    runs: dict[str, ModelRun]
    baseline: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose the baseline."""
        self.baseline = self.baseline or self._better_naive()

    def scores(self) -> list[Score]:
        """Return one score per model, smallest MASE first, models without one last."""
        found = list(self._scores.values())
        return sorted(found, key=lambda s: (np.isnan(s.mase), s.mase))

    def score(self, name: str) -> Score:
        """Return the score of the model called `name`."""
        return self._scores[name]

    def by_step(self, name: str) -> Floats:
        """Return the scaled absolute error by step ahead (H,), averaged as in MASE."""
        if self.runs[name].failed is not None:
            return np.full(self.horizon, NAN)
        kept, size = self._scored, len(self.ids) * self.horizon
        error = np.abs(self.y[kept] - self.quantile(name, 0.5)[kept])
        cell = self.series[kept] * self.horizon + self.step[kept] - 1
        means = metrics.group_means(error, cell, size).reshape(len(self.ids), self.horizon)
        scale = np.where(self.mae_scale > 0, self.mae_scale, NAN)
        return np.array([metrics.mean(column) for column in (means / scale[:, None]).T])

    def by_series(self, name: str) -> Floats:
        """Return the scaled absolute error by series (N,), whose mean is MASE."""
        error = np.abs(self.y - self.quantile(name, 0.5))
        scale = np.where(self.mae_scale > 0, self.mae_scale, NAN)
        return metrics.group_means(error, self.series, len(self.ids)) / scale

    def losses(self, name: str) -> Floats:
        """Return the scaled absolute error by cutoff, oldest first, averaged over series."""
        kept = self._scored
        scale = np.where(self.mae_scale > 0, self.mae_scale, NAN)[self.series[kept]]
        error = np.abs(self.y[kept] - self.quantile(name, 0.5)[kept]) / scale
        cutoffs, window = np.unique(self.cutoff[kept], return_inverse=True)
        return metrics.group_means(error, window, len(cutoffs))

    def compare(self, name: str, other: str) -> Verdict:
        """Test by Diebold and Mariano whether two models' errors differ over the cutoffs."""
        windows = -(-self.horizon // self.stride)  # that share steps
        return diebold_mariano(self.losses(name), self.losses(other), windows)

    def mean(self, name: str) -> Floats:
        """Return the means (R,) as they are scored: a missing row is the naive's."""
        values = self.runs[name].mean
        return self._filled(name, values, self._naive.mean) if self._naive else values

    def quantile(self, name: str, level: float) -> Floats:
        """Return a quantile (R,) as it is scored: a missing row is the naive's median."""
        values = self.runs[name].quantiles[:, self._place(level)]
        if self._naive is None:
            return values
        return self._filled(name, values, self._naive.quantiles[:, self._place(0.5)])

    def quantiles(self, name: str, levels: Sequence[float] = DECILES) -> Floats:
        """Return the quantiles (R, len(levels)) as they are scored."""
        return np.stack([self.quantile(name, level) for level in levels], axis=1)

    @cached_property
    def _scored(self) -> Ints:
        """Rows whose truth is there."""
        return np.flatnonzero(np.isfinite(self.y))

    @cached_property
    def _scores(self) -> dict[str, Score]:
        against = self._measure(self.runs[self.baseline], None)
        found = {run.name: self._measure(run, against) for run in self.runs.values()}
        rivals = [n for n, r in self.runs.items() if r.failed is None and n != self.baseline]
        p = holm(np.array([self.compare(name, self.baseline).p for name in rivals]))
        return found | {n: replace(found[n], p=float(v)) for n, v in zip(rivals, p, strict=True)}

    @cached_property
    def _absent(self) -> dict[str, NDArray[np.bool_]]:
        """Rows (R,) of each model without a mean or a quantile."""
        return {
            name: ~(np.isfinite(run.mean) & np.isfinite(run.quantiles).all(axis=1))
            for name, run in self.runs.items()
        }

    @cached_property
    def _naive(self) -> ModelRun | None:
        """The run that fills missing rows: the daily naive, or the random walk."""
        return self.runs.get("naive" if self.season == 1 else "snaive")

    def _filled(self, name: str, values: Floats, naive: Floats) -> Floats:
        absent = self._absent[name]
        if self.runs[name].failed is not None or not absent.any():
            return values
        return np.where(absent, naive, values)

    def _place(self, level: float) -> int:
        return int(np.argmin(np.abs(np.array(self.levels) - level)))

    def _better_naive(self) -> str:
        names = ("naive",) if self.prices else ("snaive", "snaive-week")
        known = [n for n in names if n in self.runs and self.runs[n].failed is None]
        if not known:
            return "naive" if "naive" in self.runs else next(iter(self.runs))
        return min(known, key=lambda name: metrics.mean(self.by_series(name)))

    def _measure(self, run: ModelRun, against: Score | None) -> Score:
        kept = self._scored
        cost: dict[str, Any] = {
            "rows": len(kept),
            "missing": int(self._absent[run.name][kept].sum()),
            "fit_seconds": run.fit_seconds,
            "predict_seconds": run.predict_seconds,
            "parameters": run.parameters,
            "device": run.device,
        }
        if run.failed is not None:
            return Score(run.name, **cost)
        found: dict[str, Any] = self._point(run.name) | self._spread(run.name) | cost
        if self.prices:
            found |= self._price(run.name)
        if against is not None:
            found["skill"] = _skill(found["mase"], against.mase)
            found["skill_wql"] = _skill(found["wql"], against.wql)
        return Score(run.name, **found)

    def _point(self, name: str) -> dict[str, Any]:
        kept = self._scored
        y, series = self.y[kept], self.series[kept]
        mean, median = self.mean(name)[kept], self.quantile(name, 0.5)[kept]
        seen = np.unique(series)
        return {
            "mase": metrics.mase(y, median, series, self.mae_scale),
            "rmsse": metrics.rmsse(y, mean, series, self.mse_scale),
            "rmse": metrics.rmse(y, mean),
            "mae": metrics.mae(y, median),
            "smape": metrics.smape(y, median, series),
            "mape": metrics.mape(y, median, series),
            "bias": metrics.bias(y, mean),
            "unscaled": int((~(self.mae_scale[seen] > 0)).sum()),
            "zero_truths": int((np.abs(y) <= metrics.ZERO_TRUTH).sum()),
        }

    def _spread(self, name: str) -> dict[str, Any]:
        kept = self._scored
        y, q = self.y[kept], self.quantiles(name)[kept]
        return {
            "wql": metrics.wql(y, q, DECILES),
            "cover80": metrics.coverage(y, q[:, 0], q[:, -1]),
        }

    def _price(self, name: str) -> dict[str, Any]:
        """Return scores against the random walk; directions one step ahead, free of overlap."""
        kept = self._scored
        y, origin, median = self.y[kept], self.origin[kept], self.quantile(name, 0.5)[kept]
        scale = self.mse_scale[self.series[kept]]
        weight = np.divide(1.0, scale, out=np.full(scale.shape, NAN), where=scale > 0)
        first = self.step[kept] == 1
        share, low, high = metrics.hit_rate(y[first], median[first], origin[first])
        return {
            "r2_vs_rw": metrics.r2(y, self.mean(name)[kept], origin, weight),
            "hit_rate": share,
            "hit_low": low,
            "hit_high": high,
        }


def _skill(score: float, baseline: float) -> float:
    return 1.0 - score / baseline if baseline > 0 else NAN
