"""Whatever way a table is written: the same panel, and the reason for each decision."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from forecast.data import numbers, source, tables
from forecast.data.panel import Panel
from forecast.errors import DataError, UsageError

ROWS = [("Süd", 13 * 24 + k, 1234.5 + 17.25 * k) for k in range(60)] + [
    ("Nord", 13 * 24 + k, None if k == 7 else 900 + k) for k in range(60)
]


def stamp(hour: int, pattern: str = "%Y-%m-%dT%H:%M:%S") -> str:
    moment = (np.datetime64("2020-01-01T00") + np.timedelta64(hour, "h")).astype(object)
    return str(moment.strftime(pattern))


def written(
    delimiter: str = ",",
    decimal: str = ".",
    thousands: str = "",
    pattern: str = "%Y-%m-%dT%H:%M:%S",
) -> str:
    lines = [delimiter.join(("unique_id", "ds", "y"))]
    for name, hour, value in ROWS:
        cell = "" if value is None else f"{value:,.2f}"
        cell = cell.translate({ord(","): thousands, ord("."): decimal})
        cell = f'"{cell}"' if delimiter in cell else cell
        lines.append(delimiter.join((name, stamp(hour, pattern), cell)))
    return "\n".join(lines) + "\n"


PLAIN = tables.read(written().encode())


def same(panel: Panel) -> None:
    assert panel.ids == PLAIN.ids
    np.testing.assert_array_equal(panel.offsets, PLAIN.offsets)
    np.testing.assert_array_equal(panel.values, PLAIN.values)
    np.testing.assert_array_equal(panel.all_times(), PLAIN.all_times())
    assert panel.clock.step == PLAIN.clock.step


def says(panel: Panel, *words: str) -> None:
    for word in words:
        assert word in panel.notes[0], panel.notes[0]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("thousands", ["", ",", ".", " ", "\u00a0", "'"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_numbers_of_any_style(delimiter: str, thousands: str, decimal: str) -> None:
    if thousands == decimal:
        return
    panel = tables.read(written(delimiter, decimal, thousands).encode())
    same(panel)
    assert ("decimal comma" in panel.notes[0]) == (decimal == ",")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"]
)
def test_encodings_are_found(encoding: str) -> None:
    same(tables.read(written().encode(encoding)))


def test_greek_is_read_as_greek() -> None:
    text = "ημερομηνία;ζήτηση συστήματος;ds;y\n" + "".join(
        f"Τρίτη;ναι;2020-01-{k:02d};{k},5\n" for k in range(1, 20)
    )
    panel = tables.read(text.encode("cp1253"))
    says(panel, "cp1253", "ζήτηση συστήματος", "decimal comma")
    assert tables.read(text.encode("cp1253"), encoding="cp1253").notes == panel.notes


def packings(text: bytes) -> dict[str, bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("load.csv", text)
        archive.writestr("__MACOSX/._load.csv", b"\0\1")
    return {
        "gzip": gzip.compress(text), "bzip2": bz2.compress(text), "xz": lzma.compress(text),
        "zstd": pa.compress(text, "zstd", asbytes=True), "zip": stream.getvalue(),
        "twice": gzip.compress(bz2.compress(text)),
    }  # fmt: skip


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zstd", "zip", "twice"])
def test_packings(packing: str) -> None:
    packed = packings(written().encode())[packing]
    same(tables.read(packed))
    same(tables.read(io.BytesIO(packed)))
    for damaged in (packed[: len(packed) // 2], packed[:20]):
        with pytest.raises(DataError, match=r"damaged|zip"):
            tables.read(damaged)


def test_a_workbook_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    with pytest.raises(DataError, match="workbook") as caught:
        tables.read(stream.getvalue())
    assert "CSV" in str(caught.value.hint)


@pytest.mark.parametrize(
    "head", ["# made by hand\n# in two lines\n", "sep=,\n", "#\n\n", "\n\n# comment; with, marks\n"]
)
def test_lines_above_the_table(head: str) -> None:
    same(tables.read((head + written()).encode()))
    with pytest.raises(DataError, match=f"line {head.count(chr(10)) + 2},"):
        tables.read((head + "ds,y\n2020-01-01,x\n2020-01-02,2\n").encode(), value="y")


def test_a_comment_that_is_the_header_and_comments_further_down() -> None:
    same(tables.read(("#" + written()).encode()))
    text = written().replace("Nord", "# more\nNord", 1)
    same(tables.read(("# first\n" + text).encode()))


def test_no_header() -> None:
    panel = tables.read(written().split("\n", 1)[1].encode())
    same(panel)
    says(panel, "no header", "series `column_1`; time `column_2`; value `column_3`")
    assert tables.read(b"1.5\n2.5\n3.5\n").values.tolist() == [1.5, 2.5, 3.5]
    assert tables.read(b"1,2\n3,4\n5,6\n7,8\n").ids == ("column_1", "column_2")
    counted = tables.read(b"7,1.5\n8,2.5\n9,3.5\n")
    assert (counted.starts.tolist(), counted.ids) == ([7], ("column_2",))


def test_parquet_and_json() -> None:
    ids, ds, y = zip(*ROWS, strict=True)
    times = [np.datetime64("2020-01-01T00", "us") + np.timedelta64(hour, "h") for hour in ds]
    for unit, zone in (("s", None), ("ns", None), ("us", "Europe/Berlin")):
        stamps = pa.array(times, pa.timestamp("us")).cast(pa.timestamp(unit))
        stamps = stamps.cast(pa.timestamp(unit, zone)) if zone else stamps
        out = io.BytesIO()
        table = pa.table({"unique_id": pa.array(ids).dictionary_encode(), "ds": stamps, "y": y})
        parquet.write_table(table, out)
        panel = tables.read(out.getvalue())
        same(panel)
        assert panel.clock.zone == ("UTC" if zone else None)
    records = [{"unique_id": i, "ds": stamp(h), "y": v} for i, h, v in ROWS]
    same(tables.read("".join(json.dumps(r) + "\n" for r in records).encode()))
    same(tables.read(json.dumps(records, indent=1).encode()))


def test_days_in_parquet_and_json_stay_days() -> None:
    days = np.arange("2020-01-01", "2020-01-20", dtype="M8[D]")
    out = io.BytesIO()
    parquet.write_table(pa.table({"ds": pa.array(days), "y": np.arange(19.0)}), out)
    lines = "".join(f'{{"ds": "{day}", "y": {k}}}\n' for k, day in enumerate(days))
    for text in (out.getvalue(), lines.encode()):
        panel = tables.read(text)
        assert panel.clock.write(panel.starts).tolist() == ["2020-01-01"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"ds": "2020-01-01", "y": 1}\n{"ds": "2020-01-02", "y"\n', "line 2: not JSON"),
        (b'{"ds": "2020-01-01", "y": 1}\n[1]\n', "line 2: not a record"),
        (b'[{"y": 1}, 2]', "list of records"),
        (b'{"ds": "2020-01-01", "y": [1, 2]}\n', "row 1, column `y`: holds list"),
        (b'{"ds": "2020-01-01", "y": "12 kW"}\n', "row 1, column `y`: `12 kW`"),
        (b"PAR1 and no more", "damaged Parquet"),
    ],
)
def test_bad_json_and_parquet(text: bytes, words: str) -> None:
    with pytest.raises(DataError) as caught:
        tables.read(text)
    assert words in caught.value.message


def test_a_folder_a_pattern_and_a_zip_of_parts_are_one_table(tmp_path: Path) -> None:
    head, *lines = written().splitlines(keepends=True)
    for k in range(4):
        text = (head + "".join(lines[30 * k : 30 * k + 30])).rstrip("\n")
        (tmp_path / f"part {k}.csv").write_text(text, "utf-16" if k == 2 else "utf-8")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "notes.md").write_text("nothing")
    for origin in (tmp_path, tmp_path / "part*.csv", str(tmp_path / "part ?.csv")):
        panel = tables.read(origin)
        same(panel)
        says(panel, "4 parts")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in sorted(tmp_path.glob("*.csv")):
            archive.write(path, path.name)
    same(tables.read(stream.getvalue()))


def test_a_bad_cell_of_a_part_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ds,y\n2020-01-01,1\n2020-01-02,2\n")
    (tmp_path / "b.csv").write_text("# more\nds,y\n2020-01-03,3\n2020-01-04,x\n")
    with pytest.raises(DataError, match=r"b\.csv, line 4, column `y`"):
        tables.read(tmp_path)
    (tmp_path / "b.csv").write_text("date,load\n2020-01-03,3\n")
    with pytest.raises(DataError, match=r"b\.csv, line 1: columns date, load, unlike ds, y"):
        tables.read(tmp_path)
    with pytest.raises(DataError, match="no file has such a name"):
        tables.read(tmp_path / "c*.csv")


def test_parts_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("2020-01-01,1\n2020-01-02,2\n")
    (tmp_path / "b.csv").write_text("2020-01-03,3\n2020-01-04,4\n")
    assert tables.read(tmp_path).values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["two words.csv", "-.csv", "--help", "new\nline.csv", "a[1].csv"])
def test_names_of_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(written())
    same(tables.read(path))


def test_a_line_and_a_width_without_end_are_refused_at_once(monkeypatch) -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return b"9" * size

    stream = Endless()
    with pytest.raises(DataError, match="line 1: longer than 4 MiB"):
        tables.read(stream)  # type: ignore[arg-type]
    assert stream.taken <= 3 * source.LONGEST
    packed = gzip.compress(b"ds,y\n" + b"9" * (20 << 20))
    with pytest.raises(DataError, match="line 2: longer than 4 MiB"):
        tables.read(packed)
    wide = b",".join(b"c%d" % k for k in range(200_000))
    with pytest.raises(DataError, match="line 1: 200,000 columns; 100,000 at most"):
        tables.read(wide + b"\n")


def test_the_reader_can_be_told() -> None:
    text = b"a;b;c\n1,5;2020-01-01;x\n2,5;2020-01-02;x\n"
    told = tables.read(
        text,
        delimiter="semicolon",
        decimal="comma",
        date_format="%Y-%m-%d",
        encoding="utf-8",
        input_layout="long",
        id="c",
        time="b",
        value="a",
    )
    assert (told.ids, told.values.tolist()) == (("x",), [1.5, 2.5])
    assert sum("asked for" in reason for reason in told.reasons) == 5
    for wrong in ({"delimiter": ",,"}, {"decimal": "x"}, {"input_layout": "x"},
                  {"date_format": "x"}, {"date_format": "%Q"}, {"encoding": "x"}):  # fmt: skip
        with pytest.raises(UsageError):
            tables.read(text, **wrong)  # type: ignore[arg-type]


def test_every_decision_has_a_reason() -> None:
    panel = tables.read(written(";", ",", ".", "%d/%m/%Y %H:%M").encode("latin-1"))
    same(panel)
    for word in ("encoding cp1252", "delimiter ';'", "layout long", "day-first", "decimal comma"):
        assert sum(reason.startswith(word) or word in reason for reason in panel.reasons) == 1
    says(panel, "cp1252", "semicolons", "dates day-first", "decimal comma")


@given(
    st.lists(st.integers(-(10**8), 10**8), min_size=2, max_size=12),
    st.sampled_from([0, 1, 2, 4]), st.sampled_from([".", ","]), st.sampled_from(["", "x", " "]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_numbers_survive_any_style_or_are_refused(whole, places, decimal, mark) -> None:
    mark = {"x": "," if decimal == "." else "."}.get(mark, mark)
    values = [n / 10**places for n in whole]
    cells = [f"{v:,.{places}f}".translate({ord(","): mark, ord("."): decimal}) for v in values]
    try:
        [got], _, _ = numbers.convert([pa.chunked_array([cells])], ";")
    except numbers.BadNumberError as bad:
        assert "may be" in bad.message  # nothing but one group of three digits
        [got], _, _ = numbers.convert([pa.chunked_array([cells])], ";", decimal)
    np.testing.assert_allclose(got, values, rtol=1e-15)


def test_a_pipe_that_gives_a_byte_at_a_time() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1 if size else 0)

    same(tables.read(Slow(gzip.compress(written().encode()))))
    same(tables.read(Slow(written().encode())))


def test_a_table_of_many_columns_and_of_many_rows() -> None:
    names = [f"c{k}" for k in range(3000)]
    rows = [f"2020-01-{d:02d}," + ",".join(str(k + d) for k in range(3000)) for d in range(1, 6)]
    panel = tables.read(("ds," + ",".join(names) + "\n" + "\n".join(rows)).encode())
    assert len(panel) == 3000
    np.testing.assert_array_equal(panel.series(panel.ids.index("c7")), [8, 9, 10, 11, 12])
    many = "".join(f"s{k};13/01/2020;1,{k}\ns{k};14/01/2020;2,{k}\n" for k in range(5000))
    panel = tables.read(("id;ds;y\n" + many).encode())
    assert len(panel) == 5000
    assert panel.series(panel.ids.index("s42")).tolist() == [1.42, 2.42]


BELOW = "ds,y,z\n" + "".join(f"2024-01-{d:02},{d}.5,{d}\n" for d in range(1, 29))


@pytest.mark.parametrize(
    "above",
    [
        "Report of load\n",
        "Report of load\nmade, 2024\n\n",
        "Load,,\n\n'quoted\",,\n",
        "\\\\Hourly Demand Report,,\r\n\r\n",
    ],
)
def test_lines_above_a_table_are_left_out(above: str) -> None:
    panel, plain = (tables.read((text + BELOW).encode(), value="y") for text in (above, ""))
    np.testing.assert_array_equal(panel.values, plain.values)
    assert "above the table left out" in panel.notes[0]
    spoilt = (above + BELOW).replace("\n2024-01-09,9.5", "\n2024-01-09,9 kW")
    with pytest.raises(DataError, match=f"line {above.count(chr(10)) + 10}, column `y`"):
        tables.read(spoilt.encode(), value="y")


@pytest.mark.parametrize(
    "text",
    [
        '"x"\n"1",5\n"2",6\n"3",7\n',  # a header that lacks the name of the rows
        "5\n1,5\n2,6\n3,7\n",
        "title\nds,y\n2024-01-01,1\n2024-01-02,2,3\n",
    ],
)
def test_what_may_be_no_title_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"line [124]"):
        tables.read(text.encode())


def test_minus_signs_and_words_for_nothing() -> None:
    words = ["?", ".", "..", "--", "#N/A", "<NA>"]
    rows = [f"2024-01-{d:02},\u2212{d}\n" for d in range(1, 10)]
    rows += [f"2024-01-{10 + k},{word}\n" for k, word in enumerate(words)]
    for delimiter in ",;":
        text = ("ds,y\n" + "".join(rows) + "2024-01-16,-3\n").replace(",", delimiter)
        y = tables.read(text.encode()).values
        np.testing.assert_array_equal(y, [*-np.arange(1.0, 10), *[np.nan] * 6, -3.0])


def test_the_time_of_day_may_have_a_column_of_another_language() -> None:
    rows = "".join(f"{1 + k // 24:02}.02.2024;{k % 24:02}:00;{k},5\n" for k in range(60))
    panel = tables.read(("Datum;Uhrzeit;kW\n" + rows).encode())
    assert (panel.clock.label, len(panel.values)) == ("hourly", 60)


def test_spans_of_time_count_by_their_beginning() -> None:
    berlin = pd.date_range("2024-10-20", periods=24 * 14, freq="h", tz="Europe/Berlin")
    for form, dash in (("%d.%m.%Y %H:%M", "-"), ("%d/%m/%Y %H:%M:%S", "\N{EN DASH}")):
        rows = [
            f"{a.strftime(form)} ({a.tzname()}) {dash} {b.strftime(form)},{k}\n"
            for k, (a, b) in enumerate(zip(berlin, berlin + pd.Timedelta("1h"), strict=True))
        ]
        text = ("MTU (CET/CEST),Load [MW]\n" + "".join(rows).replace(",7\n", ",n/e\n")).encode()
        panel = tables.read(text, timezone="Europe/Berlin")
        assert panel.clock.label == "hourly" and "spans by their beginning" in panel.notes[0]
        times = berlin.tz_convert("UTC").tz_localize(None).to_numpy().astype("M8[us]")
        np.testing.assert_array_equal(panel.all_times(), times.astype(np.int64))
        assert np.isnan(panel.values[7]) and np.isnan(panel.values).sum() == 1
