"""Every table that cannot be read safely is refused with its file, line, column and a hint."""

import gzip
import re
from pathlib import Path

import pytest

from forecast.data import tables
from forecast.data.panel import Panel
from forecast.errors import DataError, UsageError

HEAD = "unique_id,ds,y\n"


def hourly(count: int = 30, name: str = "a") -> str:
    return "".join(
        f"{name},2020-01-{1 + k // 24:02d}T{k % 24:02d}:00:00,{k}.5\n" for k in range(count)
    )


@pytest.fixture
def refused(tmp_path: Path):
    """Return a function that reads text as a file and returns the refusal."""

    def refuse(content: str | bytes, fit: bool = False, **options: str) -> DataError:
        path = tmp_path / "load.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(DataError) as caught:
            panel = tables.read(path, **options)
            if fit:
                tables.check_fittable(panel)
        error = caught.value
        assert error.exit_code == 3
        assert error.message.startswith(str(path))
        assert error.hint
        return error

    return refuse


def says(error: DataError, *parts: str) -> None:
    for part in parts:
        assert part in error.message, (part, error.message)


def test_an_empty_file(refused) -> None:
    says(refused(""), "line 1", "empty")
    says(refused("\n\n\n"), "line 1", "empty")


def test_a_header_only(refused) -> None:
    says(refused(HEAD), "header and no row")


def test_no_numeric_column(refused) -> None:
    error = refused("ticker,sector\nA,Tech\nB,Oil\n")
    says(error, "line 1", "no numeric column", "`ticker`", "`sector`")


def test_an_unparseable_date(refused) -> None:
    error = refused(HEAD + hourly(28) + "a,2020-02-30T00:00:00,1\n")
    says(error, "line 30", "column `ds`", "2020-02-30T00:00:00", "not a timestamp")
    error = refused(HEAD + hourly(28) + "a,tomorrow,1\n")
    says(error, "line 30", "column `ds`", "tomorrow")


def test_an_empty_timestamp(refused) -> None:
    says(refused(HEAD + hourly(3) + "a,,1\n"), "line 5", "column `ds`")


def test_duplicate_timestamps(refused) -> None:
    error = refused(HEAD + hourly(10) + hourly(10, "b") + "a,2020-01-01T03:00:00,1\n")
    says(error, "line 22", "column `ds`", "series `a`", "2020-01-01T03:00:00", "twice")


def test_text_in_the_value_column(refused) -> None:
    error = refused(HEAD + hourly(5) + "a,2020-01-01T05:00:00,12 kW\n" + hourly(3, "b"))
    says(error, "line 7", "column `y`", "12 kW", "not a number")


@pytest.mark.parametrize(
    ("cells", "bad", "words"),
    [
        (["1,5", "2.5"], "2.5", "not a number"),
        (["1.234.567", "0.5"], "1.234.567", "ruined"),
        (["1,5", "May-01"], "May-01", "is a date"),
        (["1,5", "1.234,5", "12,34,567"], "12,34,567", "not a number"),
        (["1,5", "12 kW"], "12 kW", "carries a unit"),
        (["1,5", "€ 3"], "€ 3", "carries a unit"),
    ],
)
def test_numbers_of_two_kinds_are_refused(refused, cells, bad, words) -> None:
    rows = "".join(f"2020-01-{k + 1:02d};{cell}\n" for k, cell in enumerate(cells))
    says(refused("ds;y\n" + rows), f"line {cells.index(bad) + 2}", "column `y`", f"`{bad}`", words)


@pytest.mark.parametrize("cell", ["1.500", "1,500", "12.345"])
def test_a_mark_that_may_be_either_is_refused_with_the_flag(refused, cell: str) -> None:
    text = f"ds;y\n2020-01-01;100\n2020-01-02;{cell}\n"
    error = refused(text)
    says(error, "line 3", "column `y`", f"`{cell}` may be")
    assert "--decimal" in error.hint
    point = tables.read(text.encode(), decimal=".").values[1]
    comma = tables.read(text.encode(), decimal="comma").values[1]
    assert {point, comma} == {float(cell.replace(",", ".")), float(re.sub("[.,]", "", cell))}


