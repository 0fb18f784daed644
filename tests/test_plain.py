"""Small tables are read and written without pyarrow, to the same bytes as with it."""

import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data import lines, plain, tables, writing
from forecast.data.clock import HOUR, Clock
from forecast.data.forecast import Forecast
from forecast.errors import DataError

USUAL = [
    "unique_id,ds,y\na,2024-01-01T00:00:00,1\na,2024-01-01T01:00:00,2.5\nb,2024-01-01T00:00:00,-3\n",
    "ds,y\r\n2024-01-01 00:00,1e3\r\n\r\n2024-01-01 01:00,\r\n2024-01-01 02:00,NaN\r\n",
    "ds,y\n2024-01-01T00:00:00.250Z,.5\n2024-01-01T00:00:00.500Z,5.\n2024-01-01T00:00:00.750Z,7",
    "ds,load_a,load_b\n2024-01-01,1,2\n2024-01-02,3,null\n2024-01-03,3,-\n",
    "t,v\n1,5\n2,6\n3,-0.0\n",
    "time,v\n1700000000,5\n1700003600,6\n1700007200,7\n",
    "y\n1\n2\n3\n",
    "café,ds,y,sort\nä,2024-01-01,1,x y\nä,2024-01-02,2,\nö,2024-01-01,3, x  y\n",
]
ODD = [
    'ds,y\n2024-01-01,"1,000.5"\n2024-01-02,2\n',
    "ds,y\n2024-01-01, 1\n2024-01-02,2 \n",
    "ds,y\n2024-01-01T00:00:00+01:00,1\n2024-01-01T01:00:00+01:00,2\n",
    "ds;y\n01/13/2024;1,5\n01/14/2024;2,5\n",
    "ds,y\n2024-01-01,+1\n2024-01-02,inf\n",
    "ds,y\n2024-02-30,1\n",
    "ds,y\n2024-01-01,1,2\n",
    "ds,y\n,1\n2024-01-02,2\n",
    "ds,y\n2024-01-01,0.71\n" + "".join(f"2024-02-{d:02},{d * 100}\n" for d in range(1, 20)),
    "ds,y\ntoday,1\nNaT,2\n",
]


def told(text: str, small: int, monkeypatch) -> object:
    monkeypatch.setattr(plain, "SMALL", small)
    options = {"static": ("sort",)} if "sort" in text else {}
    try:
        panel = tables.read(text.encode(), **options)
    except DataError as error:
        return str(error)
    beside = panel.covariates and (panel.covariates.columns, panel.covariates.values.tolist())
    return (panel.ids, panel.values.view(np.int64).tolist(), panel.starts.tolist(), panel.clock,
            panel.layout, panel.notes, panel.reasons, repr(beside))  # fmt: skip


@pytest.mark.parametrize("text", USUAL + ODD)
def test_a_small_table_is_read_as_pyarrow_reads_it(text, monkeypatch):
    assert told(text, 1 << 18, monkeypatch) == told(text, -1, monkeypatch)


@pytest.mark.parametrize("text", [*USUAL[:5], USUAL[6]])
def test_a_usual_one_does_without(text, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    tables.read(text.encode())


CELL = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=64).map(repr),
    st.sampled_from(["", "NaN", "-", "1.", ".5", "007", "1E5", "1e-400", "٣", "1_0", "0x1", " 2"]),
)


@settings(deadline=None)
@given(st.lists(CELL, min_size=2, max_size=6))
def test_any_cells_of_numbers(cells):
    rows = "".join(f"2024-01-{k + 1:02},{cell}\n" for k, cell in enumerate(cells))
    with pytest.MonkeyPatch.context() as patch:
        text = "ds,y\n" + rows
        assert told(text, 1 << 18, patch) == told(text, -1, patch)


@pytest.mark.parametrize("format", ["csv", "tsv", "jsonl", "json", "markdown"])
def test_few_rows_are_written_as_many_are(format, monkeypatch):
    random = np.random.default_rng(0)
    quantiles = np.sort(random.normal(size=(2, 300, 3)), axis=2) * 10.0 ** random.integers(
        -5, 11, (2, 300, 1)
    )
    quantiles[0, :6, 0] = 0.0, -0.0, -5.0, 123456789.4, 1e-300, 1e15
    times = np.arange(300) * HOUR + np.array([[0], [HOUR]])
    made = Forecast(("a,b", 'c"'), times, quantiles[..., 1], quantiles, (0.1, 0.5, 0.9),
                    Clock("fixed", HOUR), "naive")  # fmt: skip
    few = writing.render(made, format)
    monkeypatch.setattr(lines, "FEW", 0)
    assert few == writing.render(made, format)
    plainer = Forecast(made.ids, times, np.round(made.mean, 2), np.round(quantiles, 2), made.levels,
                       made.clock, "naive")  # fmt: skip
    stream = io.BytesIO()
    monkeypatch.setattr(lines, "FEW", 5000)
    writing.write(plainer, stream, format=format)
    monkeypatch.setattr(lines, "FEW", 0)
    assert stream.getvalue() == writing.render(plainer, format)
