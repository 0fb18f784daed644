"""Tables in and out: what is recognised, and that nothing is lost on the way."""

import csv
import dataclasses
import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecast.data import cells, datasets, lines, reader, tables
from forecast.data.clock import HOUR, Clock, Times
from forecast.data.forecast import Forecast
from forecast.data.panel import Panel, assemble
from forecast.errors import DataError, UsageError

LONG = "unique_id,ds,y\nb,2020-01-01T00:00:00,1\nb,2020-01-01T01:00:00,2\nb,2020-01-01T02:00:00,\n"


def same(a: Panel, b: Panel) -> None:
    assert a.ids == b.ids
    assert a.clock == b.clock
    np.testing.assert_array_equal(a.offsets, b.offsets)
    np.testing.assert_array_equal(a.values, b.values)
    np.testing.assert_array_equal(a.all_times(), b.all_times())


def stamps(clock: Clock, times: Times) -> list[str]:
    return clock.write(times).tolist()


@pytest.mark.parametrize(
    "header",
    ["unique_id,ds,y", "item_id,timestamp,target", "id,date,value", "Symbol,Date,Close",
     "series_id,datetime,y", "UNIQUE_ID,DS,Y"],
)  # fmt: skip
def test_usual_spellings(header: str) -> None:
    panel = tables.read(LONG.replace("unique_id,ds,y", header).encode())
    assert panel.ids == ("b",)
    np.testing.assert_array_equal(panel.values, [1, 2, np.nan])
    assert panel.clock == Clock("fixed", HOUR, (24, 168))
    assert header.split(",")[2] in panel.notes[0]


def test_the_order_of_columns_is_free() -> None:
    panel = tables.read(b"y,extra,ds,unique_id\n5,x,2020-01-01,a\n6,y,2020-01-02,a\n")
    assert (panel.ids, panel.values.tolist()) == (("a",), [5, 6])
    assert "ignored extra" in panel.notes[0]


@pytest.mark.parametrize(("header", "name"), [("ds,y", "y"), ("Date,Close", "Close"),
                                              ("time,load", "load")])  # fmt: skip
def test_an_unnamed_series_is_called_after_its_column(header: str, name: str) -> None:
    assert tables.read(f"{header}\n2020-01-01,5\n2020-01-02,6\n".encode()).ids == (name,)


def test_prices_are_the_close() -> None:
    text = "Date,Open,High,Low,Close,Adj Close,Volume\n2020-01-01,1,2,0,1.5,1.4,99\n"
    panel = tables.read(text.encode())
    assert (panel.ids, panel.values.tolist()) == (("Close",), [1.5])


def test_a_wide_table_is_a_series_per_column() -> None:
    text = "ts,south,north,remark\n2020-01-01,1,10,x\n2020-01-02,2,,y\n2020-01-03,3,30,z\n"
    panel = tables.read(text.encode())
    assert panel.ids == ("north", "south")
    assert [panel.ids[k] for k in panel.order] == ["south", "north"]
    np.testing.assert_array_equal(panel.series(0), [10, np.nan, 30])


def test_columns_can_be_named() -> None:
    text = b"site,when,a,b\nx,2020-01-01,1,2\nx,2020-01-02,3,4\n"
    panel = tables.read(text, id="site", time="when", value="b")
    assert (panel.ids, panel.values.tolist()) == (("x",), [2, 4])


def test_the_column_with_the_time_of_day_is_the_timestamp() -> None:
    text = b"Date,Time,load\n2020-01-01,2020-01-01T00:00:00Z,1\n2020-01-01,2020-01-01T01:00:00Z,2\n"
    assert tables.read(text).clock.label == "hourly"


def test_without_a_time_column_rows_are_numbered() -> None:
    panel = tables.read(b"id,y\nb,1\na,2\nb,3\n")
    assert panel.clock == Clock("index", 1)
    assert panel.row_times(1).tolist() == [1, 2]
    assert "rows are numbered" in panel.notes[0]
    assert tables.read(b"load\n5\n6\n").ids == ("load",)


def test_an_integer_index() -> None:
    panel = tables.read(b"unique_id,ds,y\na,10,1\na,30,3\na,20,2\na,60,6\n")
    assert panel.clock == Clock("index", 10)
    np.testing.assert_array_equal(panel.values, [1, 2, 3, np.nan, np.nan, 6])


def test_years_are_an_index() -> None:
    panel = tables.read(b"Year,sales\n1949,1\n1950,2\n1952,4\n")
    assert (panel.clock, panel.starts.tolist()) == (Clock("index", 1), [1949])


