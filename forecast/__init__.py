"""Turn CSV time series into forecasts with recurrent models, and say honestly how good they are.

>>> import forecast
>>> panel = forecast.read_csv("load.csv")
>>> model = forecast.fit(panel, "gru", horizon=24)
>>> model.predict().to_frame()

Nothing heavy is imported until one of the names below is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.backtest import run as benchmark
    from forecast.data.forecast import Forecast
    from forecast.data.panel import Panel
    from forecast.data.tables import read as read_csv
    from forecast.errors import ForecastError
    from forecast.fitting import fit
    from forecast.forecaster import Forecaster
    from forecast.results import Benchmark, Task
    from forecast.store import load

__version__ = "0.1.0"

__all__ = [
    "Benchmark",
    "Forecast",
    "ForecastError",
    "Forecaster",
    "Panel",
    "Task",
    "benchmark",
    "fit",
    "load",
    "read_csv",
]

_HOME = {
    "Benchmark": "results:Benchmark",
    "Forecast": "data.forecast:Forecast",
    "ForecastError": "errors:ForecastError",
    "Forecaster": "forecaster:Forecaster",
    "Panel": "data.panel:Panel",
    "Task": "results:Task",
    "benchmark": "backtest:run",
    "fit": "fitting:fit",
    "load": "store:load",
    "read_csv": "data.tables:read",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `forecast` has no attribute `{name}`")
    module, attribute = _HOME[name].split(":")
    return getattr(import_module(f"forecast.{module}"), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
