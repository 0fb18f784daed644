"""Parquet and JSON lines as CSV text, so that one way leads to a panel."""

import io
import json
import re
from typing import Any

import numpy as np

from forecast.data import arrow
from forecast.data.source import PARQUET
from forecast.data.wanted import located
from forecast.errors import DataError

_RECORDS = re.compile(rb'\s*(\[\s*)?\{\s*["}]')


def kind(data: bytearray) -> str | None:
    """Say whether a file is of Parquet or JSON; None when it is text of another kind."""
    if data.startswith(PARQUET):
        return "Parquet"
    return "JSON" if _RECORDS.match(data) else None


def from_parquet(name: str, data: bytearray) -> bytearray:
    """Return a Parquet file as CSV with a header. Raises DataError for a damaged one."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(pa.BufferReader(pa.py_buffer(data)))
    except (pa.ArrowException, OSError) as error:
        raise located(name, f"damaged Parquet file: {error}", hint="fetch it again") from error
    return _as_csv(name, table)


def from_json(name: str, data: bytearray) -> bytearray:
    """Return JSON lines, or one list of records, as CSV with a header.

    Cells keep the spelling of their text; nothing is taken for a timestamp here. Raises DataError
    for what is not a record per line.
    """
    import pyarrow as pa
    from pyarrow import json as reader

    data = _lines(name, data)
    options = reader.ReadOptions(block_size=1 << 24)
    try:
        head = data[: data.find(b"\n", 1 << 20) + 1] or data
        seen = reader.read_json(io.BytesIO(head), options).schema
        text = pa.schema([(f.name, pa.string()) for f in seen if pa.types.is_timestamp(f.type)])
        parse = reader.ParseOptions(explicit_schema=text)
        table = reader.read_json(pa.BufferReader(pa.py_buffer(data)), options, parse)
    except (pa.ArrowException, OSError) as error:
        raise _bad_line(name, data, str(error)) from error
    return _as_csv(name, table)


def _lines(name: str, data: bytearray) -> bytearray:
    """Return a list of records as lines, lines as they are."""
    if not data.lstrip().startswith(b"["):
        return data
    try:
        records = json.loads(data)
        if not all(isinstance(record, dict) for record in records):
            raise ValueError("its elements are not records")
    except (ValueError, RecursionError) as error:
        raise located(name, f"not a list of records: {error}",
                      hint='such as [{"ds": "2020-01-01", "y": 1}]') from error  # fmt: skip
    return bytearray("".join(json.dumps(record) + "\n" for record in records).encode())


def _bad_line(name: str, data: bytearray, why: str) -> DataError:
    hint = 'write one record a line, all with the same kinds: {"ds": "2020-01-01", "y": 1}'
    for number, line in enumerate(data.splitlines(), 1):
        try:
            record = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError) as error:
            return located(name, f"not JSON: {error}", number, hint=hint)
        if not isinstance(record, dict):
            return located(name, "not a record", number, hint=hint)
    return located(name, f"not regular JSON lines: {why.splitlines()[0]}", hint=hint)


def _as_csv(name: str, table: Any) -> bytearray:
    import pyarrow as pa
    from pyarrow import csv

    columns = [_plain(name, field.name, table[k]) for k, field in enumerate(table.schema)]
    out = io.BytesIO()
    csv.write_csv(pa.table(columns, table.column_names), out)
    return bytearray(out.getbuffer())


def _plain(name: str, column: str, cells: Any) -> Any:
    """Return a column as CSV can write it: nothing within nothing, no more than microseconds."""
    import pyarrow as pa

    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if pa.types.is_nested(cells.type):
        raise located(name, f"holds {cells.type}, not one number a row", 1, column,
                      hint="write a row for each value", counted="row")  # fmt: skip
    if pa.types.is_timestamp(cells.type):
        return _moments(cells)
    if pa.types.is_decimal(cells.type):
        return cells.cast(pa.float64())
    return cells


def _moments(cells: Any) -> Any:
    """Return timestamps as ISO 8601, as short as they can all be written."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = cells.cast(pa.timestamp("us", cells.type.tz), safe=False)
    numbers = arrow.integers(whole.drop_null())
    sizes = (("%Y-%m-%d", 86_400_000_000), ("%Y-%m-%dT%H:%M", 60_000_000))
    form = "%Y-%m-%dT%H:%M:%S"  # with the fraction, which pyarrow writes into the seconds
    form = next((f for f, size in sizes if not np.any(numbers % size)), form)
    naive = pa.chunked_array([c.cast(pa.timestamp("us")) for c in whole.chunks],
                             pa.timestamp("us"))  # fmt: skip
    if not np.any(numbers % 1_000_000):
        naive = naive.cast(pa.timestamp("s"))
    text = pc.strftime(naive, form)
    if cells.type.tz is None:
        return text
    zoned = text if "H" in form else pc.strftime(naive, "%Y-%m-%dT%H:%M")
    return pc.binary_join_element_wise(zoned, "Z", "")
