"""Columns of numbers, timestamps and text as lines of text, many of them by pyarrow.

R rows. A column is an array (R,), or `(codes, names)` for text that repeats. The texts of few rows
are a list, those of many a pyarrow array: the same characters.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from forecast.data import arrow
from forecast.data.clock import Clock

Coded = tuple[NDArray[np.int64], Sequence[str]]  # codes (R,) and what each stands for
Column = NDArray[Any] | Coded | Sequence[str]

Escape = Callable[[str], str]

DIGITS = 9
CHUNK = 200_000  # rows turned into text at once
FEW = 5_000  # rows turned into text while pyarrow would still load
TIMES = ("ds", "cutoff")  # columns that hold times of the clock


def parts(columns: Mapping[str, Column]) -> Iterator[dict[str, Column]]:
    """Cut the rows into chunks, so that text is never held for all of them."""
    lengths = {len(c[0]) if isinstance(c, tuple) else len(c) for c in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"columns of different lengths: {sorted(lengths)}")
    for first in range(0, max(lengths, default=0), CHUNK):
        rows = slice(first, first + CHUNK)
        yield {name: (c[0][rows], c[1]) if isinstance(c, tuple) else c[rows]
               for name, c in columns.items()}  # fmt: skip


def put(stream: BinaryIO, cells: list[Any], left: str, between: str, right: str) -> None:
    """Write one line per row, `cells` its texts."""
    if all(isinstance(cell, list) for cell in cells):
        rows = (between.join(row) for row in zip(*cells, strict=True))
        stream.write("".join(f"{left}{row}{right}" for row in rows).encode())
        return
    cells = [arrow.texts(cell) if isinstance(cell, list) else cell for cell in cells]
    inner = [part for cell in cells for part in (between, cell)][1:]
    whole = arrow.joined(left, *inner, right)
    stream.write(memoryview(whole.buffers()[2]))  # the text of an array lies in one piece


def text(name: str, column: Column, clock: Clock, escape: Escape, missing: str = "") -> Any:
    """Return a column as text: a list of few rows, a pyarrow array of many."""
    if name in TIMES:
        column = _stamped(np.asarray(column), clock)
    elif isinstance(column, tuple):
        column = column[0], [escape(s) for s in column[1]]
    else:
        column = np.asarray(column)
        if column.dtype.kind not in "iuf":
            column = [escape(str(s)) for s in column]
        elif column.dtype.kind == "f":
            column = significant(column)
    return _listed(column, missing) if _few(column) else _arrow(column, missing)


def bound(columns: Mapping[str, Column], clock: Clock) -> Clock:
    """Return the clock of the series that the rows of `columns` are of."""
    series = columns.get("unique_id")
    return clock.of(series[1]).at(series[0]) if isinstance(series, tuple) else clock


def _stamped(times: NDArray[np.int64], clock: Clock) -> Coded:
    """Return times as text that repeats, each by the zone of its row."""
    if clock.along is None:
        found, codes = np.unique(times, return_inverse=True)
        return codes, clock.write(found).tolist()
    _, moment = np.unique(times, return_inverse=True)
    pair = moment * len(clock.along.names) + clock.along.of
    _, first, codes = np.unique(pair, return_index=True, return_inverse=True)
    return codes, clock.at(first).write(times[first]).tolist()


def _few(column: Column) -> bool:
    """Say whether a column is short, and its numbers of a size that is written without powers."""
    if isinstance(column, tuple):
        return len(column[0]) <= FEW
    if len(column) > FEW or not isinstance(column, np.ndarray) or column.dtype.kind != "f":
        return len(column) <= FEW
    size = np.abs(column[np.isfinite(column) & (column != 0)])
    return not np.isinf(column).any() and bool(np.all((size >= 1e-4) & (size < 1e10)))


def _listed(column: Column, missing: str) -> list[str]:
    if isinstance(column, tuple):
        return [column[1][k] for k in column[0].tolist()]
    if not isinstance(column, np.ndarray):
        return list(column)
    if column.dtype.kind != "f":
        return [str(number) for number in column.tolist()]
    return [number_text(value) if value == value else missing for value in column.tolist()]


def number_text(value: float) -> str:
    """Return the shortest decimal of `value`, a whole number without a point."""
    text = repr(value)
    return text.removesuffix(".0")


def _arrow(column: Column, missing: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, tuple):
        return coded(column)
    if not isinstance(column, np.ndarray):
        return arrow.texts(column)
    cells = pc.cast(arrow.array(column), pa.string())
    return pc.coalesce(cells, arrow.repeated(missing, len(column))) if cells.null_count else cells


def coded(column: Coded) -> Any:
    """Return text that repeats as a pyarrow array."""
    codes, names = column
    return arrow.texts(names).take(arrow.array(np.asarray(codes, np.int64)))


def significant(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `values` rounded to 9 significant digits: the doubles nearest to those decimals."""
    with np.errstate(divide="ignore", invalid="ignore"):
        order = np.floor(np.log10(np.abs(values)))
    usual = np.isfinite(order) & (np.abs(order) < DIGITS + 1)
    places = np.where(usual, DIGITS - 1 - order, 0).astype(np.int64)
    up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    rounded = np.rint(values * up / down) / up * down
    out = np.where(usual, rounded, values)
    for k in np.flatnonzero(~usual & np.isfinite(values) & (values != 0)):
        out.flat[k] = float(f"{values.flat[k]:.{DIGITS}g}")
    return np.asarray(out)


def quoted(cell: str, separator: str) -> str:
    """Return a cell as CSV writes it."""
    if any(c in cell for c in (separator, '"', "\n", "\r")):
        return '"' + cell.replace('"', '""') + '"'
    return cell
