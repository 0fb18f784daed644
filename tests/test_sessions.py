"""Ranges, gaps, volume and the market: what days of trading show beside the close."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast import fitting, replay
from forecast.data import sessions
from forecast.data.clock import DAY, Clock
from forecast.data.covariates import Column, Covariates
from forecast.data.panel import Panel, assemble
from forecast.data.sessions import GAP, MARKET, RANGE, VOLUME
from forecast.errors import DataError

BARS = ("Open", "High", "Low", "Volume")
QUICK = {"members": "1", "units": "4", "head": "4", "updates": "6", "context": "5"}


def bars(series=6, rows=260, seed=0, names=BARS):
    """Random prices with the bars of each day, and where something is missing."""
    rng = np.random.default_rng(seed)
    sigma = 0.01 * np.exp(0.4 * rng.normal(size=(series, 1)))
    steps = sigma[..., None] * rng.standard_t(5, size=(series, rows, 8)) / 4
    path = np.log(40) + steps.reshape(series, -1).cumsum(axis=1).reshape(steps.shape)
    y, opened = np.exp(path[..., -1]), np.exp(path[..., 0])
    high, low = np.exp(path.max(axis=2)), np.exp(path.min(axis=2))
    volume = np.round(1e6 * np.exp(rng.normal(size=y.shape)))
    volume[0, 5], high[1, 7], low[1, 7] = 0, 50, 50
    days = 4 + np.arange(2 * rows)
    days = days[(days - 4) % 7 < 5][:rows] * DAY
    clock = Clock("trading", unit="D")
    panel = assemble([f"s{i}" for i in range(series)], list(y), [4 * DAY] * series, clock)
    columns = dict(zip(BARS, (opened, high, low, volume), strict=True))
    values = np.column_stack([columns[name].ravel() for name in names])
    beside = Covariates(tuple(Column(name, "past") for name in names), values)
    return replace(panel, times=np.tile(days, series), covariates=beside)


def frame(panel):
    own = pd.DataFrame(panel.covariates.values, columns=[c.name for c in panel.covariates.columns])
    own["id"] = np.repeat(panel.ids, panel.lengths)
    own["ds"], own["y"] = panel.all_times(), panel.values
    own["before"] = own.groupby("id")["y"].shift()
    return own


def test_columns_equal_those_of_pandas():
    panel = bars()
    found = sessions.derive(panel).covariates
    assert [c.name for c in found.columns] == [RANGE, GAP, VOLUME, MARKET]
    assert all(c.role == "past" for c in found.columns)
    raw = frame(panel)
    with np.errstate(divide="ignore"):
        width = np.log(np.log(raw.High / raw.Low)).replace(-np.inf, np.nan)
        volume = np.log(raw.Volume).replace(-np.inf, np.nan)
    gap = np.log(np.maximum(np.abs(np.log(raw.Open / raw.before)), 1e-4))
    gap[(raw.High == 50) & (raw.Low == 50)] = np.nan  # a close outside: another kind of price
    size = np.log(raw.y / raw.before).abs()
    market = np.log(np.maximum(size.groupby(raw.ds).transform("mean"), 1e-4))
    for column, expected in zip(found.values.T, (width, gap, volume, market), strict=True):
        np.testing.assert_allclose(column, expected, rtol=1e-12)


def test_prices_in_another_currency_show_the_same():
    panel = bars()
    other = replace(panel, values=panel.values * 117, covariates=Covariates(
        panel.covariates.columns, panel.covariates.values * [117, 117, 117, 1]))  # fmt: skip
    ours, theirs = (sessions.derive(p).covariates.values for p in (panel, other))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_opens_that_are_not_adjusted_tell_no_gap():
    panel = bars()
    adjusted = replace(panel, values=panel.values / 7)
    found = sessions.derive(adjusted).covariates.values
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_array_equal(found[:, 0], sessions.derive(panel).covariates.values[:, 0])


def test_high_without_low_is_left_out_and_said():
    panel = bars(names=("Open", "High"))
    assert "High not at all" in sessions.told(panel)
    assert [c.name for c in sessions.derive(panel).covariates.columns] == [GAP, MARKET]
    few = bars(series=4, names=("High",))
    assert sessions.derive(few).covariates is None


def test_columns_of_a_fit_that_are_not_there_are_named():
    with pytest.raises(DataError, match="no column `high`, `low`, which the model was fitted with"):
        sessions.derive(bars(names=("Open",)), [RANGE, MARKET])


def test_columns_that_are_there_are_not_made_again():
    once = sessions.derive(bars())
    assert sessions.derive(once) is once
    assert sessions.without_market(once).covariates.columns == once.covariates.columns[:3]


def cut(panel: Panel, first: int, stop: int) -> Panel:
    n = len(panel)
    return panel.rows(np.full(n, first), np.full(n, stop))


@pytest.mark.parametrize("name", ["gru", "esn"])
def test_rows_in_pieces_show_what_the_whole_does(name):
    """The change of the first row of a piece is known by the row kept before it."""
    panel = bars()
    settings = QUICK if name == "gru" else {"units": "10", "reservoirs": "2"}
    whole = fitting.fit(panel, name, 2, settings=settings)
    assert whole.model.setting.past == (RANGE, GAP, VOLUME, MARKET)
    parts = whole.rewind()
    for first, stop in ((0, 1), (1, 2), (2, 100), (100, 260)):
        parts = parts.update(cut(panel, first, stop))
    for key, array in whole.state.items():
        np.testing.assert_allclose(parts.state[key], array, atol=1e-6, err_msg=key)
    ours, theirs = whole.predict(), parts.predict()
    np.testing.assert_allclose(ours.quantiles, theirs.quantiles, rtol=1e-6)


def test_a_day_after_the_cutoff_changes_nothing_before():
    panel = bars()
    later = replace(panel, values=panel.values.copy(), covariates=replace(
        panel.covariates, values=panel.covariates.values.copy()))  # fmt: skip
    place = np.arange(len(panel.values)) % 260 >= 200
    later.values[place] *= 3
    later.covariates.values[place] = 1
    coding = fitting.fit(cut(panel, 0, 200), "gru", 1, settings=QUICK).coding
    a, b = (cut(sessions.derive(p), 0, 200) for p in (panel, later))
    np.testing.assert_array_equal(replay.beside(coding, a), replay.beside(coding, b))


def test_ranges_before_a_calm_day_say_more_than_the_close_alone():
    """Where the spread of a day is known by its range alone, a fit finds it there."""
    rng = np.random.default_rng(3)
    spread = np.exp(0.7 * np.cumsum(rng.normal(size=1500) * 0.15))
    spread = 0.01 * np.clip(spread / np.median(spread), 0.2, 5)
    z = np.concatenate([[0.0], (spread * rng.normal(size=1500))[:-1]]).cumsum()
    ahead = np.append(spread[1:], spread[-1])  # tomorrow's, told by today's range
    y = 50 * np.exp(z)
    panel = assemble(["a"], [y], [4 * DAY], Clock("trading", unit="D"))
    high, low = y * np.exp(0.8 * ahead), y * np.exp(-0.8 * ahead)
    beside = Covariates((Column("high", "past"), Column("low", "past")),
                        np.column_stack([high, low]))  # fmt: skip
    panel = replace(panel, times=4 * DAY + DAY * np.arange(1500), covariates=beside)
    with_range = fitting.fit(panel, "esn", 1)
    plain = fitting.fit(replace(panel, covariates=None), "esn", 1)
    ours, theirs = (m.record["skill"]["spread"] for m in (with_range, plain))
    assert ours > theirs + 0.01


@pytest.fixture(scope="module")
def market():
    """A model of six stocks that sees nothing but the market beside them."""
    panel = replace(bars(), covariates=None)
    return panel, fitting.fit(cut(panel, 0, 200), "esn", 2, settings={"units": "10"})


def test_a_stream_shows_the_market_that_a_table_does(market):
    from forecast.stream.state import Stream

    panel, model = market
    whole = model.update(cut(panel, 200, 203))
    stream = Stream(model)
    y, times = (a.reshape(6, 260)[:, 200:203] for a in (panel.values, panel.all_times()))
    for day in range(3):
        places = [stream.place(name, int(times[i, day])) for i, name in enumerate(panel.ids)]
        stream.take(places, y[:, day])
    after = stream.series.forecaster()
    np.testing.assert_allclose(after.beside, whole.beside, rtol=1e-9)
    for key, array in whole.state.items():
        np.testing.assert_allclose(after.state[key], array, atol=1e-6, err_msg=key)


def test_rows_that_come_one_by_one_know_those_of_their_day_that_came_before(market):
    from forecast.stream.state import Stream

    panel, model = market
    stream = Stream(model)
    y, times = (a.reshape(6, 260)[:, 199:201] for a in (panel.values, panel.all_times()))
    for i, name in enumerate(panel.ids):
        stream.take([stream.place(name, int(times[i, 1]))], y[i, 1:])
        moves = np.abs(np.log(y[: i + 1, 1] / y[: i + 1, 0]))
        expected = model.coding.seen(np.log(np.maximum(moves.mean(keepdims=True), 1e-4)))
        np.testing.assert_allclose(stream.series.forecaster().beside[i], expected, rtol=1e-9)


def test_paths_go_on_beyond_the_horizon_with_a_market_of_their_own(market):
    from forecast.simulation import simulate

    drawn = simulate(market[1], 50, 9, seed=1)
    assert drawn.values.shape == (6, 50, 9)
    assert np.isfinite(drawn.values).all()


def test_a_file_keeps_what_columns_are_made_of(tmp_path):
    from forecast import store

    model = fitting.fit(bars(), "gru", 1, settings=QUICK)
    store.save(model, tmp_path / "m.safetensors")
    again = store.load(tmp_path / "m.safetensors")
    assert again.coding.columns == model.coding.columns
    assert again.coding.sources("past") == ("High", "Low", "Open", "Volume")
