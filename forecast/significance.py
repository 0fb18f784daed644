"""Is one forecaster better than another, or was it luck? Tests on losses by cutoff.

    d[c] = loss of a - loss of b at cutoff c, already averaged over series and steps ahead    (1)
    s2   = g[0] + 2 sum_{k=1..L} (1 - k / (L + 1)) g[k],  g the autocovariances of d          (2)
    t    = mean(d) / sqrt(s2 / n) sqrt((n + 1 - 2 h + h (h - 1) / n) / n)                     (3)

(1) makes one number of the errors that share a cutoff, which are never independent. (2) is the
long-run variance by Bartlett weights, Newey and West (1987), over at least the h - 1 cutoffs whose
windows overlap. (3) is Diebold and Mariano (1995) with the small-sample correction of Harvey,
Leybourne and Newbold (1997), compared with Student's t of n - 1 degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FEWEST = 8  # cutoffs; with fewer there is no telling


@dataclass(frozen=True, slots=True)
class Verdict:
    """`difference` is the mean of d: below zero, a is better. `p` is two-sided."""

    difference: float
    statistic: float
    p: float
    cutoffs: int


def diebold_mariano(a: Floats, b: Floats, overlap: int = 1, lags: int | None = None) -> Verdict:
    """Compare the losses by cutoff of two forecasters, `a` and `b` (n,), in order of time.

    `overlap` is h, how many windows in a row share steps (1: none). `lags` is L, by default the
    larger of h - 1 and floor(4 (n / 100)^(2/9)). Cutoffs missing in either are left out. With
    fewer than FEWEST cutoffs, or no difference at all, p is NaN.
    """
    d = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    d = d[np.isfinite(d)]
    n = len(d)
    if n < FEWEST or not d.any():
        return Verdict(float(d.mean()) if n else np.nan, np.nan, np.nan, n)
    if lags is None:
        lags = max(overlap - 1, int(4 * (n / 100) ** (2 / 9)))
    h = min(overlap, n - 1)
    correction = (n + 1 - 2 * h + h * (h - 1) / n) / n  # (3)
    variance = long_run_variance(d, min(lags, n - 1)) / n
    if variance <= 0:
        return Verdict(float(d.mean()), np.nan, np.nan, n)
    t = float(d.mean() / np.sqrt(variance) * np.sqrt(max(correction, 0.0)))
    return Verdict(float(d.mean()), t, _two_sided(t, n - 1), n)


def long_run_variance(d: Floats, lags: int) -> float:
    """Return (2) of `d` (n,) over `lags` autocovariances; never negative."""
    centred = d - d.mean()
    g = [float(centred[k:] @ centred[: len(d) - k]) / len(d) for k in range(lags + 1)]
    return g[0] + 2 * sum((1 - k / (lags + 1)) * g[k] for k in range(1, lags + 1))


def holm(p: Floats) -> Floats:
    """Return p-values (k,) adjusted for k tests by Holm (1979); NaN stays and is not counted."""
    out = np.full(len(p), np.nan)
    order = np.argsort(p)
    order = order[np.isfinite(p[order])]
    worst = 0.0
    for rank, place in enumerate(order):
        worst = max(worst, min((len(order) - rank) * float(p[place]), 1.0))
        out[place] = worst
    return out


def _two_sided(t: float, freedom: int) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(t)))
