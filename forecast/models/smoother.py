"""What the components of a series were, seen from its end: the fixed-interval smoother.

With mean, cov of `filter` after row t, k = cov h' / s the gain and r, N zero after the last row:

    x[t] | all rows ~ N(mean + cov F' r,  v (cov - cov F' N F cov))                            (1)
    r <- h e / s + (I - k h)' F' r                                     where z is there        (2)
    N <- h h' / s + (I - k h)' F' N F (I - k h)                        (missing: F' r, F' N F) (3)

Durbin and Koopman (2012), sections 4.4 and 4.10. Rows before the first observation, where the
level is diffuse, have no component. Covariances are computed twice, block by block, so that memory
grows with the square root of the rows.

Shapes: T rows, m states, C components.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from forecast.models.base import Floats, State
from forecast.models.filter import advance, blank, condition, meet, weigh
from forecast.models.kalman import Kalman
from forecast.models.sight import look, sight
from forecast.models.structural import Dynamics, design


@dataclass(frozen=True, slots=True)
class Smoothed:
    """Mean and standard deviation of each component at each row, in units of z."""

    names: tuple[str, ...]  # C, the observation noise, `irregular`, at the end
    mean: Floats  # (C, T)
    deviation: Floats  # (C, T)


class _Row(NamedTuple):
    """What the way back needs of one row."""

    mean: Floats  # (m,) after the row
    cov: Floats  # (m, m)
    gain: Floats  # (m,)
    e: float  # NaN without an observation
    s: float


def smooth(model: Kalman, number: int, z: Floats, phases: Floats) -> Smoothed:
    """Return the components of fitted series `number` at rows `z` (T,), `phases` (T, columns)."""
    start = model.start(np.array([number]))
    dynamics = model.dynamics(start["series"])
    h = look(design(model.structure), sight(model.structure, model.setting, phases))
    places = model.structure.places()
    block = max(int(len(z) ** 0.5), 1)
    states = _checkpoints(dynamics, h, z, block)
    mean, variance = np.full((2, len(places) + 1, len(z)), np.nan)
    score, precision = np.zeros(h.shape[1]), np.zeros((h.shape[1], h.shape[1]))
    shock = np.full(len(z), np.nan)
    for first in range((len(z) - 1) // block * block, -1, -block):
        part = slice(first, first + block)
        rows = _forward(dynamics, h[part], z[part], states[first // block])
        for t, row in reversed(list(enumerate(rows, first))):
            if row is None:
                continue
            score, precision = _back_over(dynamics, score, precision)
            wanted = _loadings(h[t], list(places.values()))
            half = row.cov @ wanted.T  # (m, C)
            smoothed = row.mean + row.cov @ score
            mean[:-1, t] = wanted @ smoothed
            variance[:-1, t] = np.sum(half * (wanted.T - precision @ half), axis=0)
            seen = row.cov @ h[t]
            mean[-1, t] = z[t] - h[t] @ smoothed
            variance[-1, t] = h[t] @ seen - seen @ precision @ seen
            shock[t] = row.e / np.sqrt(row.s)
            score, precision = _take_in(row, h[t], score, precision)
    v = weigh(start["variance"], shock[None], model.volatility(start["series"]))[0, :-1]
    deviation = np.sqrt(np.maximum(variance, 0.0) * v)
    return Smoothed((*places, "irregular"), mean, deviation)


def _checkpoints(dynamics: Dynamics, h: Floats, z: Floats, block: int) -> list[State]:
    """Return the state before every `block` rows."""
    state, out = blank(dynamics), []
    for first in range(0, len(z), block):
        out.append({name: array.copy() for name, array in state.items()})
        _forward(dynamics, h[first : first + block], z[first : first + block], state)
    return out


def _forward(dynamics: Dynamics, h: Floats, z: Floats, state: State) -> list[_Row | None]:
    """Carry `state` over rows in place, as `filter_rows`; None before the first observation."""
    rows: list[_Row | None] = []
    for value, seen in zip(z, h, strict=True):
        one, y = seen[None], np.array([value])
        gain, e, s = np.zeros(len(seen)), np.nan, np.nan
        if state["seen"][0]:
            state["mean"], state["cov"] = advance(state["mean"], state["cov"], dynamics)
            if not np.isnan(value):
                before = state["cov"][0] @ seen
                state["mean"], state["cov"], out = condition(state["mean"], state["cov"], one, y)
                e, s = out[0]
                gain = before / s
        elif not np.isnan(value):
            state["mean"], state["cov"] = meet(state["mean"], state["cov"], one, y)
            state["seen"][0] = True
        else:
            rows.append(None)
            continue
        rows.append(_Row(state["mean"][0], state["cov"][0], gain, float(e), float(s)))
    return rows


def _back_over(dynamics: Dynamics, score: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """Return F' r and F' N F."""
    rho, weight = dynamics.rho[0], float(dynamics.coupling[0])
    score, precision = rho * score, rho[:, None] * precision * rho
    if weight:
        score[1] += weight * score[0]
        precision[1] += weight * precision[0]
        precision[:, 1] += weight * precision[:, 0]
    return score, precision


def _take_in(row: _Row, h: Floats, score: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """Return r and N before the row: (2) and (3)."""
    if np.isnan(row.e):
        return score, precision
    score = score + h * (row.e / row.s - row.gain @ score)
    across = precision @ row.gain
    inner = row.gain @ across + 1.0 / row.s
    product = np.multiply.outer(h, across)
    return score, precision - product - product.T + inner * np.multiply.outer(h, h)


def _loadings(h: Floats, places: list[slice]) -> Floats:
    """Return what makes each component of the states (C, m): its part of the observation.

    The trend, which the observation does not see, stands for itself.
    """
    out = np.zeros((len(places), len(h)))
    for loading, place in zip(out, places, strict=True):
        part = h[place]
        loading[place] = part if part.any() or place.stop - place.start > 1 else 1.0
    return out
