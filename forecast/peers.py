"""Forecasts made elsewhere, judged on the rows of a benchmark beside its own models.

A file holds a row per series, cutoff and timestamp, in one of two forms:

    model,unique_id,cutoff,ds,y,mean,0.1,0.5,0.9        as `benchmark --forecasts` writes them
    unique_id,ds,cutoff,y,MSTL,MSTL-lo-80,MSTL-hi-80    as Nixtla's `cross_validation` returns them

Mean and median stand in for each other where one is absent. Between quantile levels that are given
others are interpolated; beyond the outer ones nothing is known, and scores that need them are NaN.

R rows of the benchmark, F rows of the file, Q levels.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import Clock, Times
from forecast.errors import DataError
from forecast.results import Benchmark, ModelRun

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KEYS = ("unique_id", "cutoff", "ds")
SAME = 1e-4  # relative; truths this near are the same
SIDE = re.compile(r"(?P<name>.+)-(?:(?P<side>lo|hi)-(?P<share>\d+(?:\.\d+)?)|median)")
LEVEL = re.compile(r"0?\.\d+")
ZONE = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")
FORM = "such as model,unique_id,cutoff,ds,mean,0.1,0.5,0.9, as `--forecasts` writes it"
MEAN = -1.0  # stands for the mean among levels


def joined(benchmark: Benchmark, files: Iterable[tuple[Path, list[ModelRun]]]) -> Benchmark:
    """Return `benchmark` with the runs that `read` found in files as further models.

    One whose name is taken is called after its file too, or left out where its forecasts are those
    of the benchmark. Raises DataError where that name is taken too.
    """
    runs = dict(benchmark.runs)
    for path, found in files:
        for run in found:
            name = run.name
            if name in runs and np.allclose(run.mean, runs[name].mean, 1e-6, 0, equal_nan=True):
                continue
            if name in runs:
                name = f"{name} ({path.name.split('.')[0]})"
            if name in runs:
                raise DataError(f"{path}: `{name}` is there already", hint="rename the file")
            runs[name] = replace(run, name=name)
    return replace(benchmark, runs=runs)


def read(path: Path, benchmark: Benchmark) -> list[ModelRun]:
    """Return the forecasts in a file as runs over the benchmark's rows, one a model.

    Raises DataError for a file that cannot be read, holds none of the rows, one of them twice, or
    other truths.
    """
    frame = _frame(path)
    table = _Table(path, frame, benchmark, _places(path, frame, benchmark))
    if not (table.at >= 0).any():
        ends = benchmark.clock.write(benchmark.cutoffs[[0, -1]])
        raise DataError(
            f"{path}: none of its {len(frame):,} rows is one of the benchmark, whose cutoffs go "
            f"from {ends[0]} to {ends[1]}",
            hint="series, cutoff and timestamp must be those of `--forecasts`",
        )
    _check_truth(table)
    return [table.run(name, which, columns) for name, which, columns in _models(path, frame)]


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """A file of forecasts and where its rows are among the benchmark's."""

    path: Path
    frame: "pd.DataFrame"
    benchmark: Benchmark
    at: Ints  # (F,) -1 for none

    def run(self, name: str, which: NDArray[np.bool_], columns: dict[float, str]) -> ModelRun:
        """Return the forecasts in the rows `which` (F,), laid on the benchmark's rows."""
        rows = np.flatnonzero(which & (self.at >= 0))
        at, levels = self.at[rows], self.benchmark.levels
        self._check_once(name, rows)
        try:
            values = {k: np.asarray(self.frame[c], np.float64)[rows] for k, c in columns.items()}
        except ValueError as error:
            raise DataError(
                f"{self.path}: a forecast of `{name}` is no number: {error}",
                hint="an empty cell is a missing forecast",
            ) from None
        mean = values.pop(MEAN, None)
        middle = values.get(0.5, mean)
        assert middle is not None
        values[0.5] = middle
        out = np.full((len(self.benchmark.y), 1 + len(levels)), np.nan)
        out[at, 0] = middle if mean is None else mean
        out[at, 1:] = spread(values, levels)
        known = tuple(min(values) <= level <= max(values) for level in levels)
        left = int((which & (self.at < 0)).sum())
        ladder = np.stack([values[level] for level in sorted(values)], axis=1)
        crossed = int((np.diff(ladder, axis=1) < 0).any(axis=1).sum())
        notes = (
            *([f"{left:,} rows of {self.path.name} are not of this benchmark"] if left else []),
            *([f"quantiles cross in {crossed:,} of {len(rows):,} rows"] if crossed else []),
        )
        return ModelRun(
            name, out[:, 0], out[:, 1:], np.nan, np.nan, None, "elsewhere", notes=notes, known=known
        )

    def _check_once(self, name: str, rows: Ints) -> None:
        """Raise DataError where a row of the benchmark is forecast twice."""
        _, first = np.unique(self.at[rows], return_index=True)
        again = np.setdiff1d(np.arange(len(rows)), first)
        if len(again):
            raise DataError(
                f"{self.path}, line {rows[again[0]] + 2}: `{name}` has forecast this row before",
                hint="one row a series, cutoff and timestamp",
            )


