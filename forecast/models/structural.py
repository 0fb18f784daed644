"""The structure of a Kalman filter: which components, and the matrices that follow from them.

    z[t]     = level[t] + ar[t] + w[t]' (season[t] + anomaly[t]) + x[t]' effect[t] + e[t]     (1)
    level    <- level + phi trend + N(0, q)           exactly diffuse at the start            (2)
    trend    <- phi trend + N(0, q)                   phi 1 (linear) or below (damped)        (3)
    ar       <- rho ar + N(0, q)                      the irregular; stationary at the start  (4)
    season   <- season + N(0, q s)                    before any row N(0, p s)                (5)
    anomaly  <- rho anomaly + N(0, q s)               a day's passing shape; stationary       (6)
    effect   <- effect + N(0, q s)                    of a covariate or the year, as (5)      (7)

w[t] are the cosines and sines of the season's harmonics at the phase of t, so that a season's
states stand still where Harvey (1989, section 2.3.4) rotates them: the same model, a diagonal
transition, and a local clock costs nothing. s = (1 + f)^-smoothness for a harmonic of frequency f
in cycles of the shortest season: the finer, the stiller. e ~ N(0, 1): all variances are in units
of the observation noise's. x[t] are the known covariates, each also times the first harmonics of
the shortest season (a holiday is another day, not a lower level), and the harmonics of the year.
Effects begin at N(0, p s): collinear covariates share what they explain.

Shapes: N series, m states, p parameters, R regressors.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

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


class Sight(NamedTuple):
    """What the observation sees at some rows, besides the states that it always sees."""

    rows: NDArray[np.int64]  # (..., S) of the design's table, one per season
    x: Floats  # (..., R) regressors

    def at(self, *index: Any) -> "Sight":
        """Return the part at `index` of the leading axes."""
        return Sight(self.rows[index], self.x[index])


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
    """Which components there are, in the order of the states: level ... anomaly, known, year."""

    seasons: Seasons = ()
    trend: str = "none"
    ar: bool = True
    anomaly: int = 0  # harmonics of the shortest season
    smoothness: float = 1.5
    known: int = 0  # covariates
    shape: int = 0  # harmonics of the shortest season in the effect of each
    year: int = 0  # harmonics

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
        for name, s in self.effects().items():
            out += [name, f"{name}-prior"] if len(s) else []
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

    def effects(self) -> dict[str, Floats]:
        """Return the weights s of the regressors' effects: of known covariates, of the year."""
        day = np.arange(1, self.shape + 1) if self.seasons else np.zeros(0)
        shapes, year = (np.concatenate([k, k]) for k in (day, np.arange(1, self.year + 1)))
        known = np.tile(self._stiller(np.concatenate([[0.0], shapes])), self.known)
        return {"known": known, "year": self._stiller(year)}

    @property
    def regressors(self) -> int:
        """The number of regressors R, whose effects are the last states."""
        return sum(map(len, self.effects().values()))

    def places(self) -> dict[str, slice]:
        """Return where each component's states stand, in order."""
        sizes = {"level": 1, "trend": int(self.trend != "none"), "ar": int(self.ar)}
        for (length, _), (_, k) in zip(self.seasons, self.blocks(), strict=False):
            sizes[f"season-{length}"] = len(_both(k, length))
        if self._passing:
            sizes["anomaly"] = len(_both(self.blocks()[-1][1], self.seasons[0][0]))
        sizes |= {name: len(s) for name, s in self.effects().items()}
        ends = np.cumsum(list(sizes.values())).tolist()
        both = zip(sizes.items(), ends, strict=True)
        return {name: slice(end - size, end) for (name, size), end in both if size}

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
            parts.append(_standing(value, f"season-{length}", s))
        if self._passing:
            parts.append(_stationary(value["anomaly"], value["anomaly-damping"], weights[-1]))
        parts += [_standing(value, name, s) for name, s in self.effects().items() if len(s)]
        rho, q, prior = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
        coupling = rho[:, 1].copy() if self.trend != "none" else np.zeros(len(rho))
        return Dynamics(rho, q, prior, coupling)

    def _weight(self, place: int, k: NDArray[np.int64]) -> Floats:
        length = self.seasons[place][0]
        frequency = _both(k, length) * self.seasons[0][0] / length
        return self._stiller(frequency)

    def _stiller(self, frequency: Floats) -> Floats:
        return np.asarray((1.0 + frequency) ** -self.smoothness)


def _both(k: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Return the harmonic number of each column: cosines, then sines; none at half the length."""
    return np.concatenate([k, k[2 * k != length]])


def _standing(value: dict[str, Floats], name: str, s: Floats) -> tuple[Floats, Floats, Floats]:
    """Return diagonal, noise and prior variance of states that stand still but for their noise."""
    q, prior = (np.exp(value[f"{name}{end}"]) * s for end in ("", "-prior"))
    return np.ones_like(q), q, prior


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
    columns.append(np.zeros((first[-1], structure.regressors)))
    table = np.concatenate(columns, axis=1)
    base = np.zeros(table.shape[1])
    base[: len(simple)] = simple
    return Design(base, table, first[:-1])
