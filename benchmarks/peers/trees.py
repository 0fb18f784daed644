"""LightGBM through mlforecast: recursive, fitted once on the rows up to the first cutoff.

Intervals are conformal, from forecasts over the last weeks before the first cutoff.
"""

import lightgbm
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean
from run import LEVELS, Task

PACKAGES = ("mlforecast", "lightgbm")
WINDOWS = 28  # cutoffs from which the intervals are learned


def run(name: str, task: Task) -> tuple[pd.DataFrame, str]:
    """Return the forecasts of every cutoff, and how they were made."""
    day, week = task.seasons[0], task.seasons[-1]
    tool = MLForecast(
        models={name: lightgbm.LGBMRegressor(n_estimators=500, learning_rate=0.05, num_leaves=63,
                                             random_state=0, verbosity=-1)},
        freq=task.frequency,
        lags=[1, 2, 3, day, day + 1, 2 * day, week, week + 1, 2 * week],
        lag_transforms={1: [RollingMean(day)], day: [RollingMean(day)], week: [RollingMean(day)]},
        date_features=["hour", "minute", "dayofweek", "dayofyear"],
    )  # fmt: skip
    spread = _errors(tool, task)
    tool.fit(task.before(task.cutoffs[0]))
    parts = []
    for cutoff in task.cutoffs:
        out = tool.predict(task.horizon, new_df=task.before(cutoff, 3 * week))
        step = ((out["ds"] - cutoff) / task.step).astype(int)
        keys = pd.MultiIndex.from_arrays([out["unique_id"], step])
        off = spread.reindex(keys)
        columns = {f"{p:g}": out[name].to_numpy() + off[p].to_numpy() for p in LEVELS}
        parts.append(out[["unique_id", "ds"]].assign(cutoff=cutoff, mean=out[name], **columns))
    how = "lags, rolling means and calendar; recursive, fitted once; intervals of past errors"
    return pd.concat(parts), how


def _errors(tool: MLForecast, task: Task) -> pd.DataFrame:
    """Return quantiles of the error by series and step ahead, over the last days before the test.

    The tool's own conformal intervals are symmetric and cannot be moved to later cutoffs.
    """
    first = task.cutoffs[0]
    start = first - WINDOWS * task.horizon * task.step
    tool.fit(task.before(start))
    parts = []
    for k in range(WINDOWS):
        cutoff = start + k * task.horizon * task.step
        out = tool.predict(task.horizon, new_df=task.before(cutoff, 3 * max(task.seasons)))
        out = out.merge(task.rows, on=["unique_id", "ds"])
        out["step"] = ((out["ds"] - cutoff) / task.step).astype(int)
        parts.append(out)
    (name,) = tool.models
    every = pd.concat(parts)
    error = (every["y"] - every[name]).groupby([every["unique_id"], every["step"]])
    return error.quantile(list(LEVELS)).unstack()