def _frame(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        if path.name.endswith(".parquet"):
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, dtype={"unique_id": str, "model": str}, na_values=[""],
                                keep_default_na=True)  # fmt: skip
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(f"{path}: {reason}", hint=FORM) from error
    absent = [name for name in KEYS if name not in frame]
    if absent:
        raise DataError(f"{path}: there is no column `{absent[0]}`", hint=FORM)
    if not len(frame):
        raise DataError(f"{path}: there is no row", hint=FORM)
    return frame


def _places(path: Path, frame: "pd.DataFrame", benchmark: Benchmark) -> Ints:
    """Return the place of each row of the file among the benchmark's (F,), -1 for none."""
    import pandas as pd

    names = frame["unique_id"].astype(str)
    clock = benchmark.clock.of(names.tolist())
    keys = {
        "series": pd.Index(benchmark.ids).get_indexer(pd.Index(names)),
        "cutoff": _times(path, frame, "cutoff", clock),
        "ds": _times(path, frame, "ds", clock),
    }
    rows = {name: np.asarray(getattr(benchmark, name)).astype(np.int64) for name in keys}
    wanted = pd.DataFrame(rows | {"at": np.arange(len(benchmark.y))})
    found = pd.DataFrame(keys).merge(wanted, how="left", on=list(keys))
    return np.asarray(found["at"].fillna(-1), np.int64)


def _times(path: Path, frame: "pd.DataFrame", name: str, clock: Clock) -> Times:
    """Return a column as times of `clock`; without a zone they are in the clock's own."""
    import pandas as pd

    codes, texts = pd.factorize(frame[name])
    zoned = {bool(ZONE.search(str(text))) for text in texts}
    try:
        if clock.kind == "index":
            return np.asarray(texts, np.int64)[codes]
        if len(zoned) > 1:
            raise ValueError("some have a zone, some have none")
        stamps = pd.DatetimeIndex(pd.to_datetime(texts, format="ISO8601", utc=True))
    except (ValueError, TypeError):
        raise DataError(
            f"{path}, column `{name}`: `{texts[0]}` and the like are no timestamps of the data",
            hint=f"write them as {clock.at([0]).write(np.zeros(1, np.int64))[0]}",
        ) from None
    if zoned == {True} and clock.zone is None:
        raise DataError(f"{path}, column `{name}`: it has a zone, the data have none",
                        hint="leave the zone out, or read the data with --timezone")  # fmt: skip
    times = stamps.tz_localize(None).as_unit("us").to_numpy().astype(np.int64)
    return times[codes] if zoned == {True} else clock.utc(times[codes])


