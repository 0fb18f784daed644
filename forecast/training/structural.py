"""The criteria by which a structure's parameters are estimated, and the search for their optimum.

    likelihood   mean log s / 2 + log(mean e^2 / s) / 2,  v concentrated out                  (1)
    ahead        log mean |z[t+k] - z[t+k|t]| over cutoffs t and steps ahead k = 1..H         (2)

Where the variance is weighted, (1) is the likelihood of `volatility`.

Shapes: T rows, S seasons, C cutoffs, H horizon, p parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.kernels.threads import go_on, in_threads
from forecast.models.base import Floats
from forecast.models.filter import TINY, Volatility, ahead, blank, carry
from forecast.models.kalman import KalmanConfig
from forecast.models.sight import look
from forecast.models.structural import Sight, Structure, design
from forecast.training.volatility import surprise

FEW = 5  # cutoffs below which (2) gives way to (1)
VARIANCE = (-20.0, 16.0)  # logarithm; the observation noise is 0
BOUNDS = {"damping": (-6.0, 9.0), "prior": (-8.0, 18.0)}
GUESS = {
    "level": -4.0, "trend": -10.0, "trend-prior": -4.0, "ar": 1.0, "anomaly": -1.0,
    "known": -8.0, "known-prior": 4.0, "year": -8.0, "year-prior": 4.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rows of one series that its estimation sees, and the cutoffs of criterion (2)."""

    structure: Structure
    z: Floats  # (T,)
    seen: Sight  # rows (T, S), regressors (T, R)
    phases: Floats  # (T, columns)
    cuts: NDArray[np.int64]  # (C,) rows before each
    horizon: int

    @property
    def count(self) -> int:
        """The number of observed rows."""
        return int(np.sum(~np.isnan(self.z)))


class Found(NamedTuple):
    """Where a search ended."""

    theta: Floats  # (p,)
    value: float  # of the criterion
    converged: bool


def by_ahead(config: KalmanConfig, stretch: Stretch) -> bool:
    """Whether criterion (2) is the one."""
    return config.criterion != "likelihood" and len(stretch.cuts) >= FEW


def criterion(
    config: KalmanConfig, stretch: Stretch, volatility: Volatility | None = None
) -> Callable[[Floats], float]:
    """Return the function of the parameters (p,) that estimation makes small: (1) or (2)."""
    if by_ahead(config, stretch):
        return lambda theta: _size(errors_ahead(stretch, theta))
    if volatility is None:
        return lambda theta: _likelihood(*innovations(stretch, theta))
    return lambda theta: surprise(*innovations(stretch, theta), volatility)


def _likelihood(e: Floats, s: Floats) -> float:
    square = max(float(np.mean(e**2 / s)), TINY**2)
    return 0.5 * float(np.mean(np.log(s)) + np.log(square))


def _size(errors: Floats) -> float:
    return float(np.log(max(float(np.nanmean(np.abs(errors))), TINY)))


def innovations(stretch: Stretch, theta: Floats) -> tuple[Floats, Floats]:
    """Return innovations e and their variances s, one for each observed row but the first."""
    dynamics, plan = stretch.structure.dynamics(theta[None]), design(stretch.structure)
    seen = stretch.seen.at(None)
    out = carry(dynamics, plan, stretch.z[None], seen, blank(dynamics))[0]
    there = ~np.isnan(out[:, 0])
    return out[there, 0], out[there, 1]


def errors_ahead(stretch: Stretch, theta: Floats) -> Floats:
    """Return the errors (C, H) of the forecasts made at the cutoffs."""
    try:
        from forecast.kernels import kalman as kernel
    except ImportError:
        return _errors_by_numpy(stretch, theta)
    dynamics, plan = stretch.structure.dynamics(theta[None]), design(stretch.structure)
    state, errors = blank(dynamics), np.empty((len(stretch.cuts), stretch.horizon))
    system = kernel.system(plan, dynamics)
    kernel.errors_ahead(
        system, stretch.z, stretch.seen, state["mean"][0], state["cov"][0], stretch.cuts, errors
    )
    return errors


