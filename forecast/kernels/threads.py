"""Work on many series side by side."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import TypeVar

T = TypeVar("T")

_ended = Event()


class EndedError(Exception):
    """Raised in work that nobody waits for any more."""


def threads() -> int:
    """Return how many threads there may be: NUMBA_NUM_THREADS, which `--threads` sets, or cores."""
    return int(os.environ.get("NUMBA_NUM_THREADS") or os.cpu_count() or 1)


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Do `work(i)` for i below `count` in `threads()` threads; it gains where it leaves Python.

    After an error or Ctrl-C nothing more is begun, and what runs ends at its next `go_on`.
    """
    _ended.clear()
    many = min(threads(), count)
    if many < 2:
        for i in range(count):
            work(i)
        return
    with ThreadPoolExecutor(many) as pool:
        try:
            list(pool.map(work, range(count)))
        except BaseException:
            _ended.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def in_order(work: Callable[[int], T], count: int) -> Iterator[T]:
    """Yield `work(i)` for i below `count` in order; what is made ahead is one for each thread.

    Meanwhile products of matrices keep to one thread each.
    """
    from threadpoolctl import threadpool_limits

    few = min(threads(), count)
    with threadpool_limits(1 if few > 1 else None, "blas"):
        for first in range(0, count, max(few, 1)):
            some = range(first, min(first + few, count))
            made: dict[int, T] = {}
            in_threads(partial(_keep, made, work, some), len(some))
            yield from map(made.pop, some)


def _keep(made: dict[int, T], work: Callable[[int], T], some: range, k: int) -> None:
    made[some[k]] = work(some[k])


def go_on() -> None:
    """Raise EndedError in a thread of an `in_threads` that has ended; long work asks often."""
    if _ended.is_set():
        raise EndedError
