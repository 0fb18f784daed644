"""What holidays and local clocks bring where series lie in many countries, a day ahead.

    python benchmarks/calendars.py DATA_FOLDER [--models linear,esn] [--output FILE]

Load of 35 European countries (entsoe35): fitted to 2016, judged on every day of 2017. The year that
the task in benchmarks/tasks judges is not touched. MASE is said of all hours, and of those of the
holidays of each country alone.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast import backtest
from forecast.data import tables
from forecast.data.holidays import HOLIDAY
from forecast.data.panel import Panel
from forecast.models.base import MEDIAN
from forecast.results import Benchmark, Task
from forecast.training.run import Run

CITIES = {
    "AL": "Tirane", "AT": "Vienna", "BA": "Sarajevo", "BE": "Brussels", "BG": "Sofia",
    "CH": "Zurich", "CZ": "Prague", "DE": "Berlin", "DK": "Copenhagen", "EE": "Tallinn",
    "ES": "Madrid", "FI": "Helsinki", "FR": "Paris", "GB": "London", "GR": "Athens",
    "HR": "Zagreb", "HU": "Budapest", "IE": "Dublin", "IT": "Rome", "LT": "Vilnius",
    "LU": "Luxembourg", "LV": "Riga", "ME": "Podgorica", "MK": "Skopje", "NL": "Amsterdam",
    "NO": "Oslo", "PL": "Warsaw", "PT": "Lisbon", "RO": "Bucharest", "RS": "Belgrade",
    "SE": "Stockholm", "SI": "Ljubljana", "SK": "Bratislava", "TR": "Istanbul",
}  # fmt: skip
ZONES = {name: f"Europe/{city}" for name, city in CITIES.items()} | {"IS": "Atlantic/Reykjavik"}
HEAD = "| model | clock | holidays | MASE | MASE on holidays |\n|---|---|---|---|---|\n"


def main() -> None:
    """Print the table line by line, and write it to `--output`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", default="linear")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    first = int(np.datetime64("2016-12-31T23:00", "us").astype(np.int64))
    task = Task(24, windows=365, first_cutoff=first)
    rows = []
    for model in options.models.split(","):
        for local in (False, True):
            for told in (False, True):
                panel = read(options.folder, local, told)
                run = backtest.run(panel, task, [model], resources=Run(), baselines=False)
                free = flags(run, read(options.folder, True, True))
                words = ("local" if local else "UTC", "yes" if told else "no")
                scores = (mase(run, model, np.ones_like(free)), mase(run, model, free))
                rows.append(f"| {model} | {' | '.join(words)} | " +
                            " | ".join(f"{score:.4f}" for score in scores) + " |")  # fmt: skip
                print(rows[-1], flush=True)
    if options.output:
        options.output.write_text(HEAD + "\n".join(rows) + "\n")


def read(folder: Path, local: bool, told: bool) -> Panel:
    """Return 2016 and 2017 by `local` clocks or UTC, `told` the holidays or not."""
    frame = pd.read_csv(folder / "entsoe35.csv.gz")
    frame = frame[frame["ds"] < "2018"].assign(ds=lambda part: part["ds"] + "Z")
    if local:
        frame["zone"] = frame["unique_id"].map(ZONES)
    more: dict[str, Any] = {"holidays": "unique_id"} if told else {}
    return tables.from_frame(frame, timezone="zone" if local else "UTC", **more)


def flags(run: Benchmark, panel: Panel) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which rows (R,) of a backtest are of a holiday where their series lies."""
    assert panel.covariates is not None
    names = [column.name for column in panel.covariates.columns]
    place = panel.offsets[run.series] + (run.ds - panel.starts[run.series]) // panel.clock.step
    return np.asarray(panel.covariates.values[place, names.index(HOLIDAY)] == 1)


def mase(run: Benchmark, model: str, kept: np.ndarray[Any, Any]) -> float:
    """Return MASE over the rows (R,) that are `kept`, the mean of that of the series."""
    off = np.abs(run.y - run.runs[model].quantiles[:, MEDIAN])
    some = kept.astype(bool) & np.isfinite(off)
    size = np.bincount(run.series[some], minlength=len(run.ids))
    total = np.bincount(run.series[some], off[some], len(run.ids))
    with np.errstate(invalid="ignore"):
        return float(np.nanmean(total / size / run.mae_scale))


if __name__ == "__main__":
    main()
