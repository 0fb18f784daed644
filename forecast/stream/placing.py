"""Where a row belongs on the clock of its series."""

from dataclasses import dataclass

import numpy as np

from forecast.data.clock import DAY, Clock

CONTEXTS = 10  # a gap beyond so many contexts makes a series start anew


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row belongs: `series` its number, `hole` the absent rows before it."""

    series: int
    time: int
    fate: str  # taken, late, duplicate, odd (off the clock), reset, restored
    hole: int = 0


def next_time(clock: Clock, last: int) -> int:
    """Return the time of the step after `last`."""
    return int(clock.ahead(np.array([last], np.int64), 1)[0, 0])


def steps_after(clock: Clock, last: int, time: int) -> int | None:
    """Return how many steps `time` lies after `last`; None where it is on none."""
    if clock.kind == "trading":
        days = (time - last) * len(clock.weekdays) // (7 * DAY)
        return max(1, int(days)) if time > last else int(time == last) - 1
    if clock.kind in ("fixed", "index") and not clock.civil:
        steps, rest = divmod(time - last, clock.step)
        return None if rest else steps
    number = clock.number(np.array([last, time], np.int64))
    return int(number[1] - number[0])
