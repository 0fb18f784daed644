"""The clock of a panel: how long a step is, which seasons it has, what comes after the last row.

Times are int64: microseconds since 1970-01-01 (UTC when `zone` is set, else the naive local time
of the source), or the bare integer of an index clock. N series, H horizon, S seasons.

With a zone, seasons and the text of timestamps follow the clock on the wall, and so do steps of a
day or more: a local day may have 23 or 25 hours, while an hour is always an hour. Series may keep
different zones where steps are shorter than a day: the clock knows that of each by its id, and
`of` returns the clock by which some of them count their seasons and write their timestamps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forecast.data import closures, zones
from forecast.errors import UsageError

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
WEEK = 7 * DAY
YEAR = 365.2425 * DAY
MONDAY = 4 * DAY  # 1970-01-05: weeks are counted from a Monday
OFFSETS = "+hh:mm"  # the timestamps of each series tell its zone

Times = NDArray[np.int64]
Kind = Literal["fixed", "calendar", "trading", "index"]
Unit = Literal["M", "D", "m", "s", "ms", "us"]  # from coarse to fine


@dataclass(frozen=True, slots=True)
class Clock:
    """One tick of a panel.

    `step` is microseconds (fixed), months (calendar), or 1 (trading, index). `anchor` is the day
    of the month of a calendar step (31: the last day). `weekdays` are the trading days of a week,
    Monday 0, as seen in the data; `exchange` is the one whose holidays are known by rule, and
    `closed` are other closed days, counted from 1970-01-01. `zone` is `UTC`, a name of the IANA
    database or an offset `+11:00`. `unit` is the numpy unit in which timestamps are written.

    Where series differ in their zone `told` is the column that names it, or OFFSETS; `own` holds
    the zones by series id, and `zone` is UTC: it stands for what all series share.
    """

    kind: Kind
    step: int = 1
    seasons: tuple[int, ...] = ()
    zone: str | None = None
    unit: Unit = "s"
    anchor: int = 1
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    exchange: str | None = None
    closed: tuple[int, ...] = ()
    told: str = ""
    own: Mapping[str, str] = field(default_factory=dict, hash=False)
    along: zones.Zones | None = field(default=None, hash=False)  # by the first axis of times

    @property
    def complete(self) -> bool:
        """Whether an absent step is a missing value; on trading days it is a closed day."""
        return self.kind != "trading"

    @property
    def civil(self) -> bool:
        """Whether steps are counted on the wall clock of the zone, as days and months are."""
        if self.zone in (None, "UTC"):
            return False
        return self.kind in ("calendar", "trading") or (
            self.kind == "fixed" and self.step % DAY == 0
        )

    def of(self, ids: Sequence[str]) -> "Clock":
        """Return the clock of series `ids` (n,), for times (n, ...); itself where zones agree.

        A series of which no zone is known keeps UTC.
        """
        if not self.told:
            return self
        found = zones.Zones.listed(self.own.get(name, "UTC") for name in ids)
        if len(found.names) == 1:
            return replace(self, zone=found.names[0], told="", own={})
        return replace(self, along=found)

    def at(self, places: Any) -> "Clock":
        """Return the clock of some of the series it is `of`, once or more: those at `places`."""
        return self if self.along is None else replace(self, along=self.along.at(places))

    def joined(self, own: Mapping[str, str]) -> "Clock":
        """Return the same clock, which knows the zones `own` of further series too."""
        if not self.told or own.keys() <= self.own.keys():
            return self
        return replace(self, own={**own, **self.own})

    def local(self, times: Times) -> Times:
        """Return `times` as the wall clock of the zone shows them."""
        zone = self.zone if self.along is None else self.along
        return times if zone is None else zones.to_local(times, zone)

    def utc(self, local: Times) -> Times:
        """Return the times at which the wall clock shows `local`, the earlier of two."""
        zone = self.zone if self.along is None else self.along
        return local if zone is None else zones.to_utc(local, zone)

    def moment(self, local: int) -> int:
        """Return the time at which the wall clock shows `local`, the earlier of two."""
        return int(self.utc(np.array([local], np.int64))[0])

    def counted(self, times: Times) -> Times:
        """Return `times` on the clock by which steps are counted."""
        return self.local(times) if self.civil else times

    def with_seasons(self, seasons: tuple[int, ...]) -> "Clock":
        """Return the same clock with other season lengths, in steps, shortest first."""
        return replace(self, seasons=tuple(sorted(seasons)))

    def with_closures(self, path: str | Path) -> "Clock":
        """Return the same clock with the closed days of the file `path` instead of its own.

        Raises DataError for a file that holds no dates, UsageError unless it ticks trading days.
        """
        if self.kind != "trading":
            raise UsageError(
                f"`--closures {path}`: the data are {self.label}, not trading days",
                hint="leave it out",
            )
        return replace(self, closed=closures.read(path))

    def number(self, times: Times) -> Times:
        """Return the running number of each step; trading days have none and raise ValueError."""
        times = self.counted(times)
        match self.kind:
            case "fixed" | "index":
                return times // self.step
            case "calendar":
                return months(times) // self.step
            case _:
                raise ValueError("trading days are counted by rows, not by a step")

    def ahead(self, last: Times, horizon: int) -> Times:
        """Return the timestamps (N, H) of the steps that follow `last` (N,)."""
        if self.kind == "trading":
            return self._back(self._trading_days_after(self.counted(last), horizon))
        return self.shift(last[:, None], np.arange(1, horizon + 1))

    def later(self, times: Times, steps: int) -> Times:
        """Return the timestamps (N,) `steps` steps after `times` (N,)."""
        if self.kind == "trading":
            return self.ahead(times, steps)[:, -1]
        return self.shift(times, np.full(len(times), steps))

    def shift(self, times: Times, steps: Times) -> Times:
        """Return `times` moved by `steps` steps, which may be negative.

        Trading days have no step and raise ValueError.
        """
        match self.kind:
            case "fixed" | "index":
                return self._back(self.counted(times) + self.step * steps)
            case "calendar":
                local = self.counted(times)
                day = _from_months(months(local) + self.step * steps, self.anchor)
                return self._back(day + np.mod(local, DAY) if self.civil else day)
            case _:
                raise ValueError("trading days are counted by rows, not by a step")

    def _back(self, counted: Times) -> Times:
        return self.utc(counted) if self.civil else counted

    def phases(self, times: Times) -> NDArray[np.float64]:
        """Return the phase in [0, 1) within each season and the year: (..., S + 1).

        They follow the wall clock where a zone is known. The year's phase is 0 on an index clock,
        which knows no year.
        """
        times = self.local(times)
        out = np.empty((*times.shape, len(self.seasons) + 1))
        for s, season in enumerate(self.seasons):
            out[..., s] = self._phase(times, season)
        out[..., -1] = 0.0 if self.kind == "index" else np.mod(times / YEAR, 1.0)
        return out

    def _phase(self, times: Times, season: int) -> NDArray[np.float64]:
        if self.kind == "calendar":
            return np.mod(months(times) // self.step, season) / season
        if self.kind == "trading":
            return np.mod((times - MONDAY) / WEEK, 1.0)
        cycle = season * self.step
        origin = 0 if self.kind == "index" else MONDAY
        return np.mod(times - origin, cycle) / cycle

    def _trading_days_after(self, last: Times, horizon: int) -> Times:
        """Return the next open days, at the time of day of `last` (N,)."""
        days = max(horizon * 8 // max(len(self.weekdays), 1) + 14 + len(self.closed), 14)
        ahead = last[:, None] + DAY * np.arange(1, days + 1)
        day = ahead // DAY
        open_ = np.isin(np.mod(day - MONDAY // DAY, 7), self.weekdays)
        if self.exchange == closures.NYSE and day.size:
            years = [1970 + int(edge * DAY / YEAR) for edge in (day.min(), day.max())]
            open_ &= ~np.isin(day, closures.nyse(years[0] - 1, years[1] + 1))
        if self.closed:
            open_ &= ~np.isin(day, self.closed)
        rank = np.cumsum(open_, axis=1)
        return ahead[open_ & (rank <= horizon)].reshape(len(last), horizon)

    def write(self, times: Times) -> NDArray[np.str_]:
        """Return `times` as text: ISO 8601 with `T`, in the data's own zone and resolution."""
        if self.kind == "index":
            return times.astype(np.str_)
        if self.along is not None:
            own = replace(self, along=None)
            return self.along.each(lambda part, zone: replace(own, zone=zone).write(part), times)
        local = self.local(times)
        stamps = np.datetime_as_string(local.astype("M8[us]"), unit=self.unit)
        if self.zone is None or self.unit in ("D", "M"):
            return stamps
        if self.zone == "UTC":
            return np.char.add(stamps, "Z").astype(np.str_)
        ahead, which = np.unique(local - times, return_inverse=True)
        tails = np.array([zones.written(int(offset)) for offset in ahead], np.str_)
        return np.char.add(stamps, tails[which.reshape(times.shape)]).astype(np.str_)

    @property
    def place(self) -> str | None:
        """Name the zone, or the first of several; None where there is none."""
        if not self.told:
            return self.zone
        names = sorted(set(self.own.values()))
        more = f" and {len(names) - 3:,} more" if len(names) > 4 else ""
        return ", ".join(names[: 3 if more else 4]) + more

    @property
    def label(self) -> str:
        """Name the frequency in words: `hourly`, `30 min`, `trading days`."""
        if self.kind == "trading":
            return f"trading days ({self.exchange})" if self.exchange else "trading days"
        if self.kind == "index":
            return "integer index" if self.step == 1 else f"integer index, step {self.step}"
        if self.kind == "calendar":
            names = {1: "monthly", 3: "quarterly", 12: "yearly"}
            return names.get(self.step, f"{self.step} months")
        names = {HOUR: "hourly", DAY: "daily", WEEK: "weekly"}
        if self.step in names:
            return names[self.step]
        for size, name in ((DAY, "days"), (HOUR, "h"), (60 * SECOND, "min"), (SECOND, "s")):
            if self.step % size == 0:
                return f"{self.step // size} {name}"
        return f"{self.step / SECOND:g} s"


