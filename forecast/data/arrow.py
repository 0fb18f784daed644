"""Between NumPy and pyarrow by their buffers.

pyarrow's own conversions import pandas, which costs more than reading a usual table. A small table
comes without pyarrow (`data.plain`): its columns are NumPy arrays and lists of text already.
R rows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def floats(column: Any) -> NDArray[np.float64]:
    """Return a column of doubles (R,), NaN where it is null."""
    if isinstance(column, np.ndarray):
        return column
    parts = [_floats(chunk) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.zeros(0)


def integers(column: Any) -> NDArray[np.int64]:
    """Return a column of 64-bit integers or timestamps without nulls (R,)."""
    if isinstance(column, np.ndarray):
        return column
    parts = [_view(chunk, np.dtype(np.int64)) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def is_text(column: Any) -> bool:
    """Say whether a column holds text that is yet to be converted."""
    if isinstance(column, np.ndarray | list):
        return isinstance(column, list)
    import pyarrow as pa

    return bool(pa.types.is_dictionary(column.type) or pa.types.is_string(column.type))


def bools(array: Any) -> NDArray[np.bool_]:
    """Return an array of truth values without nulls (R,)."""
    bits = np.frombuffer(array.buffers()[1], np.uint8)
    return np.unpackbits(bits, count=array.offset + len(array), bitorder="little")[
        array.offset :
    ].astype(np.bool_)


def categories(column: Any) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the distinct texts of a column in order of appearance, and which each row has (R,)."""
    if isinstance(column, list):
        place = {text: k for k, text in enumerate(dict.fromkeys(column))}
        return tuple(place), np.array([place[text] for text in column], np.int64)
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    parts = [_view(chunk.indices, np.dtype(np.int32)) for chunk in column.chunks]
    names = tuple(column.chunk(0).dictionary.to_pylist())
    return names, np.concatenate(parts, dtype=np.int64)


def _view(chunk: Any, kind: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(chunk.buffers()[1], kind, len(chunk), chunk.offset * kind.itemsize)


def _floats(chunk: Any) -> NDArray[np.float64]:
    values = _view(chunk, np.dtype(np.float64))
    if not chunk.null_count:
        return values
    bits = np.frombuffer(chunk.buffers()[0], np.uint8)
    known = np.unpackbits(bits, count=chunk.offset + len(chunk), bitorder="little")
    return np.where(known[chunk.offset :], values, np.nan)


def array(values: NDArray[Any]) -> Any:
    """Return integers or doubles (R,) as a pyarrow array, null where NaN."""
    import pyarrow as pa

    if values.dtype.kind == "f":
        values = np.ascontiguousarray(values, np.float64)
        known = pa.py_buffer(np.packbits(~np.isnan(values), bitorder="little"))
        return pa.Array.from_buffers(pa.float64(), len(values), [known, pa.py_buffer(values)])
    values = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def texts(cells: Sequence[str]) -> Any:
    """Return texts as a pyarrow array."""
    data = [cell.encode() for cell in cells]
    return _texts(np.cumsum([0, *map(len, data)]), b"".join(data))


def repeated(cell: str, count: int) -> Any:
    """Return `count` times the same text as a pyarrow array."""
    data = cell.encode()
    return _texts(np.arange(count + 1) * len(data), data * count)


def _texts(offsets: NDArray[np.int64], data: bytes) -> Any:
    import pyarrow as pa

    offsets = pa.py_buffer(offsets.astype(np.int32))
    return pa.StringArray.from_buffers(len(offsets) // 4 - 1, offsets, pa.py_buffer(data))


def joined(*parts: Any) -> Any:
    """Return the texts of each row put together; a `str` stands in every row."""
    import pyarrow.compute as pc

    count = next(len(part) for part in parts if not isinstance(part, str))
    whole = [repeated(part, count) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*whole, repeated("", count))
