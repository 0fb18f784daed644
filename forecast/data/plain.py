"""A small table as small tables usually are, to columns, sooner than pyarrow would load.

Cells without quotes, timestamps of ISO 8601 or integers, numbers with a point: these are converted
here to what pyarrow would make of them. Anything else is left to it. R records.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.data.moments import iso
from forecast.data.numbers import MISSING
from forecast.data.reader import Reader
from forecast.data.stamps import EPOCHS

SMALL = 1 << 18  # bytes; more of them are parsed by pyarrow as fast as it loads
_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)
_STAMP = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?", re.ASCII)

Column = list[str] | NDArray[Any]


def table(reader: Reader, holds: str) -> dict[int, Column] | None:
    """Return the used columns by their places, or None where some cell is unusual.

    Numbers and times come as arrays (R,), ids and texts as lists; `holds` is what the time column
    does.
    """
    layout, time = reader.layout, reader.layout.time
    if layout.parts or holds not in ("none", "iso", "integer", *EPOCHS):
        return None
    cells = _cells(reader)
    if cells is None:
        return None
    out: dict[int, Any] = {}
    for place in layout.used:
        if place == time:
            out[place] = _times(reader, cells[place], holds)
        elif place in layout.numbers:
            out[place] = _numbers(cells[place])
        else:
            out[place] = list(cells[place])
    return None if any(column is None for column in out.values()) else out


def words(reader: Reader, place: int) -> Any:
    """Return the texts of one column (R,), which may be in no other use."""
    cells = _cells(reader)
    return list(cells[place]) if cells is not None else reader.words(place)


def _cells(reader: Reader) -> list[tuple[str, ...]] | None:
    """Return the cells of each column; None where lines differ in width, or cells are quoted."""
    sheet = reader.sheet
    if len(sheet.data) - reader.body > SMALL or b'"' in sheet.data:
        return None
    text = sheet.data[reader.body :].decode().replace("\r\n", "\n")
    if "\r" in text:
        return None
    records = [line.split(sheet.delimiter) for line in text.split("\n") if line]
    if not records or {len(record) for record in records} != {len(reader.layout.columns)}:
        return None
    return list(zip(*records, strict=True))


def _numbers(cells: Sequence[str]) -> NDArray[np.float64] | None:
    out = np.full(len(cells), np.nan)
    for k, cell in enumerate(cells):
        if _NUMBER.fullmatch(cell):
            out[k] = float(cell)
        elif cell not in MISSING:
            return None
    return out


def _times(reader: Reader, cells: Sequence[str], holds: str) -> NDArray[np.int64] | None:
    if holds != "iso":
        whole = all(map(_WHOLE.fullmatch, cells))
        return np.array([int(cell) for cell in cells], np.int64) if whole else None
    form = iso(reader)
    if form and form[1]:
        if not all(cell.endswith("Z") for cell in cells):
            return None
        cells = [cell[:-1] for cell in cells]
    if not all(map(_STAMP.fullmatch, cells)):
        return None
    try:
        return np.array(cells, "M8[us]").astype(np.int64)
    except ValueError:  # a thirteenth month
        return None
