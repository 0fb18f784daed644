"""Work on many series side by side."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Do `work(i)` for i below `count`, in as many threads as NUMBA_NUM_THREADS says.

    `--threads` sets it; unset, there are as many as cores. `work` gains where it leaves Python.
    """
    threads = min(int(os.environ.get("NUMBA_NUM_THREADS") or os.cpu_count() or 1), count)
    if threads < 2:
        for i in range(count):
            work(i)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(count)))
