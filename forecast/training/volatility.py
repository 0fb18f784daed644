"""How the variance of a series moves and how heavy its tails are, by likelihood.

With x = e^2 / s, v moved by equation (4) of `models.kalman`, n degrees of freedom:

    -2 log p(e) = log(v s) + (n + 1) log(1 + x / (v (n - 2))) + c(n)                          (1)
    c(n) = log(n - 2) + 2 log Gamma(n / 2) - 2 log Gamma((n + 1) / 2) + log pi                (2)

Shapes: T innovations, Q quantile levels.
"""

from math import lgamma, log, pi
from typing import Any, NamedTuple

import numpy as np

from forecast.models.base import LEVELS, NORMAL, Floats
from forecast.models.filter import TINY
from forecast.models.filter import weigh as weigh_rows

DECAY = (0.8, 0.9995)
TAIL = (0.005, 0.3)  # 200 to 3.3 degrees of freedom
BEGIN = np.array([np.log(1.0 - 0.95), np.log(1.0 / 6.0)])
BOUNDS = [(log(1.0 - DECAY[1]), log(1.0 - DECAY[0])), (log(TAIL[0]), log(TAIL[1]))]


class Volatility(NamedTuple):
    """How fast the variance forgets, and one over the degrees of freedom."""

    decay: float
    tail: float


CONSTANT = Volatility(1.0, 0.0)


def surprise(e: Floats, s: Floats, volatility: Volatility) -> float:
    """Return half the mean of (1), the variance beginning at its mean."""
    x = np.maximum(e**2 / s, TINY**2)
    v = _variances(x, volatility)
    n = 1.0 / volatility.tail
    constant = log(n - 2.0) + 2.0 * (lgamma(n / 2.0) - lgamma((n + 1.0) / 2.0)) + log(pi)
    return 0.5 * float(
        np.mean(np.log(v * s) + (n + 1.0) * np.log1p(x / (v * (n - 2.0)))) + constant
    )


def _variances(x: Floats, volatility: Volatility) -> Floats:
    try:
        from forecast.kernels.kalman import weigh
    except ImportError:
        one = np.ones(1)
        decay, tail = (one * value for value in volatility)
        return weigh_rows(one * x.mean(), x[None], decay, tail)[0, :-1]
    return np.asarray(weigh(x, volatility.decay, volatility.tail, float(x.mean())))


def estimate(e: Floats, s: Floats) -> Volatility:
    """Return the volatility under which the innovations (T,) are likeliest."""
    from scipy.optimize import minimize

    def value(theta: Any) -> float:
        return surprise(e, s, _read(theta))

    found: Any = minimize(value, BEGIN, method="L-BFGS-B", bounds=BOUNDS)
    return _read(found.x)


def _read(theta: Floats) -> Volatility:
    return Volatility(float(1.0 - np.exp(theta[0])), float(np.exp(theta[1])))


def pool(each: list[Volatility]) -> Volatility:
    """Return the volatility of a panel: the geometric means of what is forgotten and of tails."""
    forgotten, tails = np.array([(1.0 - v.decay, v.tail) for v in each]).T
    return Volatility(
        1.0 - float(np.exp(np.log(forgotten).mean())), float(np.exp(np.log(tails).mean()))
    )


def scores(tail: float) -> Floats:
    """Return the quantiles (Q,) at LEVELS of Student's t with variance 1."""
    if tail == 0.0:
        return NORMAL
    from scipy.stats import t

    freedom = 1.0 / tail
    return np.asarray(t.ppf(LEVELS, freedom) * np.sqrt((freedom - 2.0) / freedom))
