"""What the organisers' regression of GEFCom2012 scores on the other weeks of `gefcom2012.py`.

    python benchmarks/gefcom2012_vanilla.py DATA_FOLDER

One published week of forecasts without temperatures says little: most of its error is weather. So
the regression of T. Hong (Short Term Electric Load Forecasting, 2010: trend, month, hour of the
week, a cubic of temperature by month and by hour) is fitted again, a zone at a time, by the station
that explains it best, and told the mean temperature of other years where there is none. How far it
lies from the organisers' own file on the competition's weeks says how true the copy is.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import gefcom2012 as load_track
import numpy as np
import pandas as pd
from gefcom2012 import HOUR, LAST, OTHERS, RESULTS, WEEK, YEARS

from forecast import provenance

RIDGE = 1e-6  # the terms overlap: months and hours of the week both sum to one


def main() -> None:
    """Fit, forecast the weeks of the competition and the others, score all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    began = time.perf_counter()
    load, heat = load_track.loads(folder), load_track.temperatures(folder)
    truth, known = load_track.solution(folder), load_track.cut_out(load)
    file = pd.read_csv(folder / "gefcom2012_benchmark.csv.gz", parse_dates=["ds"])
    file = file.rename(columns={"y": "mean"})
    copy = forecasts(load, heat, known, [LAST])
    found = {
        "organisers": load_track.score(file, truth, (*known, LAST), len(known)),
        "copy": load_track.score(copy, truth, (*known, LAST), len(known)),
        "apart": load_track.score(
            copy, truth.drop(columns="y").merge(file.rename(columns={"mean": "y"})),
            (*known, LAST), len(known)),
    }  # fmt: skip
    for name, (known, blind) in OTHERS.items():
        rest = load.copy()
        truth = load_track.hidden(rest, (*known, *blind))
        copy = forecasts(rest, heat, known, blind)
        found[name] = load_track.score(copy, truth, (*known, *blind), len(known))
    about = {"seconds": round(time.perf_counter() - began, 1), "hardware": provenance.hardware(),
             "versions": provenance.versions(), "commit": provenance.commit(),
             "command": "python benchmarks/gefcom2012_vanilla.py DATA_FOLDER"}  # fmt: skip
    print(json.dumps(found))
    text = json.dumps(found | about, indent=2)
    (RESULTS / "gefcom2012-vanilla.json").write_text(text + "\n")


def forecasts(
    load: pd.DataFrame, heat: pd.DataFrame, known: Sequence, blind: Sequence
) -> pd.DataFrame:
    """Return the forecasts of all zones and their sum for the weeks from `known` and `blind`."""
    near = load_track.nearest_stations(load, heat)
    parts = []
    for zone in load:
        y, warm = load[zone].dropna(), heat[near[zone][0]]
        y = y[y.index.isin(warm.index)]
        x = terms(y.index, warm[y.index])
        weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y.to_numpy())
        for start in map(pd.Timestamp, (*known, *blind)):
            hours = pd.date_range(start, start + WEEK - HOUR, freq="h")
            told = usual(warm, hours) if str(start.date()) in blind else warm[hours]
            mean = terms(hours, told) @ weights
            parts.append(pd.DataFrame({"unique_id": zone, "ds": hours, "mean": mean}))
    return load_track.with_system(pd.concat(parts))


def terms(hours: pd.DatetimeIndex, heat: pd.Series) -> np.ndarray:
    """Return the regressors of each hour: (T, 1 + 12 + 168 + 36 + 72)."""
    trend = (hours - pd.Timestamp("2004-01-01")) / pd.Timedelta("365D")
    month, hour = np.eye(12)[hours.month - 1], np.eye(24)[hours.hour]
    week = np.eye(168)[24 * hours.dayofweek + hours.hour]
    powers = ((heat.to_numpy() - 60) / 20)[:, None] ** np.arange(1, 4)
    by = [(part[:, :, None] * powers[:, None]).reshape(len(hours), -1) for part in (month, hour)]
    return np.column_stack([trend, month, week, *by])


def usual(heat: pd.Series, hours: pd.DatetimeIndex) -> pd.Series:
    """Return the mean temperature of the same dates and hours in the other years."""
    start = hours[0]
    moved = [hours + (start.replace(year=year) - start) for year in YEARS if year != start.year]
    return pd.Series(np.mean([heat[other].to_numpy() for other in moved], axis=0), hours)


if __name__ == "__main__":
    main()
