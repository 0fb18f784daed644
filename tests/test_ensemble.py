"""Ensembles, `auto` and `tune`: against brute force, linear programming and repetition."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from forecast import fitting, store
from forecast.data.clock import HOUR, Clock
from forecast.data.covariates import Column, Covariates
from forecast.data.panel import Panel, assemble
from forecast.errors import FitError, UsageError
from forecast.models import FAMILIES, family
from forecast.models.base import LEVELS, History, Setting
from forecast.models.ensemble import EnsembleConfig, below
from forecast.models.settings import changed, configure
from forecast.training import auto, weights
from forecast.training import ensemble as learning
from forecast.training.run import Run

HOURLY = Clock("fixed", step=HOUR, seasons=(24, 168))
ESN = ("esn.units=20", "esn.reservoirs=1")


def load_panel(rows: int = 700, series: int = 2) -> Panel:
    """Hourly load with a daily and a weekly shape and noise."""
    rng, t, data = np.random.default_rng(5), np.arange(rows), []
    for i in range(series):
        shape = 1 + 0.3 * np.sin(2 * np.pi * (t + 3 * i) / 24) + 0.1 * (t // 24 % 7 < 5)
        data.append(100 * (i + 1) * shape * np.exp(0.02 * rng.normal(size=rows)))
    return assemble([f"s{i}" for i in range(series)], data, [0] * series, HOURLY)


def history(panel: Panel, held: int = 168) -> History:
    z = np.log(panel.values / 128)
    return History(z, HOURLY.phases(panel.all_times()), panel.offsets, np.full(len(panel), held))


SETTING = Setting(horizon=24, seasons=(24, 168))


def windows(quantiles: np.ndarray, truth: np.ndarray) -> weights.Held:
    return weights.held(quantiles, truth, np.zeros(len(truth), np.int64))


def normal_windows(errors: list[float], seed: int = 0, count: int = 60) -> weights.Held:
    """Windows of models whose medians miss the truth by independent errors of these sizes."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(count, 3))
    medians = truth + np.array(errors)[:, None, None] * rng.normal(size=(len(errors), count, 3))
    return windows(medians[..., None] + 0.5 * np.linspace(-1, 1, len(LEVELS)), truth)


def test_equal_weights_average_quantiles_and_scales():
    config = EnsembleConfig(members=("linear", "snaive", "drift"), weights=(2.0, 2.0, 2.0))
    rows = history(load_panel())
    whole = learning.fit(config, SETTING, rows, Run())
    alone = [FAMILIES[n].load("fit")(FAMILIES[n].load("config")(), SETTING, rows, Run())
             for n in config.members]  # fmt: skip
    z, phases = rows.z.reshape(2, -1), rows.phases.reshape(2, 700, -1)
    number = np.arange(2)
    states = [m.absorb(m.start(number), z[:, :500], phases[:, :500]) for m in alone]
    state = whole.absorb(whole.start(number), z[:, :500], phases[:, :500])
    each = [m.predict(s, phases[:, 500:524]) for m, s in zip(alone, states, strict=True)]
    ours = whole.predict(state, phases[:, 500:524])
    for n in range(2):
        for h in range(24):
            for q in range(len(LEVELS)):
                mean = sum(p.quantiles[n, h, q] for p in each) / 3
                assert ours.quantiles[n, h, q] == pytest.approx(mean, rel=1e-12)
            assert ours.scale[n, h] == pytest.approx(sum(p.scale[n, h] for p in each) / 3)
    assert set(below(state, "snaive")) == set(states[1])


def test_losses_and_weights_by_hand():
    held = normal_windows([0.5, 0.6, 0.7], count=100)
    held = replace(held, truth=np.where(np.arange(100)[:, None] % 7 == 3, np.nan, held.truth))
    levels = [LEVELS[k] for k in weights.JUDGED]
    loss = []
    for q in held.quantiles:
        by_window = []
        for v in range(100):
            cells = [
                max(p * (held.truth[v, h] - q[v, h, k]), (p - 1) * (held.truth[v, h] - q[v, h, k]))
                for h in range(3)
                for k, p in enumerate(levels)
                if not np.isnan(held.truth[v, h])
            ]
            if cells:
                by_window.append(held.weight[v] * sum(cells) / len(cells))
        loss.append(sum(by_window) / len(by_window))
    share = np.array([x**-weights.POWER for x in loss])
    np.testing.assert_allclose(weights.learn(held), share / share.sum(), rtol=1e-9)


