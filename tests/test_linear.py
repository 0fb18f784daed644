"""`linear` against scikit-learn on features built by loops, and its ridge against direct solves."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from forecast.models.base import COLD, LEVELS, MEDIAN, History, Setting
from forecast.models.linear import CLIP, FOLLOW, HOURS, Linear, LinearConfig, Readout
from forecast.models.memory import Memory
from forecast.training.linear import by_scikit_learn, fit
from forecast.training.ridge import Path, Problem, Sums, readouts, solve
from forecast.training.run import Run

SETTING = Setting(horizon=6, seasons=(4, 12), year=True)
SETTLED = LinearConfig(lags=20, hours="yes", ridge=1e-2, pull=1e-2, harmonics=3)


def phases(first: int, count: int, setting: Setting = SETTING) -> np.ndarray:
    t = np.arange(first, first + count)
    return np.stack([(t % s) / s for s in setting.seasons] + [(t / 400) % 1], axis=-1)


def waves(count: int, seed: int = 0, gaps: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(count)
    z = np.sin(t * np.pi / 2) + 0.5 * np.cos(t * np.pi / 6) + np.cumsum(rng.normal(0, 0.03, count))
    z += rng.normal(0, 0.1, count)
    z[rng.random(count) < gaps] = np.nan
    return z


def history(*series: np.ndarray, held: int = 0, setting: Setting = SETTING) -> History:
    offsets = np.concatenate([[0], np.cumsum([len(z) for z in series])]).astype(np.int64)
    clock = np.concatenate([phases(0, len(z), setting) for z in series])
    return History(np.concatenate(series), clock, offsets, np.full(len(series), held))


def brute_features(window: np.ndarray, ahead: np.ndarray) -> list[float]:
    """The features of one window (in spreads, newest last), written out for SETTING, SETTLED."""
    row = [1.0, *window[::-1][:20]]
    row += [np.cos(2 * np.pi * k * ahead[1]) for k in (1, 2, 3)]
    row += [np.sin(2 * np.pi * k * ahead[1]) for k in (1, 2, 3)]
    row += [np.cos(2 * np.pi * k * ahead[2]) for k in (1, 2)]
    row += [np.sin(2 * np.pi * k * ahead[2]) for k in (1, 2)]
    for lag in range(4):
        row += [window[-1 - lag] * np.cos(2 * np.pi * k * ahead[0]) for k in (1, 2)]
        row += [window[-1 - lag] * np.sin(2 * np.pi * k * ahead[0]) for k in (1, 2)]
    return row


def brute_prior() -> np.ndarray:
    prior = np.zeros((47, 6))
    for h in range(6):
        prior[1 + 11 - h, h] = 1.0
    prior[1:5] += FOLLOW / 4
    prior[13:17] -= FOLLOW / 4
    return prior


def test_fit_equals_scikit_learn_on_features_built_by_loops():
    z, model = waves(300), fit(SETTLED, SETTING, history(waves(300)), Run())
    levels = np.array([z[t - 11 : t + 1].mean() for t in range(20, 300)])
    clock = phases(0, 300)
    # The root mean square of every row about the level of its own window, short ones extended.
    first = [
        z[t] - np.mean([z[t - k] if t >= k else brute_before(z, t, k) for k in range(12)])
        for t in range(20)
    ]
    spread = np.sqrt(np.mean(np.square([*first, *(z[20:] - levels)])))
    X, Y = [], []
    for t in range(21, 294):
        level = z[t - 11 : t + 1].mean()
        X.append(
            brute_features(np.clip((z[t - 20 : t + 1] - level) / spread, -CLIP, CLIP), clock[t + 1])
        )
        Y.append((z[t + 1 : t + 7] - level) / spread)
    X, Y, prior = np.array(X), np.array(Y), brute_prior()
    weights = np.concatenate([np.ones(1 + 20 + 6 + 4), np.full(16, HOURS)])
    ridge = Ridge(alpha=len(X) * 1e-2, fit_intercept=False, solver="cholesky")
    W = ridge.fit(X / np.sqrt(weights), Y - X @ prior).coef_.T / np.sqrt(weights)[:, None] + prior
    assert model.arrays["spread"][0] == pytest.approx(spread, rel=1e-12)
    np.testing.assert_allclose(model.arrays["readouts"][0], W, atol=1e-8)
    np.testing.assert_allclose(
        model.arrays["scale"][0], np.sqrt(np.square(Y - X @ W).mean(axis=0)), rtol=1e-8
    )


def brute_before(z: np.ndarray, t: int, k: int) -> float:
    """The value `k` before row `t` where rows 0..t are known: a season on, or the oldest one."""
    period = max((s for s in (1, 4, 12) if s <= t + 1), default=1)
    while k > t:
        k -= period
    return float(z[t - k])


def run_through(model, z, first=0):
    clock = phases(first, len(z), model.setting)
    state = model.absorb(model.start(np.zeros(1, np.int64)), z[None], clock[None])
    return state, model.predict(
        state, phases(first + len(z), model.setting.horizon, model.setting)[None]
    )


def test_predict_is_the_readout_of_the_features():
    z = waves(300)
    model = fit(SETTLED, SETTING, history(z), Run())
    _, prediction = run_through(model, z)
    level, spread = z[-12:].mean(), model.arrays["spread"][0]
    row = brute_features((z[-21:] - level) / spread, phases(300, 1)[0])
    expected = level + spread * np.array(row) @ model.arrays["readouts"][0]
    np.testing.assert_allclose(prediction.quantiles[0, :, MEDIAN], expected, atol=1e-10)
    assert prediction.quantiles.shape == (1, 6, len(LEVELS))
    assert (np.diff(prediction.quantiles, axis=-1) > 0).all()


@pytest.mark.parametrize("gaps", [0.0, 0.2])
@pytest.mark.parametrize("difference", [False, True])
def test_absorbing_in_pieces_equals_one_pass(gaps, difference):
    setting = Setting(3, difference=True) if difference else SETTING
    z = waves(200, gaps=gaps)
    z[:3] = np.nan
    model = fit(LinearConfig(ridge=0.1), setting, history(z, setting=setting), Run())
    clock = phases(0, 200, setting)
    whole = model.absorb(model.start(np.array([0])), z[None], clock[None])
    state = model.start(np.array([0]))
    for part in np.split(np.arange(200), [1, 2, 5, 6, 90]):
        state = model.absorb(state, z[None, part], clock[None, part])
    for name, array in whole.items():
        np.testing.assert_array_equal(state[name], array, err_msg=name)


def test_a_gap_is_filled_from_a_season_ago_and_rows_before_the_first_move_nothing():
    memory = Memory(13, (4, 12), difference=False)
    state = memory.start(np.array([0]), np.zeros(1))
    same, rows, seen = memory.absorb(state, np.full((1, 5), np.nan))
    assert all(np.array_equal(same[k], state[k], equal_nan=True) for k in state)
    assert not rows.any() and not seen.any()
    z = np.arange(20.0)
    z[[2, 6, 17]] = np.nan  # one value known: the last; a short season ago; a long one
    _, rows, seen = memory.absorb(state, np.concatenate([[np.nan], z])[None])
    assert rows[0, [3, 7, 18]].tolist() == [1.0, 1.0, 5.0]  # row 2 is itself 1
    assert seen[0].tolist() == list(range(21))


def test_short_rings_go_on_backwards_by_the_longest_known_season():
    memory = Memory(13, (4, 12), difference=False)
    ring = np.zeros((1, 13))
    ring[0, -5:] = [1, 2, 3, 4, 5]
    extended = memory.extend(ring, np.array([5]))[0]
    assert extended.tolist() == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 5]
    ring[0, -2:] = [7, 8]
    assert memory.extend(ring, np.array([2]))[0].tolist() == [7] * 12 + [8]


def test_prices_keep_to_the_random_walk_and_carry_their_variance():
    rng = np.random.default_rng(3)
    setting = Setting(5, difference=True)
    z = np.cumsum(rng.normal(0, 0.01, (4, 800)), axis=1)
    model = fit(LinearConfig(), setting, history(*z, held=200, setting=setting), Run())
    state, prediction = run_through(model, z[0])
    variance = model.arrays["spread"][0] ** 2
    for change in np.diff(z[0]):
        variance = 0.94 * variance + 0.06 * change**2
    assert state["variance"][0] == pytest.approx(variance)
    np.testing.assert_allclose(prediction.scale[0], np.sqrt(variance * np.arange(1, 6)))
    np.testing.assert_allclose(prediction.quantiles[0, :, MEDIAN], z[0, -1], atol=2e-3)


@pytest.mark.parametrize("count", [1, 2, 7, 13, 30])
@pytest.mark.parametrize("series", [0, COLD])
def test_short_and_cold_series_are_forecast(count, series):
    model = fit(LinearConfig(), SETTING, history(waves(400), waves(350, 1), held=48), Run())
    z = waves(count, 2)
    state = model.absorb(model.start(np.array([series])), z[None], phases(0, count)[None])
    prediction = model.predict(state, phases(count, 6)[None])
    assert np.isfinite(prediction.quantiles).all() and (prediction.scale > 0).all()
    assert np.abs(prediction.quantiles[..., MEDIAN]).max() < 10


@pytest.mark.parametrize(
    "z",
    [np.full(200, 3.0), np.full(200, np.nan), waves(1), waves(5), waves(40), waves(200, gaps=0.6)],
    ids=["constant", "nothing", "one", "five", "forty", "holes"],
)
def test_poor_histories_are_fitted_and_forecast(z):
    model = fit(LinearConfig(), SETTING, history(z, held=len(z) // 4), Run())
    _, prediction = run_through(model, z)
    assert np.isfinite(prediction.quantiles).all() and (prediction.scale > 0).all()
    if np.ptp(z) == 0:  # also where there is one value
        np.testing.assert_allclose(prediction.quantiles[..., MEDIAN], z[0], atol=1e-6)


def test_what_was_chosen_stands_in_the_config_and_is_kept():
    rows = history(waves(600), waves(500, 1), held=60)
    first = fit(LinearConfig(), SETTING, rows, Run())
    assert first.config.lags in (16, 24) and first.config.hours in ("yes", "no")
    assert first.config.ridge > 0 and first.config.pull > 0
    again = fit(first.config, SETTING, replace(rows, validation=np.zeros(2, np.int64)), Run())
    assert again.config == first.config
    # Rows held back are chosen on, not learnt from.
    noise = rows.z.copy()
    noise[540:600] = 9.0
    fixed = fit(first.config, SETTING, replace(rows, z=noise), Run())
    np.testing.assert_array_equal(fixed.arrays["readouts"], first.arrays["readouts"])


def test_a_config_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="hours"):
        LinearConfig(hours="perhaps")
    with pytest.raises(ValueError, match="ridge"):
        LinearConfig(ridge=-1.0)


def problem_sums(rows: int, seed: int, P: int = 12) -> tuple[np.ndarray, np.ndarray, Sums]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, P))
    Y = X @ np.random.default_rng(9).normal(size=(P, 3)) + rng.normal(size=(rows, 3))
    total = Sums.none(P, 3)
    for part in np.array_split(np.arange(rows), 7):
        total.add(X[part], Y[part])
    return X, Y, total


def test_path_solve_and_scikit_learn_equal_a_direct_solve():
    X, Y, total = problem_sums(200, 0)
    D = np.linspace(0.5, 4, 12)
    for ridge in (1e-6, 1e-2, 3.0):
        direct = np.linalg.solve(X.T @ X + 200 * ridge * np.diag(D), X.T @ Y)
        along = Path(total, D).at(ridge)
        for W in (along, solve(total, D, ridge), by_scikit_learn(total, D, ridge)):
            np.testing.assert_allclose(W, direct, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(total.squares(direct), np.square(Y - X @ direct).sum(axis=0))


def test_sums_by_blocks_equal_one_block():
    X, Y, total = problem_sums(200, 0)
    once = Sums.none(12, 3)
    once.add(X, Y)
    np.testing.assert_allclose(total.G, once.G, rtol=1e-12)
    np.testing.assert_allclose(total.C, once.C, rtol=1e-12)
    assert total.rows == once.rows == 200


def test_an_infinite_penalty_leaves_a_feature_out():
    X, Y, total = problem_sums(200, 0)
    D = np.ones(12)
    D[[3, 7]] = np.inf
    W, kept = Path(total, D).at(0.1), np.flatnonzero(np.isfinite(D))
    direct = np.linalg.solve(X[:, kept].T @ X[:, kept] + 20 * np.eye(10), X[:, kept].T @ Y)
    np.testing.assert_allclose(W[kept], direct, rtol=1e-9)
    assert not W[[3, 7]].any()


def test_own_readouts_are_drawn_to_the_shared_one():
    pairs = [problem_sums(rows, seed)[2] for rows, seed in ((300, 1), (200, 2), (5, 3))]

    def learn(pull):
        none = Sums.none(12, 3)
        task = Problem(lambda i: (pairs[i], none), 3, (), np.ones(12), np.zeros((12, 3)))
        return readouts(task, 1e-4, pull).arrays

    loose, tight = learn(1e-9), learn(1e5)
    assert loose["which"].tolist() == [1, 2, 0, 0]  # five rows are fewer than twelve features
    alone = np.linalg.solve(pairs[0].G, pairs[0].C)
    np.testing.assert_allclose(loose["readouts"][1], alone, atol=1e-5)
    np.testing.assert_allclose(tight["readouts"][1], tight["readouts"][0], atol=1e-3)


def test_lags_are_thinned_where_a_week_has_very_many_steps():
    readout = Readout.of(LinearConfig(hours="no"), Setting(12, seasons=(288, 2016)))
    assert readout.places[-1] < 4032 and len(readout.places) < 1000
    assert (
        Linear(
            LinearConfig(hours="no"), Setting(12, seasons=(288, 2016)), {"spread": np.ones(1)}
        ).memory.size
        == 4033
    )


@pytest.mark.parametrize("rows", [30, 200])
def test_generalised_cross_validation_equals_the_hat_matrix(rows):
    """n |y - A y|^2 / (n - tr A)^2 with A = F (F'F + n ridge D)^-1 F', also with P > n."""
    rng = np.random.default_rng(2)
    F, Y = rng.normal(size=(rows, 40)), rng.normal(size=(rows, 3))
    penalties = rng.uniform(0.5, 20, 40)
    penalties[7] = np.inf
    sums = Sums.none(40, 3)
    sums.add(F, Y)
    path, kept = Path(sums, penalties), np.isfinite(penalties)
    for ridge in (1e-3, 1e-1, 3.0):
        G = F[:, kept].T @ F[:, kept] + rows * ridge * np.diag(penalties[kept])
        hat = F[:, kept] @ np.linalg.solve(G, F[:, kept].T)
        left = np.square(Y - hat @ Y).sum()
        expected = rows * left / (rows - np.trace(hat)) ** 2
        assert path.generalised(ridge) == pytest.approx(expected, rel=1e-9)
    hardly = path.generalised(1e-12)
    assert hardly == np.inf if rows < 40 else hardly > 0


def test_without_held_back_rows_the_ridge_is_that_of_generalised_cross_validation():
    rng = np.random.default_rng(4)
    F = rng.normal(size=(60, 30))
    Y = F[:, :2] @ rng.normal(size=(2, 2)) + 3 * rng.normal(size=(60, 2))
    train, held = Sums.none(30, 2), Sums.none(30, 2)
    train.add(F, Y)
    problem = Problem(lambda i: (train, held), 1, (), np.ones(30), np.zeros((30, 2)))
    chosen = readouts(problem, 0.0, 0.0).ridge
    errors = [Path(train, np.ones(30)).generalised(r) for r in problem.ridges]
    assert errors[problem.ridges.index(chosen)] <= 1.003 * min(errors)
    assert chosen > 0.1  # the noise is large
