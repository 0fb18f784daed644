"""How much each model counts in an average of quantiles, learned on windows they did not see.

    L[m] = mean over windows and steps of a[window] rho(y - q_m)                            (1)
    w[m] = L[m]^-P / sum_n L[n]^-P                                                          (2)

rho is the pinball loss, averaged over the levels; a weighs a series by the inverse of its typical
error. Bates and Granger (1969), "The combination of forecasts", without correlations: weights that
minimise the loss of the average were tried, and on windows after those they were learned on they
did worse. P falls to 0, equal weights, with the number of windows.

Shapes: M models, V windows, H steps ahead, L levels.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.metrics import mean
from forecast.models.base import LEVELS, MEDIAN, Floats

JUDGED = tuple(LEVELS.index(p) for p in (0.1, 0.25, 0.5, 0.75, 0.9))
STRETCHES = 4  # of each series' windows
POWER, ENOUGH = 32.0, 84  # P, and from how many windows on
LEAST = 0.02  # a model that counts less is left out


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What several models said of the same windows, and what came."""

    quantiles: Floats  # (M, V, H, L) at the levels JUDGED
    truth: Floats  # (V, H) NaN where missing
    weight: Floats  # (V,) a in (1)
    stretch: NDArray[np.int64]  # (V,) number of the stretch of its series

    def part(self, which: NDArray[np.bool_]) -> "Held":
        """Return the windows `which` (V,)."""
        return Held(self.quantiles[:, which], self.truth[which], self.weight[which],
                    self.stretch[which])  # fmt: skip

    def of(self, models: list[int]) -> "Held":
        """Return the forecasts of `models` only."""
        return replace(self, quantiles=self.quantiles[models])


def held(quantiles: Floats, truth: Floats, series: NDArray[np.int64]) -> Held:
    """Return windows of `quantiles` (M, V, H, Q), `truth` (V, H) in order of time by `series` (V,).

    A series counts by the inverse of the mean absolute error of the equal average.
    """
    judged = quantiles[..., JUDGED]
    error = np.abs(truth - quantiles[..., MEDIAN].mean(axis=0))
    weight, stretch = np.zeros(len(truth)), np.zeros(len(truth), np.int64)
    for i in np.unique(series):
        own = np.flatnonzero(series == i)
        seen = error[own][~np.isnan(error[own])]
        weight[own] = 1 / seen.mean() if len(seen) and seen.mean() > 0 else 0.0
        stretch[own] = np.arange(len(own)) * STRETCHES // len(own)
    return Held(judged, truth, weight, stretch)


def losses(windows: Held, mixed: Floats) -> Floats:
    """Return the loss of each window (V,) of quantiles `mixed` (V, H, L); NaN without a truth."""
    error = windows.truth[..., None] - mixed
    levels = np.array(LEVELS)[list(JUDGED)]
    rho = np.maximum(levels * error, (levels - 1) * error).mean(axis=-1)  # (V, H)
    count = np.sum(~np.isnan(rho), axis=1)
    total = np.nansum(rho, axis=1) * windows.weight
    return np.asarray(total / np.where(count > 0, count, np.nan))


def mix(windows: Held, weights: Floats) -> Floats:
    """Return the quantiles (V, H, L) averaged with `weights` (M,)."""
    return np.asarray(np.tensordot(weights, windows.quantiles, 1))


def learn(windows: Held, most: float = POWER) -> Floats:
    """Return the weights (2) (M,), P at most `most`: none for a model that gave no numbers.

    Equal ones where a model makes no error at all, or nothing is known of any.
    """
    each = np.array([mean(losses(windows, q)) for q in windows.quantiles])
    each = np.where(np.isnan(each), np.inf, each)
    if not 0 < each.min() < np.inf:
        return np.full(len(each), 1 / len(each))
    power = most * min(len(windows.truth) / ENOUGH, 1.0)
    share = (each / each.min()) ** -power
    return np.asarray(share / share.sum())


def judged(windows: Held) -> Floats:
    """Return the losses (V,) of the average, with weights learned on the other stretches of time.

    Windows that are all of one stretch, for want of more, are judged on themselves.
    """
    found = np.full(len(windows.truth), np.nan)
    for k in np.unique(windows.stretch):
        here = windows.stretch == k
        rest = windows.part(~here if not here.all() else here)
        part = windows.part(here)
        found[here] = losses(part, mix(part, learn(rest)))
    return found
