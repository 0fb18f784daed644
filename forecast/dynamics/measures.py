"""What a driven recurrent network forgets, what it amplifies and how far back it sees.

    x[t] = F(x[t-1], w[t]),  w[t] what the input adds inside the cell                       (1)
    J[t] = dx[t] / dx[t-1]                                                                  (2)
    exponent = mean log |J[t] v| / |v| along the data, v carried along and kept at length 1  (3)
    distance(t) = |x[t] - x'[t]| from two initial states under the same input               (4)
    capacity = sum over k of r^2 between e[t-k] and a linear readout of x[t], e white noise (5)
    gradient(k) = |J[t] ... J[t-k+1]|, the norm of dx[t] / dx[t-k]                           (6)

(3) is the largest Lyapunov exponent (Benettin et al. 1980), (4) the echo-state test (Jaeger 2001),
(5) the memory capacity (Jaeger 2002), (6) what vanishes or explodes (Pascanu, Mikolov and Bengio
2013). A step of an echo state network is a row; a step of the RNN and the GRU is a segment. All is
measured in float64 on the saved arrays, for each member, and averaged over the members.

Shapes: M members, T steps, R units, D numbers that enter a cell (R, or 3 R for the GRU).
"""

from dataclasses import dataclass

import numpy as np

from forecast.dynamics.cells import Cell
from forecast.models.base import Floats

LAGS = (1, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 56, 80, 112)  # k of (6)
STARTS = 4  # from which (6) is averaged
SAMPLE = 12  # steps at which singular values are taken
DELAYS = 200  # k of (5) at most
MERGED = 1e-10  # of the first distance: what is left is rounding
WORK = 4e10  # multiplications that (6) may take for one member


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """One member, driven by data."""

    cell: Cell
    weights: Floats  # (R, R) recurrent weights whose spectral radius is told
    drive: Floats  # (T, D) w of (1) along the data
    pulse: Floats  # (D,) what one spread of the series adds to w


@dataclass(frozen=True, slots=True, eq=False)
class Dynamics:
    """What was measured, averaged over the members; rates are per step."""

    units: int
    members: int
    steps: int  # T
    rows_per_step: int
    spectral_radius: float
    lyapunov: float  # (3)
    half_life: float  # of (4) in steps; infinite where two states do not come together
    distances: Floats  # (T + 1,) (4) in units of the first
    capacity: float  # (5)
    recalled: Floats  # (DELAYS,) its terms, k = 0, 1, ...
    lags: tuple[int, ...]
    gradients: Floats  # (len(lags),) (6), geometric mean
    singular_values: Floats  # (R,) of (2), falling, mean along the data


def measure(systems: list[System], rows_per_step: int = 1, seed: int = 0) -> Dynamics:
    """Measure the members of a model along the data that drive them."""
    rng = np.random.default_rng(seed)
    paths = [trajectory(s.cell, s.drive) for s in systems]
    pairs = list(zip(systems, paths, strict=True))
    distances = np.exp(np.mean([np.log(forgetting(s, rng)) for s in systems], axis=0))
    recalled = np.mean([memory(s, rng) for s in systems], axis=0)
    lags = _lags(systems[0])
    return Dynamics(
        units=systems[0].cell.units,
        members=len(systems),
        steps=len(systems[0].drive),
        rows_per_step=rows_per_step,
        spectral_radius=float(np.mean([spectral_radius(s.weights) for s in systems])),
        lyapunov=float(np.mean([lyapunov(s, x, rng) for s, x in pairs])),
        half_life=half_life(distances),
        distances=distances,
        capacity=float(recalled.sum()),
        recalled=recalled,
        lags=lags,
        gradients=np.exp(np.mean([gradients(s, x, lags) for s, x in pairs], axis=0)),
        singular_values=np.mean([singular_values(s, x) for s, x in pairs], axis=0),
    )


def spectral_radius(weights: Floats) -> float:
    """Return the largest modulus of the eigenvalues of `weights` (R, R)."""
    return float(np.abs(np.linalg.eigvals(weights)).max())


def trajectory(cell: Cell, drive: Floats, start: Floats | None = None) -> Floats:
    """Return the states (T + 1, R) under `drive` (T, D), from `start` (R,) or from zero."""
    x = np.zeros(cell.units) if start is None else start
    out = np.empty((len(drive) + 1, cell.units))
    out[0] = x
    for t, w in enumerate(drive):
        out[t + 1] = x = cell.step(w, x)
    return out


