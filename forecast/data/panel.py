"""The panel: many series with one clock, ragged and frozen.

Shapes: N series, T rows of all series together. Values lie end to end in one flat array; series
`i` is `values[offsets[i]:offsets[i + 1]]`. On a complete clock the rows of a series are every
step from its first to its last, NaN where missing; on trading days they are the observed days.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import Clock, Times
from forecast.data.covariates import Column, Covariates
from forecast.data.holidays import HOLIDAY, Holidays
from forecast.data.layout import Layout
from forecast.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Series in sorted id order. `order[k]` is the place of the input's k-th series."""

    ids: tuple[str, ...]
    values: Floats  # (T,)
    offsets: NDArray[np.int64]  # (N + 1,)
    starts: Times  # (N,) first timestamp of each series
    clock: Clock
    times: Times | None = None  # (T,) on trading days only
    order: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    notes: tuple[str, ...] = ()  # what the reader decided, one sentence each
    reasons: tuple[str, ...] = ()  # and why
    source: str = "data"  # the file, for messages
    layout: Layout | None = None  # the columns of the file, to read rows without a header
    covariates: Covariates | None = None  # columns beside the values, (T, C)
    future: "Panel | None" = None  # rows after the last values: what is known of steps to come
    holidays: Holidays | None = None  # where the covariate `holiday` comes from
    seen: bool = False  # whether the seasons of its clock were found in its values

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of each series (N,)."""
        return np.diff(self.offsets)

    @property
    def ends(self) -> Times:
        """Last timestamp of each series (N,); one step before `starts` where one is empty."""
        if self.times is not None:
            last = self._times_at(np.maximum(self.lengths - 1, 0))
            return np.where(self.lengths > 0, last, self.starts - 1)
        return self.clock.shift(self.starts, self.lengths - 1)

    @property
    def known(self) -> tuple[str, ...]:
        """Known covariates that the table holds: those that the calendar tells are left out."""
        named = self.covariates.named("known") if self.covariates else ()
        return tuple(name for name in named if self.holidays is None or name != HOLIDAY)

    def series(self, i: int) -> Floats:
        """Return the values of series `i` as a view."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def row_times(self, i: int) -> Times:
        """Return the timestamps of series `i`."""
        if self.times is not None:
            return self.times[self.offsets[i] : self.offsets[i + 1]]
        return self.clock.shift(self.starts[i : i + 1], np.arange(self.lengths[i]))

    def all_times(self) -> Times:
        """Return the timestamps of all rows, flat (T,)."""
        if self.times is not None:
            return self.times
        row = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths)
        return self.clock.shift(np.repeat(self.starts, self.lengths), row)

    def counts_until(self, cutoff: int) -> NDArray[np.int64]:
        """Return how many rows of each series stand at or before `cutoff` (N,)."""
        if self.clock.kind in ("fixed", "index") and not self.clock.civil:
            rows = (cutoff - self.starts) // self.clock.step + 1
            return np.clip(rows, 0, self.lengths)
        seen = np.concatenate([[0], np.cumsum(self.all_times() <= cutoff)])
        return np.asarray(seen[self.offsets[1:]] - seen[self.offsets[:-1]], np.int64)

    def rows(self, first: NDArray[np.int64], stop: NDArray[np.int64]) -> "Panel":
        """Return rows `first[i]:stop[i]` of each series `i`; a series may come out empty."""
        kept = np.maximum(stop - first, 0)
        offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        source = np.repeat(self.offsets[:-1] + first - offsets[:-1], kept) + np.arange(offsets[-1])
        starts = self._times_at(np.minimum(first, np.maximum(self.lengths - 1, 0)))
        times = None if self.times is None else self.times[source]
        return replace(
            self, values=self.values[source], offsets=offsets, starts=starts, times=times,
            covariates=self.covariates and self.covariates.take(source),
        )  # fmt: skip

    def until(self, cutoff: int) -> "Panel":
        """Return the rows at or before `cutoff`."""
        return self.rows(np.zeros(len(self), np.int64), self.counts_until(cutoff))

    def select(self, which: Sequence[int] | NDArray[np.int64]) -> "Panel":
        """Return the series at places `which`, given in increasing order."""
        keep = np.asarray(which, np.int64)
        lengths = self.lengths[keep]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        source = np.repeat(self.offsets[keep] - offsets[:-1], lengths) + np.arange(offsets[-1])
        place = np.full(len(self), -1)
        place[keep] = np.arange(len(keep))
        order = place[self.order] if len(self.order) else place
        return replace(
            self,
            ids=tuple(self.ids[i] for i in keep),
            values=self.values[source],
            offsets=offsets,
            starts=self.starts[keep],
            times=None if self.times is None else self.times[source],
            covariates=self.covariates and self.covariates.take(source),
            order=order[order >= 0],
        )

    def read_by(self, clock: Clock) -> "Panel":
        """Return the panel on `clock`, or raise DataError if its rows tick by another one."""
        short = bool((self.lengths < 3).all())  # too short to show a clock of their own
        same = (clock.kind, clock.step) == (self.clock.kind, self.clock.step)
        if same or (short and (clock.kind == "index") == (self.clock.kind == "index")):
            return replace(self, clock=clock.joined(self.clock.own))
        raise DataError(
            f"the rows are {self.clock.label}, the model was fitted on {clock.label}",
            hint="give rows of the same frequency, or fit a model on these",
        )

    def _times_at(self, row: NDArray[np.int64]) -> Times:
        if self.times is None:
            return self.clock.shift(self.starts, row)
        if not len(self.times):
            return self.starts
        at = np.minimum(self.offsets[:-1] + row, len(self.times) - 1)
        return np.asarray(self.times[at], np.int64)

    @classmethod
    def from_frame(cls, frame: "pd.DataFrame", **options: Any) -> "Panel":
        """Build a panel from a data frame: `unique_id, ds, y` or what else `read_csv` knows."""
        from forecast.data import tables

        return tables.from_frame(frame, **options)

    def to_frame(self) -> "pd.DataFrame":
        """Return the panel as a data frame `unique_id, ds, y`, series in the input's order."""
        import pandas as pd

        ds = self.all_times()
        if self.clock.kind != "index":
            ds = ds.astype("M8[us]")
        ids = np.repeat(np.array(self.ids, object), self.lengths)
        frame = pd.DataFrame({"unique_id": ids, "ds": ds, "y": self.values})
        for k, column in enumerate(self.covariates.columns if self.covariates else ()):
            assert self.covariates is not None
            frame[column.name] = _written(column, self.covariates.values[:, k])
        if self.clock.zone is not None:
            frame["ds"] = frame["ds"].dt.tz_localize("UTC").dt.tz_convert(self.clock.zone)
        rank = np.argsort(self.order) if len(self.order) else np.arange(len(self))
        by_input = np.argsort(np.repeat(rank, self.lengths), kind="stable")
        return frame.iloc[by_input].reset_index(drop=True)


