"""`esn` against reservoirpy, its readout against a direct solve, its fast paths against NumPy."""

import builtins
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest

from forecast.errors import FitError
from forecast.models import drawing, esn
from forecast.models.base import COLD, MEDIAN, History, Setting
from forecast.models.drawing import draw, matrix, spectral_radius
from forecast.models.esn import ESN, ESNConfig, states
from forecast.training import reservoir
from forecast.training.blocks import blocks
from forecast.training.reservoir import fit, network, penalties, prior, sums
from forecast.training.ridge import RIDGES, Path, errors_along, solve
from forecast.training.run import Run

SETTING = Setting(horizon=6, seasons=(4, 12))
SMALL = ESNConfig(units=30, reservoirs=2, inputs_per_unit=4, washout=40)
SETTLED = replace(
    SMALL,
    lags=16,
    hours="no",
    leak_rate=0.6,
    spectral_radius=0.8,
    ridge=1e-3,
    pull=1e-2,
    harmonics=3,
)


def phases(first: int, count: int) -> np.ndarray:
    t = np.arange(first, first + count)
    return np.stack([(t % 4) / 4, (t % 12) / 12, np.zeros(count)], axis=-1)


def waves(count: int, seed: int = 0, gaps: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(count)
    z = np.sin(t * np.pi / 2) + 0.5 * np.cos(t * np.pi / 6) + np.cumsum(rng.normal(0, 0.03, count))
    z += rng.normal(0, 0.1, count)
    z[rng.random(count) < gaps] = np.nan
    return z


def history(*series: np.ndarray, held: int = 0) -> History:
    offsets = np.concatenate([[0], np.cumsum([len(z) for z in series])]).astype(np.int64)
    clock = np.concatenate([phases(0, len(z)) for z in series])
    return History(np.concatenate(series), clock, offsets, np.full(len(series), held))


def absorbed(model: ESN, z: np.ndarray, series: int = 0) -> dict[str, np.ndarray]:
    return model.absorb(model.start(np.array([series])), z[None], phases(0, len(z))[None])


@pytest.mark.parametrize("topology", ["sparse", "cycle"])
def test_states_equal_reservoirpy(topology):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from reservoirpy.nodes import Reservoir
    config = replace(SETTLED, units=50, topology=topology)
    arrays = draw(config, SETTING, 5)
    inputs = np.random.default_rng(1).normal(size=(80, 5)).astype(np.float32)
    inputs[:, 0] = 1.0
    W = matrix(arrays["W"][0], arrays["W_from"][0]).astype(np.float64)
    W_in = arrays["W_in"][0].T.astype(np.float64)
    oracle = Reservoir(W=W, Win=W_in[:, 1:], bias=W_in[:, 0], lr=0.6)
    expected = oracle.run(inputs[:, 1:].astype(np.float64))
    ours = states(
        np.zeros(50, np.float32),
        inputs @ arrays["W_in"][0],
        arrays["W"][0],
        arrays["W_from"][0],
        0.6,
    )
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize("radius", [0.3, 0.99, 1.5])
@pytest.mark.parametrize("inputs_per_unit", [1, 8, 99])
def test_the_spectral_radius_is_reached(radius, inputs_per_unit):
    config = replace(SETTLED, spectral_radius=radius, inputs_per_unit=inputs_per_unit)
    arrays = draw(config, SETTING, 4)
    assert arrays["W"].shape == (2, 30, min(inputs_per_unit, 30))
    for W, W_from in zip(arrays["W"], arrays["W_from"], strict=True):
        assert spectral_radius(W.astype(np.float64), W_from) == pytest.approx(radius, rel=1e-4)
    assert not np.array_equal(arrays["W"][0], arrays["W"][1])


def test_the_draw_follows_the_seed():
    once, again = (draw(SETTLED, SETTING, 4) for _ in range(2))
    other = draw(SETTLED, replace(SETTING, seed=1), 4)
    for name in once:
        np.testing.assert_array_equal(once[name], again[name])
        assert not np.array_equal(once[name], other[name])


@pytest.mark.parametrize("inputs", [2, 4, 11])
@pytest.mark.parametrize("heard", [3, 8])
def test_numba_equals_numpy(inputs, heard):
    fast = pytest.importorskip("forecast.kernels.reservoir").states
    config = replace(SETTLED, units=70, inputs_per_unit=heard)
    W, W_from, W_in, u, x = drawn_for(config, inputs)
    for leak in (0.1, 1.0):
        ours = fast(x, u, W_in, W, W_from, np.float32(leak))
        np.testing.assert_allclose(ours, states(x, u @ W_in, W, W_from, leak), atol=2e-6)


@pytest.mark.parametrize("inputs", [2, 9])
def test_the_cycle_in_numba_equals_numpy(inputs):
    fast = pytest.importorskip("forecast.kernels.reservoir").cycle_states
    W, W_from, W_in, u, x = drawn_for(replace(SETTLED, units=70, topology="cycle"), inputs)
    assert spectral_radius(W.astype(float), W_from) == pytest.approx(0.8)
    ours = fast(x, u, W_in, W[:, 0], np.float32(0.4))
    np.testing.assert_allclose(ours, states(x, u @ W_in, W, W_from, 0.4), atol=2e-6)


@pytest.mark.parametrize("topology", ["sparse", "cycle"])
@pytest.mark.parametrize("units", [5, 30])
def test_many_series_abreast_equal_one_after_another(topology, units, monkeypatch):
    """Also such as begin late, have gaps, or show nothing; in pieces, and more than go abreast."""
    pytest.importorskip("forecast.kernels.reservoir")
    monkeypatch.setattr(esn, "LITTLE", 0)
    monkeypatch.setattr("forecast.models.abreast.MOST", 3)
    model = network(replace(SETTLED, units=units, topology=topology), SETTING, np.ones(2))
    z = np.stack([waves(90, k, gaps=0.05 * k) for k in range(5)])
    z[1, :40], z[3] = np.nan, np.nan
    clock = np.tile(phases(0, 90), (5, 1, 1))
    expected = model.absorb(model.start(np.array([0, 0, 0, 0, COLD])), z, clock)["x"]
    monkeypatch.setattr("forecast.models.abreast.FEWEST", 2)
    for cuts in ([], [1, 33, 80]):
        state = model.start(np.array([0, 0, 0, 0, COLD]))
        for part in np.split(np.arange(90), cuts):
            state = model.absorb(state, z[:, part], clock[:, part])
        np.testing.assert_allclose(state["x"], expected, atol=2e-6)
    assert not state["x"][3].any() and state["x"][1].any()


@pytest.mark.parametrize("topology", ["sparse", "cycle"])
def test_rows_of_many_series_one_by_one_equal_one_pass(topology, monkeypatch):
    """As a stream brings them; with gaps, a ring not yet full, and more series than go together."""
    monkeypatch.setattr(esn, "TOGETHER", 2)
    model = network(replace(SETTLED, units=30, topology=topology), SETTING, np.ones(2))
    z = np.stack([waves(90, k, gaps=0.05 * k) for k in range(5)])
    z[:, 0] = 1.0  # all begin at once: from here on rows of all series go in one step
    clock, number = np.tile(phases(0, 90), (5, 1, 1)), np.array([0, 1, 0, 1, COLD])
    whole = model.absorb(model.start(number), z, clock)
    state = model.start(number)
    for t in range(90):
        state = model.absorb(state, z[:, t : t + 1], clock[:, t : t + 1])
    for name in ("x", "ring", "last", "seen"):
        np.testing.assert_allclose(state[name], whole[name], atol=2e-6)


def drawn_for(config: ESNConfig, inputs: int) -> tuple[np.ndarray, ...]:
    """W, W_from and W_in of a reservoir, strong inputs (200, inputs) and a state."""
    arrays, rng = draw(config, SETTING, inputs), np.random.default_rng(1)
    u = rng.normal(0, 3, (200, inputs)).astype(np.float32)
    x = rng.uniform(-1, 1, config.units).astype(np.float32)
    return arrays["W"][0], arrays["W_from"][0], arrays["W_in"][0], u, x


def test_a_cycle_is_fitted_and_absorbs_in_pieces():
    config, z, clock = replace(SETTLED, topology="cycle"), waves(300), phases(0, 300)
    model = fit(config, SETTING, history(z), Run())
    whole = absorbed(model, z)
    state = model.start(np.array([0]))
    for part in np.split(np.arange(300), [1, 90]):
        state = model.absorb(state, z[None, part], clock[None, part])
    np.testing.assert_allclose(state["x"], whole["x"], atol=1e-6)


def test_a_draw_without_a_spectral_radius_is_refused(monkeypatch):
    monkeypatch.setattr(drawing, "spectral_radius", lambda W, W_from: 0.0)
    with pytest.raises(FitError, match=r"spectral radius .* cannot be reached") as error:
        draw(SETTLED, SETTING, 4)
    assert "--seed" in error.value.hint


def test_without_numba_it_warns_and_runs(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("forecast.kernels"):
            raise ImportError("no numba here")
        return real(name, *args, **kwargs)

    model = network(SETTLED, SETTING, np.ones(2))
    monkeypatch.setattr(esn, "LITTLE", 0)
    expected = absorbed(model, waves(50))["x"]
    monkeypatch.setattr(builtins, "__import__", refuse)
    esn.reservoir_kernels.cache_clear()
    with pytest.warns(UserWarning, match="numba"):
        slow = absorbed(model, waves(50))["x"]
    esn.reservoir_kernels.cache_clear()
    np.testing.assert_allclose(slow, expected, atol=1e-5)


def direct_readout(model: ESN, rows: History, m: int) -> np.ndarray:
    """The readout by a solve in float64; windows come from absorbing one row at a time."""
    z, H, R = rows.z, model.setting.horizon, model.config.units
    given = rows.phases.shape[1] - len(model.setting.past)
    state, windows, plain, Y = model.start(np.array([0])), [], [], []
    for t in range(len(z) - H):
        state = model.absorb(state, z[None, [t]], rows.phases[None, [t]])
        ring = model.memory.extend(state["ring"], state["seen"])
        centred, level, spread = model.centre(ring, state["seen"], np.array([0]))
        windows.append(centred[0])
        ahead = rows.phases[None, t + 1 : t + 1 + H, :given]
        plain.append(model.features(state, centred, ahead)[0, : -2 * R])
        Y.append(np.clip((z[t + 1 : t + 1 + H] - level) / spread, -8, 8))
    inputs = model.inputs(np.array(windows), rows.phases[: len(windows)])
    x = model.drive(m, np.zeros(R, np.float32), inputs).astype(np.float64)
    np.testing.assert_allclose(x[-1], state["x"][0, m], atol=1e-5)
    washout = model.config.washout
    X, Y = np.concatenate([plain, x], axis=1)[washout:], np.array(Y)[washout:]
    prior = model.readout.prior(X.shape[1] - len(model.readout.penalties()))
    G = X.T @ X + len(X) * model.config.ridge * np.diag(penalties(model))
    return prior + np.linalg.solve(G, X.T @ (Y - X @ prior))


def beside(rows: History, seed: int = 5) -> History:
    """The same rows with a static, a known and a past covariate."""
    own = np.random.default_rng(seed).normal(size=(len(rows.z), 3))
    own[:, 0] = 0.7
    return replace(rows, phases=np.concatenate([rows.phases, own], axis=1))


COVERED = replace(SETTING, static=("size",), known=("heat",), past=("traffic",))


@pytest.mark.parametrize("setting", [SETTING, COVERED], ids=["plain", "covariates"])
def test_readout_equals_a_direct_solve(setting):
    rows = history(waves(300))
    rows = beside(rows) if setting.known else rows
    model = fit(SETTLED, setting, rows, Run())
    one, two = direct_readout(model, rows, 0), direct_readout(model, rows, 1)
    plain = len(one) - 30
    expected = np.concatenate([(one[:plain] + two[:plain]) / 2, one[plain:] / 2, two[plain:] / 2])
    np.testing.assert_allclose(model.arrays["readouts"][0], expected, atol=1e-8)


def test_sums_by_blocks_equal_one_block(monkeypatch):
    rows = history(waves(400), held=60)
    model = network(SETTLED, SETTING, np.ones(2))
    whole = sums(model, rows, 0, 0)
    monkeypatch.setattr("forecast.training.blocks.BLOCK", 37)
    for once, cut in zip(whole, sums(model, rows, 0, 0), strict=True):
        np.testing.assert_allclose(cut.G, once.G, atol=1e-8)
        np.testing.assert_allclose(cut.C, once.C, atol=1e-8)
        assert cut.rows == once.rows > 0


@pytest.mark.parametrize(
    "rows",
    [
        history(waves(400), waves(300, 1, gaps=0.03), waves(90, 2), held=40),
        history(np.concatenate([np.full(30, np.nan), waves(200)]), held=24),
    ],
    ids=["ragged", "late"],
)
def test_torch_equals_numpy(rows, monkeypatch):
    device = pytest.importorskip("forecast.training.device_sums")
    monkeypatch.setattr("forecast.training.blocks.BLOCK", 128)
    rows = beside(rows)
    model = network(SETTLED, COVERED, np.ones(len(rows) + 1))
    ours = device.DeviceSums(model, rows, 1, "cpu")
    for i in range(len(rows)):
        for got, expected in zip(ours(i), sums(model, rows, 1, i), strict=True):
            assert got.rows == expected.rows
            np.testing.assert_allclose(got.G, expected.G, atol=1e-3)
            np.testing.assert_allclose(got.C, expected.C, atol=1e-3)
            np.testing.assert_allclose(got.yy, expected.yy, rtol=1e-9)


@pytest.mark.gpu
def test_the_gpu_forecasts_what_the_cpu_does():
    rows = history(waves(400), waves(300, 1), held=48)
    z, ahead = waves(100, 3), phases(100, 6)[None]
    forecasts = [
        model.predict(absorbed(model, z), ahead).quantiles
        for model in (fit(SETTLED, SETTING, rows, Run(device=d)) for d in ("cpu", "cuda"))
    ]
    np.testing.assert_allclose(forecasts[1], forecasts[0], atol=1e-3)


@pytest.mark.parametrize("gaps", [0.0, 0.2])
def test_absorbing_in_pieces_equals_one_pass(gaps):
    z = waves(200, gaps=gaps)
    z[:3] = np.nan
    model, clock = fit(SETTLED, SETTING, history(z), Run()), phases(0, 200)
    whole = absorbed(model, z)
    state = model.start(np.array([0]))
    for part in np.split(np.arange(200), [1, 2, 5, 6, 90]):
        state = model.absorb(state, z[None, part], clock[None, part])
    for name, array in whole.items():
        np.testing.assert_allclose(state[name], array, atol=1e-6, err_msg=name)


def test_rows_before_the_first_observation_leave_the_state():
    model = network(SETTLED, SETTING, np.ones(2))
    late = absorbed(model, np.concatenate([np.full(12, np.nan), waves(40)]))
    np.testing.assert_array_equal(late["x"], absorbed(model, waves(40))["x"])


def test_a_wave_is_learnt_better_than_its_season_repeats():
    z = waves(1200)
    rows = history(z[:1000], held=120)
    model = fit(SMALL, SETTING, rows, Run())
    state, errors = absorbed(model, z[:1000]), []
    for t in range(1000, 1194, 6):
        median = model.predict(state, phases(t, 6)[None]).quantiles[0, :, MEDIAN]
        errors.append(
            [np.abs(median - z[t : t + 6]).mean(), np.abs(z[t - 12 : t - 6] - z[t : t + 6]).mean()]
        )
        state = model.absorb(state, z[None, t : t + 6], phases(t, 6)[None])
    ours, seasonal = np.mean(errors, axis=0)
    assert ours < 0.9 * seasonal
    chosen = model.config
    assert min(chosen.leak_rate, chosen.spectral_radius, chosen.ridge, chosen.lags) > 0
    again = fit(chosen, SETTING, replace(rows, validation=np.zeros(1, np.int64)), Run())
    assert again.config == chosen


@pytest.mark.parametrize("count", [1, 2, 7, 13, 30])
@pytest.mark.parametrize("series", [0, COLD])
def test_short_and_cold_series_are_forecast(count, series):
    model = fit(SMALL, SETTING, history(waves(400), waves(350, 1), held=48), Run())
    state = absorbed(model, waves(count, 2), series)
    prediction = model.predict(state, phases(count, 6)[None])
    assert np.isfinite(prediction.quantiles).all() and (prediction.scale > 0).all()
    assert np.abs(prediction.quantiles[..., MEDIAN]).max() < 10


@pytest.mark.parametrize(
    "z",
    [np.full(200, 3.0), np.full(200, np.nan), waves(1), waves(5), waves(40), waves(200, gaps=0.6)],
    ids=["constant", "nothing", "one", "five", "forty", "holes"],
)
def test_poor_histories_are_fitted_and_forecast(z):
    model = fit(replace(SMALL, washout=-1), SETTING, history(z, held=len(z) // 4), Run())
    prediction = model.predict(absorbed(model, z), phases(len(z), 6)[None])
    assert np.isfinite(prediction.quantiles).all() and (prediction.scale > 0).all()
    if np.ptp(z) == 0:  # also where there is one value
        np.testing.assert_allclose(prediction.quantiles[..., MEDIAN], z[0], atol=1e-5)


def test_blocks_see_what_predict_sees():
    z = waves(100, gaps=0.1)
    model, state = network(SETTLED, SETTING, np.ones(2)), None
    state = model.start(np.array([0]))
    (block,) = blocks(model, history(z), 0)
    for t in range(100):
        state = model.absorb(state, z[None, [t]], phases(t, 1)[None])
        windows = model.memory.extend(state["ring"], state["seen"])
        centred, _, _ = model.centre(windows, state["seen"], np.array([0]))
        np.testing.assert_array_equal(block.centred[t], centred[0])


def test_a_config_that_makes_no_sense_is_refused():
    for wrong in ({"units": 0}, {"leak_rate": 1.5}, {"spectral_radius": -1.0}, {"ridge": -1.0}):
        with pytest.raises(ValueError):
            ESNConfig(**wrong)


def tones(count: int) -> np.ndarray:
    t = np.arange(count)
    return np.sin(0.3 * t) + 0.5 * np.sin(0.17 * t)


FREE = replace(SETTLED, mode="free", units=200, lags=4, ridge=1e-11, state_penalty=1.0)


def free_model(z: np.ndarray) -> ESN:
    return fit(FREE, Setting(horizon=5), flat(z), Run())


def flat(z: np.ndarray) -> History:
    return History(z, np.zeros((len(z), 1)), np.array([0, len(z)]), np.zeros(1, np.int64))


def test_free_running_feeds_its_own_forecasts():
    z = tones(1500)
    model = free_model(z[:1400])
    state = model.absorb(model.start(np.array([0])), z[None, :1400], np.zeros((1, 1400, 1)))
    said = model.predict(state, np.zeros((1, 5, 1))).quantiles[0, :, MEDIAN]
    np.testing.assert_allclose(said, z[1400:1405], atol=0.02)
    direct = ESN(replace(FREE, mode="direct"), model.setting, model.arrays)
    one = direct.predict(state, np.zeros((1, 5, 1))).quantiles[0, :, MEDIAN]
    assert said[0] == pytest.approx(one[0])
    state = model.absorb(state, said[None, :1], np.zeros((1, 1, 1)))
    two = direct.predict(state, np.zeros((1, 5, 1))).quantiles[0, 0, MEDIAN]
    assert said[1] == pytest.approx(two)  # the second step is the first one from the first


LATER = replace(SETTLED, adapt="yes", ridge=1e-4)


def batch_readouts(model: ESN, rows: History, learnt: int) -> list[np.ndarray]:
    """The readouts of all rows at once, their penalty that of the first `learnt` rows."""
    whole, out = rows.z.size, []
    own = History(rows.z, rows.phases, rows.offsets, np.zeros(1, np.int64))
    for m in range(model.config.reservoirs):
        total, _ = sums(model, own, m, 0)
        start = prior(model)
        first, _ = sums(model, cut(rows, learnt), m, 0)
        about = total.about(start)
        G = about.G + first.rows * model.config.ridge * np.diag(penalties(model))
        out.append(start + np.linalg.solve(G, about.C))
        assert total.rows > first.rows > 0 and whole > learnt
    return out


def cut(rows: History, count: int) -> History:
    return History(rows.z[:count], rows.phases[:count], np.array([0, count]), np.zeros(1, np.int64))


@pytest.mark.parametrize("setting", [SETTING, COVERED], ids=["plain", "covariates"])
def test_a_readout_that_learns_on_equals_the_batch(setting):
    rows = history(np.concatenate([np.full(5, np.nan), waves(500)]))
    rows = beside(rows) if setting.known else rows
    model = fit(LATER, setting, cut(rows, 300), Run())
    state = model.start(np.array([0]))
    for part in np.split(np.arange(505), [3, 200, 299, 300, 301, 305, 360, 361]):
        state = model.absorb(state, rows.z[None, part], rows.phases[None, part])
    expected = batch_readouts(model, rows, 300)
    for m, W in enumerate(expected):
        np.testing.assert_allclose(state["weights"][0, m], W, atol=1e-6)
    once = model.absorb(model.start(np.array([0])), rows.z[None], rows.phases[None])
    for name, array in once.items():
        np.testing.assert_allclose(state[name], array, rtol=1e-6, atol=1e-6, err_msg=name)
    given = rows.phases.shape[1] - len(setting.past)
    ahead = phases(505, 6)[None] if setting is SETTING else rows.phases[None, 100:106, :given]
    said = model.predict(state, ahead).quantiles[0, :, MEDIAN]
    plain = len(expected[0]) - 30
    arrays = {
        **model.arrays,
        "readouts": np.concatenate(
            [np.mean([W[:plain] for W in expected], axis=0), *(W[plain:] / 2 for W in expected)]
        )[None],
    }
    still = ESN(model.config, setting, arrays).predict(state, ahead).quantiles[0, :, MEDIAN]
    np.testing.assert_allclose(said, still, atol=1e-6)


def test_a_row_without_all_its_targets_is_not_learnt_from():
    z = waves(400)
    z[350] = np.nan
    rows = history(z)
    model = fit(LATER, SETTING, cut(rows, 300), Run())
    state = absorbed(model, z)
    for m, W in enumerate(batch_readouts(model, rows, 300)):
        np.testing.assert_allclose(state["weights"][0, m], W, atol=1e-6)


def test_the_rows_of_the_fit_are_not_learnt_twice():
    model = fit(LATER, SETTING, history(waves(300), waves(250, 1)), Run())
    state = absorbed(model, waves(250, 1), 1)
    np.testing.assert_array_equal(state["weights"], model.start(np.array([1]))["weights"])
    cold = absorbed(model, waves(250, 1), COLD)
    assert not np.allclose(cold["weights"], state["weights"])
    with pytest.raises(ValueError, match="its own forecasts"):
        ESNConfig(adapt="yes", mode="free")


def test_prices_are_not_learnt_on():
    rows = flat(np.cumsum(np.random.default_rng(0).normal(size=400)))
    with pytest.raises(FitError, match="stays as it was fitted"):
        fit(LATER, Setting(horizon=3, difference=True), rows, Run())


def test_running_free_hears_what_is_known_ahead():
    """A wave that a known covariate moves at once, further than its own past tells."""
    t = np.arange(1600)
    heat = np.random.default_rng(3).normal(size=len(t))
    z = np.sin(0.3 * t) + np.concatenate([[0], heat[1:]])
    rows = replace(flat(z[:1500]), phases=np.stack([0 * t, heat], axis=1)[:1500])
    model = fit(FREE, Setting(horizon=20, known=("heat",)), rows, Run())
    state = model.absorb(model.start(np.array([0])), rows.z[None], rows.phases[None])
    ahead = np.stack([np.zeros(20), heat[1500:1520]], axis=1)
    said = model.predict(state, ahead[None]).quantiles[0, :, MEDIAN]
    np.testing.assert_allclose(said, z[1500:1520], atol=0.1)
    with pytest.raises(FitError, match="past covariate `visits`"):
        fit(FREE, Setting(horizon=20, past=("visits",)), rows, Run())


def test_a_run_that_diverges_is_said_and_gives_the_direct_forecast():
    z = tones(400)
    model = free_model(z)
    model.arrays["readouts"] = model.arrays["readouts"].copy()
    model.arrays["readouts"][:, 1, 0] = 40.0  # the first step: forty times the last value
    state = model.absorb(model.start(np.array([0])), z[None], np.zeros((1, 400, 1)))
    direct = ESN(replace(FREE, mode="direct"), model.setting, model.arrays)
    with pytest.warns(UserWarning, match="free running left the range"):
        said = model.predict(state, np.zeros((1, 5, 1)))
    expected = direct.predict(state, np.zeros((1, 5, 1)))
    np.testing.assert_array_equal(said.quantiles, expected.quantiles)


def test_a_washout_longer_than_the_series_is_refused():
    with pytest.raises(FitError, match="washout of 300 rows") as error:
        fit(replace(SETTLED, washout=300), SETTING, history(waves(200)), Run())
    assert "washout=50" in error.value.hint
    assert (
        fit(replace(SETTLED, washout=-1), SETTING, history(waves(60)), Run())
        .arrays["readouts"]
        .any()
    )


def test_more_than_the_memory_is_refused_with_the_units_that_fit(monkeypatch):
    monkeypatch.setattr(reservoir, "memory", lambda: 1.2e9)
    rows = history(waves(200), waves(200, 1))
    with pytest.raises(FitError, match="9,000 units for 2 series need about") as error:
        fit(replace(SETTLED, units=9000), SETTING, rows, Run())
    units = int(re.search(r"units=(\d+)", error.value.hint)[1])
    assert reservoir.footprint(replace(SETTLED, units=units), SETTING, rows) < 1.2e9


def test_columns_that_repeat_each_other_are_solved():
    """A constant input doubles the bias and a linear one repeats the lags: the Gram is singular."""
    line = np.linspace(1.0, 2.0, 400)
    model = fit(replace(SETTLED, ridge=1e-14), SETTING, history(line, line), Run())
    ahead = model.predict(absorbed(model, line), phases(400, 6)[None]).quantiles[0, :, MEDIAN]
    np.testing.assert_allclose(ahead, 2.0 + (np.arange(6) + 1) / 399, atol=1e-3)


def test_held_back_errors_along_the_ridge_path_equal_separate_fits():
    rows = history(waves(400), held=80)
    model = network(SETTLED, SETTING, np.ones(2))
    train, held = sums(model, rows, 0, 0)
    found = errors_along([(Path(train, penalties(model)), held)], RIDGES)
    for ridge, error in zip(RIDGES, found, strict=True):
        W = solve(train, penalties(model), ridge)
        total = 0.0
        x = np.zeros(30, np.float32)
        for block in blocks(model, rows, 0, 40):
            states = model.drive(0, x, model.inputs(block.centred, block.phases))
            plain = model.readout.features(block.centred, block.ahead)
            said = np.concatenate([plain, states], axis=1)[block.hold] @ W
            total += np.square(block.targets[block.hold] - said).sum()
        assert error * held.yy.sum() == pytest.approx(total, rel=1e-6)
