"""The data doctor: what is odd about a table, where, and what repairs it.

`examine` reads a table as `tables.read` does, but keeps going where rows come twice. It finds the
signs (symptoms), says them in words, and offers the table without them. T rows of a panel.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.data import frequency, symptoms, tables
from forecast.data.clock import DAY
from forecast.data.findings import Finding, Patient
from forecast.data.panel import Floats, Panel
from forecast.data.readings import VALUES
from forecast.data.rows import Rows, in_zones
from forecast.data.source import Source
from forecast.data.timing import CLOCK, last_of_each

Ints = NDArray[np.int64]

ADJUSTED = ("adj_close", "adj close", "adjclose", "adjusted_close", "adjusted close", "adjusted")
WEAK = 0.05  # strength of a season that is none
LONGEST = 20  # series whose seasons are looked at


@dataclass(frozen=True, slots=True)
class Health:
    """What the doctor knows: the panel as it was read, and what was found."""

    panel: Panel
    explained: float  # share of the steps that the frequency explains
    seasons: tuple[tuple[int, float], ...]  # lengths in steps, and their strength in 0..1
    findings: tuple[Finding, ...]
    repaired: Panel


def examine(
    source: Source | None, read: Callable[..., Panel] | None = None, **options: Any
) -> Health:
    """Return what is odd about the table that `source` holds; `options` are those of `read`.

    `read` stands in for `tables.read` of `source`, where a caller has more to say about reading.

    Raises DataError where the table cannot be read safely, as `read` does, but not for rows that
    come twice: those are findings, and the last of each counts.
    """
    given: list[Rows] = []
    if read is None:
        assert source is not None
        read = partial(tables.read, source)
    panel = read(mend=_once(given), **options)
    if not len(panel.values):
        return Health(panel, 1.0, (), (), panel)
    patient = Patient(panel, given[0], _adjusted(source, panel, options))
    found: list[Finding] = []
    for look in (*CLOCK, *VALUES):
        found += look(patient)
    seasons = _seasons(panel)
    found += _of_clock(panel, seasons)
    repaired = replace(panel, values=patient.repaired())
    return Health(panel, _explained(panel, given[0]), seasons, tuple(found), repaired)


def _once(given: list[Rows]) -> Callable[[Rows, str | None], Rows]:
    """Return what keeps the last of rows with one timestamp, and all rows in `given`."""

    def mend(rows: Rows, zone: str | None) -> Rows:
        rows, _ = in_zones(rows, None, zone)
        given.append(rows)
        last = last_of_each(rows)
        return rows if last.all() else rows.only(np.flatnonzero(last))

    return mend


def _explained(panel: Panel, rows: Rows) -> float:
    times = panel.all_times()
    known = ~np.isnan(panel.values)
    if panel.times is None and len(rows.times) < len(times):
        counts = np.concatenate([[0], np.cumsum(known)])[panel.offsets]
        return frequency.share_explained(panel.clock, times[known], counts)
    return frequency.share_explained(panel.clock, times, panel.offsets)


def _seasons(panel: Panel) -> tuple[tuple[int, float], ...]:
    """Return the mean strength of each season over the longest series that have a value."""
    longest = np.argsort(-panel.lengths, kind="stable")[:LONGEST]
    series = [panel.series(int(i)) for i in longest]
    series = [y for y in series if not np.isnan(y).all()]
    return tuple(
        (season, float(np.mean([symptoms.strength(y, season) for y in series])) if series else 0.0)
        for season in panel.clock.seasons
    )


def _of_clock(panel: Panel, seasons: tuple[tuple[int, float], ...]) -> list[Finding]:
    """Return findings about the whole panel: no season, or one by the clock of nobody."""
    clock, found = panel.clock, []
    longest = int(panel.lengths.max(initial=0))
    clear = [s for s, strength in seasons if strength >= WEAK or longest < 5 * s]
    if seasons and not clear:
        names = ", ".join(str(season) for season, _ in seasons)
        found.append(Finding("no season", f"a season of {names} steps explains nothing here",
                             "`--season none`", len(panel), len(panel.values)))  # fmt: skip
    if clock.place == "UTC" and clear and clock.kind == "fixed" and clock.step < DAY:
        found.append(Finding("UTC", "timestamps are UTC; people keep another clock, with summer "
                             "time", "`--timezone ZONE`, such as Europe/Berlin or the column that "
                             "names that of each series: seasons follow it",
                             len(panel), len(panel.values)))  # fmt: skip
    return found


def _adjusted(source: Source | None, panel: Panel, options: dict[str, Any]) -> Floats | None:
    """Return the prices (T,) that a column beside the closes has cleared of splits, or None."""
    layout = panel.layout
    if layout is None or panel.clock.kind != "trading" or not isinstance(source, str):
        return None
    columns = [c for c in layout.columns if c.lower() in ADJUSTED and c not in layout.value_names]
    if source == "-" or len(columns) != 1 or len(layout.values) != 1:
        return None
    options = {**options, "value": columns[0], "mend": _once([])}
    other = tables.read(source, **options)
    same = len(other.values) == len(panel.values) and other.ids[1:] == panel.ids[1:]
    return other.values if same else None
