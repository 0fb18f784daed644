"""The components of a Kalman filter, smoothed over given rows: CSV, JSON, letters, one HTML page.

The level is in units of y. Under a logarithm the other components are factors on it, else they
are added to it. `irregular` is what no other component explains: the observation noise.

Shapes: T rows, C components, L = 3: mean, and the 0.1 and 0.9 quantiles.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import replay
from forecast.data import writing
from forecast.data.clock import Clock, Times
from forecast.data.panel import Panel
from forecast.errors import UsageError
from forecast.forecaster import Forecaster
from forecast.models.base import COLD, LEVELS, NORMAL
from forecast.models.kalman import Kalman
from forecast.models.smoother import smooth
from forecast.report.sparks import spark
from forecast.report.style import sheet
from forecast.report.svg import WIDTH, Key, Plot, band, base_axis, document, line, span, value_axis
from forecast.report.ticks import dates, nice

Floats = NDArray[np.float64]

BAND = NORMAL[[LEVELS.index(0.1), LEVELS.index(0.9)]]
SERIES = 6  # drawn at most
POINTS = 1500  # of a curve, at most
LETTERS = 60
HEIGHT = 110  # pixels of a figure
SLOW = ("level", "trend", "year")  # components that a part of their rows draws as well


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """What one series is made of."""

    id: str
    times: Times  # (T,)
    names: tuple[str, ...]  # C
    values: Floats  # (C, T, L) NaN before the first observation
    factors: bool  # whether all but the level multiply


def decompose(forecaster: Forecaster, rows: Panel) -> list[Components]:
    """Return the components of each series of `rows`; UsageError for a model without any."""
    model = forecaster.model
    if not isinstance(model, Kalman):
        raise UsageError(
            f"a {forecaster.family} has no components; they are those of a Kalman filter",
            hint="fit one: `forecast fit DATA --model kalman`",
        )
    place = {name: i for i, name in enumerate(forecaster.ids)}
    log, out = forecaster.transform.log, []
    covariates = replay.beside(forecaster.coding, rows)
    for i, name in enumerate(rows.ids):
        at = place.get(name, -1)
        if at < 0:
            raise UsageError(
                f"the model does not know the series `{name}`", hint=_known(forecaster.ids)
            )
        scale, number = forecaster.scales[at : at + 1], int(forecaster.series[at])
        times, clock = rows.row_times(i), rows.clock.of((name,))
        z = forecaster.transform.forward(rows.series(i), scale)
        sight = replay.sight(clock, times, covariates[rows.offsets[i] : rows.offsets[i + 1]])
        found = smooth(model, max(number, COLD), z, sight)
        around = np.concatenate([[0.0], BAND])
        values = found.mean[..., None] + found.deviation[..., None] * around
        values = np.exp(values) if log else values
        size = [not log or name == "level" for name in found.names]
        values *= np.where(size, scale[0], 1.0)[:, None, None]
        out.append(Components(name, times, found.names, values, log))
    return out


def _known(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 5:,} more" if len(ids) > 5 else ""
    return f"it knows {', '.join(ids[:5])}{more}" if ids else "it keeps no series (--no-state)"


def as_csv(found: Sequence[Components], clock: Clock) -> bytes:
    """Return a long table: unique_id, ds, component, mean, 0.1, 0.9."""
    stream = io.BytesIO()
    for k, series in enumerate(found):
        count, rows = len(series.names), len(series.times)
        columns: dict[str, Any] = {
            "unique_id": (np.zeros(count * rows, np.int64), (series.id,)),
            "ds": np.tile(series.times, count),
            "component": (np.repeat(np.arange(count), rows), series.names),
        }
        for j, name in enumerate(("mean", "0.1", "0.9")):
            columns[name] = series.values[..., j].ravel()
        writing.write_windows(columns, clock, stream, header=k == 0)
    return stream.getvalue()


def as_json(found: Sequence[Components], clock: Clock) -> list[dict[str, Any]]:
    """Return the components as JSON-able facts, null where there is none."""
    return [
        {
            "unique_id": series.id,
            "factors": series.factors,
            "ds": list(clock.of((series.id,)).write(series.times)),
            "components": {
                name: {
                    level: [None if np.isnan(v) else float(v) for v in curve]
                    for level, curve in zip(("mean", "0.1", "0.9"), values.T, strict=True)
                }
                for name, values in zip(series.names, series.values, strict=True)
            },
        }
        for series in found
    ]


def text(found: Sequence[Components], clock: Clock) -> str:
    """Return a line of blocks for each component of the first series."""
    lines = []
    for series in found[:SERIES]:
        first, last = clock.of((series.id,)).write(series.times[[0, -1]])
        kind = "; all but the level are factors" if series.factors else ""
        lines.append(f"{series.id}  {len(series.times):,} rows, {first} to {last}{kind}")
        width = max(map(len, series.names))
        for name, values in zip(series.names, series.values, strict=True):
            shown = spark(values[_cycle(name, len(values)), 0], LETTERS)
            lines.append(f"  {name:<{width}}  {shown}  {_range(values, series.factors, name)}")
    if len(found) > SERIES:
        lines.append(f"and {len(found) - SERIES:,} series more: `--format csv` has them all")
    return "\n".join(lines)


def _cycle(name: str, rows: int) -> slice:
    """Return the rows that letters draw: the last cycle of a season, all of the others."""
    kind, _, length = name.partition("-")
    return slice(max(rows - int(length), 0) if kind == "season" and length.isdigit() else 0, rows)


def _range(values: Floats, factors: bool, name: str) -> str:
    """Say from where to where the mean goes, and half the width of the 80 % interval.

    A factor is said as what it adds in per cent.
    """
    if np.isnan(values).all():
        return "no value"
    half = np.nanmedian(values[:, 2] - values[:, 1]) / 2
    low, high = np.nanmin(values[:, 0]), np.nanmax(values[:, 0])
    drawn = _cycle(name, len(values))
    last = f" (drawn: the last {drawn.stop - drawn.start:,} rows)" * (drawn.start > 0)
    if factors and name != "level":
        low, high, half = 100.0 * (low - 1.0), 100.0 * (high - 1.0), 100.0 * half
        return f"{low:+.3g} to {high:+.3g} %, +- {half:.2g}{last}"
    return f"{low:.4g} to {high:.4g}, +- {half:.2g}{last}"


def page(found: Sequence[Components], clock: Clock, title: str) -> str:
    """Return one HTML page that needs nothing else: a figure of each component."""
    parts = []
    for series in found[:SERIES]:
        parts.append(f"<h2>{escape(series.id)}</h2>")
        for name, values in zip(series.names, series.values, strict=True):
            fast = name not in SLOW and len(values) > POINTS
            rows = slice(-POINTS if fast else 0, None)
            drawn = _figure(series.times[rows], values[rows], clock, name)
            note = f" <small>the last {POINTS:,} rows</small>" * fast
            parts.append(f'<h3>{escape(name)}{note}</h3><figure><div class="scroll">{drawn}</div>')
            parts.append("</figure>")
    factors = any(series.factors for series in found)
    said = (
        f"Smoothed over all rows given; the band holds 80 %. The level is in units of the data, "
        f"the others are {'factors on it' if factors else 'added to it'}."
        + (f" The first {SERIES} of {len(found)} series." if len(found) > SERIES else "")
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(title)}: components</title>\n<style>{sheet()}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}: components</h1><p>{said}</p></header>\n"
        f"<main>{''.join(parts)}</main>\n<footer>Written by forecast.</footer>\n</body>\n</html>\n"
    )


def _figure(times: Times, values: Floats, clock: Clock, name: str) -> str:
    kept = np.unique(np.linspace(0, len(times) - 1, min(POINTS, len(times))).astype(int))
    x = kept.astype(float)
    mean, low, high = values[kept].T
    xs = (0.0, max(float(len(times) - 1), 1.0))
    plot = Plot(64, 12, WIDTH - 78, HEIGHT, xs, span(low, high))
    curve = band(plot, x, low, high, "var(--accent)") + line(
        plot, x, mean, Key(name, "var(--accent)", width=1.4)
    )
    shapes = [value_axis(plot, nice(*plot.ys, 3)), plot.clip(curve)]
    shapes.append(base_axis(plot, dates(times, clock, 9)))
    return document(shapes, plot.bottom + 44, name)