def test_weights_lean_to_equal_where_there_is_little_to_learn_from():
    few, many = (weights.learn(normal_windows([0.3, 0.6], count=n)) for n in (4, 400))
    assert 0.5 < few[0] < many[0]
    np.testing.assert_allclose(
        weights.learn(normal_windows([0.4] * 3, count=9000)), 1 / 3, atol=0.1
    )
    perfect = normal_windows([0.0, 0.5])
    np.testing.assert_array_equal(
        weights.learn(replace(perfect, quantiles=perfect.truth[None, ..., None] + np.zeros(5))), 1.0
    )


def test_a_model_without_numbers_counts_for_nothing():
    held = normal_windows([0.3, 0.6, 0.6])
    silent = held.quantiles.copy()
    silent[0] = np.nan
    w = weights.learn(replace(held, quantiles=silent))
    assert w[0] == 0
    assert w.sum() == pytest.approx(1)
    absent = replace(held, truth=np.full_like(held.truth, np.nan))
    np.testing.assert_allclose(weights.learn(absent), 1 / 3)


def test_an_average_is_judged_with_weights_learned_elsewhere():
    held = normal_windows([0.3, 0.6])
    last = held.stretch == weights.STRETCHES - 1
    knowing = held.quantiles.copy()
    knowing[1][last] = held.truth[last][..., None]  # the second model knows the last stretch
    told = replace(held, quantiles=knowing)
    rest = told.part(~last)
    expected = weights.losses(told, weights.mix(told, weights.learn(rest)))[last]
    np.testing.assert_array_equal(weights.judged(told)[last], expected)
    assert expected.mean() > 0.5 * weights.judged(held)[last].mean()
    one = normal_windows([0.3, 0.6], count=1)
    assert np.isfinite(weights.judged(one)).all()


def test_a_series_counts_by_its_own_size():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(40, 2)) * np.repeat([1.0, 100.0], 20)[:, None]
    q = truth[None, ..., None] + rng.normal(size=(2, 40, 2, 1)) * np.repeat([1, 100], 20)[:, None,
        None] * np.ones(len(LEVELS))  # fmt: skip
    held = weights.held(q, truth, np.repeat([0, 1], 20))
    loss = weights.losses(held, held.quantiles.mean(axis=0))
    assert 0.5 < loss[:20].mean() / loss[20:].mean() < 2
    assert held.stretch.reshape(2, 20).tolist() == [[0] * 5 + [1] * 5 + [2] * 5 + [3] * 5] * 2


def test_validation_rows_are_forecast_from_the_rows_before_them():
    rows = history(load_panel())
    model = FAMILIES["snaive"].load("fit")(
        FAMILIES["snaive"].load("config")(), SETTING, rows, Run()
    )
    held = learning.forecasts({"snaive": model}, SETTING, rows)
    middle = weights.JUDGED.index(LEVELS.index(0.5))
    first = held.truth.shape[0] // 2
    z = rows.z[:700]
    ends = np.unique(np.linspace(532, 676, min(84, 145)).astype(int))
    for v in (0, 20, first - 1):
        np.testing.assert_allclose(held.quantiles[0, v, :, middle], z[ends[v] - 24 : ends[v]])
        np.testing.assert_array_equal(held.truth[v], z[ends[v] : ends[v] + 24])
    assert (
        learning.forecasts({"snaive": model}, SETTING, replace(rows, validation=np.full(2, 23)))
        is None
    )
    blank = replace(rows, z=np.where(np.arange(1400) % 700 < 532, rows.z, np.nan))
    assert learning.forecasts({"snaive": model}, SETTING, blank) is None


