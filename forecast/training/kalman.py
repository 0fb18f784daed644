"""Estimate a Kalman filter: a few log-variances per series, by likelihood or by error ahead.

Error ahead estimates what the forecast is for: no structural model is true of electricity load,
and the variances that predict the next half-hour best are not those that predict tomorrow (Xia and
Tong 2011, "Feature matching in time series modeling"). The likelihood serves where there is no
season, or few rows; it also decides about the trend, by AICc.
"""

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.errors import FitError
from forecast.kernels.threads import in_threads
from forecast.models.base import LEVELS, MEDIAN, Floats, History, Setting
from forecast.models.filter import TINY, Volatility
from forecast.models.kalman import Kalman, KalmanConfig
from forecast.training.choice import cut, settle
from forecast.training.collinear import collinear, source
from forecast.training.oracle import verify
from forecast.training.precision import standard_errors
from forecast.training.run import Run
from forecast.training.structural import (
    VARIANCE,
    Found,
    Stretch,
    by_ahead,
    criterion,
    guesses,
    innovations,
    search,
)
from forecast.training.volatility import CONSTANT, estimate, pool, scores, width

WINDOWS = 40  # forecasts by which the variance is brought to size, at most
AT80 = LEVELS.index(0.9)


def fit(config: KalmanConfig, setting: Setting, history: History, run: Run) -> Kalman:
    """Estimate each series of `history`; FitError where nothing is observed.

    The config returned names the components chosen, and where a next search begins.
    """
    load_kernel()
    config = settle(config, setting, history)
    stretches = [cut(config, setting, history, i) for i in range(len(history))]
    if not any(stretch.count for stretch in stretches):
        raise FitError(
            "there is no observed value to estimate a Kalman filter from",
            hint="values nearly 0 or below have no logarithm: `--transform none` keeps them",
        )
    longest = int(np.argmax(history.rows))
    found = _search_all(config, stretches, longest, run)
    volatility = CONSTANT
    if config.variance == "weighted":
        found, volatility = _weighted(config, stretches, found)
    model = _assemble(config, setting, stretches, found, volatility)
    if not history.validation.any():
        _measure(model, stretches, volatility)
        if setting.known:
            model.arrays["collinear"] = _collinear(setting, history)
        verify(model, stretches[longest].z, stretches[longest].phases, longest)
    return model


def _collinear(setting: Setting, history: History) -> NDArray[np.bool_]:
    """Return which known covariates (K, K) each known covariate follows from."""
    first = len(setting.seasons) + 1 + len(setting.static)
    columns = history.phases[:, first : first + len(setting.known)]
    found = collinear(setting.known, columns)
    whole = [source(name) for name in setting.known]
    rows = [[other in found.get(name, ()) for other in whole] for name in setting.known]
    return np.array(rows, np.bool_)


def load_kernel() -> None:
    """Load the numba kernel, which every pass takes once it is there; warn where it is not."""
    try:
        import forecast.kernels.kalman  # noqa: F401
    except ImportError as error:
        warnings.warn(f"numba does not load ({error}): the fit takes longer", stacklevel=3)


def _search_all(
    config: KalmanConfig, stretches: list[Stretch], longest: int, run: Run
) -> list[Found | None]:
    """Search the longest series well, then all in parallel from there; None: too few rows."""
    usual = guesses(config, stretches[longest].structure)
    starts = 1 if config.begin else config.starts
    first = search(config, stretches[longest], usual, starts)
    begin = usual if first is None else [first.theta, *usual]
    count, done = len(stretches), []
    found: list[Found | None] = [None] * count

    def one(i: int) -> None:
        found[i] = first if i == longest else search(config, stretches[i], begin, 1)
        done.append(i)
        run.progress("kalman", len(done) / count, f"{len(done)} of {count} series")

    in_threads(one, count)
    return found


def _weighted(
    config: KalmanConfig, stretches: list[Stretch], found: list[Found | None]
) -> tuple[list[Found | None], Volatility]:
    """Let the variances move: their volatility, one for the panel, then the parameters again.

    Parameters by error ahead do not depend on the variances and stay.
    """
    each = [
        estimate(*innovations(stretch, one.theta))
        for stretch, one in zip(stretches, found, strict=True)
        if one is not None
    ]
    if not each:
        return found, CONSTANT
    volatility, again = pool(each), list(found)

    def polish(i: int) -> None:
        one = found[i]
        if one is not None and not by_ahead(config, stretches[i]):
            better = search(config, stretches[i], [one.theta], 1, volatility)
            again[i] = better and _or_walk(config, stretches[i], better, volatility)

    in_threads(polish, len(found))
    return again, volatility


