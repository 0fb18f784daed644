"""When each record was: from one column, or from a date and columns that hold parts of it.

R records.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.data import arrow, stamps, zones
from forecast.data.clock import DAY, HOUR, SECOND, Times, Unit
from forecast.data.dates import Stamps
from forecast.data.layout import is_integer
from forecast.data.numbers import MISSING
from forecast.data.reader import Reader
from forecast.data.stamps import EPOCHS, BadStampError
from forecast.data.wanted import Decision
from forecast.data.zones import Zone, Zones

Ints = NDArray[np.int64]

HOURS = ("0-23", "1-24")
_SECONDS = {"hour": 3600, "minute": 60, "second": 1}
_CLOCK = r"^(?P<H>\d{1,2})[:.h](?P<M>\d\d)(?::(?P<S>\d\d)(?:\.0*)?)?(?: ?(?P<p>[AaPp])\.?[Mm]\.?)?$"


@dataclass(frozen=True, slots=True)
class Moments:
    """Times of R records."""

    times: Times | None  # (R,); None where the rows are only numbered
    stamps: Stamps
    decisions: tuple[Decision, ...] = ()
    dates: str = ""  # how they were written, as `--date-format` says it
    kept: NDArray[np.bool_] | None = None  # (R,) records that are rows; None: all


def split_format(text: str | None) -> tuple[str | None, str | None]:
    """Return the form of dates and the count of hours that a `--date-format` names.

    `day-first,1-24` names both.
    """
    form, _, hours = (text or "").rpartition(",")
    if hours in HOURS:
        return form or None, hours
    return text or None, None


def iso(reader: Reader) -> tuple[Unit, bool] | None:
    """Return the unit and whether there is a zone, if the time column begins as ISO 8601."""
    place = reader.layout.time
    cells = [] if place is None else reader.column(place)
    return stamps.iso_form(cells[0]) if cells else None


def means(reader: Reader) -> str:
    """Return what the time column holds: `integer`, an epoch, `iso`, or `text` of some form."""
    layout = reader.layout
    asked, _ = split_format(reader.wanted.date_format)
    if layout.time is None:
        return "parts" if layout.parts else "none"
    if asked is not None:
        return asked if asked in ("integer", *EPOCHS) else "text"
    cells = reader.column(layout.time)
    if cells and is_integer(cells[0]):
        found = "integer" if reader.index else stamps.integers_mean(cells)
        return "text" if found == "date" else found
    return "iso" if iso(reader) and not layout.parts else "text"


def combined(
    reader: Reader, columns: dict[int, Any], means: str, values: list[NDArray[np.float64]]
) -> Moments:
    """Return the times of the records; `values` say which records hold nothing.

    Raises DataError that names the first cell that is no part of a time.
    """
    layout = reader.layout
    if means == "none":
        return Moments(None, Stamps(index=True))
    if layout.time is not None and not layout.parts:
        return _of_time(reader, columns.pop(layout.time), means)
    roles = dict(layout.parts)
    if layout.time is not None:
        found = _of_time(reader, columns.pop(layout.time), means)
        assert found.times is not None
        days = found.times // DAY * DAY
    else:
        days = _days(reader, columns, roles)
        unit: Unit = "D" if "day" in roles else "M"
        found = Moments(
            days, Stamps(False, unit), (Decision("", "the date is spread over columns"),)
        )
    if "clock" in roles:
        clock = _of_clock(reader, columns, roles["clock"])
        return _with(found, days + clock, "m")
    if "hour" not in roles:
        return found
    return _with_hours(reader, columns, roles, replace(found, times=days), values)


def _with(found: Moments, times: Times, unit: Unit) -> Moments:
    how = stamps.refine(Stamps(False, unit, found.stamps.zone), times)
    return replace(found, times=times, stamps=how)


def _numbers(reader: Reader, columns: dict[int, Any], place: int) -> Ints:
    """Return the integers of the column at `place` (R,)."""
    texts, codes = arrow.categories(columns[place])
    try:
        return stamps.integers(arrow.texts([text.strip() for text in texts]))[codes]
    except BadStampError as bad:
        raise reader.error(
            f"`{texts[bad.place]}` is no part of a timestamp", int((codes == bad.place).argmax()),
            place, "write integers: year 2013, month 3, day 1, hour 17",
        ) from None  # fmt: skip


def _days(reader: Reader, columns: dict[int, Any], roles: dict[str, int]) -> Times:
    """Return midnights (R,) of years, months and days."""
    year, month = (_numbers(reader, columns, roles[role]) for role in ("year", "month"))
    day = _numbers(reader, columns, roles["day"]) if "day" in roles else np.ones_like(year)
    ok = (month >= 1) & (month <= 12) & (year >= 1000) & (year <= 9999)
    number = np.where(ok, (year - 1970) * 12 + month - 1, 0)
    begin, end = (n.astype("M8[M]").astype("M8[D]").astype(np.int64) for n in (number, number + 1))
    ok &= (day >= 1) & (day <= end - begin)
    if not ok.all():
        row = int((~ok).argmax())
        raise reader.error(f"there is no day {year[row]}-{month[row]}-{day[row]}", row,
                           roles.get("day", roles["month"]), "correct the row")  # fmt: skip
    return (begin + day - 1) * DAY


def _of_clock(reader: Reader, columns: dict[int, Any], place: int) -> Times:
    """Return the time of day (R,) of cells such as 17:30."""
    texts, codes = arrow.categories(columns[place])
    try:
        whole = arrow.texts([f"2000-01-01 {text.strip()}" for text in texts])
        read, _ = stamps.parse(whole, "year-first")
    except BadStampError as bad:
        raise reader.error(
            f"`{texts[bad.place]}` is no time of day",
            int((codes == bad.place).argmax()),
            place,
            "such as 17:30",
        ) from None
    return (read.times - 10_957 * DAY)[codes]


def _with_hours(
    reader: Reader, columns: dict[int, Any], roles: dict[str, int], found: Moments,
    values: list[NDArray[np.float64]],
) -> Moments:  # fmt: skip
    """Return the times with the hours of a column, counted from 0 or from 1."""
    hour = _numbers(reader, columns, roles["hour"])
    counted, why = _count(reader, hour, roles["hour"])
    first = int(counted == "1-24")
    assert found.times is not None
    ok = (hour >= first) & (hour <= 25)
    if not ok.all():
        row = int((~ok).argmax())
        raise reader.error(f"there is no hour {hour[row]}", row, roles["hour"], "correct the row")
    minute = (
        _numbers(reader, columns, roles["minute"]) if "minute" in roles else np.zeros_like(hour)
    )
    times = found.times + (hour - first) * HOUR
    said = "hours 1 to 24, each the hour that ends then" if first else ""
    decisions = [*found.decisions, Decision(said, f"hours counted {counted}: {why}")]
    kept = None
    if hour.max(initial=0) == 25:
        times = _elapsed(found.times, hour, reader.zone)
        kept = _of_the_day(reader, times - found.times < DAY, values, roles["hour"], found.times)
        decisions.append(
            Decision(
                "hours a day does not have left out, where nothing is written",
                "hour 25 comes, so hours are counted through a change of clock",
            )
        )
    minute = (
        _numbers(reader, columns, roles["minute"]) if "minute" in roles else np.zeros_like(hour)
    )
    times = times + minute * 60 * SECOND
    dates = ",".join(part for part in (found.dates, counted) if part)
    return replace(_with(found, times, "m"), decisions=tuple(decisions), dates=dates, kept=kept)


def _elapsed(days: Times, hour: Ints, zone: Zone | None) -> Times:
    """Return what the clock shows when `hour` hours of a day begin, counted from 1."""
    if zone is None:
        return days + (hour - 1) * HOUR
    return zones.to_local(zones.to_utc(days, zone) + (hour - 1) * HOUR, zone)


def _count(reader: Reader, hour: Ints, place: int) -> tuple[str, str]:
    """Return from where hours are counted, and why."""
    asked = split_format(reader.wanted.date_format)[1]
    known = split_format(reader.layout.dates)[1]
    if asked:
        return asked, "asked for"
    if hour.min(initial=1) == 0:
        return "0-23", "hour 0 comes, so a day begins with it"
    if hour.max(initial=0) >= 24:
        return "1-24", "hour 24 comes and hour 0 never"
    if known:
        return known, "as in the data of the fit"
    if reader.layout.columns[place].lower().startswith(("he", "hour ending", "hour_ending")):
        return "1-24", "the column is called so"
    raise reader.error(
        f"hours {hour.min()} to {hour.max()}: they may be counted from 0 or from 1", 0, place,
        "say which: `--date-format 0-23` or `--date-format 1-24`",
    )  # fmt: skip


def _of_the_day(
    reader: Reader, inside: NDArray[np.bool_], values: list[NDArray[np.float64]], place: int,
    days: Times,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return the records `inside` their day. Raises DataError if another one holds a value."""
    outside = np.flatnonzero(~inside)
    filled = np.stack([np.nan_to_num(column[outside]) != 0 for column in values])
    usual = filled.mean(1) < 0.5  # a column always filled tells nothing: a version, a code
    wrong = filled[usual].any(0) if usual.any() else filled.any(0)
    if wrong.any():
        row = int(outside[wrong.argmax()])
        day = days[row].astype("M8[us]").astype("M8[D]")
        zone = reader.zone.name(row) if isinstance(reader.zone, Zones) else reader.zone
        wrong = (
            f"{day} has no such hour in {zone}"
            if zone
            else f"{day} has 25 hours, for the clock went back; which came twice, the zone tells"
        )
        raise reader.error(
            wrong, row, place, "say where the clock stands, such as `--timezone Europe/Athens`"
        )
    return inside


