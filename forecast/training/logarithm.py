"""Whether a Kalman filter works on logarithms: by likelihood, with the Jacobian of the transform.

    log p(y) = log p(z) - sum log y,    z = log y                                             (1)

The components are the same on both scales, and so are the parameters, which are ratios of
variances: those where a search begins, the best of them on each scale; to search on both would
take longer than the fit. Stretches from all parts of the history are
asked: load swells in one season of the year as it does not in another. The error of the gain is
that of its means over days, as in Vuong (1989), "Likelihood ratio tests for model selection and
non-nested hypotheses".
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from forecast.kernels.threads import go_on, in_threads
from forecast.models.base import Floats, History, Setting
from forecast.models.filter import TINY
from forecast.models.kalman import KalmanConfig
from forecast.training.choice import MOST, cut, settle
from forecast.training.kalman import load_kernel
from forecast.training.structural import Stretch, criterion, guesses, innovations

SERIES, STRETCHES = 3, 6  # asked
TREND: Literal["none"] = "none"  # to search for one takes longer than all the rest


def gain(
    config: KalmanConfig, setting: Setting, logged: History, plain: History
) -> tuple[float, float]:
    """Return by how much logarithms raise the log-likelihood of a value, and its standard error.

    `plain` holds y and `logged` its logarithms; values without one are left out of both. NaN where
    too few are left.
    """
    load_kernel()
    plain = replace(plain, z=np.where(np.isnan(logged.z), np.nan, plain.z))
    config = replace(config, criterion="likelihood", begin=())
    if config.trend == "auto":
        config = replace(config, trend=TREND)
    config = settle(config, setting, plain)
    asked = _stretches(plain)
    found: list[Floats] = [np.zeros(0)] * len(asked)

    def one(k: int) -> None:
        found[k] = _gains(config, setting, logged, plain, *asked[k])

    in_threads(one, len(asked))
    each = np.concatenate(found)
    if len(each) < 2:
        return np.nan, np.nan
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))


def _stretches(history: History) -> list[tuple[int, int]]:
    """Return series and the rows of theirs that come before the end of a stretch."""
    some = np.linspace(0, len(history) - 1, min(len(history), SERIES)).astype(int)
    asked: dict[tuple[int, int], None] = {}
    for k in range(STRETCHES):
        i = int(some[k % len(some)])
        rows = int(history.rows[i])
        asked[i, max(rows * (k + 1) // STRETCHES, min(rows, MOST))] = None
    return list(asked)


def _gains(
    config: KalmanConfig, setting: Setting, logged: History, plain: History, i: int, rows: int
) -> Floats:
    """Return the gain on the last stretch of the first `rows` of series `i`, day by day."""
    kept = plain.validation.copy()
    kept[i] = np.diff(plain.offsets)[i] - rows
    both = [replace(history, validation=kept) for history in (plain, logged)]
    stretches = [cut(config, setting, history, i) for history in both]
    if stretches[0].count < 2:
        return np.zeros(0)
    z = stretches[1].z[~np.isnan(stretches[1].z)][1:]  # the first value starts the level
    each = _density(config, stretches[1]) - z - _density(config, stretches[0])
    day = setting.seasons[0] if setting.seasons else 1
    return np.array([part.mean() for part in np.array_split(each, max(len(each) // day, 1))])


def _density(config: KalmanConfig, stretch: Stretch) -> Floats:
    """Return the log density of each value but the first, at the best of the points."""
    points, measure = guesses(config, stretch.structure), criterion(config, stretch)
    go_on()
    e, s = innovations(stretch, min(points, key=measure))
    v = s * max(float(np.mean(e**2 / s)), TINY**2)
    return np.asarray(-0.5 * (np.log(2 * np.pi * v) + e**2 / v))
