"""Between quantiles at the levels that models carry and what is asked of a forecast."""

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from forecast.errors import UsageError
from forecast.models.base import LEVELS, MEDIAN, NORMAL

Floats = NDArray[np.float64]
TAIL = 1.21  # (E[X | X < q.025] - q.025) / (q.025 - q.05) of a normal X


def mean(quantiles: Floats) -> Floats:
    """Return the expectation (...) of distributions given by quantiles (..., Q) at LEVELS.

    The quantile function is taken as linear between the levels; each tail of 2.5 % counts at the
    place a normal tail would have. Levels count in pairs, so that of a symmetric one it is the
    median itself.
    """
    centre = quantiles[..., MEDIAN]
    pairs = quantiles[..., :MEDIAN] + quantiles[..., :MEDIAN:-1] - 2 * centre[..., None]
    return centre + pairs @ _weights()


@cache
def _weights() -> Floats:
    """Return what each level below the median, and the one as far above, counts in the mean."""
    p = np.array(LEVELS)
    weight = np.zeros(len(p))
    weight[:-1] += np.diff(p) / 2
    weight[1:] += np.diff(p) / 2
    weight[[0, -1]] += p[0] * (1 + TAIL)
    weight[[1, -2]] -= p[0] * TAIL
    return weight[:MEDIAN]


def check_levels(levels: tuple[float, ...]) -> None:
    """Raise UsageError unless `levels` increase within the range the models carry."""
    low, high = LEVELS[0], LEVELS[-1]
    outside = [level for level in levels if not low <= level <= high]
    if outside:
        raise UsageError(
            f"quantile level {outside[0]:g} is outside {low}..{high}",
            hint="models carry the levels " + ", ".join(f"{v:g}" for v in LEVELS),
        )
    if any(b <= a for a, b in pairwise(levels)):
        raise UsageError("quantile levels must increase")


def interpolate(quantiles: Floats, levels: tuple[float, ...]) -> Floats:
    """Return quantiles (..., len(levels)) between those at LEVELS, linear in the normal score."""
    below, share = _between(levels)
    if not share.any():
        return quantiles[..., below]
    low = quantiles[..., below]
    step = quantiles[..., np.minimum(below + 1, len(LEVELS) - 1)] - low
    return low + np.where(share > 0, share * step, 0.0)


@cache
def _between(levels: tuple[float, ...]) -> tuple[NDArray[np.int64], Floats]:
    """Return which level each of `levels` follows, and its share of the way to the next."""
    below, share = np.zeros(len(levels), np.int64), np.zeros(len(levels))
    for j, level in enumerate(levels):
        if level in LEVELS:
            below[j] = LEVELS.index(level)
            continue
        from statistics import NormalDist

        score = NormalDist().inv_cdf(level)
        k = int(np.searchsorted(NORMAL, score)) - 1
        below[j], share[j] = k, (score - NORMAL[k]) / (NORMAL[k + 1] - NORMAL[k])
    return below, share
