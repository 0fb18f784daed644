"""What each column of a table is: ids, timestamps, values."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

from forecast.data import stamps
from forecast.data.numbers import is_measure, is_number
from forecast.data.roles import ROLES, Role
from forecast.data.sheet import Sheet
from forecast.data.wanted import Kind, Wanted, located

MANY = 8  # columns in sequence that are steps of one series
CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)(:00)?")
_HOUR = re.compile(r"(?i)(?:h|hr|hour|he|hh|p|sp|period|interval)?[ _.-]?(\d{1,3})(?:[:h]00)?")
_NUMBERED = re.compile(r"(\D*?)(\d+)")


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table by name and the places of those that are used.

    Several `values` make a wide table: each is a series called after its column. With `hours`
    they are the steps of a day, with `rows` all steps of a series. `parts` are columns that hold
    a part of the timestamp each, with what they hold. `dates` and `decimal` say how the table was
    written, for later rows that may be read in several ways. `beside` are the covariates: role,
    place, and whether they are texts.
    """

    columns: tuple[str, ...]
    values: tuple[int, ...]
    id: int | None = None
    time: int | None = None
    kind: Kind = "long"
    parts: tuple[tuple[str, int], ...] = ()
    dates: str = ""
    decimal: str = ""
    beside: tuple[tuple[Role, int, bool], ...] = ()

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> "Layout":
        """Return the layout of which `dataclasses.asdict` made `kept`, by way of JSON or not."""
        known = {name: kept[name] for name in (f.name for f in fields(cls)) if name in kept}
        for name in ("columns", "values"):
            known[name] = tuple(known[name])
        for name in ("parts", "beside"):
            known[name] = tuple(tuple(each) for each in known.get(name, ()))
        return cls(**known)

    @property
    def used(self) -> tuple[int, ...]:
        """Places of the columns that are read."""
        parts = (place for _, place in self.parts)
        beside = (place for _, place, _ in self.beside)
        every = (self.id, self.time, *parts, *beside, *self.values)
        return tuple(k for k in every if k is not None)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Places of the columns of numbers, those of values first."""
        return (*self.values, *(place for _, place, text in self.beside if not text))

    @property
    def timed(self) -> tuple[int, ...]:
        """Places of the columns that the timestamp is in."""
        return tuple(k for k in (self.time, *(place for _, place in self.parts)) if k is not None)

    @property
    def value_names(self) -> tuple[str, ...]:
        """Names of the columns of values."""
        return tuple(self.columns[k] for k in self.values)

    @property
    def spoken(self) -> str:
        """Say in words what was recognised."""
        names = [f"`{name}`" for name in self.value_names]
        parts: list[str] = []
        if self.kind in ("hours", "rows") and len(names) > 1:
            what = "a day" if self.kind == "hours" else "a series"
            parts.append(f"{what} per row, values {names[0]} to {names[-1]}")
        elif names:
            more = f" and {len(names) - 3:,} more" if len(names) > 4 else ""
            plural = "values " if len(names) > 1 else "value "
            parts.append(plural + ", ".join(names[: 3 if more else 4]) + more)
        for role in ROLES:
            own = [f"`{self.columns[k]}`" for r, k, _ in self.beside if r == role]
            parts += [f"{role} {', '.join(own)}"] if own else []
        if self.timed:
            parts.insert(0, "time " + ", ".join(f"`{self.columns[k]}`" for k in self.timed))
        if self.id is not None:
            parts.insert(0, f"series `{self.columns[self.id]}`")
        return "; ".join(parts)


def _unit(cells: list[str]) -> str | None:
    """Return the unit that numbers in `cells` carry, all the same one; None for other texts."""
    ends = {cell.strip().lstrip("+-0123456789.,").strip() for cell in cells}
    same = len(ends) == 1 and len(set(cells)) > 2 and all(map(is_measure, cells))
    return ends.pop() if same else None


def is_integer(cell: str) -> bool:
    """Say whether `cell` is an integer, as the timestamps of an index clock are."""
    return re.fullmatch(r"[+-]?\d+", cell.strip()) is not None


def labels(layout: Layout) -> list[str] | None:
    """Return what the columns of a series per row are called when that is their time, else None."""
    names = [layout.columns[k] for k in layout.values]
    if all(map(stamps.is_stamp, names)) or all(map(is_integer, names)):
        return names
    return None


def day_steps(layout: Layout) -> tuple[int, bool]:
    """Return how many steps a day has in a layout of hours, and whether one more column is there.

    That one is the hour that comes once a year, when the clock goes back.
    """
    count = len(layout.values)
    whole = next((n for n in (24, 48, 96) if n <= count <= n + n // 24), count)
    return whole, count > whole


def whole_day(names: Sequence[str], free: Sequence[int]) -> tuple[int, ...]:
    """Return the columns named after the steps of a day, in order; () without a whole day."""
    clocks = [k for k in free if ":" in names[k] and CLOCK.fullmatch(names[k])]
    if len(clocks) in (24, 48, 96):
        return tuple(clocks)
    numbers = {k: int(m[1]) for k in free if (m := _HOUR.fullmatch(names[k]))}
    places = list(numbers)
    if not places or list(numbers.values()) != list(
        range(numbers[places[0]], numbers[places[-1]] + 1)
    ):
        return ()
    whole = {0: (24, 48, 96), 1: (24, 25, 48, 50, 96, 100)}.get(numbers[places[0]], ())
    return tuple(places) if len(places) in whole else ()


def run_of(names: Sequence[str], free: Sequence[int]) -> tuple[int, ...]:
    """Return the columns that are numbered or dated in sequence, () without such a run."""
    dated = [k for k in free if stamps.is_stamp(names[k])]
    if len(dated) >= MANY:
        return tuple(dated)
    matches = {k: m for k in free if (m := _NUMBERED.fullmatch(names[k]))}
    kinds = [m[1] for m in matches.values()]
    if not kinds:
        return ()
    prefix = max(set(kinds), key=kinds.count)
    run = [k for k, m in matches.items() if m[1] == prefix]
    numbers = [int(matches[k][2]) for k in run]
    steps = {b - a for a, b in pairwise(numbers)}
    return tuple(run) if len(steps) == 1 and min(steps) > 0 else ()


def remembered(wanted: Wanted, known: Layout | None, names: Sequence[str]) -> Wanted:
    """Return `wanted` with the names of the fitted model's columns, where the table has them."""
    if known is None:
        return wanted
    places = {"id": known.id, "time": known.time}
    single = len(known.values) == 1 and known.kind in ("long", "wide")
    places["value"] = known.values[0] if single else None
    found = {role: known.columns[k] for role, k in places.items() if k is not None}
    fresh: dict[str, Any] = {role: name for role, name in found.items()
                             if getattr(wanted, role) is None and name in names}  # fmt: skip
    if not wanted.beside:
        for role, k, _ in known.beside:
            if role == "known" or not wanted.future:
                fresh[role] = (*fresh.get(role, ()), known.columns[k])
    return replace(wanted, **fresh)


def named_beside(
    wanted: Wanted,
    known: Layout | None,
    names: Sequence[str],
    cells: Callable[[int], list[str]],
    sheet: Sheet,
) -> tuple[tuple[Role, int, bool], ...]:
    """Return the covariates: role, place, and whether they are texts, by role.

    `cells` gives what the first rows of a column hold. Raises DataError for a column that is not
    there.
    """
    kinds = {known.columns[k]: text for _, k, text in known.beside} if known else {}
    found = []
    for role, name in wanted.beside:
        if names.count(name) != 1:
            wrong = "columns are called so" if name in names else "no column is called so"
            shown = ", ".join(names[:50]) + (" ..." if len(names) > 50 else "")
            raise located(sheet.name, f"{role} covariate: {wrong}", None, name,
                          hint=f"its columns: {shown}")  # fmt: skip
        place = names.index(name)
        text = kinds.get(name, not all(map(is_number, cells(place))))
        if text and role != "static" and (unit := _unit(cells(place))):
            wrong = f"{role} covariate: its numbers carry a unit, `{unit}`"
            raise located(sheet.name, wrong, None, name,
                          hint="write the numbers alone, units elsewhere")  # fmt: skip
        found.append((role, place, text))
    return tuple(found)
