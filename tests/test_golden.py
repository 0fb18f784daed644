"""Model files of every format that was ever written give the forecasts they gave then.

`python tests/test_golden.py` writes the files that are not there; none is ever written anew.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import fitting, store
from forecast.data import tables
from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.covariates import Column, Covariates
from forecast.data.forecast import Forecast
from forecast.data.panel import Panel, assemble
from forecast.forecaster import Forecaster

FOLDER = Path(__file__).parent / "golden"
FILES = sorted(FOLDER.glob("*.safetensors"))
HORIZON, ROWS = 6, 500
NET = {"units": "4", "head": "6", "members": "1", "updates": "20", "batch": "8"}
LINEAR = {"lags": "25", "harmonics": "3"}
SMALL = {
    "rnn": NET, "gru": NET, "esn": {"units": "12", "reservoirs": "2"},
}  # fmt: skip
LOAD = {
    "rnn": NET | {"context": "3", "linear": "lags=25"},
    "gru": NET | {"context": "3", "linear": "lags=25"},
    "esn": LINEAR | SMALL["esn"],
    "kalman": {"seasons": "24:3", "anomaly": "0", "known": "1", "evaluations": "20"},
    "linear": LINEAR,
    "ensemble": {"members": "linear,snaive", "linear.lags": "25", "linear.harmonics": "3"},
    "snaive": {}, "drift": {},
}  # fmt: skip
PRICES = {**SMALL, "kalman": {}, "naive-ewma": {}}
COLUMNS = (Column("heat", "known"), Column("weather", "known", ("fog", "sun")),
           Column("size", "static"), Column("traffic", "past"))  # fmt: skip


def load() -> Panel:
    """Return hourly load of two series, with covariates, and what is known of six steps more."""
    rng, t = np.random.default_rng(7), np.arange(ROWS + HORIZON)
    heat = 15 + 8 * np.sin(t / 90) + rng.normal(size=(2, len(t)))
    day = (1 + 0.3 * np.sin(2 * np.pi * t / 24)) * (1 + 0.1 * (t // 24 % 7 < 5))
    y = [100 * k * day * (1 + 0.01 * heat[k - 1]) for k in (1, 2)]
    y[1][[50, 51, 300]] = np.nan
    clock = Clock("fixed", step=HOUR, seasons=(24, 168))
    beside = np.stack([
        heat.ravel(), rng.integers(0, 2, 2 * len(t)), np.repeat([1.0, 2.0], len(t)),
        rng.normal(size=2 * len(t)),
    ], axis=1)  # fmt: skip
    return replace(assemble(["a", "b"], y, [0, 0], clock), covariates=Covariates(COLUMNS, beside))


def seen(panel: Panel) -> Panel:
    return panel.until((ROWS - 1) * HOUR)


def prices() -> Panel:
    """Return two prices on trading days."""
    rng, days = np.random.default_rng(3), np.arange(420)
    days = days[days % 7 < 5]
    values = [50 * np.exp(0.01 * rng.normal(size=len(days)).cumsum()) for _ in range(2)]
    panel = assemble(["a", "b"], values, [4 * DAY, 4 * DAY], Clock("trading", unit="D"))
    return replace(panel, times=np.tile((4 + days) * DAY, 2))


def fit(name: str) -> Forecaster:
    """Fit the model of a golden file: what it is fitted on, and its family."""
    data, _, family = name.partition("-")
    if data == "prices":
        return fitting.fit(prices(), family, HORIZON, settings=PRICES[family])
    panel = seen(load())
    if data == "load":
        panel = replace(panel, covariates=None)
    elif data == "zones":
        own = {"a": "Europe/Berlin", "b": "America/New_York"}
        clock = replace(panel.clock, zone="UTC", told="zone", own=own)
        panel = replace(panel, covariates=None, clock=clock)
    elif data == "holidays":
        frame = replace(panel, covariates=None).to_frame()
        panel = tables.read(frame.to_csv(index=False).encode(), holidays="DE")
    return fitting.fit(panel, family, HORIZON, settings=LOAD[family])


def forecast(name: str, model: Forecaster) -> Forecast:
    whole = load()
    ahead = whole.rows(whole.lengths - HORIZON, whole.lengths)
    return model.predict(future=ahead if name.startswith("beside") else None)


NAMES = (
    *(f"load-{family}" for family in LOAD), *(f"prices-{family}" for family in PRICES),
    "beside-gru", "beside-linear", "beside-kalman", "holidays-linear",
    "zones-linear",
)  # fmt: skip


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in NAMES:
        path = FOLDER / f"{store.FORMAT}-{name}.safetensors"
        if not path.exists():
            store.save(fit(name), path)
            forecast(name, store.load(path)).to_frame().to_csv(
                path.with_suffix(".csv"), index=False
            )


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_model_file_of_before_gives_the_forecast_of_then(path):
    found = forecast(path.stem.partition("-")[2], store.load(path)).to_frame()
    then = pd.read_csv(path.with_suffix(".csv"), parse_dates=["ds"])
    assert list(found.columns) == list(then.columns)
    assert (found[["unique_id", "ds"]] == then[["unique_id", "ds"]]).all(axis=None)
    np.testing.assert_allclose(found.iloc[:, 2:], then.iloc[:, 2:], rtol=1e-5)


def test_every_family_has_files_of_this_format():
    assert {f"{store.FORMAT}-{name}" for name in NAMES} <= {path.stem for path in FILES}


if __name__ == "__main__":
    sys.exit(write())
