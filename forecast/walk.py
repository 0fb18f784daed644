"""A fitted forecaster carried over the windows of a plan: replay what came, forecast, go on.

N series, W windows, H horizon, R rows (series, cutoff, step ahead), Q quantile levels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.data.future import came
from forecast.data.panel import Panel
from forecast.forecaster import Forecaster
from forecast.models.base import LEVELS
from forecast.plan import Plan
from forecast.quantiles import mean
from forecast.results import Task
from forecast.results.tally import let_go

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Which windows a forecaster goes through, on which rows; without the series `dropped`."""

    panel: Panel
    plan: Plan
    task: Task
    dropped: frozenset[str] = frozenset()

    def kept(self, rows: Panel) -> Panel:
        """Return `rows` without the series that are dropped."""
        if not self.dropped:
            return rows
        return rows.select([i for i, name in enumerate(rows.ids) if name not in self.dropped])

    def known(self, window: int) -> Panel:
        """Return the rows that a fit at the cutoff of `window` sees."""
        counts, span = self.plan.counts[window], self.task.span
        first = np.zeros_like(counts) if span is None else np.maximum(counts - span, 0)
        return self.kept(self.panel.rows(first, counts))

    def carried(self, forecaster: Forecaster, window: int) -> Forecaster:
        """Return `forecaster` carried from the window before to the cutoff of `window`."""
        return forecaster.update(self.kept(self.since(window)))

    def since(self, window: int) -> Panel:
        """Return the rows between the cutoff of `window` and that of the one before."""
        return self.panel.rows(self.plan.counts[window - 1], self.plan.counts[window])

    def forecast(self, forecaster: Forecaster, window: int, values: Floats) -> None:
        """Write the forecasts of the rows of `window` into `values` (R, 1 + Q): mean, quantiles."""
        panel, task = self.panel, self.task
        series, step, place = self.plan.places(window)
        if self.dropped:
            some = np.array([panel.ids[i] not in self.dropped for i in series], np.bool_)
            series, step, place = series[some], step[some], place[some]
        if not len(series):
            return
        which, back = np.unique(series, return_inverse=True)
        known = {name: i for i, name in enumerate(forecaster.ids)}
        at = np.array([known[panel.ids[i]] for i in which], np.int64)
        times = forecaster.clock.ahead(forecaster.last[at], forecaster.horizon)
        seen = self.plan.counts[window][which]
        ahead = came(forecaster.coding, panel, which, seen, forecaster.horizon)
        quantiles = forecaster.quantiles(at, times, ahead)  # (n, all it was fitted for, Q)
        values[place, 0] = mean(quantiles)[back, task.gap + step]
        values[place, 1:] = quantiles[back, task.gap + step]
        let_go(values)

    def whole(self, forecaster: Forecaster) -> Floats:
        """Return the forecasts (R, 1 + Q) of all windows by a forecaster at the first cutoff."""
        values = np.full((self.plan.size, 1 + len(LEVELS)), np.nan)
        for window in range(len(self.plan.counts)):
            if window:
                forecaster = self.carried(forecaster, window)
            self.forecast(forecaster, window, values)
        return values
