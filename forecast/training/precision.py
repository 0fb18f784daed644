"""Standard errors of a structure's parameters: the curvature of the likelihood at its top.

    Var theta = (d2 (-log L) / dtheta dtheta')^-1,   v concentrated out                        (1)

A parameter on the edge of its range has none: a variance of zero, or one without end.
"""

import numpy as np

from forecast.models.base import Floats
from forecast.models.filter import Volatility
from forecast.models.kalman import KalmanConfig
from forecast.training.structural import VARIANCE, Stretch, bounds, criterion

STEP = 1e-3  # of the central differences
EDGE = 6.0  # within this of the least logarithm of a variance it counts as zero


def standard_errors(
    config: KalmanConfig, stretch: Stretch, theta: Floats, volatility: Volatility | None = None
) -> Floats:
    """Return the standard errors (p,) of `theta`, NaN where the likelihood does not bend."""
    errors = np.full(len(theta), np.nan)
    if stretch.count < 3:
        return errors
    value = criterion(config, stretch, volatility)
    low, high = np.array(bounds(stretch.structure)).T
    inside = (theta > np.where(low == VARIANCE[0], low + EDGE, low)) & (theta < high)
    free: list[int] = np.flatnonzero(inside).tolist()

    def at(*moves: tuple[int, float]) -> float:
        moved = theta.copy()
        for i, step in moves:
            moved[i] += step
        return value(moved)

    hessian = np.empty((len(free), len(free)))
    for a, i in enumerate(free):
        for b, j in enumerate(free[: a + 1]):
            signs = ((STEP, STEP), (STEP, -STEP), (-STEP, STEP), (-STEP, -STEP))
            corners = [at((i, one), (j, two)) for one, two in signs]
            bend = (corners[0] - corners[1] - corners[2] + corners[3]) / (4.0 * STEP**2)
            hessian[a, b] = hessian[b, a] = (stretch.count - 1) * bend
    try:
        variance = np.diag(np.linalg.inv(hessian))
    except np.linalg.LinAlgError:
        return errors
    with np.errstate(invalid="ignore"):
        errors[free] = np.sqrt(np.where(variance > 0, variance, np.nan))
    return errors
