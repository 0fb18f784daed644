r"""Forecasts and backtest rows as CSV and its kin, fast for millions of rows.

Numbers carry at most 9 significant digits, lines end in `\n`, timestamps are ISO 8601 with `T`
in the data's own zone and resolution. H horizon, Q quantile levels.
"""

import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO

import numpy as np

from forecast.data import arrow, lines
from forecast.data.clock import Clock
from forecast.data.forecast import Forecast
from forecast.data.lines import Column
from forecast.errors import UsageError

Format = Literal["csv", "tsv", "json", "jsonl", "parquet", "markdown"]
Layout = Literal["quantiles", "nixtla", "long"]
Out = Path | str | TextIO | BinaryIO


def write(
    forecast: Forecast, out: Out, *, format: Format = "csv", layout: Layout = "quantiles"
) -> None:
    """Write `forecast` to a path (all of it or nothing) or a stream.

    `quantiles` has a column per level, `nixtla` one per bound of a central interval, `long` a row
    per number. Raises UsageError for levels that form no intervals when `nixtla` is asked for.
    """
    columns = _LAYOUTS[layout](forecast)
    with _binary(out) as stream:
        _WRITERS[format](columns, forecast.clock, stream)


def render(forecast: Forecast, format: Format = "csv", layout: Layout = "quantiles") -> bytes:
    """Return what `write` would write."""
    stream = io.BytesIO()
    write(forecast, stream, format=format, layout=layout)
    return stream.getvalue()


