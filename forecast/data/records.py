"""From the cells of records to rows: one series, one time and one value each.

R records, W columns of values. The columns lie one after the other, so row r stands in record
r % R of column r // R, whatever the layout.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.data import arrow, plain, stamps, zones
from forecast.data.cells import Cells
from forecast.data.clock import DAY, OFFSETS, Times
from forecast.data.dates import Stamps
from forecast.data.layout import day_steps, is_integer, labels
from forecast.data.reader import Reader
from forecast.data.rows import Rows
from forecast.data.stamps import BadStampError
from forecast.data.zones import Zones
from forecast.errors import DataError

Ints = NDArray[np.int64]
EVERY = ""  # the id of rows that hold for all series
OFFSET = r"[+-]\d\d:?\d\d$"
Kept = Ints | None  # which of the R W rows, in which order; None: all


@dataclass(frozen=True, slots=True)
class Origin:
    """The place of each row of a panel in its sheet."""

    reader: Reader
    height: int  # R
    kept: Ints | None = None  # which of the R W rows those of the panel are; None: all

    @property
    def name(self) -> str:
        """The file."""
        return self.reader.sheet.name

    def error(
        self, message: str, row: int | None = None, role: str | None = None, hint: str | None = None
    ) -> DataError:
        """Return the error that names row `row` and the column of `role`, or so called."""
        if row is None:
            return self.reader.sheet.error(message, hint=hint)
        column, record = divmod(row if self.kept is None else int(self.kept[row]), self.height)
        layout = self.reader.layout
        place: int | None = next(iter(layout.values[column:]), None)
        if role == "time" and layout.kind != "rows":
            place = next(iter(layout.timed), None)
        elif role not in (None, "time", "value"):
            place = layout.columns.index(role)
        return self.reader.error(message, record, place, hint)

    def lines(self, rows: Ints) -> list[int]:
        """Return the line of the file on which each of `rows` ends."""
        return self.reader.sheet.lines(self.records(rows) + self.reader.first)

    def records(self, rows: Ints) -> Ints:
        """Return the record in which each of `rows` stands."""
        return (rows if self.kept is None else self.kept[rows]) % self.height


def rows(cells: Cells, reader: Reader) -> Rows:
    """Return the rows of a table of any layout; without timestamps they are numbered from 1.

    Raises DataError for an hour that no day has.
    """
    kind = reader.layout.kind
    height, width = len(cells.values[0]), len(cells.values)
    kept = None if cells.kept is None else np.flatnonzero(np.tile(cells.kept, width))
    written, each = _shown(cells.stamps, reader, height)
    if kind == "rows":
        names, codes, times, written, kept = _series_per_row(cells, reader)
    elif kind == "hours":
        names, codes, times, written, kept = _day_per_row(cells, reader)
    else:
        names, codes = _ids(cells, reader)
        times = _numbers(codes) if cells.times is None else np.tile(cells.times, width)
        kept = _without_empty(cells) if kept is None and width > 1 else kept
    values = np.concatenate(cells.values) if width > 1 else cells.values[0]
    beside = cells.covariates and cells.covariates.take(np.arange(len(values)) % height)
    whole = Rows(names, codes, times, values, written, Origin(reader, height), beside)
    return _with_zones(whole if kept is None else _only(whole, kept), each)


def _without_empty(cells: Cells) -> Kept:
    """Return the rows of a wide table without those of records that hold nothing in between.

    A record without any value says no more than an absent one does.
    """
    known = np.zeros(len(cells.values[0]), np.bool_)
    if cells.covariates is not None:
        return None
    for column in cells.values:
        known |= ~np.isnan(column)
    if known.all() or not known.any() or cells.times is None:
        return None
    first, last = int(known.argmax()), len(known) - int(known[::-1].argmax())
    known[:first] = known[last:] = True
    return np.flatnonzero(np.tile(known, len(cells.values)))


def _with_zones(rows: Rows, each: Zones | None) -> Rows:
    """Return `rows` with the zones of their series, of those `each` record (R,) has.

    Raises DataError for a series that a column puts into two zones; offsets that change tell none.
    """
    if each is None:
        return rows
    origin, told = rows.origin, OFFSETS
    assert isinstance(origin, Origin)
    of = each.of[origin.records(np.arange(len(rows.codes)))]
    first = np.zeros(len(rows.ids), np.int64)
    first[rows.codes[::-1]] = of[::-1]
    other = of != first[rows.codes]
    if isinstance(origin.reader.zone, Zones):
        told = str(origin.reader.wanted.timezone)
        if other.any():
            row = int(other.argmax())
            name, before = rows.ids[rows.codes[row]], each.names[first[rows.codes[row]]]
            raise origin.error(
                f"series `{name}` is in {each.names[of[row]]} after {before}", row, told,
                "a series keeps one clock: give the other part of it an id of its own",
            )  # fmt: skip
    elif other.any():
        return rows
    own = {name: each.names[k] for name, k in zip(rows.ids, first, strict=True)}
    return replace(rows, told=told, own=own)


def _shown(written: Stamps, reader: Reader, height: int) -> tuple[Stamps, Zones | None]:
    """Return `written` with the offset of its zone, if all of them have the same one.

    Where offsets differ and no zone is asked for, also that of each record (R,).
    """
    place, each = reader.layout.time, reader.zone if isinstance(reader.zone, Zones) else None
    if written.zone is None or place is None:
        return written, each
    tail = re.search(OFFSET, next(iter(reader.column(place)), "").strip())
    if tail is None or reader.zone is not None:
        return written, each
    if reader.sheet.data.count(tail[0].encode()) >= height:
        return replace(written, zone=zones.named(tail[0])), None
    return written, _offsets(reader, place) if reader.layout.id is not None else None


def _offsets(reader: Reader, place: int) -> Zones | None:
    """Return the offset at the end of the timestamp of each record (R,), None without one."""
    texts, codes = arrow.categories(plain.words(reader, place))
    tails = [re.search(OFFSET, text.strip()) for text in texts]
    if not all(tails):
        return None
    return Zones.listed(zones.named(tail[0]) for tail in tails if tail).at(codes)


def _only(whole: Rows, kept: Ints) -> Rows:
    """Return the rows numbered `kept`, and the series that still have one."""
    origin = whole.origin
    assert isinstance(origin, Origin)
    left, codes = np.unique(whole.codes[kept], return_inverse=True)
    return Rows(
        tuple(whole.ids[k] for k in left), codes.astype(np.int64), whole.times[kept],
        whole.values[kept], whole.stamps, replace(origin, kept=kept),
        whole.covariates and whole.covariates.take(kept),
    )  # fmt: skip


def _ids(cells: Cells, reader: Reader) -> tuple[tuple[str, ...], Ints]:
    """Return the series of a long or a wide table: by id, else by column."""
    height, width = len(cells.values[0]), len(cells.values)
    if cells.names is None or cells.codes is None:
        return reader.layout.value_names or (EVERY,), np.repeat(np.arange(width), height)
    return cells.names, cells.codes


def _numbers(codes: Ints) -> Ints:
    """Return the number of each row within its series, from 1."""
    by_series = np.argsort(codes, kind="stable")
    begin = np.flatnonzero(np.diff(codes[by_series], prepend=-1))
    size = np.diff(np.append(begin, len(codes)))
    out = np.empty(len(codes), np.int64)
    out[by_series] = np.arange(len(codes)) - np.repeat(begin, size) + 1
    return out


def _day_per_row(
    cells: Cells, reader: Reader
) -> tuple[tuple[str, ...], Ints, Times, Stamps, Kept]:  # fmt: skip
    """Return the rows of records that hold a day each, a column for each step of it."""
    if cells.times is None:
        raise reader.sheet.error("a day per row, and no date", 0, hint="name it: `--time COLUMN`")
    steps, more = day_steps(reader.layout)
    height, width = len(cells.times), len(cells.values)
    step = DAY // steps
    times = np.tile(cells.times // DAY * DAY, width) + np.repeat(np.arange(width) * step, height)
    if cells.names is None or cells.codes is None:
        names: tuple[str, ...] = (Path(reader.sheet.name).name.split(".")[0] or "series",)
        codes = np.zeros(len(times), np.int64)
    else:
        names, codes = cells.names, np.tile(cells.codes, width)
    order = np.arange(height * width).reshape(width, height)
    if more:
        last = np.concatenate(cells.values[steps:])
        filled = np.nan_to_num(last) != 0
        if filled.any():
            raise reader.error(
                "an hour more than a day has, for the clock goes back: local time cannot tell them "
                "apart", int(filled.argmax()) % height, reader.layout.values[steps],
                "leave the column of that hour out, or write a long table in UTC",
            )  # fmt: skip
    found = stamps.refine(Stamps(False, "m", cells.stamps.zone), times)
    return names, codes, times, found, order[:steps].T.ravel()


def _series_per_row(
    cells: Cells, reader: Reader
) -> tuple[tuple[str, ...], Ints, Times, Stamps, Kept]:  # fmt: skip
    """Return the rows of records that hold a series each, from its first value to its last."""
    height, width = len(cells.values[0]), len(cells.values)
    if cells.names is None or cells.codes is None:
        names, codes = tuple(f"row_{k + 1}" for k in range(height)), np.arange(height)
    else:
        names, codes = cells.names, cells.codes
    known = np.stack([~np.isnan(column) for column in cells.values])  # (W, R)
    first, last = known.argmax(0), width - 1 - known[::-1].argmax(0)
    step = np.arange(width)[:, None]
    inside = (step >= first) & (step <= last) & known.any(0)
    kept = np.arange(height * width).reshape(width, height).T[inside.T]
    times, found = _label_times(reader)
    return names, np.tile(codes, width), np.repeat(times, height), found, kept


def _label_times(reader: Reader) -> tuple[Times, Stamps]:
    """Return the times that the names of the columns are, else the numbers of the columns."""
    named = labels(reader.layout)
    if named is None:
        return np.arange(1, len(reader.layout.values) + 1), Stamps(index=True)
    if all(map(is_integer, named)) and stamps.integers_mean(named) != "date":
        return np.array([int(name) for name in named], np.int64), Stamps(index=True)
    try:
        read, _ = stamps.parse(arrow.texts(named), reader.wanted.date_format)
    except BadStampError as bad:
        place = reader.layout.values[bad.place]
        raise reader.sheet.error(bad.message, 0, reader.layout.columns[place], bad.hint) from None
    return read.times, read.stamps