def lyapunov(system: System, states: Floats, rng: np.random.Generator) -> float:
    """Return (3) along `states` (T + 1, R), its first tenth left out; -inf where all dies."""
    v = rng.standard_normal(system.cell.units)
    v /= np.linalg.norm(v)
    rates = []
    for w, x in zip(system.drive, states, strict=False):
        v = system.cell.jacobian(w, x) @ v
        length = float(np.linalg.norm(v))
        if length == 0.0:
            return -np.inf
        rates.append(np.log(length))
        v /= length
    return float(np.mean(rates[len(rates) // 10 :]))


def forgetting(system: System, rng: np.random.Generator) -> Floats:
    """Return (4) (T + 1,) in units of the first distance, from two random states in (-1, 1)."""
    one, two = rng.uniform(-1, 1, (2, system.cell.units))
    gap = trajectory(system.cell, system.drive, one) - trajectory(system.cell, system.drive, two)
    distance = np.linalg.norm(gap, axis=1)
    return np.asarray(np.maximum(distance / distance[0], MERGED))


def half_life(distances: Floats) -> float:
    """Return the steps in which `distances` (T + 1,) halve, from first to last; inf if never."""
    end = max(int(np.flatnonzero(distances > MERGED)[-1]), 1)
    halvings = -float(np.log2(distances[end] / distances[0]))
    return end / halvings if halvings > 1e-9 else np.inf


def memory(system: System, rng: np.random.Generator) -> Floats:
    """Return the terms of (5) (DELAYS,), the readout learnt on one run and scored on another.

    The noise has the spread of the series and is added to the mean input. Both runs are so long
    that a term of nothing comes out near 0; terms below what chance gives count as 0.
    """
    cell = system.cell
    count = max(6 * cell.units, 2000)
    noise = rng.uniform(-np.sqrt(3), np.sqrt(3), 2 * count + DELAYS - 1)
    drive = system.drive.mean(axis=0) + noise[:, None] * system.pulse
    states = trajectory(cell, drive)[DELAYS:]  # (2 count, R)
    features = np.concatenate([np.ones((len(states), 1)), states], axis=1)
    past = np.lib.stride_tricks.sliding_window_view(noise, DELAYS)[:, ::-1]  # k = 0, 1, ...
    W = np.linalg.lstsq(features[:count], past[:count], rcond=None)[0]
    said, truth = features[count:] @ W, past[count:]
    left = np.square(truth - said).mean(axis=0) / np.square(truth - truth.mean(axis=0)).mean(axis=0)
    terms = 1 - left
    return np.where(terms > 4 / np.sqrt(count), terms, 0.0)


def gradients(system: System, states: Floats, lags: tuple[int, ...]) -> Floats:
    """Return the logarithm of (6) (len(lags),), the mean over a few t along `states` (T + 1, R)."""
    steps = len(system.drive)
    starts = np.unique(np.linspace(0, max(steps - lags[-1], 0), _starts(system, lags)).astype(int))
    total = np.zeros(len(lags))
    for start in starts:
        product, norms = np.eye(system.cell.units), []
        for k in range(lags[-1]):
            t = int(start) + k
            product = system.cell.jacobian(system.drive[t], states[t]) @ product
            if k + 1 in lags:
                norms.append(max(float(np.linalg.norm(product, 2)), 1e-300))
        total += np.log(norms)
    return total / len(starts)


def singular_values(system: System, states: Floats) -> Floats:
    """Return the singular values (R,) of (2), falling, the mean over a few steps."""
    steps = len(system.drive)
    some = np.unique(np.linspace(min(steps - 1, steps // 10), steps - 1, SAMPLE).astype(int))
    found = [
        np.linalg.svd(system.cell.jacobian(system.drive[t], states[t]), compute_uv=False)
        for t in some
    ]
    return np.asarray(np.mean(found, axis=0))


def _lags(system: System) -> tuple[int, ...]:
    """Return the k of (6) that the data are long enough for, and that can be paid for."""
    room = min(len(system.drive), int(WORK / system.cell.units**3))
    return tuple(k for k in LAGS if k <= max(room, 1))


def _starts(system: System, lags: tuple[int, ...]) -> int:
    return int(np.clip(WORK / (system.cell.units**3 * lags[-1]), 1, STARTS))