def test_the_season_can_be_given() -> None:
    assert tables.read(LONG.encode(), season=12).clock.seasons == (12,)
    assert tables.read(LONG.encode(), season=[12, 6]).clock.seasons == (6, 12)


def test_absent_rows_are_missing_values() -> None:
    panel = tables.read(LONG.replace("T02", "T05").encode())
    assert len(panel.values) == 6
    assert any("missing values: 3" in note for note in panel.notes)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter: str, end: str) -> None:
    text = LONG.replace(",", delimiter).replace("\n", end)
    same(tables.read(text.encode()), tables.read(LONG.encode()))


def test_gzip_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    plain = tables.read(LONG.encode())
    same(tables.read(gzip.compress(LONG.encode())), plain)
    same(tables.read(b"\xef\xbb\xbf" + LONG.encode()), plain)
    same(tables.read(b"\n\n" + LONG.replace("\n", "\n\n").encode()), plain)
    same(tables.read(LONG.rstrip("\n").encode()), plain)
    path = tmp_path / "no name of its own"
    path.write_bytes(gzip.compress(LONG.encode()))
    for source in (path, str(path)):
        same(tables.read(source), plain)
    with path.open("rb") as stream:
        same(tables.read(stream), plain)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LONG.encode())))
    panel = tables.read("-")
    same(panel, tables.read(LONG.encode()))
    assert panel.source == "<stdin>"


@pytest.mark.parametrize("cell", ["", "NaN", "nan", "NA", "N/A", "null", "-", '""'])
def test_missing_values(cell: str) -> None:
    panel = tables.read(f"ds,y\n2020-01-01,1\n2020-01-02,{cell}\n2020-01-03,3\n".encode())
    np.testing.assert_array_equal(panel.values, [1, np.nan, 3])


def test_missing_spellings_are_ids_all_the_same() -> None:
    panel = tables.read(b"id,ds,y\nNA,2020-01-01,1\n-,2020-01-01,2\n")
    assert panel.ids == ("-", "NA")


@pytest.mark.parametrize(
    ("first", "second", "unit", "zone"),
    [
        ("2020-01-01", "2020-01-02", "D", None),
        ("2020-01-01 00:00", "2020-01-01 00:30", "m", None),
        ("2020-01-01T00:00:00", "2020-01-01T00:30:00", "s", None),
        ("2020-01-01T00:00", "2020-01-01T00:00:30", "s", None),
        ("2020-01-01T00:00:00Z", "2020-01-01T01:00:00Z", "s", "UTC"),
        ("2020-01-01T01:00:00+01:00", "2020-01-01T03:00:00+0200", "s", "UTC"),
        ("2020-01-01T00:00:00.000", "2020-01-01T00:00:00.250", "ms", None),
        ("2020-01", "2020-02", "M", None),
        ("2020-01-01", "2020-01-01 06:00", "m", None),
        (" 2020-01-01", "2020-01-02 ", "D", None),
    ],
)
def test_timestamps_keep_their_resolution(first, second, unit, zone) -> None:
    panel = tables.read(f"ds,y\n{first},+1\n{second},2\n".encode())
    assert (panel.clock.unit, panel.clock.zone) == (unit, zone)
    assert panel.starts[0] == np.datetime64("2020-01-01", "us").astype(int)
    assert len(panel.values) == 2
    assert panel.values.tolist() == [1, 2]


def test_an_offset_is_kept_and_several_become_utc() -> None:
    panel = tables.read(b"ds,y\n2020-01-01T01:00:00+01:00,1\n2020-01-01T02:00:00+01:00,2\n")
    assert stamps(panel.clock, panel.all_times()) == ["2020-01-01T01:00:00+01:00",
                                                      "2020-01-01T02:00:00+01:00"]  # fmt: skip
    panel = tables.read(b"ds,y\n2020-03-29T01:00:00+01:00,1\n2020-03-29T03:00:00+02:00,2\n")
    assert stamps(panel.clock, panel.all_times()) == ["2020-03-29T00:00:00Z",
                                                      "2020-03-29T01:00:00Z"]  # fmt: skip


@pytest.fixture
def known() -> Panel:
    return tables.read(b"site;when;load;wind\n" + b"".join(
        b"x;2020-01-%02d;%d;0\n" % (k, k) for k in range(1, 15)
    ), value="load", id="site")  # fmt: skip


def test_rows_without_a_header(known: Panel) -> None:
    rows = tables.read(b"x,2020-01-15,15,0\n", layout=known.layout, clock=known.clock)
    assert (rows.ids, rows.values.tolist(), rows.clock) == (("x",), [15], known.clock)
    assert stamps(rows.clock, rows.starts) == ["2020-01-15"]