def test_a_member_that_fails_is_left_out(monkeypatch):
    def refuse(*_: object) -> None:
        raise FitError("too short for it")

    real = type(FAMILIES["linear"]).load
    monkeypatch.setattr(
        type(FAMILIES["linear"]),
        "load",
        lambda self, part: refuse if (self.name, part) == ("esn", "fit") else real(self, part),
    )
    said: list[str] = []
    settings = {"members": "linear,esn,snaive"}
    panel = load_panel()
    fitted = fitting.fit(panel, "ensemble", settings=settings, run=Run(tell=said.append))
    assert "esn" not in fitted.model.config.members
    assert "esn is left out: too short for it" in said
    assert np.isfinite(fitted.predict().mean).all()
    with pytest.raises(FitError, match="esn: too short for it"):
        fitting.fit(panel, "ensemble", settings={"members": "esn"})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"members": "linear,gruu"}, "gruu"),
        ({"members": "linear,linear"}, "once"),
        ({"members": "linear,auto"}, "auto"),
        ({"members": ""}, "members"),
        ({"members": "linear,esn", "weights": "1"}, "1 weights for 2 members"),
        ({"members": "linear,esn", "weights": "1,-1"}, "negative"),
        ({"members": "linear,esn", "weights": "a,b"}, "weights"),
        ({"members": "linear", "esn.units": "3"}, "not a member"),
        ({"members": "linear", "linear.unit": "3"}, "no setting `unit`"),
        ({"members": "linear", "linear.lags": "-3"}, "negative"),
        ({"units": "3"}, "no setting `units`"),
    ],
)
def test_what_cannot_be_averaged_is_refused_before_any_fit(settings, words):
    with pytest.raises(UsageError, match=words):
        configure(family("ensemble"), settings)


@pytest.mark.parametrize("name", [n for n in FAMILIES if n not in ("ensemble", "auto")])
def test_settings_survive_being_written(name):
    values = {int: 7, float: 0.1 + 0.2, str: "yes", bool: True}
    plain = configure(family(name), {})
    numbers = {
        key: type(value)(values[type(value)])
        for key, value in ((k, getattr(plain, k)) for k in plain.__dataclass_fields__)
        if type(value) in (int, float, bool) and not 0 < value < 1
    }
    config = replace(plain, **numbers)
    assert configure(family(name), changed(config)) == config
    assert changed(plain) == {}


def test_auto_says_what_it_took_and_keeps_the_table():
    said: list[str] = []
    settings = {"members": "linear,esn", **dict(text.split("=") for text in ESN)}
    fitted = fitting.fit(load_panel(), "auto", settings=settings, run=Run(tell=said.append))
    table = fitted.model.config.validation
    assert set(table) == {"linear", "esn", "ensemble", "snaive", "snaive-week", "naive", "drift"}
    assert table["snaive"] == 1.0
    taken = "ensemble" if len(fitted.model.config.members) > 1 else fitted.model.config.members[0]
    assert table[taken] < 1
    assert any(text.startswith(f"auto takes {taken}: ") and "better than" in text for text in said)
    loaded = store.loads(store.dumps(fitted))
    assert loaded.model.config == fitted.model.config


def test_auto_takes_no_model_that_does_not_beat_the_naive():
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(size=900)) + 500
    panel = assemble(["walk"], [walk], [0], Clock("fixed", step=HOUR))
    settings = {"members": "linear", "linear.lags": "10"}
    fitted = fitting.fit(panel, "auto", 3, transform="none", settings=settings)
    assert fitted.model.config.members[0] in ("naive", "drift")
    short = assemble(["short"], [np.linspace(10, 20, 30)], [0], HOURLY)
    assert fitting.fit(short, "auto", settings=settings).model.config.members == ("snaive",)


@pytest.mark.parametrize("seed", range(20))
def test_auto_is_never_worse_than_a_naive_on_validation(seed):
    rng = np.random.default_rng(seed)
    losses = {name: rng.gamma(2.0, size=30) for name in ("a", "b", "ensemble", "snaive", "naive")}
    taken = auto.choice(losses, ["snaive", "naive"])
    assert losses[taken].mean() <= min(losses["snaive"].mean(), losses["naive"].mean())


