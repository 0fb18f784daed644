"""Make the quantiles honest: conformal adjustment per step ahead from held-back windows.

    e = max(q_p - y, y - q_(1-p)) / s    for each pair of levels p, 1 - p and each step h     (1)
    c = the (1 - 2p)'-quantile of e, at the conformal rank (1 - 2p)' (n + 1)                  (2)
    q_p' = q_p - s c,  q_(1-p)' = q_(1-p) + s c,  then sorted away from the median            (3)

A probability P is raised to P' = 2 F(t(1/2 + P/2)) - 1, F the normal distribution, t the quantile
of Student's with m - 1 degrees of freedom, m the windows whose errors are new, a horizon or a
season apart: those between say little, so a short hold-out asks for wider intervals. `s` is the
model's own scale of its errors, so that a spread that breathes keeps breathing. The median is left
alone, and so is the model's own skew: held-back windows are too few to learn one. A series with n
windows uses (n c_i + k c) / (n + k), c over all series: one with few windows leans on the others.
Romano, Patterson, Candes (2019), "Conformalized quantile regression".

Shapes: V windows, N series, H horizon, Q levels, P = (Q - 1) / 2 pairs of levels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast import dependence
from forecast.models.base import LEVELS, MEDIAN, Prediction, Setting

Floats = NDArray[np.float64]
PRIOR = 30.0  # k: how many windows of a series weigh as much as all the others
NEIGHBOURS = 2  # steps on either side that share their windows when there are few
FEW = 200
PAIR = [*range(MEDIAN), 0, *range(MEDIAN)[::-1]]  # of each level; the median stays anyway


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """`shifts` (N + 1, H, Q) in units of scale; the last row serves series not in the fit."""

    shifts: Floats
    windows: int = 0
    correlation: Floats | None = None  # (H, H) of the errors' normal scores, None if not known

    def apply(self, prediction: Prediction, series: NDArray[np.int64]) -> Floats:
        """Return the adjusted quantiles (N, H, Q), never decreasing."""
        shifts = self.shifts[series] if len(self.shifts) > 1 else self.shifts  # COLD: the last
        return spread_out(prediction.quantiles + prediction.scale[..., None] * shifts)  # (3)

    def joint(self, setting: Setting) -> Floats:
        """Return the correlation (H, H) of the steps' scores.

        Where it could not be learnt, that of a random walk on prices, else none.
        """
        if self.correlation is not None:
            return self.correlation
        walk = setting.difference
        return dependence.random_walk(setting.horizon) if walk else np.eye(setting.horizon)


def widen(quantiles: Floats, widths: Floats | None) -> Floats:
    """Return `quantiles` (N, H, Q), their distance from the median times exp(`widths`) (N, P)."""
    if widths is None or not widths.any():
        return quantiles
    factor = np.exp(widths)[:, PAIR]
    middle = quantiles[..., MEDIAN : MEDIAN + 1]
    return spread_out(middle + factor[:, None] * (quantiles - middle))


def none(horizon: int) -> Calibration:
    """Return a calibration that changes nothing, for want of held-back windows."""
    return Calibration(np.zeros((1, horizon, len(LEVELS))))


def learn(quantiles: Floats, scale: Floats, truth: Floats, overlap: int = 1) -> Calibration:
    """Learn from windows: quantiles (V, N, H, Q), scale and truth (V, N, H), NaN where missing.

    `overlap` is how many windows in a row err alike, since they share most of what they forecast.
    """
    low, high = quantiles[..., :MEDIAN], quantiles[..., :MEDIAN:-1]  # (V, N, H, P)
    y = truth[..., None]
    outside = np.maximum(low - y, y - high) / scale[..., None]  # (1)
    count = np.sum(~np.isnan(truth), axis=0).max(axis=1)  # (N,) windows with a truth
    windows = int((~np.isnan(truth)).any(axis=(1, 2)).sum())
    shares = _raised(windows / overlap)  # (P,)
    pooled = _ranks(outside.reshape(-1, 1, *outside.shape[2:]), shares)  # (1, H, P)
    own = _ranks(outside, shares)
    weight = (count / (count + PRIOR))[:, None, None]
    own = np.where(np.isnan(own), pooled, own)
    widths = np.nan_to_num(np.concatenate([weight * own + (1 - weight) * pooled, pooled]))
    middle = np.zeros((*widths.shape[:2], 1))
    shifts = np.concatenate([-widths, middle, widths[..., ::-1]], axis=-1)
    every = max(truth[..., 0].size // dependence.ENOUGH, 1)
    window, series = np.divmod(np.arange(0, truth[..., 0].size, every), truth.shape[1])
    found = Calibration(shifts)
    adjusted = found.apply(Prediction(quantiles[window, series], scale[window, series]), series)
    correlation = dependence.learn(adjusted, truth[window, series])
    return Calibration(shifts, windows, correlation)


def spread_out(quantiles: Floats) -> Floats:
    """Return `quantiles` (..., Q) made non-decreasing away from the median, which stays."""
    if (quantiles[..., 1:] >= quantiles[..., :-1]).all():
        return quantiles
    above = np.maximum.accumulate(quantiles[..., MEDIAN:], axis=-1)
    below = np.minimum.accumulate(quantiles[..., MEDIAN::-1], axis=-1)[..., ::-1]
    return np.concatenate([below[..., :-1], above], axis=-1)


def _raised(windows: float) -> Floats:
    """Return P' (P,) of every pair of levels, for so many windows that do not overlap."""
    from scipy.special import ndtr, stdtrit

    above = 1 - np.array(LEVELS[:MEDIAN])
    return np.asarray(2 * ndtr(stdtrit(max(windows - 1, 1.0), above)) - 1)


def _ranks(outside: Floats, shares: Floats) -> Floats:
    """Return the conformal quantile (2) of `outside` (V, N, H, P) over windows: (N, H, P)."""
    _, series, horizon, pairs = outside.shape
    out = np.full((series, horizon, pairs), np.nan)
    near = NEIGHBOURS if len(outside) < FEW else 0
    each = np.arange(series)
    for h in range(horizon):
        x = outside[:, :, max(h - near, 0) : h + near + 1].transpose(0, 2, 1, 3)
        x = np.sort(x.reshape(-1, series, pairs), axis=0)  # NaN last
        n = np.sum(~np.isnan(x[..., 0]), axis=0)
        x = np.where(np.isnan(x), 0.0, x)
        for k in range(pairs):
            rank = shares[k] * (n + 1) - 1  # between order statistics, counted from 0
            last = np.maximum(n - 1, 0)
            a = np.clip(np.floor(rank), 0, last).astype(int)
            b = np.clip(np.ceil(rank), 0, last).astype(int)
            value = x[a, each, k] + np.clip(rank - a, 0, 1) * (x[b, each, k] - x[a, each, k])
            out[:, h, k] = np.where(n > 0, value, np.nan)
    return out
