"""Clocks: what is inferred from timestamps, and what comes after them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forecast.data import closures, frequency, tables, zones
from forecast.data.clock import DAY, HOUR, SECOND, WEEK, Clock, default_seasons, months
from forecast.data.panel import Panel
from forecast.errors import DataError, UsageError


def times(index: pd.DatetimeIndex) -> np.ndarray:
    return index.to_numpy().astype("M8[us]").astype(np.int64)


def infer(*series: np.ndarray, index: bool = False) -> Clock:
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in series])]).astype(np.int64)
    return frequency.infer(np.concatenate(series).astype(np.int64), offsets, index)


def dates(freq: str, periods: int, start: str = "2020-01-31") -> np.ndarray:
    return times(pd.date_range(start, periods=periods, freq=freq))


@pytest.mark.parametrize(
    ("freq", "label", "seasons"),
    [
        ("s", "1 s", (86400, 604800)),
        ("15min", "15 min", (96, 672)),
        ("30min", "30 min", (48, 336)),
        ("h", "hourly", (24, 168)),
        ("7h", "7 h", (24,)),
        ("D", "daily", (7,)),
        ("W", "weekly", (52,)),
        ("MS", "monthly", (12,)),
        ("ME", "monthly", (12,)),
        ("2MS", "2 months", (6,)),
        ("QS", "quarterly", (4,)),
        ("QE", "quarterly", (4,)),
        ("YS", "yearly", ()),
        ("B", "trading days", ()),
    ],
)
def test_frequency_and_seasons(freq: str, label: str, seasons: tuple[int, ...]) -> None:
    clock = infer(dates(freq, 60))
    assert clock.label == label
    assert default_seasons(clock) == seasons


@pytest.mark.parametrize("freq", ["h", "D", "W", "MS", "ME", "QE", "YE", "B"])
def test_ahead_continues_what_pandas_counts(freq: str) -> None:
    whole = dates(freq, 80)
    clock = infer(whole[:60])
    np.testing.assert_array_equal(clock.ahead(whole[59:60], 20)[0], whole[60:])


def test_gaps_do_not_change_the_frequency() -> None:
    whole = dates("h", 1440)
    kept = np.delete(whole, slice(700, 705))
    clock = infer(kept)
    offsets = np.array([0, len(kept)])
    assert clock == Clock("fixed", HOUR)
    np.testing.assert_array_equal(
        frequency.places(clock, kept, offsets), np.delete(np.arange(1440), slice(700, 705))
    )
    assert frequency.share_explained(clock, kept, offsets) == pytest.approx(1433 / 1434)


def test_trading_days_with_holidays() -> None:
    days = dates("B", 520)
    days = np.delete(days, [0, 77, 188, 300, 301])
    clock = infer(days, days[100:400])
    assert clock.kind == "trading"
    assert clock.weekdays == (0, 1, 2, 3, 4)
    assert not clock.complete


def test_a_week_from_sunday_to_thursday() -> None:
    days = dates("D", 200)
    kept = days[~np.isin(frequency.weekday(days), (4, 5))]
    assert infer(kept).weekdays == (0, 1, 2, 3, 6)


def test_two_weeks_of_working_days_are_trading_days() -> None:
    assert infer(dates("B", 10, "2020-01-06")).kind == "trading"
    assert infer(dates("B", 5, "2020-01-06")).kind == "fixed"


def test_daily_rows_with_holes_are_not_trading_days() -> None:
    days = np.delete(dates("D", 100), [5, 6, 40, 71])
    assert infer(days) == Clock("fixed", DAY)


def test_a_shop_that_never_closes_among_stocks_is_named() -> None:
    with pytest.raises(frequency.OddSeriesError) as caught:
        infer(*[dates("B", 200)] * 30, dates("D", 280))
    assert caught.value.series == 30
    with pytest.raises(frequency.OddSeriesError) as caught:
        infer(*[dates("D", 280)] * 5, dates("B", 200))
    assert (caught.value.series, caught.value.label) == (5, "trading days")


def test_an_integer_index_takes_any_integers() -> None:
    assert infer(np.arange(5, 50, 5), index=True) == Clock("index", 5)
    assert infer(np.array([0, 2, 5]), index=True) == Clock("index", 1)
    assert infer(np.array([7]), index=True) == Clock("index", 1)


def test_seconds_and_less() -> None:
    assert infer(np.arange(10) * SECOND // 4).label == "0.25 s"


@given(
    step=st.sampled_from([SECOND, 900 * SECOND, HOUR, 5 * HOUR, DAY, WEEK]),
    gaps=st.lists(st.integers(2, 9), max_size=5),
    count=st.integers(12, 60),
    start=st.integers(-(10**9), 10**9),
)
@settings(max_examples=60, deadline=None)
def test_the_step_is_found_through_gaps(step, gaps, count, start) -> None:
    jumps = np.array([1] * count + gaps)
    rng = np.random.default_rng(count)
    place = np.concatenate([[0], np.cumsum(rng.permutation(jumps))])
    found = start * SECOND + place * step
    clock = infer(found)
    assert clock == Clock("fixed", step)
    np.testing.assert_array_equal(frequency.places(clock, found, np.array([0, len(found)])), place)


@given(
    start=st.integers(-3000, 3000),
    day=st.integers(1, 31),
    step=st.sampled_from([1, 3, 12]),
    move=st.integers(-50, 50),
)
@settings(deadline=None)
def test_a_calendar_shift_goes_there_and_back(start, day, step, move) -> None:
    clock = Clock("calendar", step, anchor=day)
    month = np.array([np.datetime64(start, "M")]).astype("M8[us]").astype(np.int64)
    first = clock.shift(month, np.array([0]))
    moved = clock.shift(first, np.array([move]))
    assert months(moved)[0] == start + step * move
    np.testing.assert_array_equal(clock.shift(moved, np.array([-move])), first)


def test_trading_days_have_no_step() -> None:
    clock, some = Clock("trading"), np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="rows"):
        clock.shift(some, some)
    with pytest.raises(ValueError, match="rows"):
        clock.number(some)


@pytest.mark.parametrize(
    ("unit", "zone", "text"),
    [("D", None, "2020-03-01"), ("m", None, "2020-03-01T17:30"), ("M", None, "2020-03"),
     ("s", "UTC", "2020-03-01T17:30:00Z"), ("ms", None, "2020-03-01T17:30:00.000")],
)  # fmt: skip
def test_timestamps_are_written_in_their_own_resolution(unit, zone, text) -> None:
    at = times(pd.DatetimeIndex(["2020-03-01 17:30"]))
    assert Clock("fixed", HOUR, unit=unit, zone=zone).write(at)[0] == text
    assert Clock("index").write(np.array([[41]]))[0, 0] == "41"


def test_phases_run_through_each_season() -> None:
    clock = Clock("fixed", HOUR, (24, 168))
    at = dates("h", 168, "2024-01-01")  # a Monday
    phases = clock.phases(at)
    np.testing.assert_allclose(phases[:, 0], np.arange(168) % 24 / 24)
    np.testing.assert_allclose(phases[:, 1], np.arange(168) / 168)
    monthly = Clock("calendar", 1, (12,)).phases(dates("MS", 24, "2024-01-01"))
    np.testing.assert_allclose(monthly[:, 0], np.arange(24) % 12 / 12)


def season(*series: np.ndarray) -> tuple[int, ...]:
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in series])]).astype(np.int64)
    return frequency.detect_season(np.concatenate(series), offsets)


def test_a_clear_season_of_an_index_is_found() -> None:
    rng, at = np.random.default_rng(0), np.arange(600)
    wave = np.sin(2 * np.pi * at / 24) + 0.002 * at + 0.1 * rng.normal(size=600)
    assert season(wave) == (24,)
    wave[100:130] = np.nan
    assert season(wave, wave[:300]) == (24,)
    weekly = wave + np.where(at // 24 % 7 < 2, -2.0, 0.0)
    assert season(np.tile(weekly[:168], 6)) in ((24, 168), (168,))


def test_no_season_where_there_is_none() -> None:
    rng = np.random.default_rng(0)
    assert season(rng.normal(size=500)) == ()
    assert season(np.cumsum(rng.normal(size=2000))) == ()
    assert season(np.ones(100)) == ()
    assert season(np.arange(5.0)) == ()
    assert season(np.full(50, np.nan)) == ()
    assert season(np.arange(100.0)) == ()


BERLIN = "Europe/Berlin"
PLACES = (BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu")


def table(stamps: list[str]) -> bytes:
    return ("ds,y\n" + "".join(f"{s},{k}\n" for k, s in enumerate(stamps))).encode()


def naive(index: pd.DatetimeIndex) -> list[str]:
    return list(index.strftime("%Y-%m-%dT%H:%M:%S"))


@pytest.mark.parametrize("zone", PLACES)
def test_zones_agree_with_pandas(zone: str) -> None:
    utc = pd.date_range("1975-01-01", "2037-12-31", freq="7h17min", tz="UTC")
    wall = times(utc.tz_convert(zone).tz_localize(None))
    utc_times = times(utc.tz_localize(None))
    np.testing.assert_array_equal(zones.to_local(utc_times, zone), wall)
    first, second = zones.to_utc(wall, zone), zones.to_utc(wall, zone, True)
    assert np.all((first == utc_times) | (second == utc_times))
    np.testing.assert_array_equal(first == second, ~zones.repeated(wall, zone))
    assert not zones.skipped(wall, zone).any()


@given(
    start=st.integers(0, 60 * 365), zone=st.sampled_from(PLACES), step=st.sampled_from([1, 30, 60])
)
@settings(max_examples=30, deadline=None)
def test_local_stamps_come_back_as_they_were(start: int, zone: str, step: int) -> None:
    # Half an hour comes twice on Lord Howe: of hourly rows one falls there, and may be either.
    assume(not (zone == "Australia/Lord_Howe" and step == 60))
    begin = pd.Timestamp("1975-01-01", tz="UTC") + pd.Timedelta(days=start)
    hours = pd.date_range(begin.floor("h"), periods=600, freq=f"{step}min").tz_convert(zone)
    panel = tables.read(table(naive(hours)), timezone=zone)
    np.testing.assert_array_equal(panel.values, np.arange(600))
    assert list(panel.clock.write(panel.all_times())) == [h.isoformat() for h in hours]


@pytest.mark.parametrize("backwards", [False, True])
def test_both_hours_of_autumn_are_kept_and_spring_is_no_gap(backwards: bool) -> None:
    hours = pd.date_range("2023-03-20", "2023-11-05", freq="h", tz=BERLIN)
    stamps = naive(hours)
    panel = tables.read(table(stamps[::-1] if backwards else stamps), timezone=BERLIN)
    expected = np.arange(len(hours))
    np.testing.assert_array_equal(panel.values, expected[::-1] if backwards else expected)
    phases = panel.clock.phases(panel.all_times())
    np.testing.assert_allclose(phases[:, 0], hours.hour / 24)
    np.testing.assert_allclose(phases[:, 1], (24 * hours.day_of_week + hours.hour) / 168)


def test_half_hours_of_autumn_in_either_order() -> None:
    half = pd.date_range("2023-10-28", periods=120, freq="30min", tz=BERLIN)
    by_wall = sorted(range(120), key=lambda k: naive(half)[k])  # 02:00 02:00 02:30 02:30
    text = "ds,y\n" + "".join(f"{naive(half)[k]},{k}\n" for k in by_wall)
    panel = tables.read(text.encode(), timezone=BERLIN)
    np.testing.assert_array_equal(panel.values, np.arange(120))


def test_a_clock_change_without_a_zone_names_the_cure() -> None:
    hours = pd.date_range("2023-10-25", "2023-11-05", freq="h", tz=BERLIN)
    with pytest.raises(DataError, match=r"line 101, .*2023-10-29T02:00:00 twice: the clock") as e:
        tables.read(table(naive(hours)))
    assert e.value.hint is not None
    assert "--timezone Europe/Berlin" in e.value.hint


def test_an_hour_that_spring_skips_is_refused_unless_empty() -> None:
    hours = naive(pd.date_range("2023-03-25", periods=100, freq="h"))
    with pytest.raises(DataError, match=r"line 28, .*2023-03-26T02:00:00 does not exist"):
        tables.read(table(hours), timezone=BERLIN)
    text = table(hours).decode().replace("02:00:00,26\n", "02:00:00,\n")
    panel = tables.read(text.encode(), timezone=BERLIN)
    assert len(panel.values) == 99
    assert "1 empty rows" in panel.notes[1]


@pytest.mark.parametrize(("freq", "label"), [("D", "daily"), ("W", "weekly"), ("MS", "monthly")])
def test_local_days_have_23_and_25_hours(freq: str, label: str) -> None:
    days = pd.date_range("2022-01-01", periods=160, freq=freq, tz=BERLIN)
    panel = tables.read(table(naive(days[:100])), timezone=BERLIN)
    assert panel.clock.label == label
    np.testing.assert_array_equal(panel.values, np.arange(100))
    ahead = panel.clock.write(panel.clock.ahead(panel.ends, 60))[0]
    assert list(ahead) == [d.isoformat() for d in days[100:]]
    cutoff = int(panel.all_times()[41])
    assert panel.counts_until(cutoff)[0] == 42


def test_utc_and_offsets_are_shown_as_asked_or_as_written() -> None:
    hours = pd.date_range("2014-04-05T10:00", periods=48, freq="h", tz="UTC")
    utc = [h.isoformat().replace("+00:00", "Z") for h in hours]
    panel = tables.read(table(utc), timezone="Australia/Melbourne")
    local = [h.isoformat() for h in hours.tz_convert("Australia/Melbourne")]
    assert list(panel.clock.write(panel.all_times())) == local
    assert {"2014-04-06T02:00:00+11:00", "2014-04-06T02:00:00+10:00"} <= set(local)
    written = [h.isoformat() for h in hours.tz_convert("-03:30")]
    panel = tables.read(table(written))
    assert panel.clock.zone == "-03:30"
    assert list(panel.clock.write(panel.all_times())) == written
    assert str(panel.to_frame()["ds"].iloc[0].isoformat()) == written[0]
    again = Panel.from_frame(panel.to_frame())
    np.testing.assert_array_equal(again.starts, panel.starts)


def test_dates_have_no_zone() -> None:
    panel = tables.read(table([f"2020-01-{d:02}" for d in range(1, 20)]), timezone=BERLIN)
    assert panel.clock.zone is None
    assert "same in every zone" in panel.notes[1]


def test_zones_by_name() -> None:
    assert zones.named("europe/berlin") == BERLIN
    assert zones.named("UTC+5:30") == "+05:30"
    assert zones.named("+00:00") == zones.named("Z") == "UTC"
    with pytest.raises(UsageError) as caught:
        zones.named("Berlin")
    assert caught.value.hint == "did you mean `Europe/Berlin`?"
    with pytest.raises(UsageError):
        zones.named("+25:00")


def test_new_york_rests_by_rule() -> None:
    found = {str(d) for d in closures.nyse(2021, 2023).astype("M8[D]")}
    assert found == {
        "2021-01-01", "2021-01-18", "2021-02-15", "2021-04-02", "2021-05-31", "2021-07-05",
        "2021-09-06", "2021-11-25", "2021-12-24",
        "2022-01-17", "2022-02-21", "2022-04-15", "2022-05-30", "2022-06-20", "2022-07-04",
        "2022-09-05", "2022-11-24", "2022-12-26",
        "2023-01-02", "2023-01-16", "2023-02-20", "2023-04-07", "2023-05-29", "2023-06-19",
        "2023-07-04", "2023-09-04", "2023-11-23", "2023-12-25",
    }  # fmt: skip


def test_holidays_ahead_where_history_kept_them() -> None:
    days = np.arange(np.datetime64("2019-01-01"), np.datetime64("2021-12-01")).astype(np.int64)
    open_ = days[(np.mod(days - 4, 7) < 5) & ~np.isin(days, closures.nyse(2019, 2021))]
    clock = infer(open_ * DAY)
    assert clock.exchange == "NYSE"
    ahead = clock.ahead(open_[-1:] * DAY, 120)[0] // DAY
    shown = set(ahead.astype("M8[D]").astype(str))
    assert not shown & {"2021-12-24", "2022-01-17", "2022-04-15"}
    assert "2021-12-31" in shown  # New Year's Day fell on a Saturday
    assert infer(days[np.mod(days - 4, 7) < 5] * DAY).exchange is None


def test_other_closures_come_from_a_file(tmp_path) -> None:
    path = tmp_path / "closed.csv"
    path.write_text("date,name\n2020-03-19,feast # of one town\n\n2020-03-20\n")
    days = naive(pd.bdate_range("2020-01-01", "2020-03-18"))
    panel = tables.read(table(days), closures=path)
    ahead = panel.clock.ahead(panel.ends, 2)[0] // DAY
    assert list(ahead.astype("M8[D]").astype(str)) == ["2020-03-23", "2020-03-24"]
    path.write_text("2020-03-19\nsoon\n")
    with pytest.raises(DataError, match=r"closed\.csv, line 2: `soon` is not a date"):
        tables.read(table(days), closures=path)
    with pytest.raises(UsageError, match="daily, not trading days"):
        Clock("fixed", DAY).with_closures(path)


def test_a_series_that_turns_to_another_step_is_named_by_line() -> None:
    hours = pd.date_range("2020-01-01", periods=200, freq="h")
    turned = hours.append(pd.date_range("2020-01-10", periods=30, freq="D"))
    with pytest.raises(DataError, match=r"line 203, .* turns daily at 2020-01-11"):
        tables.read(table(naive(turned)))


@pytest.mark.parametrize(
    ("freq", "stray", "says"),
    [("D", "2203-01-01", "after the last row"), ("MS", "2200-01-01", "after the last row"),
     ("D", "2400-01-01", "beyond the year 2262"), ("h", "1820-01-01", "before the next row")],
)  # fmt: skip
def test_a_row_centuries_away_is_refused_by_line(freq: str, stray: str, says: str) -> None:
    stamps = naive(pd.date_range("2020-01-01", periods=300, freq=freq).append(
        pd.DatetimeIndex([np.datetime64(stray, "s")])))  # fmt: skip
    with pytest.raises(DataError, match=rf"line 302, .*{says}"):
        tables.read(table(stamps))


def test_a_clock_saved_before_zones_still_loads() -> None:
    old = {"kind": "trading", "step": 1, "seasons": (), "zone": None, "unit": "D", "anchor": 1,
           "weekdays": (0, 1, 2, 3, 4)}  # fmt: skip
    assert Clock(**old) == Clock("trading", unit="D")


def test_the_zone_may_stand_in_a_column() -> None:
    hours = pd.date_range("2023-10-20", "2023-11-05", freq="h", tz=BERLIN)
    rows = [f"{stamp},{BERLIN},{k}\n" for k, stamp in enumerate(naive(hours))]
    text = ("ds,zone,y\n" + "".join(rows)).encode()
    panel = tables.read(text, timezone="zone")
    np.testing.assert_array_equal(panel.values, np.arange(len(hours)))
    assert panel.clock.zone == BERLIN and panel.ids == ("y",)
    assert "ignored" not in panel.notes[0]
    with pytest.raises(DataError, match=r"line 40, column `zone`: series `y` is in UTC after"):
        tables.read(
            text.replace(rows[38].encode(), b"2023-10-21T14:00:00,utc,38\n"), timezone="zone"
        )
    with pytest.raises(DataError, match="line 40, column `zone`: no time zone is called `here`"):
        tables.read(text.replace(rows[38].encode(), b"2023-10-21T14:00:00,here,38\n"),
                    timezone="zone")  # fmt: skip
    assert tables.read(text, timezone="europe/berlin").clock.zone == BERLIN
