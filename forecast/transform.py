"""How values enter a model and leave it: scale, log, and whether changes are modelled.

    z = y / scale, or log(y / scale), missing where y / scale < FLOOR, on prices where y <= 0

The scale of a series is a power of two near its mean size, so that dividing by it is exact.
`diff` and `log-diff` hand the model the same z and tell it to model the changes.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from forecast.data.panel import Panel
from forecast.errors import UsageError

Floats = NDArray[np.float64]
Name = Literal["none", "log", "diff", "log-diff"]
FAULTS = 0.005  # share of prices that may be zero or negative, as faults
CYCLES = 10  # seasons that prices must show not to have
FLOOR = 0.03  # of the scale: a reading below it is taken for a fault of the meter


@dataclass(frozen=True, slots=True)
class Transform:
    """`reason` says why it was chosen, for the user."""

    name: Name = "none"
    reason: str = "set by the user"

    @property
    def log(self) -> bool:
        """Whether z is a logarithm."""
        return self.name in ("log", "log-diff")

    @property
    def difference(self) -> bool:
        """Whether a model works on the changes of z."""
        return self.name in ("diff", "log-diff")

    def forward(self, y: Floats, scale: Floats) -> Floats:
        """Return z for `y`; `scale` has the shape of `y` or broadcasts to it."""
        scaled = y / scale
        if not self.log:
            return scaled
        if self.difference:  # a price may fall as far as it likes
            return np.log(np.where(scaled > 0, scaled, np.nan))
        return np.log(np.where(scaled < FLOOR, np.nan, scaled))

    def backward(self, z: Floats, scale: Floats) -> Floats:
        """Return y for `z`; logarithms are kept within what a float can hold."""
        return (np.exp(np.clip(z, -300.0, 300.0)) if self.log else z) * scale


def scales(panel: Panel) -> Floats:
    """Return the power of two nearest the mean absolute value of each series (N,).

    1 for a series of zeros, NaN for one without any value.
    """
    size = np.abs(panel.values)
    seen = ~np.isnan(size)
    at = np.repeat(np.arange(len(panel)), panel.lengths)
    total = np.bincount(at[seen], weights=size[seen], minlength=len(panel))
    count = np.bincount(at[seen], minlength=len(panel))
    return np.where(count > 0, scale_of(total / np.maximum(count, 1)), np.nan)


def scale_of(size: Floats) -> Floats:
    """Return the powers of two nearest to mean absolute values `size`; 1 for none."""
    with np.errstate(divide="ignore"):
        exponent = np.where(size > 0, np.round(np.log2(size)), 0)
    return np.asarray(np.exp2(exponent))


def choose(panel: Panel, name: str = "auto") -> Transform:
    """Return the transform called `name`, or for `auto` the one the panel asks for.

    UsageError for one that is not known, or a logarithm of values none of which is positive.
    """
    if name != "auto":
        if name not in get_args(Name):
            raise UsageError(
                f"no transform is called `{name}`", hint=f"known: auto, {', '.join(get_args(Name))}"
            )
        asked = Transform(name)  # type: ignore[arg-type]
        return replace(asked, reason=asked.reason + _lost(panel)) if asked.log else asked
    if looks_like_prices(panel):
        faults = int(np.count_nonzero(panel.values <= 0))
        rows = "one row, which counts" if faults == 1 else f"{faults:,} rows, which count"
        but = f" but for {rows} as missing" if faults else ""
        reason = f"positive{but}, no season, near a random walk: taken for prices"
        return Transform("log-diff", reason)
    if _far_from_zero(panel):
        return Transform("log", "positive and well away from zero")
    return Transform("none", "values reach zero or change sign")


def _lost(panel: Panel) -> str:
    """Say how many values have no logarithm; UsageError where none has one."""
    scaled = panel.values / np.repeat(scales(panel), panel.lengths)
    seen, lost = int((~np.isnan(scaled)).sum()), int((scaled < FLOOR).sum())
    if lost and lost == seen:
        raise UsageError("no value is positive, so none has a logarithm",
                         hint="`--transform none` or `--transform diff`")  # fmt: skip
    return f"; {lost:,} of {seen:,} values are nearly 0 or below and count as missing" * (lost > 0)


def looks_like_prices(panel: Panel) -> bool:
    """Return whether most series are positive, without a season, and near a random walk.

    A few zeros and negative values are faults of the data. Near a random walk: changes of the
    logarithm are nearly uncorrelated (within three standard errors plus 0.1) at lag 1 and at the
    first season, and small beside the spread of the level.
    """
    sample = np.linspace(0, len(panel) - 1, min(len(panel), 50)).astype(int)
    votes = [_is_price(panel.series(i), panel.clock.seasons) for i in sample]
    return bool(votes) and float(np.mean(votes)) > 0.5


def _is_price(y: Floats, seasons: tuple[int, ...]) -> bool:
    y = y[~np.isnan(y)]
    faults = np.count_nonzero(y <= 0)
    if faults > FAULTS * len(y):
        return False
    y = y[y > 0]
    if len(y) < 30:
        return False
    z = np.log(y)
    change = np.diff(z)
    if change.std() == 0 or change.std() > 0.5 * z.std():
        return False
    if seasons and len(change) < CYCLES * seasons[0]:  # too few to see that there is no season
        return False
    limit = 0.1 + 3 / np.sqrt(len(change))
    lags = [1, *(s for s in seasons[:1] if s < len(change) // 2)]
    return all(abs(_correlation(change, k)) < limit for k in lags)


def _correlation(x: Floats, k: int) -> float:
    x = x - x.mean()
    return float(x[k:] @ x[:-k] / (x @ x))


def _far_from_zero(panel: Panel) -> bool:
    """Whether in most series hardly a value lies below a twentieth of the median."""
    sample = np.linspace(0, len(panel) - 1, min(len(panel), 500)).astype(int)
    good = []
    for i in sample:
        y = panel.series(i)
        y = y[~np.isnan(y)]
        if len(y):
            good.append(np.median(y) > 0 and np.mean(y < np.median(y) / 20) < 0.01)
    return bool(good) and float(np.mean(good)) > 0.9
