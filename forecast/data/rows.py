"""The rows of a table as they came, where each stands, and in which zone its clock is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from forecast.data import zones
from forecast.data.clock import OFFSETS, Clock, Times
from forecast.data.covariates import Covariates
from forecast.data.dates import Stamps
from forecast.data.zones import Zone, Zones
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
    """T rows as they came: which series, when, how much.

    Where series differ in their time zone, `own` holds the zones by id and `told` what says so.
    """

    ids: tuple[str, ...]  # in order of appearance
    codes: Ints  # (T,)
    times: Times  # (T,)
    values: Floats  # (T,)
    stamps: Stamps
    origin: Origin
    covariates: Covariates | None = None
    told: str = ""
    own: Mapping[str, str] = field(default_factory=dict)

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
    own = rows.own.get(rows.ids[rows.codes[row]]) if rows.stamps.zone else None
    clock = Clock("index" if rows.stamps.index else "fixed", zone=own or rows.stamps.zone,
                  unit=rows.stamps.unit)  # fmt: skip
    return str(clock.write(rows.times[row : row + 1])[0])


def in_zones(rows: Rows, clock: Clock | None, zone: str | None) -> tuple[Rows, tuple[str, ...]]:
    """Return `rows` in the zone of the model's clock, in their own, or in the one the user gave."""
    if clock is not None and not clock.told:
        return (rows, ()) if clock.zone is None else _zoned(rows, clock.zone)
    if rows.stamps.index or (clock is None and zone is None and not rows.own):
        return replace(rows, told="", own={}), ()
    if clock is None and rows.stamps.unit in ("M", "D") and rows.stamps.zone is None:
        said = f"dates without a time of day are the same in every zone, {zone or 'theirs'} too"
        return replace(rows, told="", own={}), (said,)
    if clock is None and zone is not None:
        return _zoned(rows, zone)
    return _apart(rows, {**rows.own, **(clock.own if clock else {})}, clock)


def _apart(rows: Rows, own: dict[str, str], clock: Clock | None) -> tuple[Rows, tuple[str, ...]]:
    """Return `rows` each in the zone of its series; DataError for one of which none is known."""
    unknown = [k for k, name in enumerate(rows.ids) if name not in own]
    if unknown and rows.stamps.zone is None:
        row = int((rows.codes == unknown[0]).argmax())
        told = clock.told if clock and clock.told != OFFSETS else "zone"
        name = f"series `{rows.ids[unknown[0]]}`" if rows.ids[unknown[0]] else "rows of all series"
        raise rows.origin.error(
            f"{name}: nothing tells in which time zone the clock stands", row, "time",
            f"name it in the column `{told}`, or write timestamps with their offset from UTC",
        )  # fmt: skip
    own |= {rows.ids[k]: rows.stamps.zone or "UTC" for k in unknown}
    each = Zones.listed(own[name] for name in rows.ids)
    told = clock.told if clock else rows.told
    return _zoned(replace(rows, told=told, own=own), each.at(rows.codes))


def _zoned(rows: Rows, zone: Zone) -> tuple[Rows, tuple[str, ...]]:
    """Return `rows` with times of UTC that `zone` shows, and what there is to say.

    Zones that differ are those of the rows (T,), whose timestamps then stand for UTC. Both hours
    of autumn are kept, in the order of their rows; a row without a value in the hour that spring
    skips is left out.
    """
    if rows.stamps.index:
        return rows, ()
    written = replace(rows.stamps, zone="UTC" if isinstance(zone, Zones) else zone)
    if rows.stamps.zone is not None:
        return replace(rows, stamps=written), ()
    never = zones.skipped(rows.times, zone)
    notes: tuple[str, ...] = ()
    if never.any():
        wrong = never & ~np.isnan(rows.values) & (rows.values != 0)
        if wrong.any():
            row = int(wrong.argmax())
            raise _skipped(rows, row, zone.name(row) if isinstance(zone, Zones) else zone)
        kept, named = np.flatnonzero(~never), "their zone" if isinstance(zone, Zones) else zone
        rows, zone = rows.only(kept), zone.at(kept) if isinstance(zone, Zones) else zone
        notes = (f"left out {int(never.sum()):,} empty rows in hours that {named} skips",)
    return replace(rows, times=zones.place(rows.times, rows.codes, zone), stamps=written), notes


def _skipped(rows: Rows, row: int, zone: str) -> DataError:
    ahead = zones.written(int(zones.offsets(rows.times[:1], zone)[0]))
    given = f"{ahead} in the column `{rows.told}`" if rows.told else f"`--timezone {ahead}`"
    return rows.origin.error(
        f"{spoken(rows, row)} does not exist in {zone}: the clock went forward", row, "time",
        "leave its value empty; or, if the clock of the data never changes, give its distance "
        f"from UTC: {given}",
    )  # fmt: skip
