"""Ridge regression on lags and the calendar, direct over the horizon.

    u[t] = (z - level[t]) / spread over the last `lags` values, level the mean of the last cycle
    f[t] = [1; u; clock of the first step ahead; u of the last season x time of day]        (1)
    z[t+1..t+H] = level[t] + spread [f[t]; covariates] W                                    (2)

On prices z are changes, level is 0 and (2) gives their sums, added to the last value. Each fitted
series has its own W and spread; the entry after the last serves series that were not in the fit.
Shapes: N series, T rows, C values in the ring, P features, H horizon, B rows of a block.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import Arrays, Floats, Prediction, Setting, State, gaussian
from forecast.models.memory import Memory
from forecast.models.outside import Outside

WIDEST = 700  # lags at most; beyond, older ones are thinned out
CLIP = 8.0  # in spreads; a wilder value is a fault of the meter
PLAIN = 20  # values looked back on where there is no season
TINY = 1e-9
HOURS = 50.0  # penalty of lags x time of day
FOLLOW = 0.75  # share of the last day's departure from its week ago that is taken to last


@dataclass(frozen=True, slots=True)
class LinearConfig:
    """Hyper-parameters; those that are 0 or `auto` are chosen on the validation rows."""

    lags: int = 0  # steps looked back; 0: chosen, up to two weeks
    hours: str = "auto"  # yes: the last season counts differently by time of day; no; auto
    ridge: float = 0.0  # penalty per training row; 0: chosen
    pull: float = 0.0  # how strongly a series is drawn to the readout of all; 0: chosen
    harmonics: int = 20  # of the longest season

    def __post_init__(self) -> None:
        check(self)


def check(config: Any) -> None:
    """Raise ValueError unless the fields of a readout make sense."""
    if config.hours not in ("auto", "yes", "no"):
        raise ValueError("hours takes auto, yes or no")
    for name in ("lags", "ridge", "pull", "harmonics"):
        if getattr(config, name) < 0:
            raise ValueError(f"{name} must not be negative")


@dataclass(frozen=True)
class Readout:
    """Which features (1) a config and a setting ask for."""

    lags: int
    hours: bool
    harmonics: int
    setting: Setting

    @classmethod
    def of(cls, config: Any, setting: Setting) -> "Readout":
        """Return the readout of a config with `lags`, `hours` and `harmonics` settled."""
        lags = config.lags or spans(setting)[-1]
        return cls(lags, config.hours == "yes", config.harmonics, setting)

    @property
    def memory(self) -> Memory:
        """The ring the features are taken from."""
        seasons = self.setting.seasons
        return Memory(max(self.lags, *seasons, 1) + 1, seasons, self.setting.difference)

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Lags that are features, 0 the newest value."""
        whole = spans(self.setting)[-1]
        thin = -(-whole // WIDEST)
        season = self.setting.seasons[0] if self.setting.seasons else self.lags
        recent = range(min(self.lags, season, WIDEST // 4))
        return np.array(sorted({*recent, *range(0, self.lags, thin)}), np.int64)

    def level(self, windows: Floats) -> Floats:
        """Return the level (...) of `windows` (..., C): the mean of the last longest season."""
        if self.setting.difference:
            return np.zeros(windows.shape[:-1])
        cycle = self.setting.seasons[-1] if self.setting.seasons else self.lags
        last = windows[..., -min(cycle, windows.shape[-1]) :]
        return np.asarray(np.add.reduce(last, axis=-1) / last.shape[-1])

    def features(self, centred: Floats, phases: Floats) -> Floats:
        """Return (1) (B, P) for `centred` windows (B, C) in spreads, `phases` (B, S + 1) ahead."""
        u = centred[:, ::-1][:, self.places]
        return np.concatenate(
            [np.ones((len(u), 1)), u, self._clock(phases), self._by_hour(centred, phases)], axis=1
        )

    def penalties(self) -> Floats:
        """Return the penalty (P,) of each feature relative to the lags'."""
        clock = self._clock(np.zeros((1, len(self.setting.seasons) + 1))).shape[1]
        plain = 1 + len(self.places) + clock
        return np.concatenate([np.ones(plain), np.full(self._hour_features, HOURS)])

    def prior(self, extra: int = 0) -> Floats:
        """Return the readout (P + extra, H) that says what is known before any row is learnt.

        The value one longest season ago, moved by how far the last day departed from the same day
        then; without a season the last value; on prices no change.
        """
        start, places = np.zeros((len(self.penalties()) + extra, self.setting.horizon)), self.places
        if self.setting.difference:
            return start
        cycle = self.setting.seasons[-1] if self.setting.seasons else 1
        for h in range(self.setting.horizon):
            lag = cycle - 1 - h % cycle
            start[1 + int(np.abs(places - lag).argmin()), h] = 1.0
        if len(self.setting.seasons) > 1:
            day = self.setting.seasons[0]
            for first, sign in ((0, FOLLOW), (cycle, -FOLLOW)):
                part = 1 + np.flatnonzero((places >= first) & (places < first + day))
                start[part] += sign / max(len(part), 1)
        return start

    def _clock(self, phases: Floats) -> Floats:
        seasons = self.setting.seasons
        parts = [np.zeros((len(phases), 0))]
        if seasons:
            harmonics = min(self.harmonics, seasons[-1] // 2)
            parts.append(fourier(phases[:, len(seasons) - 1], harmonics))
        if self.setting.year:
            parts.append(fourier(phases[:, len(seasons)], 2))
        return np.concatenate(parts, axis=1)

    @property
    def _hour_features(self) -> int:
        if not self.hours or not self.setting.seasons:
            return 0
        season = self.setting.seasons[0]
        return len(range(0, season, max(season // 12, 1))) * 2 * min(3, season // 2)

    def _by_hour(self, centred: Floats, phases: Floats) -> Floats:
        if not self._hour_features:
            return np.zeros((len(centred), 0))
        season = self.setting.seasons[0]
        recent = centred[:, ::-1][:, : season : max(season // 12, 1)]
        waves = fourier(phases[:, 0], min(3, season // 2))
        return (recent[:, :, None] * waves[:, None, :]).reshape(len(centred), -1)


def spans(setting: Setting) -> tuple[int, ...]:
    """Return how far back a readout may look, in steps, shortest first."""
    seasons = setting.seasons
    if not seasons:
        return (PLAIN,)
    if len(seasons) == 1:
        return (2 * seasons[0], 14 * seasons[0]) if seasons[0] <= 96 else (2 * seasons[0],)
    return (seasons[-1] + seasons[0], 2 * seasons[-1])


def fourier(phase: Floats, harmonics: int) -> Floats:
    """Return cosines and sines (..., 2 harmonics) of `phase` (...) in cycles."""
    angle = 2 * np.pi * phase[..., None] * _numbers(harmonics)
    out = np.empty((*phase.shape, 2 * harmonics))
    np.cos(angle, out=out[..., :harmonics])
    np.sin(angle, out=out[..., harmonics:])
    return out


@cache
def _numbers(last: int) -> NDArray[np.int64]:
    """Return 1 to `last`, which a stream asks for at every row."""
    return np.arange(1, last + 1)


class Linear:
    """A fitted ridge.

    `arrays`: spread (N + 1,), readouts (K, P, H) of which `which` (N + 1,) names each series' own,
    scale (N + 1, H) of the errors in spreads.
    """

    def __init__(self, config: Any, setting: Setting, arrays: Arrays) -> None:
        self.config, self.setting, self.arrays = config, setting, arrays
        self.readout = Readout.of(config, setting)
        self.memory = self.readout.memory
        self.outside = Outside(setting)

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state before any row of `series` (N,)."""
        state = self.memory.start(series, self.arrays["spread"][series] ** 2)
        return state | self.outside.start(len(series))

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry `state` over rows `z` (N, T); only the rings move."""
        return self.memory.absorb(state, z)[0] | self.outside.absorb(state, phases)

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Forecast the steps at `phases` (N, H, S + 1 + D + K) by (2)."""
        windows = self.memory.extend(state["ring"], state["seen"])
        centred, level, spread = self.centre(windows, state["seen"], state["series"])
        features = self.features(state, centred, phases)
        median = level[:, None] + spread[:, None] * self.read(state, features)  # (2)
        scale = spread[:, None] * self.arrays["scale"][state["series"]]
        if self.setting.difference:
            median += np.nan_to_num(state["last"])[:, None]
            scale = np.sqrt(np.outer(state["variance"], np.arange(1, self.setting.horizon + 1)))
        return gaussian(median, np.maximum(scale, TINY))

    def read(self, state: State, features: Floats) -> Floats:
        """Return what each series' readout says (N, H) of `features` (N, P), in spreads."""
        which = self.arrays["which"][state["series"]]
        asked = set(which.tolist())
        if len(asked) == 1:
            return np.asarray(features @ self.arrays["readouts"][asked.pop()])
        said = np.zeros((len(features), self.setting.horizon))
        for k in asked:
            said[which == k] = features[which == k] @ self.arrays["readouts"][k]
        return said

    def features(self, state: State, centred: Floats, phases: Floats) -> Floats:
        """Return [f; covariates] (N, P) of (2) for `centred` (N, C) and the `phases` ahead."""
        plain = self.readout.features(centred, phases[:, 0])
        return np.concatenate([plain, self.outside.seen(state, phases)], axis=1)

    def centre(
        self, windows: Floats, seen: NDArray[np.int64], series: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Floats]:
        """Return `windows` (B, C) in spreads about their level, the level and the spread (B,).

        The spread of a series that was in the fit is the fit's; a cold one's own once it has
        shown a season, until then a typical one.
        """
        level = self.readout.level(windows)
        spread = self.arrays["spread"][series]
        if (series < 0).any():
            own = np.sqrt(np.square(windows - level[:, None]).mean(axis=-1))
            enough = seen >= (self.setting.seasons[0] if self.setting.seasons else PLAIN)
            spread = np.where((series < 0) & enough & (own > TINY), own, spread)
        centred = (windows - level[:, None]) / spread[:, None]
        return np.minimum(np.maximum(centred, -CLIP), CLIP), level, spread
