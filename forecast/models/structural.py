"""The structure of a Kalman filter: which components, and the matrices that follow from them.

    z[t]     = level[t] + ar[t] + w[t]' (season[t] + anomaly[t]) + e[t]      e ~ N(0, 1)       (1)
    level    <- level + phi trend + N(0, q)           exactly diffuse at the start            (2)
    trend    <- phi trend + N(0, q)                   phi 1 (linear) or below (damped)        (3)
    ar       <- rho ar + N(0, q)                      the irregular; stationary at the start  (4)
    season   <- season + N(0, q s)                    before any row N(0, p s)                (5)
    anomaly  <- rho anomaly + N(0, q s)               a day's passing shape; stationary       (6)

w[t] are the cosines and sines of the season's harmonics at the phase of t, so that a season's
states stand still where Harvey (1989, section 2.3.4) rotates them: the same model, a diagonal
transition, and a local clock costs nothing. s = (1 + f)^-smoothness for a harmonic of frequency f
in cycles of the shortest season: the finer, the stiller. All variances are in units of e's.

Shapes: N series, m states, p parameters.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import Floats

Seasons = tuple[tuple[int, int], ...]  # length in steps, harmonics


def read_seasons(text: str) -> Seasons:
    """Read `24:12,168:48` (length:harmonics) or `none`; ValueError for anything else."""
    if text == "none":
        return ()
    parts = [part.split(":") for part in text.split(",")]
    try:
        seasons = tuple(sorted((int(length), int(count)) for length, count in parts))
    except ValueError:
        raise ValueError(f"seasons are `auto`, `none` or `24:12,168:48`, not `{text}`") from None
    for length, count in seasons:
        if length < 2 or not 1 <= count <= length // 2:
            raise ValueError(f"a season of {length} steps has 1 to {length // 2} harmonics")
    return seasons


class Dynamics(NamedTuple):
    """The parts of the matrices that depend on the parameters."""

    rho: Floats  # (N, m) the transition's diagonal
    q: Floats  # (N, m) process noise
    prior: Floats  # (N, m) variance before the first row; the level's, diffuse, is 0 here
    coupling: Floats  # (N,) what the trend adds to the level; 0 without one


class Design(NamedTuple):
    """The parts that do not: what the observation sees of the states."""

    base: Floats  # (m,)
    table: Floats  # (rows, m) one row per season and phase
    first: NDArray[np.int64]  # (S,) where each season's rows begin


@dataclass(frozen=True, slots=True)
class Structure:
    """Which components there are; order of the states: level, trend, ar, seasons, anomaly."""

    seasons: Seasons = ()
    trend: str = "none"
    ar: bool = True
    anomaly: int = 0  # harmonics of the shortest season
    smoothness: float = 1.5

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters, in order: logarithms of variances, logits of dampings."""
        out = ["level"]
        if self.trend != "none":
            out += ["trend", "trend-damping" if self.trend == "damped" else "trend-prior"]
        if self.ar:
            out += ["ar", "ar-damping"]
        for length, _ in self.seasons:
            out += [f"season-{length}", f"season-{length}-prior"]
        if self._passing:
            out += ["anomaly", "anomaly-damping"]
        return tuple(out)

    @property
    def size(self) -> int:
        """The number of states m."""
        return len(design(self).base)

    @property
    def _passing(self) -> int:
        return min(self.anomaly, self.seasons[0][1]) if self.seasons else 0

    def harmonics(self) -> list[NDArray[np.int64]]:
        """Return the harmonic numbers of each season, those of a shorter one left out."""
        out: list[NDArray[np.int64]] = []
        for i, (length, count) in enumerate(self.seasons):
            k = np.arange(1, length // 2 + 1)
            for (shorter, _), taken in zip(self.seasons[:i], out, strict=True):
                k = k[~np.isin(k * shorter, taken * length)]
            out.append(k[:count])
        return out

    def blocks(self) -> list[tuple[int, NDArray[np.int64]]]:
        """Return (season's place, harmonic numbers) of each seasonal block and the anomaly."""
        blocks = list(enumerate(self.harmonics()))
        if self._passing:
            blocks.append((0, np.arange(1, self._passing + 1)))
        return blocks

    def dynamics(self, parameters: Floats) -> Dynamics:
        """Return the matrices for `parameters` (N, p)."""
        value = {name: parameters[:, [i]] for i, name in enumerate(self.names)}
        noise = np.exp(value["level"])
        parts = [(np.ones_like(noise), noise, np.zeros_like(noise))]
        one = np.ones(1)
        if self.trend == "damped":
            parts.append(_stationary(value["trend"], value["trend-damping"], one))
        elif self.trend == "linear":
            slope = np.exp(value["trend"])
            parts.append((np.ones_like(slope), slope, np.exp(value["trend-prior"])))
        if self.ar:
            parts.append(_stationary(value["ar"], value["ar-damping"], one))
        weights = [self._weight(place, k) for place, k in self.blocks()]
        for (length, _), s in zip(self.seasons, weights, strict=False):
            q, prior = (np.exp(value[f"season-{length}{end}"]) * s for end in ("", "-prior"))
            parts.append((np.ones_like(q), q, prior))
        if self._passing:
            parts.append(_stationary(value["anomaly"], value["anomaly-damping"], weights[-1]))
        rho, q, prior = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
        coupling = rho[:, 1].copy() if self.trend != "none" else np.zeros(len(rho))
        return Dynamics(rho, q, prior, coupling)

    def _weight(self, place: int, k: NDArray[np.int64]) -> Floats:
        length = self.seasons[place][0]
        frequency = _both(k, length) * self.seasons[0][0] / length
        return np.asarray((1.0 + frequency) ** -self.smoothness)


def _both(k: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Return the harmonic number of each column: cosines, then sines; none at half the length."""
    return np.concatenate([k, k[2 * k != length]])


def _stationary(log_noise: Floats, logit: Floats, s: Floats) -> tuple[Floats, Floats, Floats]:
    """Return diagonal, noise and stationary variance of AR(1) states with noise weights `s`."""
    q = np.exp(log_noise) * s
    rho = 1.0 / (1.0 + np.exp(-logit))
    return np.broadcast_to(rho, q.shape), q, q / (1.0 - rho**2)


@lru_cache(maxsize=16)
def design(structure: Structure) -> Design:
    """Return the observation vectors of `structure`, one per phase of each season."""
    simple = [1.0] + [0.0] * (structure.trend != "none") + [1.0] * structure.ar
    lengths = np.array([length for length, _ in structure.seasons], np.int64)
    first = np.concatenate([[0], np.cumsum(lengths)])
    columns = [np.zeros((first[-1], len(simple)))]
    for place, k in structure.blocks():
        length = int(lengths[place])
        angle = 2.0 * np.pi / length * np.outer(np.arange(length), k)
        waves = np.concatenate([np.cos(angle), np.sin(angle[:, 2 * k != length])], axis=1)
        block = np.zeros((first[-1], waves.shape[1]))
        block[first[place] : first[place + 1]] = waves
        columns.append(block)
    table = np.concatenate(columns, axis=1)
    base = np.zeros(table.shape[1])
    base[: len(simple)] = simple
    return Design(base, table, first[:-1])
