"""A stream of lines, CSV or JSON, to readings: one at a time, fast, and never the end of it all.

A line that cannot be read is an error of its own; the next one begins anew. What is usual (an ISO
timestamp, an integer, an epoch; a plain number) is read here; whatever else a table may hold goes
through `tables.read`, line by line, so that both understand the same.
"""

import csv
import json
import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from forecast.data import dialect, header, zones
from forecast.data.clock import Clock
from forecast.data.grid import LARGEST
from forecast.data.layout import Layout
from forecast.data.numbers import MISSING, Style
from forecast.data.stamps import EPOCHS, iso_form
from forecast.data.wanted import Wanted
from forecast.errors import ForecastError
from forecast.stream.beside import Cells
from forecast.stream.columns import Columns, recognised, sheet, text_of

LONGEST = 1 << 20  # bytes of a line
SHOWN = 60  # characters of a bad line that are shown
_EPOCH = datetime(1970, 1, 1)
_AWARE = _EPOCH.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TAIL = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
_INTEGER = re.compile(r"[+-]?\d{1,18}(\.0*)?")
_MARKS = re.compile("[\u0020\u00a0\u202f\u2009'\u2019]")


class BadLineError(Exception):
    """A line that holds no reading; the text says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one series; `second` is the time if the wall clock was put back, else `time`."""

    name: str
    time: int | None  # None where rows are numbered
    value: float  # NaN where missing
    second: int | None = None
    beside: Cells = ()  # covariates, in the order of the model's


