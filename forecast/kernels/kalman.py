"""The Kalman recursion of `models.kalman` in numba, without dense products.

The transition is diagonal but for one coupling (trend into level) and the observation vector is
looked up by the phase. The update of a row waits for the advance to the next, so that a row
costs one sweep over half the covariance.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from forecast.kernels.threads import in_threads
from forecast.models.base import State
from forecast.models.structural import Design, Dynamics, Sight

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class System(NamedTuple):
    """The matrices of one series, in units of the observation noise's variance."""

    base: Floats  # (m,) what the observation sees of every state but the seasons
    table: Floats  # (rows, m) what it sees of the seasons, by phase
    rho: Floats  # (m,) the transition's diagonal
    q: Floats  # (m,) process noise
    coupling: float  # state 1 enters state 0 with this weight; 0 without a trend


def _jit(function: Any) -> Any:
    """Compile with contracted sums: reordered, but neither NaN nor infinity assumed away."""
    return njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})(
        function
    )


LANES = 16  # a row of the lower triangle is swept to the next multiple


@_jit
def _look(base: Floats, table: Floats, rows: Rows, x: Floats, t: int, h: Floats) -> None:
    """Write what the observation sees at row `t` into `h` (m,)."""
    m, first = h.size, h.size - x.shape[1]
    for i in range(m):
        h[i] = base[i]
    for s in range(rows.shape[1]):
        row = rows[t, s]
        for i in range(m):
            h[i] += table[row, i]
    for i in range(x.shape[1]):
        h[first + i] += x[t, i]


@_jit
def _settle(cov: Floats, gain: Floats, ph: Floats) -> None:
    """Carry out a pending update, P <- P - gain (P h)'."""
    for i in range(gain.size):
        g = gain[i]
        for j in range(gain.size):
            cov[i, j] -= g * ph[j]
    gain[:] = 0.0


@_jit
def _couple(cov: Floats, weight: float) -> None:
    """Let the trend into the level: P <- C P C', C = I + weight e0 e1'."""
    cov[0] += weight * cov[1]
    cov[:, 0] += weight * cov[:, 1]


@_jit
def _advance(
    rho: Floats, q: Floats, cov: Floats, gain: Floats, ph: Floats, h: Floats, out: Floats
) -> None:
    """Carry out the pending update, then P <- F P F' + Q, then out = P h, all in one sweep."""
    m = h.size
    out[:] = 0.0
    for i in range(m):
        row, g, scale, total = cov[i], gain[i], rho[i], 0.0
        left = i // LANES * LANES
        for j in range(min(left + LANES, m)):
            c = (row[j] - g * ph[j]) * (scale * rho[j])
            row[j] = c
            total += c * h[j]
        row[i] += q[i]
        out[i] += total + q[i] * h[i]
        for j in range(left):
            out[j] += row[j] * h[i]


@_jit
def _meet(mean: Floats, cov: Floats, h: Floats, z: float) -> None:
    """Update the exactly diffuse level (state 0) on the first observation `z`."""
    ph = cov @ h
    s = 1.0 + h @ ph
    mean[0] += z - h @ mean
    cov[0] -= ph
    cov[:, 0] -= ph
    cov[0, 0] += s


@_jit
def filter_rows(
    system: System,
    z: Floats,
    sight: Sight,
    mean: Floats,
    cov: Floats,
    seen: bool,
    innovations: Floats,
) -> bool:
    """Absorb `z` (T,) with what is seen of it into `mean` (m,) and `cov` (m, m), in place.

    `innovations` (T, 2) receives each row's innovation and its variance, NaN where there is none
    (missing, or the first observation of a diffuse level). Returns whether the level was seen.
    """
    m, (base, table, rho, q, coupling), (rows, x) = mean.size, system, sight
    h, gain, ph, new = np.zeros(m), np.zeros(m), np.zeros(m), np.empty(m)
    for t in range(z.size):
        v, s, there = z[t], 1.0, not np.isnan(z[t])
        if there:
            _look(base, table, rows, x, t, h)
        if not seen:
            if there:
                _meet(mean, cov, h, v)
                seen = True
            innovations[t] = np.nan
            continue
        if coupling != 0.0:
            mean[0] += coupling * mean[1]
            _settle(cov, gain, ph)
            _couple(cov, coupling)
        _advance(rho, q, cov, gain, ph, h, new)
        for i in range(m):
            mean[i] *= rho[i]
            v -= h[i] * mean[i]
            s += h[i] * new[i]
        if not there:
            innovations[t], gain[:] = np.nan, 0.0
            continue
        share = 1.0 / s
        for i in range(m):
            ph[i], gain[i] = new[i], new[i] * share
            mean[i] += gain[i] * v
        innovations[t, 0], innovations[t, 1] = v, s
    _settle(cov, gain, ph)
    for i in range(m):
        cov[:i, i] = cov[i, :i]
    return seen


@_jit
def errors_ahead(
    system: System,
    z: Floats,
    sight: Sight,
    mean: Floats,
    cov: Floats,
    cuts: Rows,
    errors: Floats,
) -> bool:
    """Write the errors (C, H) of the forecasts made after the first `cuts` (C,) rows of `z`."""
    h, innovations = np.empty(mean.size), np.empty((z.size, 2))
    (rows, x), seen, done = sight, False, 0
    for c in range(cuts.size):
        part = slice(done, cuts[c])
        near = Sight(rows[part], x[part])
        seen = filter_rows(system, z[part], near, mean, cov, seen, innovations[part])
        done, ahead = cuts[c], mean.copy()
        for k in range(errors.shape[1]):
            _look(system.base, system.table, rows, x, done + k, h)
            ahead[0] += system.coupling * ahead[1 % h.size]
            ahead *= system.rho
            errors[c, k] = z[done + k] - h @ ahead
    return seen


def system(plan: Design, dynamics: Dynamics, i: int = 0) -> System:
    """Return the matrices of series `i`."""
    rho, q = np.ascontiguousarray(dynamics.rho[i]), np.ascontiguousarray(dynamics.q[i])
    return System(plan.base, plan.table, rho, q, float(dynamics.coupling[i]))


def filter_panel(dynamics: Dynamics, plan: Design, z: Floats, seen: Sight, state: State) -> Floats:
    """Do what `models.filter.filter_rows` does, series by series, in as many threads as allowed."""
    out, z = np.empty((*z.shape, 2)), np.ascontiguousarray(z)
    state.update({name: state[name].copy() for name in ("mean", "cov", "seen")})

    def one(i: int) -> None:
        part = Sight(*(np.ascontiguousarray(array[i]) for array in seen))
        state["seen"][i] = filter_rows(
            system(plan, dynamics, i), z[i], part, state["mean"][i], state["cov"][i],
            bool(state["seen"][i]), out[i],
        )  # fmt: skip

    in_threads(one, len(z))
    return out


@_jit
def weigh(shock: Floats, decay: float, tail: float, lean: float, variance: float) -> Floats:
    """Return v (T,) before each `shock` (T,): equation (4) of `models.kalman`."""
    out = np.empty(shock.size)
    for t in range(shock.size):
        out[t], x = variance, shock[t] ** 2
        weight = (1.0 + tail) / (1.0 - 2.0 * tail + tail * x / variance)
        weight *= 1.0 - lean * np.sign(shock[t])
        variance = max(variance + (1.0 - decay) * (weight * x - variance), 1e-18)
    return out
