"""Which components a Kalman filter has, and which rows its estimation sees.

What a config leaves to `auto` is settled on the longest series and holds for the panel.
"""

from dataclasses import replace

import numpy as np

from forecast.errors import FitError
from forecast.models.base import History, Setting
from forecast.models.kalman import KalmanConfig
from forecast.models.sight import sight
from forecast.training.run import memory
from forecast.training.structural import Stretch, guesses, search

MOST = 2000  # rows a stretch may have whatever its seasons
SHORTEST, LONGER = 24, 48  # harmonics of the shortest season and of each longer one, at most
YEAR = 4  # harmonics
COPIES = 4  # of the covariances of a panel that a fit holds at once


def settle(config: KalmanConfig, setting: Setting, history: History) -> KalmanConfig:
    """Name all components; FitError when the data cannot carry those asked for."""
    rows = history.rows
    longest = int(np.argmax(rows))
    config = _choose_seasons(config, setting, int(rows[longest]))
    none = config.seasons == "none"
    if config.ar == "auto":
        config = replace(config, ar="no" if none else "yes")
    if config.variance == "auto":
        config = replace(config, variance="weighted" if setting.difference else "constant")
    if config.year < 0:
        config = replace(config, year=_years(config, setting, history, longest))
    _check_memory(config.structure(len(setting.known)).size, len(history))
    if config.trend == "auto":
        plain = replace(config, trend="none")
        stretch = cut(plain, setting, history, longest)
        return _choose_trend(plain, setting, stretch)
    return config


def _choose_seasons(config: KalmanConfig, setting: Setting, longest: int) -> KalmanConfig:
    """Name the seasons that the longest series shows at least twice."""
    if config.seasons == "auto":
        kept: list[str] = []
        for length in sorted(setting.seasons):
            if 2 * length <= longest:
                kept.append(f"{length}:{min(length // 2, LONGER if kept else SHORTEST)}")
        return replace(config, seasons=",".join(kept) or "none")
    lengths = [length for length, _ in config.structure().seasons]
    if lengths and lengths[-1] > longest:
        raise FitError(
            f"a season of {lengths[-1]} steps is longer than the longest series, {longest} rows",
            hint="leave it out: `--set seasons=auto` keeps those that the rows show twice",
        )
    return config


def _years(config: KalmanConfig, setting: Setting, history: History, longest: int) -> int:
    """Return the harmonics of the year: some where the stretch shows two of them."""
    if not setting.year:
        return 0
    phase = history.phases[_where(config, setting, history, longest), len(setting.seasons)]
    turns = int(np.sum(np.diff(phase) < 0)) - 1 + phase[-1] + 1.0 - phase[0]
    return YEAR if turns >= 2.0 else 0


def _choose_trend(plain: KalmanConfig, setting: Setting, stretch: Stretch) -> KalmanConfig:
    """Name the trend: none on prices and under two seasons, else what AICc prefers."""
    if setting.difference or len(plain.structure().seasons) > 1:
        return plain
    damped = replace(plain, trend="damped")
    scores = []
    for config in (plain, damped):
        trial = replace(stretch, structure=config.structure(len(setting.known)))
        scores.append(_aicc(replace(config, criterion="likelihood"), trial))
    return damped if scores[1] < scores[0] else plain


def _aicc(config: KalmanConfig, stretch: Stretch) -> float:
    """Return the corrected information criterion; infinite for a series too short to tell."""
    found = search(config, stretch, guesses(config, stretch.structure), 1)
    if found is None:
        return np.inf
    p, n = len(found.theta) + 1, stretch.count - 1
    return 2 * n * found.value + 2 * p + 2 * p * (p + 1) / max(n - p - 1, 1)


def cut(config: KalmanConfig, setting: Setting, history: History, i: int) -> Stretch:
    """Return the last rows of series `i` that may be learnt from, and its cutoffs.

    Cutoffs lie half a season apart, counted back from the end: a forecast is usually asked for at
    the time of day at which the data end.
    """
    structure = config.structure(len(setting.known))
    seasons = [length for length, _ in structure.seasons]
    where = _where(config, setting, history, i)
    z, phases = history.z[where], history.phases[where]
    phases = phases[:, : phases.shape[1] - len(setting.past)]
    cuts = np.zeros(0, np.int64)
    there = ~np.isnan(z)
    if (seasons and config.criterion != "likelihood") or config.criterion == "ahead":
        first = int(there.argmax()) if len(there) else 0
        burn = first + min(2 * seasons[-1] if seasons else 0, (len(z) - first) // 2)
        apart = max(seasons[0] // 2 if seasons else setting.horizon, 1)
        cuts = np.arange(len(z) - setting.horizon, max(burn, 1) - 1, -apart)[::-1]
        cuts = cuts[[there[now : now + setting.horizon].any() for now in cuts]].copy()
    seen = sight(structure, setting, phases)
    return Stretch(structure, z, seen, phases, cuts, setting.horizon)


def _where(config: KalmanConfig, setting: Setting, history: History, i: int) -> slice:
    where = history.training(i)
    seasons = config.structure().seasons
    if not (config.stretch and seasons):
        return where
    most = max(config.stretch * seasons[-1][0], MOST)
    return slice(max(where.stop - most, where.start), where.stop)


def _check_memory(states: int, series: int) -> None:
    """Refuse a panel whose covariances, states squared for each series, the memory cannot hold."""
    need, have = COPIES * 8 * states**2 * series, memory()
    if need > have:
        fewer = max(int((have / (COPIES * 8 * series)) ** 0.5), 1)
        raise FitError(
            f"{series:,} series of {states} states each need {need / 2**30:.0f} GiB for their "
            f"covariances; this machine has {have / 2**30:.0f}",
            hint=f"{fewer} states fit, as in `--set seasons=24:3 --set anomaly=0`; or fit a part",
        )
