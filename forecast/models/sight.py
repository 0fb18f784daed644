"""What a structural model sees at the phases of some rows: rows of its table, regressors."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from forecast.errors import UsageError
from forecast.models.base import Floats, Setting
from forecast.models.structural import Design, Sight, Structure, design

Ints = NDArray[np.int64]


def sight(structure: Structure, setting: Setting, phases: Floats) -> Sight:
    """Return what is seen at `phases` (..., S + 1 + D + K): rows (..., S'), regressors (..., R).

    S' seasons are kept. UsageError for a season that the data do not have.
    """
    columns, lengths, first = _places(structure, setting.seasons)
    step = np.floor(phases[..., columns] * lengths + 1e-6).astype(np.int64) % lengths
    return Sight(first + step, _regressors(structure, setting, phases))


@lru_cache(maxsize=64)
def _places(structure: Structure, seasons: tuple[int, ...]) -> tuple[Ints, Ints, Ints]:
    """Return the column of the phases, the length and the first row of each season kept (S',)."""
    for length, _ in structure.seasons:
        if length not in seasons:
            raise UsageError(
                f"the data have no season of {length} steps",
                hint=f"known: {', '.join(map(str, seasons)) or 'none'}; "
                f"`--season {length}` names another",
            )
    lengths = [length for length, _ in structure.seasons]
    columns = np.array([seasons.index(length) for length in lengths], np.int64)
    return columns, np.array(lengths, np.int64), design(structure).first


def _regressors(structure: Structure, setting: Setting, phases: Floats) -> Floats:
    """Return (..., R): each known covariate alone and times the day's waves, then the year's."""
    if not (structure.known or structure.year):
        return np.zeros((*phases.shape[:-1], 0))
    year = len(setting.seasons)
    parts = [np.zeros((*phases.shape[:-1], 0))]
    if structure.known:
        first = year + 1 + len(setting.static)
        known = phases[..., first : first + structure.known]
        day = [np.ones((*phases.shape[:-1], 1))]
        if structure.seasons:
            place = setting.seasons.index(structure.seasons[0][0])
            day.append(_waves(phases[..., place], structure.shape))
        by_day = known[..., :, None] * np.concatenate(day, axis=-1)[..., None, :]
        parts.append(by_day.reshape(*phases.shape[:-1], -1))
    if structure.year:
        parts.append(_waves(phases[..., year], structure.year))
    return np.ascontiguousarray(np.concatenate(parts, axis=-1))


def _waves(phase: Floats, count: int) -> Floats:
    """Return cosines, then sines (..., 2 count) of the first harmonics at `phase` (...)."""
    angle = 2.0 * np.pi * phase[..., None] * np.arange(1, count + 1)
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=-1)


def look(plan: Design, seen: Sight) -> Floats:
    """Return the observation vectors (..., m)."""
    h = plan.base + plan.table[seen.rows].sum(axis=-2)
    if seen.x.shape[-1]:
        h[..., -seen.x.shape[-1] :] += seen.x
    return np.asarray(h)
