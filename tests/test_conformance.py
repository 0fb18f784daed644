"""What every registered model promises, checked on one small panel and one of prices."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from forecast import fitting, store
from forecast.backtest import plan_windows, run
from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.covariates import Column, Covariates
from forecast.data.panel import Panel, assemble
from forecast.errors import UsageError
from forecast.forecaster import Forecaster
from forecast.models import FAMILIES
from forecast.results import Task
from forecast.training.run import Run

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.77, 0.9, 0.975)
SMALL = {
    "rnn": {"units": "6", "head": "8", "members": "1", "updates": "30", "batch": "8"},
    "gru": {"units": "6", "head": "8", "members": "1", "updates": "30", "batch": "8"},
    "esn": {"units": "20", "reservoirs": "2"},
    "ensemble": {"members": "linear,esn", "esn.units": "20", "esn.reservoirs": "2"},
    "auto": {"members": "linear,esn", "esn.units": "20", "esn.reservoirs": "2"},
}
MODELS = [name for name, family in FAMILIES.items() if not family.prices_only]
HOURLY = Clock("fixed", step=HOUR, seasons=(24, 168))


def load_panel(rows: int = 600, series: int = 3, factor: float = 1.0, gaps: bool = True) -> Panel:
    """Hourly load with a daily shape, noise and, in the second series, holes."""
    rng = np.random.default_rng(7)
    t = np.arange(rows)
    data = []
    for i in range(series):
        day = 100 * (i + 1) * (1 + 0.3 * np.sin(2 * np.pi * (t + 3 * i) / 24))
        week = 1 + 0.1 * (t // 24 % 7 < 5)
        y = factor * np.round(day * week * np.exp(0.02 * rng.normal(size=rows)), 3)
        data.append(y)
    if gaps and series > 1:
        data[1][[50, 51, 300]] = np.nan
        data[1][-30:-25] = np.nan
        data[2] = data[2][100:]
    starts = [0, 0, 100 * HOUR][:series] + [0] * (series - 3)
    return assemble([f"s{i}" for i in range(series)], data, starts, HOURLY)


COLUMNS = (
    Column("size", "static"),
    Column("heat", "known"),
    Column("weather", "known", ("fog", "rain", "sun")),
    Column("traffic", "past"),
)


def covered_panel(rows: int = 600) -> Panel:
    """The hourly load, driven by temperature, beside covariates of every role, with holes."""
    rng = np.random.default_rng(11)
    plain = load_panel(rows)
    count = len(plain.values)
    heat = 15 + 8 * np.sin(np.arange(count) / 90) + rng.normal(size=count)
    beside = np.stack([
        np.repeat([1.0, 2.0, 5.0], plain.lengths), heat,
        rng.integers(0, 3, count).astype(float), rng.normal(size=count),
    ], axis=1)  # fmt: skip
    beside[[40, 41, 200], 1] = np.nan
    beside[100:103, 3] = np.nan
    values = plain.values * (1 + 0.01 * (np.nan_to_num(heat, nan=15) - 15))
    return replace(plain, values=values, covariates=Covariates(COLUMNS, beside))


@cache
def fitted_beside(name: str) -> Forecaster:
    return fit(name, covered_panel().until(500 * HOUR))


def steps_ahead(factor: float = 1.0) -> Panel:
    """What is known of the 24 steps after row 500 of the covered panel."""
    panel = covered_panel().until(524 * HOUR)
    ahead = panel.rows(panel.lengths - 24, panel.lengths)
    values = ahead.covariates.values.copy()
    values[:, 1] *= factor
    return replace(ahead, covariates=replace(ahead.covariates, values=values))


def price_panel() -> Panel:
    rng = np.random.default_rng(3)
    days = np.arange(420)
    days = days[days % 7 < 5]
    values = [50 * np.exp(0.01 * rng.normal(size=len(days)).cumsum()) for _ in range(2)]
    clock = Clock("trading", unit="D")
    panel = assemble(["a", "b"], values, [4 * DAY, 4 * DAY], clock)
    return replace(panel, times=np.tile((4 + days) * DAY, 2))


def fit(name: str, panel: Panel, horizon: int = 24, seed: int = 0) -> Forecaster:
    settings = SMALL.get(name, {})
    return fitting.fit(panel, name, horizon, seed=seed, settings=settings, run=Run())


@cache
def fitted(name: str) -> Forecaster:
    return fit(name, load_panel())


each_model = pytest.mark.parametrize("name", MODELS)


@each_model
def test_shapes_order_and_finiteness(name):
    forecast = fitted(name).predict(levels=LEVELS)
    assert forecast.ids == ("s0", "s1", "s2")
    assert forecast.mean.shape == (3, 24)
    assert forecast.quantiles.shape == (3, 24, len(LEVELS))
    assert np.isfinite(forecast.quantiles).all()
    assert np.isfinite(forecast.mean).all()
    assert (np.diff(forecast.quantiles, axis=-1) >= 0).all()
    assert forecast.times[0, 0] == 600 * HOUR
    assert (np.diff(forecast.times, axis=1) == HOUR).all()


@each_model
def test_the_same_seed_gives_the_same_bytes(name):
    again = fit(name, load_panel())
    assert store.dumps(again) == store.dumps(fitted(name))


@each_model
def test_a_loaded_model_is_the_saved_one(name, tmp_path):
    store.save(fitted(name), tmp_path / "model.safetensors")
    loaded = store.load(tmp_path / "model.safetensors")
    assert store.dumps(loaded) == store.dumps(fitted(name))
    ours, theirs = fitted(name).predict(levels=LEVELS), loaded.predict(levels=LEVELS)
    np.testing.assert_array_equal(ours.quantiles, theirs.quantiles)


@each_model
def test_a_shorter_horizon_is_a_prefix(name):
    whole, part = fitted(name).predict(), fitted(name).predict(horizon=5)
    np.testing.assert_array_equal(whole.quantiles[:, :5], part.quantiles)
    np.testing.assert_array_equal(whole.mean[:, :5], part.mean)
    with pytest.raises(UsageError, match="25"):
        fitted(name).predict(horizon=25)


@each_model
def test_covariates_of_every_role_are_taken(name):
    panel = covered_panel().until(500 * HOUR)
    forecast = fitted_beside(name).predict(panel, levels=LEVELS, future=steps_ahead())
    assert forecast.quantiles.shape == (3, 24, len(LEVELS))
    assert np.isfinite(forecast.quantiles).all()
    again = store.loads(store.dumps(fitted_beside(name)))
    assert store.dumps(again) == store.dumps(fitted_beside(name))
    theirs = again.predict(panel, levels=LEVELS, future=steps_ahead())
    np.testing.assert_array_equal(theirs.quantiles, forecast.quantiles)


@each_model
def test_known_covariates_ahead_count_where_they_are_used(name):
    panel, model = covered_panel().until(500 * HOUR), fitted_beside(name)
    warm, cold = (model.predict(panel, future=steps_ahead(f)).mean for f in (1.3, 0.7))
    uses = "known" in getattr(model.model, "roles", FAMILIES[name].covariates)
    assert uses == (not np.array_equal(warm, cold))
    assert uses == bool(model.model.setting.known)


@each_model
def test_update_with_covariates_in_pieces_equals_one_pass(name):
    panel, base = covered_panel(), fitted_beside(name)
    one = base.update(panel)
    two = base.update(panel.until(501 * HOUR)).update(panel.until(540 * HOUR)).update(panel)
    for key, array in one.state.items():
        np.testing.assert_allclose(two.state[key], array, rtol=1e-6, atol=1e-9, err_msg=key)
    np.testing.assert_array_equal(one.beside, two.beside)


@each_model
def test_later_past_covariates_and_values_are_never_seen(name, monkeypatch):
    monkeypatch.setattr("forecast.backtest.with_baselines", lambda models, prices: models)
    panel, task = covered_panel(460), Task(horizon=24, windows=2, stride=30)
    first = int(plan_windows(panel, task).cutoffs.min())
    noisy = panel.covariates.values.copy()
    late = panel.all_times() > first
    rng = np.random.default_rng(5)
    noisy[late, 3] = rng.normal(size=late.sum()) * 100
    values = np.where(late, rng.uniform(50, 150, len(late)), panel.values)
    other = replace(panel, values=values, covariates=Covariates(COLUMNS, noisy))
    options = {"settings": {name: SMALL.get(name, {})}}
    ours, theirs = (run(p, task, [name], options=options) for p in (panel, other))
    assert ours.runs[name].failed is None
    one = np.flatnonzero(ours.cutoff == first)
    assert len(one)
    np.testing.assert_array_equal(ours.runs[name].quantiles[one], theirs.runs[name].quantiles[one])


@each_model
def test_update_in_pieces_equals_one_pass(name):
    panel = load_panel()
    base = fit(name, panel.until(450 * HOUR))
    one = base.update(panel)
    two = base.update(panel.until(451 * HOUR)).update(panel.until(530 * HOUR)).update(panel)
    again = two.update(panel)
    for key, array in one.state.items():
        np.testing.assert_allclose(two.state[key], array, rtol=1e-6, atol=1e-9, err_msg=key)
        np.testing.assert_array_equal(again.state[key], two.state[key])
    np.testing.assert_array_equal(one.last, two.last)


@each_model
def test_update_equals_replaying_the_whole_history(name):
    panel = load_panel()
    fresh = fitted(name).predict(panel, fresh=True)
    np.testing.assert_allclose(fresh.mean, fitted(name).predict().mean, rtol=1e-7)


@each_model
def test_the_future_does_not_matter(name):
    panel = load_panel()
    cut = 480 * HOUR
    noise = np.random.default_rng(0).normal(1e4, 1e3, len(panel.values))
    later = np.where(panel.all_times() > cut, noise, panel.values)
    changed = replace(panel, values=later)
    ours, theirs = fit(name, panel.until(cut)), fit(name, changed.until(cut))
    np.testing.assert_array_equal(
        ours.predict(levels=LEVELS).quantiles, theirs.predict(levels=LEVELS).quantiles
    )


@each_model
def test_the_order_of_series_does_not_matter(name):
    panel = load_panel()
    names = ["s2", "s0", "s1"]
    arrays = [panel.series(panel.ids.index(n)) for n in names]
    starts = [int(panel.starts[panel.ids.index(n)]) for n in names]
    shuffled = fit(name, assemble(names, arrays, starts, HOURLY)).predict(levels=LEVELS)
    assert shuffled.ids == ("s2", "s0", "s1")
    ours = fitted(name).predict(levels=LEVELS)
    np.testing.assert_array_equal(shuffled.quantiles, ours.quantiles[[2, 0, 1]])


@each_model
def test_a_factor_of_1024_passes_through_exactly(name):
    scaled = fit(name, load_panel(factor=1024.0)).predict(levels=LEVELS)
    ours = fitted(name).predict(levels=LEVELS)
    np.testing.assert_array_equal(scaled.quantiles, 1024 * ours.quantiles)


@each_model
def test_a_constant_series_is_forecast_as_constant(name):
    panel = assemble(["flat"], [np.full(500, 7.0)], [0], HOURLY)
    forecast = fit(name, panel).predict(levels=LEVELS)
    np.testing.assert_allclose(forecast.mean, 7.0, rtol=0.02)
    assert np.isfinite(forecast.quantiles).all()


@each_model
@pytest.mark.parametrize("rows", [1, 2, 5, 30, 60, 200])
def test_short_series_are_fitted_or_refused_by_name(name, rows):
    from forecast.errors import FitError

    panel = assemble(["short"], [np.linspace(10, 20, rows)], [0], HOURLY)
    try:
        forecast = fit(name, panel).predict(levels=LEVELS)
    except FitError as error:
        assert "short" in error.message or "too short" in error.message
    else:
        assert np.isfinite(forecast.quantiles).all()


@each_model
def test_a_series_not_in_the_fit_starts_cold(name):
    rows = load_panel(series=1, gaps=False, factor=3.0)
    rows = replace(rows, ids=("new",))
    forecast = fitted(name).predict(rows, levels=LEVELS)
    assert forecast.ids == ("new",)
    assert np.isfinite(forecast.quantiles).all()
    grown = fitted(name).update(rows)
    assert grown.ids == ("new", "s0", "s1", "s2")
    both = grown.predict(levels=LEVELS)
    assert both.ids == ("s0", "s1", "s2", "new")
    np.testing.assert_allclose(both.quantiles[3], forecast.quantiles[0], rtol=1e-6)


@each_model
def test_a_model_without_state_forecasts_from_rows(name):
    bare = store.loads(store.dumps(fitted(name).forget()))
    assert bare.ids == ()
    forecast = bare.predict(load_panel(), levels=LEVELS)
    assert np.isfinite(forecast.quantiles).all()


@each_model
def test_a_hole_before_new_rows_is_missing_values(name):
    panel = load_panel(series=1, gaps=False)
    base = fit(name, panel.until(400 * HOUR))
    far = panel.rows(np.array([450]), np.array([500]))
    holed = panel.values.copy()
    holed[401:450] = np.nan
    filled = replace(panel, values=holed).rows(np.array([0]), np.array([500]))
    ours, theirs = base.update(far).predict(), base.update(filled).predict()
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-7)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_prices_are_modelled_by_their_changes(name):
    panel = price_panel()
    forecaster = fit(name, panel, horizon=5)
    assert forecaster.transform.name == "log-diff"
    forecast = forecaster.predict(levels=LEVELS)
    last = panel.values[panel.offsets[1:] - 1]
    assert np.abs(forecast.mean / last[:, None] - 1).max() < 0.1
    width = forecast.quantiles[..., -1] - forecast.quantiles[..., 0]
    assert (width[:, -1] > width[:, 0]).all()
    weekday = (forecast.times // DAY + 3) % 7
    assert (weekday < 5).all()


@pytest.mark.parametrize("name", ["none", "log", "diff", "log-diff"])
@pytest.mark.parametrize("model", ["gru", "esn", "linear", "kalman", "naive"])
def test_any_transform_can_be_set(name, model):
    panel = load_panel(rows=400, series=1, gaps=False)
    settings = SMALL.get(model, {})
    forecaster = fitting.fit(panel, model, 24, transform=name, settings=settings)
    assert forecaster.transform.name == name
    y = forecaster.predict(levels=LEVELS).quantiles
    assert np.isfinite(y).all()
    assert np.abs(y[..., 3] / panel.values.mean() - 1).max() < 2
