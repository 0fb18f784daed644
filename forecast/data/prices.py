"""What the data doctor looks for in prices: units and adjustments that change, ends, exchanges.

A function takes a Patient, returns findings, and marks the rows it has explained. T rows of the
panel. Only on trading days: elsewhere such jumps are no signs.
"""

import numpy as np

from forecast.data import exchanges, symptoms
from forecast.data.findings import Finding, Ints, Patient

UNITS = np.log(np.array([100.0, 1000.0]))  # pence for pounds, thousands
NEAR = np.log(1.3)  # how far from a unit a jump may be
ENDED = 10  # trading days before the last one
STILL = 10  # rows of one price
USUAL = 0.02  # share of unchanged prices, elsewhere, above which they are nothing odd
MANY = 5  # such spells of a series, likewise


def units(patient: Patient) -> list[Finding]:
    """Find jumps by a hundred or a thousand: another currency or unit."""
    panel = patient.panel
    if panel.clock.kind != "trading":
        return []
    at = _jumps(patient)
    size = np.abs(np.log(panel.values[at] / panel.values[at - 1]))
    at = at[(np.abs(size[:, None] - UNITS) < NEAR).any(axis=1)]
    patient.seen[at] = True
    return patient.finding(
        "unit", "prices that jump a hundredfold or a thousandfold: another currency or unit",
        "bring each series to one currency and one unit", _rows(patient, at),
    )  # fmt: skip


def undone(patient: Patient) -> list[Finding]:
    """Find a jump by the ratio of a split that is taken back later: two kinds of prices mixed."""
    panel = patient.panel
    if panel.clock.kind != "trading":
        return []
    ratio = np.ones(len(panel.values))
    for _, place, y in symptoms.blocks(panel.values, panel.offsets):
        ratio[place[place >= 0]] = symptoms.splits(y)[place >= 0]
    at = np.flatnonzero((ratio != 1) & ~patient.seen)
    of = np.searchsorted(panel.offsets, at, side="right") - 1
    same = np.diff(of) == 0
    back = same & np.isclose(ratio[at[:-1]] * ratio[at[1:]], 1.0)
    pair = np.flatnonzero(back)
    kept = np.unique(np.concatenate([pair, pair + 1]))
    patient.seen[at[kept]] = True
    return patient.finding(
        "mixed prices", "prices that jump by the ratio of a split and back: adjusted and "
        "unadjusted ones are mixed", "take one kind throughout, best the adjusted one",
        _rows(patient, at[kept]),
    )  # fmt: skip


def still(patient: Patient) -> list[Finding]:
    """Find prices that stand still for weeks: not traded, halted, or filled in."""
    panel = patient.panel
    if panel.clock.kind != "trading":
        return []
    same = np.zeros(len(panel.values), bool)
    same[1:] = panel.values[1:] == panel.values[:-1]
    same[panel.offsets[:-1][panel.lengths > 0]] = False
    first, size, of = symptoms.runs(same, panel.offsets)
    long = size >= STILL - 1
    often = np.bincount(of, np.where(long, 0, size), len(panel)) > USUAL * panel.lengths
    many = np.bincount(of[long], minlength=len(panel)) > MANY
    kept = long & ~(often | many)[of]
    first, size, of = first[kept] - 1, size[kept] + 1, of[kept]
    patient.seen |= symptoms.covered(first, size, len(panel.values))
    return patient.finding(
        "still", "one price for weeks: not traded, halted, or filled in; forecasts would take the "
        "stillness for calm", "leave these rows out, or the series", (first, size, of),
    )  # fmt: skip


def ended(patient: Patient) -> list[Finding]:
    """Find series that end long before the others: delisted, merged or renamed."""
    panel = patient.panel
    if panel.times is None or len(panel) < 2:
        return []
    days = np.unique(panel.times)
    left = len(days) - np.searchsorted(days, panel.ends, side="right")
    which = np.flatnonzero((left >= ENDED) & (panel.lengths > 0))
    at = panel.offsets[1:][which] - 1
    return patient.finding(
        "ended", f"series that end {ENDED} trading days or more before the last: delisted, merged "
        "or renamed", "none needed: they are learnt from; their forecasts begin where they end",
        (at, np.ones_like(at), which),
    )  # fmt: skip


def clocks(patient: Patient) -> list[Finding]:
    """Find series of two exchanges, which keep different holidays."""
    panel, found = patient.panel, exchanges.find(patient.panel)
    if found is None:
        return []
    which = np.array([panel.ids.index(name) for name in found.second], np.int64)
    return patient.finding(
        "two exchanges", str(found), "one file for each exchange: `fit` refuses both in one",
        (panel.offsets[which], panel.lengths[which], which),
    )  # fmt: skip


def _jumps(patient: Patient) -> Ints:
    """Return the rows whose price is forty times the one before, or its 40th, and further."""
    panel = patient.panel
    y = panel.values
    good = np.zeros(len(y), bool)
    good[1:] = (y[1:] > 0) & (y[:-1] > 0)
    good[panel.offsets[:-1][panel.lengths > 0]] = False
    good[1:] &= ~(patient.seen[1:] | patient.seen[:-1])
    at = np.flatnonzero(good)
    far: Ints = at[np.abs(np.log(y[at] / y[at - 1])) > np.log(40)]
    return far


def _rows(patient: Patient, at: Ints) -> tuple[Ints, Ints, Ints]:
    of = np.searchsorted(patient.panel.offsets, at, side="right") - 1
    return at, np.ones_like(at), of
