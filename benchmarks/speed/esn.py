"""Reservoirs and the ridge path beside reservoirpy and scikit-learn, in one run: medians, ratios.

    python benchmarks/speed/esn.py --output benchmarks/results/esn-speed.jsonl

- States of 500 and 1,000 units over 10,000 steps, sparse (8 inputs a unit) and on a cycle, against
  reservoirpy on the same matrices in the fastest of its settings (dense or CSR, 32 or 64 bits).
  Both start from the inputs, and take them block by block, as a fit does: nobody needs all states
  at once. Gate: states equal to 1e-5. Bars: 3 times, 10 times on the cycle.
- 64 series through one reservoir side by side, against one after another by the same code and by
  reservoirpy, block by block as a model absorbs them. Gate: states equal to 1e-5. Bar: 3 times.
- The path of 30 ridges from one eigendecomposition, Gram included, against 30 fits of
  scikit-learn's Ridge on the same rows. Gate: coefficients equal to 1e-6. Bar: 20 times.

`of_limit` is the share of what the machine could do: the time to copy, in cache, the bytes that
a step must touch, or to work out its tanh alone, whichever is longer, over the time of the step.
The rivals take turns within every round; seconds are
those of the processor, for the machine may be shared, on one thread (set OMP_NUM_THREADS=1).
"""

import argparse
import json
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from forecast import provenance
from forecast.kernels.reservoir import cycle_states, states, states_abreast
from forecast.models.abreast import ROWS
from forecast.models.base import Setting
from forecast.models.drawing import draw, matrix
from forecast.models.esn import BLOCK, ESNConfig
from forecast.training.ridge import Path as RidgePath
from forecast.training.ridge import Sums

LEAK = 0.6
INPUTS = 5


def main() -> None:
    """Measure, print a row each and write them to `--output`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10_000)
    options = parser.parse_args()
    rows = []
    for row in measured(options.steps, options.rounds):
        row |= {"hardware": provenance.hardware(), "versions": provenance.versions()}
        row["commit"] = provenance.commit()
        print(json.dumps(row), flush=True)
        rows.append(row)
    if options.output:
        options.output.write_text("".join(json.dumps(row) + "\n" for row in rows))


def measured(steps: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield every row, as it is there."""
    for units in (500, 1000):
        for kind in ("sparse", "cycle"):
            yield reservoir(kind, units, steps, rounds)
        yield side_by_side(units, 64, rounds)
    yield ridges(rounds)


def reservoir(kind: str, units: int, steps: int, rounds: int) -> dict[str, Any]:
    """Return the row of one reservoir."""
    arrays, inputs = drawn(kind, units, 1), series(steps)
    rivals = reservoirpy_settings(arrays, inputs)
    ours = Ours(kind, arrays, inputs)
    worst = float(np.abs(ours.states() - rivals["csr 64 bit"].states()).max())
    assert worst < 1e-5, f"states differ by {worst}"
    seconds = timed({"forecast": ours, **rivals}, rounds)
    best = min(rivals, key=seconds.__getitem__)
    weights = 2 * arrays["W"].shape[2]  # of each unit: its weights and places
    return {
        "what": f"states, {kind}", "units": units, "steps": steps, "rounds": rounds,
        "us_a_step": round(1e6 * seconds["forecast"] / steps, 3),
        "reservoirpy_us_a_step": round(1e6 * seconds[best] / steps, 3), "setting": best,
        "times_as_fast": round(seconds[best] / seconds["forecast"], 1),
        "of_limit": round(limit(units, weights) * steps / seconds["forecast"], 2),
        "largest_difference": worst, "bar": 3 if kind == "sparse" else 10,
    }  # fmt: skip


