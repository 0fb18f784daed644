"""Covariates, the year, volatility, paths, standard errors: against brute force and SciPy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import lognorm, norm
from scipy.stats import t as student

from forecast import fitting, transform
from forecast.data.clock import HOUR, Clock
from forecast.data.panel import assemble
from forecast.errors import FitError
from forecast.kernels.kalman import weigh as weigh_fast
from forecast.models.base import LEVELS, MEDIAN, History, Setting
from forecast.models.filter import Volatility, weigh
from forecast.models.kalman import Kalman, KalmanConfig
from forecast.models.sight import look, sight
from forecast.models.structural import design
from forecast.training import choice, logarithm, volatility
from forecast.training.kalman import fit
from forecast.training.run import Run
from forecast.training.structural import VARIANCE, criterion, guesses, innovations

ONE = np.zeros(1, np.int64)


def history_of(z, columns, held=0):
    """One series with its phases and covariates `columns` (T, ...)."""
    return History(z, columns, np.array([0, len(z)]), np.array([held]))


def clock(rows, *seasons, start=0, year=0):
    t = np.arange(start, start + rows)
    return np.stack([*(t % s / s for s in seasons), t % year / year if year else 0.0 * t], axis=1)


# Volatility


@pytest.mark.parametrize("tail", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("lean", [0.0, 0.4])
def test_the_weighted_variance_is_the_same_in_numba(tail, lean):
    u = np.random.default_rng(0).standard_t(4, 300)
    slow = weigh(np.array([2.0]), u[None], Volatility(0.9, tail, lean))[0, :-1]
    np.testing.assert_allclose(weigh_fast(u, 0.9, tail, lean, 2.0), slow, rtol=1e-12)


def test_without_a_tail_the_variance_is_the_exponentially_weighted_one():
    u = np.random.default_rng(0).normal(size=50)
    v = weigh(np.array([1.0]), u[None], Volatility(0.9, 0.0, 0.0))[0]
    expected = 0.9**50 + sum(0.1 * 0.9 ** (49 - k) * u[k] ** 2 for k in range(50))
    assert v[-1] == pytest.approx(expected, rel=1e-12)


def test_a_wild_day_moves_the_variance_less_under_heavy_tails():
    u = np.array([[10.0]])
    moved = [weigh(np.ones(1), u, Volatility(0.9, k, 0.0))[0, 1] for k in (0.0, 0.2)]
    assert moved[1] < 0.5 * moved[0]


def test_a_fall_moves_the_variance_as_much_more_as_lean_says():
    fall, rise = (
        weigh(np.ones(1), np.array([[u]]), Volatility(0.9, 0.0, 0.4))[0, 1] for u in (-3, 3)
    )
    assert (fall - 0.9) / (rise - 0.9) == pytest.approx(1.4 / 0.6)


def test_the_likelihood_of_returns_is_that_of_scipys_t():
    rng = np.random.default_rng(1)
    e, s = 0.01 * rng.standard_t(5, 200), 1.0 + rng.random(200)
    found = Volatility(0.93, 0.2, 0.3)
    u = e / np.sqrt(s)
    v = weigh(np.array([np.mean(u**2)]), u[None], found)[0, :-1]
    width = np.sqrt(v * s * 3 / 5)
    expected = -student.logpdf(e / width, 5) + np.log(width)
    assert volatility.surprise(e, s, found) == pytest.approx(expected.mean(), rel=1e-12)


def test_decay_tail_and_lean_are_found_again():
    rng, v, e = np.random.default_rng(2), 1.0, []
    for _ in range(8000):
        e.append(np.sqrt(v * 4 / 6) * rng.standard_t(6))
        x = e[-1] ** 2
        v += 0.06 * (7 / (4 + x / v) * (1 - 0.4 * np.sign(e[-1])) * x - v)
    found = volatility.estimate(np.array(e), np.ones(len(e)))
    assert found.lean == pytest.approx(0.4, abs=0.1)
    assert 1 - found.decay == pytest.approx(0.06, abs=0.015)
    assert 1 / found.tail == pytest.approx(6, abs=1)


def test_a_short_series_does_not_lean_by_chance():
    rng = np.random.default_rng(5)
    leans = [volatility.estimate(rng.normal(size=40), np.ones(40)).lean for _ in range(20)]
    assert np.std(leans) < 0.3


def test_the_width_is_what_the_variance_leaves_out():
    rng, constant = np.random.default_rng(6), Volatility(0.9995, 0.005, 0.0)
    pair = rng.normal(size=50_000), np.ones(50_000)
    assert volatility.width([pair], constant) == pytest.approx(1.0, abs=0.02)
    wild = np.where(rng.random(50_000) < 0.02, 20.0, 1.0) * pair[0]  # few rows make the variance
    assert volatility.width([(wild, np.ones(50_000))], constant) < 0.7


def test_a_file_of_before_leaning_is_read_as_it_was_meant():
    model = small(decay=0.9, tail=0.2)
    neutral = {"lean": np.zeros(2), "width": np.ones(2)}
    again = replace(model, arrays=model.arrays | neutral)
    z, columns = np.random.default_rng(2).normal(size=(2, 30)), np.tile(clock(30, 6), (2, 1, 1))
    before, after = (
        each.predict(each.absorb(each.start(np.arange(2)), z, columns), columns[:, :5])
        for each in (model, again)
    )
    np.testing.assert_array_equal(before.quantiles, after.quantiles)


def test_the_scores_have_variance_one_and_scipys_quantiles():
    score = volatility.scores(0.2)
    np.testing.assert_allclose(score, student.ppf(LEVELS, 5) / np.sqrt(5 / 3), rtol=1e-12)


# Paths


def small(trend="damped", seasons="6:2", known=(), decay=1.0, tail=0.0):
    config = KalmanConfig(seasons=seasons, trend=trend, ar="yes", anomaly=1, known=1, year=0)
    setting = Setting(5, (6,), known=known)
    names = config.structure(len(known)).names
    guess = {"level": -2.0, "trend": -4.0, "trend-damping": 2.0, "ar": 0.5, "ar-damping": 1.0}
    theta = np.array([[guess.get(name, -1.0) for name in names]] * 2)
    arrays = {
        "parameters": theta, "variance": np.array([0.5, 2.0]), "decay": np.full(2, decay),
        "tail": np.full(2, tail), "scores": np.tile(volatility.scores(tail), (2, 1)),
        "centre": np.array([3.0, 0.0]), "spread": np.ones(2),
    }  # fmt: skip
    return Kalman(config, setting, arrays)


@pytest.mark.parametrize("rows", [0, 40])
def test_paths_have_the_joint_distribution_of_the_state_space_model(rows):
    model = small()
    z = np.random.default_rng(0).normal(size=(2, rows))
    state = model.absorb(model.start(np.arange(2)), z, np.tile(clock(rows, 6), (2, 1, 1)))
    future = np.tile(clock(5, 6, start=rows), (2, 1, 1))
    paths = model.sample(state, future, 40_000, np.random.default_rng(1))
    assert paths.shape == (2, 40_000, 5)
    forecast = model.predict(state, future)
    scale = forecast.scale
    error = (paths.mean(axis=1) - forecast.quantiles[..., MEDIAN]) / scale
    assert np.abs(error).max() < 0.03
    np.testing.assert_allclose(paths.std(axis=1), scale, rtol=0.02)
    covariance = joint(model, state, look(design(model.structure), sight(
        model.structure, model.setting, future))[0])  # fmt: skip
    np.testing.assert_allclose(
        np.cov(paths[0].T) / covariance, 1.0, atol=0.12 if rows == 0 else 0.08
    )


def joint(model, state, h):
    """Covariance (H, H) of the next observations of the first series, by the definition."""
    dynamics = model.dynamics(ONE)
    F, Q = np.diag(dynamics.rho[0]), np.diag(dynamics.q[0])
    F[0, 1] = dynamics.coupling[0]
    P = state["cov"][0].copy()
    v = state["variance"][0]
    P[0, 0] += 0.0 if state["seen"][0] else 1.0 / v
    out = np.zeros((len(h), len(h)))
    for i in range(len(h)):
        P = F @ P @ F.T + Q
        block = P
        for j in range(i, len(h)):
            out[i, j] = out[j, i] = h[j] @ block @ h[i] + (i == j)
            block = F @ block
    return out * v


def test_paths_are_repeatable_and_leave_the_state_alone():
    model = small(decay=0.9, tail=0.2)
    state = model.start(np.arange(2))
    kept = {name: array.copy() for name, array in state.items()}
    future = np.tile(clock(5, 6), (2, 1, 1))
    a, b = (model.sample(state, future, 3, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    for name in kept:
        np.testing.assert_array_equal(state[name], kept[name])


# Regression on covariates and the year

FAST = KalmanConfig(evaluations=80, starts=1, criterion="likelihood")


def test_effects_are_those_of_generalised_least_squares():
    rng = np.random.default_rng(3)
    model = small("none", known=("a", "b"))
    columns = np.concatenate([clock(60, 6), rng.normal(size=(60, 2))], axis=1)
    z = rng.normal(size=60)
    state = model.absorb(model.start(ONE), z[None], columns[None])
    structure = model.structure
    h = look(design(structure), sight(structure, model.setting, columns))
    dynamics = model.dynamics(ONE)
    prior = np.diag(dynamics.prior[0])
    prior[0, 0] = 1e7
    m, T = len(prior), len(z)
    F, Q = np.diag(dynamics.rho[0]), np.diag(dynamics.q[0])
    cov = np.zeros((T, m, T, m))
    P = prior
    for t in range(T):
        P = P if t == 0 else F @ P @ F.T + Q
        block = P
        for u in range(t, T):
            cov[u, :, t], cov[t, :, u] = block, block.T
            block = F @ block
    zz = np.einsum("ti,tiuj,uj->tu", h, cov, h) + np.eye(T)
    last = np.einsum("iuj,uj->iu", cov[-1], h)
    expected = last @ np.linalg.solve(zz, z)
    place = structure.places()["known"]
    assert place.stop - place.start == 6
    np.testing.assert_allclose(state["mean"][0, place], expected[place], atol=1e-5)


def holiday(days, seed=4):
    """Hourly-like load, 12 steps a day, with eight holidays on which the day looks different."""
    rng, t = np.random.default_rng(seed), np.arange(days * 12)
    off = np.isin(t // 12, rng.choice(days - 2, days // 8, replace=False) + 1)
    off[-12:] = True
    profile, other = rng.normal(size=12)[t % 12], rng.normal(size=12)[t % 12]
    z = 5 + np.where(off, 0.4 * profile - 0.5, profile) + 0.1 * np.where(off, other, 0)
    return z + 0.05 * rng.normal(size=len(t)), off.astype(float)


@pytest.mark.parametrize("criterion", ["likelihood", "auto"])
def test_a_holiday_that_is_known_is_forecast(criterion):
    z, off = holiday(96)
    column = (off - off.mean()) / off.std()
    columns = np.concatenate([clock(len(z), 12), column[:, None]], axis=1)
    errors = []
    for names in ((), ("holiday",)):
        setting = Setting(12, (12,), known=names)
        width = 2 + len(names)
        config = replace(FAST, criterion=criterion, known=6)
        model = fit(config, setting, history_of(z[:-12], columns[:-12, :width]), Run())
        state = model.absorb(model.start(ONE), z[None, :-12], columns[None, :-12, :width])
        forecast = model.predict(state, columns[None, -12:, :width])
        errors.append(np.abs(forecast.quantiles[0, :, MEDIAN] - z[-12:]).mean())
    assert errors[1] < 0.5 * errors[0]


def test_collinear_and_constant_covariates_share_what_one_explains():
    rng = np.random.default_rng(5)
    x = rng.normal(size=400)
    z = 2.0 + 0.7 * x + 0.1 * rng.normal(size=400)
    columns = np.stack([0 * x, x, x, 0 * x], axis=1)
    setting = Setting(4, known=("a", "copy", "constant"))
    model = fit(FAST, setting, history_of(z, columns), Run())
    state = model.absorb(model.start(ONE), z[None], columns[None])
    a, b, constant = state["mean"][0, model.structure.places()["known"]]
    assert a == pytest.approx(b, rel=1e-6) and a + b == pytest.approx(0.7, abs=0.03)
    assert constant == 0.0


def test_past_covariates_are_passed_over():
    z, off = holiday(40)
    columns = np.concatenate([clock(len(z), 12), off[:, None], off[:, None]], axis=1)
    setting = Setting(12, (12,), known=("a",), past=("b",))
    model = fit(FAST, setting, history_of(z, columns, held=24), Run())
    state = model.absorb(model.start(ONE), z[None], columns[None])
    assert np.isfinite(model.predict(state, columns[None, :12, :-1]).quantiles).all()


def test_the_year_is_learnt_where_two_of_them_are_seen():
    rng, t = np.random.default_rng(6), np.arange(360)
    z = 3 * np.sin(2 * np.pi * t / 120) + 0.2 * rng.normal(size=360) + 10
    setting, columns = Setting(30, year=True), clock(360, year=120)
    model = fit(FAST, setting, history_of(z[:330], columns[:330]), Run())
    assert model.config.year == 4
    state = model.absorb(model.start(ONE), z[None, :330], columns[None, :330])
    forecast = model.predict(state, columns[None, 330:])
    assert np.abs(forecast.quantiles[0, :, MEDIAN] - z[330:]).mean() < 0.4
    short = fit(FAST, setting, history_of(z[:200], columns[:200]), Run())
    assert short.config.year == 0


# What estimation reports


def test_standard_errors_are_those_of_statsmodels():
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    rng = np.random.default_rng(7)
    z = 0.5 * rng.normal(size=400).cumsum() + rng.normal(size=400)
    config = KalmanConfig(trend="none", variance="constant", evaluations=500)
    model = fit(config, Setting(5), history_of(z, np.zeros((400, 1))), Run())
    theirs = UnobservedComponents(z, "local level", use_exact_diffuse=True)
    irregular, level = theirs.fit(disp=0, cov_type="approx", maxiter=500).params
    assert model.arrays["parameters"][0, 0] == pytest.approx(np.log(level / irregular), abs=1e-3)
    both = theirs.fit(disp=0, maxiter=500, cov_type="approx").cov_params()
    slope = np.array([-1 / irregular, 1 / level])  # of log(level / irregular)
    expected = np.sqrt(slope @ both @ slope)
    assert model.arrays["errors"][0, 0] == pytest.approx(expected, rel=0.02)
    assert model.arrays["converged"][0]


def test_a_variance_of_zero_is_an_estimate():
    z = 5 + np.random.default_rng(8).normal(size=500)
    model = fit(FAST, Setting(5), history_of(z, np.zeros((500, 1))), Run())
    assert model.arrays["parameters"][0, 0] < -12
    assert np.isfinite(model.predict(model.start(ONE), np.zeros((1, 5, 1))).quantiles).all()


def test_a_search_cut_short_is_told_from_one_that_arrived():
    z, _ = holiday(40)
    setting = Setting(12, (12,))
    model = fit(replace(FAST, evaluations=9), setting, history_of(z, clock(len(z), 12)), Run())
    assert not model.arrays["converged"][0]


def test_a_season_longer_than_the_series_is_refused():
    config = KalmanConfig(seasons="168:8")
    with pytest.raises(FitError, match="168 steps is longer than the longest series, 100 rows"):
        fit(config, Setting(12, (24, 168)), history_of(np.ones(100), clock(100, 24, 168)), Run())


def test_a_panel_beyond_the_memory_is_refused_before_the_fit(monkeypatch):
    monkeypatch.setattr(choice, "memory", lambda: 2.0**20)
    z, setting = holiday(40)[0], Setting(12, (12,))
    with pytest.raises(FitError, match="covariances") as caught:
        fit(FAST, setting, History(np.tile(z, 60), np.tile(clock(len(z), 12), (60, 1)),
            np.arange(61) * len(z), np.zeros(60, np.int64)), Run())  # fmt: skip
    assert "seasons" in caught.value.hint


def test_an_explosive_series_keeps_a_finite_forecast():
    z = np.exp(0.5 * np.arange(120))
    model = fit(KalmanConfig(), Setting(5), history_of(z, np.zeros((120, 1))), Run())
    state = model.absorb(model.start(ONE), z[None], np.zeros((1, 120, 1)))
    assert np.isfinite(model.predict(state, np.zeros((1, 5, 1))).quantiles).all()


def test_the_likelihood_of_prices_is_the_heavy_tailed_one():
    rng = np.random.default_rng(9)
    z = 0.01 * rng.standard_t(4, 800).cumsum()
    setting = Setting(1, difference=True)
    model = fit(KalmanConfig(), setting, history_of(z, np.zeros((800, 1))), Run())
    assert model.config.variance == "weighted" and 0.1 < model.arrays["tail"][0] < 0.3
    stretch = choice.cut(model.config, setting, history_of(z, np.zeros((800, 1))), 0)
    moved = Volatility(*(float(model.arrays[name][0]) for name in ("decay", "tail", "lean")))
    value = criterion(model.config, stretch, moved)
    best = model.arrays["parameters"][0]
    assert value(best) <= min(value(best - 0.5), value(best + 0.5)) + 1e-5


@pytest.mark.parametrize(("noise", "walk"), [(0.0, True), (0.02, False)])
def test_only_noise_that_the_likelihood_sees_makes_a_price_lag(noise, walk):
    rng = np.random.default_rng(10)
    z = 0.01 * rng.standard_t(4, 800).cumsum() + noise * rng.normal(size=800)
    model = fit(
        KalmanConfig(), Setting(1, difference=True), history_of(z, np.zeros((800, 1))), Run()
    )
    assert (model.arrays["parameters"][0, 0] == VARIANCE[1]) is np.bool_(walk)
    state = model.absorb(model.start(ONE), z[None], np.zeros((1, 800, 1)))
    middle = model.predict(state, np.zeros((1, 1, 1))).quantiles[0, 0, MEDIAN]
    assert (abs(middle - z[-1]) < 1e-6) == walk


# The transform


def noisy_days(multiplicative: bool, days=40, seed=0):
    """A level that grows tenfold, with a day on it that grows along or does not."""
    t, rng = np.arange(24 * days), np.random.default_rng(seed)
    level = np.exp(t / len(t) * np.log(10))
    shape = 0.3 * np.sin(2 * np.pi * t / 24) + rng.normal(0, 0.05, len(t))
    return level * np.exp(shape) if multiplicative else 5 + level + shape


@pytest.mark.parametrize("multiplicative", [True, False])
def test_logarithms_are_taken_where_the_likelihood_gains(multiplicative):
    y = noisy_days(multiplicative)
    setting, columns = Setting(24, (24,)), clock(len(y), 24)
    both = (history_of(z, columns) for z in (np.log(y), y))
    gain, _ = logarithm.gain(KalmanConfig(), setting, *both)
    assert (gain > 0) == multiplicative


def test_the_gain_of_logarithms_holds_their_jacobian():
    """A local level: densities of y itself, by SciPy's normal and lognormal."""
    y = np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.1, 200)) + 3)
    setting, columns = Setting(1), np.zeros((200, 1))
    config = KalmanConfig(trend="none", variance="constant")
    both = [history_of(z, columns) for z in (np.log(y), y)]
    density = []
    for history, law in zip(both, (lognorm_of, normal_of), strict=True):
        ready = choice.settle(replace(config, criterion="likelihood"), setting, history)
        stretch = choice.cut(ready, setting, history, 0)
        found = []
        for theta in guesses(ready, stretch.structure):
            e, s = innovations(stretch, theta)
            v = np.mean(e**2 / s)
            found.append(law(y[1:], history.z[1:] - e, np.sqrt(v * s)).mean())
        density.append(max(found))
    gain, error = logarithm.gain(config, setting, *both)
    assert gain == pytest.approx(density[0] - density[1])
    assert 0 < error < 0.1


