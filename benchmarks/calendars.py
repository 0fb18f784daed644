"""What holidays and local clocks bring where series lie in many countries, a day ahead.

    python benchmarks/calendars.py DATA_FOLDER [--models linear,esn]

Load of 35 European countries (entsoe35): fitted to 2016, judged on every day of 2017. The year that
the task in benchmarks/tasks judges is not touched. MASE is said of all hours, and of those of the
holidays of each country alone. A row is appended to benchmarks/results/calendars.jsonl as it comes;
those that are there are not measured again.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast import backtest, provenance
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
RESULTS = Path(__file__).parent / "results" / "calendars.jsonl"


def main() -> None:
    """Measure what is missing, and append a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", default="linear")
    options = parser.parse_args()
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    there = [{k: row[k] for k in ("model", "clock", "holidays")} for row in map(json.loads, lines)]
    first = int(np.datetime64("2016-12-31T23:00", "us").astype(np.int64))
    task = Task(24, windows=365, first_cutoff=first)
    for model in options.models.split(","):
        for clock in ("UTC", "local"):
            for told in (False, True):
                row: dict[str, Any] = {"model": model, "clock": clock, "holidays": told}
                if row in there:
                    continue
                panel = read(options.folder, clock, told)
                run = backtest.run(panel, task, [model], resources=Run(), baselines=False)
                free = flags(run, read(options.folder, "local", True))
                row["mase"] = round(mase(run, model, np.ones_like(free)), 4)
                row["mase_on_holidays"] = round(mase(run, model, free), 4)
                row |= {"commit": provenance.commit(), "hardware": provenance.hardware()}
                with RESULTS.open("a") as file:
                    print(json.dumps(row), file=file)
                print(json.dumps(row), flush=True)


def read(folder: Path, clock: str, told: bool) -> Panel:
    """Return 2016 and 2017 by the `clock`, local or UTC, and the holidays if `told`."""
    frame = pd.read_csv(folder / "entsoe35.csv.gz")
    frame = frame[frame["ds"] < "2018"].assign(ds=lambda part: part["ds"] + "Z")
    if clock == "local":
        frame["zone"] = frame["unique_id"].map(ZONES)
    more: dict[str, Any] = {"holidays": "unique_id"} if told else {}
    return tables.from_frame(frame, timezone="zone" if clock == "local" else clock, **more)


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