def write_windows(
    columns: Mapping[str, Column], clock: Clock, out: Out, *, header: bool = True
) -> None:
    """Write the rows of a backtest as CSV, a missing number as an empty cell.

    `columns` come in their order, R long: numbers, text, or `(codes, names)` for text that
    repeats; those called `ds` and `cutoff` are times of `clock`. Without `header` rows can be
    written in parts.
    """
    with _binary(out) as stream:
        _delimited(columns, clock, stream, ",", header)


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the same folder that replaces `path` if all goes well.

    What is no regular file (a pipe, `/dev/null`) is written directly. Raises UsageError when the
    folder is not there or not writable.
    """
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        yield target
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    _sweep(target)
    try:
        temporary.touch()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"{path}: cannot be written: {reason}",
            hint=f"make the folder first: mkdir -p {target.parent}",
        ) from error
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(target: Path) -> None:
    """Remove what processes that were killed left behind when they were writing `target`."""
    ending = re.compile(rf"\.{re.escape(target.name)}\.(\d+)\.part")
    with suppress(OSError):
        for path in target.parent.iterdir():
            found = ending.fullmatch(path.name)
            if found and not _alive(int(found[1])):
                path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's, or this system cannot tell
        return True
    return True


@contextmanager
def _binary(out: Out) -> Iterator[BinaryIO]:
    """Yield a stream of bytes that ends in `out`."""
    if isinstance(out, str | Path):
        with atomic(out) as path, path.open("wb") as stream:
            yield stream
    elif isinstance(out, io.TextIOBase):
        out.flush()
        if hasattr(out, "buffer"):
            yield out.buffer
            out.buffer.flush()
        else:
            text = io.BytesIO()
            yield text
            out.write(text.getvalue().decode("utf-8"))
    else:
        yield out  # type: ignore[misc]


def _quantiles(forecast: Forecast) -> dict[str, Column]:
    columns = _keys(forecast)
    columns["mean"] = forecast.mean.ravel()
    for k, level in enumerate(forecast.levels):
        columns[f"{level:g}"] = forecast.quantiles[:, :, k].ravel()
    return columns


def _keys(forecast: Forecast) -> dict[str, Column]:
    n, horizon = forecast.mean.shape
    codes = np.repeat(np.arange(n), horizon)
    return {"unique_id": (codes, forecast.ids), "ds": forecast.times.ravel()}


def _nixtla(forecast: Forecast) -> dict[str, Column]:
    columns = _keys(forecast)
    columns[forecast.model] = forecast.mean.ravel()
    place = {f"{level:g}": k for k, level in enumerate(forecast.levels)}
    for name, k in sorted(place.items(), key=lambda item: -item[1]):
        level = forecast.levels[k]
        mirror = f"{1 - level:g}"
        if mirror not in place:
            raise UsageError(
                f"level {name} has no counterpart {mirror}, so there is no interval",
                hint="give levels in pairs: `--quantiles 0.1,0.5,0.9`",
            )
        if level < 0.5:
            width = f"{100 * (1 - 2 * level):g}"
            columns[f"{forecast.model}-lo-{width}"] = forecast.quantiles[:, :, k].ravel()
            columns[f"{forecast.model}-hi-{width}"] = forecast.quantiles[
                :, :, place[mirror]
            ].ravel()
    return columns


def _long(forecast: Forecast) -> dict[str, Column]:
    n, horizon = forecast.mean.shape
    kinds = ("mean", *(f"{level:g}" for level in forecast.levels))
    numbers = np.concatenate([forecast.mean[:, :, None], forecast.quantiles], axis=2)
    each = np.arange(n * horizon).repeat(len(kinds))
    return {
        "unique_id": (each // horizon, forecast.ids),
        "ds": forecast.times.ravel()[each],
        "kind": (np.tile(np.arange(len(kinds)), n * horizon), kinds),
        "value": numbers.ravel(),
    }


_LAYOUTS = {"quantiles": _quantiles, "nixtla": _nixtla, "long": _long}


def _csv(columns: Mapping[str, Column], clock: Clock, stream: BinaryIO) -> None:
    _delimited(columns, clock, stream, ",")


def _tsv(columns: Mapping[str, Column], clock: Clock, stream: BinaryIO) -> None:
    _delimited(columns, clock, stream, "\t")


def _delimited(
    columns: Mapping[str, Column], clock: Clock, stream: BinaryIO, separator: str,
    header: bool = True,
) -> None:  # fmt: skip
    if header:
        names = [lines.quoted(name, separator) for name in columns]
        stream.write((separator.join(names) + "\n").encode())
    for part in lines.parts(columns):
        own = lines.bound(part, clock)
        texts = [lines.text(name, column, own, lambda s: lines.quoted(s, separator))
                 for name, column in part.items()]  # fmt: skip
        lines.put(stream, texts, "", separator, "\n")


def _markdown(columns: Mapping[str, Column], clock: Clock, stream: BinaryIO) -> None:
    names = [name.replace("|", "\\|") for name in columns]
    rule = ["---" if name in ("unique_id", "kind", *lines.TIMES) else "---:" for name in columns]
    for row in (names, rule):
        stream.write(f"| {' | '.join(row)} |\n".encode())
    for part in lines.parts(columns):
        own = lines.bound(part, clock)
        texts = [lines.text(name, column, own, lambda s: s.replace("|", "\\|").replace("\n", " "))
                 for name, column in part.items()]  # fmt: skip
        lines.put(stream, texts, "| ", " | ", " |\n")


def _jsonl(columns: Mapping[str, Column], clock: Clock, stream: BinaryIO) -> None:
    for part in lines.parts(columns):
        lines.put(stream, _members(part, clock), "{", ", ", "}\n")


def _json(columns: Mapping[str, Column], clock: Clock, stream: BinaryIO) -> None:
    stream.write(b"[")
    for number, part in enumerate(lines.parts(columns)):
        block = io.BytesIO()
        lines.put(block, _members(part, clock), " {", ", ", "},\n")
        stream.write((b",\n" if number else b"\n") + block.getvalue()[:-2])
    stream.write(b"\n]\n")


def _members(columns: Mapping[str, Column], clock: Clock) -> list[Any]:
    """Return each column as JSON members `"name": value`."""
    import json

    out, clock = [], lines.bound(columns, clock)
    for name, column in columns.items():
        quote = '"' if name in lines.TIMES and clock.kind != "index" else ""
        text = lines.text(name, column, clock, json.dumps, missing="null")
        left = f"{json.dumps(name)}: {quote}"
        if isinstance(text, list):
            out.append([f"{left}{cell}{quote}" for cell in text])
        else:
            out.append(arrow.joined(left, text, quote))
    return out


def _parquet(columns: Mapping[str, Column], clock: Clock, stream: BinaryIO) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    arrays = {}
    for name, column in columns.items():
        if name in lines.TIMES and clock.kind != "index":
            arrays[name] = arrow.array(np.asarray(column)).cast(pa.timestamp("us", clock.zone))
        elif isinstance(column, tuple):
            arrays[name] = lines.coded(column)
        else:
            arrays[name] = pa.array(column)
    parquet.write_table(pa.table(arrays), stream)


_WRITERS = {"csv": _csv, "tsv": _tsv, "json": _json, "jsonl": _jsonl, "parquet": _parquet,
            "markdown": _markdown}  # fmt: skip
