"""The market as a stream shows it: how far the series moved that have come by a time.

Rows of one time come in one go or one by one. Each is told the mean move of those of its time that
are there by then, as `data/sessions.py` does of a whole table; the later of a day knows more.

Shapes: n rows in one go, E covariates as the model sees them.
"""

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import Times
from forecast.data.covariates import Coding
from forecast.data.sessions import LEAST, MARKET, moves

Floats = NDArray[np.float64]


class Market:
    """The moves of the newest time, and how a model sees their mean."""

    def __init__(self, coding: Coding) -> None:
        """Take the only covariate there can be, the market, or none."""
        self.watched = len(coding) == 1 and coding.columns[0].name == MARKET
        self.coding = coding
        self._time: int | None = None
        self._count, self._total = 0, 0.0

    def take(self, times: Times, values: Floats, before: Floats, last: Floats) -> Floats:
        """Return the covariates (n, E) of rows that follow the values `before` (n,).

        `last` (n, E) are those of the rows before, which stay where nothing is known.
        """
        if not self.watched:
            return last
        size = moves(values, before)
        out = last.copy()
        for time in np.unique(times):
            at = times == time
            known = size[at & ~np.isnan(size)]
            newer = self._time is None or time > self._time
            if newer or time == self._time:
                old = (0, 0.0) if newer else (self._count, self._total)
                self._time = int(time)
                self._count, self._total = old[0] + len(known), old[1] + float(known.sum())
                count, total = self._count, self._total
            else:
                count, total = len(known), float(known.sum())
            if count:
                out[at] = self._seen(total / count)
        return out

    def _seen(self, move: float) -> Floats:
        return self.coding.seen(np.log(np.full(1, max(move, LEAST))))