def test_rows_with_a_header_need_not_repeat_the_options(known: Panel) -> None:
    text = b"wind,load,site,when\n0,15,x,2020-01-15\n"
    rows = tables.read(text, layout=known.layout, clock=known.clock)
    assert (rows.ids, rows.values.tolist()) == (("x",), [15])


def test_rows_without_a_header_and_with_other_columns(known: Panel) -> None:
    with pytest.raises(DataError, match="line 1: 3 cells and no header") as caught:
        tables.read(b"x,2020-01-15,15\n", layout=known.layout, clock=known.clock)
    assert "site, when, load, wind" in str(caught.value.hint)


def test_rows_of_a_wide_table_and_of_numbered_rows() -> None:
    wide = tables.read(b"ts,a,b\n2020-01-01,1,2\n2020-01-02,3,4\n")
    for text in (b"2020-01-03,5,6\n", b"b,ts,a\n6,2020-01-03,5\n"):
        rows = tables.read(text, layout=wide.layout, clock=wide.clock)
        assert (rows.ids, rows.values.tolist()) == (("a", "b"), [5, 6])
    numbered = tables.read(b"y\n1\n2\n")
    assert tables.read(b"3\n", layout=numbered.layout, clock=numbered.clock).values.tolist() == [3]


def test_a_known_clock_reads_what_too_few_rows_cannot_show(known: Panel) -> None:
    trading = datasets.load("google-stock")
    week = b"GOOG,2013-03-04,1,,,,,\nGOOG,2013-03-05,2,,,,,\n"
    assert tables.read(week, layout=trading.layout, clock=trading.clock).clock == trading.clock
    with pytest.raises(DataError, match=r"line 2, column `when`.*off the frequency"):
        tables.read(b"x,2020-01-15,1,\nx,2020-01-15T06:00,2,\n", layout=known.layout,
                    clock=known.clock)  # fmt: skip
    with pytest.raises(DataError, match="integers in the rows"):
        tables.read(b"x,7,1,\n", layout=known.layout, clock=known.clock)
    with pytest.raises(DataError, match="with a zone"):
        tables.read(b"x,2020-01-15T00:00Z,1,\n", layout=known.layout, clock=known.clock)


def test_a_layout_survives_json(known: Panel) -> None:
    assert known.layout is not None
    fields = json.loads(json.dumps(dataclasses.asdict(known.layout)))
    again = type(known.layout)(
        **{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    )
    assert again == known.layout


@pytest.mark.parametrize("name", datasets.NAMES)
def test_pandas_and_the_careful_way_read_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = datasets.load(name)
    same(Panel.from_frame(pd.read_csv(io.BytesIO(datasets.open(name)))), panel)
    dated = pd.read_csv(io.BytesIO(datasets.open(name)), parse_dates=["ds"])
    assert Panel.from_frame(dated).values.tolist() == panel.values.tolist()

    def refuse(*_: object) -> None:
        import pyarrow as pa

        raise pa.ArrowInvalid("not today")

    monkeypatch.setattr(cells, "_types", refuse)
    same(datasets.load(name), panel)


def test_a_table_parsed_in_many_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    names = [f"s{k}" for k in range(40)]
    values = [np.where(rng.random(30) < 0.2, np.nan, rng.normal(size=30)) for _ in names]
    panel = assemble(names, values, [0] * 40, Clock("fixed", HOUR))
    text = as_csv(panel, permutation=rng.permutation(1200))
    monkeypatch.setattr(reader, "BLOCK", 1000)
    same(tables.read(text, season=()), panel)


def test_reading_and_writing_import_no_pandas() -> None:
    code = (
        "import sys; from forecast.data import datasets, tables\n"
        "panel = datasets.load('google-stock')\n"
        "tables.write_windows({'ds': panel.times, 'y': panel.values}, panel.clock, sys.stdout)\n"
        "print('pandas' in sys.modules, 'torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "False False\n"
    assert done.stdout.startswith("ds,y\n2004-08-19,100.335\n")
    assert done.stdout.endswith("2013-03-01,806.19\n")


IDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t\"'"), min_size=1,
    max_size=8,
).filter(str.strip)  # fmt: skip
VALUES = st.floats(-1e99, 1e99) | st.just(float("nan")) | st.integers(-999, 999).map(float)


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    names = draw(st.lists(IDS, min_size=1, max_size=4, unique_by=lambda s: " ".join(s.split())))
    series = [draw(st.lists(VALUES, min_size=3, max_size=12)) for _ in names]
    unit = draw(st.sampled_from([HOUR, 1800 * 10**6, 7 * HOUR]))
    first = draw(st.integers(-10_000, 300_000))
    starts = [(first + draw(st.integers(0, 9))) * unit for _ in names]
    return assemble(names, [np.array(s) for s in series], starts, Clock("fixed", unit))


