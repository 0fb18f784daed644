"""Transforms: exact scales, faulty readings, and what is taken for a price."""

import numpy as np
import pytest

from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.panel import assemble
from forecast.errors import UsageError
from forecast.transform import FLOOR, Transform, choose, looks_like_prices, scales

HOURLY = Clock("fixed", step=HOUR, seasons=(24, 168))


def panel(*arrays, clock=HOURLY):
    names = [f"s{i}" for i in range(len(arrays))]
    return assemble(names, [np.asarray(a, float) for a in arrays], [0] * len(arrays), clock)


def daily_load(rows=600, seed=0):
    rng = np.random.default_rng(seed)
    return 100 + 30 * np.sin(np.arange(rows) * np.pi / 12) + rng.normal(size=rows)


def prices(rows=600, seed=0):
    return 50 * np.exp(0.01 * np.random.default_rng(seed).normal(size=rows).cumsum())


def test_scales_are_powers_of_two_near_the_mean():
    found = scales(panel([3.0, 5.0], [0.0, 0.0], [np.nan, np.nan], [-900.0, 1100.0]))
    np.testing.assert_array_equal(found[[0, 1, 3]], [4.0, 1.0, 1024.0])
    assert np.isnan(found[2])


@pytest.mark.parametrize("name", ["none", "log", "diff", "log-diff"])
def test_backward_undoes_forward(name):
    y = np.array([50.0, 70.0, 110.0])
    shape = Transform(name)
    np.testing.assert_allclose(shape.backward(shape.forward(y, 64.0), 64.0), y, rtol=1e-14)


def test_without_a_log_the_round_trip_is_exact():
    y = np.random.default_rng(0).normal(size=1000)
    shape = Transform("none")
    np.testing.assert_array_equal(shape.backward(shape.forward(y, 0.125), 0.125), y)


def test_a_reading_near_zero_is_missing_to_a_log():
    z = Transform("log").forward(np.array([0.0, -1.0, FLOOR * 60, 64.0, np.nan]), 64.0)
    np.testing.assert_array_equal(np.isnan(z), [True, True, True, False, True])


def test_load_is_logged_prices_are_differenced_signed_values_are_left():
    assert choose(panel(daily_load())).name == "log"
    assert choose(panel(prices(), clock=Clock("fixed", step=DAY, seasons=(7,)))).name == "log-diff"
    assert choose(panel(np.random.default_rng(0).normal(size=300))).name == "none"


def test_a_few_zeros_do_not_forbid_a_log():
    y = daily_load()
    y[10] = 0.0
    assert choose(panel(y)).name == "log"


def test_a_user_can_set_it_and_a_wrong_name_is_refused():
    assert choose(panel(daily_load()), "diff").name == "diff"
    with pytest.raises(UsageError, match="sqrt"):
        choose(panel(daily_load()), "sqrt")


def test_most_series_decide_whether_they_are_prices():
    assert looks_like_prices(panel(prices(), prices(seed=1), daily_load()))
    assert not looks_like_prices(panel(prices(), daily_load(seed=1), daily_load()))
    assert not looks_like_prices(panel([1.0, 2.0, 3.0]))
    assert not looks_like_prices(panel(np.full(200, 5.0)))


def test_a_zero_or_negative_price_is_a_fault_and_no_price_is_too_low():
    rng = np.random.default_rng(4)
    y = 50 * np.exp((0.01 * rng.normal(size=900)).cumsum())
    y[300], y[301] = 0, -3
    clock = Clock("trading", unit="D")
    found = choose(assemble(["a"], [y], [0], clock))
    assert found.name == "log-diff"
    assert "positive but for 2 rows, which count as missing" in found.reason
    z = found.forward(np.array([0.0, -3.0, 1e-3, 64.0]), 64.0)
    np.testing.assert_allclose(z, [np.nan, np.nan, np.log(1e-3 / 64), 0.0])
    y[::100] = 0
    assert choose(assemble(["a"], [y], [0], clock)).name != "log-diff"
