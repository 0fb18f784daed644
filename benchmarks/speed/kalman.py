"""The Kalman likelihood and its fit, beside statsmodels and filterpy in the same run.

    python benchmarks/speed/kalman.py --output benchmarks/results/kalman_speed.jsonl

Equality first: every likelihood is compared with statsmodels' and filterpy's before it is timed.
Then one likelihood at 2, 8, 26, 50 and 100 states over 35,000 steps, and a whole fit of one such
series with a daily season, searched on 2,000 of them, in seconds of the processor: one thread each,
so that other work on the machine counts for neither. Likelihoods take turns and the medians over
the rounds count; filterpy is timed once, on 2,000 steps, and scaled up: its cost a step is
constant. Last the fit of 20 hourly zones with daily and weekly seasons, in as many threads as there
are cores, in seconds of the clock. And what a freeze of the gains could save: after how many rows
the covariance of a fitted filter repeats itself, and what share of an update it takes. One JSON row
each. About ten minutes on two cores.
"""

import argparse
import json
import os
import subprocess
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from forecast import fitting, provenance
from forecast.data.clock import HOUR, Clock
from forecast.data.panel import Panel, assemble
from forecast.models.base import Setting
from forecast.models.filter import advance, condition
from forecast.models.kalman import KalmanConfig
from forecast.models.sight import look, sight
from forecast.models.structural import Structure, design
from forecast.training.structural import Stretch, criterion, innovations

ROWS, SHORT, SEED = 35_000, 2_000, 0
STATES = {2: "none", 8: "24:3", 26: "48:12", 50: "96:24", 100: "168:49"}
STILL = 1e-12  # relative change of a covariance below which it counts as the same
OFTEN = 200  # updates timed together
WEEK = 168
AGREE = 1e-8  # relative difference of two likelihoods


