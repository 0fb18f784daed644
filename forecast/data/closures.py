"""Days on which a market is closed: the New York Stock Exchange by rule, others from a file.

Days are int64, counted from 1970-01-01.
"""

from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecast.errors import DataError

Ints = NDArray[np.int64]

NYSE = "NYSE"
SEEN = 3  # holidays a history must span before it can be said to keep them
STRAY = 0.02  # share of them that may be traded, and of the other weekdays that may be closed
EPOCH = date(1970, 1, 1).toordinal()
ONE_A_LINE = "write one date a line, such as 2026-12-24"
SATURDAY, SUNDAY = 5, 6


def easter(year: int) -> date:
    """Return Easter Sunday by the anonymous Gregorian rule (Nature, 20 April 1876)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def nyse(first: int, last: int) -> Ints:
    """Return the weekdays in the years `first`..`last` on which the exchange rests by rule.

    Rule 7.2 of the exchange in its present form: a holiday on a Sunday is kept on Monday, one on
    a Saturday on Friday, except New Year's Day, which is then not kept. Days of mourning and
    storms follow no rule.
    """
    days = [day.toordinal() - EPOCH for year in range(first, last + 1) for day in _nyse_year(year)]
    return np.array(sorted(days), np.int64)


@lru_cache(maxsize=1024)
def _nyse_year(year: int) -> tuple[date, ...]:
    fixed = [date(year, 7, 4), date(year, 12, 25)]
    if year >= 2022:
        fixed.append(date(year, 6, 19))
    days = [day + timedelta({SATURDAY: -1, SUNDAY: 1}.get(day.weekday(), 0)) for day in fixed]
    new_year = date(year, 1, 1)
    if new_year.weekday() != SATURDAY:
        days.append(new_year + timedelta(new_year.weekday() == SUNDAY))
    if year >= 1998:
        days.append(_monday(year, 1, 15))  # Martin Luther King
    days += [_monday(year, 2, 15), _monday(year, 5, 25), _monday(year, 9, 1)]
    good_friday, thanksgiving = easter(year) - timedelta(2), _on_or_after(date(year, 11, 22), 3)
    days += [good_friday, thanksgiving]
    return tuple(days)


def _monday(year: int, month: int, day: int) -> date:
    return _on_or_after(date(year, month, day), 0)


def _on_or_after(day: date, weekday: int) -> date:
    return day + timedelta((weekday - day.weekday()) % 7)


def keeps_nyse(days: Ints) -> bool:
    """Say whether `days` on which rows came are those on which New York trades.

    Hardly any row on a holiday, and hardly any other weekday without one. A history that spans
    fewer than SEEN holidays says nothing.
    """
    if not len(days):
        return False
    open_ = np.unique(days)
    every = np.arange(open_[0], open_[-1] + 1)
    weekdays = every[np.mod(every - 4, 7) < 5]  # 1970-01-05 was a Monday
    years = open_[[0, -1]].astype("M8[D]").astype("M8[Y]").astype(np.int64) + 1970
    holidays = np.intersect1d(weekdays, nyse(*map(int, years)))
    if len(holidays) < SEEN:
        return False
    others = np.setdiff1d(weekdays, holidays)
    traded, missed = np.isin(holidays, open_).sum(), len(others) - np.isin(others, open_).sum()
    return bool(traded <= STRAY * len(holidays) and missed <= STRAY * len(others))


def read(path: str | Path) -> tuple[int, ...]:
    """Return the closed days of a file: a date `2026-12-24` at the start of each line.

    What follows a comma, `#` and blank lines are comments; the first line may be a header.
    Raises DataError that names the line that holds no date.
    """
    try:
        lines = Path(path).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"{path}: {reason.lower()}", hint="name a file of dates") from error
    days, seen = [], False
    for number, line in enumerate(lines, 1):
        cell = line.partition("#")[0].replace(";", ",").partition(",")[0].strip().strip('"')
        if not cell:
            continue
        try:
            days.append(date.fromisoformat(cell[:10]).toordinal() - EPOCH)
        except ValueError:
            if seen:
                raise DataError(
                    f"{path}, line {number}: `{cell[:40]}` is not a date", hint=ONE_A_LINE
                ) from None
        seen = True
    if not days:
        raise DataError(f"{path}: no date in it", hint=ONE_A_LINE)
    return tuple(sorted(set(days)))
