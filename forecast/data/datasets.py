"""The embedded data sets: real electricity load, a real stock price.

Their licences and origins stand in `embedded/DATA-LICENSES`.
"""

import gzip
import io
from dataclasses import dataclass
from importlib import resources
from typing import Any

from forecast.data.panel import Panel
from forecast.errors import UsageError


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known about a data set; `sha256` is that of the uncompressed CSV."""

    name: str
    title: str
    rows: int
    series: int
    frequency: str
    first: str
    last: str
    columns: str
    unit: str
    licence: str
    source: str
    note: str
    sha256: str


_ALL = (
    Dataset(
        name="electricity-load",
        title="Mean hourly electricity load of 321 clients, Portugal",
        rows=26_304,
        series=1,
        frequency="hourly",
        first="2012-01-01T00:00:00",
        last="2014-12-31T23:00:00",
        columns="unique_id,ds,y",
        unit="kW",
        licence="CC BY 4.0",
        source="Trindade, A. (2015). ElectricityLoadDiagrams20112014 [Dataset]. "
        "UCI Machine Learning Repository. https://doi.org/10.24432/C58C86",
        note="local time written with 24 hours a day; one hour each March is almost zero",
        sha256="898714b39b8b8d88bad8b030296da40a146aa06c3cbc2bcc2f25be210392b8b4",
    ),
    Dataset(
        name="google-stock",
        title="Google Inc. class A, daily prices and volumes",
        rows=2_148,
        series=1,
        frequency="trading days",
        first="2004-08-19",
        last="2013-03-01",
        columns="unique_id,ds,y,open,high,low,volume,adj_close",
        unit="USD",
        licence="public domain",
        source="Quandl WIKI, by way of bokeh_sampledata 2026.1",
        note="y is the unadjusted close",
        sha256="e29608fa597b3f12a0fcd381a7704c74a704dc001f91b4129122001881557020",
    ),
)
_BY_NAME = {dataset.name: dataset for dataset in _ALL}
NAMES = tuple(_BY_NAME)


def info(name: str) -> Dataset:
    """Return what is known about the data set `name`; UsageError lists the names there are."""
    if name not in _BY_NAME:
        from forecast.data.fetching import REMOTES

        known = ", ".join((*NAMES, *REMOTES))
        raise UsageError(f"no data set is called `{name}`", hint=f"known: {known}")
    return _BY_NAME[name]


def open(name: str) -> bytes:
    """Return the CSV of the data set `name`, uncompressed."""
    packed = resources.files("forecast.data") / "embedded" / f"{info(name).name}.csv.gz"
    return gzip.decompress(packed.read_bytes())


def load(name: str, **options: Any) -> Panel:
    """Return the data set `name`, embedded or fetched, as a panel.

    `options` go to `tables.read`. Raises DataError for one that was not fetched yet.
    """
    from forecast.data import fetching, tables

    if name in fetching.REMOTES:
        return tables.read(fetching.load_path(fetching.REMOTES[name]), **options)
    return tables.read(_Named(name), **options)


class _Named(io.BytesIO):
    """A data set as a stream that bears its name, which the reader tells."""

    def __init__(self, name: str) -> None:
        super().__init__(open(name))
        self.name = name
