"""The copies of the past, against five-line loops."""

import numpy as np
import pytest

from forecast.models.base import MEDIAN, History, Setting
from forecast.models.naive import (
    DriftConfig,
    EWMAConfig,
    NaiveConfig,
    SeasonalNaiveConfig,
    WeeklyNaiveConfig,
    fill,
    fit,
)

SETTING = Setting(horizon=30, seasons=(4, 12))


def forecast(config, y, setting=SETTING):
    y = np.asarray(y, float)
    n = len(y)
    history = History(y, np.zeros((n, 1)), np.array([0, n]), np.array([0]))
    model = fit(config, setting, history, None)
    state = model.absorb(model.start(np.array([0])), y[None], np.zeros((1, n, 1)))
    return model.predict(state, np.zeros((1, setting.horizon, 1)))


@pytest.mark.parametrize(
    ("config", "lag"), [(NaiveConfig(), 1), (SeasonalNaiveConfig(), 4), (WeeklyNaiveConfig(), 12)]
)
def test_the_median_is_the_value_a_cycle_ago(config, lag):
    y = np.random.default_rng(0).normal(size=40)
    out = list(y)
    for _ in range(30):
        out.append(out[-lag])
    np.testing.assert_array_equal(forecast(config, y).quantiles[0, :, MEDIAN], out[40:])


def test_drift_goes_on_with_the_mean_change():
    y = np.random.default_rng(0).normal(size=25).cumsum()
    slope = (y[-1] - y[0]) / 24
    expected = y[-1] + slope * np.arange(1, 31)
    np.testing.assert_allclose(forecast(DriftConfig(), y).quantiles[0, :, MEDIAN], expected)


def test_ewma_variance_equals_the_loop():
    y = np.random.default_rng(0).normal(size=80).cumsum()
    changes = np.diff(y)
    v = np.mean(changes**2)
    for r in changes:
        v = 0.94 * v + 0.06 * r * r
    out = forecast(EWMAConfig(), y, Setting(horizon=5, difference=True))
    np.testing.assert_allclose(out.scale[0], np.sqrt(v * np.arange(1, 6)), rtol=1e-12)


def test_a_gap_is_filled_by_the_cycle_before():
    y = np.arange(24.0)
    y[[13, 20, 21]] = np.nan
    out = forecast(SeasonalNaiveConfig(), y).quantiles[0, :4, MEDIAN]
    np.testing.assert_array_equal(out, [16, 17, 22, 23])


def test_fill_equals_a_loop():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(3, 23))
    z[rng.random(z.shape) < 0.5] = np.nan
    for size in (1, 4, 30):
        expected = z.copy()
        for t in range(size, 23):
            old = np.isnan(expected[:, t])
            expected[old, t] = expected[old, t - size]
        np.testing.assert_array_equal(fill(z, size), expected)


def test_a_history_shorter_than_the_cycle_falls_back_to_the_last_value():
    out = forecast(WeeklyNaiveConfig(), [3.0, 5.0]).quantiles[0, :, MEDIAN]
    assert set(out) == {3.0, 5.0}
    assert np.isfinite(out).all()
