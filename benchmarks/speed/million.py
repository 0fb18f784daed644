"""A long stream: is the memory flat, and does the carried state drift?

`python benchmarks/speed/million.py FAMILY [ROWS]` prints a Markdown table; docs quote it. Drift:
one series of a million rows, absorbed one at a time as `follow` does; how far the forecasts of the
carried state lie from those after one pass over the same rows, an echo state network's reservoirs
in double precision: the largest difference of a quantile, in units of the forecast's own scale.
Memory: what the process `forecast follow` holds as a million rows of 1,000 series come by a pipe.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from forecast import fitting, provenance, store
from forecast.data import datasets
from forecast.data.panel import Panel
from forecast.forecaster import Forecaster
from forecast.models.esn import ESN
from forecast.stream.state import Place, Stream

CHEAP = {"gru": {"updates": "60"}, "rnn": {"updates": "60"}, "kalman": {"evaluations": "20"}}
PIECE = 5_000  # rows made at once
SERIES = 1_000
LOOKS = (0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 1.0)  # of all rows


class Double(ESN):
    """The network with states in double precision: equation (1) of `models.esn`."""

    def _carry(self, x, inputs, kernels):
        W, W_from, W_in = self.whole
        a, now = self.config.leak_rate, x.ravel()
        for drive in inputs @ W_in:
            heard = np.einsum("rk,rk->r", W, now[W_from])
            now = (1 - a) * now + a * np.tanh(drive + heard)
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


def drift(model: Forecaster, panel: Panel, looks: list[int]) -> Iterator[tuple[int, float]]:
    """Yield rows absorbed and how far the state is then from one pass over the same rows."""
    other, stream, done = model.model, Stream(model, 1), 0
    state = {name: array.copy() for name, array in model.state.items()}
    if isinstance(other, ESN):
        other = Double(other.config, other.setting, other.arrays)
        state["x"] = state["x"].astype(np.float64)
    for times, values in rows(panel, looks[-1]):
        cuts = [k - done for k in looks if done < k < done + len(times)]
        for a, b in zip([0, *cuts], [*cuts, len(times)], strict=True):
            for k in range(a, b):
                stream.take([Place(0, int(times[k]), "taken")], values[k : k + 1])
            z = model.transform.forward(values[None, a:b], model.scales[:, None])
            state = other.absorb(state, z, panel.clock.phases(times[None, a:b]))
            if done + b in looks:
                ahead = panel.clock.phases(panel.clock.ahead(times[b - 1 : b], model.horizon))
                want = other.predict(state, ahead)
                got = model.model.predict(stream.forecaster().state, ahead)
                off = np.abs(got.quantiles - want.quantiles) / want.scale[..., None]
                yield done + b, float(off.max())
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
                    yield done, held(run.pid), (done - last) / (now - begin)
                    last, begin = done, now
        run.stdin.close()
        assert run.wait() == 0


def main(family: str, count: int) -> None:
    """Watch a process, then carry a state row by row and compare it with one pass."""
    panel = datasets.load("electricity-load")
    panel = panel.rows(panel.lengths - 52 * 168 - 24, panel.lengths)
    model = fitting.fit(panel, family, 24, settings=CHEAP.get(family, {}))
    looks = [int(k * count) for k in LOOKS]
    print(
        f"{family}: {count:,} rows, seed 0; {provenance.hardware()}, one thread; commit "
        f"{provenance.commit()}, Python {platform.python_version()}, numpy {np.__version__}"
    )
    print(f"\n| Rows of {SERIES:,} series | Memory, MiB | Rows/s |\n|--:|--:|--:|", flush=True)
    for done, size, rate in memory(model, panel, looks):
        print(f"| {done:,} | {size:.1f} | {rate:,.0f} |", flush=True)
    print("\n| Rows of one series | Drift, scales |\n|--:|--:|", flush=True)
    for done, far in drift(model, panel, looks):
        print(f"| {done:,} | {far:.1e} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
