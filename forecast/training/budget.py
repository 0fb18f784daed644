"""How much work a fit does: members and updates by the effort asked for, the data and the clock.

A budget counts work, so that the same command gives the same bytes. Only `--minutes` looks at the
clock: once, before the training begins, and what it finds is a number of updates.
"""

from dataclasses import replace

import numpy as np

from forecast.models.base import Setting
from forecast.models.recurrent import sized
from forecast.training.network import Config
from forecast.training.run import Run

EFFORTS = {"quick": (0.25, 2 / 3), "default": (1.0, 1.0), "thorough": (3.0, 2.0)}
ALIKE = 12  # series that a plain schedule serves; days of few series soon repeat themselves
LONGEST = 3.0  # times the plain schedule
LEAST, MOST = 100, 100_000  # updates that `--minutes` may come to
SHARE = 0.45  # of the minutes for each of the two trainings


def planned(config: Config, setting: Setting, series: int, run: Run) -> Config:
    """Return `config` with the updates and members of this fit; what was set stays.

    Many series are different enough to carry a longer schedule; a few are learned by heart by it.
    """
    ready = sized(config, setting)
    if config.stop or config.updates:
        return ready
    longer, more = EFFORTS[run.effort]
    if not setting.difference:
        longer *= min(max(series / ALIKE, 1.0), LONGEST)
    updates, members = round(ready.updates * longer), max(round(ready.members * more), 1)
    return replace(ready, updates=updates, members=members)


def affordable(run: Run, seconds: float) -> int:
    """Return how many updates of `seconds` each fit into the minutes of `run`, and tell it."""
    count = int(np.clip(60 * (run.minutes or 0.0) * SHARE / seconds, LEAST, MOST))
    run.tell(
        f"{count:,} updates fit into {run.minutes:g} minutes here; another run may find another "
        f"number, `--set updates={count}` repeats this one"
    )
    return count
