"""The recursion of a structural state space, equations (1) to (5) of `models.kalman`, in NumPy.

Shapes: N series, T rows, H horizon, m states.
"""

import sys
from typing import NamedTuple

import numpy as np

from forecast.models.base import Floats, State
from forecast.models.sight import look
from forecast.models.structural import Design, Dynamics, Sight

TINY = 1e-9  # the least spread of a forecast, in units of scaled z
LOADING = 0.5  # seconds numba takes to load: NumPy does what is done sooner


class Volatility(NamedTuple):
    """How the variances of series (N,) move, equation (4); floats for one series."""

    decay: Floats | float
    tail: Floats | float  # one over the degrees of freedom, 0 for a Gaussian
    lean: Floats | float  # by how much more a fall moves the variance than a rise, in (-1, 1)


def blank(dynamics: Dynamics) -> State:
    """Return mean, covariance and `seen` before any row."""
    n, m = dynamics.prior.shape
    cov = dynamics.prior[:, :, None] * np.eye(m)
    return {"mean": np.zeros((n, m)), "cov": cov, "seen": np.zeros(n, np.bool_)}


def ahead(rho: Floats, q: Floats, h: Floats, trend: bool) -> tuple[Floats, Floats]:
    """Return g[k] = h F^k (H, m) and the process noise (H,) that gathers until k, as in (5)."""
    power = rho ** np.arange(len(h) + 1)[:, None]  # (H + 1, m) what a state keeps after k steps
    if trend:
        power[1:, 1] = np.cumsum(power[1:, 1])  # what it has added to the level
        power[0, 1] = 0.0
        h = h.copy()
        h[:, 1] = 1.0
    noise = (h**2 * q * np.cumsum(power[:-1] ** 2, axis=0)).sum(axis=1)
    return h * power[1:], noise


def carry(dynamics: Dynamics, plan: Design, z: Floats, seen: Sight, state: State) -> Floats:
    """Move `mean`, `cov` and `seen` of `state` over `z` (N, T); return (e, s) (N, T, 2).

    They are replaced in the dictionary; the arrays that stood there keep what they held.
    Long work goes to numba where it is installed: the same numbers to rounding.
    """
    seconds = z.shape[1] * (2e-5 + 1.5e-9 * len(z) * len(plan.base) ** 2)  # measured, NumPy
    if seconds > LOADING or "forecast.kernels.kalman" in sys.modules:
        try:
            from forecast.kernels.kalman import filter_panel
        except ImportError:
            return filter_rows(dynamics, plan, z, seen, state)
        return filter_panel(dynamics, plan, z, seen, state)
    return filter_rows(dynamics, plan, z, seen, state)


def filter_rows(dynamics: Dynamics, plan: Design, z: Floats, seen: Sight, state: State) -> Floats:
    """Do what `carry` does by equations (1) to (3), row by row, all series at once."""
    mean, cov, begun = state["mean"], state["cov"], state["seen"]
    if not begun.all():
        mean, cov, begun = mean.copy(), cov.copy(), begun.copy()
    out = np.full((*z.shape, 2), np.nan)
    for t in range(z.shape[1]):
        h, there = look(plan, seen.at(slice(None), t)), ~np.isnan(z[:, t])
        if begun.all():
            mean, cov = advance(mean, cov, dynamics)
            if there.all():
                mean, cov, out[:, t] = condition(mean, cov, h, z[:, t])
                continue
        else:
            on = np.flatnonzero(begun)
            mean[on], cov[on] = advance(mean[on], cov[on], Dynamics(*(a[on] for a in dynamics)))
        new, old = np.flatnonzero(there & ~begun), np.flatnonzero(there & begun)
        if len(old):
            mean[old], cov[old], out[old, t] = condition(mean[old], cov[old], h[old], z[old, t])
        if len(new):
            mean[new], cov[new] = meet(mean[new], cov[new], h[new], z[new, t])
            begun[new] = True
    state.update(mean=mean, cov=cov, seen=begun)
    return out


