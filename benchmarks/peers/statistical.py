"""statsforecast: MSTL, refitted at every cutoff on the last twelve weeks."""

import pandas as pd
from run import LEVELS, Task
from statsforecast import StatsForecast
from statsforecast.models import MSTL

PACKAGES = ("statsforecast",)
WEEKS = 12


def run(name: str, task: Task) -> tuple[pd.DataFrame, str]:
    """Return the forecasts of every cutoff, and how they were made."""
    model = MSTL(season_length=list(task.seasons))
    tool = StatsForecast([model], freq=task.frequency)
    shares = {p: round(100 * abs(1 - 2 * p)) for p in LEVELS}
    wanted = sorted({s for s in shares.values() if s})
    parts = []
    for cutoff in task.cutoffs:
        known = task.before(cutoff, WEEKS * max(task.seasons))
        out = tool.forecast(h=task.horizon, df=known, level=wanted)
        sides = {p: f"MSTL-{'lo' if p < 0.5 else 'hi'}-{s}" if s else "MSTL"
                 for p, s in shares.items()}  # fmt: skip
        columns = {f"{p:g}": out[column] for p, column in sides.items()}
        parts.append(out[["unique_id", "ds"]].assign(cutoff=cutoff, mean=out["MSTL"], **columns))
    seasons = ", ".join(map(str, task.seasons))
    return pd.concat(parts), f"seasons {seasons}; refitted at each cutoff on the last {WEEKS} weeks"
