"""Scores against utilsforecast, fev, statsmodels, five-line loops and closed forms."""

import math
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as oracle
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from forecast import metrics
from forecast.data.clock import HOUR, Clock
from forecast.metrics import DECILES
from forecast.models.base import LEVELS
from forecast.results import score
from forecast.results.tally import Axes, Rows, Tally

SEASON = 24
NAMES = [f"m-{level}" for level in LEVELS]
# fev 0.10.0 on the arrays of `made`, deciles only; point scores judge the median, RMSE the mean.
FEV = {
    "mae": 261.8193377934855,
    "wape": 0.16590389913788564,
    "mase": 0.7887517845605282,
    "rmse": 517.6784627405261,
    "mape": 0.17897136811491615,
    "smape": 0.18262832775159313,
    "wql": 0.13199100904147912,
    "sql": 0.6277079287899611,
}


def made():
    """Three series, 200 rows each after 300 rows of training: history, y, mean, quantiles."""
    rng = np.random.default_rng(3)
    size = np.array([1.0, 40.0, 900.0])
    history = size[:, None] * (5 + rng.standard_normal((3, 300)))
    y = size[:, None] * (5 + rng.standard_normal((3, 200)))
    mean = y + size[:, None] * rng.standard_normal(y.shape)
    spread = np.sort(rng.standard_normal((3, 200, 15)), axis=2) * size[:, None, None]
    return history, y, mean, mean[:, :, None] + spread


