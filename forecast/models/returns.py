"""RNN and GRU on prices: the distribution of the return over each of the next H steps.

The net is that of models/recurrent.py with one row a step and no base:

    x[t]  = (z[t] - z[t-1]) / s        s: exponentially weighted spread of the changes      (1)
    q[h]  = z[T] + s sqrt(h) (shape[h] - (1 - shrink) median of shape[h])                   (2)

`shrink` draws the median to the random walk as far as held-back windows ask for it.

Shapes: M members averaged, N series, C rows of context, H horizon, Q levels.
"""

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import MEDIAN, Arrays, Floats, Setting, State
from forecast.models.inputs import Window
from forecast.models.recurrent import GRUConfig, Recurrent, RNNConfig, context, located

DECAY = 0.94  # of the spread of changes, RiskMetrics (1996)
SMALLEST = 1e-4  # spread of the changes, in units of z


def build(config: GRUConfig | RNNConfig, setting: Setting, arrays: Arrays) -> Recurrent:
    """Return the net that `setting` asks for: `Returns` on prices, else `Recurrent`."""
    return (Returns if setting.difference else Recurrent)(config, setting, arrays)


def window(ring: Floats) -> Window:
    """Return changes, last value and spread of `ring` (N, C + 1) by (1)."""
    place = np.where(np.isnan(ring), 0, np.arange(ring.shape[1]))
    filled = np.take_along_axis(ring, np.maximum.accumulate(place, axis=1), axis=1)
    change = np.nan_to_num(np.diff(filled, axis=1))  # (N, C)
    weight = DECAY ** np.arange(change.shape[1] - 1, -1, -1.0) * (change != 0)
    total = weight.sum(axis=1)
    spread = np.sqrt((weight * change**2).sum(axis=1) / np.maximum(total, 1e-12))
    spread = np.maximum(spread, SMALLEST)
    x = np.clip(change / spread[:, None], -10, 10)
    return Window(x[..., None], np.nan_to_num(filled[:, -1]), spread)


class Returns(Recurrent):
    """The same arrays as `Recurrent`, without a mix."""

    def start(self, series: NDArray[np.int64]) -> State:
        """Return an empty ring of the last prices, all missing; covariates at their mean."""
        rows = context(self.config, self.setting)
        return self._empty(series, rows + 1, rows)

    def _predict(self, state: State, phases: Floats) -> tuple[Floats, Floats]:
        seen = window(state["ring"])
        shape = self._shape(seen, state, phases)
        unit = seen.spread[:, None] * np.sqrt(np.arange(1, self.setting.horizon + 1))  # (N, H)
        middle = shape[..., MEDIAN : MEDIAN + 1]
        shape = shape - (1 - max(self.config.shrink, 0.0)) * middle
        return located(shape, seen.level, unit)  # (2)
