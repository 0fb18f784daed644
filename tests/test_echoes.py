"""The echo state network of prices: its recursion, its convex readout, its quantiles."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from forecast.errors import FitError
from forecast.models.base import COLD, LEVELS, MEDIAN, History, Setting
from forecast.models.drawing import matrix
from forecast.models.echoes import Echoes, features
from forecast.models.esn import ESNConfig
from forecast.models.moves import NORMAL_SIZE, YEAR, coming
from forecast.models.naive import EWMAConfig
from forecast.models.naive import fit as fit_naive
from forecast.training import echoes
from forecast.training.run import Run
from forecast.training.shown import shown

SETTING = Setting(horizon=3, difference=True)
CONFIG = ESNConfig(units=12, reservoirs=2, inputs_per_unit=4)


def days(rows, series=1):
    working = np.arange(rows * 2)
    working = working[working % 7 < 5][:rows]
    return np.tile(np.mod(working / YEAR, 1.0), (series, 1))[..., None]


def spells(rows=1200, series=4, seed=0):
    """Log prices whose spread comes in spells of a month."""
    rng = np.random.default_rng(seed)
    wild = np.repeat(np.exp(0.8 * rng.normal(size=(series, -(-rows // 20)))), 20, axis=1)
    return (0.01 * wild[:, :rows] * rng.normal(size=(series, rows))).cumsum(axis=1)


def history(z, held=0):
    n, rows = z.shape
    flat = days(rows, n).reshape(n * rows, 1)
    return History(z.ravel(), flat, np.arange(n + 1) * rows, np.full(n, held))


@pytest.fixture(scope="module")
def fitted():
    z = spells()
    return z, echoes.fit(CONFIG, SETTING, history(z, held=200), Run())


def test_states_equal_a_loop_over_the_equation(fitted):
    z, net = fitted
    state = net.absorb(net.start(np.arange(4)), z[:, :90], days(90, 4))
    walked = net.moves.walk(net.moves.start(np.arange(4), net.arrays["variance"]),
                            z[:, :90], days(90, 4))[1]  # fmt: skip
    a = net.config.leak_rate
    for m in range(2):
        W = matrix(net.arrays["W"][m], net.arrays["W_from"][m]).astype(float)
        W_in, x = net.arrays["W_in"][m].astype(float), np.zeros(12)
        for u in walked.u[2].astype(float):
            x = (1 - a) * x + a * np.tanh(W_in[0] + u @ W_in[1:] + W @ x)
        np.testing.assert_allclose(state["x"][2, m], x, atol=1e-5)


def test_rows_in_pieces_give_the_state_of_one_pass(fitted):
    z, net = fitted
    z = np.where(np.random.default_rng(1).random(z.shape) < 0.1, np.nan, z)
    whole = net.absorb(net.start(np.arange(4)), z, days(1200, 4))
    state = net.start(np.arange(4))
    for a, b in ((0, 1), (1, 7), (7, 7), (7, 1200)):
        state = net.absorb(state, z[:, a:b], days(1200, 4)[:, a:b])
    for name, array in whole.items():
        np.testing.assert_allclose(state[name], array, atol=1e-5, err_msg=name)


def test_the_readout_is_learnt_from_what_a_forecast_sees(fitted):
    z, net = fitted
    past = history(z)
    u, last, spread = shown(SETTING, past, net.arrays["variance"])
    learn = echoes._windows(past, SETTING, last, spread, held=False, skip=100)
    x = echoes._states(net, past, u, learn.at)
    k = int(np.flatnonzero((learn.series == 2) & (learn.cutoff == 700))[0])
    state = net.absorb(net.start(np.array([2])), z[2:3, :700], days(700))
    beside = coming(days(703)[:, 700:], state["phase"], SETTING)
    ours = features(state["now"], beside, state["x"].reshape(1, -1))
    theirs = features(u[learn.at[k : k + 1]], learn.beside[k : k + 1], x[k].reshape(1, -1))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    unit = np.sqrt(state["variance"] * [1, 2, 3])
    np.testing.assert_allclose(learn.y[k], (z[2, 700:703] - z[2, 699]) / unit, rtol=1e-9)


def problem(rows=400, features=5, seed=0):
    rng = np.random.default_rng(seed)
    f = np.concatenate([np.ones((rows, 1)), rng.normal(size=(rows, features))], axis=1)
    scale = np.exp(f @ np.array([[0.1, 0.3, -0.2, 0, 0, 0.05]]).T + np.array([0.0, 0.2]))
    y = scale * rng.standard_t(6, size=(rows, 2))
    y[rng.random(y.shape) < 0.05] = np.nan
    return echoes.Problem.of(f, y, np.array([1e-6, 1, 1, 1, 3, 3]))


@pytest.mark.parametrize("ridge", [1e-3, 0.1, 10.0])
def test_scoring_ends_where_a_general_minimiser_does(ridge):
    found = problem()
    size = np.abs(found.y) / NORMAL_SIZE

    def loss(flat):
        A = flat.reshape(6, 2)
        a = found.f @ A
        rows = np.where(np.isnan(size), 0.0, a + size * np.exp(-a)).sum() / len(size)
        return rows + ridge * (found.D[:, None] * A**2).sum() / 2

    best = minimize(loss, np.zeros(12), method="BFGS", options={"gtol": 1e-7})
    assert loss(found.scale(ridge).ravel()) == pytest.approx(best.fun, abs=1e-7)


def test_the_median_is_a_ridge_regression():
    from sklearn.linear_model import Ridge

    found = problem()
    y = np.nan_to_num(found.y)
    root = np.sqrt(found.D)
    theirs = Ridge(0.1 * len(y), fit_intercept=False).fit(found.f / root, y)
    np.testing.assert_allclose(found.middle(0.1), (theirs.coef_ / root).T, atol=1e-8)


def test_a_strong_ridge_leaves_the_spread_of_naive_ewma():
    z = spells()
    past = history(z)
    net = echoes.fit(replace(CONFIG, ridge=1e6, shrink=0.0), SETTING, past, Run())
    naive = fit_naive(EWMAConfig(), SETTING, past, None)
    found = []
    for one in (net, naive):
        state = one.absorb(one.start(np.arange(4)), z, days(1200, 4))
        found.append(one.predict(state, days(1203, 4)[:, 1200:]).scale)
    ratio = found[0] / found[1]
    np.testing.assert_allclose(ratio, np.tile(ratio[:1], (4, 1)), rtol=1e-3)
    assert 0.8 < ratio.min() <= ratio.max() < 1.2


def test_quantiles_are_symmetric_and_in_order_for_known_and_new_series(fitted):
    z, net = fitted
    state = net.absorb(net.start(np.array([0, COLD])), z[:2], days(1200, 2))
    out = net.predict(state, days(1203, 2)[:, 1200:]).quantiles
    assert out.shape == (2, 3, len(LEVELS))
    assert (np.diff(out, axis=-1) > 0).all()
    if net.config.shrink == 0:
        np.testing.assert_array_equal(out[..., MEDIAN], np.tile(z[:2, -1:], 3))
    middle = out[..., MEDIAN, None]
    np.testing.assert_allclose(out - middle, (middle - out)[..., ::-1], atol=1e-12)


def test_a_drift_that_lasts_is_kept_in_the_median():
    rng = np.random.default_rng(1)
    z = (0.01 + 0.003 * rng.normal(size=(5, 700))).cumsum(axis=1)
    net = echoes.fit(CONFIG, SETTING, history(z, held=150), Run())
    assert net.config.shrink > 0.5
    state = net.absorb(net.start(np.arange(5)), z, days(700, 5))
    ahead = net.predict(state, days(703, 5)[:, 700:]).quantiles[..., MEDIAN] - z[:, -1:]
    np.testing.assert_allclose(ahead.mean(axis=0), [0.01, 0.02, 0.03], rtol=0.4)


def test_free_running_is_refused_on_prices():
    with pytest.raises(FitError, match="free running is for values"):
        echoes.fit(replace(CONFIG, mode="free"), SETTING, history(spells()), Run())


@pytest.mark.parametrize("field", [{"lags": 5}, {"hours": "yes"}, {"pull": 0.1}])
def test_settings_that_would_change_nothing_are_refused(field):
    with pytest.raises(FitError, match=f"on prices `{next(iter(field))}` would change nothing"):
        echoes.fit(replace(CONFIG, **field), SETTING, history(spells()), Run())


def test_a_series_too_short_to_learn_from_is_refused():
    with pytest.raises(FitError, match="too short"):
        echoes.fit(CONFIG, SETTING, history(np.zeros((1, 1))), Run())
    assert isinstance(echoes.fit(CONFIG, SETTING, history(spells(rows=12)), Run()), Echoes)