class Feed:
    """Reads lines as the data of a fitted model were written, or as their own header says.

    Covariates that `wanted` names are read beside the values.
    """

    def __init__(self, clock: Clock, layout: Layout | None, wanted: Wanted | None = None) -> None:
        wanted = wanted or Wanted()
        self.clock = clock
        self.wanted = replace(wanted, timezone=clock.told) if clock.told else wanted
        self.zones = dict(clock.own)  # of series whose zones differ, those that lines told too
        self._known = layout  # of the fit
        self._columns: Columns | None = None  # of the lines
        self._header: str | None = None  # a line of names, until a row comes
        self._delimiter = self.wanted.delimiter or ","
        self._keys: dict[tuple[str, ...], Columns] = {}  # of JSON records

    def read(self, line: bytes) -> list[Reading]:
        """Return the readings of `line`, none for a blank one or a header; BadLineError."""
        text = _decoded(line)
        if not text.strip():
            return []
        try:
            if text.lstrip().startswith("{"):
                return self._record(text)
            return self._cells(text)
        except ForecastError as error:
            raise BadLineError(f"{_bare(error.message)}: `{_short(text)}`") from None

    def moment(self, text: str) -> int | None:
        """Return the time that `text` says, None where it says none in the usual way."""
        zone = None if self.clock.told else self.clock.zone
        found = self._moment(text, Columns(Layout((), ()), self.wanted), zone)
        return found[0] if found else None

    def _record(self, text: str) -> list[Reading]:
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            raise BadLineError(f"not JSON: `{_short(text)}`") from None
        names = tuple(record)
        columns = self._keys.get(names)
        cells = ["" if v is None else v if isinstance(v, str) else json.dumps(v)
                 for v in record.values()]  # fmt: skip
        if columns is None:
            columns = recognised([list(names), cells], self.wanted, self._known, headed=True)
            if len(self._keys) < 100:
                self._keys[names] = columns
        return self._readings(columns, cells, text)

    def _cells(self, text: str) -> list[Reading]:
        columns = self._columns
        if columns is None:
            return self._begin(text)
        cells = _split(text, self._delimiter)
        if len(cells) != columns.width or not columns.dated(cells):
            if columns.named_by(cells):
                self._header, self._columns = text, None
                return []
            if len(cells) != columns.width:
                raise BadLineError(
                    f"{len(cells)} cells instead of {columns.width}: `{_short(text)}`"
                )
        return self._readings(columns, cells, text)

    def _begin(self, text: str) -> list[Reading]:
        """Take the first line for names or for a row, and find out what its columns are."""
        if self.wanted.delimiter is None:
            self._delimiter = dialect.sniff(text)
        cells = _split(text, self._delimiter)
        if self._header is not None:
            names = _split(self._header, self._delimiter)
            if len(names) != len(cells):
                raise BadLineError(f"{len(cells)} cells under {len(names)} names: `{_short(text)}`")
            self._columns = recognised([names, cells], self.wanted, self._known, headed=True)
            return self._readings(self._columns, cells, text)
        if not header.headless(sheet([cells]), self._known):
            self._header = text
            return []
        if self._known is None:
            columns = recognised([cells], self.wanted, None, headed=False)
        elif len(cells) != len(self._known.columns):
            listed = ", ".join(self._known.columns[:8])
            raise BadLineError(f"no header, and not the columns {listed}: `{_short(text)}`")
        else:
            columns = Columns(self._known, self.wanted)
        self._columns = columns
        return self._readings(columns, cells, text)

    def _readings(self, columns: Columns, cells: list[str], text: str) -> list[Reading]:
        layout = columns.layout
        if not columns.stream:
            raise BadLineError(f"a layout of {layout.kind} is no stream: `{_short(text)}`")
        if columns.time is None and self._known is not None and self._known.timed:
            raise BadLineError(f"no column of timestamps: `{_short(text)}`")
        zone = self._zone(columns, cells) if self.clock.told else self.clock.zone
        when = None if columns.time is None else self._moment(cells[columns.time], columns, zone)
        beside = self._beside(columns, cells) if columns.beside else ()
        try:
            values = [self._value(cells[k], layout) for k in layout.values]
        except ValueError:
            values = None
        if values is None or when is False:
            return self._slowly(layout, cells, beside)
        first, second = (None, None) if when is None else when
        if layout.id is None:
            return [Reading(name, first, value, second, beside)
                    for name, value in zip(columns.names, values, strict=True)]  # fmt: skip
        name = cells[layout.id]
        if not name.strip():
            raise BadLineError(f"no id: `{_short(text)}`")
        return [Reading(name, first, values[0], second, beside)]

    def _beside(self, columns: Columns, cells: list[str]) -> Cells:
        """Return the covariates of a row: numbers, NaN where missing, and texts, "" where so."""
        out: list[float | str] = []
        for name, place, text in columns.beside:
            cell = cells[place]
            if text:
                out.append("" if cell.strip() in MISSING else " ".join(cell.split()))
                continue
            try:
                out.append(self._value(cell, columns.layout))
            except ValueError:
                raise BadLineError(f"covariate `{name}`: `{_short(cell)}` is no number") from None
        return tuple(out)

    def _zone(self, columns: Columns, cells: list[str]) -> str | None:
        """Return the zone of the series of a line where zones differ, None where nothing tells."""
        layout = columns.layout
        if layout.id is None:
            return None
        name = cells[layout.id]
        if name not in self.zones and self.clock.told in layout.columns:
            self.zones[name] = zones.named(cells[layout.columns.index(self.clock.told)])
        elif name not in self.zones and columns.time is not None:
            tail = _TAIL.search(cells[columns.time].strip())
            self.zones |= {name: zones.named(tail[0])} if tail else {}
        return self.zones.get(name)

    def _moment(self, cell: str, columns: Columns, zone: str | None) -> Any:
        """Return the time, and the one an hour later where the clock was put back; False: odd."""
        cell, layout = cell.strip(), columns.layout
        if self.clock.kind == "index":
            return (int(float(cell)), None) if _INTEGER.fullmatch(cell) else False
        if layout.parts or self.wanted.date_format:
            return False
        if layout.dates in EPOCHS and _INTEGER.fullmatch(cell):
            size = EPOCHS[layout.dates]
            return (int(cell) * size if size else int(cell) // 1000, None)
        if iso_form(cell) is None or len(cell) < 8:
            return False
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError:
            return False
        if moment.tzinfo is not None:
            return False if self.clock.zone is None else ((moment - _AWARE) // _MICROSECOND, None)
        if self.clock.told and zone is None:
            raise BadLineError(f"nothing tells in which time zone the clock stands: `{cell}`")
        local = (moment - _EPOCH) // _MICROSECOND
        return (local, None) if zone in (None, "UTC") else _both(local, str(zone))

    def _value(self, cell: str, layout: Layout) -> float:
        """Return the number in `cell`, NaN where missing; ValueError where there is none."""
        cell = cell.strip()
        if cell in MISSING:
            return math.nan
        decimal = self.wanted.decimal or layout.decimal or "."
        if decimal == "," or "," in cell or "_" in cell:
            style = Style(decimal)
            if not re.fullmatch(style.pattern, cell):
                raise ValueError(cell)
            cell = _MARKS.sub("", cell.replace(style.thousands, "")).replace(",", ".")
        value = float(cell)
        if abs(value) > LARGEST:
            raise BadLineError(f"`{cell}` is beyond {LARGEST:g}")
        return value

    def _slowly(self, layout: Layout, cells: list[str], beside: Cells) -> list[Reading]:
        """Read one line as a table of one row."""
        from forecast.data import tables

        wanted = self.wanted
        panel = tables.read(
            text_of([list(layout.columns), cells]).encode(), clock=self.clock,
            layout=replace(layout, beside=()),
            id=wanted.id, time=wanted.time, value=wanted.value, date_format=wanted.date_format,
            decimal=wanted.decimal, timezone=wanted.timezone,
        )  # fmt: skip
        if panel.clock is not self.clock:
            self.zones |= panel.clock.own
        return [
            Reading(name, int(time), float(value), None, beside)
            for i, name in enumerate(panel.ids)
            for time, value in zip(panel.row_times(i), panel.series(i), strict=True)
        ]


def _both(local: int, zone: str) -> tuple[int, int | None]:
    """Return the two times at which the wall clock of `zone` shows `local`, usually one."""
    import numpy as np

    wall = np.array([local], np.int64)
    first, second = (int(zones.to_utc(wall, zone, later)[0]) for later in (False, True))
    return first, None if second == first else second


def _decoded(line: bytes) -> str:
    if len(line) > LONGEST:
        raise BadLineError(f"longer than {LONGEST >> 20} MiB")
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadLineError("not text in UTF-8") from None
    if "\0" in text:
        raise BadLineError("not text: it holds a zero byte")
    return text


def _split(text: str, delimiter: str) -> list[str]:
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise BadLineError(f"{error}: `{_short(text)}`") from None


def _bare(message: str) -> str:
    """Return what a table's error says, without the place in a table of one line."""
    return re.sub(r"^<(bytes|stdin)>(, line \d+)?(, column)? ?(`[^`]*`)?: ", "", message)


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
