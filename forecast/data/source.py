"""From a path, a folder, a stream or bytes to the parts of a table, unpacked, in bounded memory."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from forecast.data.wanted import located

Source = str | Path | bytes | BinaryIO

LONGEST = 1 << 22  # bytes of a line
SHOWN = 16  # first bytes, which tell what a file is
NESTED = 3  # a packed file in a packed file in a packed file
_ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".psv", ".json", ".jsonl", ".ndjson", ".parquet", ".pq")
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
PARQUET = b"PAR1"
_DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError,
           NotImplementedError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a table, or its only one."""

    name: str
    data: bytearray


def parts(source: Source) -> list[Part]:
    """Return the files that `source` holds, one at least.

    `source` is a path, a folder, a pattern such as `load-*.csv`, `-` for standard input, a binary
    stream, or the bytes themselves. gzip, bzip2, xz, zstd and zip are unpacked. Raises DataError
    when it cannot be read, or has a line of more than 4 MiB.
    """
    if isinstance(source, bytes):
        return list(_unpacked("<bytes>", io.BytesIO(source)))
    if isinstance(source, str | Path) and str(source) != "-":
        return [part for path in files(Path(source)) for part in _file(path)]
    stream = sys.stdin.buffer if isinstance(source, str | Path) else source
    name = getattr(stream, "name", None)
    return list(_unpacked(name if isinstance(name, str) else "<stdin>", stream))


def files(path: Path) -> list[Path]:
    """Return the files of a path, a folder or a pattern; DataError when there is none."""
    if path.is_dir():
        inside = sorted(p for p in path.iterdir() if p.is_file() and _is_table(p))
        if not inside:
            raise located(str(path), "a directory that holds no table",
                          hint=f"its files should end in {', '.join(_ENDINGS)}")  # fmt: skip
        return inside
    if any(mark in path.name for mark in "*?[") and not path.exists():
        found = sorted(p for p in path.parent.glob(path.name) if p.is_file())
        if not found:
            raise located(str(path), "no file has such a name", hint="check the pattern")
        return found
    return [path]


def _is_table(path: Path) -> bool:
    ending = path.suffix.lower()
    if ending in _PACKED[:-1]:
        ending = Path(path.stem).suffix.lower()
    return not path.name.startswith((".", "_")) and ending in (*_ENDINGS, ".zip")


def _file(path: Path) -> list[Part]:
    try:
        with path.open("rb") as stream:
            return list(_unpacked(str(path), stream))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise located(str(path), f"cannot be read: {reason}",
                      hint="check the path; `-` reads standard input") from error  # fmt: skip


def _unpacked(name: str, stream: BinaryIO, depth: int = 0) -> Iterator[Part]:
    """Yield the parts in `stream`, unpacked as often as they are packed."""
    first = stream.read(LONGEST)
    while 0 < len(first) < SHOWN and (more := stream.read(SHOWN - len(first))):  # a slow pipe
        first += more
    kind = next((kind for kind, (magic, _) in _KINDS.items() if first.startswith(magic)), None)
    if kind is None:
        yield Part(name, _whole(name, first, stream))
        return
    if depth == NESTED:
        raise located(name, f"packed more than {NESTED} times", hint="unpack it first")
    try:
        for inner, opened in _KINDS[kind][1](name, _Rejoined(first, stream)):
            yield from _unpacked(inner, opened, depth + 1)
    except _DAMAGE as error:
        raise located(name, f"damaged {kind} file: {error}", hint="fetch it again") from error


class _Rejoined(io.RawIOBase):
    """A stream with the bytes already read from it put back."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._first, self._rest = memoryview(first), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._first:
            size = min(len(buffer), len(self._first))
            buffer[:size], self._first = self._first[:size], self._first[size:]
            return size
        piece = self._rest.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


Opened = Iterator[tuple[str, BinaryIO]]


def _zstd(name: str, stream: _Rejoined) -> Opened:
    import pyarrow as pa

    yield name, cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd"))


def _zip(name: str, stream: _Rejoined) -> Opened:
    with zipfile.ZipFile(io.BytesIO(stream.readall() or b"")) as archive:
        inside = [info for info in archive.infolist() if not info.is_dir()]
        names = [info.filename for info in inside]
        if "[Content_Types].xml" in names:
            raise located(name, "a workbook of a spreadsheet, not a table in text",
                          hint="save the sheet as CSV (UTF-8)")  # fmt: skip
        tables = [info for info in inside
                  if not Path(info.filename).name.startswith((".", "_"))
                  and not info.filename.startswith("__MACOSX")]  # fmt: skip
        if not tables:
            raise located(name, "a zip file without any file", hint="fetch it again")
        for info in tables:
            with archive.open(info) as member:
                yield f"{name}/{info.filename}", cast(BinaryIO, member)


def _single(opener: Callable[[BinaryIO], Any]) -> Callable[[str, _Rejoined], Opened]:
    def opened(name: str, stream: _Rejoined) -> Opened:
        yield name, opener(cast(BinaryIO, io.BufferedReader(stream)))

    return opened


_KINDS: dict[str, tuple[bytes, Callable[[str, _Rejoined], Opened]]] = {
    "gzip": (b"\x1f\x8b", _single(lambda stream: gzip.GzipFile(fileobj=stream))),
    "bzip2": (b"BZh", _single(bz2.BZ2File)),
    "xz": (b"\xfd7zXZ", _single(lzma.LZMAFile)),
    "zstd": (b"\x28\xb5\x2f\xfd", _zstd),
    "zip": (b"PK\x03\x04", _zip),
}


def _whole(name: str, first: bytes, stream: BinaryIO) -> bytearray:
    """Return all bytes; refused as soon as one line is too long, whatever follows."""
    data, begun, lines = bytearray(), 0, 1  # `begun`: bytes of the line not yet ended
    checked = not first.startswith(PARQUET)
    chunk = first
    while chunk:
        if checked:
            end = _line_end(chunk)
            if begun + (len(chunk) if end is None else end) > LONGEST:
                raise located(
                    name, f"longer than {LONGEST >> 20} MiB", lines + data.count(b"\n"),
                    hint="a table has a line for each row; is it one?",
                )  # fmt: skip
            begun = begun + len(chunk) if end is None else len(chunk) - 1 - _last_end(chunk)
        data += chunk
        chunk = stream.read(LONGEST)
    return data


def _line_end(chunk: bytes) -> int | None:
    ends = [end for end in (chunk.find(b"\n"), chunk.find(b"\r")) if end >= 0]
    return min(ends, default=None)


def _last_end(chunk: bytes) -> int:
    return max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
