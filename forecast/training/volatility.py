"""How the variance of a series moves, how heavy its tails are, and which way it leans.

With x = e^2 / s, v moved by equation (4) of `models.kalman`, n degrees of freedom:

    -2 log p(e) = log(v s) + (n + 1) log(1 + x / (v (n - 2))) + c(n)                          (1)
    c(n) = log(n - 2) + 2 log Gamma(n / 2) - 2 log Gamma((n + 1) / 2) + log pi                (2)

The sum of (1), and of lean^2 / PRIOR^2 so that a short series does not lean by chance, is made
small. What is left of the errors' size at the 80 % interval goes into a width.

Shapes: T innovations, Q quantile levels.
"""

from math import lgamma, log, pi
from typing import Any

import numpy as np

from forecast.models.base import LEVELS, NORMAL, Floats
from forecast.models.filter import TINY, Volatility
from forecast.models.filter import weigh as weigh_rows

DECAY = (0.8, 0.9995)
TAIL = (0.005, 0.3)  # 200 to 3.3 degrees of freedom
LEAN = 0.9
PRIOR = 0.3  # standard deviation of `lean` before any row
BEGIN = np.array([np.log(1.0 - 0.95), np.log(1.0 / 6.0), 0.0])
BOUNDS = [(log(1.0 - DECAY[1]), log(1.0 - DECAY[0])), (log(TAIL[0]), log(TAIL[1])), (-LEAN, LEAN)]
AT80 = LEVELS.index(0.9)
CONSTANT = Volatility(1.0, 0.0, 0.0)


def surprise(e: Floats, s: Floats, volatility: Volatility) -> float:
    """Return half the mean of (1), the variance beginning at its mean."""
    shock = e / np.sqrt(s)
    v = _variances(shock, volatility)
    n = 1.0 / float(volatility.tail)
    constant = log(n - 2.0) + 2.0 * (lgamma(n / 2.0) - lgamma((n + 1.0) / 2.0)) + log(pi)
    return 0.5 * float(
        np.mean(np.log(v * s) + (n + 1.0) * np.log1p(shock**2 / (v * (n - 2.0)))) + constant
    )


def _variances(shock: Floats, volatility: Volatility) -> Floats:
    """Return the variance v (T,) before each shock."""
    begin = max(float(np.mean(shock**2)), TINY**2)
    try:
        from forecast.kernels.kalman import weigh
    except ImportError:
        return weigh_rows(np.array([begin]), shock[None], volatility)[0, :-1]
    return np.asarray(weigh(shock, *volatility, begin))


def estimate(e: Floats, s: Floats) -> Volatility:
    """Return the volatility under which the innovations (T,) are likeliest."""
    from scipy.optimize import minimize

    def value(theta: Any) -> float:
        return surprise(e, s, _read(theta)) + 0.5 * float(theta[2] / PRIOR) ** 2 / len(e)

    found: Any = minimize(value, BEGIN, method="L-BFGS-B", bounds=BOUNDS)
    return _read(found.x)


def _read(theta: Floats) -> Volatility:
    return Volatility(float(1.0 - np.exp(theta[0])), float(np.exp(theta[1])), float(theta[2]))


def pool(each: list[Volatility]) -> Volatility:
    """Return that of a panel: geometric means of what is forgotten and of tails, the mean lean."""
    decay, tail, lean = np.array(each).T
    forgotten = np.exp(np.log(1.0 - decay).mean())
    return Volatility(
        1.0 - float(forgotten), float(np.exp(np.log(tail).mean())), float(lean.mean())
    )


def width(innovations: list[tuple[Floats, Floats]], volatility: Volatility) -> float:
    """Return by how much the errors of a panel, (e, s) by series, outgrow what v says at 80 %."""
    shocks = [e / np.sqrt(s) for e, s in innovations]
    sizes = [np.abs(u) / np.sqrt(_variances(u, volatility)) for u in shocks]
    at80 = float(np.quantile(np.concatenate(sizes), 0.8))
    return max(at80 / float(scores(float(volatility.tail))[AT80]), TINY)


def scores(tail: float) -> Floats:
    """Return the quantiles (Q,) at LEVELS of Student's t with variance 1."""
    if tail == 0.0:
        return NORMAL
    from scipy.stats import t

    freedom = 1.0 / tail
    return np.asarray(t.ppf(LEVELS, freedom) * np.sqrt((freedom - 2.0) / freedom))