def test_an_ensemble_with_a_net_is_served_without_torch(tmp_path):
    settings = {"members": "gru,linear", "weights": "1,1", "gru.updates": "4", "gru.units": "4"}
    store.save(fitting.fit(load_panel(), "ensemble", settings=settings), tmp_path / "m.safetensors")
    code = (
        "import sys; from forecast import store\n"
        f"print(store.load({str(tmp_path / 'm.safetensors')!r}).predict().mean.shape)\n"
        "print([m for m in ('torch', 'sklearn', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(2, 24)", "[]"]


def beside_load() -> tuple[Setting, History]:
    """Return rows with a static, two known and a past covariate behind the phases."""
    rows = history(load_panel())
    extra = np.random.default_rng(0).normal(size=(len(rows.z), 4))
    rows = replace(rows, phases=np.concatenate([rows.phases, extra], axis=1))
    return replace(SETTING, static=("s",), known=("k1", "k2"), past=("p",)), rows


def test_each_member_sees_the_covariates_of_its_own_roles():
    setting, rows = beside_load()
    config = EnsembleConfig(members=("linear", "kalman", "snaive"), weights=(1.0, 1.0, 1.0),
                            settings=("kalman.seasons=24:2",))  # fmt: skip
    model = learning.fit(config, setting, rows, Run())
    assert model.roles == ("static", "known", "past")
    columns = {"linear": range(7), "kalman": (0, 1, 2, 4, 5), "snaive": (0, 1, 2)}
    state, each = model.start(np.arange(2)), []
    z, phases = rows.z.reshape(2, -1), rows.phases.reshape(2, 700, 7)
    ahead = phases[:, -24:, :6]
    forecast = model.predict(model.absorb(state, z, phases), ahead)
    for name, kept in columns.items():
        kept = list(kept)
        part = model.parts[name]
        seen = part.absorb(part.start(np.arange(2)), z, phases[..., kept])
        each.append(part.predict(seen, ahead[..., [k for k in kept if k < 6]]).quantiles)
    np.testing.assert_allclose(forecast.quantiles, np.mean(each, axis=0), rtol=1e-12)
    alone = FAMILIES["kalman"].load("fit")(
        config.configs()["kalman"], replace(setting, static=(), past=()),
        replace(rows, phases=rows.phases[:, [0, 1, 2, 4, 5]]), Run(),
    )  # fmt: skip
    for key, array in alone.arrays.items():
        np.testing.assert_array_equal(model.arrays[f"kalman.{key}"], array)


def test_weights_are_learned_with_covariates():
    setting, rows = beside_load()
    model = learning.fit(EnsembleConfig(members=("linear", "snaive")), setting, rows, Run())
    assert sum(model.config.weights) == pytest.approx(1)


def test_covariates_that_no_member_uses_are_not_asked_for():
    plain = load_panel()
    values = np.random.default_rng(1).normal(size=(len(plain.values), 2))
    columns = (Column("heat", "known"), Column("wind", "past"))
    panel = replace(plain, covariates=Covariates(columns, values))
    for members, used in (
        ("kalman", ("heat",)),
        ("snaive", ()),
        ("linear,kalman", ("heat", "wind")),
    ):
        settings = {"members": members, "weights": ",".join("1" * (1 + members.count(",")))}
        if "kalman" in members:
            settings["kalman.seasons"] = "24:2"
        model = store.loads(store.dumps(fitting.fit(panel, "ensemble", settings=settings)))
        assert tuple(column.name for column in model.coding.columns) == used
        assert model.model.setting.known + model.model.setting.past == used
        assert model.record["covariates"]["used"] == list(used)
        if not used:
            assert np.isfinite(model.predict().mean).all()


def test_a_benchmark_says_the_weights(forecast):
    done = forecast("benchmark", "--dataset", "google-stock", "--models", "ensemble,auto",
                    "--windows", "1", "--set", "ensemble.members=linear,drift",
                    "--set", "auto.members=linear", "-f", "csv")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"ensemble weights, from 84 held-back windows: linear " in done.stderr
    assert b"auto takes " in done.stderr
    assert b"\nensemble,0." in done.stdout
