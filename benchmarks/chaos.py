"""Chaos: `esn` running free on Mackey-Glass (tau 17), and one step ahead on the Santa Fe laser.

    python benchmarks/chaos.py --output benchmarks/results/chaos.jsonl \
        --mackey-glass mackey_glass_t17.csv --santa-fe santafe_laser.csv

Mackey-Glass: settings are chosen by learning from rows 1-3,000 and running free within rows
3,001-4,000; then each of 5 seeds learns from rows 1,001-4,000 and runs 84 steps from 100 starts in
the rows after them. The error is the root mean square at step 84 over the starts, in standard
deviations of the series (NRMSE84); the median over the seeds is reported. Without a file the series
is integrated here (Runge-Kutta, step 0.1, one row a unit of time).

Santa Fe laser: rows 1-2,000 are learnt from, 2,001-3,000 choose, 3,001-5,000 are reported: mean
squared error one step ahead over the variance (NMSE), the median over 5 seeds.
"""

import argparse
import json
import time
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from forecast import provenance
from forecast.models import free_running
from forecast.models.base import MEDIAN, History, Setting
from forecast.models.esn import ESN, ESNConfig
from forecast.training.reservoir import fit
from forecast.training.run import Run

STEPS, STARTS, SEEDS = 84, 100, 5
FREE = ESNConfig(units=1000, reservoirs=1, hours="no", lags=20, pull=1.0, mode="free",
                 state_penalty=1.0)  # fmt: skip
LASER = ESNConfig(units=500, reservoirs=3, hours="no", lags=20, pull=1.0, leak_rate=1.0,
                  state_penalty=1.0)  # fmt: skip
FREE_GRID = {"spectral_radius": (0.9, 1.2, 1.4), "leak_rate": (0.5, 0.7), "ridge": (1e-12, 1e-14)}
LASER_GRID = {"spectral_radius": (0.5, 0.9), "input_scale": (0.4, 1.0), "ridge": (1e-6, 1e-5, 1e-4)}


