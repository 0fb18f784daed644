"""Estimate a Kalman filter: a few log-variances per series, by likelihood or by error ahead.

Error ahead estimates what the forecast is for: no structural model is true of electricity load,
and the variances that predict the next half-hour best are not those that predict tomorrow (Xia and
Tong 2011, "Feature matching in time series modeling"). The likelihood serves where there is no
season, or few rows; it also decides about the trend, by AICc.
"""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from forecast.errors import FitError
from forecast.models.base import MEDIAN, NORMAL, Floats, History, Setting
from forecast.models.kalman import TINY, Kalman, KalmanConfig, table_rows
from forecast.training.oracle import verify
from forecast.training.run import Run
from forecast.training.structural import (
    Stretch,
    by_ahead,
    guesses,
    innovations,
    search,
)

MOST = 2000  # rows a stretch may have whatever its seasons
SHORTEST, LONGER = 24, 48  # harmonics of the shortest season and of each longer one, at most
DECAYS = (0.9, 0.92, 0.94, 0.96, 0.97, 0.98, 0.99, 1.0)
WINDOWS = 40  # forecasts by which the variance is brought to size, at most


def fit(config: KalmanConfig, setting: Setting, history: History, run: Run) -> Kalman:
    """Estimate each series of `history`; FitError where nothing is observed.

    The config returned names the seasons and the trend chosen, and where a next search begins.
    """
    _load_kernel()
    rows = np.diff(history.offsets) - history.validation
    longest = int(np.argmax(rows))
    config = _choose_seasons(config, setting, int(rows[longest]))
    if config.ar == "auto":
        config = replace(config, ar="no" if config.seasons == "none" else "yes")
    plain = replace(config, trend="none") if config.trend == "auto" else config
    stretch = cut(plain, setting, history, longest)
    if config.trend == "auto":
        config = _choose_trend(plain, setting, stretch)
    stretches = [cut(config, setting, history, i) for i in range(len(history))]
    if not any(stretch.count for stretch in stretches):
        raise FitError("there is no observed value to estimate a Kalman filter from")
    found = _search_all(config, stretches, longest, run)
    model = _assemble(config, setting, stretches, found)
    if not history.validation.any():
        verify(model, stretches[longest].z, stretches[longest].phases, longest)
    return model


def _load_kernel() -> None:
    """Load the numba kernel, which every pass takes once it is there; warn where it is not."""
    try:
        import forecast.kernels.kalman  # noqa: F401
    except ImportError as error:
        warnings.warn(f"numba does not load ({error}): the fit takes longer", stacklevel=3)


def _choose_seasons(config: KalmanConfig, setting: Setting, longest: int) -> KalmanConfig:
    """Name the seasons that the longest series shows at least twice."""
    if config.seasons != "auto":
        return config
    kept: list[str] = []
    for length in sorted(setting.seasons):
        if 2 * length <= longest:
            kept.append(f"{length}:{min(length // 2, LONGER if kept else SHORTEST)}")
    return replace(config, seasons=",".join(kept) or "none")


def _choose_trend(plain: KalmanConfig, setting: Setting, stretch: Stretch) -> KalmanConfig:
    """Name the trend: none on prices and under two seasons, else what AICc prefers."""
    if setting.difference or len(plain.structure.seasons) > 1:
        return plain
    damped = replace(plain, trend="damped")
    scores = [_aicc(replace(c, criterion="likelihood"), stretch) for c in (plain, damped)]
    return damped if scores[1] < scores[0] else plain


def _aicc(config: KalmanConfig, stretch: Stretch) -> float:
    """Return the corrected information criterion; infinite for a series too short to tell."""
    found = search(config, stretch, guesses(config), 1)
    if found is None:
        return np.inf
    p, n = len(found[0]) + 1, stretch.count - 1
    return 2 * n * found[1] + 2 * p + 2 * p * (p + 1) / max(n - p - 1, 1)