def side_by_side(units: int, count: int, rounds: int, steps: int = 512) -> dict[str, Any]:
    """Return the row of many series through one reservoir; 512 steps are two blocks of a model."""
    arrays, leak = drawn("sparse", units, 1), np.full((steps, count), LEAK, np.float32)
    W, W_from, W_in = (arrays[name][0] for name in ("W", "W_from", "W_in"))
    u = np.random.default_rng(1).normal(size=(steps, INPUTS, count)).astype(np.float32)
    u[:, 0] = 1.0
    each = [np.ascontiguousarray(u[..., n]) for n in range(count)]
    rivals = reservoirpy_settings(arrays, each[0])
    best = min(("csr 64 bit", "csr 32 bit"), key=timed(rivals, 1).__getitem__)
    node = rivals[best].node

    def abreast() -> np.ndarray:
        x = np.zeros((units, count), np.float32)
        for at in range(0, steps, ROWS):
            part = slice(at, at + ROWS)
            x = states_abreast(x, u[part], W_in, W, W_from, leak[part])
        return x.T

    def apart() -> np.ndarray:
        last = np.zeros((count, units), np.float32)
        for n, inputs in enumerate(each):
            for at in range(0, steps, BLOCK):
                last[n] = states(last[n], inputs[at : at + BLOCK], W_in, W, W_from, leak[0, 0])[-1]
        return last

    def reservoirpy() -> np.ndarray:
        return np.stack([Run(node, inputs[:, 1:])() for inputs in each])

    worst = max(float(np.abs(abreast() - other()).max()) for other in (apart, reservoirpy))
    assert worst < 1e-5, f"states differ by {worst}"
    work = {"abreast": abreast, "apart": apart, "reservoirpy": reservoirpy}
    seconds = {name: took / (steps * count) for name, took in timed(work, rounds).items()}
    return {
        "what": f"{count} series side by side", "units": units, "steps": steps, "rounds": rounds,
        "us_a_step": round(1e6 * seconds["abreast"], 3),
        "apart_us_a_step": round(1e6 * seconds["apart"], 3),
        "reservoirpy_us_a_step": round(1e6 * seconds["reservoirpy"], 3), "setting": best,
        "times_as_fast_as_apart": round(seconds["apart"] / seconds["abreast"], 1),
        "times_as_fast": round(seconds["reservoirpy"] / seconds["abreast"], 1),
        "of_limit": round(tanh(units) / seconds["abreast"], 2),
        "largest_difference": worst, "bar": 3,
    }  # fmt: skip


def ridges(rounds: int, rows: int = 10_000, width: int = 500, targets: int = 24) -> dict[str, Any]:
    """Return the row of the ridge path."""
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(rows, width)), rng.normal(size=(rows, targets))
    strengths = np.logspace(-6, 2, 30)

    def path() -> np.ndarray:
        sums = Sums.none(width, targets)
        sums.add(X, Y)
        whole = RidgePath(sums, np.ones(width))
        return np.stack([whole.at(s) for s in strengths])

    def apart() -> np.ndarray:
        fits = (Ridge(rows * s, fit_intercept=False, solver="cholesky") for s in strengths)
        return np.stack([each.fit(X, Y).coef_.T for each in fits])

    worst = float(np.abs(path() - apart()).max())
    assert worst < 1e-6, f"readouts differ by {worst}"
    seconds = timed({"path": path, "apart": apart}, rounds)
    return {
        "what": "path of 30 ridges", "rows": rows, "features": width, "targets": targets,
        "rounds": rounds, "seconds": round(seconds["path"], 4),
        "separate_seconds": round(seconds["apart"], 4),
        "times_as_fast": round(seconds["apart"] / seconds["path"], 1),
        "largest_difference": worst, "bar": 20,
    }  # fmt: skip


def drawn(kind: str, units: int, count: int) -> dict[str, Any]:
    """Return the arrays of `count` reservoirs."""
    config = ESNConfig(
        units=units, reservoirs=count, topology=kind, spectral_radius=0.9, leak_rate=LEAK
    )
    return draw(config, Setting(horizon=1), INPUTS)


def series(steps: int) -> np.ndarray:
    """Return inputs (T, U), the first of them 1."""
    inputs = np.random.default_rng(1).normal(size=(steps, INPUTS))
    inputs[:, 0] = 1.0
    return inputs


