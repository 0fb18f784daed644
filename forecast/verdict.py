"""The verdict on prices: what each model knows beyond yesterday's price and a moving variance.

Everything is counted against two forecasts that anybody can make: the last price for the mean,
and `naive-ewma` (RiskMetrics 1996) for the spread. Losses are averaged over the series of a cutoff
before they are tested, since stocks fall together.

Shapes: R rows (series, cutoff, step ahead), C cutoffs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast import metrics
from forecast.results import Benchmark
from forecast.significance import Directions, diebold_mariano, holm, pesaran_timmermann

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NAN = float("nan")
WALK, SPREAD = "naive", "naive-ewma"
TIMES = ("calm", "usual", "wild")  # thirds of the rows by the spread that naive-ewma forecasts


@dataclass(frozen=True, slots=True)
class Judgement:
    """One model. Ratios are to the random walk (`mase`) or to naive-ewma (`wql`, `crps`).

    `p_mase`, `p_wql` and `p_crps` are two-sided, by Diebold and Mariano over cutoffs and Holm over
    models; `hits` is a share of `directions.calls` one step ahead with its 95 % interval, `p_hits`
    one-sided and by Holm too. `cover` holds the shares of truths inside each interval by name:
    `all`, the years, and TIMES.
    """

    model: str
    mase: float
    p_mase: float
    r2: float
    hits: float
    hits_low: float
    hits_high: float
    directions: Directions
    p_hits: float
    wql: float
    p_wql: float
    crps: float
    p_crps: float
    cover: dict[str, dict[int, float]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`level_r2` is the R2 of yesterday's price on the price; `move` a typical change of a step."""

    series: int
    cutoffs: int
    level_r2: float
    move: float
    models: tuple[Judgement, ...]


def judge(benchmark: Benchmark) -> Verdict | None:
    """Return the verdict on a benchmark of prices; None for other data or without naive-ewma."""
    runs = benchmark.runs
    bars = [n for n in (WALK, SPREAD) if n in runs and runs[n].failed is None]
    if not benchmark.prices or len(bars) < 2 or not np.isfinite(benchmark.y).any():
        return None
    rows = _rows(benchmark)
    names = [s.model for s in benchmark.scores() if runs[s.model].failed is None]
    names = [n for n in names if n not in ("snaive", "snaive-week")]  # on prices the last price
    losses = {name: _losses(benchmark, rows, name) for name in names}
    tests = {key: _tests(benchmark, losses, key) for key in ("quantile", "crps")}
    calls = {name: _directions(benchmark, rows, name) for name in names}
    sure = dict(zip(names, holm(np.array([calls[n].p for n in names])), strict=True))
    found = []
    for name in names:
        score, walk = benchmark.score(name), benchmark.score(WALK)
        ratio = {k: losses[name][k].sum() / losses[SPREAD][k].sum() for k in tests}
        found.append(Judgement(
            name, score.mase / walk.mase if walk.mase > 0 else NAN, score.p, score.r2_vs_rw,
            score.hit_rate, score.hit_low, score.hit_high, calls[name], float(sure[name]),
            float(ratio["quantile"]), tests["quantile"][name],
            float(ratio["crps"]), tests["crps"][name], _cover(losses[name], rows.groups),
        ))  # fmt: skip
    return Verdict(len(np.unique(rows.series)), len(benchmark.cutoffs), *_level(rows), tuple(found))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows whose truth is there: their places and what is known of them."""

    at: Ints
    series: Ints
    cutoff: Ints  # number of the cutoff
    step: Ints
    y: Floats
    origin: Floats
    groups: dict[str, NDArray[np.bool_]]


def _rows(benchmark: Benchmark) -> _Rows:
    at = np.flatnonzero(np.isfinite(benchmark.y))
    step = np.asarray(benchmark.step[at], np.int64)
    low, median, high = benchmark.quantiles(SPREAD, (0.1, 0.5, 0.9), at).T
    width = (high - low) / np.abs(median) / np.sqrt(step)
    third = np.searchsorted(np.quantile(width, [1 / 3, 2 / 3]), width)
    groups = {"all": np.ones(len(at), bool)}
    if benchmark.clock.kind != "index":
        year = benchmark.ds[at].astype("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
        groups |= {str(y): year == y for y in np.unique(year)}
    groups |= {name: third == k for k, name in enumerate(TIMES)}
    cutoff = np.searchsorted(benchmark.cutoffs, benchmark.cutoff[at])
    return _Rows(
        at, np.asarray(benchmark.series[at], np.int64), cutoff, step,
        np.asarray(benchmark.y[at]), np.asarray(benchmark.origin[at]), groups,
    )  # fmt: skip


def _losses(benchmark: Benchmark, rows: _Rows, name: str) -> dict[str, Floats]:
    quantiles = benchmark.quantiles(name, benchmark.levels, rows.at)
    return metrics.losses(rows.y, benchmark.mean(name, rows.at), quantiles, benchmark.levels)


def _tests(
    benchmark: Benchmark, losses: dict[str, dict[str, Floats]], key: str
) -> dict[str, float]:
    """Return the p-value of each model's loss `key` against that of naive-ewma, by Holm."""
    at = np.flatnonzero(np.isfinite(benchmark.y))
    cutoff = np.searchsorted(benchmark.cutoffs, benchmark.cutoff[at])
    size = len(benchmark.cutoffs)
    count = np.bincount(cutoff, minlength=size)

    def by_cutoff(name: str) -> Floats:
        return np.bincount(cutoff, losses[name][key], size) / np.maximum(count, 1)

    bar = by_cutoff(SPREAD)
    p = [diebold_mariano(by_cutoff(name), bar, benchmark.overlap).p for name in losses]
    return {name: float(v) for name, v in zip(losses, holm(np.array(p)), strict=True)}


def _directions(benchmark: Benchmark, rows: _Rows, name: str) -> Directions:
    median = benchmark.quantile(name, 0.5, rows.at)
    gap = median - rows.origin
    kept = (rows.step == 1) & (rows.y != rows.origin)
    kept &= np.abs(gap) > metrics.NO_MOVE * np.abs(rows.origin)
    up, called = (rows.y > rows.origin)[kept], (gap > 0)[kept]
    return pesaran_timmermann(up.astype(float), called.astype(float), rows.cutoff[kept])


def _cover(
    losses: dict[str, Floats], groups: dict[str, NDArray[np.bool_]]
) -> dict[str, dict[int, float]]:
    return {
        name: {share: metrics.mean(losses[f"inside{share}"][mask]) for share in metrics.INTERVALS}
        for name, mask in groups.items()
    }


def _level(rows: _Rows) -> tuple[float, float]:
    """Return the median over series of the R2 of the last price, and of the size of a change."""
    first = rows.step == 1
    r2, move = [], []
    for i in np.unique(rows.series[first]):
        own = first & (rows.series == i)
        y, origin = rows.y[own], rows.origin[own]
        whole = float(((y - y.mean()) ** 2).sum())
        r2.append(1 - float(((y - origin) ** 2).sum()) / whole if whole else NAN)
        move.append(metrics.mean(np.abs(y / np.where(origin == 0, NAN, origin) - 1)))
    if not r2:
        return NAN, NAN
    return float(np.nanmedian(r2)), float(np.nanmedian(move))
