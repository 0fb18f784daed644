"""Columns of numbers, timestamps and text as lines of text, by pyarrow.

R rows. A column is an array (R,), or `(codes, names)` for text that repeats.
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
    inner = [part for cell in cells for part in (between, cell)][1:]
    whole = arrow.joined(left, *inner, right)
    stream.write(memoryview(whole.buffers()[2]))  # the text of an array lies in one piece


def text(name: str, column: Column, clock: Clock, escape: Escape, missing: str = "") -> Any:
    """Return a column as a pyarrow array of text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name in TIMES:
        times, codes = np.unique(np.asarray(column), return_inverse=True)
        return coded((codes, clock.write(times).tolist()))
    if isinstance(column, tuple):
        return coded((column[0], [escape(s) for s in column[1]]))
    array = np.asarray(column)
    if array.dtype.kind in "iu":
        return pc.cast(arrow.array(array), pa.string())
    if array.dtype.kind != "f":
        return arrow.texts([escape(str(s)) for s in array])
    cells = pc.cast(arrow.array(significant(array)), pa.string())
    return pc.coalesce(cells, arrow.repeated(missing, len(array))) if cells.null_count else cells


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
