"""Scores as pure functions of arrays, with the definitions of the literature.

Rows where the truth or the forecast is NaN are left out. R rows, N series, Q quantile levels;
`series` (R,) numbers the series of each row from 0. Absolute errors judge the median, squared ones
the mean. A score over no rows is NaN.

MASE, RMSSE: Hyndman & Koehler (2006), doi 10.1016/j.ijforecast.2006.03.001; M5 for the root.
WQL: the weighted quantile loss of GluonTS and fev.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ZERO_TRUTH = 1e-9  # truths at most this large have no percentage error
NO_MOVE = 1e-9  # a forecast this close to the origin, relatively, names no direction
Z95 = 1.959963984540054  # standard normal quantile at 0.975


def mean(values: Floats) -> float:
    """Return the mean of `values` without its NaN."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")


def group_means(values: Floats, group: Ints, size: int = 0) -> Floats:
    """Return the mean of `values` (R,) in each group, NaN where a group has none."""
    kept = ~np.isnan(values)
    count = np.bincount(group[kept], minlength=size)
    total = np.bincount(group[kept], weights=values[kept], minlength=size)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / count, np.float64)


def mae(y: Floats, median: Floats) -> float:
    """Return the mean absolute error, in units of `y`."""
    return mean(np.abs(y - median))


def rmse(y: Floats, forecast: Floats) -> float:
    """Return the root of the mean squared error, in units of `y`."""
    return float(np.sqrt(mean((y - forecast) ** 2)))


def bias(y: Floats, forecast: Floats) -> float:
    """Return the mean of forecast less truth, in units of `y`."""
    return mean(forecast - y)


def smape(y: Floats, median: Floats, series: Ints) -> float:
    """Return the mean over series of the symmetric percentage error, 0 to 200.

    Rows where truth and forecast are both zero are left out.
    """
    size = np.abs(y) + np.abs(median)
    return mean(group_means(_ratio(200.0 * np.abs(y - median), size), series))


def mape(y: Floats, median: Floats, series: Ints) -> float:
    """Return the mean over series of the percentage error; zero truths are left out."""
    size = np.where(np.abs(y) > ZERO_TRUTH, np.abs(y), 0.0)
    return mean(group_means(_ratio(100.0 * np.abs(y - median), size), series))


def naive_errors(values: Floats, season: int) -> tuple[float, float]:
    """Return the mean absolute and mean squared error of the seasonal naive within `values` (T,).

    These are the scales of MASE and RMSSE; NaN when no two values are a season apart.
    """
    change = values[season:] - values[:-season]
    return mean(np.abs(change)), mean(change**2)


def mase(y: Floats, median: Floats, series: Ints, scale: Floats) -> float:
    """Return the mean over series of the mean absolute error over `scale` (N,).

    `scale` is the in-sample mean absolute error of the seasonal naive; series whose scale is zero
    or NaN are left out.
    """
    return mean(_ratio(group_means(np.abs(y - median), series, len(scale)), scale))


def rmsse(y: Floats, forecast: Floats, series: Ints, scale: Floats) -> float:
    """Return the mean over series of the root of the mean squared error over `scale` (N,).

    `scale` is the in-sample mean squared error of the seasonal naive; series whose scale is zero
    or NaN are left out.
    """
    return mean(np.sqrt(_ratio(group_means((y - forecast) ** 2, series, len(scale)), scale)))


def pinball(y: Floats, quantile: Floats, level: float) -> Floats:
    """Return the loss of each row (R,) of a forecast `quantile` (R,) at `level`."""
    error = y - quantile
    return np.asarray(np.maximum(level * error, (level - 1.0) * error), np.float64)


def wql(y: Floats, quantiles: Floats, levels: Sequence[float]) -> float:
    """Return the weighted quantile loss of `quantiles` (R, Q), pooled over all rows.

    Twice the mean pinball loss over the levels, summed over the rows, over the sum of the absolute
    truths; NaN when that sum is zero.
    """
    kept = ~np.isnan(y) & ~np.isnan(quantiles).any(axis=1)
    y, quantiles = y[kept], quantiles[kept]
    total = float(np.abs(y).sum())
    if total == 0.0:
        return float("nan")
    loss = sum(float(pinball(y, quantiles[:, k], p).sum()) for k, p in enumerate(levels))
    return 2.0 * loss / len(levels) / total


def coverage(y: Floats, low: Floats, high: Floats) -> float:
    """Return the share of truths inside the interval, its ends included."""
    inside = ((y >= low) & (y <= high)).astype(np.float64)
    return mean(np.where(np.isnan(y) | np.isnan(low) | np.isnan(high), np.nan, inside))


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


def _ratio(values: Floats, size: Floats) -> Floats:
    """Return `values / size`, NaN where `size` is not above zero."""
    share = np.full(values.shape, np.nan)
    np.divide(values, size, out=share, where=size > 0)
    return share
