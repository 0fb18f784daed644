"""The names that columns usually have, and whether a table has a line of names at all."""

from collections.abc import Sequence
from itertools import pairwise

from forecast.data import stamps
from forecast.data.layout import CLOCK, Layout, is_integer
from forecast.data.numbers import is_missing, is_number
from forecast.data.sheet import Sheet

ID_NAMES = ("unique_id", "item_id", "series_id", "ts_id", "series", "id", "item", "ticker",
            "symbol")  # fmt: skip
GROUP_NAMES = (
    "region", "site", "zone", "country", "store", "shop", "station", "meter", "household",
    "building", "location", "city", "product", "sku", "client", "customer", "asset",
)  # fmt: skip
TIME_NAMES = ("ds", "timestamp", "datetime", "date_time", "date", "time", "utc_timestamp",
              "period", "step", "index", "t", "year")  # fmt: skip
VALUE_NAMES = ("y", "target", "value", "close")
PARTS = {
    "year": ("year", "yr", "yyyy"),
    "month": ("month", "mon", "mo", "mm"),
    "day": ("day", "dd", "mday", "dom", "day_of_month"),
    "hour": ("hour", "hr", "hh", "he", "hour_ending", "hour ending", "hourending"),
    "minute": ("minute", "min", "mi"),
    "clock": ("time", "hour", "time_of_day", "tod", "uhrzeit", "zeit", "heure", "hora", "ora"),
}
CALENDAR = {name for names in PARTS.values() for name in names} | {
    "weekday", "week", "day_of_week", "dayofweek", "dow", "quarter", "season", "date",
    "day_of_year", "doy", "is_weekend", "unnamed: 0", "rownames",
}  # fmt: skip


def headless(sheet: Sheet, known: Layout | None) -> bool:
    """Say whether the first record is data; `known` is the layout of a fitted model's rows."""
    first = sheet.sample[0]
    if known is not None and len(first) == len(known.columns):
        timed = [first[k] for k in known.timed]
        if timed:
            return all(stamps.is_stamp(c) or is_integer(c) or CLOCK.fullmatch(c) for c in timed)
        return any(is_number(first[k]) for k in known.values)
    filled = [cell for cell in first if not is_missing(cell)]
    dated = [cell for cell in filled if stamps.is_stamp(cell)]
    if len(dated) > 2 and not any(map(is_number, filled)):
        return False  # one series per row, under a header of dates
    if _years(filled) and not all(map(is_number, (row[0] for row in sheet.sample[1:] if row))):
        return False  # or of years
    return bool(dated) or (bool(filled) and all(map(is_number, filled)))


def _years(cells: Sequence[str]) -> bool:
    """Say whether cells are integers that count up by one step."""
    if len(cells) < 3 or not all(map(is_integer, cells)):
        return False
    steps = {int(b) - int(a) for a, b in pairwise(map(str.strip, cells))}
    return len(steps) == 1 and min(steps) > 0


def generated(width: int) -> tuple[str, ...]:
    """Return names for the columns of a table without a header."""
    return tuple(f"column_{k + 1}" for k in range(width))
