"""The Kalman filter against the joint Gaussian, statsmodels, filterpy, and its own fast path."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from forecast.errors import FitError, UsageError
from forecast.models import kalman as room
from forecast.models.base import COLD, MEDIAN, NORMAL, History, Setting
from forecast.models.filter import blank, filter_rows
from forecast.models.kalman import Kalman, KalmanConfig
from forecast.models.sight import look, sight
from forecast.models.smoother import smooth
from forecast.models.structural import Sight, Structure, design, read_seasons
from forecast.training import oracle
from forecast.training import structural as training
from forecast.training.kalman import fit
from forecast.training.run import Run

H = 8
VALUES = {
    "level": -2.0, "trend": -4.0, "trend-damping": 2.0, "trend-prior": -3.0, "ar": 0.5,
    "ar-damping": 1.0, "season-6": -3.0, "season-6-prior": 1.0, "season-12": -4.0,
    "season-12-prior": 0.5, "anomaly": -1.0, "anomaly-damping": 1.5,
}  # fmt: skip


def phases(start, count, seasons):
    t = np.arange(start, start + count)
    return np.stack([*(t % s / s for s in seasons), 0.0 * t], axis=1)


def model_of(trend="damped", ar="yes", seasons="6:3,12:4", anomaly=2, series=1, variance=1.0):
    config = KalmanConfig(seasons=seasons, trend=trend, ar=ar, anomaly=anomaly)
    names = config.structure().names
    theta = np.array([[VALUES[name] + 0.1 * i for name in names] for i in range(series)])
    arrays = {
        "parameters": theta, "variance": np.full(series, variance), "decay": np.ones(series),
        "centre": np.zeros(series), "spread": np.ones(series), "rows": np.zeros(series, np.int64),
        "tail": np.zeros(series), "scores": np.tile(NORMAL, (series, 1)),
    }  # fmt: skip
    lengths = tuple(length for length, _ in read_seasons(seasons))
    return Kalman(config, Setting(H, lengths), arrays)


def sample(rows, holes=(), series=1, seed=0):
    z = np.random.default_rng(seed).normal(size=(series, rows)).cumsum(axis=1) * 0.3 + 5.0
    z[:, list(holes)] = np.nan
    return z


def clock(model, start, count, series=1):
    return np.tile(phases(start, count, model.setting.seasons), (series, 1, 1))


def matrices(model, count):
    """Dense F, Q, observation vectors (count, m) and prior covariance of the first series."""
    dynamics = model.dynamics(np.zeros(1, np.int64))
    F = np.diag(dynamics.rho[0])
    if dynamics.coupling[0]:
        F[0, 1] = dynamics.coupling[0]
    rows = sight(model.structure, model.setting, clock(model, 0, count)[0])
    h = look(design(model.structure), rows)
    return F, np.diag(dynamics.q[0]), h, np.diag(dynamics.prior[0])


def joint(model, count):
    """Covariance of the states over time (count, m, count, m), level 0 at the first row."""
    F, Q, h, P = matrices(model, count)
    m = len(F)
    cov = np.zeros((count, m, count, m))
    for t in range(count):
        P = P if t == 0 else F @ P @ F.T + Q
        block = P
        for u in range(t, count):
            cov[u, :, t], cov[t, :, u] = block, block.T
            block = F @ block
    return cov, h


@pytest.mark.parametrize("trend", ["none", "damped", "linear"])
def test_likelihood_states_and_forecasts_are_those_of_the_joint_gaussian(trend):
    # Differences to the first value are free of the diffuse level; their density is ours.
    rows, holes = 30, [4, 5, 6, 17]
    model = model_of(trend)
    z = sample(rows, holes)
    cov, h = joint(model, rows + H)
    zz = np.einsum("ti,tiuj,uj->tu", h, cov, h) + np.eye(rows + H)
    seen = np.setdiff1d(np.arange(1, rows), holes)
    future = np.arange(rows, rows + H)
    D = np.zeros((len(seen) + H, rows + H))
    D[np.arange(len(D)), np.concatenate([seen, future])] = 1.0
    D[:, 0] -= 1.0
    C = D @ zz @ D.T
    n, d = len(seen), z[0, seen] - z[0, 0]
    weights = np.linalg.solve(C[:n, :n], C[:n, n:])
    mean = z[0, 0] + weights.T @ d
    variance = np.diag(C[n:, n:] - C[n:, :n] @ weights)

    times = clock(model, 0, rows)[0]
    table = sight(model.structure, model.setting, times)
    stretch = training.Stretch(model.structure, z[0], table, times, np.zeros(0, np.int64), H)
    e, s = training.innovations(stretch, model.arrays["parameters"][0])
    ours = -0.5 * np.sum(np.log(2 * np.pi * s) + e**2 / s)
    assert ours == pytest.approx(multivariate_normal(cov=C[:n, :n]).logpdf(d), abs=1e-8)

    state = model.absorb(model.start(np.zeros(1, np.int64)), z, clock(model, 0, rows))
    last = np.einsum("iuj,uj->iu", cov[rows - 1], h)  # of the last states with h x
    across = (D[:n] @ last.T).T
    shift = np.zeros(len(last))
    shift[0] = 1.0
    across = across - np.outer(shift, D[:n] @ zz[:, 0])
    states = shift * z[0, 0] + across @ np.linalg.solve(C[:n, :n], d)
    np.testing.assert_allclose(state["mean"][0], states, atol=1e-8)

    forecast = model.predict(state, clock(model, rows, H))
    np.testing.assert_allclose(forecast.quantiles[0, :, MEDIAN], mean, atol=1e-8)
    np.testing.assert_allclose(forecast.scale[0] ** 2, variance, rtol=1e-8)


@pytest.mark.parametrize("trend", ["none", "damped"])
def test_filterpy_agrees(trend):
    model = model_of(trend)
    z, first = sample(200, [20, 21, 90]), 3
    begin = model.absorb(model.start(np.zeros(1, np.int64)), z[:, :first], clock(model, 0, first))
    ours = model.absorb(begin, z[:, first:], clock(model, first, 197))
    mean, cov = oracle.through_filterpy(model, begin, z[0, first:], clock(model, first, 197)[0])
    np.testing.assert_allclose(ours["mean"][0], mean, atol=1e-9)
    np.testing.assert_allclose(ours["cov"][0], cov, atol=1e-9)


def test_statsmodels_agrees():
    # Harvey's rotating seasons against our standing ones; exact diffuse level in both.
    from statsmodels.tsa.statespace.initialization import Initialization
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    model = model_of("none", seasons="6:3", anomaly=0)
    model = replace(model, config=replace(model.config, smoothness=0.0))
    z = sample(80, [11, 12, 40])
    theirs = UnobservedComponents(
        z[0], "local level", autoregressive=1, freq_seasonal=[{"period": 6, "harmonics": 2}],
        use_exact_diffuse=True,
    )  # fmt: skip
    model = replace(model, config=replace(model.config, seasons="6:2"))
    value = dict(zip(model.structure.names, model.arrays["parameters"][0], strict=True))
    noise = {k: np.exp(v) for k, v in value.items()}
    rho = 1 / (1 + np.exp(-value["ar-damping"]))
    order = {"sigma2.irregular": 1.0, "sigma2.level": noise["level"],
             "sigma2.freq_seasonal_6(2)": noise["season-6"], "sigma2.ar": noise["ar"],
             "ar.L1": rho}  # fmt: skip
    start = Initialization(theirs.k_states)
    start.set(0, "diffuse")
    start.set(
        (1, 5), "known", constant=np.zeros(4), stationary_cov=np.eye(4) * noise["season-6-prior"]
    )
    start.set(
        5, "known", constant=np.zeros(1), stationary_cov=np.eye(1) * noise["ar"] / (1 - rho**2)
    )
    theirs.ssm.initialization = start
    result = theirs.filter([order[name] for name in theirs.param_names])

    whole = clock(model, 0, 80)
    seen = sight(model.structure, model.setting, whole[0])
    stretch = training.Stretch(model.structure, z[0], seen, whole[0], np.zeros(0, np.int64), H)
    e, s = training.innovations(stretch, model.arrays["parameters"][0])
    diffuse = -0.5 * np.log(2 * np.pi)  # what theirs counts for the first observation
    ours = -0.5 * np.sum(np.log(2 * np.pi * s) + e**2 / s)
    assert ours + diffuse == pytest.approx(result.llf, abs=1e-8)
    state = model.absorb(model.start(np.zeros(1, np.int64)), z, whole)
    assert state["mean"][0, 0] == pytest.approx(result.filtered_state[0, -1], abs=1e-8)  # level
    assert state["mean"][0, 1] == pytest.approx(result.filtered_state[-1, -1], abs=1e-8)  # ar
    forecast, expected = model.predict(state, clock(model, 80, H)), result.get_forecast(H)
    np.testing.assert_allclose(forecast.quantiles[0, :, MEDIAN], expected.predicted_mean, atol=1e-8)
    np.testing.assert_allclose(forecast.scale[0] ** 2, expected.var_pred_mean, rtol=1e-8)


@pytest.mark.parametrize("trend", ["none", "damped", "linear"])
@pytest.mark.parametrize("ar", ["yes", "no"])
def test_numba_does_what_numpy_does(trend, ar):
    from forecast.kernels.kalman import filter_panel

    model = model_of(trend, ar, series=3)
    z = sample(120, [0, 1, 50, 51], series=3)
    z[1, :30], z[2] = np.nan, np.nan
    rows = sight(model.structure, model.setting, clock(model, 5, 120, 3))
    dynamics, plan = model.dynamics(np.arange(3)), design(model.structure)
    slow, fast = blank(dynamics), blank(dynamics)
    a, b = filter_rows(dynamics, plan, z, rows, slow), filter_panel(dynamics, plan, z, rows, fast)
    np.testing.assert_allclose(a, b, atol=1e-10)
    for name in slow:
        np.testing.assert_allclose(slow[name], fast[name], atol=1e-10)
    np.testing.assert_array_equal(fast["cov"], fast["cov"].transpose(0, 2, 1))


def without_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, "forecast.kernels.kalman", None)


@pytest.mark.parametrize("trend", ["none", "damped"])
def test_errors_ahead_are_the_same_without_numba(trend, monkeypatch):
    model = model_of(trend)
    z, whole = sample(90, [3, 47])[0], clock(model, 0, 90)[0]
    rows = sight(model.structure, model.setting, whole)
    stretch = training.Stretch(model.structure, z, rows, whole, np.array([20, 43, 82]), H)
    args = stretch, model.arrays["parameters"][0]
    fast = training.errors_ahead(*args)
    without_numba(monkeypatch)
    np.testing.assert_allclose(fast, training.errors_ahead(*args), atol=1e-10)
    assert np.isnan(fast).sum() == 1


@pytest.mark.parametrize("numba", [True, False])
def test_pieces_equal_one_pass(numba, monkeypatch):
    import forecast.kernels.kalman  # noqa: F401

    if not numba:
        without_numba(monkeypatch)
    model = model_of(series=2)
    model.arrays["decay"][:] = 0.9
    z = sample(100, [7, 40, 41], series=2)
    z[1, :20] = np.nan
    state = once = model.start(np.arange(2))
    once = model.absorb(once, z, clock(model, 0, 100, 2))
    for a, b in ((0, 1), (1, 13), (13, 50), (50, 100)):
        state = model.absorb(state, z[:, a:b], clock(model, a, b - a, 2))
    for name in once:
        np.testing.assert_allclose(state[name], once[name], atol=1e-9)


def test_a_block_of_rows_is_cut_without_a_trace(monkeypatch):
    model = model_of(series=2)
    z, whole = sample(60, series=2), clock(model, 0, 60, 2)
    once = model.absorb(model.start(np.arange(2)), z, whole)
    monkeypatch.setattr(room, "BLOCK", 1)
    again = model.absorb(model.start(np.arange(2)), z, whole)
    for name in once:
        np.testing.assert_allclose(again[name], once[name], atol=1e-9)


def test_rows_before_the_first_observation_move_nothing():
    model = model_of()
    start = model.start(np.zeros(1, np.int64))
    moved = model.absorb(start, np.full((1, 9), np.nan), clock(model, 0, 9))
    for name in start:
        np.testing.assert_array_equal(moved[name], start[name])


def test_absorb_leaves_the_state_it_was_given():
    model = model_of()
    start = model.start(np.zeros(1, np.int64))
    kept = {name: array.copy() for name, array in start.items()}
    model.absorb(start, sample(5), clock(model, 0, 5))
    for name in kept:
        np.testing.assert_array_equal(start[name], kept[name])


def test_unknown_series_take_the_median_parameters():
    model = model_of(series=3)
    cold = model.dynamics(np.array([COLD]))
    np.testing.assert_array_equal(cold.q, model.dynamics(np.array([1])).q)
    forecast = model.predict(model.start(np.array([COLD])), clock(model, 0, H))
    assert np.isfinite(forecast.quantiles).all() and (forecast.scale > 0).all()


def test_a_longer_season_leaves_out_the_harmonics_of_a_shorter_one():
    structure = Structure(((24, 12), (168, 20)))
    daily, weekly = structure.harmonics()
    assert daily.tolist() == list(range(1, 13))
    assert len(weekly) == 20 and not (weekly % 7 == 0).any()
    full = Structure(((6, 3), (12, 6)), ar=False)
    rows = np.stack([np.arange(12) % 6, 6 + np.arange(12)], axis=1)
    seen = look(design(full), Sight(rows, np.zeros((12, 0))))
    assert np.linalg.matrix_rank(seen) == full.size == 12  # every profile, and each once


# Smoothing


@pytest.mark.parametrize("trend", ["none", "damped", "linear"])
def test_components_are_the_best_linear_ones_of_the_joint_gaussian(trend):
    # The diffuse level is a constant, estimated by generalised least squares.
    rows = 30
    model = model_of(trend)
    z = sample(rows, [5, 6, 17])[0]
    cov, h = joint(model, rows)
    zz = np.einsum("ti,tiuj,uj->tu", h, cov, h) + np.eye(rows)
    seen = np.flatnonzero(~np.isnan(z))
    C, X = zz[np.ix_(seen, seen)], np.ones(len(seen))
    weight = np.linalg.solve(C, X)
    level, spread = weight @ z[seen] / (weight @ X), 1 / (weight @ X)
    found = smooth(model, 0, z, clock(model, 0, rows)[0])
    assert found.names == (*model.structure.places(), "irregular")
    for k, (name, place) in enumerate(model.structure.places().items()):
        loading = np.zeros_like(h)
        loading[:, place] = 1.0 if name == "trend" else h[:, place]
        across = np.einsum("ti,tiuj,uj->tu", loading, cov, h)[:, seen]
        own = np.einsum("ti,titj,tj->t", loading, cov, loading)
        gain = np.linalg.solve(C, across.T).T
        left = float(name == "level") - gain @ X
        mean = gain @ z[seen] + left * level
        variance = own - np.einsum("tu,tu->t", gain, across) + left**2 * spread
        np.testing.assert_allclose(found.mean[k], mean, atol=1e-8)
        np.testing.assert_allclose(found.deviation[k] ** 2, variance, atol=1e-8)
    together = found.mean[[name != "trend" for name in found.names]].sum(axis=0)
    np.testing.assert_allclose(together[seen], z[seen], atol=1e-10)


def test_statsmodels_smooths_alike():
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    model = model_of("none", "no", "none", 0, variance=0.7)
    z = sample(200, [20, 21, 90])[0]
    theirs = UnobservedComponents(z, "local level", use_exact_diffuse=True)
    noise = float(np.exp(model.arrays["parameters"][0, 0]))
    result = theirs.smooth([0.7, 0.7 * noise])
    found = smooth(model, 0, z, clock(model, 0, 200)[0])
    np.testing.assert_allclose(found.mean[0], result.smoothed_state[0], atol=1e-8)
    np.testing.assert_allclose(found.deviation[0] ** 2, result.smoothed_state_cov[0, 0], rtol=1e-8)


def test_rows_before_the_first_observation_have_no_component():
    model = model_of()
    z = sample(40, [0, 1, 2])[0]
    found = smooth(model, 0, z, clock(model, 0, 40)[0])
    assert np.isnan(found.mean[:, :3]).all() and np.isfinite(found.mean[:-1, 3:]).all()
    assert (found.deviation[:, 3:] >= 0).all()


# Estimation


def history_of(*series, seasons=(), held=0, start=0):
    z = np.concatenate(series)
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in series])])
    when = np.concatenate([phases(start, len(s), seasons) for s in series])
    return History(z, when, offsets, np.full(len(series), held))


def load(days, seed=0, size=12):
    """A day of 12 steps, a week, a slow level, an irregular."""
    rng, t = np.random.default_rng(seed), np.arange(days * size)
    profile = rng.normal(size=size)[t % size] + 0.6 * rng.normal(size=7 * size)[t % (7 * size)]
    ar = np.zeros(len(t))
    for k in range(1, len(t)):
        ar[k] = 0.8 * ar[k - 1] + 0.05 * rng.normal()
    return 3.0 + 0.3 * profile + 0.01 * rng.normal(size=len(t)).cumsum() + ar


def replay(model, z, first, every, horizon):
    """Forecast medians and truths (V, H) from `first` on."""
    seasons = model.setting.seasons
    state, done, out = model.start(np.zeros(1, np.int64)), 0, []
    for now in range(first, len(z) - horizon + 1, every):
        state = model.absorb(state, z[None, done:now], phases(done, now - done, seasons)[None])
        out.append(model.predict(state, phases(now, horizon, seasons)[None]).quantiles[0])
        done = now
    truth = np.stack([z[k : k + horizon] for k in range(first, len(z) - horizon + 1, every)])
    return np.stack(out), truth


FAST = KalmanConfig(evaluations=60, starts=1)


def test_two_seasons_are_learnt_better_than_last_week_repeats_them():
    z, seasons = load(70), (12, 84)
    setting = Setting(12, seasons)
    model = fit(FAST, setting, history_of(z[:588], seasons=seasons), Run())
    assert model.config.seasons == "12:6,84:42" and model.config.trend == "none"
    forecast, truth = replay(model, z, 588, 12, 12)
    error = np.abs(truth - forecast[..., MEDIAN]).mean()
    week = np.abs(z[588:] - z[588 - 84 : -84]).mean()
    assert error < 0.75 * week
    inside = (truth >= forecast[..., 2]) & (truth <= forecast[..., -3])
    assert 0.6 < inside.mean() < 0.95


@pytest.mark.parametrize("criterion", ["likelihood", "ahead"])
def test_both_criteria_get_smaller_and_are_repeatable(criterion):
    z, seasons = load(40), (12, 84)
    config, setting = replace(FAST, criterion=criterion), Setting(12, seasons)
    history = history_of(z, seasons=seasons, held=84)
    one, two = (fit(config, setting, history, Run()) for _ in range(2))
    np.testing.assert_array_equal(one.arrays["parameters"], two.arrays["parameters"])
    when = phases(0, len(z), seasons)
    seen = sight(one.structure, setting, when)
    stretch = training.Stretch(one.structure, z, seen, when, np.arange(200, 400, 6), 12)
    value = training.criterion(replace(one.config, criterion=criterion), stretch)
    usual = training.guesses(replace(one.config, begin=()), one.structure)[0]
    assert value(one.arrays["parameters"][0]) < value(usual)


def test_held_back_rows_are_not_looked_at():
    z, seasons = load(30), (12, 84)
    other = np.concatenate([z[:-84], np.random.default_rng(1).normal(size=84) * 50])
    a, b = (fit(FAST, Setting(12, seasons), history_of(s, seasons=seasons, held=84), Run())
            for s in (z, other))  # fmt: skip
    for name in a.arrays:
        np.testing.assert_array_equal(a.arrays[name], b.arrays[name])


def test_a_second_fit_chooses_nothing():
    z, seasons = load(30), (12, 84)
    first = fit(FAST, Setting(12, seasons), history_of(z, seasons=seasons, held=84), Run())
    second = fit(first.config, Setting(12, seasons), history_of(z, seasons=seasons), Run())
    assert replace(second.config, begin=()) == replace(first.config, begin=())
    assert "auto" not in (first.config.seasons, first.config.trend, first.config.ar)


def test_a_series_of_a_panel_does_not_depend_on_its_place():
    a, b, seasons = load(40, 1), load(38, 2), (12,)
    one = fit(FAST, Setting(12, seasons), history_of(a, b, seasons=seasons), Run())
    two = fit(FAST, Setting(12, seasons), history_of(b, a, seasons=seasons), Run())
    np.testing.assert_array_equal(one.arrays["parameters"], two.arrays["parameters"][::-1])


def test_prices_tend_to_the_random_walk():
    z = 0.01 * np.random.default_rng(3).normal(size=1500).cumsum() + 4.0
    model = fit(KalmanConfig(), Setting(5, difference=True), history_of(z[:1200]), Run())
    assert model.structure.names == ("level",)
    forecast, truth = replay(model, z, 1200, 1, 5)
    last = z[1199:-5][: len(truth), None]
    ours, walk = np.abs(truth - forecast[..., MEDIAN]).mean(), np.abs(truth - last).mean()
    assert ours == pytest.approx(walk, rel=0.01)
    inside = (truth >= forecast[..., 2]) & (truth <= forecast[..., -3])
    assert 0.7 < inside.mean() < 0.9


def test_the_variance_of_prices_follows_the_market():
    rng = np.random.default_rng(4)
    calm, wild = 0.005 * rng.normal(size=800), 0.03 * rng.normal(size=200)
    z = np.concatenate([calm, wild, calm, wild]).cumsum()
    model = fit(KalmanConfig(), Setting(1, difference=True), history_of(z), Run())
    assert model.arrays["decay"][0] < 1
    none = np.zeros((1, 1, 1))
    quiet = model.absorb(model.start(np.zeros(1, np.int64)), z[None, :1700], np.zeros((1, 1700, 1)))
    loud = model.absorb(quiet, z[None, 1700:], np.zeros((1, len(z) - 1700, 1)))
    assert model.predict(loud, none).scale[0, 0] > 2.5 * model.predict(quiet, none).scale[0, 0]


def test_a_trend_is_taken_where_there_is_one():
    rng = np.random.default_rng(5)
    slope = 0.05 * rng.normal(size=300).cumsum()
    z = slope.cumsum() + rng.normal(size=300)
    model = fit(KalmanConfig(), Setting(10), history_of(z), Run())
    assert model.config.trend == "damped"
    flat = fit(KalmanConfig(), Setting(10), history_of(rng.normal(size=300)), Run())
    assert flat.config.trend == "none"


@pytest.mark.parametrize("rows", [1, 2, 3, 11, 23, 25, 30])
@pytest.mark.parametrize("seasons", [(), (12,), (12, 84)])
def test_short_series_are_forecast(rows, seasons):
    z = load(3)[:rows]
    model = fit(FAST, Setting(12, seasons), history_of(z, seasons=seasons), Run())
    assert (model.config.seasons == "none") == (not seasons or rows < 24)
    forecast, _ = replay(model, np.concatenate([z, np.zeros(12)]), rows, 12, 12)
    assert np.isfinite(forecast).all() and (np.diff(forecast, axis=-1) > 0).all()
    assert np.abs(forecast[..., MEDIAN] - z.mean()).max() < 5


@pytest.mark.parametrize("value", [0.0, 0.75, -1.5])
@pytest.mark.parametrize("difference", [False, True])
def test_a_constant_series_stays(value, difference):
    seasons = () if difference else (12, 84)
    z = np.full(260, value)
    setting = Setting(12, seasons, difference)
    model = fit(FAST, setting, history_of(z, seasons=seasons), Run())
    forecast, truth = replay(model, z, 240, 12, 12)
    np.testing.assert_allclose(forecast[..., MEDIAN], truth, atol=1e-6)
    assert np.isfinite(forecast).all() and (np.diff(forecast, axis=-1) > 0).all()


def test_a_series_without_a_value_leans_on_the_panel():
    seasons, z = (12,), load(40)
    history = history_of(z, np.full(480, np.nan), z[:5], seasons=seasons)
    model = fit(FAST, Setting(12, seasons), history, Run())
    known = (array for name, array in model.arrays.items() if name != "errors")
    assert all(np.isfinite(array).all() for array in known)
    forecast = model.predict(model.start(np.arange(3)), np.tile(phases(0, 12, seasons), (3, 1, 1)))
    assert np.isfinite(forecast.quantiles).all()
    assert forecast.quantiles[1, :, MEDIAN].mean() == pytest.approx(z.mean(), abs=0.5)


def test_nothing_observed_is_refused():
    with pytest.raises(FitError, match="no observed value"):
        fit(FAST, Setting(12), history_of(np.full(50, np.nan)), Run())


def test_gaps_are_skipped():
    z, seasons = load(50), (12, 84)
    holes = z.copy()
    holes[100:160], holes[300::7] = np.nan, np.nan
    model = fit(FAST, Setting(12, seasons), history_of(holes[:504], seasons=seasons), Run())
    forecast, truth = replay(model, np.where(np.arange(len(z)) < 504, holes, z), 504, 12, 12)
    assert np.abs(truth - forecast[..., MEDIAN]).mean() < 0.3


def test_a_power_of_two_scales_the_forecast():
    z, seasons = load(30), (12,)
    one, many = (fit(FAST, Setting(12, seasons), history_of(c * z, seasons=seasons), Run())
                 for c in (1.0, 4.0))  # fmt: skip
    a, _ = replay(one, z, 348, 12, 12)
    b, _ = replay(many, 4.0 * z, 348, 12, 12)
    np.testing.assert_allclose(4.0 * a, b, rtol=1e-3)


def test_without_numba_the_fit_is_slower_and_says_so(monkeypatch):
    seasons, z = (12,), load(12)
    config = replace(FAST, evaluations=12)
    fast = fit(config, Setting(12, seasons), history_of(z, seasons=seasons), Run())
    without_numba(monkeypatch)
    with pytest.warns(UserWarning, match="numba"):
        slow = fit(config, Setting(12, seasons), history_of(z, seasons=seasons), Run())
    np.testing.assert_allclose(slow.arrays["parameters"], fast.arrays["parameters"], atol=1e-3)


def test_a_filter_that_filterpy_contradicts_is_refused(monkeypatch):
    z = load(4)
    wrong = lambda model, state, z, phases: (state["mean"][0], state["cov"][0])  # noqa: E731
    monkeypatch.setattr(oracle, "through_filterpy", wrong)
    with pytest.raises(FitError, match="filterpy disagree"):
        fit(FAST, Setting(12), history_of(z), Run())


@pytest.mark.parametrize("text", ["", "24", "24:13", "24:0", "a:b", "1:1", "24:6;168:8"])
def test_seasons_that_cannot_be_read_are_refused(text):
    with pytest.raises(ValueError, match="season"):
        KalmanConfig(seasons=text)


def test_a_season_the_data_do_not_have_is_refused():
    with pytest.raises(UsageError, match="no season of 10"):
        fit(
            KalmanConfig(seasons="10:2"),
            Setting(12, (12,)),
            history_of(load(9), seasons=(12,)),
            Run(),
        )


def test_stretch_limits_what_estimation_sees():
    z, seasons = load(200), (12,)
    model = fit(
        replace(FAST, stretch=10), Setting(12, seasons), history_of(z, seasons=seasons), Run()
    )
    assert model.arrays["rows"][0] == 2000  # the least
    whole = fit(
        replace(FAST, stretch=0), Setting(12, seasons), history_of(z, seasons=seasons), Run()
    )
    assert whole.arrays["rows"][0] == 2400
