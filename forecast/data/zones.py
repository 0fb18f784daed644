"""Time zones: between UTC and the clock on the wall, without a loop over rows.

Times are int64 microseconds since 1970-01-01, of UTC or of a wall clock. A zone is a name of the
IANA database (`Europe/Berlin`), a fixed offset (`+11:00`), or `UTC`. Where zones differ, `Zones`
stands for them.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from forecast.errors import UsageError

Ints = NDArray[np.int64]

SECOND = 1_000_000
YEAR = round(365.2425 * 86_400) * SECOND
FIRST_YEAR, LAST_YEAR = 1800, 2300
USUAL = (
    "Europe/Berlin", "America/New_York", "Europe/London", "Europe/Athens", "Australia/Melbourne",
    "Pacific/Auckland", "America/Santiago", "Asia/Jerusalem", "Africa/Casablanca", "Asia/Beirut",
)  # fmt: skip
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d\d))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Zones:
    """Zones that differ along the first axis of times (n, ...): `names[of[k]]` is that of k."""

    names: tuple[str, ...]
    of: Ints  # (n,)

    @classmethod
    def listed(cls, zones: Iterable[str]) -> "Zones":
        """Return the `zones` of n series or rows."""
        names: dict[str, int] = {}
        of = [names.setdefault(zone, len(names)) for zone in zones]
        return cls(tuple(names), np.array(of, np.int64))

    def at(self, places: Any) -> "Zones":
        """Return the zones at `places` of the axis."""
        return Zones(self.names, self.of[places])

    def name(self, k: int) -> str:
        """Return the zone of k."""
        return self.names[int(self.of[k])]

    def each(self, act: Callable[..., NDArray[Any]], *arrays: NDArray[Any]) -> NDArray[Any]:
        """Return what `act(*parts, zone)` makes of the `arrays` (n, ...), zone by zone."""
        places = [np.flatnonzero(self.of == k) for k in range(len(self.names))]
        parts = [act(*(array[at] for array in arrays), name)
                 for at, name in zip(places, self.names, strict=True)]  # fmt: skip
        whole = np.concatenate(parts)
        out = np.empty_like(whole)
        out[np.concatenate(places)] = whole
        return out


Zone = str | Zones


def named(text: str) -> str:
    """Return the zone that `text` names, as a clock keeps it; UsageError for an unknown one."""
    name = text.strip()
    if name.upper() in ("UTC", "Z", "GMT"):
        return "UTC"
    match = _OFFSET.fullmatch(name)
    if match is not None:
        sign, hours, minutes = match[1], int(match[2]), int(match[3] or 0)
        if hours < 24 and minutes < 60:
            return f"{sign}{hours:02}:{minutes:02}" if hours or minutes else "UTC"
    from zoneinfo import available_timezones

    known = available_timezones()
    found = {zone.lower(): zone for zone in known}.get(name.lower())
    if found is None:
        raise UsageError(f"no time zone is called `{text}`", hint=_suggestion(name, known))
    return found


def _suggestion(name: str, known: set[str]) -> str:
    from difflib import get_close_matches

    cities = {zone.rpartition("/")[2].lower(): zone for zone in sorted(known)}
    near = get_close_matches(name.rpartition("/")[2].lower().replace(" ", "_"), cities, n=1)
    return f"did you mean `{cities[near[0]]}`?" if near else "such as Europe/Berlin, UTC or +01:00"


def offsets(times: Ints, zone: str) -> Ints:
    """Return how far the wall clock of `zone` is ahead of UTC at each UTC time, microseconds."""
    fixed = _fixed(zone)
    if fixed is not None:
        return np.full(times.shape, fixed, np.int64)
    moments, ahead = _changes_around(times, zone)
    return ahead[np.searchsorted(moments, times, side="right")]


def to_local(times: Ints, zone: Zone) -> Ints:
    """Return UTC `times` as the wall clock of `zone` shows them."""
    if isinstance(zone, Zones):
        return zone.each(to_local, times)
    return times if zone == "UTC" else times + offsets(times, zone)


def to_utc(local: Ints, zone: Zone, second: NDArray[np.bool_] | bool = False) -> Ints:
    """Return the UTC times at which the wall clock of `zone` shows `local`.

    Of the two times that an hour repeated in autumn names it is the first, or the `second`; an
    hour skipped in spring is read by the clock before the change.
    """
    if isinstance(zone, Zones):
        later = np.broadcast_to(np.asarray(second), local.shape)
        return zone.each(lambda own, which, name: to_utc(own, name, which), local, later)
    fixed = _fixed(zone)
    if fixed is not None:
        return local - fixed
    moments, ahead = _changes_around(local, zone)
    before, after = moments + ahead[:-1], moments + ahead[1:]
    first = ahead[np.searchsorted(np.maximum(before, after), local, side="right")]
    last = ahead[np.searchsorted(np.minimum(before, after), local, side="right")]
    return local - np.where(second & (last < first), last, first)


def repeated(local: Ints, zone: Zone) -> NDArray[np.bool_]:
    """Say which wall clock times come twice, as in the night when the clock goes back."""
    return np.not_equal(to_utc(local, zone), to_utc(local, zone, True))


def skipped(local: Ints, zone: Zone) -> NDArray[np.bool_]:
    """Say which wall clock times never come, as in the night when the clock goes forward."""
    return np.not_equal(to_local(to_utc(local, zone), zone), local)


def place(local: Ints, series: Ints, zone: Zone) -> Ints:
    """Return the UTC times of rows in the order of a table; both hours of autumn are kept.

    `series` (T,) numbers the series of each row. Of two rows of a series with the same stamp in
    the repeated hour the first is the earlier one, the other way round in a table that runs
    backwards in time.
    """
    changes = isinstance(zone, Zones) or _fixed(zone) is None
    twice = np.flatnonzero(repeated(local, zone)) if changes else np.zeros(0, np.int64)
    second = np.zeros(len(local), bool)
    if len(twice):
        inside = np.diff(series) == 0
        backwards = bool(np.sign(np.diff(local)[inside]).sum() < 0)
        rows = twice[::-1] if backwards else twice
        by_stamp = rows[np.lexsort((np.arange(len(rows)), local[rows], series[rows]))]
        again = (np.diff(local[by_stamp]) == 0) & (np.diff(series[by_stamp]) == 0)
        second[by_stamp[1:][again]] = True
    return to_utc(local, zone, second)


def going_back(local: Ints, series: Ints) -> str | None:
    """Return whose clock goes back in all hours of `local`, as a value of `--timezone`.

    `COLUMN` where it is one for each of the `series` of those hours, but not the same; None
    where it is none.
    """
    explained = np.zeros(int(series.max(initial=0)) + 1, np.bool_)
    for zone in USUAL:
        odd = np.bincount(series, ~repeated(local, zone), len(explained))
        if not odd.any():
            return zone
        explained |= odd == 0
    return "COLUMN" if explained[series].all() else None


def changes(zone: str, first: int, last: int) -> tuple[Ints, Ints]:
    """Return the UTC times in `first`..`last` at which the clock changes, and by how much."""
    if _fixed(zone) is not None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    moments, ahead = _changes_around(np.array([first, last]), zone)
    inside = (moments >= first) & (moments <= last)
    return moments[inside], np.diff(ahead)[inside]


def written(offset: int) -> str:
    """Return an offset as text, `+11:00`."""
    minutes, seconds = divmod(abs(offset) // SECOND, 60)
    tail = f":{seconds:02}" if seconds else ""
    return f"{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}{tail}"


def _fixed(zone: str) -> int | None:
    """Return the offset of a zone without clock changes, None for one of the database."""
    if zone == "UTC":
        return 0
    if zone[0] not in "+-":
        return None
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60) * SECOND


def _changes_around(times: Ints, zone: str) -> tuple[Ints, Ints]:
    """Return the changes (C,) in the decades of `times`, and the offsets (C + 1,) around them."""
    span = (times.min(), times.max()) if times.size else (0, 0)
    first, last = (1970 + int(t) // YEAR for t in span)
    first, last = np.clip([first - 1, last + 2], FIRST_YEAR, LAST_YEAR)
    return _changes(zone, int(first) // 10 * 10, -(-int(last) // 10) * 10)


@lru_cache(maxsize=64)
def _changes(zone: str, first: int, last: int) -> tuple[Ints, Ints]:
    """Return the changes from the year `first` to `last`: weeks are searched, then bisected."""
    info = ZoneInfo(zone)
    begin, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC)

    def ahead(second: int) -> int:
        offset = (begin + timedelta(seconds=second)).astimezone(info).utcoffset()
        return round((offset or timedelta()) / timedelta(microseconds=1))

    weeks = range(0, round((end - begin).total_seconds()), 7 * 86_400)
    known = [ahead(week) for week in weeks]
    moments, found = [], [known[0]]
    for (low, high), (old, new) in zip(pairwise(weeks), pairwise(known), strict=True):
        if old == new:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if ahead(middle) == old else (low, middle)
        moments.append(high)
        found.append(new)
    start = round((begin - _EPOCH) / timedelta(microseconds=1))
    return np.array(moments, np.int64) * SECOND + start, np.array(found, np.int64)
