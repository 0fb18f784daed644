"""Losses as pure functions of arrays, with the definitions of the literature.

R rows, Q quantile levels. Absolute errors judge the median, squared ones the mean.

MASE, RMSSE: Hyndman & Koehler (2006), doi 10.1016/j.ijforecast.2006.03.001; M5 for the root.
WQL, SQL: the weighted and the scaled quantile loss of GluonTS and fev. MSIS: M4. CRPS: Gneiting &
Raftery (2007), doi 10.1198/016214506000001437.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ZERO_TRUTH = 1e-9  # truths at most this large have no percentage error
NO_MOVE = 1e-9  # a forecast this close to the origin, relatively, names no direction
Z95 = 1.959963984540054  # standard normal quantile at 0.975
INTERVALS = {50: (0.25, 0.75), 80: (0.1, 0.9), 95: (0.025, 0.975)}
DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def losses(
    y: Floats, mean: Floats, quantiles: Floats, levels: Sequence[float]
) -> dict[str, Floats]:
    """Return what each row (R,) adds to the scores of forecasts `mean` (R,), `quantiles` (R, Q).

    `levels` hold those of INTERVALS, the deciles and the median. What needs a quantile that is NaN
    is NaN; all else is finite where the arguments are: a percentage error that is not defined is 0
    and is left out of its `_rows`.
    """
    place = {level: k for k, level in enumerate(levels)}
    median = quantiles[:, place[0.5]]
    error, size = np.abs(y - median), np.abs(y) + np.abs(median)
    pinballs = pinball(y, quantiles, levels)
    found = {
        "rows": np.ones(len(y)),
        "absolute": error,
        "squared": (y - mean) ** 2,
        "signed": mean - y,
        "truth": np.abs(y),
        "smape": 200.0 * _share(error, size),
        "smape_rows": (size > 0).astype(np.float64),
        "mape": 100.0 * _share(error, np.where(np.abs(y) > ZERO_TRUTH, np.abs(y), 0.0)),
        "mape_rows": (np.abs(y) > ZERO_TRUTH).astype(np.float64),
        "quantile": 2.0 * pinballs[:, [place[p] for p in DECILES]].mean(axis=1),
        "crps": 2.0 * pinballs @ trapezoid(levels),
    }
    for share, (low, high) in INTERVALS.items():
        below, above = quantiles[:, place[low]], quantiles[:, place[high]]
        inside = ((y >= below) & (y <= above)).astype(np.float64)
        found[f"inside{share}"] = np.where(np.isnan(below + above), np.nan, inside)
        found[f"width{share}"] = above - below
    found["interval"] = interval_score(y, quantiles[:, place[0.025]], quantiles[:, place[0.975]])
    return found


def pinball(y: Floats, quantiles: Floats, levels: Sequence[float]) -> Floats:
    """Return the loss (R, Q) of each quantile forecast (R, Q)."""
    error = y[:, None] - quantiles
    p = np.asarray(levels, np.float64)
    return np.asarray(np.maximum(p * error, (p - 1.0) * error), np.float64)


def trapezoid(levels: Sequence[float]) -> Floats:
    """Return weights (Q,) that integrate over all levels what is known at `levels`.

    Linear between the levels. Beyond the outer ones the loss goes on as it is there: each
    outer level counts for its tail too.
    """
    p = np.asarray(levels, np.float64)
    weight = np.zeros(len(p))
    weight[:-1] += np.diff(p) / 2
    weight[1:] += np.diff(p) / 2
    weight[0] += p[0]
    weight[-1] += 1.0 - p[-1]
    return weight


def interval_score(y: Floats, low: Floats, high: Floats, alpha: float = 0.05) -> Floats:
    """Return the width of each interval (R,) plus 2 / alpha times what the truth lies outside."""
    outside = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    return np.asarray(high - low + 2.0 / alpha * outside, np.float64)


def mean(values: Floats) -> float:
    """Return the mean of `values` without its NaN."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")


def ratio(total: Floats, size: Floats) -> Floats:
    """Return `total / size`, NaN where `size` is not above zero."""
    share = np.full(np.broadcast_shapes(np.shape(total), np.shape(size)), np.nan)
    np.divide(total, size, out=share, where=np.asarray(size) > 0)
    return share


def naive_errors(values: Floats, season: int) -> tuple[float, float]:
    """Return the mean absolute and mean squared error of the seasonal naive within `values` (T,).

    These are the scales of MASE and RMSSE; NaN when no two values are a season apart.
    """
    change = values[season:] - values[:-season]
    return mean(np.abs(change)), mean(change**2)


def r2(y: Floats, forecast: Floats, origin: Floats, weight: Floats | None = None) -> float:
    """Return 1 less the squared error over that of the random walk, which forecasts `origin`.

    Campbell & Thompson (2008), doi 10.1093/rfs/hhm055. `weight` (R,) brings rows of series of
    different scale to one; NaN when the random walk makes no error.
    """
    weight = np.ones_like(y) if weight is None else weight
    kept = ~np.isnan(y + forecast + origin + weight)
    y, forecast, origin, weight = y[kept], forecast[kept], origin[kept], weight[kept]
    walk = float((weight * (y - origin) ** 2).sum())
    return 1.0 - float((weight * (y - forecast) ** 2).sum()) / walk if walk else float("nan")


def hit_rate(y: Floats, median: Floats, origin: Floats) -> tuple[float, float, float]:
    """Return the share of rows whose direction from `origin` was forecast, with its 95 % interval.

    Rows where the truth did not move or the forecast names no direction are left out. The interval
    is Wilson's for a binomial share and takes the rows as independent.
    """
    called = np.abs(median - origin) > NO_MOVE * np.abs(origin)
    kept = called & ~np.isnan(y) & (y != origin)
    hits = int((np.sign(y - origin) == np.sign(median - origin))[kept].sum())
    return _wilson(hits, int(kept.sum()))


def _wilson(hits: int, trials: int) -> tuple[float, float, float]:
    """Return share and 95 % interval: Wilson (1927), doi 10.1080/01621459.1927.10502953."""
    if trials == 0:
        return float("nan"), float("nan"), float("nan")
    share, z2 = hits / trials, Z95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = share * (1 - share) / trials + z2 / (4 * trials**2)
    half = Z95 * float(np.sqrt(spread)) / (1 + z2 / trials)
    return share, max(centre - half, 0.0), min(centre + half, 1.0)


def _share(values: Floats, size: Floats) -> Floats:
    """Return `values / size`, 0 where `size` is not above zero."""
    return np.divide(values, size, out=np.zeros_like(values), where=size > 0)
