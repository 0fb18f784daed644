"""Which column is what: found by name, then by what it holds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from forecast.data import stamps
from forecast.data.header import (
    CALENDAR,
    GROUP_NAMES,
    ID_NAMES,
    PARTS,
    TIME_NAMES,
    VALUE_NAMES,
    generated,
)
from forecast.data.layout import (
    CLOCK,
    MANY,
    Layout,
    is_integer,
    named_beside,
    remembered,
    run_of,
    whole_day,
)
from forecast.data.numbers import is_measure, is_missing, is_number
from forecast.data.sheet import Sheet
from forecast.data.wanted import Decision, Wanted
from forecast.errors import UsageError


def recognise(
    sheet: Sheet, wanted: Wanted, known: Layout | None = None, headed: bool = True
) -> tuple[Layout, list[Decision]]:
    """Return the layout of a table, and why it is that.

    Names the user gave count first, then those a fitted model knows, then the usual spellings,
    then what the columns hold. Raises UsageError for a column that is not there, DataError when
    no column can hold the values or several may.
    """
    names = generated(len(sheet.sample[0]))
    if headed:
        given = (name.strip() for name in sheet.sample[0])
        names = tuple(name or stand_in for name, stand_in in zip(given, names, strict=True))
    wanted = remembered(wanted, known, names)
    finder = _Finder(sheet, names, int(headed))
    beside = named_beside(wanted, known, names, finder.cells, sheet)
    finder = replace(finder, beside=tuple(place for _, place, _ in beside))
    why: list[Decision] = []
    layout = replace(finder.timed(wanted), beside=beside)
    layout = replace(layout, id=finder.id(wanted, layout))
    if known is not None:
        layout = replace(layout, dates=known.dates, decimal=known.decimal)
    if wanted.future:
        return layout, [Decision("", "known covariates of steps to come; no values are needed")]
    sequence = finder.sequence(layout, wanted)
    if sequence is not None and beside:
        raise sheet.error(
            f"covariates beside the layout {sequence.kind}", 0,
            hint="write a long table, a row per timestamp; or say `--input-layout long`",
        )  # fmt: skip
    if sequence is not None:
        layout = sequence
        why.append(
            Decision(
                "",
                f"layout {layout.kind}: its columns are named in sequence"
                if wanted.input_layout is None
                else f"layout {layout.kind}: asked for",
            )
        )
    else:
        layout = finder.valued(layout, wanted, known)
        why.append(Decision("", f"layout {layout.kind}: " + _grounds(layout, wanted)))
    finder.check_names(layout)
    return layout, why


def _grounds(layout: Layout, wanted: Wanted) -> str:
    if wanted.input_layout:
        return "asked for"
    if layout.kind == "wide":
        return "no column of ids, and several of numbers: each is a series"
    return "one column of values" + (", and one of ids" if layout.id is not None else "")


@dataclass(frozen=True, slots=True)
class _Finder:
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
        if named is None or (others and self._counts(named)):
            return others[0] if others else named
        return named

    def _groups(self, k: int, texts: bool = False) -> bool:
        """Say whether column `k` holds texts, or whole numbers that come again."""
        cells = self.cells(k)
        if not any(map(is_number, cells)):
            return bool(cells)
        return not texts and all(map(is_integer, cells)) and len(set(cells)) < len(cells)

    def _counts(self, k: int) -> bool:
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
        if time is None and not self.first and len(self.names) > 1 and self._counts(0):
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

    def sequence(self, layout: Layout, wanted: Wanted) -> Layout | None:
        """Return the layout if the values of a day or of a series stand in one row, else None."""
        if wanted.input_layout in ("long", "wide") or wanted.value is not None:
            return None
        free = self.free(layout.id, *layout.timed)
        run = whole_day(self.names, free)
        if wanted.input_layout == "hours" or (run and layout.timed and wanted.input_layout is None):
            return replace(layout, kind="hours", values=run or self._numbers(layout))
        if layout.timed and wanted.input_layout is None:
            return None
        texts = [k for k in free if self._is_text(k)]
        run = run_of(self.names, [k for k in free if k not in texts])
        id_ = layout.id if layout.id is not None else next(iter(texts), None)
        if wanted.input_layout != "rows":
            cells = [] if id_ is None else self.cells(id_)
            if len(run) < MANY or id_ is None or len(set(cells)) < len(cells):
                return None
        elif not run:
            run = self._numbers(replace(layout, id=id_))
        if not any(is_number(cell) for k in run for cell in self.cells(k)):
            return None
        return replace(layout, kind="rows", id=id_, values=run, time=None, parts=())

    def valued(self, layout: Layout, wanted: Wanted, known: Layout | None) -> Layout:
        """Return the layout with its columns of values."""
        taken = (layout.id, *layout.timed)
        value = self.find(wanted.value, VALUE_NAMES, taken)
        if value is not None and wanted.input_layout != "wide":
            return replace(layout, values=(value,))
        if (
            known is not None
            and len(known.values) > 1
            and set(known.value_names) <= set(self.names)
        ):
            values = tuple(self.names.index(name) for name in known.value_names)
            return replace(layout, values=values, kind=known.kind)
        values = self.numeric(layout)
        return replace(layout, values=values, kind="wide" if layout.id is None else "long")

    def numeric(self, layout: Layout) -> tuple[int, ...]:
        """Return the columns that hold numbers or nothing, apart from ids and timestamps."""
        free = self.free(layout.id, *layout.timed)
        dated = [k for k in free if self._is_calendar(k)] if layout.timed else []
        cells = {k: self.cells(k) for k in free}
        found = [k for k in free if k not in dated and all(map(is_number, cells[k]))]
        if not any(cells[k] for k in found):
            raise self._no_numbers({k: cells[k] for k in free if k not in dated})
        if layout.id is None and (layout.timed or not self.first):
            return tuple(found)
        found = [k for k in found if cells[k]]
        if len(found) > 1:
            why = "beside the ids" if layout.timed else "and none the timestamps"
            raise self.sheet.error(
                f"{len(found)} columns may hold the values {why}: "
                + ", ".join(f"`{self.names[k]}`" for k in found[:8]), 0,
                hint=f"name them: `--time COLUMN`, `--value {self.names[found[-1]]}`",
            )  # fmt: skip
        return tuple(found)

    def check_names(self, layout: Layout) -> None:
        """Raise DataError where two series of a wide table would be called the same."""
        seen: set[str] = set()
        for name in layout.value_names if layout.kind in ("long", "wide") else ():
            if name in seen:
                raise self.sheet.error("several columns are called so", 0, name,
                                       hint="rename them apart")  # fmt: skip
            seen.add(name)

    def _numbers(self, layout: Layout) -> tuple[int, ...]:
        """Return the columns that mostly hold numbers, apart from ids and timestamps."""
        free = self.free(layout.id, *layout.timed)
        return tuple(k for k in free if self.cells(k) and not self._is_text(k))

    def _is_text(self, k: int) -> bool:
        cells = self.cells(k)
        return 2 * sum(map(is_number, cells)) < len(cells)

    def _is_calendar(self, k: int) -> bool:
        """Say whether a column restates the timestamp: its weekday, its year, the row's number."""
        unnamed = self.first and not self.sheet.sample[0][k].strip()
        return self._counts(k) if unnamed else self.names[k].lower() in CALENDAR

    def _no_numbers(self, cells: Mapping[int, Sequence[str]]) -> Exception:
        for k, texts in cells.items():
            if texts and all(is_measure(text) for text in texts):
                row = next(r for r, record in enumerate(self.sheet.sample[self.first :])
                           if k < len(record) and record[k] == texts[0])  # fmt: skip
                return self.sheet.error(
                    f"`{texts[0]}` is not a number: it carries a unit", row + self.first,
                    self.names[k], hint="write the number alone, units elsewhere",
                )  # fmt: skip
        columns = ", ".join(f"`{name}`" for name in self.names[:8])
        return self.sheet.error(
            f"no numeric column among {columns}" + (" ..." if len(self.names) > 8 else ""), 0,
            hint="values are numbers; name their column with `--value`",
        )  # fmt: skip
