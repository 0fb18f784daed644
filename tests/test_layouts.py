"""Where timestamps, hours and series stand in a table, and how their dates are written."""

import dataclasses
import json

import numpy as np
import pytest

from forecast.data import stamps, tables
from forecast.data.clock import HOUR
from forecast.data.layout import Layout
from forecast.data.panel import Panel
from forecast.errors import DataError

DAYS = [np.datetime64("2019-12-20") + k for k in range(40)]


def daily(pattern: str, count: int = 40, extra: str = "") -> bytes:
    rows = (f"{day.astype(object).strftime(pattern)}{extra};{k}" for k, day in enumerate(DAYS))
    return ("when;y\n" + "\n".join(list(rows)[:count]) + "\n").encode()


def first(panel: Panel) -> str:
    return str(panel.clock.write(panel.starts)[0])


@pytest.mark.parametrize(
    "pattern",
    ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d%b%Y",
     "%d-%b-%y", "%B %d, %Y", "%a, %d %b %Y", "%d.%m.%y", "%m/%d/%y"],
)  # fmt: skip
def test_dates(pattern: str) -> None:
    panel = tables.read(daily(pattern))
    assert first(panel) == "2019-12-20"
    assert (panel.clock.label, len(panel.values)) == ("daily", 40)
    told = tables.read(daily(pattern), date_format=pattern)
    assert told.starts.tolist() == panel.starts.tolist()


@pytest.mark.parametrize("pattern", ["%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S"])
def test_dates_without_marks(pattern: str) -> None:
    for name in (b"date", b"time"):
        panel = tables.read(daily(pattern).replace(b"when", name))
        assert (first(panel)[:10], panel.clock.label) == ("2019-12-20", "daily")
    index = tables.read(daily("%Y%m%d").replace(b"when", b"date"), date_format="integer")
    assert index.clock.kind == "index"


