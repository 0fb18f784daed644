"""Saves the state of a stream now and then, beside the work and not in its way."""

import threading
import time
from collections.abc import Callable

from forecast.claim import Claim
from forecast.forecaster import Forecaster


class Keeper:
    """Writes forecasters to the file of `claim`, at most one every `seconds`."""

    def __init__(self, claim: Claim, seconds: float) -> None:
        self._claim, self._seconds = claim, seconds
        self._next = time.monotonic() + seconds
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None
        self._rows = 0  # how many had come at the last save

    @property
    def wait(self) -> float:
        """Seconds until the next save."""
        return max(self._next - time.monotonic(), 0.0)

    def begin(self, rows: int, snapshot: Callable[[], Forecaster]) -> None:
        """Save in a thread what `snapshot` gives, unless one runs or the `rows` are saved ones."""
        self._next = time.monotonic() + self._seconds
        if rows == self._rows or (self._thread is not None and self._thread.is_alive()):
            return
        self._rows = rows
        self._thread = threading.Thread(target=self._save, args=(snapshot(),))
        self._thread.start()

    def failure(self) -> OSError | None:
        """Return why the last save failed, once."""
        error, self._error = self._error, None
        return error

    def finish(self, forecaster: Forecaster) -> None:
        """Save now. Raises OSError where that fails."""
        self.join()
        self._claim.save(forecaster)

    def join(self) -> None:
        """Wait for a save that is running."""
        if self._thread is not None:
            self._thread.join()

    def _save(self, forecaster: Forecaster) -> None:
        try:
            self._claim.save(forecaster)
        except OSError as error:
            self._error, self._rows = error, -1
