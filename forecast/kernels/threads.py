"""Work on many series side by side."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

_ended = Event()


class EndedError(Exception):
    """Raised in work that nobody waits for any more."""


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Do `work(i)` for i below `count`, in as many threads as NUMBA_NUM_THREADS says.

    `--threads` sets it; unset, there are as many as cores. `work` gains where it leaves Python.
    After an error or Ctrl-C nothing more is begun, and what runs ends at its next `go_on`.
    """
    _ended.clear()
    threads = min(int(os.environ.get("NUMBA_NUM_THREADS") or os.cpu_count() or 1), count)
    if threads < 2:
        for i in range(count):
            work(i)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            list(pool.map(work, range(count)))
        except BaseException:
            _ended.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def go_on() -> None:
    """Raise EndedError in a thread of an `in_threads` that has ended; long work asks often."""
    if _ended.is_set():
        raise EndedError