def cut(config: KalmanConfig, setting: Setting, history: History, i: int) -> Stretch:
    """Return the last rows of series `i` that may be learnt from, and its cutoffs.

    Cutoffs lie half a season apart, counted back from the end: a forecast is usually asked for at
    the time of day at which the data end.
    """
    seasons = [length for length, _ in config.structure.seasons]
    where = history.training(i)
    if config.stretch and seasons:
        most = max(config.stretch * seasons[-1], MOST)
        where = slice(max(where.stop - most, where.start), where.stop)
    z, phases = history.z[where], history.phases[where]
    cuts = np.zeros(0, np.int64)
    there = ~np.isnan(z)
    if (seasons and config.criterion != "likelihood") or config.criterion == "ahead":
        first = int(there.argmax())
        burn = first + min(2 * seasons[-1] if seasons else 0, (len(z) - first) // 2)
        apart = max(seasons[0] // 2 if seasons else setting.horizon, 1)
        cuts = np.arange(len(z) - setting.horizon, max(burn, 1) - 1, -apart)[::-1]
        cuts = cuts[[there[now : now + setting.horizon].any() for now in cuts]].copy()
    rows = table_rows(config, setting, phases)
    return Stretch(z, rows, phases, cuts, setting.horizon)


def _search_all(
    config: KalmanConfig, stretches: list[Stretch], longest: int, run: Run
) -> list[Floats | None]:
    """Search the longest series well, then all in parallel from there; None: too few rows."""
    usual = guesses(config)
    starts = 1 if config.begin else config.starts
    first = search(config, stretches[longest], usual, starts)
    begin = usual if first is None else [first[0], *usual]
    count, done = len(stretches), []

    def one(i: int) -> Floats | None:
        found = first if i == longest else search(config, stretches[i], begin, 1)
        done.append(i)
        run.progress("kalman", len(done) / count, f"{len(done)} of {count} series")
        return None if found is None else found[0]

    with ThreadPoolExecutor(min(os.cpu_count() or 1, count)) as pool:
        return list(pool.map(one, range(count)))


def _assemble(
    config: KalmanConfig, setting: Setting, stretches: list[Stretch], found: list[Floats | None]
) -> Kalman:
    """Build the model; a series with too few rows takes the median of the others."""
    known = [theta for theta in found if theta is not None]
    typical = np.median(known, axis=0) if known else guesses(config)[0]
    parameters = np.stack([typical if theta is None else theta for theta in found])
    facts = [_facts(config, setting, s, p) for s, p in zip(stretches, parameters, strict=True)]
    columns = zip(*facts, strict=True)
    names = ("variance", "decay", "centre", "spread")
    arrays = {name: _filled(np.array(c)) for name, c in zip(names, columns, strict=True)}
    arrays["parameters"] = parameters
    arrays["rows"] = np.array([stretch.count for stretch in stretches])
    config = replace(config, begin=tuple(map(float, typical)))
    model = Kalman(config, setting, arrays)
    for i, stretch in enumerate(stretches):
        if by_ahead(config, stretch):
            arrays["variance"][i] *= _stretching(model, stretch, i)
    return model


def _filled(column: Floats) -> Floats:
    """Return `column` (N,) with NaN replaced by the median of the rest, 1 if there is none."""
    lost = np.isnan(column)
    return np.where(lost, 1.0 if lost.all() else np.nanmedian(column), column)


def _facts(
    config: KalmanConfig, setting: Setting, stretch: Stretch, theta: Floats
) -> tuple[float, float, float, float]:
    """Return variance, its decay, mean and variance of z; NaN where nothing is known."""
    z = stretch.z[~np.isnan(stretch.z)]
    centre, spread = (float(z.mean()), float(z.var())) if len(z) else (np.nan, np.nan)
    e, s = innovations(config.structure, stretch, theta)
    if not len(e):
        return np.nan, np.nan, centre, spread
    square = e**2 / s
    variance = max(float(square.mean()), TINY**2)
    weighted = config.variance == "weighted" or (config.variance == "auto" and setting.difference)
    decay = _decay(e, s, variance) if weighted else 1.0
    return variance, decay, centre, spread


def _decay(e: Floats, s: Floats, variance: float) -> float:
    """Return the decay under which the innovations are likeliest."""
    decays = np.array(DECAYS)
    v, score = np.full(len(decays), variance), np.zeros(len(decays))
    for square in e**2 / s:
        score += np.log(v) + square / v
        v = np.maximum(decays * v + (1.0 - decays) * square, TINY**2)
    return DECAYS[int(np.argmin(score))]


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
    return max((at80 / float(NORMAL[-3])) ** 2, 1e-6)