def measured(y, mean, quantiles, mae_scale, mse_scale, series=None):
    """Scores of one window; rows whose truth is missing are not given to a tally."""
    n = len(mae_scale)
    kept = np.isfinite(y.ravel())
    rows = len(y.ravel())
    series = np.repeat(np.arange(n), rows // n) if series is None else series
    step = np.arange(rows) % (rows // n) + 1
    tally = Tally(Axes(n, rows, 1, n, Clock("fixed", HOUR), mae_scale))
    columns = (series, series, np.zeros(rows, int), step, step * HOUR, y.ravel(), mean.ravel())
    tally.add(Rows(*(c[kept] for c in columns), quantiles.reshape(rows, -1)[kept]))
    return score.measured(tally, mae_scale, mse_scale)


def scores():
    history, y, mean, quantiles = made()
    scales = np.array([metrics.naive_errors(row, SEASON) for row in history])
    return measured(y, mean, quantiles, *scales.T)


@pytest.fixture(scope="module")
def frames():
    history, y, mean, q = made()
    frame = pd.DataFrame(
        {"unique_id": np.repeat(np.arange(3), 200), "ds": np.tile(np.arange(200), 3)}
    )
    frame["y"], frame["mean"] = y.ravel(), mean.ravel()
    frame[NAMES] = q.reshape(-1, 15)
    for width, (low, high) in metrics.INTERVALS.items():
        frame[f"m-lo-{width}"], frame[f"m-hi-{width}"] = frame[f"m-{low}"], frame[f"m-{high}"]
    frame["m"] = frame["m-0.5"]
    train = pd.DataFrame({"unique_id": np.repeat(np.arange(3), 300), "y": history.ravel()})
    train["ds"] = np.tile(np.arange(300), 3)
    return frame, train


def test_scores_equal_utilsforecast(frames):
    frame, train = frames
    found, one = scores(), frame.assign(unique_id=0, ds=np.arange(600))
    deciles, levels = {"m": [f"m-{p}" for p in DECILES]}, np.array(DECILES)
    expected = {
        "mase": oracle.mase(frame, ["m"], SEASON, train)["m"].mean(),
        "rmsse": oracle.rmsse(frame, ["mean"], SEASON, train)["mean"].mean(),
        "mae": oracle.mae(one, ["m"])["m"][0],
        "rmse": oracle.rmse(one, ["mean"])["mean"][0],
        "bias": oracle.bias(one, ["mean"])["mean"][0],
        "mape": 100 * oracle.mape(frame, ["m"])["m"].mean(),
        # counted there from 0 to 1, by the competitions and us from 0 to 200 %
        "smape": 200 * oracle.smape(frame, ["m"])["m"].mean(),
        "wape": oracle.nd(one, ["m"])["m"][0],
        "wql": 2 * oracle.mqloss(one, deciles, levels)["m"][0] / one["y"].abs().mean(),
        "sql": 2 * oracle.scaled_mqloss(frame, deciles, levels, SEASON, train)["m"].mean(),
    }  # fmt: skip
    for width in metrics.INTERVALS:
        expected[f"cover{width}"] = oracle.coverage(one, ["m"], width)["m"][0]
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-12), name


def test_scores_equal_fevs():
    found = scores()
    for name, value in FEV.items():
        unit = 100 if name in ("mape", "smape") else 1
        assert found[name] == pytest.approx(unit * value, rel=1e-12), name


def test_interval_scores_equal_a_loop():
    history, y, _, q = made()
    found = scores()
    msis = width = 0.0
    for i in range(3):
        scale = np.abs(history[i, SEASON:] - history[i, :-SEASON]).mean()
        low, high = q[i, :, 0], q[i, :, -1]
        for t in range(200):
            loss = high[t] - low[t]
            loss += 40 * (low[t] - y[i, t]) if y[i, t] < low[t] else 0
            loss += 40 * (y[i, t] - high[t]) if y[i, t] > high[t] else 0
            msis += loss / scale / 600
            width += (high[t] - low[t]) / 600
    assert found["msis"] == pytest.approx(msis)
    assert found["width95"] == pytest.approx(width)


def test_crps_of_a_normal_forecast_is_near_the_closed_form():
    normal, rng = NormalDist(), np.random.default_rng(0)
    y = rng.standard_normal(4000)
    q = np.tile([normal.inv_cdf(p) for p in LEVELS], (4000, 1))
    found = metrics.losses(y, np.zeros(4000), q, LEVELS)["crps"].mean()
    exact = np.mean([v * (2 * normal.cdf(v) - 1) + 2 * normal.pdf(v) - np.pi**-0.5 for v in y])
    assert found == pytest.approx(exact, rel=0.02)
    assert metrics.trapezoid(LEVELS).sum() == pytest.approx(1.0)


def test_missing_truths_change_nothing():
    _, y, mean, q = made()
    gone = np.random.default_rng(0).random(600) < 0.3
    holed = np.where(gone, np.nan, y.ravel())
    scale, series = np.ones(3), np.repeat(np.arange(3), 200)
    ours = measured(holed, mean, q, scale, scale)
    kept = ~gone
    series = np.repeat(np.arange(3), 200)[kept]
    few = [a[kept] for a in (y.ravel(), mean.ravel(), q.reshape(600, -1))]
    theirs = metrics.losses(*few, LEVELS)
    assert ours["mae"] == pytest.approx(theirs["absolute"].mean())
    assert ours["mase"] == pytest.approx(
        np.mean([theirs["absolute"][series == i].mean() for i in range(3)])
    )


def test_zero_denominators_are_left_out():
    y, median = np.array([0.0, 2.0, 3.0]), np.array([0.0, 1.0, 3.0])
    q, series = np.tile(median[:, None], (1, 15)), np.array([0, 0, 1])

    def of(y, scale):
        return measured(y, median, q, np.array(scale), np.array(scale), series[: len(y)])

    found = of(y, [2.0, 0.0])
    assert (found["mape"], found["mase"]) == ((50.0 + 0.0) / 2, 0.25)
    assert found["smape"] == pytest.approx((200 / 3 + 0.0) / 2)
    assert (found["unscaled"], found["zero_truths"]) == (1, 1)
    assert of(y, [0.5, np.nan])["rmsse"] == 1.0
    assert math.isnan(of(y, [0.0, 0.0])["mase"])
    nothing = of(np.zeros(3), [1.0, 1.0])
    assert all(math.isnan(nothing[name]) for name in ("wql", "wape", "mape"))
    assert math.isnan(of(np.full(3, np.nan), [1.0, 1.0])["mae"])


def test_geometric_means_over_tasks():
    assert score.geometric([0.5, 2.0, 0.25]) == pytest.approx(0.25 ** (1 / 3))
    assert score.geometric([0.5, np.nan]) == pytest.approx(0.5)
    assert math.isnan(score.geometric([]))


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
