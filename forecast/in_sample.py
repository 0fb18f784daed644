"""How a fitted model follows the rows it was fitted on, one step ahead.

Its states are carried from the first row; only the last rows are forecast. An error far below that
of forecasts after the cutoff means that a model knows its own past by heart. N series, V rows.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import metrics
from forecast.forecaster import Forecaster
from forecast.models.base import LEVELS, MEDIAN
from forecast.plan import Plan
from forecast.walk import Walk

Floats = NDArray[np.float64]
ROWS = 336  # of each series, at most
SERIES = 50  # at most, evenly spread


def measure(walk: Walk, forecaster: Forecaster, scale: Floats) -> dict[str, Any]:
    """Return MASE, RMSE and coverage of one-step forecasts over the last rows before the cutoff.

    With the curves of the first series: `ds`, `y`, `median`, `low`, `high` (V,) of 80 %.
    """
    counts = walk.plan.counts[0]
    some = np.flatnonzero((counts > 1) & np.isin(walk.panel.ids, forecaster.ids))
    some = some[np.unique(np.linspace(0, len(some) - 1, SERIES).astype(int))] if len(some) else some
    if not len(some):
        return {}
    panel, counts = walk.panel.select(some), counts[some]
    rows = int(min(ROWS, counts.max() // 2))
    seen = np.maximum(counts - np.arange(rows, 0, -1)[:, None], 0)  # (V, n)
    times = panel.all_times()[panel.offsets[:-1] + np.maximum(seen - 1, 0)]
    plan = Plan(seen, (seen > 0).astype(np.int64), times, 0)
    own = replace(walk, panel=panel, plan=plan, task=replace(walk.task, horizon=1, gap=0))
    start = forecaster.rewind().update(own.kept(panel.rows(np.zeros_like(counts), seen[0])))
    values = own.whole(start)
    blocks = list(plan.rows(panel))
    y, series = (np.concatenate([block[name] for block in blocks]) for name in ("y", "series"))
    low, median, high = (values[:, 1 + k] for k in (LEVELS.index(0.1), MEDIAN, LEVELS.index(0.9)))
    kept = np.isfinite(y + median)
    off = np.bincount(series[kept], np.abs(y - median)[kept], len(some)).astype(np.float64)
    size = np.bincount(series[kept], minlength=len(some)).astype(np.float64)
    first = series == series[0]
    return {
        "mase": metrics.mean(metrics.ratio(metrics.ratio(off, size), scale[some])),
        "rmse": float(np.sqrt(metrics.mean((y - values[:, 0])[kept] ** 2))),
        "cover80": metrics.mean(((y >= low) & (y <= high))[kept].astype(np.float64)),
        "rows": int(kept.sum()),
        "series": panel.ids[int(series[0])],
        "ds": np.concatenate([block["ds"] for block in blocks])[first].tolist(),
        **{name: _plain(column[first]) for name, column in
           (("y", y), ("median", median), ("low", low), ("high", high))},
    }  # fmt: skip


def _plain(column: Floats) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in column]
