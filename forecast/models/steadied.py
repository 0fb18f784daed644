"""A recurrent net on load, steadied by a ridge on the same rows.

    q = (1 - w) q_net + w q_line,  scale = (1 - w) scale_net + w scale_line                 (1)

A net learns what is common to many series and long years; of one short series a ridge on its lags
(models/linear.py) knows more. `w` is the config's `line`, chosen on rows that neither learned from.
Arrays and state of the ridge stand beside the net's own as `line.NAME`.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from forecast.models import family
from forecast.models.base import Arrays, Floats, Prediction, Setting, State
from forecast.models.ensemble import below, together
from forecast.models.linear import Linear, LinearConfig
from forecast.models.recurrent import GRUConfig, Recurrent, RNNConfig
from forecast.models.returns import Returns
from forecast.models.settings import configure

LINE = "line"


class Steadied(Recurrent):
    """The arrays of `Recurrent`, and those of `Linear` as `line.NAME`."""

    @cached_property
    def line(self) -> Linear:
        """The ridge."""
        return Linear(line_config(self.config), self.setting, below(self.arrays, LINE))

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state of both before any row of `series` (N,)."""
        return super().start(series) | together({LINE: self.line.start(series)})

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry both over rows `z` (N, T)."""
        line = self.line.absorb(below(state, LINE), z, phases)
        return super().absorb(_own(state), z, phases) | together({LINE: line})

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Average both forecasts by (1)."""
        net = super().predict(_own(state), phases)
        line = self.line.predict(below(state, LINE), phases)
        w = self.config.line
        return Prediction(
            (1 - w) * net.quantiles + w * line.quantiles, (1 - w) * net.scale + w * line.scale
        )


def build(config: GRUConfig | RNNConfig, setting: Setting, arrays: Arrays) -> Recurrent:
    """Return the net of `arrays`: `Returns` on prices, `Steadied` beside a ridge, or plain."""
    if setting.difference:
        return Returns(config, setting, arrays)
    steadied = any(name.startswith(f"{LINE}.") for name in arrays)
    return (Steadied if steadied else Recurrent)(config, setting, arrays)


def line_config(config: GRUConfig | RNNConfig) -> LinearConfig:
    """Return the settings of the ridge; UsageError for what it has not."""
    pairs = (text.partition("=") for text in config.linear)
    found: LinearConfig = configure(family("linear"), {name: value for name, _, value in pairs})
    return found


def _own(state: State) -> State:
    return {name: array for name, array in state.items() if not name.startswith(f"{LINE}.")}
