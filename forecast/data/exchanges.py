"""Two exchanges in one panel: series that keep different holidays have no trading day in common.

N series, D days on which any of them traded.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import DAY
from forecast.data.panel import Panel

Bools = NDArray[np.bool_]

LONGEST = 200  # series that are compared
FEWEST = 3  # days on which only the one group traded, and only the other
SHARE = 0.005  # of their common days, likewise
ALIKE = 0.9  # share of a group that trades on a day of its exchange


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Two groups of series; `days` on which only the first traded, and only the second."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    days: tuple[int, int]

    def __str__(self) -> str:
        """Say who trades when."""
        return (
            f"series of two exchanges: on {self.days[0]} days only {_named(self.first)} traded, "
            f"on {self.days[1]} only {_named(self.second)}"
        )


def find(panel: Panel) -> Exchanges | None:
    """Return the two groups of a panel of trading days, None where all keep the same days.

    Gaps of single series are no holidays: on a day of an exchange nearly all of its group trade
    and none of the other.
    """
    if panel.times is None or len(panel) < 2:
        return None
    which = np.sort(np.argsort(-panel.lengths, kind="stable")[:LONGEST])
    which = which[panel.lengths[which] > 0]
    traded, running = _presence(panel, which)
    base = traded.sum(axis=1).argmax()
    both = running & running[base]
    more = np.sum(traded & ~traded[base] & both, axis=1)
    less = np.sum(~traded & traded[base] & both, axis=1)
    least = np.maximum(FEWEST, SHARE * both.sum(axis=1))
    other = (more >= least) & (less >= least)
    if not other.any() or not (~other).any():
        return None
    one = _alone(traded, running, ~other, other)
    two = _alone(traded, running, other, ~other)
    if min(one, two) < max(FEWEST, SHARE * traded.shape[1]):
        return None
    ids = np.array(panel.ids, object)[which]
    return Exchanges(tuple(ids[~other]), tuple(ids[other]), (one, two))


def _presence(panel: Panel, which: NDArray[np.int64]) -> tuple[Bools, Bools]:
    """Return on which days (N, D) the series traded, and which lie within their span."""
    assert panel.times is not None
    own = [panel.row_times(int(i)) // DAY for i in which]
    days = np.unique(np.concatenate(own))
    traded = np.zeros((len(which), len(days)), bool)
    running = np.zeros_like(traded)
    for k, mine in enumerate(own):
        traded[k, np.searchsorted(days, mine)] = True
        running[k, np.searchsorted(days, mine[0]) : np.searchsorted(days, mine[-1]) + 1] = True
    return traded, running


def _alone(traded: Bools, running: Bools, ours: Bools, theirs: Bools) -> int:
    """Return on how many days nearly all of `ours` traded and none of `theirs`."""
    here, there = running[ours].sum(axis=0), running[theirs].sum(axis=0)
    full = traded[ours].sum(axis=0) >= ALIKE * here
    return int(np.sum(full & ~traded[theirs].any(axis=0) & (here > 0) & (there > 0)))


def _named(ids: tuple[str, ...]) -> str:
    if len(ids) == 1:
        return f"`{ids[0]}`"
    return f"`{ids[0]}` and {len(ids) - 1:,} more"
