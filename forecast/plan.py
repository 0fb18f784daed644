"""Which rows a backtest forecasts: the windows of a task, laid out on a panel.

N series, W windows, R rows (series, cutoff, step ahead) whose timestamp exists.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import Times
from forecast.data.panel import Panel
from forecast.errors import DataError
from forecast.results import Task

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 1 << 18  # rows laid out in one go
COLUMNS = {"series": np.int32, "step": np.int32, "cutoff": np.int64, "ds": np.int64,
           "y": np.float64, "origin": np.float64}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Plan:
    """Rows seen at each window: `counts` (W, N); how many are judged after it: `judged` (W, N)."""

    counts: Ints
    judged: Ints
    cutoffs: Times  # (W, N)
    gap: int

    @property
    def size(self) -> int:
        """How many rows there are, R."""
        return int(self.judged.sum())

    @cached_property
    def begins(self) -> Ints:
        """Return where the rows of each window and series begin (W, N), series by series."""
        ends = np.cumsum(self.judged.T.ravel()).reshape(self.judged.shape[::-1]).T
        return np.asarray(ends - self.judged, np.int64)

    def rows(self, panel: Panel) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield the rows as columns in blocks of whole series: by series, cutoff, step ahead."""
        last, times = last_seen(panel), panel.all_times()
        sizes = np.cumsum(self.judged.sum(axis=0))
        block = (sizes - 1) // BLOCK
        for number in np.unique(block):
            yield self._rows(panel, np.flatnonzero(block == number), last, times)

    def _rows(self, panel: Panel, some: Ints, last: Floats, times: Times) -> dict[str, Any]:
        judged = self.judged[:, some]
        which, window = np.nonzero(judged.T)
        ahead = judged.T[which, window]
        begin = np.repeat(np.cumsum(ahead) - ahead, ahead)
        step = np.arange(int(ahead.sum())) - begin + 1
        series, window = np.repeat(some[which], ahead), np.repeat(window, ahead)
        seen = panel.offsets[series] + self.counts[window, series]
        place = seen + self.gap + step - 1
        return {
            "series": series,
            "step": step,
            "cutoff": self.cutoffs[window, series],
            "ds": times[place],
            "y": panel.values[place],
            "origin": last[seen - 1],
        }

    def places(self, window: int) -> tuple[Ints, Ints, Ints]:
        """Return series, step ahead from 0, and place among all rows, of one window's rows."""
        ahead = self.judged[window]
        series = np.repeat(np.arange(len(ahead)), ahead)
        step = np.arange(len(series)) - np.repeat(np.cumsum(ahead) - ahead, ahead)
        return series, step, self.begins[window][series] + step


def plan_windows(panel: Panel, task: Task) -> Plan:
    """Lay out the windows of `task` on `panel`; DataError says how many would fit."""
    if task.first_cutoff is None:
        counts, cutoffs = _windows_from_the_ends(panel, task)
    else:
        counts, cutoffs = _windows_from(panel, task, task.first_cutoff)
    counts = np.maximum(counts, 0)
    seen = np.concatenate([[0], np.cumsum(~np.isnan(panel.values))])
    known = seen[panel.offsets[:-1] + counts] - seen[panel.offsets[:-1]] > 0
    left = np.clip(panel.lengths - counts - task.gap, 0, task.horizon)
    judged = np.where((counts > 0) & known, left, 0)
    if not seen[-1]:
        raise DataError("no series has a value")
    if not judged.any():
        raise DataError(
            "no series has a value before its cutoff and a row after it",
            hint="fewer --windows, a shorter --horizon or another --first-cutoff",
        )
    return Plan(counts, judged, cutoffs, task.gap)


def _windows_from_the_ends(panel: Panel, task: Task) -> tuple[Ints, Times]:
    most = int(panel.lengths.max(initial=0))
    fits = (most - task.reach - 1) // task.step + 1 if most > task.reach else 0
    if fits < task.windows:
        need = task.reach + task.step * (task.windows - 1) + 1
        raise DataError(
            f"{task.windows:,} windows, {task.step:,} steps apart, which end {task.reach:,} steps "
            f"after their cutoffs, need {need:,} rows; the longest series has {most:,}",
            hint=f"--windows {fits}" if fits else _shorter(task, most),
        )
    back = task.reach + task.step * np.arange(task.windows)[::-1]
    counts = panel.lengths - back[:, None]  # (W, N)
    times = panel.all_times()
    place = panel.offsets[:-1] + np.clip(counts - 1, 0, np.maximum(panel.lengths - 1, 0))
    return counts, times[np.minimum(place, len(times) - 1)]


def _windows_from(panel: Panel, task: Task, first: int) -> tuple[Ints, Times]:
    grid = _grid(panel)
    start = int(np.searchsorted(grid, first, "right")) - 1
    span = panel.clock.write(grid[[0, -1]])
    if not grid[0] <= first <= grid[-1]:
        raise DataError(
            f"the first cutoff lies outside the data, {span[0]} to {span[1]}",
            hint="--first-cutoff must leave rows before it and a horizon after it",
        )
    if start + task.reach >= len(grid):
        raise DataError(
            f"from the first cutoff to {span[1]} there are {len(grid) - 1 - start:,} steps, and "
            f"{task.reach:,} are wanted",
            hint=f"an earlier --first-cutoff, or {_shorter(task, len(grid))}",
        )
    fits = (len(grid) - 1 - task.reach - start) // task.step + 1
    if fits < task.windows:
        raise DataError(
            f"only {fits} of {task.windows} windows fit after the first cutoff",
            hint=f"--windows {fits}",
        )
    cutoffs = grid[start + task.step * np.arange(task.windows)]
    counts = np.stack([panel.counts_until(int(cut)) for cut in cutoffs])
    return counts, np.broadcast_to(cutoffs[:, None], counts.shape)


def _shorter(task: Task, rows: int) -> str:
    """Return what lets a window fit into so many `rows`."""
    if rows < 2:
        return "give more rows"
    if task.gap > task.horizon:
        return "a smaller --gap"
    return "a shorter --horizon" if task.horizon > 1 else "give more rows"


def _grid(panel: Panel) -> Times:
    """Return the steps of the panel, in order; those of the longest series where series lie apart.

    They do where zones differ by half an hour and the steps are whole hours of each.
    """
    times, clock = np.unique(panel.all_times()), panel.clock
    if clock.kind not in ("fixed", "index") or clock.civil:
        return times
    return np.asarray(times[(times - panel.starts[panel.lengths.argmax()]) % clock.step == 0])


def last_seen(panel: Panel) -> Floats:
    """Return for every row the last value seen in its series up to it (T,)."""
    place = np.where(np.isnan(panel.values), -1, np.arange(len(panel.values)))
    begin = np.repeat(panel.offsets[:-1], panel.lengths)
    source = np.maximum.accumulate(place)
    return np.where(source >= begin, panel.values[np.maximum(source, 0)], np.nan)