@pytest.mark.parametrize(
    ("unit", "size"),
    [("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9)],
)
def test_epochs(unit: str, size: int) -> None:
    rows = "".join(f"{(1_577_836_800 + 3600 * k) * size},{k}\n" for k in range(30))
    panel = tables.read(("time,y\n" + rows).encode())
    assert (panel.clock.label, panel.clock.zone) == ("hourly", "UTC")
    assert first(panel).startswith("2020-01-01T00:00:00")
    assert f"{unit} since 1970" in panel.notes[0]
    if size < 10**9:
        assert (
            tables.read(("time,y\n" + rows).encode(), date_format="integer").clock.kind == "index"
        )


@pytest.mark.parametrize(
    ("cells", "label", "begin"),
    [
        (["2013M01", "2013M02", "2013M03"], "monthly", "2013-01"),
        (["2013Q1", "2013Q2", "2013Q3"], "quarterly", "2013-01"),
        (["2013-Q4", "2014-Q1", "2014-Q2"], "quarterly", "2013-10"),
        (["2013-W01", "2013-W02", "2013-W03"], "weekly", "2012-12-31"),
        (["01/2013", "02/2013", "03/2013"], "monthly", "2013-01"),
        (["Jan 2013", "Feb 2013", "Mar 2013"], "monthly", "2013-01"),
        (["2013-01-01 1:00 AM", "2013-01-01 12:00 PM", "2013-01-01 11:00 PM"], "11 h", None),
        (["2013-01-01 22:00", "2013-01-01 23:00", "2013-01-01 24:00"], "hourly",
         "2013-01-01T22:00"),
        (["30Jun2008:7:00:00", "30Jun2008:8:00:00", "30Jun2008:9:00:00"], "hourly", None),
        (["2013-01-01T00:00:00.25", "2013-01-01T00:00:00.5", "2013-01-01T00:00:00.75"], "0.25 s",
         "2013-01-01T00:00:00.250"),
        (["2013-01-01 00:00 +01:00", "2013-01-01 01:00 +01:00"], "hourly", None),
    ],
)  # fmt: skip
def test_other_stamps(cells: list[str], label: str, begin: str | None) -> None:
    rows = "".join(f'"{cell}",{k}\n' for k, cell in enumerate(cells))
    panel = tables.read(("ds,y\n" + rows).encode())
    assert (panel.clock.label, len(panel.values)) == (label, len(cells))
    assert begin is None or first(panel) == begin


@pytest.mark.parametrize(
    ("cell", "flags"),
    [("01/02/2020", ("day-first", "month-first")), ("1-2-20", ("day-first", "month-first")),
     ("03/04/05", ("day-first", "month-first", "year-first"))],
)  # fmt: skip
def test_dates_that_may_be_either_are_refused_with_the_flag(cell: str, flags) -> None:
    text = f"ds,y\n{cell},1\n".encode()
    with pytest.raises(DataError, match=r"line 2, column `ds`: .* may be") as caught:
        tables.read(text)
    assert all(f"`--date-format {flag}`" in str(caught.value.hint) for flag in flags)
    days = {first(tables.read(text, date_format=flag)) for flag in flags}
    assert len(days) == len(flags)
    assert first(tables.read(b"ds,y\n01.02.2020,1\n")) == "2020-02-01"


def test_two_date_formats_in_one_table_are_refused() -> None:
    with pytest.raises(DataError, match=r"line 3, column `ds`: `.*`.*two date formats"):
        tables.read(b"ds,y\n31/01/2020,1\n01/31/2020,2\n")
    with pytest.raises(DataError, match=r"line 3, .*`2020-13-01` is not a timestamp"):
        tables.read(b"ds,y\n2020-12-01,1\n2020-13-01,2\n")
    with pytest.raises(DataError, match=r"line 3, .*`31/02/2020`"):
        tables.read(b"ds,y\n31/01/2020,1\n31/02/2020,2\n")


def test_a_date_and_a_time_of_day() -> None:
    for time in ("time", "Time", "tod"):
        rows = "".join(
            f"{13 + k // 48}/01/2020;{k // 2 % 24}:{k % 2 * 30:02d};{k}\n" for k in range(99)
        )
        panel = tables.read(f"date;{time};y\n{rows}".encode())
        assert (panel.clock.label, first(panel)) == ("30 min", "2020-01-13T00:00")
        assert len(panel.values) == 99


@pytest.mark.parametrize("names", ["date,hour", "Year,Month,Day,Hour", "yr,mo,day,hr"])
@pytest.mark.parametrize("base", [0, 1])
def test_a_date_and_an_hour(names: str, base: int) -> None:
    day = (lambda k: f"2020-01-{1 + k // 24:02d}") if "date" in names else (
        lambda k: f"2020,1,{1 + k // 24}")  # fmt: skip
    rows = "".join(f"{day(k)},{k % 24 + base},{k}\n" for k in range(60))
    panel = tables.read(f"{names},load\n{rows}".encode())
    assert (first(panel), panel.clock.step, panel.ids) == ("2020-01-01T00:00", HOUR, ("load",))
    np.testing.assert_array_equal(panel.values, np.arange(60))
    assert ("hours 1 to 24" in panel.notes[0]) == (base == 1)


def test_hours_that_may_be_counted_either_way() -> None:
    text = b"date,hour,y\n2020-01-01,7,1\n2020-01-01,8,2\n"
    with pytest.raises(DataError, match="hours 7 to 8") as caught:
        tables.read(text)
    assert "--date-format 1-24" in str(caught.value.hint)
    assert first(tables.read(text, date_format="1-24")) == "2020-01-01T06:00"
    assert first(tables.read(text, date_format="year-first,0-23")) == "2020-01-01T07:00"
    ending = text.replace(b"hour", b"hour_ending")
    assert first(tables.read(ending)) == "2020-01-01T06:00"


def hours_25(value: str) -> bytes:
    """Return four days around the end of summer time in Athens, 31 October 2010."""
    rows = "".join(
        f"{d}/10/2010;{h};{100 * d + h if h < 25 else (value if d == 31 else 0)}\n"
        for d in range(28, 32) for h in range(1, 26)
    )  # fmt: skip
    return ("DATE;HOUR;LOAD\n" + rows).encode()


def test_hour_25() -> None:
    naive = tables.read(hours_25(""))
    assert len(naive.values) == 96
    with pytest.raises(
        DataError, match=r"line 101, column `HOUR`: 2010-10-31 has 25 hours"
    ) as caught:
        tables.read(hours_25("3125"))
    assert "--timezone" in str(caught.value.hint)
    zoned = tables.read(hours_25("3125"), timezone="Europe/Athens")
    assert len(zoned.values) == 97
    np.testing.assert_array_equal(zoned.values[-25:], 3100 + np.arange(1, 26))
    shown = zoned.clock.write(zoned.all_times())[-23:-20].tolist()
    assert shown == ["2010-10-31T02:00+03:00", "2010-10-31T03:00+03:00", "2010-10-31T03:00+02:00"]


@pytest.mark.parametrize(
    "names",
    [[f"h{k}" for k in range(1, 25)], [f"H{k:02d}" for k in range(24)],
     [str(k + 1) for k in range(24)],
     [f"{k:02d}:00" for k in range(24)], [f"Hour {k}" for k in range(1, 25)],
     [f"HE{k}" for k in range(1, 25)]],
)  # fmt: skip
@pytest.mark.parametrize("dates", ["date", "year,month,day"])
def test_a_day_per_row(names: list[str], dates: str) -> None:
    day = "2020-01-{:02d}" if dates == "date" else "2020,1,{}"
    rows = "".join(
        f"{z},{day.format(d)},{','.join(str(1000 * z + 24 * (d - 1) + h) for h in range(24))},1\n"
        for z in (10, 9) for d in range(1, 5)
    )  # fmt: skip
    panel = tables.read(f"zone_id,{dates},{','.join(names)},weight\n{rows}".encode())
    assert (panel.ids, first(panel)) == (("10", "9"), "2020-01-01T00:00")
    np.testing.assert_array_equal(panel.series(0), 10_000 + np.arange(96))
    np.testing.assert_array_equal(panel.series(1), 9_000 + np.arange(96))
    assert len(panel.notes) == 1


def test_a_bad_cell_of_a_day_per_row_is_named() -> None:
    head = "date," + ",".join(f"h{k}" for k in range(1, 25))
    rows = [f"2020-01-0{d}," + ",".join(["5"] * 24) for d in (1, 2, 3)]
    rows[1] = rows[1].replace("5,5", "5,x", 1)
    with pytest.raises(DataError, match="line 3, column `h2`"):
        tables.read("\n".join([head, *rows]).encode())
    with pytest.raises(DataError, match=r"line 4, column `date`.*twice"):
        tables.read("\n".join([head, rows[0], rows[2], rows[2]]).encode())


def test_half_hours_and_the_hour_that_comes_once_a_year() -> None:
    names = ",".join(f"p{k}" for k in range(1, 51))
    row = ",".join(str(k) for k in range(48)) + ",,"
    panel = tables.read(f"date,{names}\n2020-01-01,{row}\n2020-01-02,{row}\n".encode())
    assert (panel.clock.label, len(panel.values)) == ("30 min", 96)
    with pytest.raises(DataError, match=r"line 3, column `p49`: an hour more"):
        tables.read(f"date,{names}\n2020-01-01,{row}\n2020-01-02,{row[:-1]}7,\n".encode())


def test_a_series_per_row() -> None:
    names = ",".join(f'"V{k}"' for k in range(1, 14))
    text = f"{names}\nH1,,2,3,4,5,6,7,8,9,10,,\nH2,1,2,,4,5,6,7,8,9,10,11,12\n"
    panel = tables.read(text.encode())
    assert (panel.ids, panel.starts.tolist(), panel.lengths.tolist()) == (
        ("H1", "H2"),
        [2, 1],
        [9, 12],
    )
    np.testing.assert_array_equal(panel.series(1)[:4], [1, 2, np.nan, 4])
    assert "a series per row" in panel.notes[0]
    with pytest.raises(DataError, match="line 3, column `V5`"):
        tables.read(text.replace("2,,4", "2,,x").encode())


def test_a_series_per_row_under_dates_and_years() -> None:
    days = [f"2020-01-{k:02d}" for k in range(1, 11)]
    cells = ",".join(str(k) for k in range(10))
    panel = tables.read(f"Page,{','.join(days)}\na,{cells}\nb,{cells}\n".encode())
    assert (panel.ids, first(panel), panel.clock.label) == (("a", "b"), "2020-01-01", "daily")
    years = ",".join(str(2000 + k) for k in range(10))
    panel = tables.read(f",{years}\na,{cells}\nb,{cells}\n".encode())
    assert (panel.ids, panel.starts.tolist()) == (("a", "b"), [2000, 2000])


def test_a_layout_asked_for() -> None:
    text = b"k,a,b\nx,1,2\ny,3,4\n"
    rows = tables.read(text, input_layout="rows")
    assert (rows.ids, rows.values.tolist()) == (("x", "y"), [1, 2, 3, 4])
    wide = tables.read(b"ds,y,z\n2020-01-01,1,2\n2020-01-02,3,4\n", input_layout="wide")
    assert wide.ids == ("y", "z")


def test_a_model_remembers_how_its_data_were_written() -> None:
    fitted = tables.read(daily("%m/%d/%Y").replace(b";", b",").replace(b"when", b"Date"))
    kept = json.loads(json.dumps(dataclasses.asdict(fitted.layout)))  # type: ignore[arg-type]
    layout = Layout.restored(kept)
    assert layout == fitted.layout
    rows = tables.read(b"Date,y\n2/3/2020,7\n", layout=layout, clock=fitted.clock)
    assert first(rows) == "2020-02-03"
    old = {k: kept[k] for k in ("columns", "values", "id", "time")}
    assert Layout.restored(old).columns == layout.columns


def test_columns_that_restate_the_time_are_no_series() -> None:
    rows = "".join(f"{k},2020-01-{k + 1:02d},{k % 7},2020,{k}.5\n" for k in range(20))
    panel = tables.read(f",date,weekday,year,load\n{rows}".encode())
    assert panel.ids == ("load",)


def test_every_day_since_the_year_one_is_read_alike() -> None:
    rng = np.random.default_rng(0)
    days = np.sort(rng.choice(np.arange("1700-01-01", "2262-01-01", dtype="M8[D]"), 300))
    import pyarrow as pa

    for pattern in ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d %b %Y", "%B %d, %Y"):
        texts = [day.astype(object).strftime(pattern) for day in days]
        read, _ = stamps.parse(pa.array(texts))
        np.testing.assert_array_equal(read.times, days.astype("M8[us]").astype(np.int64))
    weeks = [day.astype(object).strftime("%G-W%V-%u") for day in days]
    read, _ = stamps.parse(pa.array(weeks))
    np.testing.assert_array_equal(read.times, days.astype("M8[us]").astype(np.int64))
