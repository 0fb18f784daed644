"""A net steadied by a ridge: what is averaged, how much of it, and when it is left out."""

from dataclasses import replace

import numpy as np
import pytest

from forecast.errors import UsageError
from forecast.models.base import COLD, History, Setting
from forecast.models.ensemble import below
from forecast.models.recurrent import GRUConfig, Recurrent
from forecast.models.steadied import LINE, Steadied, build
from forecast.training import linear, steadied
from forecast.training.recurrent import fit
from forecast.training.run import Run

SETTING = Setting(horizon=6, seasons=(6, 18))
SMALL = GRUConfig(units=6, head=8, embedding=2, members=1, updates=40, batch=16)


def history(held=72, series=2, rows=400):
    rng = np.random.default_rng(3)
    t = np.arange(rows)
    shape = np.sin(2 * np.pi * t / 6) + 0.5 * np.sin(2 * np.pi * t / 18)
    z = np.concatenate([shape + 0.1 * rng.normal(size=rows) for _ in range(series)])
    phases = np.stack([t / 6 % 1, t / 18 % 1, 0 * t / 1.0], axis=1)
    offsets = rows * np.arange(series + 1)
    return History(z, np.tile(phases, (series, 1)), offsets, np.full(series, held))


def forecast(model, series, rows=60):
    h = history()
    z, phases = h.z[:rows], h.phases[:rows]
    number = np.array(series)
    every = [np.repeat(a[None], len(number), axis=0) for a in (z, phases)]
    state = model.absorb(model.start(number), *every)
    ahead = np.repeat(h.phases[None, rows : rows + 6], len(number), axis=0)
    return model.predict(state, ahead)


def test_the_forecast_is_the_weighted_mean_of_net_and_ridge():
    model = fit(replace(SMALL, line=0.3), SETTING, history(), Run())
    assert isinstance(model, Steadied)
    net = Recurrent(model.config, SETTING, {k: v for k, v in model.arrays.items() if "." not in k})
    both, alone, line = (forecast(m, [0, 1, COLD]) for m in (model, net, model.line))
    np.testing.assert_allclose(both.quantiles, 0.7 * alone.quantiles + 0.3 * line.quantiles)
    np.testing.assert_allclose(both.scale, 0.7 * alone.scale + 0.3 * line.scale)


def test_the_ridge_is_that_of_the_linear_model():
    model = fit(SMALL, SETTING, history(), Run())
    own = linear.fit(model.line.config, SETTING, history(), Run())
    for name, array in below(model.arrays, LINE).items():
        np.testing.assert_allclose(array, own.arrays[name])


def test_the_share_follows_the_losses_on_held_back_rows():
    untrained = replace(SMALL, updates=2)  # it knows little, and the ridge much
    told = []
    model = fit(untrained, SETTING, history(), Run(tell=told.append))
    assert model.config.line > 0.7
    assert told == [f"share of the linear forecast, from held-back rows: {model.config.line:.2f}"]


def test_the_second_fit_keeps_share_and_settings():
    first = fit(SMALL, SETTING, history(), Run())
    told = []
    again = fit(first.config, SETTING, history(held=0), Run(tell=told.append))
    assert again.config == first.config
    assert not told


def test_without_held_back_rows_the_net_stands_alone():
    model = fit(SMALL, SETTING, history(held=0), Run())
    assert type(model) is Recurrent
    assert model.config.line == 0


def test_a_ridge_too_large_for_its_panel_is_left_out(monkeypatch):
    monkeypatch.setattr(steadied, "MOST", 10)
    assert type(fit(SMALL, SETTING, history(), Run())) is Recurrent
    asked = fit(replace(SMALL, line=0.5), SETTING, history(), Run())
    assert isinstance(asked, Steadied)


def test_arrays_say_what_a_file_holds():
    model = fit(SMALL, SETTING, history(), Run())
    alone = {k: v for k, v in model.arrays.items() if "." not in k}
    assert isinstance(build(model.config, SETTING, model.arrays), Steadied)
    assert type(build(model.config, SETTING, alone)) is Recurrent


def test_settings_that_a_ridge_has_not_are_refused():
    with pytest.raises(UsageError, match="no setting `lag`"):
        fit(replace(SMALL, linear=("lag=3",)), SETTING, history(), Run())
