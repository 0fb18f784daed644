"""Reservoirs and the ridge path beside reservoirpy and scikit-learn, in one run: medians, ratios.

    python benchmarks/speed/esn.py --output benchmarks/results/esn-speed.jsonl

- States of 500 and 1,000 units over 10,000 steps, sparse (8 inputs a unit) and on a cycle, against
  reservoirpy on the same matrices in the fastest of its settings (dense or CSR, 32 or 64 bits).
  Both start from the inputs. Gate: states equal to 1e-5. Bars: 3 times, 10 times on the cycle.
- 64 reservoirs one after another in numba, against reservoirpy doing the same.
- The path of 30 ridges from one eigendecomposition, Gram included, against 30 fits of
  scikit-learn's Ridge on the same rows. Gate: coefficients equal to 1e-6. Bar: 20 times.

`of_limit` is the share of what the machine could do: the time to copy, in cache, the bytes that
a step must touch, over the time of the step. The rivals take turns within every round; seconds are
those of the processor, for the machine may be shared, on one thread (set OMP_NUM_THREADS=1).
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from forecast import provenance
from forecast.kernels.reservoir import cycle_states, states
from forecast.models.base import Setting
from forecast.models.esn import BLOCK, ESNConfig, draw, matrix
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
    rows = [
        reservoir(kind, units, options.steps, options.rounds)
        for kind in ("sparse", "cycle")
        for units in (500, 1000)
    ]
    rows += [many(500, 64, options.steps // 20, options.rounds), ridges(options.rounds)]
    for row in rows:
        row |= {"hardware": provenance.hardware(), "versions": provenance.versions()}
        row["commit"] = provenance.commit()
        print(json.dumps(row), flush=True)
    if options.output:
        options.output.write_text("".join(json.dumps(row) + "\n" for row in rows))


def reservoir(kind: str, units: int, steps: int, rounds: int) -> dict[str, Any]:
    """Return the row of one reservoir."""
    arrays, inputs = drawn(kind, units, 1), series(steps)
    rivals = reservoirpy_settings(arrays, inputs)
    work = {"forecast": lambda: run(kind, arrays, 0, inputs)} | rivals
    expected = max((rivals["csr 64 bit"](), rivals["dense 32 bit"]()), key=lambda x: x.dtype.num)
    worst = float(np.abs(work["forecast"]() - expected).max())
    assert worst < 1e-5, f"states differ by {worst}"
    seconds = timed(work, rounds)
    best = min(rivals, key=seconds.__getitem__)
    weights = 2 * arrays["W"].shape[2]  # of each unit: its weights and places
    return {
        "what": f"states, {kind}", "units": units, "steps": steps, "rounds": rounds,
        "us_a_step": round(1e6 * seconds["forecast"] / steps, 3),
        "reservoirpy_us_a_step": round(1e6 * seconds[best] / steps, 3), "setting": best,
        "times_as_fast": round(seconds[best] / seconds["forecast"], 1),
        "of_limit": round(copying(4 * units * (weights + 2)) * steps / seconds["forecast"], 2),
        "largest_difference": worst, "bar": 3 if kind == "sparse" else 10,
    }  # fmt: skip


def many(units: int, count: int, steps: int, rounds: int) -> dict[str, Any]:
    """Return the row of many reservoirs."""
    arrays, inputs = drawn("sparse", units, count), series(steps)
    rival = [reservoirpy_settings(arrays, inputs, m)["csr 64 bit"] for m in range(count)]
    seconds = timed(
        {
            "forecast": lambda: [run("sparse", arrays, m, inputs) for m in range(count)][-1],
            "reservoirpy": lambda: [each() for each in rival][-1],
        },
        rounds,
    )
    return {
        "what": f"{count} reservoirs one after another", "units": units, "steps": steps,
        "rounds": rounds, "seconds": round(seconds["forecast"], 4),
        "reservoirpy_seconds": round(seconds["reservoirpy"], 4),
        "times_as_fast": round(seconds["reservoirpy"] / seconds["forecast"], 1),
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


def run(kind: str, arrays: dict[str, Any], m: int, inputs: np.ndarray) -> np.ndarray:
    """Return our states (T, R) of reservoir `m`, block by block as `ESN.absorb` makes them."""
    W_in, W = arrays["W_in"][m].astype(np.float64), arrays["W"][m]
    W_from, leak = arrays["W_from"][m], np.float32(LEAK)
    out = np.empty((len(inputs), len(W)), np.float32)
    x = np.zeros(len(W), np.float32)
    for begin in range(0, len(inputs), BLOCK):
        drive = (inputs[begin : begin + BLOCK] @ W_in).astype(np.float32)
        if kind == "cycle":
            part = cycle_states(x, drive, W[:, 0], leak)
        else:
            part = states(x, drive, W, W_from, leak)
        out[begin : begin + BLOCK], x = part, part[-1]
    return out


def reservoirpy_settings(
    arrays: dict[str, Any], inputs: np.ndarray, m: int = 0
) -> dict[str, Callable[[], np.ndarray]]:
    """Return reservoirpy's run of reservoir `m` in each setting."""
    from scipy.sparse import csr_matrix

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from reservoirpy.nodes import Reservoir
    dense = matrix(arrays["W"][m], arrays["W_from"][m])
    found = {}
    for bits, kind in (("64 bit", np.float64), ("32 bit", np.float32)):
        W_in, u = arrays["W_in"][m].T.astype(kind), inputs[:, 1:].astype(kind)
        for name, W in (("csr", csr_matrix(dense.astype(kind))), ("dense", dense.astype(kind))):
            node = Reservoir(W=W, Win=W_in[:, 1:], bias=W_in[:, 0], lr=LEAK, dtype=kind)
            found[f"{name} {bits}"] = fresh(node, u)
    return found


def fresh(node: Any, inputs: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a run of `node` over `inputs` from the zero state."""

    def work() -> np.ndarray:
        node.reset()
        return np.asarray(node.run(inputs))

    node.run(inputs[:2])
    return work


def timed(work: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each, taking turns, after one warm-up."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, each in work.items():
            began = time.process_time()
            each()
            times[name].append(time.process_time() - began)
    return {name: median(seconds[1:]) for name, seconds in times.items()}


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
