"""Standard streams and files: where rows come from, and where a result goes."""

import io
import os
import select
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from forecast.errors import DataError, UsageError


def stdin_holds() -> Literal["data", "terminal", "nothing"]:
    """Say what standard input is: data come from a pipe, a socket or a regular file."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:  # closed
        return "nothing"
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode):
        return "data"
    return "terminal" if os.isatty(0) else "nothing"


def stdin() -> BinaryIO:
    """Return standard input, or nothing when it is closed.

    Nothing is held back: a read returns what the system has, and a signal ends a wait for more.
    """
    if sys.stdin is None:
        return io.BytesIO()
    return cast(BinaryIO, io.FileIO(0, closefd=False) if os.name == "nt" else _Heard())


def ready(source: BinaryIO, seconds: float | None) -> bool:
    """Wait for `source`, which `stdin` gave, to have something; False after `seconds`."""
    return source.ready(seconds) if isinstance(source, _Heard) else True


class _Heard(io.RawIOBase):
    """Standard input whose reads cannot miss a signal.

    A signal that comes after Python last looked for one and before the system's read begins would
    wait for the next byte. The system's own read is only called where bytes are, and the wait for
    them ends as soon as a signal has written to the wake-up pipe.
    """

    def __init__(self) -> None:
        self._wakes, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return self.readall() or b""
        while not self.ready(None):
            pass
        return os.read(0, size)

    def ready(self, seconds: float | None) -> bool:
        """Wait `seconds` at most, None without end; say whether there is something to read.

        A signal ends the wait too.
        """
        found = select.select([0, self._wakes], [], [], seconds)[0]
        if self._wakes in found:
            os.read(self._wakes, 1)
        return 0 in found


def emit(content: bytes, output: str | None) -> None:
    """Write `content` to the file `output`, whole or not at all; None and `-`: standard output."""
    with opened(output) as stream:
        stream.write(content)


@contextmanager
def opened(output: str | None) -> Iterator[BinaryIO]:
    """Yield a stream into the file `output`, which appears once it is whole, or standard output.

    Standard output, None and `-`, shows what is written as it comes.
    """
    if output is None or output == "-":
        if sys.stdout is None:
            raise UsageError("standard output is closed", hint="write to a file: `-o FILE`")
        sys.stdout.flush()
        stream = sys.stdout.buffer
        if isinstance(stream, io.RawIOBase):  # of python -u, which may write a part and say so
            stream = io.BufferedWriter(io.FileIO(1, "wb", closefd=False))
        yield stream
        stream.flush()
        return
    from forecast.data.writing import atomic

    with atomic(output) as path, path.open("wb") as stream:
        yield stream


def check_place(output: str | None, *others: str | None) -> None:
    """Refuse a place that cannot be written before the work, not after it.

    `others` are files, folders or patterns that are read, or written too: none of their files may
    be the same.
    """
    if output is None or output == "-":
        return
    path = Path(output)
    if not output:
        raise UsageError("a file to write has no name", hint="name it, or leave the option out")
    if not path.parent.is_dir():
        raise UsageError(f"{output}: there is no folder `{path.parent}`",
                         hint=f"make it first: mkdir -p {path.parent}")  # fmt: skip
    if path.is_dir():
        raise UsageError(f"{output} is a folder", hint="name a file in it")
    if path.exists() and not path.is_file():
        return
    if any(each.resolve() == path.resolve() for other in others for each in _files(other)):
        raise UsageError(f"{output} is named twice, and what is there would be lost",
                         hint="write to another file")  # fmt: skip


def _files(named: str | None) -> list[Path]:
    path = Path(named or "-")
    if not path.is_dir() and not set("*?[") & set(path.name):
        return [path]
    from forecast.data.source import files

    with suppress(DataError):  # said where it is read
        return files(path)
    return []


def format_of(output: str | None, known: tuple[Any, ...], default: str) -> Any:
    """Return the format of `known` that the ending of `output` names, else `default`."""
    ending = Path(output).suffix.removeprefix(".") if output else ""
    ending = {"md": "markdown"}.get(ending, ending)
    return ending if ending in known else default


def is_terminal(stream: int) -> bool:
    """Say whether a person looks at descriptor `stream`, with a terminal that can do more."""
    return os.isatty(stream) and os.environ.get("TERM") != "dumb"


def coloured() -> bool:
    """Say whether standard output takes colour (https://no-color.org, FORCE_COLOR)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(1)


def width() -> int | None:
    """Return the columns of the terminal on standard output; None when there is none."""
    return shutil.get_terminal_size().columns if is_terminal(1) else None


def discard_stdout() -> None:
    """Point standard output at nothing, so that the last flush of a closed pipe is quiet."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
