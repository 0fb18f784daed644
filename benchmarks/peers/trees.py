"""LightGBM through mlforecast: recursive, fitted once on the rows up to the first cutoff.

Each series is brought to mean zero and deviation one, so that one set of trees serves large and
small ones. Forecasts spread over the last quarter of the rows before the first cutoff say which
differences the trees are given, and how wide intervals are.
"""

import lightgbm
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean
from mlforecast.target_transforms import Differences, LocalStandardScaler
from run import LEVELS, Task

PACKAGES = ("mlforecast", "lightgbm")
WINDOWS = 14  # cutoffs before the first one on which is chosen


def run(name: str, task: Task) -> tuple[pd.DataFrame, str]:
    """Return the forecasts of every cutoff, and how they were made."""
    found = {}
    size = task.before(task.cutoffs[0]).groupby("unique_id")["y"].std()
    for lag in (0, *task.seasons):
        off = errors(tool(name, task, lag), task)
        mean = off["off"].abs().groupby(off["unique_id"]).mean() / size
        found[float(mean.mean()), lag] = off
    (_, lag), off = min(found.items())
    spread = off.groupby(["unique_id", "step"])["off"].quantile(list(LEVELS)).unstack()
    best = tool(name, task, lag)
    best.fit(task.before(task.cutoffs[0]))
    parts = []
    for cutoff in task.cutoffs:
        out = ahead(best, task, cutoff)
        wide = spread.reindex(pd.MultiIndex.from_frame(out[["unique_id", "step"]]))
        columns = {f"{p:g}": out[name].to_numpy() + wide[p].to_numpy() for p in LEVELS}
        parts.append(out[["unique_id", "ds"]].assign(cutoff=cutoff, mean=out[name], **columns))
    shown = f"differences over {lag} steps" if lag else "no differences"
    return pd.concat(parts), f"lags, rolling means, calendar, {shown}; recursive, fitted once"


def tool(name: str, task: Task, lag: int) -> MLForecast:
    """Return the forecaster on differences over `lag` steps, or on the values."""
    day, week = task.seasons[0], task.seasons[-1]
    span = task.cutoffs[0] - task.rows["ds"].min()
    whole_year = ["dayofyear"] if span > pd.Timedelta(days=500) else []
    return MLForecast(
        models={name: lightgbm.LGBMRegressor(n_estimators=300, learning_rate=0.05, num_leaves=31,
                                             random_state=0, verbosity=-1)},
        freq=task.frequency,
        lags=[1, 2, 3, day, day + 1, 2 * day, week, week + 1, 2 * week],
        lag_transforms={1: [RollingMean(day)], day: [RollingMean(day)], week: [RollingMean(day)]},
        date_features=["hour", "minute", "dayofweek", *whole_year],
        target_transforms=[*([Differences([lag])] if lag else []), LocalStandardScaler()],
    )  # fmt: skip


def ahead(fitted: MLForecast, task: Task, cutoff: pd.Timestamp) -> pd.DataFrame:
    """Return the forecasts from `cutoff`, with the step ahead."""
    out = fitted.predict(task.horizon, new_df=task.before(cutoff, 5 * max(task.seasons)))
    return out.assign(step=((out["ds"] - cutoff) / task.step).astype(int))


def errors(fitted: MLForecast, task: Task) -> pd.DataFrame:
    """Return what forecasts over the last quarter before the first cutoff were off by."""
    quarter = (task.cutoffs[0] - task.rows["ds"].min()) / task.step / 4
    stride = max(1, int(quarter / WINDOWS / task.horizon)) * task.horizon * task.step
    start = task.cutoffs[0] - WINDOWS * stride
    fitted.fit(task.before(start))
    (name,) = fitted.models
    parts = [ahead(fitted, task, start + k * stride) for k in range(WINDOWS)]
    every = pd.concat(parts).merge(task.rows, on=["unique_id", "ds"])
    return every.assign(off=every["y"] - every[name])
