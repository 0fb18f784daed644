"""Where an axis has its marks and what stands at them."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import DAY, HOUR, MONDAY, SECOND, Clock, Times

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MINUTE = 60 * SECOND
FIXED = (
    *(k * MINUTE for k in (1, 5, 15, 30)),
    *(k * HOUR for k in (1, 3, 6, 12)),
    *(k * DAY for k in (1, 2, 7, 14)),
)
MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark at `at`; `context` is the second line, where it changes (the year below a month)."""

    at: float
    label: str
    context: str = ""


def nice(low: float, high: float, count: int = 5) -> list[Tick]:
    """Return about `count` round numbers within [low, high]."""
    raw = (high - low) / count
    size = 10.0 ** np.floor(np.log10(raw))
    step = float(size * min((m for m in (1, 2, 2.5, 5, 10) if m * size >= raw * 0.8), default=10))
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [Tick(k * step, number(k * step, step)) for k in range(first, last + 1)]


def number(value: float, step: float) -> str:
    """Return `value` with the decimals that marks `step` apart need."""
    for size, letter in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= size and step >= size / 100:
            return f"{value / size:.10g} {letter}".replace("-", "\N{MINUS SIGN}")
    if 0 < abs(value) < 1e-5 or abs(value) >= 1e9:
        return f"{value:.3g}"
    places = next((k for k in range(6) if abs(step * 10**k - round(step * 10**k)) < 1e-6), 6)
    return f"{value:,.{places}f}".replace("-", "\N{MINUS SIGN}")


def steps(horizon: int, season: int, count: int = 9) -> list[Tick]:
    """Return marks on 1..horizon: divisors or multiples of the season, else round numbers."""
    round_ = [m * 10**k for k in range(6) for m in (1, 2, 5)]
    sizes = [1, 2, 3, 4, 6, 8, 12, 24, 48, *(168 * k for k in range(1, 50))]
    chosen = sizes if season % 12 == 0 else round_
    size = next((s for s in chosen if horizon / s <= count), horizon)
    marks = [1, *range(size, horizon + 1, size)] if size > 1 else range(1, horizon + 1)
    return [Tick(float(k), str(k)) for k in marks]


def dates(times: Times, clock: Clock, count: int) -> list[Tick]:
    """Return at most `count` marks on rows with `times` (R,), at the row where a date begins."""
    if clock.kind == "index":
        return _numbered(times, count)
    stamps: list[datetime] = times.astype("M8[us]").astype(object).tolist()
    step = int(np.diff(times).min()) if len(times) > 1 else 0
    for unit in range(sum(size < step for size in FIXED), len(FIXED) + len(MONTHS)):
        rows = _begins(times, unit)
        if 2 <= len(rows) <= count:
            return _labelled(rows, unit, stamps)
    ends = sorted({0, len(times) - 1})
    return [Tick(float(i), _day(stamps[i]), str(stamps[i].year)) for i in ends]


def _begins(times: Times, unit: int) -> list[int]:
    """Rows where a new unit begins; the first row only when it stands on the mark."""
    if unit < len(FIXED):
        size = FIXED[unit]
        since = times - (MONDAY if size >= DAY else 0)
        cell, onset = since // size, since[0] % size == 0
    else:
        months = MONTHS[unit - len(FIXED)]
        month = times.astype("M8[us]").astype("M8[M]").astype(np.int64)
        cell = month // months
        onset = month[0] % months == 0 and int(times[0]) // DAY == _month_start(int(month[0]))
    rows = np.flatnonzero(np.diff(cell)) + 1
    return [0, *rows.tolist()] if onset else rows.tolist()


def _month_start(month: int) -> int:
    return int(np.datetime64(month, "M").astype("M8[D]").astype(np.int64))


def _labelled(rows: list[int], unit: int, stamps: list[datetime]) -> list[Tick]:
    marks, said = [], ""
    for i in rows:
        label, context = _words(stamps[i], unit)
        marks.append(Tick(float(i), label, context if context != said else ""))
        said = context
    return marks


def _words(stamp: datetime, unit: int) -> tuple[str, str]:
    """Label and context of a mark of the `unit`-th size."""
    if unit < len(FIXED):
        if FIXED[unit] < DAY:
            return f"{stamp:%H:%M}", f"{_day(stamp)} {stamp.year}"
        if FIXED[unit] < 7 * DAY:
            return f"{stamp:%a} {stamp.day}", f"{stamp:%b} {stamp.year}"
        return _day(stamp), str(stamp.year)
    return (
        (f"{stamp:%b}", str(stamp.year))
        if MONTHS[unit - len(FIXED)] < 12
        else (str(stamp.year), "")
    )


def _day(stamp: datetime) -> str:
    return f"{stamp.day} {stamp:%b}"


def _numbered(times: Times, count: int) -> list[Tick]:
    every = max(1, -(-len(times) // count))
    return [Tick(float(i), f"{times[i]:,}") for i in range(0, len(times), every)]