def assemble(
    names: Iterable[str], series: Iterable[Floats], starts: Iterable[int], clock: Clock,
    columns: tuple[Column, ...] = (), beside: Iterable[Floats] = (),
) -> Panel:  # fmt: skip
    """Build a panel from one array per series on a complete clock; ids must be unique.

    `beside` are the covariates called `columns`, one array (rows, C) per series.
    """
    names, arrays = list(names), [np.asarray(s, np.float64) for s in series]
    rank = sorted(range(len(names)), key=names.__getitem__)
    lengths = [len(arrays[i]) for i in rank]
    order = np.empty(len(names), np.int64)
    order[rank] = np.arange(len(names))
    return Panel(
        ids=tuple(names[i] for i in rank),
        values=np.concatenate([arrays[i] for i in rank]) if rank else np.zeros(0),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        starts=np.array(list(starts), np.int64)[rank],
        clock=clock,
        order=order,
        covariates=_side_by_side(columns, list(beside), rank) if columns else None,
    )


def _side_by_side(
    columns: tuple[Column, ...], arrays: Sequence[Floats], rank: Sequence[int]
) -> Covariates:
    return Covariates(columns, np.concatenate([np.asarray(arrays[i], np.float64) for i in rank]))


def _written(column: Column, values: Floats) -> Any:
    """Return a column as it came: numbers, or texts with None where missing."""
    if column.texts is None:
        return values
    texts = np.array([*column.texts, None], object)
    return texts[np.where(np.isnan(values), -1, np.nan_to_num(values)).astype(np.int64)]
