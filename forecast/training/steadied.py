"""Steady a net on load: fit a ridge on the same rows, and learn how much of it to take.

The share follows the losses of both on the held-back rows, as the weights of an ensemble do
(training/weights.py).
"""

from dataclasses import replace
from typing import Any

from forecast.models.base import History
from forecast.models.ensemble import together
from forecast.models.linear import Readout
from forecast.models.recurrent import Recurrent
from forecast.models.settings import changed
from forecast.models.steadied import LINE, Steadied, line_config
from forecast.training import linear
from forecast.training.ensemble import forecasts
from forecast.training.run import Run
from forecast.training.weights import LEAST, learn

POWER = 8.0  # of the weights: a net and a ridge err in different ways, so both should count
MOST = 4_000_000  # numbers of a ridge with a readout for each series; a larger one is left out


def steadied(net: Recurrent, history: History, run: Run) -> Recurrent:
    """Return `net` with a ridge beside it, or alone where that is too large or says nothing."""
    config, setting = net.config, net.setting
    if config.line == 0 or (config.line < 0 and _numbers(net, len(history)) > MOST):
        return net
    line = linear.fit(line_config(config), setting, history, run)
    share = config.line
    if share < 0:
        both: dict[str, Any] = {config.cell: net, "linear": line}
        windows = forecasts(both, setting, history)
        share = 0.0 if windows is None else float(learn(windows, POWER)[1])
        share = share if share >= LEAST else 0.0
        run.tell(f"share of the linear forecast, from held-back rows: {share:.2f}")
    settings = tuple(f"{name}={text}" for name, text in changed(line.config).items())
    config = replace(config, line=share, linear=settings)
    if share == 0:
        return Recurrent(config, setting, net.arrays)
    return Steadied(config, setting, net.arrays | together({LINE: line.arrays}))


def _numbers(net: Recurrent, series: int) -> int:
    readout = Readout.of(line_config(net.config), net.setting)
    return len(readout.penalties()) * net.setting.horizon * series
