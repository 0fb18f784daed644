"""Public holidays: by country, by series, ahead of the rows, kept in the model file."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from forecast import backtest, fitting, store
from forecast.data import tables
from forecast.data.wanted import Wanted
from forecast.errors import DataError, MissingPackageError, UsageError
from forecast.report import leaderboard
from forecast.results import Task
from forecast.stream.feed import Feed
from forecast.stream.follower import Follower, Style
from forecast.stream.state import Stream

GERMAN = ("01-01", "04-10", "04-13", "05-01", "05-21", "06-01", "10-03", "12-25", "12-26")  # 2020
BRITISH = ("01-01", "04-10", "05-08", "12-25", "12-28")  # 2020, all of the United Kingdom


def daily(ids=("DE",), start="2020-01-01", days=366, **columns):
    """Loads that fall by a fifth on German holidays of 2020, with a weekly season."""
    ds = pd.date_range(start, periods=days)
    free = ds.strftime("%m-%d").isin(GERMAN)
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame({"unique_id": name, "ds": ds.strftime("%Y-%m-%d")}).assign(
            y=np.round(100 + 5 * np.sin(2 * np.pi * np.arange(days) / 7) - 20 * free
                       + rng.normal(size=days), 3), **columns)
        for name in ids
    ]  # fmt: skip
    return pd.concat(frames)


def read(frame, **options):
    return tables.read(frame.to_csv(index=False).encode(), **options)


def told(panel, series=0):
    """Return the days on which `holiday` is 1."""
    names = [column.name for column in panel.covariates.columns]
    rows = slice(panel.offsets[series], panel.offsets[series + 1])
    free = panel.covariates.values[rows, names.index("holiday")] == 1
    return tuple(str(day)[5:10] for day in panel.clock.write(panel.row_times(series)[free]))


def test_the_holidays_of_a_country_are_a_known_covariate():
    panel = read(daily(), holidays="DE")
    assert told(panel) == GERMAN
    assert [(c.name, c.role) for c in panel.covariates.columns] == [("holiday", "known")]
    assert set(told(read(daily(), holidays="DE-BY"))) - set(GERMAN) == {
        "01-06", "06-11", "11-01",
    }  # fmt: skip


def test_each_series_has_those_of_its_own_country():
    panel = read(daily(("GB", "DE")), holidays="unique_id")
    assert told(panel, 0) == GERMAN
    assert set(BRITISH) <= set(told(panel, 1))
    assert "10-03" not in told(panel, 1)
    named = pd.concat([daily(("a",), land="GB"), daily(("b",), land="DE")])
    again = read(named, static=["land"], holidays="land")
    assert (told(again, 0), told(again, 1)) == (told(panel, 1), told(panel, 0))


def test_days_are_those_of_the_clock_on_the_wall():
    stamps = pd.date_range("2020-10-01T00:00", "2020-10-06T00:00", freq="h").strftime("%FT%H:%MZ")
    frame = pd.DataFrame({"ds": stamps, "y": 1.0})
    panel = read(frame, holidays="DE", timezone="Europe/Berlin")
    free = panel.clock.write(panel.all_times()[panel.covariates.values[:, 0] == 1])
    assert (free[0], free[-1], len(free)) == (
        "2020-10-03T00:00+02:00",
        "2020-10-03T23:00+02:00",
        24,
    )


def test_rows_without_a_value_at_the_end_stay_missing_values():
    frame = daily(days=20)
    frame.loc[18:, "y"] = np.nan
    panel = read(frame, holidays="DE")
    assert panel.lengths.tolist() == [20] and panel.future is None


def test_a_model_knows_the_holidays_to_come(monkeypatch):
    past = daily(("DE", "FR"), days=352)  # up to 17 December
    model = fitting.fit(read(past, holidays="unique_id"), "linear", 14)
    blind = fitting.fit(read(past), "linear", 14)
    model = store.loads(store.dumps(model))
    monkeypatch.setitem(sys.modules, "holidays", None)  # a forecast needs no package
    drop = (model.predict().mean - blind.predict().mean)[0]
    assert drop[[7, 8]].max() < -5 < np.delete(drop, [7, 8]).min()
    rows = read(daily(("FR",), "2020-12-18", 5), clock=model.clock, layout=model.layout,
                calendar=model.holidays)  # fmt: skip
    after = model.predict(rows).mean[0]
    assert after[2] < after[1] - 5
    with pytest.raises(DataError, match=r"`XX`.*not known to the model"):
        read(daily(("XX",)), clock=model.clock, layout=model.layout, calendar=model.holidays)


def test_the_place_of_a_new_series_is_read_from_its_column():
    frame = pd.concat([daily(("a",), land="GB"), daily(("b",), land="DE")])
    model = fitting.fit(read(frame, static=["land"], holidays="land"), "linear", 7)
    new = read(daily(("c",), "2020-12-01", 24, land="DE"), clock=model.clock, layout=model.layout,
               calendar=model.holidays)  # fmt: skip
    assert told(new) == ()
    assert model.update(new).holidays.own["c"] == "DE"
    assert model.forget().holidays.own == {}


def test_weather_and_holidays_go_together():
    frame = daily(("DE",), heat=1.5)
    frame["heat"] += np.arange(len(frame)) % 5
    model = fitting.fit(read(frame, known=["heat"], holidays="DE"), "linear", 7)
    assert model.coding.names("known") == ("heat", "holiday")
    assert model.asked("known") == ("heat",)
    with pytest.raises(DataError, match=r"known `heat`: 7 of 7") as bad:
        model.predict()
    assert "--known heat --future" in bad.value.hint
    ahead = pd.DataFrame({"ds": pd.date_range("2021-01-01", periods=7), "heat": 2})
    table = tables.read(ahead.to_csv(index=False).encode(), clock=model.clock, layout=model.layout,
                        known=["heat"], future=True)  # fmt: skip
    assert np.isfinite(model.predict(future=table).mean).all()


def test_a_calendar_is_no_perfect_weather():
    result = backtest.run(read(daily(), holidays="DE"), Task(7, 3), ["naive"], baselines=False)
    assert not [note for note in leaderboard.notes(result) if "weather" in note]


def test_what_cannot_be_told_is_refused():
    with pytest.raises(DataError, match="no holidays are known of `XDE`") as bad:
        read(daily(), holidays="XDE")
    assert "DE" in bad.value.hint
    with pytest.raises(DataError, match="`DE-ZZ`") as bad:
        read(daily(), holidays="DE-ZZ")
    assert "DE-BY" in bad.value.hint
    with pytest.raises(DataError, match="`north`"):
        read(daily(("north",)), holidays="unique_id")
    with pytest.raises(UsageError, match="neither the column of ids nor a static") as use:
        read(daily(land="DE"), value="y", holidays="land")
    assert "--static land" in use.value.hint
    with pytest.raises(UsageError, match="a covariate `holiday`"):
        read(daily(holiday=1), known=["holiday"], holidays="DE")
    with pytest.raises(DataError, match="the rows are integer index"):
        read(pd.DataFrame({"t": range(9), "y": range(9)}), holidays="DE")
    late = read(daily(), holidays="DE")
    with pytest.raises(DataError, match="known up to 2050-12-31"):
        late.holidays.free(np.zeros(1, np.int64), np.array([40_000]))


def test_an_absent_package_is_told_with_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(MissingPackageError, match="needs the package `holidays`") as bad:
        read(daily(), holidays="DE")
    assert "[holidays]" in bad.value.hint


def test_the_command_line_needs_no_future_file(forecast, tmp_path):
    daily(days=352).to_csv(tmp_path / "load.csv", index=False)
    done = forecast("fit", "load.csv", "-m", "linear", "--holidays", "unique_id", "-o", "m")
    assert done.returncode == 0, done.stderr
    assert b"Next: forecast predict m\n" in done.stderr
    ahead = forecast("predict", "m", "--format", "json")
    assert len(json.loads(ahead.stdout)) == 7, ahead.stderr
    wrong = forecast("check", "load.csv", "--holidays", "Narnia", "--json-errors")
    assert wrong.returncode == 3
    assert "Narnia" in json.loads(wrong.stderr.splitlines()[-1])["message"]


def follow(model, frame):
    """Return the stream after the rows of `frame`, and the mean it forecast after each."""
    out: list[str] = []
    asked = {role: model.asked(role) for role in ("static", "known", "past")}
    feed, stream = Feed(model.clock, model.layout, Wanted(**asked)), Stream(model, 3, rate=0.0)
    follower = Follower(feed, stream, Style("csv", (0.5,)), out.append, pytest.fail)
    follower.read(line.encode() for line in frame.to_csv(index=False).splitlines())
    return stream, [line.split(",") for line in "".join(out).splitlines()]


def test_a_stream_knows_the_holidays_to_come():
    past, new = daily(("DE", "FR"), days=352), daily(("DE",), "2020-12-18", 9)
    model = fitting.fit(read(past, holidays="unique_id"), "linear", 7)
    blind = fitting.fit(read(past), "linear", 7)
    stream, out = follow(model, new)
    _, without = follow(blind, new)
    drop = {row[4]: float(row[5]) - float(other[5])
            for row, other in zip(out, without, strict=True)}  # fmt: skip
    assert max(drop["2020-12-25"], drop["2020-12-26"]) < -5 < drop["2020-12-22"]
    rows = read(new, clock=model.clock, layout=model.layout, calendar=model.holidays)
    expected = model.predict(rows).mean[0, :3]
    np.testing.assert_allclose([float(row[5]) for row in out[-3:]], expected, rtol=1e-8)
    saved = store.loads(store.dumps(stream.forecaster()))
    np.testing.assert_allclose(saved.predict().mean[0, :3], expected, rtol=1e-12)


def test_a_stream_keeps_the_place_of_a_new_series():
    frame = pd.concat([daily(("a",), land="GB"), daily(("b",), land="DE")])
    model = fitting.fit(read(frame, static=["land"], holidays="land"), "linear", 7)
    new = daily(("c",), "2021-04-25", 5, land="DE")
    stream, out = follow(model, new)
    assert [row[4] for row in out[-3:]] == ["2021-04-30", "2021-05-01", "2021-05-02"]
    assert float(out[-2][5]) < float(out[-3][5]) - 5
    saved = store.loads(store.dumps(stream.forecaster()))
    assert saved.holidays.own["c"] == "DE"
    again = dict(zip(saved.predict().ids, saved.predict().mean, strict=True))
    np.testing.assert_allclose(again["c"][:3], [float(row[5]) for row in out[-3:]], rtol=1e-8)


def test_follow_needs_no_future_file(forecast, tmp_path):
    daily(days=352).to_csv(tmp_path / "load.csv", index=False)
    done = forecast("fit", "load.csv", "-m", "linear", "--holidays", "DE", "-o", "m")
    assert done.returncode == 0, done.stderr
    new = daily(start="2020-12-18", days=7).to_csv(index=False).encode()
    ahead = forecast("follow", "m", stdin=new)
    assert ahead.returncode == 0 and b"given" not in ahead.stderr, ahead.stderr
    rows = [line.split(",") for line in ahead.stdout.decode().splitlines()[1:]]
    assert rows[-1][4] == "2020-12-25" and float(rows[-1][5]) < float(rows[-2][5]) - 5