def advance(mean: Floats, cov: Floats, dynamics: Dynamics) -> tuple[Floats, Floats]:
    """Return mean (N, m) and covariance (N, m, m) one step later: equation (1)."""
    rho, q, _, coupling = dynamics
    after, moved = mean * rho, cov * rho[:, :, None]
    moved *= rho[:, None, :]
    if coupling.any():
        to_level = rho[:, :1] * coupling[:, None]
        after[:, :1] += to_level * mean[:, 1:2]
        row = to_level * rho * cov[:, 1]
        moved[:, 0] += row
        moved[:, :, 0] += row
        moved[:, 0, 0] += (to_level[:, 0] ** 2) * cov[:, 1, 1]
    np.einsum("nii->ni", moved)[:] += q
    return after, moved


def condition(mean: Floats, cov: Floats, h: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean, covariance and (e, s) (N, 2) given observations `z` (N,): (2) and (3)."""
    ph = (cov @ h[:, :, None])[:, :, 0]
    e = z - (h * mean).sum(axis=1)
    s = (h * ph).sum(axis=1) + 1.0
    gain = ph / s[:, None]
    told = gain[:, :, None] * ph[:, None, :]
    cov = np.subtract(cov, told, out=told)
    return mean + gain * e[:, None], cov, np.array([e, s]).T


def meet(mean: Floats, cov: Floats, h: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Return mean and covariance given the first observations `z` (N,) of a diffuse level."""
    mean, cov = mean.copy(), cov.copy()
    ph = (cov @ h[:, :, None])[:, :, 0]
    mean[:, 0] += z - (h * mean).sum(axis=1)
    cov[:, 0] -= ph
    cov[:, :, 0] -= ph
    cov[:, 0, 0] += (h * ph).sum(axis=1) + 1.0
    return mean, cov


def weigh(variance: Floats, shock: Floats, volatility: Volatility) -> Floats:
    """Return v (N, T + 1) around each `shock` e / sqrt(s) (N, T), NaN where none: (4)."""
    out = np.repeat(variance[:, None], shock.shape[1] + 1, axis=1)
    decay, tail, lean = volatility
    if np.min(decay) == 1.0:
        return out
    for t in range(shock.shape[1]):
        v, x = out[:, t], shock[:, t] ** 2
        weight = (1.0 + tail) / (1.0 - 2.0 * tail + tail * x / v)
        weight = weight * (1.0 - lean * np.sign(shock[:, t]))
        moved = np.maximum(v + (1.0 - decay) * (weight * x - v), TINY**2)
        out[:, t + 1] = np.where(np.isnan(x), v, moved)
    return out


def draw(
    dynamics: Dynamics, h: Floats, noise: Floats, state: State, volatility: Volatility
) -> Floats:
    """Return z (N, paths, H) drawn step by step from `noise` (N, paths, H), each draw absorbed.

    Gain and covariance depend on no value, so that all paths of a series share them; `h` (N, H, m)
    is what the observation sees.
    """
    mean, cov = np.repeat(state["mean"][:, None], noise.shape[1], axis=1), state["cov"]
    variance, out = (
        np.repeat(state["variance"][:, None], noise.shape[1], axis=1),
        np.empty_like(noise),
    )
    volatility = Volatility(*(np.repeat(value, noise.shape[1]) for value in volatility))
    rho, _, _, coupling = dynamics
    for k in range(noise.shape[2]):
        _, cov = advance(state["mean"], cov, dynamics)
        mean[..., 0] += coupling[:, None] * mean[..., 1 % mean.shape[-1]]
        mean *= rho[:, None]
        zero = np.zeros(len(h))
        _, after, es = condition(state["mean"], cov, h[:, k], zero)
        s, e = es[:, 1:], np.sqrt(es[:, 1:] * variance) * noise[..., k]
        gain = (cov @ h[:, k, :, None])[..., 0] / s
        out[..., k] = np.einsum("npm,nm->np", mean, h[:, k]) + e
        mean += gain[:, None] * e[..., None]
        flat = (e / np.sqrt(s)).reshape(-1, 1)
        variance = weigh(variance.ravel(), flat, volatility)[:, -1].reshape(variance.shape)
        cov = after
    return out
