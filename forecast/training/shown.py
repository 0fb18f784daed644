"""What models of returns learn from: what each row showed, and the returns that followed.

Shapes: N series, T rows of all of them, F inputs, B windows, H steps.
"""

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import Floats, History, Setting
from forecast.models.moves import SMALLEST, Moves
from forecast.significance import diebold_mariano

ALPHA = 0.05
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
CELLS = 2_000_000  # values carried together through the averages


def variances(history: History) -> Floats:
    """Return the mean square of the changes in the training rows of each series (N,)."""
    found = np.full(len(history), np.nan)
    for i in range(len(history)):
        z = history.z[history.training(i)]
        change = np.diff(z[~np.isnan(z)])
        if len(change):
            found[i] = np.mean(change**2)
    typical = np.nanmedian(found) if not np.isnan(found).all() else 0.0
    return np.maximum(np.where(np.isnan(found), typical, found), SMALLEST**2)


def shown(
    setting: Setting, history: History, variance: Floats
) -> tuple[NDArray[np.float32], Floats, Floats]:
    """Return what every row shows: u (T, F), the last value and the spread (T,)."""
    moves = Moves(setting, float(np.median(variance)))
    u = np.zeros((len(history.z), moves.inputs), np.float32)
    last, spread = np.zeros(len(history.z)), np.ones(len(history.z))
    lengths = np.diff(history.offsets)
    for which in _chunks(lengths):
        longest = int(lengths[which].max())
        z = np.full((len(which), longest), np.nan)
        phases = np.zeros((*z.shape, history.phases.shape[1]))
        first = longest - lengths[which]
        for k, i in enumerate(which):
            z[k, first[k] :] = history.z[history.whole(i)]
            phases[k, first[k] :] = history.phases[history.whole(i)]
        rows = moves.walk(moves.start(which, variance[which]), z, phases)[1]
        for k, i in enumerate(which):
            place = history.whole(i)
            u[place], spread[place] = rows.u[k, first[k] :], rows.spread[k, first[k] :]
            last[place] = np.nan_to_num(rows.last[k, first[k] :])
    return u, last, spread


def _chunks(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the series by about equal length, so many at once as CELLS allow."""
    ranked = np.argsort(-lengths, kind="stable")
    ranked = ranked[lengths[ranked] > 0]
    out, at = [], 0
    while at < len(ranked):
        stop = at + max(CELLS // int(lengths[ranked[at]]), 1)
        out.append(ranked[at:stop])
        at = stop
    return out


def shrink(middle: Floats, target: Floats, cutoff: NDArray[np.int64]) -> float:
    """Return which share of the forecast change of price to keep, 0 without a clear gain.

    On held-back windows, `middle` and `target` (B, H) at `cutoff` (B,): the absolute error,
    averaged over series, must fall over the cutoffs by Diebold and Mariano's test at ALPHA.
    """
    steps = middle.shape[1]
    cutoffs, at = np.unique(cutoff, return_inverse=True)

    def losses(share: float) -> Floats:
        error = np.abs(target - share * middle)
        count = np.sum(np.isfinite(error), axis=1)
        seen = count > 0
        error = np.where(np.isfinite(error), error, 0.0).sum(axis=1) / np.maximum(count, 1)
        windows = np.bincount(at[seen], minlength=len(cutoffs))
        total = np.bincount(at[seen], error[seen], minlength=len(cutoffs))
        return np.where(windows > 0, total / np.maximum(windows, 1), np.nan)

    walk = losses(0.0)
    best = min(SHARES, key=lambda share: float(np.nan_to_num(losses(share)).sum()))
    gap = int(np.median(np.diff(cutoffs))) if len(cutoffs) > 1 else 1
    verdict = diebold_mariano(losses(best), walk, overlap=-(-steps // gap))
    return best if verdict.difference < 0 and verdict.p < ALPHA else 0.0