def main() -> None:
    """Choose, measure, print a row a series and write them to `--output`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mackey-glass", type=Path, help="CSV whose last column is the series")
    parser.add_argument("--santa-fe", type=Path, help="the same of the laser; left out without it")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    path = options.mackey_glass
    rows = [mackey_glass(read(path) if path else integrate(10_000), "file" if path else "made")]
    if options.santa_fe:
        rows.append(santa_fe(read(options.santa_fe)))
    for row in rows:
        row |= {"hardware": provenance.hardware(), "versions": provenance.versions()}
        row["commit"] = provenance.commit()
        print(json.dumps(row))
    if options.output:
        options.output.write_text("".join(json.dumps(row) + "\n" for row in rows))


def mackey_glass(y: np.ndarray, source: str) -> dict[str, Any]:
    """Return the row of the free-running mode; `y` (10,000,)."""
    began = time.perf_counter()
    tried = []
    for config in grid(FREE, FREE_GRID):
        errors = [free_error(config, y, seed, (0, 3000, 4000), 20)[0] for seed in range(2)]
        tried.append((float(np.mean(errors)), config))
    chosen = min(tried, key=lambda pair: pair[0])[1]
    found = [free_error(chosen, y, seed, (1000, 4000, len(y)), STARTS) for seed in range(SEEDS)]
    return {
        "series": f"mackey-glass tau 17, {source}",
        "measure": "NRMSE84 free running",
        "median": float(np.median([e for e, _, _ in found])),
        "seeds": [e for e, _, _ in found],
        "direct": float(np.median([d for _, d, _ in found])),
        "diverged": sum(lost for _, _, lost in found),
        "bar": 1e-3,
        "config": asdict(chosen),
        "seconds": round(time.perf_counter() - began, 1),
    }


def free_error(
    config: ESNConfig, y: np.ndarray, seed: int, rows: tuple[int, int, int], count: int
) -> tuple[float, float, int]:
    """Return NRMSE84 of free running and of the direct readout, and how many runs diverged.

    The model learns from `rows[0]:rows[1]` and forecasts from `count` starts in `rows[1]:rows[2]`.
    """
    first, last, end = rows
    model = learn(config, y[first:last], STEPS, seed)
    starts = np.linspace(last, end - STEPS, count).astype(int)
    state, at, states = model.start(np.array([0])), first, []
    for start in starts:
        state, at = absorb(model, state, y[at:start]), start
        states.append(state)
    joint = {name: np.concatenate([s[name] for s in states]) for name in state}
    phases = np.zeros((count, STEPS, 1))
    z, diverged = free_running.run(model, joint, phases)
    direct = ESN(replace(config, mode="direct"), model.setting, model.arrays)
    straight = direct.predict(joint, phases).quantiles[:, -1, MEDIAN]
    truth, unit = y[starts + STEPS - 1], y[:4000].std()
    z = np.where(diverged, straight, z[:, -1])
    errors = [float(np.sqrt(np.mean((e - truth) ** 2)) / unit) for e in (z, straight)]
    return errors[0], errors[1], int(diverged.sum())


def santa_fe(y: np.ndarray) -> dict[str, Any]:
    """Return the row of one step ahead; `y` (at least 5,000,)."""
    began, y = time.perf_counter(), y / 64  # a power of two near its size
    tried = [(laser_error(c, y, 0, (2000, 3000)), c) for c in grid(LASER, LASER_GRID)]
    chosen = min(tried, key=lambda pair: pair[0])[1]
    errors = [laser_error(chosen, y, seed, (3000, 5000)) for seed in range(SEEDS)]
    return {
        "series": "santa fe laser",
        "measure": "NMSE one step ahead",
        "median": float(np.median(errors)),
        "seeds": errors,
        "bar": 0.015,
        "config": asdict(chosen),
        "seconds": round(time.perf_counter() - began, 1),
    }


def laser_error(config: ESNConfig, y: np.ndarray, seed: int, rows: tuple[int, int]) -> float:
    """Return the NMSE on `rows` of a model that learnt from rows 1-2,000."""
    model, said = learn(config, y[:2000], 1, seed), []
    state = absorb(model, model.start(np.array([0])), y[: rows[0]])
    for value in y[rows[0] : rows[1]]:
        said.append(model.predict(state, np.zeros((1, 1, 1))).quantiles[0, 0, MEDIAN])
        state = absorb(model, state, np.array([value]))
    truth = y[rows[0] : rows[1]]
    return float(np.mean((np.array(said) - truth) ** 2) / truth.var())


def learn(config: ESNConfig, y: np.ndarray, horizon: int, seed: int) -> ESN:
    """Return `config` fitted to all of `y`."""
    offsets, held = np.array([0, len(y)]), np.zeros(1, np.int64)
    history = History(y, np.zeros((len(y), 1)), offsets, held)
    return fit(config, Setting(horizon=horizon, seed=seed), history, Run())


def absorb(model: ESN, state: dict[str, Any], y: np.ndarray) -> dict[str, Any]:
    """Return `state` after the rows `y`."""
    return model.absorb(state, y[None], np.zeros((1, len(y), 1)))


def grid(config: ESNConfig, values: dict[str, tuple[float, ...]]) -> list[ESNConfig]:
    """Return `config` at every combination of `values`."""
    return [
        replace(config, **dict(zip(values, some, strict=True)))
        for some in product(*values.values())
    ]


def integrate(count: int, tau: int = 17, per: int = 10) -> np.ndarray:
    """Integrate x' = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x; 1,000 rows of onset left out."""
    step, lag = 1 / per, tau * per
    x = np.full(lag + (count + 1000) * per + 1, 1.2)

    def slope(now: float, then: float) -> float:
        return 0.2 * then / (1 + then**10) - 0.1 * now

    for t in range(lag, len(x) - 1):
        a, b = x[t - lag], x[t - lag + 1]
        k1 = slope(x[t], a)
        k2 = slope(x[t] + step / 2 * k1, (a + b) / 2)
        k3 = slope(x[t] + step / 2 * k2, (a + b) / 2)
        k4 = slope(x[t] + step * k3, b)
        x[t + 1] = x[t] + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x[lag + 1000 * per :: per][:count]


def read(path: Path) -> np.ndarray:
    """Return the last column of a CSV with a header."""
    return np.loadtxt(path, delimiter=",", skiprows=1, usecols=-1)


if __name__ == "__main__":
    main()
