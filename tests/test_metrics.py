"""Metrics against five-line loops, utilsforecast, statsmodels and the arena's pandas formulas."""

import math

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as oracle
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from forecast import metrics

DECILES = [k / 10 for k in range(1, 10)]
SEASON = 24


@pytest.fixture(scope="module")
def panel():
    """Three series, 200 rows each after 300 rows of training."""
    rng = np.random.default_rng(3)
    size = np.array([1.0, 40.0, 900.0])
    history = size[:, None] * (5 + rng.standard_normal((3, 300)))
    y = size[:, None] * (5 + rng.standard_normal((3, 200)))
    mean = y + size[:, None] * rng.standard_normal(y.shape)
    spread = np.sort(rng.standard_normal((3, 200, 9)), axis=2) * size[:, None, None]
    return history, y, mean, mean[:, :, None] + spread


def flat(panel):
    history, y, mean, q = panel
    scales = np.array([metrics.naive_errors(row, SEASON) for row in history])
    series = np.repeat(np.arange(3), y.shape[1])
    return y.ravel(), mean.ravel(), q.reshape(-1, 9), series, scales


def frames(panel):
    history, y, mean, q = panel
    y, mean, q, series, _ = flat(panel)
    frame = pd.DataFrame({"unique_id": series, "ds": np.tile(np.arange(200), 3), "y": y})
    frame["m"] = mean
    for k, level in enumerate(DECILES):
        frame[f"m-{level}"] = q[:, k]
    train = pd.DataFrame({"unique_id": np.repeat(np.arange(3), 300), "y": history.ravel()})
    train["ds"] = np.tile(np.arange(300), 3)
    return frame, train


def test_scaled_scores_equal_utilsforecast(panel):
    y, mean, _, series, scales = flat(panel)
    frame, train = frames(panel)
    mase = oracle.mase(frame, ["m"], SEASON, train)["m"].mean()
    rmsse = oracle.rmsse(frame, ["m"], SEASON, train)["m"].mean()
    assert metrics.mase(y, mean, series, scales[:, 0]) == pytest.approx(mase, rel=1e-12)
    assert metrics.rmsse(y, mean, series, scales[:, 1]) == pytest.approx(rmsse, rel=1e-12)


def test_percentage_scores_equal_utilsforecast(panel):
    y, mean, _, series, _ = flat(panel)
    frame, _ = frames(panel)
    smape, mape = (100 * f(frame, ["m"])["m"].mean() for f in (oracle.smape, oracle.mape))
    # utilsforecast counts sMAPE from 0 to 1, the competitions and we from 0 to 200 %
    assert metrics.smape(y, mean, series) == pytest.approx(2 * smape, rel=1e-12)
    assert metrics.mape(y, mean, series) == pytest.approx(mape, rel=1e-12)


def test_quantile_scores_equal_utilsforecast(panel):
    y, _, q, *_ = flat(panel)
    frame, _ = frames(panel)
    frame["unique_id"] = 0  # pooled, as ours
    frame["ds"] = np.arange(len(frame))
    models = {"m": [f"m-{level}" for level in DECILES]}
    loss = 2 * oracle.mqloss(frame, models, np.array(DECILES))["m"].iloc[0]
    assert metrics.wql(y, q, DECILES) == pytest.approx(loss / np.abs(y).mean(), rel=1e-12)
    frame["lo"], frame["hi"] = q[:, 0], q[:, -1]
    inside = ((frame["y"] >= frame["lo"]) & (frame["y"] <= frame["hi"])).mean()
    assert metrics.coverage(y, q[:, 0], q[:, -1]) == pytest.approx(inside, rel=1e-12)


def test_every_score_equals_the_loop(panel):
    y, mean, q, *_ = flat(panel)
    absolute = square = signed = loss = truth = 0.0
    for i in range(len(y)):
        absolute += abs(y[i] - mean[i])
        square += (y[i] - mean[i]) ** 2
        signed += mean[i] - y[i]
        truth += abs(y[i])
        for k, p in enumerate(DECILES):
            loss += (p if y[i] >= q[i, k] else p - 1) * (y[i] - q[i, k]) * 2 / 9
    assert metrics.mae(y, mean) == pytest.approx(absolute / len(y), rel=1e-12)
    assert metrics.rmse(y, mean) == pytest.approx(math.sqrt(square / len(y)), rel=1e-12)
    assert metrics.bias(y, mean) == pytest.approx(signed / len(y), rel=1e-12)
    assert metrics.wql(y, q, DECILES) == pytest.approx(loss / truth, rel=1e-12)


