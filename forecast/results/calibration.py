"""Do the quantiles of a model mean what they say? Shares of truths below and between them.

H horizon, C cutoffs, Q quantile levels. Several seeds are taken together.
"""

import numpy as np
from numpy.typing import NDArray

from forecast import metrics
from forecast.metrics import DECILES, Z95
from forecast.results.benchmark import Benchmark

Floats = NDArray[np.float64]


def reliability(benchmark: Benchmark, name: str) -> Floats:
    """Return the share of truths at or below each quantile (Q,); ideally its level."""
    below, rows = _counts(benchmark, name)
    return metrics.ratio(below.sum(axis=0), rows.sum())


def pit(benchmark: Benchmark, name: str) -> tuple[Floats, Floats]:
    """Return the share of truths between neighbouring deciles (10,), ideally a tenth, and a band.

    The band (10,) is 1.96 standard errors of each share. Truths of one cutoff are never
    independent, so the error comes from how the shares differ between cutoffs.
    """
    below, rows = _counts(benchmark, name)
    places = [benchmark.place(p) for p in DECILES]
    edges = np.column_stack([np.zeros(len(rows)), below[:, places], rows])
    inside = np.diff(edges, axis=1)  # (C, 10)
    total = rows.sum()
    share = metrics.ratio(inside.sum(axis=0), total)
    away = inside - share * rows[:, None]  # what each cutoff adds to the error of the sum
    used = int((rows > 0).sum())
    if used < 2:
        return share, np.full(len(share), np.nan)
    error = np.sqrt((away**2).sum(axis=0) * used / (used - 1)) / total
    return share, Z95 * error


def by_step(benchmark: Benchmark, name: str, key: str) -> Floats:
    """Return the mean of a loss such as `inside80` or `width80` by step ahead (H,)."""
    return _mean(benchmark, name, "step", key, benchmark.horizon)


def by_cutoff(benchmark: Benchmark, name: str, key: str) -> Floats:
    """Return the share of truths inside an interval, `inside80`, by cutoff (C,), oldest first."""
    return _mean(benchmark, name, "cutoff", key, len(benchmark.cutoffs))


def _mean(benchmark: Benchmark, name: str, table: str, key: str, size: int) -> Floats:
    found = [tally.means(table, key, size) for tally in benchmark.tallies[name]]
    return np.mean(found, axis=0) if found else np.full(size, np.nan)


def _counts(benchmark: Benchmark, name: str) -> tuple[Floats, Floats]:
    """Return truths below each quantile (C, Q) and all truths (C,)."""
    tallies = [t for t in benchmark.tallies[name] if t.below.size]
    size = len(benchmark.cutoffs)
    if not tallies:
        return np.zeros((size, len(benchmark.levels))), np.zeros(size)
    below = np.sum([t.below for t in tallies], axis=0)
    return below, np.sum([t.get("cutoff", "rows", size) for t in tallies], axis=0)
