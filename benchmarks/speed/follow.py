"""Rows per second and latency of `follow` at horizon 1, one series, one core, from a pipe.

`python benchmarks/speed/follow.py [ROWS]` prints a Markdown table; docs quote it. Rows are read,
absorbed, forecast, calibrated and written as text one by one, as they are when a source is slow.
"""

import platform
import resource
import sys
import time

import numpy as np

from forecast import fitting
from forecast.data import datasets
from forecast.stream.feed import Feed
from forecast.stream.follower import Follower, Style
from forecast.stream.state import Stream

FAMILIES = ("snaive", "linear", "esn", "kalman", "rnn", "gru")
CHEAP = {"gru": {"updates": "60"}, "rnn": {"updates": "60"}, "kalman": {"evaluations": "20"}}


def main(count: int) -> None:
    """Measure every family on the last year of the embedded load."""
    panel = datasets.load("electricity-load")
    panel = panel.rows(panel.lengths - 6000, panel.lengths)
    first = panel.ends[0] + panel.clock.step * np.arange(1, count + 1)
    values = np.resize(panel.values[-168:], count)
    stamps = panel.clock.write(first)
    lines = [f"{panel.ids[0]},{s},{v!r}".encode() for s, v in zip(stamps, values.tolist())]  # noqa: B905
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {count:,} rows\n")
    print("| Model | Rows/s | p50 ms | p99 ms | Memory grown |\n|:--|--:|--:|--:|--:|")
    for name in FAMILIES:
        model = fitting.fit(panel, name, 24, settings=CHEAP.get(name, {}))
        style = Style("csv", (0.1, 0.5, 0.9))
        follower = Follower(Feed(panel.clock, model.layout), Stream(model, 1), style, len, print)
        follower.read(lines[:100])
        before, took = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, np.empty(count - 100)
        for k, line in enumerate(lines[100:]):
            begin = time.perf_counter()
            follower.read([line])
            took[k] = time.perf_counter() - begin
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        low, high = np.quantile(took, [0.5, 0.99]) * 1e3
        print(f"| {name} | {1 / took.mean():,.0f} | {low:.2f} | {high:.2f} | {grown:,} KiB |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
