"""Which columns hold ids and timestamps: found by name, then by what they hold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from forecast.data import stamps
from forecast.data.header import GROUP_NAMES, ID_NAMES, PARTS, TIME_NAMES
from forecast.data.layout import CLOCK, Layout, is_integer
from forecast.data.numbers import is_missing, is_number
from forecast.data.sheet import Sheet
from forecast.data.wanted import Wanted
from forecast.errors import UsageError


@dataclass(frozen=True, slots=True)
class Finder:
    """The names of a table's columns and its first rows."""

    sheet: Sheet
    names: tuple[str, ...]
    first: int  # number of the first record that is a row
    beside: tuple[int, ...] = ()  # columns that are covariates

    def free(self, *taken: int | None) -> list[int]:
        """Return the columns without those `taken`, and without covariates."""
        return [k for k in range(len(self.names)) if k not in (*taken, *self.beside)]

    def cells(self, k: int) -> list[str]:
        """Return what the first rows hold in column `k`, without what is missing."""
        rows = self.sheet.sample[self.first :]
        return [row[k] for row in rows if k < len(row) and not is_missing(row[k])]

    def find(
        self, asked: str | None, usual: Sequence[str], taken: Sequence[int | None] = ()
    ) -> int | None:
        """Return the place of the column `asked` for, or of the first `usual` name, or None."""
        if asked is not None:
            if asked not in self.names:
                shown = ", ".join(self.names[:50]) + (" ..." if len(self.names) > 50 else "")
                raise UsageError(f"{self.sheet.name}: no column is called `{asked}`",
                                 hint=f"its columns: {shown}")  # fmt: skip
            usual = (asked.lower(),)
        lower = [name.lower() for name in self.names]
        for name in usual:
            places = [k for k, n in enumerate(lower) if n == name and k in self.free(*taken)]
            if asked is not None:
                places = [k for k in places if self.names[k] == asked]
            if len(places) > 1:
                raise self.sheet.error(
                    f"{len(places)} columns are called so",
                    0,
                    self.names[places[0]],
                    hint="rename one of them",
                )
            if places:
                return places[0]
        return None

    def id(self, wanted: Wanted, layout: Layout) -> int | None:
        """Return the column of ids: by name, unless it only numbers the rows and another names."""
        named = self.find(wanted.id, ID_NAMES, layout.timed)
        if wanted.id is not None:
            return named
        free = self.free(named, *layout.timed)
        others = [k for k in free if self.names[k].lower().endswith("_id")]
        others += [k for k in free if self.names[k].lower() in GROUP_NAMES and self._groups(k)]
        if not self.first:
            texts = [k for k in free if self._groups(k, texts=True)]
            others += texts if len(texts) == 1 else []
        if named is None or (others and self.counts(named)):
            return others[0] if others else named
        return named

    def _groups(self, k: int, texts: bool = False) -> bool:
        """Say whether column `k` holds texts, or whole numbers that come again."""
        cells = self.cells(k)
        if not any(map(is_number, cells)):
            return bool(cells)
        return not texts and all(map(is_integer, cells)) and len(set(cells)) < len(cells)

    def counts(self, k: int) -> bool:
        """Say whether column `k` numbers the rows one by one."""
        cells = self.cells(k)
        if len(cells) < 2 or not all(map(is_integer, cells)):
            return False
        return all(int(b) - int(a) == 1 for a, b in pairwise(map(str.strip, cells)))

    def timed(self, wanted: Wanted) -> Layout:
        """Return a layout with the columns of the timestamp alone."""
        layout = Layout(self.names, ())
        id_ = self.find(wanted.id, ID_NAMES)
        time = self.find(wanted.time, TIME_NAMES, taken=(id_,))
        parts = self._parts()
        if wanted.time is not None:
            return replace(layout, time=time, parts=self._finer(time, parts))
        units = {k: self._resolution(k) for k in self.free(id_)}
        fine = [k for k, unit in units.items() if unit == "time"]
        dated = [k for k, unit in units.items() if unit is not None]
        if fine:
            named = [k for k in fine if self.names[k].lower() in TIME_NAMES]
            return replace(layout, time=time if time in fine else (*named, *fine)[0])
        if {"year", "month"} <= set(parts) and not (time is not None and units.get(time)):
            return replace(layout, parts=tuple(parts.items()))
        if time is None or (time in parts.values() and dated):
            time = dated[0] if dated else time
        if time is None and not self.first and len(self.names) > 1 and self.counts(0):
            time = 0
        return replace(layout, time=time, parts=self._finer(time, parts))

    def _finer(self, time: int | None, parts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
        """Return the parts that tell the time of day, where column `time` holds days alone."""
        if time is None or self._resolution(time) not in ("day", "midnight"):
            return ()
        roles = ("clock",) if "clock" in parts else ("hour", "minute")
        return tuple((role, parts[role]) for role in roles if role in parts and parts[role] != time)

    def _parts(self) -> dict[str, int]:
        """Return the columns that hold part of a timestamp: by name, and by what they hold."""
        lower = [name.lower() for name in self.names]
        found: dict[str, int] = {}
        for role, usual in PARTS.items():
            fits = CLOCK if role == "clock" else re.compile(r"\d{1,4}(\.0)?")
            for k in (k for name in usual for k, n in enumerate(lower) if n == name):
                cells = [cell.strip() for cell in self.cells(k)]
                if cells and all(fits.fullmatch(cell) for cell in cells):
                    found.setdefault(role, k)
        return found

    def _resolution(self, k: int) -> str | None:
        """Return "time" where column `k` holds times of day, "day", "midnight" or None."""
        cells = self.cells(k)
        if not cells:
            return None
        if all(map(is_integer, cells)) and self.names[k].lower() in TIME_NAMES:
            means = stamps.integers_mean(cells)
            return None if means == "integer" else "day" if len(cells[0].strip()) < 9 else "time"
        if not stamps.is_stamp(cells[0]):
            return None
        clocks = [m[1] for c in cells if (m := re.search(r"[T :](\d{1,2}:?\d\d.*)", c.strip()))]
        if not clocks:
            return "day"
        return "time" if any(re.search(r"[1-9]", clock) for clock in clocks) else \
            "midnight" if self._parts() else "time"  # fmt: skip
