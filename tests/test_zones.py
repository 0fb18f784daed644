"""Panels whose series keep clocks in different time zones: each as if it stood alone."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast import backtest, fitting, peers, simulation, store
from forecast.cli.evaluation import columns, time_of
from forecast.data import check, rewriting, tables, writing
from forecast.data.clock import OFFSETS
from forecast.data.wanted import Wanted
from forecast.errors import DataError, ModelFileError, UsageError
from forecast.results import Task
from forecast.stream.feed import Feed
from forecast.stream.follower import Follower, Style
from forecast.stream.state import Stream

PLACES = {
    "athens": "Europe/Athens", "delhi": "Asia/Kolkata", "here": "UTC", "oslo": "Europe/Oslo",
    "perth": "+08:00", "santiago": "America/Santiago", "york": "America/New_York",
}  # fmt: skip
AUTUMN = "2023-10-20"  # clocks go back in Europe on 29 October, in New York on 5 November


def frame(names=tuple(PLACES), start=AUTUMN, rows=24 * 24, freq="h", seed=0) -> pd.DataFrame:
    """Loads with a day and a week by the clock on the wall, stamped by it without a zone."""
    parts = []
    for k, name in enumerate(names):
        wall = pd.date_range(pd.Timestamp(start).tz_localize("UTC"), periods=rows, freq=freq)
        wall = wall.tz_convert(PLACES[name] if PLACES[name][0] != "+" else "Etc/GMT-8")
        hour = wall.hour + wall.minute / 60
        noise = np.random.default_rng([seed, k]).normal(size=rows)
        y = 50 + 10 * np.sin(2 * np.pi * hour / 24) - 5 * (wall.day_of_week >= 5) + noise
        stamps = wall.strftime("%Y-%m-%dT%H:%M")
        parts.append(pd.DataFrame({"unique_id": name, "zone": PLACES[name], "ds": stamps, "y": y}))
    return pd.concat(parts)


def read(table: pd.DataFrame, **options):
    return tables.read(table.to_csv(index=False).encode(), **options)


def alone(table: pd.DataFrame, name: str, **options):
    own = table[table["unique_id"] == name].drop(columns="zone")
    return read(own, timezone=PLACES[name], **options)


def rows_for(model, table: pd.DataFrame):
    return read(table, clock=model.clock, layout=model.layout, calendar=model.holidays)


def lines(forecast, name: str) -> list[str]:
    """Return the timestamps and the means that are written for a series."""
    text = writing.render(forecast).decode().splitlines()
    return [",".join(line.split(",")[:3]) for line in text if line.startswith(f"{name},")]


@given(
    start=st.datetimes(pd.Timestamp("2000-01-01"), pd.Timestamp("2029-01-01")),
    names=st.lists(st.sampled_from(sorted(PLACES)), min_size=2, max_size=4, unique=True),
    minutes=st.sampled_from([15, 30, 60]),
)
@settings(max_examples=15)
def test_each_series_is_read_as_it_is_alone(start, names, minutes) -> None:
    table = frame(names, pd.Timestamp(start).floor("h"), 900, f"{minutes}min")
    panel = read(table, timezone="zone")
    for i, name in enumerate(panel.ids):
        own, clock = alone(table, name), panel.clock.of((name,))
        times = panel.row_times(i)
        np.testing.assert_array_equal(times, own.row_times(0))
        np.testing.assert_array_equal(panel.series(i), own.series(0))
        np.testing.assert_array_equal(clock.phases(times), own.clock.phases(times))
        np.testing.assert_array_equal(clock.write(times), own.clock.write(times))
    series = np.repeat(np.arange(len(panel)), panel.lengths)
    flat = panel.clock.of(panel.ids).at(series)
    one = [panel.clock.of((n,)).phases(panel.row_times(i)) for i, n in enumerate(panel.ids)]
    np.testing.assert_array_equal(flat.phases(panel.all_times()), np.concatenate(one))


@pytest.mark.parametrize("model", ["snaive", "snaive-week"])
def test_copies_are_forecast_as_they_are_alone(model: str) -> None:
    table = frame()
    whole = fitting.fit(read(table, timezone="zone"), model, 30)
    again = store.loads(store.dumps(whole))
    paths = simulation.simulate(again, 2, 3)
    for name in PLACES:
        own = fitting.fit(alone(table, name), model, 30)
        assert lines(whole.predict(), name) == lines(own.predict(), name)
        assert lines(again.predict(), name) == lines(own.predict(), name)
        stamps = simulation.simulate(own, 1, 3).times
        np.testing.assert_array_equal(paths.times[paths.ids.index(name)], stamps[0])


def test_a_model_learns_the_hours_of_each_clock() -> None:
    """The same day everywhere is one pattern by local clocks, and none by UTC."""
    table = frame(rows=24 * 40)
    utc = table.assign(ds=lambda t: _aware(t)).drop(columns="zone")
    errors = []
    for panel in (read(table, timezone="zone"), read(utc, timezone="UTC")):
        options = {"settings": {"linear": {"lags": "1"}}}
        result = backtest.run(panel, Task(24, 4), ["linear"], options=options)
        errors.append(result.score("linear").mase)
    assert errors[0] < 0.97 * errors[1]


def _aware(table: pd.DataFrame) -> list[str]:
    panel = read(table, timezone="zone")
    order = {name: i for i, name in enumerate(panel.ids)}
    stamps = {n: iter(panel.clock.of((n,)).write(panel.row_times(i))) for n, i in order.items()}
    return [next(stamps[name]) for name in table["unique_id"]]


def test_scores_by_hour_are_those_of_the_clocks() -> None:
    table, names = frame(("athens", "york")), ("athens", "york")
    whole = backtest.run(read(table, timezone="zone"), Task(6, 5), ["naive"], baselines=False)
    hours = [backtest.run(alone(table, n), Task(6, 5), ["naive"], baselines=False).by_hour("naive")
             for n in names]  # fmt: skip
    np.testing.assert_allclose(whole.by_hour("naive"), np.nanmean(hours, axis=0))


def test_cutoffs_go_along_one_grid_where_zones_differ_by_half_an_hour() -> None:
    panel = read(frame(("delhi", "oslo")), timezone="zone")
    first = int(panel.starts[1]) + 300 * 3_600_000_000
    result = backtest.run(panel, Task(6, 4, first_cutoff=first), ["naive"], baselines=False,
                          probes=["importance", "in_sample"])  # fmt: skip
    assert np.diff(result.cutoffs).tolist() == [6 * 3_600_000_000] * 3
    assert not np.isnan(result.runs["naive"].mean).any()
    assert result.runs["naive"].probes["importance"]["values"]["mean"] > 0


def test_forecasts_made_elsewhere_are_read_by_the_clock_of_their_series(tmp_path) -> None:
    panel = read(frame(("athens", "delhi", "york")), timezone="zone")
    result = backtest.run(panel, Task(6, 3), ["snaive"], baselines=False)
    for text in (*columns(result, (0.1, 0.5, 0.9)),):
        writing.write_windows(text, result.clock, tmp_path / "all.csv")
    rows = (tmp_path / "all.csv").read_text()
    assert rows.count("+05:30,") == 2 * 3 * 6
    (tmp_path / "naive.csv").write_text(re.sub(r"(T\d\d:\d\d)[+-]\d\d:\d\d", r"\1", rows))
    for name in ("all.csv", "naive.csv"):
        (run,) = peers.read(tmp_path / name, result)
        np.testing.assert_allclose(run.mean, result.runs["snaive"].mean, rtol=1e-8)


def test_rows_to_come_are_read_by_the_clock_of_their_series() -> None:
    table = frame(rows=24 * 25)
    past, new = table.groupby("unique_id").head(24 * 24), table.groupby("unique_id").tail(24)
    model = fitting.fit(read(past, timezone="zone"), "snaive", 24)
    whole = fitting.fit(read(table, timezone="zone"), "snaive", 24)
    expected = writing.render(replace(whole.predict(), quantiles=whole.predict().quantiles * 0))
    for rows in (new, new.drop(columns="zone")):
        got = model.predict(rows_for(model, rows))
        assert writing.render(replace(got, quantiles=got.quantiles * 0)) == expected
    assert model.update(rows_for(model, new)).last.tolist() == whole.last.tolist()
    bare = store.loads(store.dumps(model.forget()))
    assert bare.clock.own == {} and bare.clock.told == "zone"
    for name in PLACES:
        assert lines(bare.predict(rows_for(bare, table)), name) == lines(whole.predict(), name)


def test_a_new_series_tells_its_zone_or_is_refused() -> None:
    table = frame(("athens", "oslo"))
    model = fitting.fit(read(table, timezone="zone"), "snaive", 24)
    new = frame(("york",))
    grown = model.update(rows_for(model, new))
    assert grown.clock.own["york"] == "America/New_York" and len(grown.clock.own) == 3
    saved = store.loads(store.dumps(grown))
    assert lines(saved.predict(), "york")[0].startswith("york,2023-11-12T19:00-05:00,")
    with pytest.raises(DataError, match="line 2, column `ds`: series `york`: nothing tells") as bad:
        rows_for(model, new.drop(columns="zone"))
    assert "the column `zone`" in bad.value.hint
    told = new.head(99).drop(columns="zone").assign(ds=new["ds"] + "-04:00")
    assert model.update(rows_for(model, told)).clock.own["york"] == "-04:00"


def follow(model, text: str):
    out: list[str] = []
    said: list[str] = []
    feed = Feed(model.clock, model.layout, Wanted())
    follower = Follower(feed, Stream(model, 1), Style("csv", (0.5,)), out.append, said.append)
    follower.read(line.encode() for line in text.splitlines())
    return follower, "".join(out).splitlines(), said


@pytest.mark.parametrize("told", [True, False])
def test_a_stream_keeps_the_clock_of_each_series(told: bool) -> None:
    table = frame(rows=24 * 10)  # over the night in which Europe's clocks go back
    new = table.groupby("unique_id").tail(48).sort_values("ds", kind="stable")
    past = table.groupby("unique_id").head(24 * 8)
    model = fitting.fit(read(past, timezone="zone"), "snaive", 24)
    text = (new if told else new.drop(columns="zone")).to_csv(index=False)
    follower, out, said = follow(model, text)
    assert said == [] and len(out) == 48 * len(PLACES)
    after = follower.stream.forecaster()
    assert after.last.tolist() == read(table, timezone="zone").ends.tolist()
    for name in PLACES:
        own = fitting.fit(alone(past, name), "snaive", 24)
        rest = follow(own, new[new["unique_id"] == name].drop(columns="zone").to_csv(index=False))
        mine = [line for line in out if line.startswith(f"{name},")]
        assert [_copied(line) for line in mine] == [_copied(line) for line in rest[1]]


def _copied(line: str) -> list[str]:
    """Return what does not depend on the errors of other series: not the width of intervals."""
    name, cutoff, y, _, ds, mean = line.split(",")[:6]
    return [name, cutoff, y, ds, mean]


def test_a_stream_learns_the_zone_of_a_new_series() -> None:
    model = fitting.fit(read(frame(("athens", "oslo")), timezone="zone"), "snaive", 24)
    new = frame(("york",), rows=30)
    follower, out, said = follow(model, new.to_csv(index=False))
    assert out[-1].split(",")[1] == "2023-10-21T01:00-04:00" and not said
    assert (
        store.loads(store.dumps(follower.stream.forecaster())).clock.own["york"] == PLACES["york"]
    )
    _, none, said = follow(model, new.drop(columns="zone").to_csv(index=False))
    assert not none and "nothing tells in which time zone" in said[0]
    told = new.drop(columns="zone").assign(ds=new["ds"] + "-04:00")
    assert follow(model, told.to_csv(index=False))[1][-1].split(",")[1] == out[-1].split(",")[1]
    wrong = new.assign(zone="Nowhere").to_csv(index=False)
    assert "no time zone is called `Nowhere`" in follow(model, wrong)[2][0]


def test_offsets_that_differ_by_series_are_their_zones() -> None:
    table = frame(("delhi", "perth"))
    table["ds"] += np.where(table["unique_id"] == "delhi", "+05:30", "+08:00")
    panel = read(table.drop(columns="zone"))
    assert panel.clock.own == {"delhi": "+05:30", "perth": "+08:00"}
    assert panel.clock.told == OFFSETS
    model = fitting.fit(panel, "snaive", 24)
    assert "+05:30" in lines(model.predict(), "delhi")[0]
    assert "+08:00" in lines(model.predict(), "perth")[0]
    berlin = read(table.drop(columns="zone"), timezone="Europe/Berlin")
    assert (berlin.clock.zone, berlin.clock.told) == ("Europe/Berlin", "")
    daily = table[table["ds"].str.contains("T00:")].drop(columns="zone")
    assert (read(daily).clock.label, read(daily).clock.place) == ("daily", "UTC")


def test_offsets_that_change_within_a_series_are_no_zones() -> None:
    table = frame(("athens", "oslo"))
    table["ds"] = _aware(table)
    panel = read(table.drop(columns="zone"))
    assert (panel.clock.place, panel.clock.told) == ("UTC", "")


def test_the_doctor_speaks_and_writes_by_the_clock_of_each_series() -> None:
    table = frame(("delhi", "oslo"))
    table.iloc[100, 3] = 900
    health = check.examine(table.to_csv(index=False).encode(), timezone="zone")
    assert [finding.kind for finding in health.findings] == ["outlier"]
    spot = health.findings[0].spots[0]
    assert (spot.series, spot.first) == ("delhi", table.iloc[100, 2] + "+05:30")
    out = io.BytesIO()
    rewriting.write(health.repaired, out)
    again = tables.read(out.getvalue(), timezone="zone")
    assert again.clock == health.panel.clock
    np.testing.assert_array_equal(again.all_times(), health.panel.all_times())


def test_holidays_are_days_of_the_clock_of_each_series() -> None:
    table = frame(("oslo", "york"), start="2023-12-20", rows=24 * 12)
    table["land"] = np.where(table["unique_id"] == "oslo", "NO", "US")
    panel = read(table, timezone="zone", static=["land"], holidays="land")
    for i, name in enumerate(panel.ids):
        free = panel.covariates.values[panel.offsets[i] : panel.offsets[i + 1], -1] == 1
        days = panel.clock.of((name,)).write(panel.row_times(i)[free])
        assert {day[:10] for day in days} >= {"2023-12-25"} and days[0].endswith(
            {"oslo": "T00:00+01:00", "york": "T00:00-05:00"}[name]
        )


def test_clocks_that_go_back_in_several_zones_name_the_cure() -> None:
    table = frame(("delhi", "oslo", "york")).drop(columns="zone")
    with pytest.raises(DataError, match=r"twice.*: the clock went back") as bad:
        read(table)
    assert "`--timezone COLUMN`" in bad.value.hint
    health = check.examine(table.to_csv(index=False).encode())
    (finding,) = (f for f in health.findings if f.kind == "clock change")
    assert finding.rows == 2 and "`--timezone COLUMN` keeps both" in finding.cure
    twice = pd.concat([table, table.iloc[40:41]])
    with pytest.raises(DataError, match="twice") as bad:
        read(twice)
    assert "--timezone" not in bad.value.hint


def test_what_cannot_be_is_refused() -> None:
    table = frame(("athens", "oslo"))
    days = table[table["ds"].str.contains("T00:00")]
    with pytest.raises(DataError, match="daily steps by the clocks of several time zones") as bad:
        read(days, timezone="zone")
    assert "without a time of day" in bad.value.hint
    plain = days.assign(ds=days["ds"].str[:10])
    assert read(plain, timezone="zone").clock.zone is None
    moved = table.assign(zone=np.where(np.arange(len(table)) == 9, "Asia/Tokyo", table["zone"]))
    with pytest.raises(DataError, match="line 11, column `zone`: series `athens` is in Asia/Tokyo"):
        read(moved, timezone="zone")
    wide = pd.DataFrame({"ds": table["ds"][:600].unique()})
    wide = wide.assign(a=1.0, b=2.0, zone=np.where(wide.index % 2, "UTC", "Asia/Tokyo"))
    with pytest.raises(DataError, match="line 3, column `zone`: series `a` is in UTC after Asia"):
        read(wide, timezone="zone")


def test_model_files_say_their_format_and_are_checked() -> None:
    table = frame(("athens", "oslo"))
    single = store.dumps(fitting.fit(alone(table, "oslo"), "snaive", 24))
    data = store.dumps(fitting.fit(read(table, timezone="zone"), "snaive", 24))
    assert b'\\"format\\": 2' in single and b'\\"told\\"' not in single
    assert b'\\"format\\": 4' in data
    model = store.loads(data)
    wrong = replace(model, clock=replace(model.clock, own={"oslo": "Nowhere"}))
    with pytest.raises(ModelFileError, match="no time zone is called"):
        store.loads(store.dumps(wrong))


def test_the_command_line_carries_zones_through(forecast, tmp_path) -> None:
    table = frame(("athens", "delhi", "york"), rows=24 * 21)
    table.groupby("unique_id").head(24 * 20).to_csv(tmp_path / "load.csv", index=False)
    table.groupby("unique_id").tail(24).to_csv(tmp_path / "new.csv", index=False)
    done = forecast("fit", "load.csv", "--timezone", "zone", "-m", "snaive", "-o", "m")
    assert b"America/New_York, Asia/Kolkata, Europe/Athens" in done.stderr, done.stderr
    assert forecast("update", "m", "new.csv").returncode == 0
    ahead = json.loads(forecast("predict", "m", "--format", "json", "--horizon", "1").stdout)
    assert [row["ds"][16:] for row in ahead] == ["+02:00", "+05:30", "-05:00"]
    checked = json.loads(
        forecast("check", "load.csv", "--timezone", "zone", "--format", "json").stdout
    )
    assert checked["zone"]["york"] == "America/New_York"
    cut = ("--windows", 2, "--models", "snaive", "--horizon", 6, "--first-cutoff")
    naive = forecast("benchmark", "load.csv", "--timezone", "zone", *cut, "2023-11-05T00:00")
    assert naive.returncode == 2 and b"the series keep several" in naive.stderr
    told = forecast("benchmark", "load.csv", "--timezone", "zone", *cut, "2023-11-05T00:00Z",
                    "--forecasts", "all.csv")  # fmt: skip
    assert told.returncode == 0, told.stderr
    rows = (tmp_path / "all.csv").read_text().splitlines()
    assert any(row.startswith("snaive,delhi,2023-11-05T05:30+05:30,") for row in rows), rows[:3]


def test_first_cutoffs_of_a_task_need_an_offset() -> None:
    clock = read(frame(("athens", "oslo")), timezone="zone").clock
    assert time_of("2023-11-01T00:00Z", clock) == 1_698_796_800_000_000
    with pytest.raises(UsageError, match="no zone"):
        time_of("2023-11-01T00:00", clock)
