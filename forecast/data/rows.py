"""The rows of a table as they came, where each stands, and in which zone its clock is."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from forecast.data import zones
from forecast.data.clock import Clock, Times
from forecast.data.covariates import Covariates
from forecast.data.dates import Stamps
from forecast.errors import DataError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Origin(Protocol):
    """Where rows came from, for messages."""

    @property
    def name(self) -> str:
        """The file."""
        ...

    def error(
        self, message: str, row: int | None = None, role: str | None = None, hint: str | None = None
    ) -> DataError:
        """Return the error that names row `row` and the column that plays `role`."""
        ...

    def lines(self, rows: Ints) -> list[int]:
        """Return the line of the file on which each of `rows` ends."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """T rows as they came: which series, when, how much."""

    ids: tuple[str, ...]  # in order of appearance
    codes: Ints  # (T,)
    times: Times  # (T,)
    values: Floats  # (T,)
    stamps: Stamps
    origin: Origin
    covariates: Covariates | None = None

    def only(self, kept: Ints) -> "Rows":
        """Return the rows numbered `kept`, every series still named."""
        return replace(self, codes=self.codes[kept], times=self.times[kept],
                       values=self.values[kept], origin=_Kept(self.origin, kept),
                       covariates=self.covariates and self.covariates.take(kept))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Kept:
    """The place of rows some of which were left out."""

    origin: Origin
    rows: Ints

    @property
    def name(self) -> str:
        return self.origin.name

    def error(
        self, message: str, row: int | None = None, role: str | None = None, hint: str | None = None
    ) -> DataError:
        place = None if row is None else int(self.rows[row])
        return self.origin.error(message, place, role, hint)

    def lines(self, rows: Ints) -> list[int]:
        return self.origin.lines(self.rows[rows])


def spoken(rows: Rows, row: int) -> str:
    """Return the timestamp of row `row` as text."""
    clock = Clock("index" if rows.stamps.index else "fixed", zone=rows.stamps.zone,
                  unit=rows.stamps.unit)  # fmt: skip
    return str(clock.write(rows.times[row : row + 1])[0])


def zoned(rows: Rows, zone: str) -> tuple[Rows, tuple[str, ...]]:
    """Return `rows` with times of UTC that `zone` shows, and what there is to say.

    Both hours of autumn are kept, in the order of their rows; a row without a value in the hour
    that spring skips is left out.
    """
    if rows.stamps.index:
        return rows, ()
    if rows.stamps.zone is not None:
        return replace(rows, stamps=replace(rows.stamps, zone=zone)), ()
    never = zones.skipped(rows.times, zone)
    notes: tuple[str, ...] = ()
    if never.any():
        wrong = never & ~np.isnan(rows.values) & (rows.values != 0)
        if wrong.any():
            raise _skipped(rows, int(wrong.argmax()), zone)
        rows = rows.only(np.flatnonzero(~never))
        notes = (f"left out {int(never.sum()):,} empty rows in hours that {zone} skips",)
    times = zones.place(rows.times, rows.codes, zone)
    return replace(rows, times=times, stamps=replace(rows.stamps, zone=zone)), notes


def _skipped(rows: Rows, row: int, zone: str) -> DataError:
    ahead = zones.written(int(zones.offsets(rows.times[:1], zone)[0]))
    return rows.origin.error(
        f"{spoken(rows, row)} does not exist in {zone}: the clock went forward", row, "time",
        "leave its value empty; or, if the clock of the data never changes, give its distance "
        f"from UTC: `--timezone {ahead}`",
    )  # fmt: skip
