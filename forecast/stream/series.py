"""The series of a stream: what is kept of each, and how they become a forecaster again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import replay
from forecast.forecaster import KEPT, Forecaster
from forecast.models.base import COLD, LEVELS, MEDIAN
from forecast.stream.growing import Growing

Kept = dict[str, NDArray[Any]]


class Series:
    """The series of a forecaster in order of appearance, known by number and by name.

    `own` holds what a stream knows of each, `state` the model's state, `before` what a series was
    before its last reset.
    """

    def __init__(self, forecaster: Forecaster) -> None:
        self._base = forecaster
        self.ids = list(forecaster.ids)
        self._number = {name: i for i, name in enumerate(self.ids)}
        own = self._unseen(len(self.ids)) | {
            "series": forecaster.series,
            "scales": forecaster.scales,
            "last": forecaster.last,
            "tail": forecaster.tail,
            "beside": forecaster.beside,
        }
        if forecaster.widths is not None:
            own["widths"] = forecaster.widths
        self.own, self.state = Growing(own), Growing(forecaster.state)
        self.before: dict[int, tuple[Kept, Kept]] = {}

    def number(self, name: str) -> int | None:
        """Return the number of a series, None for one not seen before."""
        return self._number.get(name)

    def added(self, name: str) -> int:
        """Return the number of a series; one not seen before is added, cold."""
        number = self._number.get(name)
        if number is None:
            number = self._number[name] = len(self.ids)
            self.ids.append(name)
            self.own.append(self._unseen(1))
            self.state.append(self._base.model.start(np.array([COLD], np.int64)))
        return number

    def started(self, series: int) -> bool:
        """Say whether a series has shown a value yet."""
        return bool(self.own["scales"][series] == self.own["scales"][series])

    def last(self, series: int) -> tuple[int, float]:
        """Return time and value of the last row of a series."""
        return int(self.own["last"][series]), float(self.own["tail"][series, -1])

    def season_ago(self, series: int) -> float:
        """Return the value one season before the next row, or the last one, NaN if missing."""
        seasons = self._base.clock.seasons
        season = seasons[0] if seasons else 1
        return float(self.own["tail"][series, -season if season <= KEPT else -1])

    def reset(self, series: int) -> None:
        """Let a series start anew, and keep what it was."""
        at = selected([series])
        names = ("last", "tail", "beside", "due", "next")
        kept = {name: self.own[name][at].copy() for name in names}
        self.before[series] = (kept, self.state.part(at, copied=True))
        self.state.put(at, self._base.model.start(self.own["series"][at]))
        self.own["tail"][at], self.own["due"][at] = np.nan, replay.NEVER

    def restore(self, series: int) -> None:
        """Make a series what it was before its last reset."""
        own, state = self.before.pop(series)
        self.own.put(selected([series]), own)
        self.state.put(selected([series]), state)

    def forecaster(self) -> Forecaster:
        """Return a forecaster that stands where the series do; later rows do not move it."""
        rank = np.array(sorted(range(len(self.ids)), key=self.ids.__getitem__), np.int64)
        place = np.argsort(rank)
        known = len(self._base.ids)
        order = np.concatenate([self._base.order, np.arange(known, len(rank))]).astype(np.int64)
        own = self.own.part(rank)
        return replace(
            self._base,
            ids=tuple(self.ids[i] for i in rank),
            state=self.state.part(rank),
            order=place[order],
            widths=own["widths"] if own["widths"].any() else None,
            series=own["series"],
            scales=own["scales"],
            last=own["last"],
            tail=own["tail"],
            beside=own["beside"],
        )

    def _unseen(self, count: int) -> Kept:
        """Return what is kept of `count` series before any row of theirs."""
        return {
            "series": np.full(count, COLD),
            "scales": np.full(count, np.nan),
            "last": np.full(count, replay.NEVER),
            "tail": np.full((count, KEPT), np.nan),
            "beside": np.zeros((count, len(self._base.coding))),
            "widths": np.zeros((count, MEDIAN)),
            "due": np.full(count, replay.NEVER),  # the time of the row that `next` forecasts
            "next": np.full((count, len(LEVELS)), np.nan),
            "phases": np.zeros((count, len(self._base.clock.seasons) + 1)),  # of that row
        }


def selected(series: Sequence[int]) -> Any:
    """Return an index of `series`, one of them as a slice: a view costs less than a copy."""
    if len(series) == 1:
        return slice(series[0], series[0] + 1)
    return np.array(series, np.int64)
