"""Conformal calibration: ranks by hand, coverage on fresh data, order of the quantiles."""

import numpy as np
import pytest

from forecast import calibration
from forecast.models.base import COLD, LEVELS, MEDIAN, Prediction, gaussian


def held_back(windows, series, width=1.0, seed=0, spread=1.0):
    """Windows of standard normal truth, forecast as normal with a spread of `width`."""
    rng = np.random.default_rng(seed)
    shape = (windows, series, 3)
    quantiles = gaussian(np.zeros((windows * series, 3)), np.full((windows * series, 3), width))
    truth = spread * rng.normal(size=shape)
    return quantiles.quantiles.reshape(*shape, -1), np.ones(shape), truth


@pytest.mark.parametrize("width", [0.3, 1.0, 3.0])
def test_coverage_on_fresh_data_is_what_it_says(width):
    learned = calibration.learn(*held_back(800, 1, width))
    prediction = gaussian(np.zeros((4000, 3)), np.full((4000, 3), width))
    prediction = Prediction(prediction.quantiles, np.ones((4000, 3)))
    out = learned.apply(prediction, np.zeros(4000, np.int64))
    truth = np.random.default_rng(1).normal(size=(4000, 3))
    for low, high in ((0.1, 0.9), (0.25, 0.75), (0.025, 0.975)):
        inside = (truth >= out[..., LEVELS.index(low)]) & (truth <= out[..., LEVELS.index(high)])
        assert inside.mean() == pytest.approx(high - low, abs=0.03)


def test_the_width_is_the_conformal_order_statistic():
    truth = np.arange(1.0, 20.0).reshape(19, 1, 1)  # 19 windows, errors 1..19 above the median
    quantiles, scale = np.zeros((19, 1, 1, len(LEVELS))), np.full((19, 1, 1), 2.0)
    learned = calibration.learn(quantiles, scale, truth)
    # 80 %: t with 18 degrees of freedom is 1.330 at 0.9, the normal's 0.8166: rank 0.8166 * 20.
    assert learned.shifts[-1, 0, LEVELS.index(0.9)] == pytest.approx(0.8166 * 10, abs=1e-3)
    assert learned.shifts[-1, 0, LEVELS.index(0.1)] == pytest.approx(-0.8166 * 10, abs=1e-3)
    assert learned.shifts[-1, 0, LEVELS.index(0.975)] == pytest.approx(9.5)


def test_windows_that_overlap_ask_for_wider_intervals():
    truth = np.arange(1.0, 101.0).reshape(100, 1, 1)
    quantiles, scale = np.zeros((100, 1, 1, len(LEVELS))), np.ones((100, 1, 1))
    place = LEVELS.index(0.9)
    alone, shared = (
        calibration.learn(quantiles, scale, truth, overlap).shifts[-1, 0, place]
        for overlap in (1, 20)
    )
    assert alone == pytest.approx(80.8 + 0.31, abs=0.02)  # rank 0.8 * 101, hardly raised
    # Five that do not overlap: t with 4 degrees of freedom is 1.533 at 0.9, the normal's 0.874.
    assert shared == pytest.approx(0.8747 * 101, abs=0.02)


def test_the_median_stays():
    learned = calibration.learn(*held_back(50, 3, 0.2))
    prediction = gaussian(np.full((3, 3), 5.0), np.ones((3, 3)))
    out = learned.apply(prediction, np.arange(3))
    np.testing.assert_array_equal(out[..., MEDIAN], 5.0)


def test_a_series_with_few_windows_leans_on_the_others():
    quantiles, scale, truth = held_back(300, 2)
    truth[:, 1] *= 10
    truth[3:, 1] = np.nan
    learned = calibration.learn(quantiles, scale, truth)
    own, few, pooled = learned.shifts[:, 0, -1]
    assert abs(few - pooled) < 5
    assert own < pooled + 1
    cold = learned.apply(gaussian(np.zeros((1, 3)), np.ones((1, 3))), np.array([COLD]))
    assert cold[0, 0, -1] == pytest.approx(gaussian(np.zeros((1, 1)), np.ones((1, 1)))
                                           .quantiles[0, 0, -1] + pooled)  # fmt: skip


def test_missing_truth_is_left_out():
    quantiles, scale, truth = held_back(calibration.FEW, 1)
    gappy = np.concatenate([truth, np.full_like(truth, np.nan)])
    twice = np.concatenate([quantiles, quantiles]), np.concatenate([scale, scale])
    np.testing.assert_array_equal(
        calibration.learn(*twice, gappy).shifts, calibration.learn(quantiles, scale, truth).shifts
    )


def test_without_any_truth_nothing_changes():
    quantiles, scale, truth = held_back(5, 2)
    learned = calibration.learn(quantiles, scale, np.full_like(truth, np.nan))
    np.testing.assert_array_equal(learned.shifts, 0.0)


def test_shrinking_never_crosses_the_median():
    quantiles = gaussian(np.zeros((1, 1)), np.full((1, 1), 0.1)).quantiles
    learned = calibration.Calibration(np.linspace(5, -5, len(LEVELS))[None, None])
    out = learned.apply(Prediction(quantiles, np.ones((1, 1))), np.array([0]))
    assert (np.diff(out) >= 0).all()
    assert out[0, 0, MEDIAN] == 0.0
