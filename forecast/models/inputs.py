"""What a recurrent net sees of a window: normalised segments, their calendar, covariates.

Nothing is learnt about the level: a window is normalised by itself, from rows up to the cutoff.

Shapes: N series, C = J P rows of context in J segments of P, H horizon, S seasons, W waves; D
static, K known, L known and past covariates; I inputs of the cell, F of the head.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import Floats, Setting

Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
DAYS = 366  # of the year
HARMONICS = (3, 3)  # of the first and of the other seasons
YEAR_HARMONICS = 2
SMALLEST = 1e-4  # spread of a window, in units of scaled z


def calendar(phases: Floats, setting: Setting) -> Floats:
    """Return sines and cosines (..., 2 W) of `phases` (..., S + 1)."""
    waves = [(k, n + 1) for k in range(len(setting.seasons)) for n in range(HARMONICS[min(k, 1)])]
    if setting.year:
        waves += [(len(setting.seasons), n + 1) for n in range(YEAR_HARMONICS)]
    if not waves:
        return np.zeros((*phases.shape[:-1], 0))
    angle = 2 * np.pi * np.stack([n * phases[..., k] for k, n in waves], axis=-1)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=-1)


def day_of_year(phase: Floats) -> Ints:
    """Return the number of the day, from 0, at `phase` of the year."""
    return np.floor(phase * (DAYS - 1 + 0.2425)).astype(np.int64)


def phases_before(target: Floats, setting: Setting, size: int, count: int) -> Floats:
    """Return the phases (N, J, S + 1) of the first row of each of `count` segments of `size` rows.

    `target` (N, S + 1) is the phase of the first step ahead; segments lie right before it.
    """
    back = size * np.arange(count, 0, -1)  # (J,) rows before the first step ahead
    out = np.repeat(target[:, None], count, axis=1)
    for k, season in enumerate(setting.seasons):
        out[..., k] = np.mod(out[..., k] - back / season, 1.0)
    return out


def inputs(x: Floats, past: Floats, phases: Floats, setting: Setting) -> tuple[Floats32, Floats32]:
    """Return what the cell reads of each segment (N, J, I) and the head of the window (N, F).

    `x` (N, J, P) are the segments, `past` (N, C, L) the covariates of their rows, `phases`
    (N, H, S + 1 + D + K) those of the target. Vectors of the series are not among the inputs.
    """
    seasons = len(setting.seasons) + 1
    first = phases[:, 0, :seasons]
    before = phases_before(first, setting, x.shape[2], x.shape[1])
    rows = past.reshape(*x.shape[:2], -1)  # (N, J, P L)
    static = phases[:, 0, seasons : seasons + len(setting.static)]
    known = phases[:, :, seasons + len(setting.static) :].reshape(len(x), -1)  # (N, H K)
    each = np.repeat(static[:, None], x.shape[1], axis=1)
    u = np.concatenate([x, calendar(before, setting), rows, each], axis=-1)
    f = np.concatenate([x[:, -1], calendar(first, setting), rows[:, -1], known, static], axis=-1)
    return u.astype(np.float32), f.astype(np.float32)


def input_sizes(size: int, setting: Setting) -> tuple[int, int]:
    """Return I and F: how many numbers `inputs` gives for segments of `size` rows."""
    waves = sum(HARMONICS[min(k, 1)] for k in range(len(setting.seasons)))
    waves += YEAR_HARMONICS if setting.year else 0
    rows = size * (len(setting.known) + len(setting.past))
    both = size + 2 * waves + rows + len(setting.static)
    return both, both + setting.horizon * len(setting.known)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A context as the net sees it: x (N, J, P) without gaps, level and spread (N,)."""

    x: Floats
    level: Floats
    spread: Floats


def window(ring: Floats, size: int, recent: int) -> Window:
    """Normalise `ring` (N, C) about the mean of its last `recent` rows, by its own spread.

    A missing value becomes the mean of the same row of the other segments.
    """
    seen = ~np.isnan(ring)
    values = np.where(seen, ring, 0.0)
    level = _mean(values[:, -recent:], seen[:, -recent:])
    level = np.where(seen[:, -recent:].any(axis=1), level, _mean(values, seen))
    centred = np.where(seen, ring - level[:, None], 0.0)
    spread = np.sqrt(np.maximum(_mean(centred**2, seen), SMALLEST**2))
    x = (centred / spread[:, None]).reshape(len(ring), -1, size)
    seen = seen.reshape(x.shape)
    usual = x.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)  # (N, P) same hour, other days
    return Window(np.where(seen, x, usual[:, None]), level, spread)


def _mean(values: Floats, seen: NDArray[np.bool_]) -> Floats:
    mean: Floats = values.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return mean