def test_fractions_that_lost_their_point_are_refused(refused) -> None:
    """A program that takes points for marks of thousands leaves 0.713 as 713."""
    values = [f"0.{71 + k % 9}" if k % 4 else str(701 + k) for k in range(40)]
    rows = "".join(
        f"a,2020-01-{1 + k // 24:02d}T{k % 24:02d}:00,{v}\n" for k, v in enumerate(values)
    )
    error = refused(HEAD + rows)
    says(error, "line 2", "column `y`", "701 stands among fractions below 0.79")
    assert tables.read((HEAD + rows).encode(), decimal=".").values[0] == 701
    spikes = (HEAD + rows).replace("701", "0.7")
    for k in range(4, 40, 4):
        spikes = spikes.replace(f",{701 + k}\n", ",9999\n")
    assert tables.read(spikes.encode()).values.max() == 9999  # a code, not a ruin


def test_all_missing(refused) -> None:
    rows = "".join(f"a,2020-01-{k:02d},\n" for k in range(1, 9))
    says(refused(HEAD + rows, fit=True), "column `y`", "every value is missing", "line 2")


def test_one_row(refused) -> None:
    says(refused(HEAD + "a,2020-01-01,5\n", fit=True), "line 2", "column `y`", "one row")


def test_one_row_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text(HEAD + "a,2020-01-01,5\n")
    panel = tables.read(path)
    assert panel.ids == ("a",)
    assert panel.values.tolist() == [5.0]


@pytest.mark.parametrize("cell", ["inf", "-inf", "Infinity", "1e999"])
def test_infinite_values(refused, cell: str) -> None:
    error = refused(HEAD + hourly(4) + f"a,2020-01-01T04:00:00,{cell}\n")
    says(error, "line 6", "column `y`", "infinite")


def test_a_value_of_1e300(refused) -> None:
    error = refused(HEAD + hourly(4) + "a,2020-01-01T04:00:00,-1e300\n")
    says(error, "line 6", "column `y`", "1e+300", "1e+100")


def test_nul_bytes(refused) -> None:
    says(refused((HEAD + hourly(4)).encode() + b"a,2020\0,1\n"), "line 6", "NUL")


def test_mixed_encodings(refused) -> None:
    rows = (HEAD + hourly(4)).encode() + "Zürich,2020-01-01,5\n".encode()
    error = refused(rows + "Genève,2020-01-01,5\n".encode("latin-1"))
    says(error, "line 7", "mixed encodings")


def test_an_encoding_that_does_not_fit(refused) -> None:
    rows = HEAD.encode() + "Zürich,2020-01-01,5\n".encode("latin-1")
    says(refused(rows, encoding="utf-8"), "line 2", "0xfc is not utf-8")
    russian = "Санкт-Петербург и Москва,2020-01-01,5\n".encode("cp1251")
    error = refused(HEAD.encode() + russian)
    says(error, "line 2", "not UTF-8")
    assert "--encoding cp1251" in error.hint
    with pytest.raises(UsageError, match="no encoding"):
        tables.read(rows, encoding="klingon")


def test_unequal_columns(refused) -> None:
    error = refused(HEAD + hourly(4) + "a,2020-01-01T04:00:00\n" + hourly(4, "b"))
    says(error, "line 6", "2 cells", "3 columns")
    error = refused(HEAD + hourly(4) + "\n\na,2020-01-01T04:00:00,5,6\n")
    says(error, "line 8", "4 cells")


def test_unsorted_rows_are_sorted_and_said() -> None:
    lines = hourly(24).splitlines(keepends=True)
    straight = tables.read((HEAD + "".join(lines)).encode())
    panel = tables.read((HEAD + "".join(lines[12:] + lines[:12])).encode())
    assert panel.values.tolist() == straight.values.tolist()
    assert any("not in order of time" in note for note in panel.notes)
    assert not any("order" in note for note in straight.notes)


def test_a_constant_series_is_allowed() -> None:
    panel = tables.read((HEAD + "a,2020-01-01,5\na,2020-01-02,5\na,2020-01-03,5\n").encode())
    tables.check_fittable(panel)
    assert panel.values.tolist() == [5, 5, 5]


