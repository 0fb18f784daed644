"""The load track of GEFCom2012 by its own score: eight weeks to backcast and one to forecast.

    python benchmarks/gefcom2012.py DATA_FOLDER -o forecasts.csv

Every hour of the day of every zone is a series of days of its own, 20 x 24 of them, forecast by
`linear` over the days of a week from the last day before it: one-sided, though the history goes on
after a backcast week. A zone is fitted once, on all rows that were not cut out. What its model is
told of each day to come is the temperature, known in the backcast weeks; for the last week it is
that of the same days in other years, one scenario each, and the forecasts are averaged. The system
is the sum of the zones. Stations and settings were chosen on other weeks (`--weeks validation`):
ten cut out alike, and nine of summer forecast without their temperatures, each with days before
it. `--weeks fresh` are eight and twelve by which nothing was chosen.
"""

import argparse
import json
import sys
import time
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.holiday import USFederalHolidayCalendar

import forecast
from forecast import provenance

RESULTS = Path(__file__).parent / "results"
HOUR, DAY, WEEK = (pd.Timedelta(t) for t in ("1h", "1D", "7D"))
WHOLE = "2008-06-30"  # the first day without load in every hour
YEARS = range(2004, 2008)  # whose first days of July have temperatures
MEMORY = 0.65  # share of a day's departure from the usual that is left a day later
DAYS = 8  # the last week begins two days after the last whole day of load
CHECKED = ("2005-02-05", "2005-04-23", "2005-08-20", "2005-10-22", "2006-01-14", "2006-03-18",
           "2006-04-22", "2006-09-02", "2006-10-07", "2006-12-20")  # fmt: skip
# Like the last week, without temperatures: what they err by is their weather, so they are many.
BLIND = ("2005-07-01", "2005-07-22", "2005-08-06", "2006-06-10", "2006-07-01", "2006-07-18",
         "2007-06-12", "2007-07-01", "2007-08-04")  # fmt: skip
FRESH = ("2004-04-17", "2004-05-22", "2004-10-16", "2005-11-05", "2007-01-13", "2007-03-17",
         "2007-10-13", "2007-12-22")  # fmt: skip
FRESH_BLIND = ("2004-06-14", "2004-07-01", "2004-07-22", "2004-08-18", "2005-06-05", "2005-07-12",
               "2005-08-18", "2006-06-22", "2006-08-18", "2007-06-22", "2007-07-22",
               "2007-08-18")  # fmt: skip
LAST = "2008-07-01"
OTHERS = {"validation": (CHECKED, BLIND), "fresh": (FRESH, FRESH_BLIND)}
STATIONS = 4  # averaged for each zone
SHIFTS = range(-16, 17, 4)  # days by which another year's temperatures are moved


def loads(folder: Path) -> pd.DataFrame:
    """Return hourly load, a column per zone."""
    rows = pd.read_csv(folder / "gefcom2012_load.csv.gz", parse_dates=["ds"])
    return rows.pivot(index="ds", columns="unique_id", values="y")


def temperatures(folder: Path) -> pd.DataFrame:
    """Return hourly temperature, a column per station, single gaps filled from the others."""
    rows = pd.read_csv(folder / "gefcom2012_temperature.csv.gz", parse_dates=["ds"])
    table = rows.pivot(index="ds", columns="unique_id", values="y")
    return table.apply(lambda column: column.fillna(table.mean(axis=1)))


def nearest_stations(load: pd.DataFrame, heat: pd.DataFrame) -> dict[str, list[str]]:
    """Return for each zone the stations that explain its daily load best.

    By a cubic in the day's mean temperature beside weekday and year, on days that are not cut out.
    """
    daily, warm = load.resample("D").mean(), heat.resample("D").mean()
    both = daily.index.intersection(warm.index)
    daily, warm = daily.loc[both], warm.loc[both]
    base = pd.get_dummies([f"{d.year} {d.weekday() > 4}" for d in both]).to_numpy(float)
    found = {}
    for zone in daily:
        y = np.log(daily[zone].to_numpy())
        kept, errors = np.isfinite(y), {}
        for station in warm:
            t = (warm[station].to_numpy() - 60) / 20
            x = np.column_stack([base, t, t**2, t**3])[kept]
            w = np.linalg.lstsq(x, y[kept], rcond=None)[0]
            errors[station] = float(np.square(y[kept] - x @ w).mean())
        found[zone] = sorted(errors, key=errors.__getitem__)[:STATIONS]
    return found


