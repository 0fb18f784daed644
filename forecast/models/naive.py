"""Copies of the past: the bars every other model must clear.

    naive         z[t+h] = z[t]                                     (1) random walk
    snaive        z[t+h] = z[t + 1 + (h-1) mod s - s]               (2) one season of s steps ago
    snaive-week   the same with s the longest season                (3)
    drift         z[t+h] = z[t] + h (z[t] - z[1]) / (t - 1)         (4)
    naive-ewma    (1), v[t] = 0.94 v[t-1] + 0.06 (z[t] - z[t-1])^2  (5) RiskMetrics (1996)

A missing value is filled by the one a cycle before it; before a cycle is full, by the last value.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import (
    Arrays,
    Floats,
    History,
    Prediction,
    Setting,
    State,
    gaussian,
    known,
    push,
)

TINY = 1e-9  # the least spread of a forecast, in units of scaled z


@dataclass(frozen=True, slots=True)
class NaiveConfig:
    """The last value."""

    season: int = -1  # place among the seasons of the value copied; -1: the last value
    drift: bool = False  # add the mean change since the first value
    decay: float = 1.0  # of the variance; 1: constant, as seen in training


@dataclass(frozen=True, slots=True)
class SeasonalNaiveConfig(NaiveConfig):
    """The value one season ago."""

    season: int = 0


@dataclass(frozen=True, slots=True)
class WeeklyNaiveConfig(NaiveConfig):
    """The value one longest season ago, usually a week."""

    season: int = 1


@dataclass(frozen=True, slots=True)
class DriftConfig(NaiveConfig):
    """The last value plus the mean change."""

    drift: bool = True


@dataclass(frozen=True, slots=True)
class EWMAConfig(NaiveConfig):
    """The last value; the variance follows the recent changes."""

    decay: float = 0.94


@dataclass(frozen=True, slots=True, eq=False)
class Naive:
    """`arrays["deviation"]` (N,): root mean square of the error one copy ahead, in training."""

    config: NaiveConfig
    setting: Setting
    arrays: Arrays

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state before any row: no last value, an empty cycle."""
        n, deviation = len(series), known(self.arrays["deviation"], series)
        return {
            "cycle": np.full((n, lag(self.config, self.setting)), np.nan),
            "last": np.full(n, np.nan),
            "first": np.full(n, np.nan),
            "rows": np.zeros(n, np.int64),  # since the first value
            "variance": deviation**2,
            "deviation": deviation,
        }

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry the cycle, the last value and the variance over rows `z` (N, T)."""
        last = fill(np.concatenate([state["last"][:, None], z], axis=1), 1)  # (N, T + 1)
        size = state["cycle"].shape[1]
        cycle = fill(np.concatenate([state["cycle"], z], axis=1), size)
        started = ~np.isnan(last[:, 1:])
        first = np.where(
            started.any(axis=1), last[np.arange(len(z)), 1 + started.argmax(axis=1)], np.nan
        )
        return {
            **state,
            "cycle": push(state["cycle"], cycle[:, size:]),
            "last": last[:, -1],
            "first": np.where(np.isnan(state["first"]), first, state["first"]),
            "rows": state["rows"] + started.sum(axis=1),
            "variance": self._variance(state["variance"], np.diff(last, axis=1), ~np.isnan(z)),
        }

    def _variance(self, variance: Floats, change: Floats, seen: NDArray[np.bool_]) -> Floats:
        decay = self.config.decay
        if decay == 1.0:
            return variance
        seen = seen & ~np.isnan(change)
        for t in range(change.shape[1]):
            v = decay * variance + (1 - decay) * change[:, t] ** 2  # (5)
            variance = np.where(seen[:, t], v, variance)
        return variance

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Copy the past; the spread grows with the number of copies made."""
        ahead = np.arange(phases.shape[1])
        size = state["cycle"].shape[1]
        last = np.nan_to_num(state["last"])[:, None]
        copies = state["cycle"][:, ahead % size]  # (1), (2), (3)
        median = np.where(np.isnan(copies), last, copies)
        if self.config.drift:
            slope = (state["last"] - state["first"]) / np.maximum(state["rows"] - 1, 1)
            median = median + np.nan_to_num(slope)[:, None] * (ahead + 1)  # (4)
        one = state["deviation"] if self.config.decay == 1.0 else np.sqrt(state["variance"])
        scale = np.maximum(one, TINY)[:, None] * np.sqrt(ahead // size + 1.0)
        return gaussian(median, scale)


def lag(config: NaiveConfig, setting: Setting) -> int:
    """Return how many steps back the copied value lies."""
    if config.season < 0 or not setting.seasons:
        return 1
    return setting.seasons[min(config.season, len(setting.seasons) - 1)]


def fill(z: Floats, size: int) -> Floats:
    """Return `z` (N, T) with a missing value replaced by the last one a multiple of `size` ago."""
    n, rows = z.shape
    whole = -(-rows // size) * size
    padded = np.full((n, whole), np.nan)
    padded[:, whole - rows :] = z
    cycles = padded.reshape(n, -1, size)
    seen = np.where(np.isnan(cycles), 0, np.arange(cycles.shape[1])[:, None])
    source = np.maximum.accumulate(seen, axis=1)
    return np.take_along_axis(cycles, source, axis=1).reshape(n, whole)[:, whole - rows :]


def fit(config: NaiveConfig, setting: Setting, history: History, run: object) -> Naive:
    """Measure the error of one copy on the training rows of each series."""
    size = lag(config, setting)
    deviation = np.full(len(history), np.nan)
    for i in range(len(history)):
        z = history.z[history.training(i)]
        errors = z[size:] - z[:-size]
        errors = errors[~np.isnan(errors)]
        if len(errors):
            deviation[i] = np.sqrt(np.mean(errors**2))
    typical = np.nanmedian(deviation) if not np.isnan(deviation).all() else 0.0
    deviation = np.maximum(np.where(np.isnan(deviation), typical, deviation), TINY)
    return Naive(config, setting, {"deviation": deviation})