def test_a_row_180_years_ahead_is_not_filled(refused) -> None:
    error = refused(HEAD + hourly(30) + "a,2200-01-01T00:00:00,5\n")
    says(error, "line 32", "column `ds`", "series `a`", "2200-01-01", "steps after")
    error = refused(HEAD + "a,1800-01-01T00:00:00,5\n" + hourly(30))
    says(error, "line 2", "column `ds`", "1800-01-01", "steps before")


def test_a_series_of_another_frequency(refused) -> None:
    days = "".join(f"slow,2020-01-{k:02d}T00:00:00,1\n" for k in range(1, 10))
    says(refused(HEAD + hourly(60) + days), "series `slow`", "daily")


def test_a_row_off_the_grid(refused) -> None:
    error = refused(HEAD + hourly(20) + "a,2020-01-01T20:17:00,1\n" + hourly(9, "b"))
    says(error, "line 22", "column `ds`", "series `a`", "2020-01-01T20:17:00", "hourly")


def test_the_first_row_is_blamed_when_it_is_the_odd_one(refused) -> None:
    says(refused(HEAD + "a,2019-12-31T23:17:00,1\n" + hourly(20)), "line 2", "23:17:00")


def test_letters_of_a_zone_name_no_place(refused) -> None:
    rows = "".join(f"a,2024-01-0{d} 00:00 CET,1\n" for d in range(1, 9))
    error = refused(HEAD + rows)
    says(error, "line 2", "CET` is not a timestamp")
    assert "--timezone Europe/Berlin" in error.hint


def test_timestamps_with_and_without_a_zone(refused) -> None:
    rows = "a,2020-01-01T00:00:00Z,1\na,2020-01-01T01:00:00,2\n"
    says(refused(HEAD + rows), "line 3", "column `ds`", "zone")


def test_an_empty_id(refused) -> None:
    says(refused(HEAD + hourly(3) + ",2020-01-01T04:00:00,3\n"), "line 5", "column `unique_id`")


def test_two_columns_of_one_name(refused) -> None:
    says(refused("ds,y,y\n2020-01-01,1,2\n"), "line 1", "column `y`", "2 columns")


def test_several_columns_that_may_hold_the_values(refused) -> None:
    error = refused("id,ds,load,wind\na,2020-01-01,1,2\n")
    says(error, "line 1", "`load`", "`wind`")
    assert "--value" in error.hint


def test_lines_are_counted_through_quoted_line_breaks(refused) -> None:
    rows = '"two\nlines",2020-01-01,1\n"two\nlines",2020-01-02,x\n'
    says(refused(HEAD + rows), "line 5", "column `y`")


def test_a_quoted_cell_that_does_not_end(refused) -> None:
    says(
        refused(HEAD + hourly(3) + 'a,2020-01-01T03:00:00,"4\n' + hourly(9, "b")), "line 5", "quote"
    )


def test_a_cell_of_a_million_characters(refused) -> None:
    says(refused(HEAD + hourly(3) + "a,2020-01-01T03:00:00," + "9" * 10**6), "line 5")


def test_integers_beyond_counting(refused) -> None:
    says(refused(HEAD + "a,1,1\na,9000000000000000000,2\n"), "line 3", "column `ds`")


def test_a_damaged_gzip_file(refused) -> None:
    packed = gzip.compress((HEAD + hourly(30)).encode())
    says(refused(packed[:-20]), "gzip")
    says(refused(b"PK\x03\x04rest"), "zip")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file") as caught:
        tables.read(tmp_path / "absent.csv")
    assert caught.value.hint
    with pytest.raises(DataError, match="directory"):
        tables.read(tmp_path)


def test_a_column_asked_for_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="`load`") as caught:
        tables.read(b"ds,y\n2020-01-01,1\n", value="load")
    assert "ds, y" in str(caught.value.hint)


def test_no_row_is_an_empty_panel_when_the_clock_is_known() -> None:
    known = tables.read((HEAD + hourly(30)).encode())
    for content in (b"", HEAD.encode()):
        panel = tables.read(content, layout=known.layout, clock=known.clock)
        assert isinstance(panel, Panel)
        assert len(panel) == 0
