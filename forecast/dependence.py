"""How the errors of the steps of one forecast hang together: a Gaussian copula.

    s[v, h] = normal score of truth h in the quantiles of window v                            (1)
    C[h, k] = correlation of s[., h] and s[., k] over held-back windows and series            (2)
    R = w C + (1 - w) A,  A[h, k] = rho^|h - k|,  w = n / (n + H)                             (3)

rho is the mean of the first off-diagonal of C: with few windows an AR(1) of the scores stands in.
Every marginal stays what the quantiles say, whatever R is (Sklar 1959; for forecasts Wilks 2002,
Moeller, Lenkoski, Thorarinsdottir 2013). Between levels a quantile function is linear in the
normal score, and so it goes on beyond them.

Shapes: B windows of one series each, H horizon, Q levels.
"""

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import LEVELS, NORMAL

Floats = NDArray[np.float64]
FARTHEST = 4.0  # a truth beyond this score is counted there
ENOUGH = 4000  # windows that tell it
LEAST = 1e-8  # eigenvalue of R


def scores(quantiles: Floats, values: Floats) -> Floats:
    """Return the normal scores (...) of `values` (...) in `quantiles` (..., Q) at LEVELS.

    NaN where a value is missing or the quantiles are all one.
    """
    k = np.clip((quantiles <= values[..., None]).sum(axis=-1), 1, len(LEVELS) - 1)
    left, right = (np.take_along_axis(quantiles, j[..., None], -1)[..., 0] for j in (k - 1, k))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (values - left) / (right - left)
        found = NORMAL[k - 1] + share * (NORMAL[k] - NORMAL[k - 1])
    found = np.clip(found, -FARTHEST, FARTHEST)
    flat = quantiles[..., 0] == quantiles[..., -1]
    return np.asarray(np.where(flat | np.isnan(values), np.nan, found))


def values(quantiles: Floats, scores: Floats) -> Floats:
    """Return the values (...) at normal `scores` (...) of `quantiles` (..., Q) at LEVELS."""
    k = np.clip(np.searchsorted(NORMAL, scores), 1, len(LEVELS) - 1)
    quantiles = np.broadcast_to(quantiles, (*scores.shape, len(LEVELS)))
    left, right = (np.take_along_axis(quantiles, j[..., None], -1)[..., 0] for j in (k - 1, k))
    share = (scores - NORMAL[k - 1]) / (NORMAL[k] - NORMAL[k - 1])
    return np.asarray(left + share * (right - left))


def learn(quantiles: Floats, truth: Floats) -> Floats:
    """Return R (H, H) from windows: quantiles (B, H, Q) and truth (B, H), NaN where missing."""
    s = scores(quantiles, truth)
    there = ~np.isnan(s)
    count = there.sum(axis=1).max(initial=0)
    s = np.where(there, s, 0.0)
    variance = np.sqrt((s**2).sum(axis=0) / np.maximum(there.sum(axis=0), 1))
    s = s / np.where(variance > 0, variance, 1.0)
    both = there.T.astype(float) @ there
    found = np.clip((s.T @ s) / np.maximum(both, 1.0), -1.0, 1.0)
    horizon = found.shape[0]
    apart = np.abs(np.subtract.outer(np.arange(horizon), np.arange(horizon)))
    rho = float(np.mean(np.diagonal(found, 1))) if horizon > 1 else 0.0
    usual = float(np.clip(rho, 0.0, 0.999)) ** apart
    weight = len(s) / (len(s) + horizon) if count else 0.0
    return proper(weight * found + (1 - weight) * usual)


def proper(matrix: Floats) -> Floats:
    """Return the correlation matrix near a symmetric `matrix`: eigenvalues of 1e-8 at least."""
    size, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    matrix = (vectors * np.maximum(size, LEAST)) @ vectors.T
    deviation = np.sqrt(np.diagonal(matrix))
    matrix = matrix / np.outer(deviation, deviation)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def random_walk(horizon: int) -> Floats:
    """Return the correlation (H, H) of the errors of a random walk: sqrt(h / k) for h <= k."""
    step = np.arange(1, horizon + 1)
    return np.asarray(np.sqrt(np.minimum.outer(step, step) / np.maximum.outer(step, step)))