class Blocks(ABC):
    """A reservoir over `inputs` (T, U), from the zero state, block by block."""

    inputs: np.ndarray

    @abstractmethod
    def start(self) -> None:
        """Go back to the zero state."""

    @abstractmethod
    def run(self, inputs: np.ndarray) -> np.ndarray:
        """Return the states (B, R) of a block."""

    def __iter__(self) -> Iterator[np.ndarray]:
        self.start()
        for begin in range(0, len(self.inputs), BLOCK):
            yield self.run(self.inputs[begin : begin + BLOCK])

    def states(self) -> np.ndarray:
        """Return all states (T, R)."""
        return np.concatenate(list(self))

    def __call__(self) -> np.ndarray:
        """Return the last state (R,)."""
        for states_of_block in self:
            last = states_of_block[-1]
        return last


class Ours(Blocks):
    """The first of our reservoirs."""

    def __init__(self, kind: str, arrays: dict[str, Any], inputs: np.ndarray) -> None:
        self.kind, self.inputs = kind, inputs
        self.W, self.W_from, self.W_in = (arrays[name][0] for name in ("W", "W_from", "W_in"))

    def start(self) -> None:
        self.x = np.zeros(len(self.W), np.float32)

    def run(self, inputs: np.ndarray) -> np.ndarray:
        u, leak = inputs.astype(np.float32), np.float32(LEAK)
        if self.kind == "cycle":
            out = cycle_states(self.x, u, self.W_in, self.W[:, 0], leak)
        else:
            out = states(self.x, u, self.W_in, self.W, self.W_from, leak)
        self.x = out[-1]
        return np.asarray(out)


class Run(Blocks):
    """A node of reservoirpy, which keeps its state between blocks."""

    def __init__(self, node: Any, inputs: np.ndarray) -> None:
        self.node, self.inputs = node, inputs.astype(node.dtype)

    def start(self) -> None:
        self.node.reset()

    def run(self, inputs: np.ndarray) -> np.ndarray:
        return np.asarray(self.node.run(inputs))


def reservoirpy_settings(arrays: dict[str, Any], inputs: np.ndarray) -> dict[str, Run]:
    """Return reservoirpy's run of the first reservoir in each setting."""
    from scipy.sparse import csr_matrix

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from reservoirpy.nodes import Reservoir
    dense = matrix(arrays["W"][0], arrays["W_from"][0])
    found = {}
    for bits, kind in (("64 bit", np.float64), ("32 bit", np.float32)):
        W_in = arrays["W_in"][0].T.astype(kind)
        for name, W in (("csr", csr_matrix(dense.astype(kind))), ("dense", dense.astype(kind))):
            node = Reservoir(W=W, Win=W_in[:, 1:], bias=W_in[:, 0], lr=LEAK, dtype=kind)
            found[f"{name} {bits}"] = Run(node, inputs[:, 1:])
            node.run(found[f"{name} {bits}"].inputs[:2])
    return found


def timed(work: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each, taking turns, after one warm-up."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, each in work.items():
            began = time.process_time()
            each()
            times[name].append(time.process_time() - began)
    return {name: median(seconds[1:]) for name, seconds in times.items()}


def limit(units: int, weights: int) -> float:
    """Return the seconds that a step must take: to touch its bytes, or for its tanh alone."""
    return max(copying(4 * units * (weights + 2)), tanh(units))


def tanh(units: int, times: int = 2000) -> float:
    """Return the seconds in which tanh of as many numbers as there are units is worked out."""
    x = np.zeros(units, np.float32)
    W_in, none = np.ones((1, units), np.float32), np.zeros(units, np.float32)
    inputs = np.ones((times, 1), np.float32)
    best = np.inf
    for _ in range(5):
        began = time.process_time()
        cycle_states(x, inputs, W_in, none, np.float32(1))
        best = min(best, time.process_time() - began)
    return best / times


def copying(size: int, times: int = 20_000) -> float:
    """Return the seconds in which `size` bytes are copied that lie in the cache."""
    there, back = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    best = np.inf
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            np.copyto(back, there)
        best = min(best, time.process_time() - began)
    return best / times / 2  # a copy reads and writes; a step touches each byte once


if __name__ == "__main__":
    main()