def default_seasons(clock: Clock) -> tuple[int, ...]:
    """Return the season lengths that the frequency suggests: daily and weekly, or yearly."""
    if clock.kind == "calendar":
        return (12 // clock.step,) if clock.step < 12 and 12 % clock.step == 0 else ()
    if clock.kind != "fixed":
        return ()
    if clock.step == WEEK:
        return (52,)
    cycles = (cycle // clock.step for cycle in (DAY, WEEK) if cycle % clock.step == 0)
    return tuple(c for c in cycles if c > 1)


def months(times: Times) -> Times:
    """Return the number of the month, counted from January 1970."""
    return times.astype("M8[us]").astype("M8[M]").astype(np.int64)


def month_days(times: Times) -> tuple[Times, Times]:
    """Return the day of the month, from 1, and the last day of that month."""
    month = times.astype("M8[us]").astype("M8[M]")
    first, after = (m.astype("M8[D]").astype(np.int64) for m in (month, month + 1))
    return times // DAY - first + 1, after - first


def _from_months(number: Times, anchor: int) -> Times:
    first = number.astype("M8[M]").astype("M8[D]").astype(np.int64)
    after = (number + 1).astype("M8[M]").astype("M8[D]").astype(np.int64)
    return np.minimum(first + anchor - 1, after - 1) * DAY