def _or_walk(config: KalmanConfig, stretch: Stretch, found: Found, volatility: Volatility) -> Found:
    """Return a random walk instead of a local level that Schwarz's criterion does not prefer.

    Without noise in the prices the level takes every surprise whole: a gain by luck in likelihood
    must not make the forecast lag.
    """
    if stretch.structure.names != ("level",):
        return found
    walk = np.array([VARIANCE[1]])
    value = criterion(config, stretch, volatility)(walk)
    gain = (stretch.count - 1) * (value - found.value)
    return found if gain > 0.5 * np.log(stretch.count) else Found(walk, value, True)


def _assemble(
    config: KalmanConfig,
    setting: Setting,
    stretches: list[Stretch],
    found: list[Found | None],
    volatility: Volatility,
) -> Kalman:
    """Build the model; a series with too few rows takes the median of the others."""
    known = [one.theta for one in found if one is not None]
    structure, n = stretches[0].structure, len(stretches)
    typical = np.median(known, axis=0) if known else guesses(config, structure)[0]
    parameters = np.stack([typical if one is None else one.theta for one in found])
    facts = [_facts(s, theta) for s, theta in zip(stretches, parameters, strict=True)]
    columns = zip(("variance", "centre", "spread"), zip(*facts, strict=True), strict=True)
    arrays = {name: _filled(np.array(column)) for name, column in columns}
    arrays |= {
        "parameters": parameters,
        "errors": np.full_like(parameters, np.nan),
        "decay": np.full(n, volatility.decay),
        "tail": np.full(n, volatility.tail),
        "lean": np.full(n, volatility.lean),
        "width": np.full(n, _width(config, stretches, found, volatility)),
        "scores": np.tile(scores(float(volatility.tail)), (n, 1)),
        "rows": np.array([stretch.count for stretch in stretches]),
        "converged": np.array([one is None or one.converged for one in found]),
    }
    config = replace(config, begin=tuple(map(float, typical)))
    model = Kalman(config, setting, arrays)
    for i, stretch in enumerate(stretches):
        if by_ahead(config, stretch):
            arrays["variance"][i] *= _stretching(model, stretch, i)
    return model


def _width(
    config: KalmanConfig,
    stretches: list[Stretch],
    found: list[Found | None],
    volatility: Volatility,
) -> float:
    """Return the width of the panel's errors where their variances move."""
    if volatility == CONSTANT:
        return 1.0
    pairs = [
        innovations(stretch, one.theta)
        for stretch, one in zip(stretches, found, strict=True)
        if one is not None and not by_ahead(config, stretch)
    ]
    return width(pairs, volatility) if pairs else 1.0


def _filled(column: Floats) -> Floats:
    """Return `column` (N,) with NaN replaced by the median of the rest, 1 if there is none."""
    lost = np.isnan(column)
    return np.where(lost, 1.0 if lost.all() else np.nanmedian(column), column)


def _facts(stretch: Stretch, theta: Floats) -> tuple[float, float, float]:
    """Return the variance, mean and variance of z; NaN where nothing is known."""
    z = stretch.z[~np.isnan(stretch.z)]
    centre, spread = (float(z.mean()), float(z.var())) if len(z) else (np.nan, np.nan)
    e, s = innovations(stretch, theta)
    if not len(e):
        return np.nan, centre, spread
    return max(float(np.mean(e**2 / s)), TINY**2), centre, spread


def _measure(model: Kalman, stretches: list[Stretch], volatility: Volatility) -> None:
    """Write the standard errors of the parameters where a likelihood was maximised."""
    weighted = volatility if model.config.variance == "weighted" else None

    def one(i: int) -> None:
        if not by_ahead(model.config, stretches[i]):
            theta = model.arrays["parameters"][i]
            errors = standard_errors(model.config, stretches[i], theta, weighted)
            model.arrays["errors"][i] = errors

    in_threads(one, len(stretches))


def _stretching(model: Kalman, stretch: Stretch, i: int) -> float:
    """Return the factor on the variance that makes the 80 % interval ahead hold 80 %."""
    cuts = stretch.cuts[:: -max(len(stretch.cuts) // WINDOWS, 1)][::-1]
    state, done, ratios = model.start(np.array([i])), 0, []
    for now in cuts:
        state = model.absorb(state, stretch.z[None, done:now], stretch.phases[None, done:now])
        future = slice(now, now + stretch.horizon)
        forecast = model.predict(state, stretch.phases[None, future])
        error = stretch.z[future] - forecast.quantiles[0, :, MEDIAN]
        ratios.append(np.abs(error) / forecast.scale[0])
        done = now
    seen = np.concatenate(ratios)
    seen = seen[~np.isnan(seen)]
    if not len(seen):
        return 1.0
    at80 = float(np.quantile(seen, 0.8))
    return max((at80 / float(model.arrays["scores"][i, AT80])) ** 2, 1e-6)
