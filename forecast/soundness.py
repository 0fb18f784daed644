"""Whether a forecaster that came from a file can work: sizes that agree, numbers that are finite.

A checksum tells damage, not intent: a file may be whole and still hold what no fit can have made.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from forecast.data import zones
from forecast.forecaster import KEPT, Forecaster
from forecast.models.base import COLD, LEVELS

LARGEST = 10_000_000  # of a whole number among the settings
UNKNOWN = ("errors",)  # arrays that may hold NaN, where an estimation could not tell


def check(forecaster: Forecaster) -> None:
    """Raise ValueError unless `forecaster` is one that can forecast."""
    f = forecaster
    for facts in (asdict(f.model.config), asdict(f.model.setting), asdict(f.clock)):
        for name, value in facts.items():
            if name != "step" and any(abs(number) > LARGEST for number in _whole(value)):
                raise ValueError(f"`{name}` is beyond reason")
    for seasons in (f.clock.seasons, f.model.setting.seasons):
        if not isinstance(seasons, tuple) or len(_whole(seasons)) < len(seasons):
            raise ValueError("its seasons are no whole numbers")
    if any(zones.named(zone) != zone for zone in set(f.clock.own.values())):
        raise ValueError("its time zones are not written as this version does")
    n, horizon = len(f.ids), f.horizon
    if horizon < 1 or f.clock.step < 1:
        raise ValueError("its horizon or its step is not positive")
    shifts, joint = f.calibration.shifts, f.calibration.correlation
    _agree("calibration", shifts, (len(shifts), horizon, len(LEVELS)), np.float64)
    if joint is not None:
        _agree("calibration", joint, (horizon, horizon), np.float64)
    for name, kind in (("series", np.int64), ("scales", np.float64), ("last", np.int64),
                       ("order", np.int64)):  # fmt: skip
        _agree(name, getattr(f, name), (n,), kind)
    _agree("tail", f.tail, (n, KEPT), np.float64)
    if f.widths is not None:
        _agree("widths", f.widths, (n, len(LEVELS) // 2), np.float64)
    if sorted(f.order.tolist()) != list(range(n)) or list(f.ids) != sorted(set(f.ids)):
        raise ValueError("its series are not in order")
    for name, array in f.model.arrays.items():
        if array.dtype.kind == "f" and name.rsplit(".", 1)[-1] not in UNKNOWN:
            _finite(name, array)
    _finite("calibration", shifts)
    _try(f)


def _try(f: Forecaster) -> None:
    """Forecast a series of the file, and one that is not."""
    cold = f.model.start(np.array([COLD], np.int64))
    if set(cold) != set(f.state):
        raise ValueError("its state is not that of its model")
    for name, array in cold.items():
        _agree(name, f.state[name], (len(f.ids), *array.shape[1:]), array.dtype)
    times = f.clock.ahead(np.zeros(1, np.int64), f.horizon)
    setting = f.model.setting
    beside = np.zeros((1, f.horizon, len(setting.static) + len(setting.known)))
    phases = np.concatenate([f.clock.phases(times), beside], axis=-1)
    prediction = f.model.predict(cold, phases)
    _agree("forecast", prediction.quantiles, (1, f.horizon, len(LEVELS)), np.float64)
    _finite("forecast", prediction.quantiles)
    if len(f.ids) and f.started[0] and not beside.size:
        at = np.zeros(1, np.int64)
        _finite("forecast", f.quantiles(at, f.clock.ahead(f.last[at], f.horizon)))


def _whole(value: Any) -> list[int]:
    if isinstance(value, tuple | list):
        return [number for each in value for number in _whole(each)]
    return [value] if isinstance(value, int) else []


def _agree(name: str, array: Any, shape: tuple[int, ...], kind: Any) -> None:
    if array.shape != shape or array.dtype != kind:
        raise ValueError(f"`{name}` is {array.dtype} {array.shape}, not {np.dtype(kind)} {shape}")


def _finite(name: str, array: Any) -> None:
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` holds what is no number")
