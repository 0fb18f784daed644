"""From text to columns of ids, timestamps and numbers: of a small table at once, else by pyarrow.

The fast way converts while it parses. Whatever it refuses goes the careful way: every cell is
read as text and converted afterwards, so that the first bad one can be named. R records.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.data import arrow, numbers, plain
from forecast.data.clock import Times
from forecast.data.covariates import Column, Covariates
from forecast.data.dates import Stamps
from forecast.data.moments import combined, iso, means
from forecast.data.numbers import POINT, BadNumberError, Style, is_missing
from forecast.data.reader import Reader
from forecast.data.stamps import EPOCHS
from forecast.data.wanted import Decision

LARGEST = 1e100  # beyond it sums of squares overflow
_POINTED = re.compile(r"[+-]?(0?\.\d+|0\.\d*|\d+\.(\d{0,2}|\d{4,})|\d{4,}\.\d*)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Cells:
    """The used columns of R records."""

    names: tuple[str, ...] | None  # ids in order of appearance; None without an id column
    codes: NDArray[np.int64] | None  # (R,) which id
    times: Times | None  # (R,); None without a time column
    values: list[NDArray[np.float64]]  # a column (R,) each, NaN where missing
    stamps: Stamps
    covariates: Covariates | None = None  # (R, C)
    kept: NDArray[np.bool_] | None = None  # (R,) records that are rows; None: all
    decisions: tuple[Decision, ...] = ()
    dates: str = ""  # how timestamps were written, as `--date-format` says it
    decimal: str = "."


def parse(reader: Reader) -> Cells:
    """Return the cells of a sheet.

    Raises DataError that names the line and the column of a cell that cannot be read, or that can
    be read in two ways.
    """
    holds = means(reader)
    columns = plain.table(reader, holds) if _plain(reader) else None
    columns = columns or _parsed(reader, holds)
    layout = reader.layout
    height = len(next(iter(columns.values())))
    try:  # each column is let go once it is converted
        found, style, written = _numbers(reader, [columns.pop(k) for k in layout.numbers])
    except BadNumberError as bad:
        raise reader.error(bad.message, bad.row, layout.numbers[bad.column], bad.hint) from None
    values = found[: len(layout.values)] or [np.full(height, np.nan)]
    beside = _beside(reader, columns, found[len(layout.values) :], height)
    moments = combined(reader, columns, holds, values)
    names, codes = _ids(reader, columns)
    return Cells(
        names, codes, moments.times, values, moments.stamps, beside, moments.kept,
        (*moments.decisions, written), moments.dates, style.decimal,
    )  # fmt: skip


def _parsed(reader: Reader, holds: str) -> dict[int, Any]:
    """Return the used columns by their places, as numbers and times if every cell is one."""
    import pyarrow as pa

    try:
        return reader.table(_types(reader, holds))
    except pa.ArrowInvalid:
        return reader.text()


def _types(reader: Reader, holds: str) -> dict[int, Any]:
    """Return how the used columns are to be parsed."""
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    layout = reader.layout
    number = pa.float64() if _plain(reader) else pa.string()
    types = dict.fromkeys(layout.numbers, number)
    types.update({place: text for _, place, is_text in layout.beside if is_text})
    types.update(dict.fromkeys(layout.timed, text))
    if layout.id is not None:
        types[layout.id] = text
    form = iso(reader)
    if holds == "iso" and layout.time is not None:
        types[layout.time] = pa.timestamp("us", "UTC" if form and form[1] else None)
    elif holds in ("integer", *EPOCHS) and layout.time is not None:
        types[layout.time] = pa.int64()
    return types


def _plain(reader: Reader) -> bool:
    """Say whether numbers with a point can only be that: then they are parsed at once."""
    if reader.wanted.decimal == ",":
        return False
    if reader.wanted.decimal == "." or reader.sheet.delimiter in ",\t":
        return True
    cells = (cell for k in reader.layout.numbers for cell in reader.column(k))
    return any(_POINTED.fullmatch(cell) for cell in cells)


def _numbers(
    reader: Reader, columns: list[Any]
) -> tuple[list[NDArray[np.float64]], Style, Decision]:
    """Return the columns of numbers, and how they were read."""
    asked = reader.wanted.decimal
    if not columns:
        return [], POINT, Decision("", "no column of numbers")
    if not any(map(arrow.is_text, columns)):
        values = [arrow.floats(column) for column in columns]
        if not asked:
            numbers.check_ruins(values)
        return values, POINT, Decision("", "numbers with a decimal point: every cell is one")
    return numbers.convert(columns, reader.sheet.delimiter, asked, reader.layout.decimal)


def _beside(
    reader: Reader, columns: dict[int, Any], numbers: list[NDArray[np.float64]], height: int
) -> Covariates | None:
    """Return the covariates: those of `numbers`, and those of text that are left in `columns`."""
    layout, left = reader.layout, iter(numbers)
    if not layout.beside:
        return None
    values, kinds = np.empty((height, len(layout.beside))), []
    for k, (role, place, text) in enumerate(layout.beside):
        texts = None
        if text:
            texts, values[:, k] = _texts(columns.pop(place))
        else:
            values[:, k] = next(left)
        kinds.append(Column(layout.columns[place], role, texts))
        wild = np.abs(values[:, k]) > LARGEST
        if wild.any():
            raise reader.error(
                f"an infinite value, or one beyond {LARGEST:g}", int(wild.argmax()), place,
                "correct it, or leave it empty",
            )  # fmt: skip
    return Covariates(tuple(kinds), values)


def _texts(column: Any) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the texts of a column, sorted, and which each row has (R,), NaN where missing."""
    written, codes = arrow.categories(column)
    plain = ["" if is_missing(text) else " ".join(text.split()) for text in written]
    texts = sorted(set(plain) - {""})
    number = {text: float(k) for k, text in enumerate(texts)} | {"": np.nan}
    place = np.array([number[text] for text in plain])
    return tuple(texts), place[codes]


def _ids(
    reader: Reader, columns: dict[int, Any]
) -> tuple[tuple[str, ...] | None, NDArray[np.int64] | None]:  # fmt: skip
    """Return the ids. Raises DataError for one that is empty, or differs by spaces from another."""
    place = reader.layout.id
    if place is None:
        return None, None
    names, codes = arrow.categories(columns.pop(place))
    plain = [" ".join(name.split()) for name in names]
    if "" in plain:
        row = int(np.argmax(codes == plain.index("")))
        raise reader.error("no id", row, place,
                           "name the series in every row, or leave that column out")  # fmt: skip
    if len(set(plain)) < len(plain):
        first: dict[str, int] = {}
        later = next(k for k, name in enumerate(plain) if first.setdefault(name, k) != k)
        row = int(np.argmax(codes == later))
        raise reader.error(
            f"`{names[later]}` and `{names[first[plain[later]]]}` differ only by spaces",
            row, place,
            "write the id of a series alike in every row",
        )  # fmt: skip
    return names, codes
