"""RNN and GRU: NumPy against torch, both against torch.nn, and what training promises."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from forecast.data.clock import HOUR, Clock
from forecast.errors import FitError
from forecast.models.base import COLD, LEVELS, MEDIAN, History, Setting
from forecast.models.inputs import day_of_year, inputs, window
from forecast.models.linear import FOLLOW
from forecast.models.recurrent import GRUConfig, Recurrent, RNNConfig, segment
from forecast.training import budget, network
from forecast.training.recurrent import fit, pinball, rate
from forecast.training.run import InterruptedFit, Run
from forecast.training.windows import Batch, Windows

LOAD = Setting(horizon=10, seasons=(6, 18), year=True)
COVARIATES = {"static": ("area",), "known": ("temperature", "holiday"), "past": ("wind",)}
WEATHER = replace(LOAD, **COVARIATES)
SETTINGS = [LOAD, WEATHER]
CONFIGS = [
    GRUConfig(units=5, head=7, embedding=3, members=2, direct="yes"),
    RNNConfig(units=5, head=7, embedding=3, members=2),
    RNNConfig(units=5, head=7, embedding=3, members=2, activation="relu"),
]
RUN = Run()


def made(config, setting, series=4, seed=0):
    """A net with random biases too, so that none of them can be left out unnoticed."""
    rng = np.random.default_rng(seed)
    arrays = network.initial(config, setting, series)
    arrays = {k: v + rng.normal(0, 0.1, v.shape).astype(np.float32) for k, v in arrays.items()}
    zero = np.zeros_like(arrays["embedding"][:, :1])
    arrays["embedding"] = np.concatenate([arrays["embedding"], zero], axis=1)
    return Recurrent(config, setting, arrays)


def ringed(model, series, gaps=0.0, seed=1):
    rng = np.random.default_rng(seed)
    state = model.start(series)
    rows = rng.normal(size=(len(series), state["ring"].shape[1] + 5)).cumsum(axis=1) * 0.1
    rows[rng.random(rows.shape) < gaps] = np.nan
    return model.absorb(state, rows, rng.normal(size=(*rows.shape, columns(model.setting))))


def columns(setting):
    """Phases and covariates of rows that are absorbed."""
    return len(setting.seasons) + 1 + len(setting.static + setting.known + setting.past)


def phases(setting, n, seed=2):
    """Phases of the target, and covariates known there."""
    shape = (n, setting.horizon, columns(setting) - len(setting.past))
    out = np.random.default_rng(seed).random(shape)
    first = len(setting.seasons) + 1
    static = slice(first, first + len(setting.static))
    out[..., static] = out[:, :1, static]
    return out


def twin(model, state, target, dtype):
    """What the torch network says of the same ring: quantiles (N, H, Q) in units of z."""
    members, setting = model.config.members, model.setting
    a = {k: torch.tensor(v, dtype=dtype) for k, v in model.arrays.items()}
    a["embedding"] = a["embedding"][:, :-1]

    def each(array, dtype=dtype):
        return torch.tensor(array, dtype=dtype).expand(members, *array.shape)

    n, horizon = target.shape[:2]
    first = len(setting.seasons) + 1 + len(setting.static)
    names = np.where(state["series"] == COLD, a["embedding"].shape[1], state["series"])
    rows = state["ring"].shape[1]
    batch = Batch(
        ring=each(state["ring"], torch.float64),
        phases=each(target[:, 0, :first]),
        past=each(state.get("past", np.zeros((n, rows, 0)))),
        known=each(target[:, :, first:]),
        target=each(np.zeros((n, horizon)), torch.float64),
        series=each(names, torch.int64),
    )
    x, level, spread = network.window(batch.ring, 6, 18)
    out = network.net(a, x.to(dtype), batch, model.config, setting).mean(0)
    unit = spread[0].numpy()[:, None] * np.ones(horizon)
    return level[0].numpy()[:, None, None] + unit[..., None] * out.double().numpy()


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("gaps", [0.0, 0.2])
def test_numpy_equals_the_torch_twin(config, setting, gaps):
    model = made(config, setting)
    series = np.array([0, 3, COLD, 1])
    state, target = ringed(model, series, gaps), phases(setting, 4)
    ours = model.predict(state, target).quantiles
    close = 2e-6 * max(np.abs(ours).max(), 1)
    np.testing.assert_allclose(ours, twin(model, state, target, torch.float32), atol=close)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_numpy_equals_the_torch_twin_in_float64(config, setting, monkeypatch):
    model = made(config, setting)
    arrays = {k: v.astype(np.float64) for k, v in model.arrays.items()}
    model = replace(model, arrays=arrays)
    monkeypatch.setattr(np, "float32", np.float64)
    series = np.array([0, 3, COLD, 1])
    state, target = ringed(model, series), phases(setting, 4)
    ours = model.predict(state, target).quantiles
    close = 1e-12 * max(np.abs(ours).max(), 1)
    np.testing.assert_allclose(ours, twin(model, state, target, torch.float64), atol=close)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_recurrence_is_that_of_torch_nn(config):
    model = made(replace(config, members=1), LOAD)
    a, size = model.arrays, config.units
    inputs = a["W"].shape[1]
    if config.cell == "gru":
        cell = torch.nn.GRUCell(inputs, size)
        hidden_bias = np.concatenate([np.zeros(2 * size), a["c"][0]])
    else:
        cell = torch.nn.RNNCell(inputs, size, nonlinearity=config.activation)
        hidden_bias = np.zeros(size)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.tensor(a["W"][0].T))
        cell.weight_hh.copy_(torch.tensor(a["U"][0].T))
        cell.bias_ih.copy_(torch.tensor(a["b"][0]))
        cell.bias_hh.copy_(torch.tensor(hidden_bias))
        u = torch.randn(6, 4, inputs, generator=torch.Generator().manual_seed(0))
        h, ours = torch.zeros(4, size), np.zeros((1, 4, size), np.float32)
        for step in u:
            h = cell(step, h)
            ours = model._step(step.numpy()[None] @ a["W"] + a["b"][:, None], ours)
    np.testing.assert_allclose(ours[0], h.numpy(), atol=1e-6)


def test_relu_starts_from_the_identity():
    arrays = network.initial(CONFIGS[2], LOAD, 1)
    np.testing.assert_array_equal(arrays["U"], np.tile(np.eye(5, dtype=np.float32), (2, 1, 1)))


@pytest.mark.parametrize("direct", ["yes", "no"])
def test_the_first_quantiles_are_normal_around_the_past(direct):
    config = replace(CONFIGS[0], members=1, direct=direct)
    arrays = network.initial(config, LOAD, 1)
    for name in ("head", "mix"):
        arrays[name][:] = 0
    names = (np.array([0, 0]), np.array([3, 365]))
    model = Recurrent(config, LOAD, {**arrays, "embedding": np.zeros((1, 2, 0), np.float32)})
    x = np.random.default_rng(0).normal(size=(2, 6, 6)).astype(np.float32)
    u, f = inputs(x, np.zeros((2, 36, 0)), phases(LOAD, 2), LOAD)
    out = model.net(u, f, x, names)[0]
    first = (x[:, -3] + x[:, -1]) / 2  # one longest season ago and the last day
    if direct == "yes":  # the former, moved by how far the last day departed from its own
        first = x[:, -3] + FOLLOW * (x[:, -1] - x[:, -4]).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(out[:, :6, MEDIAN], first, rtol=1e-4, atol=1e-6)
    from statistics import NormalDist

    spread = network.FIRST_SPREAD * NormalDist().inv_cdf(0.9)
    np.testing.assert_allclose(out[..., -3] - out[..., MEDIAN], spread, rtol=1e-4)


def test_quantiles_never_cross_whatever_the_parameters():
    model = made(CONFIGS[0], LOAD, seed=3)
    for array in model.arrays.values():
        array *= 30
    state = ringed(model, np.arange(4))
    assert (np.diff(model.predict(state, phases(LOAD, 4)).quantiles, axis=-1) >= 0).all()


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_window_of_missing_rows_is_finite(setting):
    model = made(CONFIGS[0], setting)
    state = model.start(np.array([0, COLD]))
    assert np.isfinite(model.predict(state, phases(setting, 2)).quantiles).all()


def test_a_window_fills_gaps_with_the_same_hour_of_other_days():
    ring = np.tile(np.arange(6.0), 6)[None]
    ring[0, 20] = np.nan
    seen = window(ring, 6, 18)
    whole = window(np.tile(np.arange(6.0), 6)[None], 6, 18)
    assert seen.x[0, 3, 2] == pytest.approx(whole.x[0, 3, 2], abs=0.1)
    assert np.isfinite(seen.x).all()


def wave(rows=400, series=3, held=60, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(rows)
    z = np.stack(
        [np.sin(2 * np.pi * t / 6 + i) + 0.1 * rng.normal(size=rows) for i in range(series)]
    )
    angles = np.stack([t % 6 / 6, t % 18 / 18, t / 4000], axis=-1)
    return History(
        z.ravel(),
        np.tile(angles, (series, 1)),
        np.arange(series + 1) * rows,
        np.full(series, held),
    )


SMALL = GRUConfig(units=8, head=12, embedding=2, members=2, updates=60, batch=16, line=0.0)


def test_training_learns_a_wave():
    model = fit(SMALL, LOAD, wave(), RUN)
    state = model.start(np.arange(3))
    history = wave()
    z = history.z.reshape(3, -1)
    state = model.absorb(state, z[:, :-10], history.phases.reshape(3, 400, 3)[:, :-10])
    out = model.predict(state, history.phases.reshape(3, 400, 3)[:, -10:]).quantiles
    assert np.abs(out[..., MEDIAN] - z[:, -10:]).mean() < 0.2


def test_the_same_seed_gives_the_same_arrays_and_another_seed_others():
    one, two = fit(SMALL, LOAD, wave(), RUN), fit(SMALL, LOAD, wave(), RUN)
    other = fit(SMALL, replace(LOAD, seed=5), wave(), RUN)
    assert all((one.arrays[k] == two.arrays[k]).all() for k in one.arrays)
    assert (one.arrays["W"] != other.arrays["W"]).any()


def test_a_cut_schedule_repeats_the_updates_of_the_whole_one():
    first = fit(SMALL, LOAD, wave(), RUN)
    assert 0 < first.config.stop <= 60
    again = fit(first.config, LOAD, wave(), RUN)
    assert again.config.stop == first.config.stop
    assert all((first.arrays[k] == again.arrays[k]).all() for k in first.arrays)


class StopError(Exception):
    pass


def test_a_training_cut_short_goes_on_to_the_same_bytes(tmp_path):
    whole = fit(SMALL, LOAD, wave(), RUN)

    def stop_half_way(stage, done, note):
        if done >= 0.5:
            raise StopError

    prefix = tmp_path / "model.checkpoint"
    with pytest.raises(StopError):
        fit(SMALL, LOAD, wave(), Run(progress=stop_half_way, checkpoint=prefix))
    told = []
    watch = lambda stage, done, note: told.append(done)  # noqa: E731
    again = fit(SMALL, LOAD, wave(), Run(progress=watch, checkpoint=prefix, resume=True))
    assert told[0] > 0.5
    assert again.config == whole.config
    assert all((again.arrays[k] == whole.arrays[k]).all() for k in whole.arrays)


def test_a_checkpoint_of_other_data_is_left_alone(tmp_path):
    prefix = tmp_path / "model.checkpoint"
    fit(SMALL, LOAD, wave(), Run(checkpoint=prefix))
    told = []
    watch = lambda stage, done, note: told.append(done)  # noqa: E731
    fit(SMALL, LOAD, wave(seed=1), Run(progress=watch, checkpoint=prefix, resume=True))
    assert told[0] < 0.5


def test_held_back_rows_are_not_learned_from():
    history = wave()
    z = history.z.reshape(3, -1).copy()
    z[:, -60:] = 1e3 * np.random.default_rng(9).normal(size=(3, 60))
    config = replace(SMALL, stop=40)
    clean = fit(config, LOAD, history, RUN)
    assert clean.config.stop == 40
    spoilt = fit(config, LOAD, replace(history, z=z.ravel()), RUN)
    assert all((clean.arrays[k] == spoilt.arrays[k]).all() for k in clean.arrays)


def test_a_horizon_longer_than_the_history_is_refused():
    with pytest.raises(FitError, match="400 steps ahead cannot be learned from 400 rows") as error:
        fit(SMALL, replace(LOAD, horizon=400), wave(), RUN)
    assert "--horizon 100" in error.value.hint


def test_a_mask_hides_no_dead_net():
    history = wave(held=60)
    empty = replace(history, z=np.where(np.arange(len(history.z)) % 400 > 2, np.nan, history.z))
    with pytest.raises(FitError, match="no window drawn for training has a value in its target"):
        fit(replace(SMALL, home=1.0), LOAD, empty, RUN)
    told = []
    thin = replace(history, z=np.where(np.arange(len(history.z)) % 4 > 0, np.nan, history.z))
    fit(SMALL, LOAD, thin, Run(tell=told.append))
    assert told == ["only 25% of the targets have a value to learn from"]


def test_held_back_rows_without_a_value_choose_nothing():
    history = wave(held=60)
    rows = np.arange(len(history.z)) % 400
    model = fit(SMALL, LOAD, replace(history, z=np.where(rows >= 340, np.nan, history.z)), RUN)
    assert model.config.stop == SMALL.updates


def test_draws_stay_inside_the_training_rows_and_often_end_at_home():
    history = wave(held=60)
    windows = Windows(history, 36, LOAD, "cpu")
    picks = windows.draw(np.random.default_rng(0), (50, 40), 0.5, 6)
    series, seen, name = picks.reshape(-1, 3).T.numpy()
    assert seen.min() >= 1
    assert seen.max() <= 340 - 5
    assert np.mean((340 - 10 - seen) % 6 == 0) > 0.5
    assert 0.02 < np.mean(name == 3) < 0.2
    assert set(series) == {0, 1, 2}


def test_a_batch_shows_no_held_back_target_in_training():
    windows = Windows(wave(held=60), 36, LOAD, "cpu")
    batch = windows.batch(torch.tensor([[0, 335, 0]]), training=True)
    assert isinstance(batch, Batch)
    assert batch.target.isnan()[0].tolist() == [False] * 5 + [True] * 5
    np.testing.assert_array_equal(batch.ring[0].numpy(), wave().z[335 - 36 : 335])


def test_pinball_equals_a_loop():
    rng = np.random.default_rng(0)
    q, y = rng.normal(size=(2, 4, 3, len(LEVELS))), rng.normal(size=(2, 4, 3))
    y[0, 1, 2] = np.nan
    expected = []
    for m in range(2):
        losses = [
            max(p * (y[m, b, h] - q[m, b, h, k]), (p - 1) * (y[m, b, h] - q[m, b, h, k]))
            for b in range(4) for h in range(3) for k, p in enumerate(LEVELS)
            if not np.isnan(y[m, b, h])
        ]  # fmt: skip
        expected.append(np.mean(losses))
    ours = pinball(torch.tensor(q), torch.tensor(y), torch.tensor(LEVELS, dtype=torch.float64))
    np.testing.assert_allclose(ours.numpy(), expected)


def test_the_rate_rises_then_falls_to_nothing():
    steps = [rate(SMALL, k) for k in range(SMALL.updates)]
    assert max(steps) <= SMALL.rate
    assert np.argmax(steps) < 12
    assert steps[-1] < 1e-4 * SMALL.rate + 1e-9


def test_segments_default_to_the_season():
    assert segment(SMALL, LOAD) == 6
    assert segment(SMALL, Setting(horizon=3)) == 1


def test_sizes_no_net_can_have_are_refused():
    with pytest.raises(ValueError, match="units"):
        GRUConfig(units=-1)


@pytest.mark.gpu
@pytest.mark.parametrize("config", CONFIGS)
def test_a_net_trained_on_the_gpu_is_served_by_numpy(config):
    tiny = replace(config, updates=30, batch=16)
    gpu = fit(tiny, LOAD, wave(), Run(device="cuda:0"))
    cpu = fit(tiny, LOAD, wave(), RUN)
    state = ringed(gpu, np.arange(3))
    target = phases(LOAD, 3)
    np.testing.assert_allclose(
        gpu.predict(state, target).quantiles, twin(gpu, state, target, torch.float32), atol=1e-5
    )
    np.testing.assert_allclose(
        gpu.predict(state, target).quantiles, cpu.predict(state, target).quantiles, atol=0.05
    )


def test_a_covariate_known_ahead_is_learned_and_one_of_the_past_is_not_seen_ahead():
    """Half of the value is a coin known ahead; no other column tells it."""
    rng = np.random.default_rng(4)
    history = wave(rows=600)
    coin = rng.choice([-1.0, 1.0], size=len(history.z))
    told = replace(
        history,
        z=history.z + 0.5 * coin,
        phases=np.concatenate([history.phases, coin[:, None], rng.normal(size=(1800, 1))], axis=1),
    )
    setting = replace(LOAD, known=("coin",), past=("noise",))
    config = replace(SMALL, updates=160, batch=32, units=12, head=32)
    model = fit(config, setting, told, RUN)
    z, columns = told.z.reshape(3, -1), told.phases.reshape(3, 600, -1)
    state = model.absorb(model.start(np.arange(3)), z[:, :-10], columns[:, :-10])
    ahead = columns[:, -10:, :-1]
    error = np.abs(model.predict(state, ahead).quantiles[..., MEDIAN] - z[:, -10:]).mean()
    assert error < 0.3
    turned = ahead.copy()
    turned[..., -1] *= -1
    worse = np.abs(model.predict(state, turned).quantiles[..., MEDIAN] - z[:, -10:]).mean()
    assert worse > 0.7


def test_rings_of_covariates_in_pieces_equal_one_pass():
    model = made(CONFIGS[0], WEATHER)
    rng = np.random.default_rng(0)
    z, rows = rng.normal(size=(2, 50)), rng.normal(size=(2, 50, columns(WEATHER)))
    start = model.start(np.array([0, 1]))
    whole, pieces = model.absorb(start, z, rows), start
    for a, b in ((0, 1), (1, 20), (20, 50)):
        pieces = model.absorb(pieces, z[:, a:b], rows[:, a:b])
    for name, array in whole.items():
        np.testing.assert_array_equal(array, pieces[name])


def test_one_series_sees_every_row_and_a_panel_learns_dates():
    alone, panel = (network.initial(SMALL, LOAD, n) for n in (1, 3))
    assert "direct" in alone and "dates" not in alone
    assert "direct" not in panel and panel["dates"].shape == (2, 366, 2)
    assert "dates" not in network.initial(SMALL, replace(LOAD, year=False), 3)
    assert alone["V"].shape[1] - panel["V"].shape[1] == 36 - 2 - 2


def test_days_of_the_year_are_those_of_the_calendar():
    clock = Clock("fixed", step=HOUR, seasons=(24,))
    days = np.arange("2016-03-01", "2017-01-01", dtype="M8[D]")
    times = days.astype("M8[us]").astype(np.int64)
    found = day_of_year(clock.phases(times)[:, -1])
    np.testing.assert_array_equal(np.diff(found), 1)
    christmas = np.array(["2015-12-25T06", "2016-12-25T00", "2018-12-25T09"], "M8[us]")
    assert len(set(day_of_year(clock.phases(christmas.astype(np.int64))[:, -1]))) == 1


class _Told:
    """A run that stops the training where it is told, as Ctrl-C does."""

    def __init__(self, at):
        self.at, self.sentences = at, []

    def progress(self, stage, done, note):
        assert "loss" in note
        if done >= self.at:
            raise KeyboardInterrupt


def test_an_interrupted_training_returns_the_best_so_far():
    with pytest.raises(InterruptedFit) as caught:
        fit(SMALL, LOAD, wave(), Run(progress=_Told(0.5).progress, keep=True))
    model = caught.value.model
    assert 0 < model.config.stop <= 34
    again = fit(model.config, LOAD, wave(), RUN)
    assert all((again.arrays[k] == model.arrays[k]).all() for k in again.arrays)
    with pytest.raises(KeyboardInterrupt):
        fit(SMALL, LOAD, wave(), Run(progress=_Told(0.5).progress))


def planned(config, series=1, effort="default"):
    plan = budget.planned(config, LOAD, series, Run(effort=effort))
    return plan.updates, plan.members


def test_efforts_count_work():
    plain = GRUConfig()
    assert planned(plain) == (1200, 3)
    assert planned(plain, effort="quick") == (300, 2)
    assert planned(plain, effort="thorough") == (3600, 6)
    assert planned(replace(plain, updates=50), effort="thorough") == (50, 3)
    assert planned(replace(plain, stop=7), effort="thorough") == (1200, 3)


def test_many_series_carry_a_longer_schedule():
    assert planned(GRUConfig(), 12) == (1200, 3)
    assert planned(GRUConfig(), 24) == (2400, 3)
    assert planned(GRUConfig(), 400) == (3600, 3)


def test_minutes_turn_into_updates_that_are_told():
    told = []
    small = replace(SMALL, updates=0)
    model = fit(small, LOAD, wave(), Run(minutes=1e-6, tell=told.append))
    assert model.config.updates == budget.LEAST
    assert "--set updates=100" in told[0]
    again = fit(replace(small, updates=100), LOAD, wave(), RUN)
    assert all((again.arrays[k] == model.arrays[k]).all() for k in again.arrays)


def test_a_loss_that_is_not_finite_names_step_and_rate(tmp_path):
    history = wave()
    wild = replace(SMALL, rate=1e30, clip=1e30)
    with pytest.raises(FitError, match=r"no longer finite at update \d+ of 60 \(learning rate"):
        fit(wild, LOAD, history, RUN)