def _check_truth(table: _Table) -> None:
    """Raise DataError where the file has another truth than the data."""
    if "y" not in table.frame:
        return
    try:
        theirs = np.asarray(table.frame["y"], np.float64)
    except ValueError as error:
        raise DataError(f"{table.path}: a value of `y` is no number: {error}",
                        hint="an empty cell is a missing truth") from None  # fmt: skip
    ours = np.where(table.at >= 0, np.asarray(table.benchmark.y)[table.at], np.nan)
    off = np.abs(theirs - ours) > SAME * np.maximum(np.abs(ours), 1e-9)
    if off.any():
        row = int(off.argmax())
        raise DataError(
            f"{table.path}, line {row + 2}: `y` is {theirs[row]:g}, the data say {ours[row]:g}",
            hint="these are forecasts of other data",
        )


Found = list[tuple[str, NDArray[np.bool_], dict[float, str]]]


def _models(path: Path, frame: "pd.DataFrame") -> Found:
    """Return name, rows (F,) and columns by level of each model in the file."""
    levels = {float(c): c for c in frame.columns if LEVEL.fullmatch(str(c))}
    every = np.ones(len(frame), np.bool_)
    if not levels and "mean" not in frame:
        found = _nixtla(path, frame)
        for columns in found.values():
            _check_levels(path, columns)
        return [(name, every, columns) for name, columns in found.items()]
    columns = levels | ({MEAN: "mean"} if "mean" in frame else {})
    _check_levels(path, columns)
    if not {MEAN, 0.5} & set(columns):
        raise DataError(f"{path}: there is neither a column `mean` nor `0.5`", hint=FORM)
    if "model" not in frame:
        return [(path.name.split(".")[0], every, columns)]
    names = np.asarray(frame["model"].fillna("").astype(str), object)
    if (names == "").any():
        line = int((names == "").argmax()) + 2
        raise DataError(f"{path}, line {line}: the model has no name", hint=FORM)
    return [(str(name), names == name, columns) for name in dict.fromkeys(names)]


def _check_levels(path: Path, columns: dict[float, str]) -> None:
    for level, column in columns.items():
        if level != MEAN and not 0 < level < 1:
            raise DataError(f"{path}, column `{column}`: a quantile level lies between 0 and 1",
                            hint="leave the column out")  # fmt: skip


def _nixtla(path: Path, frame: "pd.DataFrame") -> dict[str, dict[float, str]]:
    """Return columns by level of each model whose columns are called `NAME` and `NAME-lo-80`."""
    found: dict[str, dict[float, str]] = {}
    for column in map(str, frame.columns):
        match = SIDE.fullmatch(column)
        if match is not None:
            tail = (100 - float(match["share"])) / 200 if match["side"] else 0.5
            level = 1 - tail if match["side"] == "hi" else tail
            found.setdefault(match["name"], {})[round(level, 6)] = column
        elif column not in (*KEYS, "y", "model") and frame[column].dtype.kind in "fiu":
            found.setdefault(column, {})[MEAN] = column
    whole = {name: columns for name, columns in found.items() if {MEAN, 0.5} & set(columns)}
    if not whole:
        raise DataError(f"{path}: no column holds forecasts", hint=FORM)
    return whole


def spread(given: dict[float, Floats], levels: Iterable[float]) -> Floats:
    """Return quantiles (F, Q) at `levels` from those `given` (F,) by level, NaN beyond them.

    Linear between neighbours in the normal score of the level, as everywhere.
    """
    score = NormalDist().inv_cdf
    there = sorted(given)
    marks = np.array([score(level) for level in there])
    out = []
    for level in levels:
        near = [k for k in there if abs(k - level) < 1e-6]
        if near:
            out.append(given[near[0]])
        elif there[0] < level < there[-1]:
            k = int(np.searchsorted(marks, score(level))) - 1
            share = (score(level) - marks[k]) / (marks[k + 1] - marks[k])
            out.append(given[there[k]] + share * (given[there[k + 1]] - given[there[k]]))
        else:
            out.append(np.full(len(given[there[0]]), np.nan))
    return np.stack(out, axis=1)