def as_csv(panel: Panel, delimiter: str = ",", permutation: np.ndarray | None = None) -> bytes:
    ids = np.repeat(np.array(panel.ids, object), panel.lengths)
    rows = list(zip(ids, stamps(panel.clock, panel.all_times()), panel.values, strict=True))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["unique_id", "ds", "y"])
    for k in range(len(rows)) if permutation is None else permutation:
        name, at, value = rows[k]
        writer.writerow([name, at, "" if np.isnan(value) else repr(float(value))])
    return out.getvalue().encode()


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(panel=panels(), delimiter=st.sampled_from(",;\t|"))
@QUICK
def test_a_panel_survives_csv(panel: Panel, delimiter: str) -> None:
    back = tables.read(as_csv(panel, delimiter), season=())
    same(back, panel)


@given(panel=panels(), seed=st.integers(0, 99))
@QUICK
def test_the_order_of_rows_is_irrelevant(panel: Panel, seed: int) -> None:
    mixed = np.random.default_rng(seed).permutation(len(panel.values))
    back = tables.read(as_csv(panel, permutation=mixed), season=())
    same(back, panel)
    seen = [np.repeat(np.arange(len(panel)), panel.lengths)[k] for k in mixed]
    assert back.order.tolist() == list(dict.fromkeys(seen))


@given(st.binary(max_size=200))
@QUICK
def test_whatever_comes_is_read_or_refused(content: bytes) -> None:
    for text in (content, b"ds,y\n" + content, LONG.encode() + content):
        try:
            tables.read(text)
        except DataError as error:
            assert error.message.startswith("<bytes>")


def forecast(clock: Clock | None = None, ids: tuple[str, ...] = ("b", "a")) -> Forecast:
    clock = clock or Clock("fixed", HOUR)
    last = np.array([HOUR * 24] * len(ids))
    mean = np.arange(2.0 * len(ids)).reshape(len(ids), 2) + 1 / 3
    return Forecast(ids, clock.ahead(last, 2), mean, mean[:, :, None] + np.array([-1, 0, 1.5e-7]),
                    (0.1, 0.5, 0.9), clock, "gru")  # fmt: skip


def test_quantiles_as_csv() -> None:
    assert tables.render(forecast()).decode().splitlines() == [
        "unique_id,ds,mean,0.1,0.5,0.9",
        "b,1970-01-02T01:00:00,0.333333333,-0.666666667,0.333333333,0.333333483",
        "b,1970-01-02T02:00:00,1.33333333,0.333333333,1.33333333,1.33333348",
        "a,1970-01-02T01:00:00,2.33333333,1.33333333,2.33333333,2.33333348",
        "a,1970-01-02T02:00:00,3.33333333,2.33333333,3.33333333,3.33333348",
    ]


def test_the_zone_and_the_resolution_of_the_input_come_out() -> None:
    minute = Clock("fixed", HOUR, zone="UTC", unit="m")
    assert b"b,1970-01-02T01:00Z,0.3" in tables.render(forecast(minute))
    assert b"b,86400000001,0.3" in tables.render(forecast(Clock("index")))


def test_tabs_and_quotes() -> None:
    result = forecast(ids=('say "x"\ny', "a,b\tc"))
    for kind, delimiter in (("csv", ","), ("tsv", "\t")):
        text = tables.render(result, kind).decode()
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        assert [row[0] for row in rows[1::2]] == list(result.ids)
        assert {len(row) for row in rows} == {6}


def test_nixtla_columns() -> None:
    rows = list(csv.DictReader(io.StringIO(tables.render(forecast(), "csv", "nixtla").decode())))
    assert list(rows[0]) == ["unique_id", "ds", "gru", "gru-lo-80", "gru-hi-80"]
    assert rows[0]["gru-lo-80"] == "-0.666666667"
    wide = dataclasses.replace(forecast(), levels=(0.025, 0.5, 0.975))
    assert b"gru-lo-95,gru-hi-95" in tables.render(wide, "csv", "nixtla")
    odd = dataclasses.replace(forecast(), levels=(0.1, 0.5, 0.95))
    with pytest.raises(UsageError, match="no counterpart") as caught:
        tables.render(odd, "csv", "nixtla")
    assert "--quantiles" in str(caught.value.hint)