def main() -> None:
    """Measure, print one row a measurement, and write them to `--output`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["likelihood", "fit", "zones", "freeze"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    kinds = {"likelihood": likelihoods, "fit": fits, "zones": zones, "freeze": freezes}
    for what, measure in kinds.items():
        if options.only in (None, what):
            for row in measure(options.rounds):
                rows.append({"what": what, **row, **where()})
                print(json.dumps(rows[-1]), flush=True)
    if options.output:
        options.output.write_text("".join(json.dumps(row) + "\n" for row in rows))


def where() -> dict[str, Any]:
    """Return hardware, commit and seed."""
    commit = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(commit, capture_output=True, text=True, cwd=Path(__file__).parent)
    return {"hardware": provenance.hardware(), "commit": done.stdout.strip(), "seed": SEED}


def timed(works: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each work; they take turns, after a call that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            begin = time.process_time()
            work()
            seconds[name].append(time.process_time() - begin)
    return {name: median(each[1:]) for name, each in seconds.items()}


def likelihoods(rounds: int) -> list[dict[str, Any]]:
    """Compare and time one likelihood at each number of states."""
    return [_likelihood(states, text, rounds) for states, text in STATES.items()]


def _likelihood(states: int, text: str, rounds: int) -> dict[str, Any]:
    config = KalmanConfig(seasons=text, trend="none", ar="yes", anomaly=0, year=0)
    structure = config.structure()
    assert structure.size == states, (structure.size, states)
    stretch = _stretch(structure, load(ROWS))
    theta = np.array([_value(name) for name in structure.names])
    value = criterion(KalmanConfig(criterion="likelihood"), stretch)
    theirs = _statsmodels(structure, stretch, theta)
    short = _stretch(structure, stretch.z[:SHORT])
    ours = float(_density(*innovations(stretch, theta)))
    ours_short = float(_density(*innovations(short, theta)))
    by_statsmodels = float(theirs.loglike()) + 0.5 * np.log(2 * np.pi)  # of the first observation
    by_filterpy = _filterpy(structure, short, theta)
    checks = (("statsmodels", by_statsmodels, ours), ("filterpy", by_filterpy, ours_short))
    for name, other, own in checks:
        if not abs(other - own) < AGREE * abs(own):
            raise SystemExit(f"{states} states: {name} says {other}, ours is {own}")
    seconds = timed({"ours": lambda: value(theta), "statsmodels": theirs.loglike}, rounds)
    slow = timed({"filterpy": lambda: _filterpy(structure, short, theta)}, 1)
    seconds["filterpy"] = slow["filterpy"] * ROWS / SHORT
    return {"states": states, "rows": ROWS, **_compared(seconds)}


def _compared(seconds: dict[str, float]) -> dict[str, Any]:
    ratios = {f"{k} / ours": round(v / seconds["ours"], 1) for k, v in seconds.items()}
    ratios.pop("ours / ours")
    return {"seconds": {k: round(v, 4) for k, v in seconds.items()}, **ratios}


def _stretch(structure: Structure, z: np.ndarray) -> Stretch:
    t, lengths = np.arange(len(z)), [length for length, _ in structure.seasons]
    phases = np.stack([*(t % length / length for length in lengths), 0.0 * t], axis=1)
    seen = sight(structure, Setting(24, tuple(lengths)), phases)
    return Stretch(structure, z, seen, phases, np.zeros(0, np.int64), 24)


def _value(name: str) -> float:
    return {"level": -4.0, "ar": 0.5, "ar-damping": 2.0}.get(name, -3.0)


def _density(e: np.ndarray, s: np.ndarray) -> float:
    return -0.5 * float(np.sum(np.log(2 * np.pi * s) + e**2 / s))


def _statsmodels(structure: Structure, stretch: Stretch, theta: np.ndarray) -> Any:
    """Return their compiled filter of the same system, exactly diffuse in the level."""
    from statsmodels.tsa.statespace.initialization import Initialization
    from statsmodels.tsa.statespace.kalman_filter import KalmanFilter

    dynamics = structure.dynamics(theta[None])
    m = structure.size
    h = look(design(structure), stretch.seen)
    theirs = KalmanFilter(k_endog=1, k_states=m)
    theirs.bind(np.ascontiguousarray(stretch.z[:, None]))
    theirs["design"] = h.T[None].copy() if structure.seasons else h[:1]
    theirs["obs_cov", 0, 0] = 1.0
    theirs["transition"], theirs["selection"] = np.diag(dynamics.rho[0]), np.eye(m)
    theirs["state_cov"] = np.diag(dynamics.q[0])
    start = Initialization(m)
    start.set(0, "diffuse")
    known = np.diag(dynamics.prior[0, 1:])
    start.set((1, m), "known", constant=np.zeros(m - 1), stationary_cov=known)
    theirs.initialization = start
    return theirs


def _filterpy(structure: Structure, stretch: Stretch, theta: np.ndarray) -> float:
    """Return the likelihood by filterpy from the first observation on."""
    from filterpy.kalman import KalmanFilter

    dynamics = structure.dynamics(theta[None])
    h = look(design(structure), stretch.seen)
    m, prior = structure.size, np.diag(dynamics.prior[0])
    kf = KalmanFilter(dim_x=m, dim_z=1)
    ph = prior @ h[0]
    kf.P = prior.copy()
    kf.P[0] -= ph
    kf.P[:, 0] -= ph
    kf.P[0, 0] += h[0] @ ph + 1.0
    kf.x[0] = stretch.z[0]
    kf.F, kf.Q, kf.R, total = np.diag(dynamics.rho[0]), np.diag(dynamics.q[0]), np.eye(1), 0.0
    for value, seen in zip(stretch.z[1:], h[1:], strict=True):
        kf.predict()
        kf.H = seen[None]
        kf.update(value)
        s = float(kf.S[0, 0])
        total += -0.5 * (np.log(2 * np.pi * s) + float(kf.y[0, 0]) ** 2 / s)
    return total


def load(rows: int, seed: int = SEED) -> np.ndarray:
    """Return logarithms of an hourly load: day, week, a slow level, an irregular."""
    rng, t = np.random.default_rng(seed), np.arange(rows)
    day, week = rng.normal(size=24).cumsum(), rng.normal(size=168)
    shape = 0.1 * (day - day.mean())[t % 24] + 0.05 * week[t % 168]
    ar = np.empty(rows)
    last = 0.0
    for k, e in enumerate(0.01 * rng.normal(size=rows)):
        ar[k] = last = 0.9 * last + e
    return 7.0 + shape + ar + 0.002 * rng.normal(size=rows).cumsum() + 0.005 * rng.normal(size=rows)


def fits(rounds: int) -> list[dict[str, Any]]:
    """Time the whole fit of one series with a daily season, by likelihood, once.

    Ours searches on the last 2,000 rows, as it does by itself, filters all, fits twice (with and
    without the held-back weeks) and calibrates; theirs searches on all rows.
    """
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    z = load(ROWS)
    panel = assemble(["a"], [np.exp(z)], [0], Clock("fixed", step=HOUR, seasons=(24,)))
    settings = {"seasons": "24:6", "trend": "none", "anomaly": "0", "criterion": "likelihood"}
    fitting.fit(panel.rows(np.zeros(1, int), np.array([500])), "kalman", 24, settings=settings)
    begin = time.process_time()
    fitting.fit(panel, "kalman", 24, settings=settings)
    ours = time.process_time() - begin
    theirs = UnobservedComponents(
        z, "local level", autoregressive=1, freq_seasonal=[{"period": 24, "harmonics": 6}]
    )
    begin = time.process_time()
    theirs.fit(disp=0)
    seconds = {"ours": ours, "statsmodels": time.process_time() - begin}
    return [{"states": 14, "rows": ROWS, "searched": 2000, **_compared(seconds)}]


def zones(rounds: int) -> list[dict[str, Any]]:
    """Time the fit of 20 zones at the defaults, held-back windows, calibration and all, once."""
    panel = _zones()
    begin = time.perf_counter()
    fitting.fit(panel, "kalman", 24)
    seconds = time.perf_counter() - begin
    threads = int(os.environ.get("NUMBA_NUM_THREADS") or os.cpu_count() or 1)
    return [{"series": 20, "rows": len(panel.values), "seconds": round(seconds, 1),
             "threads": threads}]  # fmt: skip


def freezes(rounds: int) -> list[dict[str, Any]]:
    """Say when the covariance of a fitted filter stands still, and what moving it costs a row."""
    clock, series = Clock("fixed", step=HOUR, seasons=(24, 168)), np.zeros(1, np.int64)
    panel = assemble(["a"], [np.exp(load(4_000))], [0], clock)
    settings = {"seasons": "24:6,168:6", "anomaly": "4", "starts": "1", "evaluations": "80"}
    model: Any = fitting.fit(panel, "kalman", 24, settings=settings).model
    z, t, change, rows = load(ROWS)[None], np.arange(ROWS), np.inf, 0
    phases = np.stack([t % 24 / 24, t % WEEK / WEEK, 0.0 * t], axis=1)[None]
    state = model.absorb(model.start(series), z[:, :WEEK], phases[:, :WEEK])
    while change > STILL and rows + 2 * WEEK <= ROWS:
        rows += WEEK
        before, part = state["cov"], slice(rows, rows + WEEK)
        state = model.absorb(state, z[:, part], phases[:, part])
        change = float(np.abs(state["cov"] - before).max() / np.abs(before).max())
    return [{"states": model.structure.size, "rows": rows + WEEK, "change in a week": change,
             "microseconds a row": _costs(model, state, z, phases, rounds)}]  # fmt: skip


def _costs(
    model: Any, state: Any, z: np.ndarray, phases: np.ndarray, rounds: int
) -> dict[str, int]:
    """Return what one row costs: the whole update, mean and covariance within it, a forecast."""
    dynamics, h = model.dynamics(state["series"]), np.ones((1, model.structure.size))

    def move() -> None:
        condition(*advance(state["mean"], state["cov"], dynamics), h, z[:, 0])

    works = {
        "update": lambda: model.absorb(state, z[:, :1], phases[:, :1]),
        "mean and covariance": move,
        "forecast": lambda: model.predict(state, phases[:, :24]),
    }
    seconds = timed({name: _often(work) for name, work in works.items()}, rounds)
    return {name: round(1e6 * value / OFTEN) for name, value in seconds.items()}


def _often(work: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: [work() for _ in range(OFTEN)]


def _zones() -> Panel:
    clock = Clock("fixed", step=HOUR, seasons=(24, 168))
    values = [np.exp(load(30_000, seed)) for seed in range(20)]
    return assemble([f"zone_{k:02}" for k in range(20)], values, [0] * 20, clock)


if __name__ == "__main__":
    main()
