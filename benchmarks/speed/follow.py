"""Rows per second and latency of `follow` at horizon 1, one series, one core.

`python benchmarks/speed/follow.py [ROWS]` prints a Markdown table; docs quote it. Rows are read,
absorbed, forecast, calibrated and written as text one by one, as they are when a source is slow.
Each family has a process of its own that loads its model from a file, as `follow` does: in one that
has fitted models numba would be there already. Seconds of the processor are less than those of the
wall where other work runs.
"""

import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from forecast import provenance, store
from forecast.stream.feed import Feed
from forecast.stream.follower import Follower, Style
from forecast.stream.state import Stream

FAMILIES = ("snaive", "linear", "esn", "kalman", "rnn", "gru")
CHEAP = {"gru": {"updates": "60"}, "rnn": {"updates": "60"}, "kalman": {"evaluations": "20"}}
FIRST = 100  # rows that are not counted


def prepare(folder: Path) -> None:
    """Write a model of each family, fitted on months of the embedded load."""
    from forecast import fitting
    from forecast.data import datasets

    panel = datasets.load("electricity-load")
    panel = panel.rows(panel.lengths - 6000, panel.lengths)
    for name in FAMILIES:
        store.save(fitting.fit(panel, name, 24, settings=CHEAP.get(name, {})), folder / name)


def measure(path: Path, count: int) -> None:
    """Print the line of a model: its last day again and again, `count` rows."""
    model = store.load(path)
    clock, name = model.clock, model.ids[0]
    stamps = clock.write(model.last[0] + clock.step * np.arange(1, count + 1))
    values = np.resize(model.tail[0], count).tolist()
    lines = [f"{name},{s},{v!r}".encode() for s, v in zip(stamps, values, strict=True)]
    style = Style("csv", (0.1, 0.5, 0.9))
    follower = Follower(Feed(clock, model.layout), Stream(model, 1), style, len, print)
    follower.read(lines[:FIRST])
    before, took = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    begun = time.process_time()
    for line in lines[FIRST:]:
        begin = time.perf_counter()
        follower.read([line])
        took.append(time.perf_counter() - begin)
    busy = (time.process_time() - begun) / len(took)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    low, high = np.quantile(took, [0.5, 0.99]) * 1e3
    print(f"| {path.name} | {1 / np.mean(took):,.0f} | {1 / busy:,.0f} | {low:.2f} | {high:.2f} | "
          f"{grown:,} KiB |", flush=True)  # fmt: skip


def main(count: int) -> None:
    """Fit the families in one process, measure each in another."""
    print(f"{provenance.hardware()}; commit {provenance.commit()}, Python "
          f"{platform.python_version()}, numpy {np.__version__}; {count:,} rows\n")  # fmt: skip
    print("| Model | Rows/s | Rows per second of the processor | p50 ms | p99 ms | Memory grown |")
    print("|:--|--:|--:|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory() as place:
        own = [sys.executable, __file__]
        subprocess.run([*own, "--prepare", place], check=True)
        for name in FAMILIES:
            path = str(Path(place) / name)
            subprocess.run([*own, "--measure", path, str(count)], check=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["--prepare"]:
        prepare(Path(words[1]))
    elif words[:1] == ["--measure"]:
        measure(Path(words[1]), int(words[2]))
    else:
        main(int(words[0]) if words else 20_000)