def test_nixtla_intervals_stand_from_narrow_to_wide() -> None:
    mean = np.zeros((1, 1))
    levels = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
    quantiles = np.array(levels)[None, None]
    result = Forecast(("a",), np.array([[0]]), mean, quantiles, levels, Clock("index"), "esn")
    assert tables.render(result, "csv", "nixtla").decode().splitlines() == [
        "unique_id,ds,esn,esn-lo-50,esn-hi-50,esn-lo-80,esn-hi-80,esn-lo-90,esn-hi-90",
        "a,0,0,0.25,0.75,0.1,0.9,0.05,0.95",
    ]


def test_long_has_a_row_per_number() -> None:
    text = tables.render(forecast(), "csv", "long").decode().splitlines()
    assert text[:3] == ["unique_id,ds,kind,value", "b,1970-01-02T01:00:00,mean,0.333333333",
                        "b,1970-01-02T01:00:00,0.1,-0.666666667"]  # fmt: skip
    assert len(text) == 1 + 4 * 4


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_json(kind: str) -> None:
    for clock in (None, Clock("index")):
        text = tables.render(forecast(clock, ids=('"q"', "ü")), kind).decode()
        rows = json.loads(text) if kind == "json" else [json.loads(t) for t in text.splitlines()]
        assert [row["unique_id"] for row in rows] == ['"q"', '"q"', "ü", "ü"]
        assert rows[1]["0.5"] == 1.33333333
        assert rows[0]["ds"] == (86400000001 if clock else "1970-01-02T01:00:00")


def test_parquet() -> None:
    result = forecast(Clock("fixed", HOUR, zone="UTC"))
    frame = pd.read_parquet(io.BytesIO(tables.render(result, "parquet")))
    assert frame["unique_id"].tolist() == ["b", "b", "a", "a"]
    assert frame["ds"][0] == pd.Timestamp("1970-01-02T01:00", tz="UTC")
    np.testing.assert_array_equal(frame["mean"], result.mean.ravel())


def test_markdown() -> None:
    text = tables.render(forecast(ids=("a|b", "c")), "markdown").decode().splitlines()
    assert text[0] == "| unique_id | ds | mean | 0.1 | 0.5 | 0.9 |"
    assert text[1] == "| --- | --- | ---: | ---: | ---: | ---: |"
    assert text[2].startswith("| a\\|b | 1970-01-02T01:00:00 | 0.333333333 | ")
    assert text[2].endswith(" |")


def test_streams_of_text_and_bytes_and_files(tmp_path: Path) -> None:
    expected = tables.render(forecast())
    text = io.StringIO()
    tables.write(forecast(), text)
    assert text.getvalue().encode() == expected
    raw = io.BytesIO()
    wrapped = io.TextIOWrapper(raw)
    tables.write(forecast(), wrapped)
    assert raw.getvalue() == expected
    tables.write(forecast(), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == expected


def test_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CHUNK", 2)
    clock = Clock("fixed", HOUR)
    columns = {
        "model": (np.zeros(3, int), ["gru"]),
        "unique_id": (np.array([0, 1, 1]), ["a", "b,c"]),
        "cutoff": np.array([0, 0, HOUR]),
        "ds": np.array([HOUR, HOUR, 2 * HOUR]),
        "y": np.array([1.0, np.nan, 1e-5]),
        "mean": np.array([1e10, -0.1, 123456789.12]),
    }
    out = io.BytesIO()
    tables.write_windows(columns, clock, out)
    tables.write_windows(columns, clock, out, header=False)
    text = out.getvalue().decode().splitlines()
    assert text[:4] == [
        "model,unique_id,cutoff,ds,y,mean",
        "gru,a,1970-01-01T00:00:00,1970-01-01T01:00:00,1,1e+10",
        'gru,"b,c",1970-01-01T00:00:00,1970-01-01T01:00:00,,-0.1',
        'gru,"b,c",1970-01-01T01:00:00,1970-01-01T02:00:00,0.00001,123456789',
    ]
    assert text[4:] == text[1:4]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=20))
@settings(deadline=None)
def test_numbers_keep_nine_digits(values: list[float]) -> None:
    array = np.array(values)
    rounded = lines.significant(array)
    for value, got in zip(values, rounded.tolist(), strict=True):
        if np.isnan(value):
            assert np.isnan(got)
            continue
        digits = f"{got!r}".split("e")[0].replace(".", "").replace("-", "").strip("0")
        assert len(digits) <= 9
        assert abs(got - value) <= 5.0001e-9 * abs(value)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), tables.atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]
    assert path.read_text() == "old"
    with tables.atomic(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with (
        pytest.raises(UsageError, match="cannot be written") as caught,
        tables.atomic(tmp_path / "absent" / "out.csv"),
    ):
        pass
    assert "mkdir" in str(caught.value.hint)