def _of_time(reader: Reader, column: Any, means: str) -> Moments:
    """Return the times of the time column, as parsed or from its text."""
    place, asked = reader.layout.time, split_format(reader.wanted.date_format)[0]
    if not arrow.is_text(column) and (isinstance(column, np.ndarray) or not column.null_count):
        times = arrow.integers(column)
        if means == "iso":
            form = iso(reader) or ("s", False)
            found = stamps.refine(Stamps(False, form[0], "UTC" if form[1] else None), times)
            return Moments(times, found, (Decision("", "timestamps of ISO 8601: every one is"),))
        return _counted(times, means, asked)
    if not arrow.is_text(column) and place is not None:
        column = reader.text()[place]
    return _of_text(reader, column, means, asked)


def _of_text(reader: Reader, column: Any, means: str, asked: str | None) -> Moments:
    import pyarrow as pa
    import pyarrow.compute as pc

    place = reader.layout.time
    texts, codes = arrow.categories(column)
    distinct = pc.utf8_trim_whitespace(arrow.texts(texts))
    distinct = pc.if_else(pc.is_in(distinct, pa.array(list(MISSING))), "", distinct)
    try:
        if means in ("integer", *EPOCHS):
            return _counted(stamps.integers(distinct)[codes], means, asked)
        known, _ = split_format(reader.layout.dates)
        read, why = stamps.parse(distinct, asked, known)
    except BadStampError as bad:
        raise reader.error(
            bad.message, int((codes == bad.place).argmax()), place, bad.hint
        ) from None
    times = read.times[codes]
    said = "" if read.form.name == "year-first" else f"dates {read.form.name}"
    decisions = [Decision(said, f"timestamps {read.form.name}: {why}")]
    if pc.any(pc.match_substring_regex(distinct, stamps.UNTIL)).as_py():
        decisions.append(Decision("spans by their beginning", "a timestamp and a later one"))
    if read.late:
        decisions.append(Decision("24:00 as the next day's 0:00", "hour 24 ends its day"))
    return Moments(times, stamps.refine(read.stamps, times), tuple(decisions),
                   dates="" if read.form.name == "year-first" else read.form.name)  # fmt: skip


def _counted(times: Times, means: str, asked: str | None) -> Moments:
    """Return integers, or the moments that they count from 1970."""
    why = "asked for" if asked else ""
    if means == "integer":
        because = why or "integers that are neither dates nor counted from 1970"
        return Moments(times, Stamps(index=True), (Decision("", f"timestamps integer: {because}"),),
                       dates="integer" if asked else "")  # fmt: skip
    moments, found = stamps.epoch(times, means)
    because = why or f"integers with the digits of {means} since 1970"
    return Moments(
        moments,
        stamps.refine(found, moments),
        (Decision(f"{means} since 1970", f"timestamps {means}: {because}"),),
        dates=means,
    )
