"""Is one forecaster better than another, or was it luck? Tests on losses by cutoff.

    d[c] = loss of a - loss of b at cutoff c, already averaged over series and steps ahead    (1)
    s2   = g[0] + 2 sum_{k=1..L} (1 - k / (L + 1)) g[k],  g the autocovariances of d          (2)
    t    = mean(d) / sqrt(s2 / n) sqrt((n + 1 - 2 h + h (h - 1) / n) / n)                     (3)

(1) makes one number of the errors that share a cutoff, which are never independent. (2) is the
long-run variance by Bartlett weights, Newey and West (1987), over at least the h - 1 cutoffs whose
windows overlap. (3) is Diebold and Mariano (1995) with the small-sample correction of Harvey,
Leybourne and Newbold (1997), compared with Student's t of n - 1 degrees of freedom.

The model confidence set of Hansen, Lunde and Nason (2011), doi 10.3982/ECTA5771, holds the best
model at a chosen confidence. While more than one model i is left, the worst goes, with the share of
bootstrap samples b whose statistic is larger than the one seen:

    t[i,j] = (mean(L[i]) - mean(L[j])) / s[i,j],  s2[i,j] the bootstrap variance          (4)
    T = max t[i,j] over the models left;  T[b] the same of the centred samples             (5)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FEWEST = 8  # cutoffs; with fewer there is no telling
SAMPLES = 1000


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
    fewer than FEWEST cutoffs, or no difference at all, p is NaN; 0 where all differ by the same.
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
    if variance <= 0:  # the same difference at every cutoff
        return Verdict(float(d.mean()), float(np.copysign(np.inf, d[0])), 0.0, n)
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


def confidence_set(losses: Floats, samples: Ints | None = None) -> Floats:
    """Return with which p-value each model stays in the model confidence set (M,).

    `losses` (n, M) by cutoff; cutoffs missing in any model are left out. A model belongs to the
    set at 95 % when its p is above 0.05. `samples` (B, n) are bootstrap indices, by default those
    of `stationary`. NaN with fewer than FEWEST cutoffs.
    """
    losses = losses[np.isfinite(losses).all(axis=1)]
    n, models = losses.shape
    found = np.full(models, np.nan)
    if n < FEWEST:
        return found
    drawn = losses[stationary(n) if samples is None else samples].mean(axis=1)  # (B, M)
    seen = losses.mean(axis=0)
    gap = seen[:, None] - seen
    moved = drawn[:, :, None] - drawn[:, None] - gap  # (B, M, M)
    variance = (moved**2).mean(axis=0)
    spread = np.sqrt(np.where(variance > 0, variance, 1.0))
    gap, moved = gap / spread, moved / spread  # (4)
    left, p = list(range(models)), 0.0
    while len(left) > 1:
        inside = np.ix_(left, left)
        most = gap[inside].max(axis=1)
        worst = int(most.argmax())
        largest = moved[:, left][:, :, left].max(axis=(1, 2))
        share = float((most[worst] < largest).mean())  # (5)
        p = max(p, share if most[worst] > 0 else 1.0)  # equal models stay together
        found[left.pop(worst)] = p
    found[left] = 1.0
    return found


def resampled(losses: Floats) -> Floats:
    """Return bootstrap means (B, M) of `losses` (n, M) by cutoff; none with too few cutoffs."""
    losses = losses[np.isfinite(losses).all(axis=1)]
    if len(losses) < FEWEST:
        return losses[:0]
    return np.asarray(losses[stationary(len(losses))].mean(axis=1), np.float64)


def stationary(n: int, count: int = SAMPLES, block: float | None = None, seed: int = 0) -> Ints:
    """Return indices (count, n) of the stationary bootstrap, Politis and Romano (1994).

    Runs of neighbouring cutoffs, on average `block` long (default: the root of n), wrapped at the
    end, so that what depends on time stays together.
    """
    rng = np.random.default_rng(seed)
    fresh = rng.random((count, n)) < 1.0 / (block or np.sqrt(n))
    fresh[:, 0] = True
    starts = rng.integers(0, n, (count, n))
    since = np.arange(n) - np.maximum.accumulate(np.where(fresh, np.arange(n), 0), axis=1)
    begun = np.take_along_axis(starts, np.arange(n) - since, axis=1)
    return np.asarray((begun + since) % n, np.int64)


def _two_sided(t: float, freedom: int) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(t)))


@dataclass(frozen=True, slots=True)
class Directions:
    """`excess` is the share of hits above that of independent calls; `p` is one-sided."""

    excess: float
    statistic: float
    p: float
    calls: int


def pesaran_timmermann(up: Floats, called: Floats, cutoff: NDArray[np.int64]) -> Directions:
    """Test whether calls `called` (n,) of a rise foretell the rises `up` (n,), both 0 or 1.

        S = (P - P*) / sqrt(var(P) - var(P*)),  P hits, P* those expected of independent calls

    Pesaran and Timmermann (1992), doi 10.1080/07350015.1992.10509922. Rows that share a `cutoff`
    are not independent: where some do, S is the mean excess by cutoff over its long-run error,
    which is the same thing for one row a cutoff and many cutoffs. NaN where every call is one way.
    """
    n = len(up)
    rise, call = (float(x.mean()) if n else np.nan for x in (up, called))
    if n < FEWEST or not (0 < rise < 1 and 0 < call < 1):
        return Directions(np.nan, np.nan, np.nan, n)
    expected = rise * call + (1 - rise) * (1 - call)
    excess = float(np.mean(up == called)) - expected
    days, at = np.unique(cutoff, return_inverse=True)
    if len(days) < n:
        share = 2 * (up - rise) * (called - call)
        d = np.bincount(at, share) * len(days) / n  # (C,) whose mean is the excess
        lags = int(4 * (len(days) / 100) ** (2 / 9))
        error = np.sqrt(long_run_variance(d, min(lags, len(days) - 1)) / len(days))
    else:
        tails = (2 * rise - 1) ** 2 * call * (1 - call) + (2 * call - 1) ** 2 * rise * (1 - rise)
        cross = 4 * rise * call * (1 - rise) * (1 - call) / n
        error = np.sqrt(max(expected * (1 - expected) - tails - cross, 0.0) / n)
    if not error > 0:
        return Directions(excess, np.nan, np.nan, n)
    from scipy.special import ndtr

    statistic = float(excess / error)
    return Directions(excess, statistic, float(ndtr(-statistic)), n)
