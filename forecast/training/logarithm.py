"""Whether a Kalman filter works on logarithms: by likelihood, with the Jacobian of the transform.

    log p(y) = log p(z) - sum log y,    z = log y                                             (1)

The components are the same on both scales, and so are the parameters, which are ratios of
variances: those where a search begins, the best of them on each scale. A search changes the gain
by a tenth of itself and takes fifty times as long. Stretches from all parts of the history are
asked: load swells in one season of the year as it does not in another.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from forecast.kernels.threads import in_threads
from forecast.models.base import History, Setting
from forecast.models.kalman import KalmanConfig
from forecast.training.choice import MOST, cut, settle
from forecast.training.structural import criterion, guesses

SERIES, STRETCHES = 3, 6  # asked
TREND: Literal["none"] = "none"  # to search for one takes longer than all the rest


def gain(
    config: KalmanConfig, setting: Setting, logged: History, plain: History
) -> tuple[float, float]:
    """Return by how much logarithms raise the log-likelihood of a value, and its standard error.

    Mean and error are over the stretches. `plain` holds y and `logged` its logarithms; values
    without one are left out of both. NaN where too few are left.
    """
    plain = replace(plain, z=np.where(np.isnan(logged.z), np.nan, plain.z))
    config = replace(config, criterion="likelihood", begin=())
    if config.trend == "auto":
        config = replace(config, trend=TREND)
    config = settle(config, setting, plain)
    some = np.linspace(0, len(plain) - 1, min(len(plain), SERIES)).astype(int)
    asked = [(int(some[k % len(some)]), (k + 1) / STRETCHES) for k in range(STRETCHES)]
    found = np.full(len(asked), np.nan)

    def one(k: int) -> None:
        found[k] = _gain(config, setting, logged, plain, *asked[k])

    in_threads(one, len(asked))
    found = found[np.isfinite(found)]
    if not len(found):
        return np.nan, np.nan
    return float(found.mean()), float(found.std() / np.sqrt(max(len(found) - 1, 1)))


def _gain(
    config: KalmanConfig, setting: Setting, logged: History, plain: History, i: int, part: float
) -> float:
    """Return the gain on the last stretch of the first `part` of series `i`; NaN for no values."""
    rows, lengths = plain.rows[i], np.diff(plain.offsets)
    kept = plain.validation.copy()
    kept[i] = lengths[i] - max(int(rows * part), min(rows, MOST))
    plain, logged = replace(plain, validation=kept), replace(logged, validation=kept)
    both = cut(config, setting, plain, i), cut(config, setting, logged, i)
    if both[0].count < 2:
        return np.nan
    least = [
        min(criterion(config, stretch)(theta) for theta in guesses(config, stretch.structure))
        for stretch in both
    ]
    z = both[1].z[~np.isnan(both[1].z)]
    return least[0] - least[1] - float(z[1:].mean())  # the first value starts the level
