"""Findings of the data doctor: what is odd, in which rows, and what repairs it.

T rows of the panel, B series of a block, L rows of the longest of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from forecast.data import symptoms
from forecast.data.panel import Floats, Panel
from forecast.data.rows import Rows, spoken

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SPOTS = 100  # places a finding names
FIX = "`--fix -o clean.csv`"


@dataclass(frozen=True, slots=True)
class Spot:
    """Rows of one series that lie together."""

    series: str
    first: str  # timestamps
    last: str
    rows: int
    line: int | None  # of the first of them in the file
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of oddity: how much of it, where, and what repairs it."""

    kind: str
    says: str
    cure: str
    series: int  # how many it touches
    rows: int
    spots: tuple[Spot, ...] = ()  # the first of them
    counts: tuple[tuple[str, int], ...] = ()  # rows by series, the most first
    fixed: bool = False  # whether `--fix` mends it


@dataclass(slots=True)
class Patient:
    """A panel, the rows it came from, and the rows distrusted so far."""

    panel: Panel
    rows: Rows
    adjusted: Floats | None = None
    bad: Bools = field(init=False)  # (T,) to be left empty
    seen: Bools = field(init=False)  # (T,) explained by a finding
    factor: Floats = field(init=False)  # (T,) what repaired values are multiplied by

    def __post_init__(self) -> None:
        size = len(self.panel.values)
        self.bad, self.seen, self.factor = np.zeros(size, bool), np.zeros(size, bool), np.ones(size)

    def repaired(self) -> Floats:
        """Return the values (T,) without those that are distrusted."""
        return np.where(self.bad, np.nan, self.panel.values * self.factor)

    def by_block(self, look: Callable[[Floats], Bools]) -> Bools:
        """Return the rows (T,) that `look` marks in matrices (B, L) of series."""
        out = np.zeros(len(self.panel.values), bool)
        for _, place, y in symptoms.blocks(self.panel.values, self.panel.offsets):
            inside = place >= 0
            out[place[inside]] = look(y)[inside]
        return out

    def finding(
        self, kind: str, says: str, cure: str, runs: tuple[Ints, Ints, Ints], fixed: bool = False
    ) -> list[Finding]:
        """Return the finding about `runs` (first rows, lengths, series), none without any."""
        first, size, of = runs
        if not len(first):
            return []
        panel = self.panel
        shown = np.sort(np.argsort(-size, kind="stable")[:SPOTS])
        at = first[shown]
        clock = panel.clock.of(panel.ids).at(of[shown])
        begin = clock.write(self._times(at, of[shown]))
        end = clock.write(self._times(at + size[shown] - 1, of[shown]))
        lines = self._lines(at, of[shown])
        spots = tuple(
            Spot(panel.ids[i], str(a), str(b), int(n), line, _number(panel.values[k]))
            for i, a, b, n, line, k in zip(
                of[shown], begin, end, size[shown], lines, at, strict=True
            )
        )
        total = np.bincount(of, size, minlength=len(panel)).astype(np.int64)
        return [
            Finding(kind, says, cure, int(np.count_nonzero(total)), int(total.sum()), spots,
                    _most(panel.ids, total), fixed)
        ]  # fmt: skip

    def listed(self, at: Ints, kind: str, says: str, cure: str) -> list[Finding]:
        """Return the finding about the rows `at` of the table, which the panel does not hold."""
        if not len(at):
            return []
        rows, spots = self.rows, []
        for k, line in zip(at[:SPOTS], rows.origin.lines(at[:SPOTS]), strict=True):
            stamp = spoken(rows, int(k))
            value = _number(rows.values[k])
            spots.append(Spot(rows.ids[rows.codes[k]], stamp, stamp, 1, line, value))
        total = np.bincount(rows.codes[at], minlength=len(rows.ids))
        return [
            Finding(kind, says, cure, int(np.count_nonzero(total)), len(at), tuple(spots),
                    _most(rows.ids, total), True)
        ]  # fmt: skip

    def _times(self, at: Ints, of: Ints) -> Ints:
        panel = self.panel
        if panel.times is not None:
            return panel.times[at]
        return panel.clock.shift(panel.starts[of], at - panel.offsets[of])

    def _lines(self, at: Ints, of: Ints) -> list[int | None]:
        """Return the lines of rows of the panel in the file; None where no row stands there."""
        rows = self.rows
        code = {name: k for k, name in enumerate(rows.ids)}
        wanted = np.array([code[self.panel.ids[i]] for i in of], np.int64)
        times = self._times(at, of)
        near = np.flatnonzero(np.isin(rows.times, times))
        place = {(int(rows.codes[k]), int(rows.times[k])): int(k) for k in near[:1_000_000]}
        found = [place.get((int(c), int(t))) for c, t in zip(wanted, times, strict=True)]
        known = [k for k in found if k is not None]
        lines = dict(zip(known, rows.origin.lines(np.array(known, np.int64)), strict=True))
        return [None if k is None else lines[k] for k in found]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _most(ids: tuple[str, ...], total: Ints) -> tuple[tuple[str, int], ...]:
    worst = [i for i in np.argsort(-total, kind="stable")[:1000] if total[i]]
    return tuple((ids[i], int(total[i])) for i in worst)
