"""A long stream: does the carried state drift, is the memory flat?

`python benchmarks/speed/million.py drift|memory FAMILY [ROWS]` prints a Markdown table; docs quote
it. Drift: one series, its rows absorbed a day at a time; how far the forecasts of the carried state
lie from those after one pass over the same rows, an echo state network's reservoirs in double
precision: the largest difference of a quantile, in units of the forecast's own scale. Memory: what
the process `forecast follow` holds as rows of 1,000 series come by a pipe.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numba import njit

from forecast import fitting, provenance, store
from forecast.data import datasets
from forecast.data.panel import Panel
from forecast.forecaster import Forecaster
from forecast.models.esn import ESN

CHEAP = {"gru": {"updates": "60"}, "rnn": {"updates": "60"}, "kalman": {"evaluations": "20"}}
PIECE = 5_000  # rows made at once
SERIES = 1_000
DAY = 24  # rows absorbed at once
LOOKS = (0.01, 0.1, 0.25, 0.5, 0.75, 1.0)  # of all rows


@njit(cache=True)
def states(x, drive, W, W_from, a):
    """Return what follows `x` (R,) under `drive` (T, R): equation (1) of `models.esn`."""
    for t in range(len(drive)):
        heard = drive[t].copy()
        for r in range(len(x)):
            for k in range(W.shape[1]):
                heard[r] += W[r, k] * x[W_from[r, k]]
        x = (1 - a) * x + a * np.tanh(heard)
    return x


class Double(ESN):
    """The network with states in double precision."""

    def _carry(self, x, inputs, kernels):
        W, W_from, W_in = self.whole
        now = states(x.ravel(), inputs @ W_in, W.astype(float), W_from, self.config.leak_rate)
        return now.reshape(x.shape)


def rows(panel: Panel, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield times and values after the last row: last year's weeks again, with fresh noise."""
    random, week = np.random.default_rng(0), panel.values[-52 * 168 :]
    for first in range(0, count, PIECE):
        step = np.arange(first, min(first + PIECE, count))
        noise = 1 + 0.02 * random.standard_normal(len(step))
        yield panel.ends[0] + panel.clock.step * (step + 1), week[step % len(week)] * noise


def held(process: int) -> float:
    """Return the memory of a process in MiB."""
    text = Path(f"/proc/{process}/statm").read_text()
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def drift(model: Forecaster, panel: Panel, looks: list[int]) -> Iterator[str]:
    """Yield rows absorbed and how far the state is then from one pass over the same rows."""
    own, done = model.model, 0
    other = Double(own.config, own.setting, own.arrays) if isinstance(own, ESN) else own
    carried = {name: array.copy() for name, array in model.state.items()}
    state = {name: array.copy() for name, array in model.state.items()}
    if isinstance(own, ESN):
        state["x"] = state["x"].astype(np.float64)
    for times, values in rows(panel, looks[-1]):
        z = model.transform.forward(values[None], model.scales[:, None])
        phases = panel.clock.phases(times[None])
        cuts = [0, *(k - done for k in looks if done < k < done + len(times)), len(times)]
        for a, b in pairwise(cuts):
            for k in range(a, b, DAY):
                day = slice(k, min(k + DAY, b))
                carried = own.absorb(carried, z[:, day], phases[:, day])
            state = other.absorb(state, z[:, a:b], phases[:, a:b])
            if done + b in looks:
                ahead = panel.clock.phases(panel.clock.ahead(times[b - 1 : b], model.horizon))
                got, want = own.predict(carried, ahead), other.predict(state, ahead)
                off = np.abs(got.quantiles - want.quantiles) / want.scale[..., None]
                yield f"{done + b:,} | {off.max():.1e}"
        done += len(times)


def memory(model: Forecaster, panel: Panel, looks: list[int]) -> Iterator[tuple[int, float, float]]:
    """Yield rows, MiB of `forecast follow`, and rows per second since the last look."""
    done, last, begin = 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        store.save(model, Path(place) / "m")
        run = subprocess.Popen(
            [sys.executable, "-m", "forecast", "follow", "m", "--no-save", "-q"], cwd=place,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert run.stdin is not None
        for times, values in rows(panel, looks[-1] // SERIES):
            for stamp, value in zip(panel.clock.write(times), values.tolist(), strict=True):
                part = (f"s{k},{stamp},{value + k!r}\n" for k in range(SERIES))
                run.stdin.write("".join(part).encode())
                done += SERIES
                if done in looks:
                    now = time.monotonic()
                    yield f"{done:,} | {held(run.pid):.1f} | {(done - last) / (now - begin):,.0f}"
                    last, begin = done, now
        run.stdin.close()
        assert run.wait() == 0


HEADS = {
    "drift": "| Rows of one series | Drift, scales |\n|--:|--:|",
    "memory": f"| Rows of {SERIES:,} series | Memory, MiB | Rows/s |\n|--:|--:|--:|",
}


def main(what: str, family: str, count: int) -> None:
    """Fit, then print a line at each look."""
    panel = datasets.load("electricity-load")
    panel = panel.rows(panel.lengths - 52 * 168 - 24, panel.lengths)
    model = fitting.fit(panel, family, 24, settings=CHEAP.get(family, {}))
    looks = [int(k * count) for k in LOOKS]
    print(
        f"{family}: {count:,} rows, seed 0; {provenance.hardware()}, one thread; commit "
        f"{provenance.commit()}, Python {platform.python_version()}, numpy {np.__version__}"
    )
    print("\n" + HEADS[what], flush=True)
    for line in {"drift": drift, "memory": memory}[what](model, panel, looks):
        print(f"| {line} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000)
