"""What a structural model sees at the phases of some rows: rows of its table, regressors."""

import numpy as np

from forecast.errors import UsageError
from forecast.models.base import Floats, Setting
from forecast.models.structural import Design, Sight, Structure, design


def sight(structure: Structure, setting: Setting, phases: Floats) -> Sight:
    """Return what is seen at `phases` (..., S + 1 + D + K): rows (..., S'), regressors (..., R).

    S' seasons are kept. UsageError for a season that the data do not have.
    """
    rows = np.empty((*phases.shape[:-1], len(structure.seasons)), np.int64)
    for i, (length, _) in enumerate(structure.seasons):
        if length not in setting.seasons:
            raise UsageError(
                f"the data have no season of {length} steps",
                hint=f"known: {', '.join(map(str, setting.seasons)) or 'none'}; "
                f"`--season {length}` names another",
            )
        phase = phases[..., setting.seasons.index(length)]
        step = np.floor(phase * length + 1e-6).astype(np.int64) % length
        rows[..., i] = design(structure).first[i] + step
    return Sight(rows, _regressors(structure, setting, phases))


def _regressors(structure: Structure, setting: Setting, phases: Floats) -> Floats:
    """Return (..., R): each known covariate alone and times the day's waves, then the year's."""
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