def test_missing_truths_change_nothing(panel):
    y, mean, q, series, scales = flat(panel)
    gone = np.random.default_rng(0).random(len(y)) < 0.3
    holed, kept = np.where(gone, np.nan, y), ~gone
    few = (y[kept], mean[kept], series[kept])
    assert metrics.mase(holed, mean, series, scales[:, 0]) == metrics.mase(*few, scales[:, 0])
    assert metrics.rmsse(holed, mean, series, scales[:, 1]) == metrics.rmsse(*few, scales[:, 1])
    assert metrics.smape(holed, mean, series) == metrics.smape(*few)
    assert metrics.wql(holed, q, DECILES) == metrics.wql(y[kept], q[kept], DECILES)
    assert metrics.mae(holed, mean) == pytest.approx(metrics.mae(*few[:2]), rel=1e-12)
    inside = metrics.coverage(holed, q[:, 0], q[:, -1])
    assert inside == metrics.coverage(y[kept], q[kept, 0], q[kept, -1])


def test_zero_denominators_are_left_out():
    y, forecast, series = np.array([0.0, 2.0, 3.0]), np.array([0.0, 1.0, 3.0]), np.array([0, 0, 1])
    assert metrics.mape(y, forecast, series) == (50.0 + 0.0) / 2
    assert metrics.smape(y, forecast, series) == pytest.approx((200 / 3 + 0.0) / 2)
    assert metrics.mase(y, forecast, series, np.array([2.0, 0.0])) == 0.25
    assert metrics.rmsse(y, forecast, series, np.array([0.5, np.nan])) == 1.0
    assert math.isnan(metrics.mase(y, forecast, series, np.zeros(2)))
    assert math.isnan(metrics.wql(np.zeros(2), np.zeros((2, 9)), DECILES))
    assert math.isnan(metrics.mape(np.zeros(2), np.ones(2), np.zeros(2, int)))
    assert math.isnan(metrics.r2(y, forecast, y))
    assert math.isnan(metrics.mae(np.full(2, np.nan), np.ones(2)))


def test_naive_errors_skip_holes():
    values = np.array([1.0, 2.0, np.nan, 4.0, 7.0, 6.0])
    absolute, square = metrics.naive_errors(values, 2)
    assert (absolute, square) == ((2 + 2) / 2, (4 + 4) / 2)
    assert math.isnan(metrics.naive_errors(np.ones(2), 24)[0])


def test_r2_is_zero_for_the_random_walk_and_one_for_the_truth():
    rng = np.random.default_rng(1)
    y, origin = rng.standard_normal((2, 50))
    assert metrics.r2(y, origin, origin) == 0.0
    assert metrics.r2(y, y, origin) == 1.0
    loop = 1 - sum((y - 0.5 * origin) ** 2) / sum((y - origin) ** 2)
    assert metrics.r2(y, 0.5 * origin, origin) == pytest.approx(loop, rel=1e-12)


def test_directions_that_are_not_called_are_left_out():
    origin = np.full(6, 10.0)
    y = np.array([11.0, 9.0, 11.0, 10.0, 12.0, np.nan])
    median = np.array([10.5, 9.5, 9.5, 10.5, 10.0 + 1e-12, 11.0])
    share, low, high = metrics.hit_rate(y, median, origin)
    assert share == pytest.approx(2 / 3)
    assert 0 <= low < share < high <= 1
    assert all(map(math.isnan, metrics.hit_rate(y, origin, origin)))


@given(st.integers(1, 400), st.data())
def test_the_interval_is_wilsons(trials, data):
    hits = data.draw(st.integers(0, trials))
    y = np.where(np.arange(trials) < hits, 1.0, -1.0)
    share, low, high = metrics.hit_rate(y, np.ones(trials), np.zeros(trials))
    expected = proportion_confint(hits, trials, method="wilson")
    assert share == pytest.approx(hits / trials)
    assert (low, high) == pytest.approx(expected, abs=1e-12)
