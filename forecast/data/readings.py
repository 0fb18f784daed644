"""What the data doctor looks for in the values of a table, from impossible to useless.

A function takes a Patient, returns findings, and marks the rows whose values it distrusts; a row
that one has explained is left alone by the next. T rows of the panel.
"""

import numpy as np

from forecast.data import symptoms
from forecast.data.clock import DAY
from forecast.data.findings import FIX, Finding, Ints, Patient
from forecast.data.panel import Panel
from forecast.data.prices import clocks, ended, still, undone, units

ODD = 1.2  # a price and its adjusted one move apart by this factor where there was a split


def impossible(patient: Patient) -> list[Finding]:
    """Find zeros and negatives in series that keep away from zero."""
    panel = patient.panel
    if panel.clock.kind == "index":  # numbers of nobody knows what
        return []
    zero = patient.by_block(lambda y: symptoms.impossible(y)[0]) & ~patient.seen
    negative = patient.by_block(lambda y: symptoms.impossible(y)[1]) & ~patient.seen
    patient.seen |= zero | negative
    patient.bad |= zero | negative
    return [
        *patient.finding(
            "zero", "exact zeros in series that keep away from zero: a reading that failed",
            f"{FIX} leaves them empty", symptoms.runs(zero, panel.offsets), True),
        *patient.finding(
            "negative", "negative values in series that are positive: impossible, if they measure "
            "what cannot be negative", f"{FIX} leaves them empty",
            symptoms.runs(negative, panel.offsets), True),
    ]  # fmt: skip


def flat(patient: Patient) -> list[Finding]:
    """Find constant series, stuck meters and runs of zero."""
    panel = patient.panel
    first, size, of = symptoms.repeats(panel.values, panel.offsets)
    meter = panel.clock.kind == "fixed" and panel.clock.step < DAY
    fresh = ~patient.seen[first]
    first, size, of = first[fresh], size[fresh], of[fresh]
    zero = panel.values[first] == 0
    zeros = np.concatenate([[0], np.cumsum(panel.values == 0)])[panel.offsets]
    rare = np.diff(zeros) <= symptoms.RARE * panel.lengths
    mend = np.where(zero, rare[of], True) & meter
    patient.seen |= symptoms.covered(first, size, len(panel.values))
    patient.bad |= symptoms.covered(first[mend], size[mend], len(panel.values))
    stuck, idle = (
        patient.finding(
            kind, says, f"{FIX} leaves them empty" if mend[which].any() else "none, if it is true",
            (first[which], size[which], of[which]), bool(mend[which].any()),
        )
        for which, kind, says in (
            (~zero, "stuck", "one value again and again, as of a meter that is stuck"),
            (zero, "zero run", "zeros for longer than this series usually has them"),
        )
    )  # fmt: skip
    return [*stuck, *idle, *_constant(patient)]


def _constant(patient: Patient) -> list[Finding]:
    panel = patient.panel
    low, high = _extremes(panel)
    which = np.flatnonzero((low == high) & (panel.lengths > 1))
    return patient.finding(
        "constant", "series with one value only", "leave them out",
        (panel.offsets[which], panel.lengths[which], which),
    )  # fmt: skip


def _extremes(panel: Panel) -> tuple[symptoms.Floats, symptoms.Floats]:
    """Return the smallest and largest value of each series (N,), NaN for one without any."""
    low, high = np.full(len(panel), np.nan), np.full(len(panel), np.nan)
    some = panel.lengths > 0
    begin = panel.offsets[:-1][some]
    if len(begin):
        low[some] = np.fmin.reduceat(panel.values, begin)
        high[some] = np.fmax.reduceat(panel.values, begin)
    return low, high


def outliers(patient: Patient) -> list[Finding]:
    """Find values that leap out of their neighbourhood and back; of prices by their logarithm."""
    panel = patient.panel
    season = max(panel.clock.seasons, default=0)
    trading = panel.clock.kind == "trading"

    def look(y: symptoms.Floats) -> symptoms.Bools:
        return symptoms.outliers(np.log(np.where(y > 0, y, np.nan)) if trading else y, season)

    mask = patient.by_block(look) & ~patient.seen
    patient.seen |= mask
    patient.bad |= mask
    return patient.finding(
        "outlier", "values that leap out of their neighbourhood and back",
        f"{FIX} leaves them empty", symptoms.runs(mask, panel.offsets), True,
    )  # fmt: skip


def splits(patient: Patient) -> list[Finding]:
    """Find jumps of a price by a usual ratio; an adjusted price beside it tells splits apart."""
    panel = patient.panel
    if panel.clock.kind != "trading":
        return []
    ratio = np.ones(len(panel.values))
    for _, place, y in symptoms.blocks(panel.values, panel.offsets):
        ratio[place[place >= 0]] = symptoms.splits(y)[place >= 0]
    at = np.flatnonzero((ratio != 1) & ~patient.seen)
    if not len(at):
        return []
    of = np.searchsorted(panel.offsets, at, side="right") - 1
    if patient.adjusted is None:
        return patient.finding(
            "split", "prices that jump by the ratio of a split, or in a crash: only an adjusted "
            "price tells", "take prices that are adjusted for splits, where there are such",
            (at, np.ones_like(at), of),
        )  # fmt: skip
    price, adjusted = panel.values, patient.adjusted
    moved = (price[at] / price[at - 1]) / (adjusted[at] / adjusted[at - 1])
    real = np.abs(np.log(moved)) > np.log(ODD)
    at, of = at[real], of[real]
    for k, i in zip(at, of, strict=True):
        patient.factor[panel.offsets[i] : k] /= ratio[k]
    return patient.finding(
        "split", "prices that jump at a split: the adjusted column does not",
        f"take the adjusted column by `--value`, or {FIX} to divide the prices before",
        (at, np.ones_like(at), of), True,
    )  # fmt: skip


def short(patient: Patient) -> list[Finding]:
    """Find series too short for two of their shortest seasons, or for ten rows."""
    panel = patient.panel
    least = max(2 * min(panel.clock.seasons, default=0), 10)
    which = np.flatnonzero(panel.lengths < least)
    return patient.finding(
        "short", f"series of fewer than {least} rows, too short to learn a season from",
        "none needed beside longer series, which they lean on; else give more rows",
        (panel.offsets[which], panel.lengths[which], which),
    )  # fmt: skip


def identical(patient: Patient) -> list[Finding]:
    """Find series that hold the values of another, row for row."""
    panel = patient.panel
    low, high = _extremes(panel)
    kin: dict[tuple[int, int], int] = {}
    twins = []
    for i in np.flatnonzero(low < high):
        y = panel.series(int(i))
        other = kin.setdefault((len(y), hash(y.tobytes())), int(i))
        if other != i and np.array_equal(panel.series(other), y, equal_nan=True):
            twins.append((int(i), panel.ids[other]))
    which: Ints = np.array([i for i, _ in twins], np.int64)
    first = f", the first as `{twins[0][1]}`" if twins else ""
    return patient.finding(
        "identical", f"series with the same values as another{first}", "leave one of them out",
        (panel.offsets[which], panel.lengths[which], which),
    )  # fmt: skip


VALUES = (
    impossible, still, flat, outliers, units, undone, splits, ended, clocks, short, identical,
)  # fmt: skip
