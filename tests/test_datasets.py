"""The embedded data sets are what their descriptions say."""

import hashlib
from importlib import resources

import pytest

from forecast.data import datasets, tables
from forecast.errors import UsageError


@pytest.mark.parametrize("name", datasets.NAMES)
def test_the_file_is_the_one_described(name: str) -> None:
    known, content = datasets.info(name), datasets.open(name)
    assert hashlib.sha256(content).hexdigest() == known.sha256
    lines = content.decode().splitlines()
    assert lines[0] == known.columns
    assert len(lines) - 1 == known.rows
    panel = datasets.load(name)
    assert len(panel) == known.series
    assert len(panel.values) == known.rows
    assert panel.clock.label.startswith(known.frequency)
    first, last = panel.clock.write(panel.all_times())[[0, -1]]
    assert (first, last) == (known.first, known.last)
    assert panel.source == name
    tables.check_fittable(panel)


def test_the_packed_files_hold_no_clock_time() -> None:
    folder = resources.files("forecast.data") / "embedded"
    for name in datasets.NAMES:
        assert (folder / f"{name}.csv.gz").read_bytes()[4:8] == bytes(4)


def test_every_licence_is_told() -> None:
    text = (resources.files("forecast.data") / "embedded" / "DATA-LICENSES").read_text()
    for name in datasets.NAMES:
        assert f"{name}.csv.gz" in text
        assert datasets.info(name).sha256 in text
    assert "10.24432/C58C86" in text
    assert "CC BY 4.0" in text


def test_the_stock_is_the_unadjusted_close() -> None:
    panel = datasets.load("google-stock")
    assert panel.ids == ("GOOG",)
    assert panel.values[[0, -1]].tolist() == [100.335, 806.19]
    assert not panel.clock.complete


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="`iris`") as caught:
        datasets.load("iris")
    assert "google-stock" in str(caught.value.hint)
