"""From the texts of timestamps in a known form to times.

A form is a pattern with named groups: Y year, y of two digits, m month, b its name, d day, q
quarter, W week, u weekday, H M S f clock, p am or pm, z offset. U distinct texts.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.data import arrow
from forecast.data.clock import DAY, HOUR, SECOND, Times, Unit

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write timestamps; `name` is the one by which `--date-format` calls it."""

    name: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Stamps:
    """How timestamps are written: as integers, or as dates of a unit with or without a zone."""

    index: bool
    unit: Unit = "s"
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """Times of U texts; `ok` where there is one; `late` where the clock showed 24:00."""

    form: Form
    times: Times  # (U,)
    ok: Bools  # (U,)
    stamps: Stamps
    late: int = 0
    mixed: int | None = None  # the first text unlike the others in whether it has a zone


def read(texts: Any, form: Form) -> Read:
    """Return the times that `form` reads in `texts`."""
    import pyarrow.compute as pc

    groups = pc.extract_regex(texts, f"^(?:{form.pattern})$")
    got = {field.name: pc.struct_field(groups, [field.name]) for field in groups.type}
    ok = arrow.bools(groups.is_valid())
    size = len(texts)
    day, fits = _days(got, size)
    clock, right, late = _clock(got, size)
    offset, zoned = _offset(got, size)
    ok = ok & fits & right & (offset < DAY)
    alike = ~ok | (zoned == (ok.any() and zoned[ok][0]))
    unit: Unit = "s"
    fraction = max((len(f) for f in _distinct(got, "f")), default=0)
    if fraction:
        unit = "ms" if fraction <= 3 else "us"
    elif not any(_distinct(got, "S")):
        unit = "m" if any(_distinct(got, "H")) else "D" if "d" in got or "W" in got else "M"
    if unit == "D" and not any([*_distinct(got, "d"), *_distinct(got, "W")]):
        unit = "M"
    zone = "UTC" if ok.any() and zoned[ok][0] else None
    times = np.where(ok, day * DAY + clock - offset, 0)
    mixed = None if alike.all() else int((~alike).argmax())
    return Read(form, times, ok, Stamps(False, unit, zone), int((late & ok).sum()), mixed)


def _distinct(got: dict[str, Any], name: str) -> list[str]:
    import pyarrow.compute as pc

    return [text or "" for text in pc.unique(got[name]).to_pylist()] if name in got else []


def _number(got: dict[str, Any], name: str, size: int, absent: int) -> Ints:
    """Return the numbers of a group (U,), `absent` where it is empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in got:
        return np.full(size, absent, np.int64)
    text = pc.if_else(pc.equal(pc.fill_null(got[name], ""), ""), str(absent), got[name])
    return arrow.integers(pa.chunked_array([pc.cast(text, pa.int64())]))


def _days(got: dict[str, Any], size: int) -> tuple[Ints, Bools]:
    """Return days since 1970-01-01 (U,), and whether there is such a day."""
    short = _number(got, "y", size, -1)
    year = np.where(short >= 0, short + np.where(short < 69, 2000, 1900),
                    _number(got, "Y", size, 0))  # fmt: skip
    month = _number(got, "m", size, 1)
    if "b" in got:
        named = [_MONTHS.index(t[:3].lower()) + 1 if t and t[:3].lower() in _MONTHS else 0
                 for t in got["b"].to_pylist()]  # fmt: skip
        month = np.array(named, np.int64)
    month = np.where(_number(got, "q", size, 0) > 0, 3 * _number(got, "q", size, 0) - 2, month)
    ok = (month >= 1) & (month <= 12) & (year >= 1)
    first = (year - 1970) * 12 + month - 1
    days = (first.astype("M8[M]").astype("M8[D]").astype(np.int64) for first in (first, first + 1))
    begin, end = days
    day = _number(got, "d", size, 1)
    ok &= (day >= 1) & (day <= end - begin)
    if "W" not in got:
        return begin + day - 1, ok
    week, weekday = _number(got, "W", size, 1), _number(got, "u", size, 1)
    fourth = begin + 3  # the fourth of January lies in the first week
    monday = fourth - (fourth + 3) % 7
    return monday + 7 * (week - 1) + weekday - 1, ok & (week >= 1) & (week <= 53)


def _clock(got: dict[str, Any], size: int) -> tuple[Ints, Bools, Bools]:
    """Return microseconds since midnight (U,), whether there is such a time, and where it is 24."""
    import pyarrow.compute as pc

    hour, minute, second = (_number(got, name, size, 0) for name in "HMS")
    ok = (minute < 60) & (second < 60)
    if any(_distinct(got, "p")):
        half = arrow.bools(pc.is_in(pc.fill_null(got["p"], ""), arrow.texts(["p", "P"])))
        marked = arrow.bools(pc.not_equal(pc.fill_null(got["p"], ""), ""))
        ok &= ~marked | ((hour >= 1) & (hour <= 12))
        hour = np.where(marked, hour % 12 + 12 * half, hour)
    late = (hour == 24) & (minute == 0) & (second == 0)
    ok &= (hour < 24) | late
    part = np.zeros(size, np.int64)
    if any(_distinct(got, "f")):
        whole = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.fill_null(got["f"], ""), 6, "0"), 0, 6)
        part = _number({"f": whole}, "f", size, 0)
    return hour * HOUR + minute * 60 * SECOND + second * SECOND + part, ok, late


def _offset(got: dict[str, Any], size: int) -> tuple[Ints, Bools]:
    """Return microseconds ahead of UTC (U,), DAY where none is; and where a zone was written."""
    import pyarrow.compute as pc

    if not any(_distinct(got, "z")):
        return np.zeros(size, np.int64), np.zeros(size, np.bool_)
    texts = pc.fill_null(got["z"], "")
    table = {text: _ahead(text) for text in pc.unique(texts).to_pylist()}
    ahead = np.array([table[text] for text in texts.to_pylist()], np.int64)
    return ahead, arrow.bools(pc.not_equal(texts, ""))


def _ahead(text: str) -> int:
    digits = re.sub(r"\D", "", text)
    if not digits:
        return 0
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        return DAY
    return (-1 if text[0] == "-" else 1) * (hours * 60 + minutes) * 60 * SECOND