def _errors_by_numpy(stretch: Stretch, theta: Floats) -> Floats:
    dynamics, plan = stretch.structure.dynamics(theta[None]), design(stretch.structure)
    state, errors, done = blank(dynamics), [], 0
    for cut in stretch.cuts:
        past, future = slice(done, cut), slice(cut, cut + stretch.horizon)
        carry(dynamics, plan, stretch.z[None, past], stretch.seen.at(None, past), state)
        h = look(plan, stretch.seen.at(future))
        g, _ = ahead(dynamics.rho[0], dynamics.q[0], h, stretch.structure.trend != "none")
        errors.append(stretch.z[future] - g @ state["mean"][0])
        done = cut
    return np.stack(errors)


def guesses(config: KalmanConfig, structure: Structure) -> list[Floats]:
    """Return where a search may begin: `begin` if it fits, the usual, and a livelier level."""
    usual = np.array([_guess(name, structure) for name in structure.names])
    shift = [_livelier(name) for name in structure.names]
    fits = len(config.begin) == len(usual)
    return [*([np.array(config.begin)] if fits else []), usual, usual + np.array(shift)]


def _guess(name: str, structure: Structure) -> float:
    if name.startswith("season"):
        first = name.startswith(f"season-{structure.seasons[0][0]}")
        return 4.0 if name.endswith("prior") else -4.0 if first else -8.0
    return 4.0 if name.endswith("damping") else GUESS[name]


def _livelier(name: str) -> float:
    if name == "level":
        return 4.0
    return -3.0 if name.startswith("season") and not name.endswith("prior") else 0.0


def _noiseless(structure: Structure) -> Floats:
    """Return a start with hardly any observation noise: the level takes nearly all."""
    start = {"level": 8.0, "ar": 6.0, "ar-damping": 0.0, "anomaly": 2.0, "known": -2.0}
    rest = {"-damping": 4.0, "-prior": 12.0}
    return np.array([
        start.get(name, next((v for end, v in rest.items() if name.endswith(end)), 4.0))
        for name in structure.names
    ])  # fmt: skip


def bounds(structure: Structure) -> list[tuple[float, float]]:
    """Return the lowest and highest value of each parameter."""
    return [BOUNDS.get(name.rpartition("-")[2], VARIANCE) for name in structure.names]


def search(
    config: KalmanConfig,
    stretch: Stretch,
    begin: list[Floats],
    starts: int,
    volatility: Volatility | None = None,
) -> Found | None:
    """Return the best parameters and their criterion, from the `starts` best of `begin`.

    None for a series with too few rows to tell. L-BFGS on a numerical gradient. A likelihood has
    several tops: with more than one start it is climbed from every point and from one more.
    """
    from scipy.optimize import minimize

    structure = stretch.structure
    least = 2 * len(structure.names) + 2 * sum(length for length, _ in structure.seasons[:1])
    if stretch.count < least:
        return None
    measure = criterion(config, stretch, volatility)

    def value(theta: Floats) -> float:
        go_on()
        return measure(theta)

    smooth = not by_ahead(config, stretch)
    step, tolerance = (1e-4, 1e-12) if smooth else (1e-3, 1e-6)
    options: Any = {"maxfun": config.evaluations, "eps": step, "ftol": tolerance}
    if smooth:
        steps = max(config.evaluations // (len(structure.names) + 1), 1)
        options |= {"gtol": 1e-8, "maxiter": steps}
        if starts > 1:
            begin = [*begin, _noiseless(structure)]
            starts = len(begin)
    jac: Any = _slope(value, step) if smooth else None
    points, found = sorted(begin, key=value)[:starts], {}

    def climb(k: int) -> None:
        found[k] = minimize(
            value, points[k], jac=jac, method="L-BFGS-B", bounds=bounds(structure), options=options
        )

    in_threads(climb, len(points))
    best = min((found[k] for k in range(len(points))), key=lambda result: float(result.fun))
    return Found(np.asarray(best.x, np.float64), float(best.fun), bool(best.success))


def _slope(value: Callable[[Floats], float], step: float) -> Callable[[Floats], Floats]:
    """Return the gradient by central differences: a one-sided one stops short of the optimum."""

    def slope(theta: Floats) -> Floats:
        moves = step * np.eye(len(theta))
        return np.array([(value(theta + m) - value(theta - m)) / (2.0 * step) for m in moves])

    return slope