@pytest.mark.parametrize("multiplicative", [True, False])
def test_a_fit_does_without_logarithms_that_its_likelihood_is_against(multiplicative):
    clock_ = Clock("fixed", step=HOUR, seasons=(24,))
    panel = assemble(["a"], [noisy_days(multiplicative)], [0], clock_)
    assert transform.choose(panel).name == "log"  # what is proposed to both
    found = fitting.fit(panel, "kalman", 24, settings={"evaluations": "5", "starts": "1"})
    assert found.transform.name == ("log" if multiplicative else "none")
    assert "logarithms gain" in found.transform.reason or not multiplicative
    asked = fitting.fit(panel, "kalman", 24, transform="log", settings={"evaluations": "5"})
    assert asked.transform.name == "log"


def test_a_fit_names_the_series_without_any_value():
    y = noisy_days(True)
    panel = assemble(["a", "b"], [y, np.full(len(y), np.nan)], [0, 0], Clock("fixed", step=HOUR))
    told = []
    fitting.fit(panel, "snaive", 3, run=Run(tell=told.append))
    assert any("1 series has no value" in line and "`b`" in line for line in told)


def lognorm_of(y, mean, deviation):
    return lognorm.logpdf(y, deviation, scale=np.exp(mean))


def normal_of(y, mean, deviation):
    return norm.logpdf(y, mean, deviation)