def weather(heat: pd.Series) -> pd.DataFrame:
    """Return what a model is told of each hour: degrees now, lately, over a day and two."""
    cold, hot = np.maximum(58 - heat, 0), np.maximum(heat - 68, 0)
    return pd.DataFrame({
        "cold": cold, "hot": hot,
        "hot_lately": hot.rolling(4, min_periods=1).mean(),
        "cold_day": cold.rolling(24, min_periods=1).mean(),
        "hot_day": hot.rolling(24, min_periods=1).mean(),
        "hot_two_days": hot.rolling(48, min_periods=1).mean(),
        "cold_two_days": cold.rolling(48, min_periods=1).mean(),
    })  # fmt: skip


def holidays() -> pd.DatetimeIndex:
    """Return the holidays of the United States that change the load."""
    found = USFederalHolidayCalendar().holidays("2004-01-01", "2008-07-31")
    minor = found[(found.month == 10) | (found.month == 11) & (found.day < 15)]
    return found.difference(minor)


HOLIDAYS = holidays()


def by_hour(zones: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return hourly tables by zone as one table of days, a series for each zone and hour."""
    parts = []
    for zone, table in zones.items():
        table = table.assign(unique_id=[f"{zone} {t.hour:02d}" for t in table.index])
        table["ds"] = table.index.normalize()
        table["holiday"] = pd.DatetimeIndex(table["ds"]).isin(HOLIDAYS).astype(float)
        parts.append(table)
    return (
        pd.concat(parts, ignore_index=True).sort_values(["unique_id", "ds"]).reset_index(drop=True)
    )


def main() -> None:
    """Fit, forecast the nine weeks, write and score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--weeks", choices=("competition", *OTHERS), default="competition")
    parser.add_argument("--jobs", type=int, default=2, help="zones at once")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    began = time.perf_counter()
    load, heat = loads(options.folder), temperatures(options.folder)
    known, blind = OTHERS.get(options.weeks) or (cut_out(load), (LAST,))
    other = options.weeks in OTHERS
    truth = hidden(load, (*known, *blind)) if other else solution(options.folder)
    near = nearest_stations(load, heat)
    warm = pd.DataFrame({zone: heat[near[zone]].mean(axis=1) for zone in load})
    settings = dict(s.split("=") for s in options.set)
    tasks = [(load[[zone]], warm[[zone]], settings, (known, blind)) for zone in load]
    with Pool(options.jobs, maxtasksperchild=1) as pool:
        parts = pool.starmap(weeks, tasks, chunksize=1)
    found = with_system(pd.concat(parts))
    if options.output:
        found.to_csv(options.output, index=False, float_format="%.3f")
    scores = score(found, truth, (*known, *blind), len(known))
    scores["seconds"] = round(time.perf_counter() - began, 1)
    print(json.dumps(scores))
    about = {"seed": 0, "hardware": provenance.hardware(), "versions": provenance.versions(),
             "commit": provenance.commit(),
             "command": "python benchmarks/gefcom2012.py DATA_FOLDER"}  # fmt: skip
    if settings:
        return
    name = f"gefcom2012-{options.weeks if other else 'wrmse'}"
    about["command"] += f" --weeks {options.weeks}" * other
    (RESULTS / f"{name}.json").write_text(json.dumps(scores | about, indent=2) + "\n")


def cut_out(load: pd.DataFrame) -> list[pd.Timestamp]:
    """Return the first days of the eight weeks that were cut out of the history."""
    gone = load.isna().all(axis=1).resample("D").sum() == 24
    days = gone.index[gone & ~gone.shift(1, fill_value=False)]
    return list(days[days < "2008"])


def hidden(load: pd.DataFrame, starts: tuple[str, ...]) -> pd.DataFrame:
    """Cut the weeks from `starts` out of `load` and return them as a solution is written."""
    parts = []
    for start in map(pd.Timestamp, starts):
        week = load.loc[start : start + WEEK - HOUR]
        assert week.notna().all(axis=None), f"the week from {start} was cut out"
        parts.append(week.assign(zone_21=week.sum(axis=1)))
        load.loc[week.index] = np.nan
    rows = (
        pd.concat(parts)
        .rename_axis("ds")
        .reset_index()
        .melt("ds", var_name="unique_id", value_name="y")
    )
    return rows.assign(weight=np.where(rows["unique_id"] == "zone_21", 20.0, 1.0))


def solution(folder: Path) -> pd.DataFrame:
    """Return the published truths with their weights."""
    return pd.read_csv(folder / "gefcom2012_solution.csv.gz", parse_dates=["ds"])


def weeks(
    load: pd.DataFrame, heat: pd.DataFrame, settings: dict[str, str], starts: tuple[list, list]
) -> pd.DataFrame:
    """Return the forecasts of a zone: of weeks whose temperatures are known, and of blind ones."""
    work = Work(load, heat, settings)
    known, blind = ([pd.Timestamp(start) for start in each] for each in starts)
    parts = [work.week(start) for start in known]
    return pd.concat(parts + [work.week(start, blind=True) for start in blind])


class Work:
    """One fit, and a forecast from any of its days."""

    def __init__(self, load: pd.DataFrame, heat: pd.DataFrame, settings: dict[str, str]):
        self.heat = heat  # a column per zone
        self.rows = by_hour({zone: weather(heat[zone]).assign(y=load[zone]) for zone in load})
        self.names = tuple(n for n in self.rows if n not in ("unique_id", "ds", "y"))
        whole = self.rows[self.rows["ds"] < WHOLE]
        self.panel = forecast.Panel.from_frame(whole, known=self.names)
        self.model = forecast.fit(self.panel, "linear", horizon=DAYS, settings=settings)
        config = self.model.model.config
        print(", ".join(load), config, self.model.transform.name, file=sys.stderr, flush=True)

    def week(self, start: pd.Timestamp, blind: bool = False) -> pd.DataFrame:
        """Return zone, hour and mean of the week from `start`; `blind`: no temperature in it."""
        last = start - (2 if blind else 1) * DAY  # the last whole day of load
        model = self.model.rewind().update(self.panel.until(int(last.value // 1000)))
        futures = self.scenarios(start) if blind else [self.rows]
        means = []
        for future in futures:
            ahead = future[(future["ds"] > last) & (future["ds"] <= last + DAYS * DAY)]
            table = forecast.Panel.from_frame(ahead.assign(y=0.0), known=self.names)
            out = model.predict(future=table).to_frame()
            means.append(out["mean"].to_numpy())
        out["mean"] = np.mean(means, axis=0)
        out = out[(out["ds"] >= start) & (out["ds"] < start + WEEK)]
        zone, hour = out["unique_id"].str.split(" ", expand=True).to_numpy().T
        ds = out["ds"] + pd.to_timedelta(hour.astype(int), unit="h")
        return pd.DataFrame({"unique_id": zone, "ds": ds, "mean": out["mean"]})

    def scenarios(self, start: pd.Timestamp) -> list[pd.DataFrame]:
        """Return what would be told if the week from `start` went on as in other years.

        The week begins as warm as the day before it was, and forgets that day by day.
        """
        known = self.heat.loc[: start - HOUR].dropna()
        last = known.index[-1]  # the temperatures may end some hours before the week
        hours = pd.date_range(last + HOUR, start + WEEK - HOUR, freq="h")
        fade = MEMORY ** (np.arange(len(hours)) / 24 + 0.5)
        found = []
        for year in (y for y in YEARS if y != start.year):
            for shift in SHIFTS:
                moved = start.replace(year=year) + shift * DAY - start
                other = self.heat.loc[last - DAY + HOUR + moved : hours[-1] + moved].to_numpy()
                off = known.iloc[-24:].mean().to_numpy() - other[:24].mean(axis=0)
                week = pd.DataFrame(other[24:] + fade[:, None] * off, hours, self.heat.columns)
                path = pd.concat([known.iloc[-72:], week])
                found.append(by_hour({zone: weather(path[zone]) for zone in path}))
        return found


def with_system(found: pd.DataFrame) -> pd.DataFrame:
    """Return forecasts with the sum of the zones as `zone_21`."""
    system = found.groupby("ds", as_index=False)["mean"].sum().assign(unique_id="zone_21")
    return pd.concat([found, system])


def score(
    found: pd.DataFrame, truth: pd.DataFrame, starts: tuple[str, ...], known: int
) -> dict[str, Any]:
    """Return the weighted root mean squared error over all, the first `known` weeks, the others.

    Also that of each week, by its first day.
    """
    rows = truth.merge(found, "left", ["unique_id", "ds"], validate="one_to_one")
    assert rows["mean"].notna().all(), "a row has no forecast"
    squares = rows["weight"] * (rows["y"] - rows["mean"]) ** 2
    sums = [
        (squares[kept].sum(), rows["weight"][kept].sum())
        for kept in (rows["ds"].between(start, start + WEEK, "left")
                     for start in map(pd.Timestamp, starts))
    ]  # fmt: skip
    parts = {"all": sums, "backcast": sums[:known], "forecast week": sums[known:]}
    days = [f"{pd.Timestamp(start):%Y-%m-%d}" for start in starts]
    single = {day: error([part]) for day, part in zip(days, sums, strict=True)}
    weeks = {"backcast": days[:known], "forecast week": days[known:]}
    return {name: error(part) for name, part in parts.items()} | {
        "weeks": {name: {day: single[day] for day in part} for name, part in weeks.items()}
    }


def error(sums: list[tuple[float, float]]) -> int:
    """Return the root of weighted squares over weights, summed over weeks."""
    squares, weights = np.sum(sums, axis=0)
    return round(float(np.sqrt(squares / weights)))


if __name__ == "__main__":
    main()
