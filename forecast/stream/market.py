"""The market as a stream shows it: how far the series moved that have come by a time.

Rows of one time come in one go or one by one. Each is told the mean move of those of its time that
are there by then, as `data/sessions.py` does of a whole table; the later of a day knows more.

Shapes: n rows in one go.
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
        """Watch the market if it is a covariate of `coding`."""
        self.watched = any(column.name == MARKET for column in coding.columns)
        self._coding = coding.only(MARKET)
        self._time: int | None = None
        self._count, self._total = 0, 0.0

    def take(self, times: Times, values: Floats, before: Floats) -> Floats:
        """Return the covariate (n,) of rows that follow `before` (n,), NaN where not known."""
        size, out = moves(values, before), np.full(len(values), np.nan)
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
                out[at] = self._coding.seen(np.log(np.full(1, max(total / count, LEAST))))
        return out
