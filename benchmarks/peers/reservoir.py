"""reservoirpy: an echo state network with a direct ridge readout, fitted once.

Inputs are the scaled value and the phases of day and week; the readout forecasts all steps at
once. The ridge is chosen and the intervals are learned on the last weeks before the first cutoff.
"""

import numpy as np
import pandas as pd
from reservoirpy.nodes import Reservoir
from run import LEVELS, Task

PACKAGES = ("reservoirpy",)
UNITS, WASHOUT, DAYS = 1000, 200, 28


def run(name: str, task: Task) -> tuple[pd.DataFrame, str]:
    """Return the forecasts of every cutoff, and how they were made."""
    parts = [_series(uid, rows, task) for uid, rows in task.rows.groupby("unique_id")]
    how = f"{UNITS} units, spectral radius 0.95, leak rate 0.5, direct ridge readout; fitted once"
    return pd.concat(parts), how


def _series(uid: str, rows: pd.DataFrame, task: Task) -> pd.DataFrame:
    ds, y = pd.DatetimeIndex(rows["ds"]), rows["y"].to_numpy(float)
    first = int(np.searchsorted(ds, task.cutoffs[0], "right"))
    scale = y[:first].std()
    z = (y - y[:first].mean()) / scale
    place = (ds - pd.Timestamp("1970-01-05")) // task.step
    phases = [2 * np.pi * (place % season) / season for season in task.seasons]
    clock = [f(k * phase) for phase in phases for k in (1, 2, 3) for f in (np.sin, np.cos)]
    inputs = np.column_stack([z, *clock])
    states = Reservoir(UNITS, lr=0.5, sr=0.95, input_scaling=0.3, seed=0).run(inputs)
    seen = np.column_stack([np.ones(len(z)), inputs, states])
    ahead = np.lib.stride_tricks.sliding_window_view(np.append(z, [np.nan] * task.horizon),
                                                     task.horizon)[1:]  # fmt: skip
    known = np.arange(WASHOUT, first - task.horizon)
    held = DAYS * task.seasons[0]
    some, rest = known[:-held], known[-held:]
    ridges = 10.0 ** np.arange(-6, 4)
    errors = [np.abs(_fitted(seen[some], ahead[some], r)(seen[rest]) - ahead[rest]).mean()
              for r in ridges]  # fmt: skip
    ridge = ridges[int(np.argmin(errors))]
    off = ahead[rest] - _fitted(seen[some], ahead[some], ridge)(seen[rest])
    spread = np.quantile(off, LEVELS, axis=0)  # (Q, H)
    predict = _fitted(seen[known], ahead[known], ridge)
    parts = []
    for cutoff in task.cutoffs:
        now = int(np.searchsorted(ds, cutoff, "right")) - 1
        mean = predict(seen[now : now + 1])[0]
        back = {f"{p:g}": (mean + spread[k]) * scale + y[:first].mean()
                for k, p in enumerate(LEVELS)}  # fmt: skip
        parts.append(pd.DataFrame({
            "unique_id": uid, "cutoff": cutoff, "ds": ds[now + 1 : now + 1 + task.horizon],
            "mean": mean * scale + y[:first].mean(), **back,
        }))  # fmt: skip
    return pd.concat(parts)


def _fitted(x: np.ndarray, y: np.ndarray, ridge: float):
    """Return the ridge regression of `y` on `x` as a function of `x`."""
    gram = x.T @ x
    weights = np.linalg.solve(gram + ridge * np.eye(len(gram)), x.T @ y)
    return lambda rows: rows @ weights
