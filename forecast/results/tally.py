"""One pass over a model's rows: sums of its losses by series, step ahead, hour, weekday, cutoff.

Every score is a ratio of such sums, so memory does not grow with the rows that were read. R rows
in blocks, N series, H horizon, C cutoffs, V windows (series and cutoff), Q quantile levels.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import metrics
from forecast.data.clock import DAY, HOUR, MONDAY, Clock, Times
from forecast.metrics import DECILES
from forecast.models.base import LEVELS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

__all__ = ["DECILES", "LEVELS", "Axes", "Rows", "Tally"]

BLOCK = 1 << 16  # rows looked at in one go
HOURS, WEEKDAYS = 24, 7


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some rows of a benchmark whose truth is there, and one model's forecasts of them."""

    series: Ints
    window: Ints  # running number of series and cutoff
    cutoff: Ints  # number of the cutoff, oldest first
    step: Ints  # 1..H
    ds: Times
    y: Floats
    mean: Floats
    quantiles: Floats  # (R, Q)


@dataclass(frozen=True, slots=True)
class Axes:
    """The sizes of what is summed over."""

    series: int
    horizon: int
    cutoffs: int
    windows: int
    clock: Clock  # of the series
    scale: Floats  # (N,) what errors of a series are divided by before series are averaged
    levels: tuple[float, ...] = LEVELS


@dataclass(slots=True, eq=False)
class Tally:
    """Sums of losses. `series[name]` (N,) and `step[name]` (H,) hold all of `metrics.losses`.

    The others hold `absolute` and `rows` only, by `cell` (N, H), `hour` (N, 24), `weekday` (N, 7)
    and `window` (V,); `path` (C, H) holds them scaled. `below` (C, Q) counts truths at or below
    each quantile, NaN at one that is not forecast, `cutoff["rows"]` (C,) all of them.
    """

    axes: Axes
    tables: dict[str, dict[str, Floats]] = field(default_factory=dict)
    below: Floats = field(default_factory=lambda: np.zeros(0))

    def add(self, rows: Rows) -> None:
        """Count some rows."""
        axes = self.axes
        losses = metrics.losses(rows.y, rows.mean, rows.quantiles, axes.levels)
        short = {name: losses[name] for name in ("absolute", "rows")}
        self._sum("series", rows.series, losses, axes.series)
        self._sum("step", rows.step - 1, losses, axes.horizon)
        cell = rows.series * axes.horizon + rows.step - 1
        self._sum("cell", cell, short, axes.series * axes.horizon)
        self._sum("window", rows.window, short, axes.windows)
        for name, (part, size) in calendar(axes.clock.at(rows.series), rows.ds).items():
            self._sum(name, rows.series * size + part, short, axes.series * size)
        weight = metrics.ratio(np.ones(1), axes.scale)[rows.series]
        known = np.isfinite(weight)
        scaled = {
            "absolute": losses["absolute"][known] * weight[known],
            "rows": weight[known] * 0 + 1,
        }
        path = rows.cutoff * axes.horizon + rows.step - 1
        self._sum("path", path[known], scaled, axes.cutoffs * axes.horizon)
        spread = {name: losses[name] for name in ("rows", "inside50", "inside80", "inside95")}
        self._sum("cutoff", rows.cutoff, spread, axes.cutoffs)
        if not self.below.size:
            self.below = np.zeros((axes.cutoffs, len(axes.levels)))
        under = np.where(np.isnan(rows.quantiles), np.nan, rows.y[:, None] <= rows.quantiles)
        for k in range(len(axes.levels)):
            self.below[:, k] += np.bincount(rows.cutoff, under[:, k], axes.cutoffs)

    def _sum(self, name: str, codes: Ints, values: dict[str, Floats], size: int) -> None:
        """Add `values` to the sums of their groups, touching only those from first to last."""
        if not len(codes):
            return
        table = self.tables.setdefault(name, {key: np.zeros(size) for key in values})
        first = int(codes.min())
        near = codes - first
        for key, value in values.items():
            sums = np.bincount(near, weights=value)
            table[key][first : first + len(sums)] += sums

    def total(self, key: str) -> float:
        """Return the sum of one loss over all rows."""
        return float(self.get("series", key, self.axes.series).sum())

    def get(self, name: str, key: str, size: int) -> Floats:
        """Return the sums of loss `key` by group, zeros when no row was counted."""
        return self.tables[name][key] if name in self.tables else np.zeros(size)

    def means(self, name: str, key: str, size: int) -> Floats:
        """Return the mean of loss `key` by group, NaN where a group has no row."""
        return metrics.ratio(self.get(name, key, size), self.get(name, "rows", size))


def calendar(clock: Clock, ds: Times) -> dict[str, tuple[Ints, int]]:
    """Return hour and weekday of each row, where the clock has more than one of them."""
    if clock.kind in ("index", "calendar"):
        return {}
    local = clock.local(ds)
    found = {}
    if clock.kind == "fixed" and clock.step < DAY:
        found["hour"] = (local // HOUR % HOURS, HOURS)
    if clock.kind == "trading" or clock.step <= DAY:
        found["weekday"] = ((local - MONDAY) // DAY % WEEKDAYS, WEEKDAYS)
    return found


def blocks(rows: int) -> Iterator[slice]:
    """Cut a number of rows into blocks."""
    return (slice(a, min(a + BLOCK, rows)) for a in range(0, rows, BLOCK))


def let_go(array: NDArray[Any]) -> None:
    """Let the system drop the pages of a mapped array from this process; the file keeps them."""
    base = getattr(array, "base", None)
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
