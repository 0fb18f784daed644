"""What the data doctor looks for in the clock of a table: rows twice, clock changes, gaps.

A function takes a Patient, returns findings, and marks the rows whose values it distrusts. S
series, T rows of the panel.
"""

import numpy as np

from forecast.data import symptoms, zones
from forecast.data.clock import DAY, HOUR, WEEK
from forecast.data.findings import FIX, Bools, Finding, Ints, Patient
from forecast.data.panel import Floats, Panel
from forecast.data.rows import Rows

STEADY = 2 / 3  # share of clock changes, and of series at each, that must show in the rows
CHANCE = 0.01  # that holes fall on the changes of one of the zones by themselves


def last_of_each(rows: Rows) -> Bools:
    """Return which rows are the last of their series with their timestamp (T,)."""
    order = np.lexsort((np.arange(len(rows.times)), rows.times, rows.codes))
    same = (np.diff(rows.times[order]) == 0) & (np.diff(rows.codes[order]) == 0)
    last = np.ones(len(order), bool)
    last[order[:-1][same]] = False
    return last


def twice(patient: Patient) -> list[Finding]:
    """Find rows that come twice: alike, different, or because the clock went back."""
    rows = patient.rows
    first = np.flatnonzero(~last_of_each(rows))
    if not len(first):
        return []
    order = np.lexsort((np.arange(len(rows.times)), rows.times, rows.codes))
    following = np.empty(len(order), np.int64)
    following[order[:-1]] = order[1:]
    with np.errstate(invalid="ignore"):
        gap = rows.values[first] - rows.values[following[first]]
    alike = (gap == 0) | np.isnan(rows.values[first])
    naive = rows.stamps.zone is None and not rows.stamps.index and rows.stamps.unit != "D"
    zone = zones.going_back(rows.times[first], rows.codes[first]) if naive else None
    if zone is not None:
        return patient.listed(
            first, "clock change", "the hour in which the clock goes back comes twice; without a "
            "zone only the second counts", f"`--timezone {zone}` keeps both",
        )  # fmt: skip
    found = patient.listed(first[alike], "duplicate", "rows that come twice with the same value",
                    FIX)  # fmt: skip
    return found + patient.listed(
        first[~alike], "contradiction",
        "rows with one timestamp and different values; the last of each counts",
        f"correct the file, or {FIX} to keep the last",
    )  # fmt: skip


def clock_changes(patient: Patient) -> list[Finding]:
    """Find hours that are empty or near zero just where a usual zone skips one in spring."""
    panel = patient.panel
    clock = panel.clock
    if clock.kind != "fixed" or clock.step > HOUR or clock.zone is not None:
        return []
    best: tuple[int, str, Bools] = (0, "", patient.bad)
    for zone in zones.USUAL:
        shown, mask = _spring(panel, zone)
        if shown > best[0]:
            best = (shown, zone, mask)
    shown, zone, mask = best
    if not shown or len(zones.USUAL) * _hole_rate(panel.values) ** shown > CHANCE:
        return []
    patient.seen |= mask
    patient.bad |= mask & ~np.isnan(panel.values)
    return patient.finding(
        "clock change", "the hour that the clock skips in spring is missing or near zero: local "
        "time of a zone with summer time", f"`--timezone {zone}`, or another zone with its clock",
        symptoms.runs(mask, panel.offsets), True,
    )  # fmt: skip


def _spring(panel: Panel, zone: str) -> tuple[int, Bools]:
    """Return how many spring changes of `zone` show as holes, and their rows (T,).

    A hole is empty or falls below a third of the rows beside it; a week later it is none. Unless
    most changes show, none counts.
    """
    step, mask = panel.clock.step, np.zeros(len(panel.values), bool)
    moments, by = zones.changes(zone, int(panel.starts.min()) - DAY, int(panel.ends.max()) + DAY)
    seen, shown = 0, 0
    for moment, jump in zip(moments[by == HOUR], by[by == HOUR], strict=True):
        wall = moment + zones.offsets(np.array([moment - 1]), zone)[0]
        count, week = int(jump) // step, WEEK // step
        row, rest = np.divmod(wall - panel.starts, step)
        inside = (rest == 0) & (row > week) & (row + count + week < panel.lengths)
        if not inside.any():
            continue
        at = (panel.offsets[:-1] + row)[inside][:, None] + np.arange(count)
        odd = _hole(panel.values, at)
        odd &= ~_hole(panel.values, at + week) & ~_hole(panel.values, at - week)
        seen, shown = seen + 1, shown + int(odd.mean() >= STEADY)
        mask[at[odd].ravel()] = True
    return (shown, mask) if shown >= STEADY * seen else (0, mask)


def _hole_rate(values: Floats) -> float:
    """Return the share of rows that are holes, somewhat more than there are."""
    inner = np.arange(1, len(values) - 1)[:, None]
    return float((_hole(values, inner).sum() + 1) / len(values))


def _hole(values: Floats, at: Ints) -> Bools:
    """Return where all rows `at` (S, count) are empty or far below those beside them: (S,)."""
    here, before, after = values[at], values[at[:, 0] - 1], values[at[:, -1] + 1]
    least = np.fmin(before, after)[:, None] / 3
    with np.errstate(invalid="ignore"):
        return np.asarray((np.isnan(here) | (here < least)).all(axis=1))


def gaps(patient: Patient) -> list[Finding]:
    """Find missing values: within a series, at its ends, all of it, and days others traded."""
    panel = patient.panel
    missing = np.isnan(panel.values) & ~patient.seen
    first, size, of = symptoms.runs(missing, panel.offsets)
    stop = first + size
    whole = size == panel.lengths[of]
    ends = ((first == panel.offsets[of]) | (stop == panel.offsets[of + 1])) & ~whole
    inner = ~whole & ~ends

    def part(which: Bools) -> tuple[Ints, Ints, Ints]:
        return first[which], size[which], of[which]

    absent = len(panel.values) > len(patient.rows.times)
    longest = int(size[inner].max(initial=0))
    return [
        *patient.finding(
            "no values", "series without any value", "leave them out", part(whole)),
        *patient.finding(
            "missing at an end", "values are missing at the beginning or the end of a series",
            "cut these rows off: forecasts begin after the last row", part(ends)),
        *patient.finding(
            "gap", f"values are missing, at most {longest:,} rows together",
            f"none needed: they are taken as missing; {FIX} writes the absent rows",
            part(inner), absent),
        *_days_off(patient),
    ]  # fmt: skip


def _days_off(patient: Patient) -> list[Finding]:
    """Find series that lack days on which at least half of the others traded."""
    panel = patient.panel
    if panel.times is None or len(panel) < 3:
        return []
    days, at = np.unique(panel.times, return_inverse=True)
    running = np.zeros(len(days) + 1, np.int64)
    np.add.at(running, np.searchsorted(days, panel.starts), 1)
    np.add.at(running, np.searchsorted(days, panel.ends) + 1, -1)
    usual = np.bincount(at, minlength=len(days)) * 2 >= np.cumsum(running)[:-1]
    position = np.concatenate([[0], np.cumsum(usual)])[at]
    jump = np.diff(position, prepend=0) - usual[at]
    jump[panel.offsets[:-1]] = 0
    after = np.flatnonzero(jump > 0)
    of = np.searchsorted(panel.offsets, after, side="right") - 1
    return patient.finding(
        "days missing", "rows after days on which half of the series traded and this one did not",
        "none needed: trading days are taken as they come", (after, np.ones_like(after), of),
    )  # fmt: skip


CLOCK = (twice, clock_changes, gaps)
