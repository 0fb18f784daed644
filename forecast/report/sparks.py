"""Pictures made of letters: a series as a line of blocks, a season as a row of bars."""

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import Clock
from forecast.data.panel import Panel

Floats = NDArray[np.float64]

BARS = "▁▂▃▄▅▆▇█"
MISSING = "·"


def spark(values: Floats, width: int) -> str:
    """Return `values` (T,) as at most `width` blocks, each the mean of its part; NaN is a dot."""
    if not len(values):
        return ""
    edges = np.linspace(0, len(values), min(width, len(values)) + 1).astype(np.int64)
    known = ~np.isnan(values)
    counts = np.diff(np.concatenate([[0], np.cumsum(known)])[edges])
    totals = np.diff(np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])[edges])
    return bars(np.where(counts > 0, totals / np.maximum(counts, 1), np.nan))


def bars(heights: Floats) -> str:
    """Return `heights` as blocks from the lowest to the highest; NaN is a dot."""
    known = ~np.isnan(heights)
    if not known.any():
        return MISSING * len(heights)
    low, high = float(np.nanmin(heights)), float(np.nanmax(heights))
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    steps = np.rint((np.where(known, heights, low) - low) * scale).astype(np.int64)
    return "".join(BARS[s] if k else MISSING for s, k in zip(steps, known, strict=True))


def picture(panel: Panel, seasons: tuple[tuple[int, float], ...], width: int) -> list[str]:
    """Return the longest series as lines: how it runs, and its mean in each season."""
    if not len(panel.values):
        return []
    i = int(panel.lengths.argmax())
    values, times = panel.series(i), panel.row_times(i)
    name = panel.ids[i] if len(panel.ids[i]) <= 16 else f"{panel.ids[i][:13]}..."
    seasons = tuple((season, strength) for season, strength in seasons if len(values) >= 2 * season)
    heads = [name, *(_name(panel.clock, season) for season, _ in seasons)]
    left = max(map(len, heads)) + 2
    room = max(width - left - 16, 20)
    lines = [f"{name:<{left}}{spark(values, room)}"]
    for (season, strength), head in zip(seasons, heads[1:], strict=True):
        phase = _phase(panel.clock.of(panel.ids[i : i + 1]), times, season)
        rows = _means(values, phase, min(season, room))
        lines.append(f"{head:<{left}}{bars(rows)}  strength {strength:.2f}")
    return [*lines, ""]


def _name(clock: Clock, season: int) -> str:
    """Name a season: of a day, a week, a year, or of so many steps."""
    hours = clock.step * season / 3.6e9
    named = {24.0: "day", 168.0: "week"} if clock.kind == "fixed" else {}
    if clock.kind == "calendar" and clock.step * season == 12:
        return "year"
    return named.get(hours, f"{season} steps")


def _phase(clock: Clock, times: NDArray[np.int64], season: int) -> Floats:
    """Return the phase of `times` in one season, in [0, 1)."""
    return clock.with_seasons((season,)).phases(times)[:, 0]


def _means(values: Floats, phase: Floats, count: int) -> Floats:
    """Return the mean value in each of `count` parts of a season, NaN where there is none."""
    known = ~np.isnan(values)
    part = np.minimum((phase[known] * count + 1e-9).astype(np.int64), count - 1)
    rows = np.bincount(part, minlength=count)
    total = np.bincount(part, values[known], minlength=count)
    return np.where(rows > 0, total / np.maximum(rows, 1), np.nan)
