"""How much each model counts in an average of quantiles, learned on windows they did not see.

    L(w) = mean over windows and steps of a[window] rho(y - sum_m w[m] q_m)                 (1)
    w    = (1 - s) argmin L + s / M,  w[m] >= 0, sum_m w[m] = 1                             (2)

rho is the pinball loss, averaged over the levels; a weighs a series by the inverse of its typical
error. L is convex and piecewise linear; it is minimised by exponentiated gradients (Kivinen,
Warmuth 1997). s is chosen between halves of the windows: weights learned on one, judged on the
other. It is 1, equal weights, where learning does not pay.

Shapes: M models, V windows, H steps ahead, L levels.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import LEVELS, MEDIAN, Floats

JUDGED = tuple(LEVELS.index(p) for p in (0.1, 0.25, 0.5, 0.75, 0.9))
SHRINK = (1.0, 0.75, 0.5, 0.25, 0.0)  # s; the first of equals is taken
STEPS = 400  # of the descent
RATE = 1.0  # of its first step, per largest difference of the gradient
LEAST = 0.02  # a model that counts less is left out


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What several models said of the same windows, and what came."""

    quantiles: Floats  # (M, V, H, L) at the levels JUDGED
    truth: Floats  # (V, H) NaN where missing
    weight: Floats  # (V,) a in (1)
    late: NDArray[np.bool_]  # (V,) the later half of each series

    def part(self, which: NDArray[np.bool_]) -> "Held":
        """Return the windows `which` (V,)."""
        return Held(self.quantiles[:, which], self.truth[which], self.weight[which],
                    self.late[which])  # fmt: skip

    def of(self, models: list[int]) -> "Held":
        """Return the forecasts of `models` only."""
        return replace(self, quantiles=self.quantiles[models])


def held(quantiles: Floats, truth: Floats, series: NDArray[np.int64]) -> Held:
    """Return windows of `quantiles` (M, V, H, Q), `truth` (V, H) in order of time by `series` (V,).

    A series counts by the inverse of the mean absolute error of the equal average.
    """
    judged = quantiles[..., JUDGED]
    error = np.abs(truth - quantiles[..., MEDIAN].mean(axis=0))
    weight, late = np.zeros(len(truth)), np.zeros(len(truth), np.bool_)
    for i in np.unique(series):
        own = np.flatnonzero(series == i)
        seen = error[own][~np.isnan(error[own])]
        weight[own] = 1 / seen.mean() if len(seen) and seen.mean() > 0 else 0.0
        late[own[len(own) // 2 :]] = True
    return Held(judged, truth, weight, late)


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


def solve(windows: Held) -> Floats:
    """Return the weights (M,) that minimise (1)."""
    q, levels = windows.quantiles, np.array(LEVELS)[list(JUDGED)]
    seen = ~np.isnan(windows.truth)
    share = np.where(seen, windows.weight[:, None], 0.0)[..., None] / max(seen.sum(), 1)
    truth = np.nan_to_num(windows.truth)[..., None]
    best: Floats = np.full(len(q), 1 / len(q))
    w = best
    least = np.inf
    for k in range(STEPS):
        error = truth - np.tensordot(w, q, 1)
        loss = float((share * np.maximum(levels * error, (levels - 1) * error)).sum())
        if loss < least:
            best, least = w, loss
        slope = share * (levels - (error < 0))  # of the loss in -q
        gradient = -np.tensordot(q, slope, 3)
        gradient -= gradient.min()
        if gradient.max() <= 0:
            break
        w = w * np.exp(-RATE / np.sqrt(k + 1) * gradient / gradient.max())
        w /= w.sum()
    return best


def learn(windows: Held) -> tuple[Floats, Floats]:
    """Return weights (2) and the losses (V,) with weights learned on the other half."""
    halves = [windows.late, ~windows.late]
    equal = np.full(len(windows.quantiles), 1 / len(windows.quantiles))
    if min(half.sum() for half in halves) == 0:
        return equal, losses(windows, mix(windows, equal))
    other = [solve(windows.part(half)) for half in halves]
    tried = []
    for s in SHRINK:
        found = np.full(len(windows.truth), np.nan)
        for half, w in zip(halves, other, strict=True):
            rest = windows.part(~half)
            found[~half] = losses(rest, mix(rest, (1 - s) * w + s * equal))
        tried.append(found)
    best = int(np.argmin([np.nanmean(found) for found in tried]))
    return (1 - SHRINK[best]) * solve(windows) + SHRINK[best] * equal, tried[best]
