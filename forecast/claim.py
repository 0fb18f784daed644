"""Sole writer of a model file: a lock that follows the name from file to file, and leaves nothing.

The lock (`flock`) is held on the model file itself. A save writes a new file beside it, locks that
too, and only then gives it the name, so that at no moment the name stands for an unlocked file.
The system lets go of the lock when the process ends, however it ends. Where there are no such
locks (Windows, some network folders) nobody is kept out.
"""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from forecast import store
from forecast.data.writing import atomic
from forecast.errors import ModelFileError
from forecast.forecaster import Forecaster


class Claim:
    """Keeps other writers from the model file `path` while it is open.

    Raises ModelFileError when there is no such file or another process writes it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._held: int | None = None

    def __enter__(self) -> "Claim":
        while self._held is None:
            taken = self._taken(self.path)
            with suppress(OSError):
                if os.path.samestat(os.fstat(taken), self.path.stat()):
                    self._held = taken
                    continue
            os.close(taken)  # it was replaced between the two: take the new one
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._let_go()

    def save(self, forecaster: Forecaster) -> None:
        """Write `forecaster`: the old file stays whole until the new one takes its name."""
        fresh = None
        try:
            with atomic(self.path) as temporary:
                temporary.write_bytes(store.dumps(forecaster))
                fresh = self._taken(temporary)
                os.fsync(fresh)
        except BaseException:
            if fresh is not None:
                os.close(fresh)
            raise
        self._let_go()
        self._held = fresh

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _taken(self, path: Path) -> int:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise ModelFileError(
                f"{path}: {error.strerror or error}", hint="make one: `forecast fit DATA -o MODEL`"
            ) from error
        try:
            _lock(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            raise ModelFileError(
                f"{self.path}: another `update` or `follow` is writing it",
                hint="wait for it to end, or give each its own copy of the file",
            ) from None
        return descriptor


def _lock(descriptor: int) -> None:
    """Lock an open file for this process; BlockingIOError where another has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a folder without locks
        return
