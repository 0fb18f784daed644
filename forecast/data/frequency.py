"""Find the clock that a panel's timestamps follow, and the seasons of one without a calendar.

N series, T rows of all series together, flat as in a panel: sorted by series, then by time.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.data import closures, zones
from forecast.data.clock import DAY, MONDAY, Clock, Times, month_days, months

if TYPE_CHECKING:
    from forecast.data.panel import Panel

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SAMPLE = 1_000_000  # steps looked at to find the most common one
ATTENDED = 0.8  # share of its open days on which a trading series must show a row
CLOSED = 0.05  # share of its days below which a weekday counts as closed
WORKING = (0, 1, 2, 3, 4)
TURNED = 24  # equal longer steps one after the other that make another frequency
MONTHLY = 0.95  # share of its rows that fall on the day of a monthly clock
STRONG = 0.7  # autocorrelation of a clear season
LASTING = 0.75  # share of it left after two seasons
RELIEF = 0.4  # and how far it stands above the lags before it


class OddSeriesError(Exception):
    """Series number `series` ticks by another clock than the rest, called `label`.

    `row` is where it begins to, counted over all series; None: from its first row.
    """

    def __init__(self, series: int, label: str, row: int | None = None) -> None:
        super().__init__(series, label)
        self.series = series
        self.label = label
        self.row = row


def infer(times: Times, offsets: Ints, index: bool = False, zone: str | None = None) -> Clock:
    """Return the clock of `times` (T,), without seasons; `index` says that they are integers.

    The step is the most common one, so gaps do not change it. `zone` is that of UTC times; steps
    of a day or more are counted on its wall clock. Raises OddSeriesError for a series that
    follows another step than most.
    """
    if zone in (None, "UTC") or index:
        return replace(_infer(times, offsets, index), zone=zone)
    local = _infer(zones.to_local(times, zone), offsets, False)
    if local.kind == "fixed" and local.step % DAY:
        return replace(_infer(times, offsets, False), zone=zone)
    return replace(local, zone=zone)


def _infer(times: Times, offsets: Ints, index: bool) -> Clock:
    steps, of = _steps(times, offsets)
    if not len(steps):
        return Clock("index") if index else Clock("fixed", DAY)
    step = _most_common(steps)
    if index:
        return _same_step(Clock("index", step if not np.any(steps % step) else _gcd(steps)),
                          steps, of)  # fmt: skip
    calendar = _calendar(times, offsets)
    if calendar is not None:
        return calendar
    if step == DAY and (weekdays := _trading_weekdays(times, offsets)):
        clock = _same_step(Clock("trading", weekdays=weekdays), steps // DAY, of)
        kept = weekdays == WORKING and closures.keeps_nyse(np.unique(times // DAY))
        return replace(clock, exchange=closures.NYSE) if kept else clock
    clock = _same_step(Clock("fixed", step), steps, of)
    _check_turns(clock, steps, of)
    return clock


def places(clock: Clock, times: Times, offsets: Ints) -> Ints:
    """Return on which step of its series each row stands (T,), from 0; -1 off the grid.

    On trading days that is the number of the row.
    """
    lengths = np.diff(offsets)
    if clock.kind == "trading":
        return np.arange(len(times)) - np.repeat(offsets[:-1], lengths)
    if clock.civil:
        clock, times = replace(clock, zone=None), clock.local(times)
    starts = np.repeat(times[np.minimum(offsets[:-1], max(len(times) - 1, 0))], lengths)
    if clock.kind == "calendar":
        place, rest = np.divmod(months(times) - months(starts), clock.step)
        rest += clock.shift(starts, place * (rest == 0)) != times
    else:
        place, rest = np.divmod(times - starts, clock.step)
    return np.where(rest == 0, place, -1)


def share_explained(clock: Clock, times: Times, offsets: Ints) -> float:
    """Return the share of steps from row to row that are exactly one step of the clock."""
    if clock.kind == "trading":
        opens = np.isin(weekday(clock.counted(times)), clock.weekdays)
        return float(opens.mean()) if len(times) else 1.0
    jumps, _ = _steps(places(clock, times, offsets), offsets)
    return float((jumps == 1).mean()) if len(jumps) else 1.0


def weekday(times: Times) -> Ints:
    """Return the day of the week, Monday 0."""
    return np.mod((times - MONDAY) // DAY, 7)


def _steps(times: Times, offsets: Ints) -> tuple[Ints, Ints]:
    """Return the steps from row to row within series, and the series of each."""
    lengths = np.diff(offsets)
    inside = np.ones(max(len(times) - 1, 0), bool)
    borders = offsets[1:-1] - 1
    inside[borders[(borders >= 0) & (borders < len(inside))]] = False
    of = np.repeat(np.arange(len(lengths)), lengths)[1:]
    return np.diff(times)[inside], of[inside]


def _most_common(steps: Ints) -> int:
    """Return the most common step; the shortest of several."""
    if np.all(steps == steps[0]):
        return int(steps[0])
    values, counts = np.unique(steps[:: -(-len(steps) // SAMPLE)], return_counts=True)
    return int(values[counts.argmax()])


def _gcd(steps: Ints) -> int:
    return int(np.gcd.reduce(steps))


def _same_step(clock: Clock, steps: Ints, of: Ints) -> Clock:
    """Return `clock`; OddSeriesError for a series that ticks evenly, and slower."""
    odd = steps != clock.step
    if not odd.any():
        return clock
    begin = np.flatnonzero(np.diff(of, prepend=-1))
    size = np.diff(np.append(begin, len(of)))
    low, high = np.minimum.reduceat(steps, begin), np.maximum.reduceat(steps, begin)
    strange = np.flatnonzero((low == high) & (low > clock.step) & (size >= 4))
    if len(strange):
        unit = DAY if clock.kind == "trading" else 1
        other = Clock("index" if clock.kind == "index" else "fixed", int(low[strange[0]]) * unit)
        raise OddSeriesError(int(of[begin[strange[0]]]), other.label)
    return clock


def _check_turns(clock: Clock, steps: Ints, of: Ints) -> None:
    """Raise OddSeriesError for a series that goes on by another step from some row on."""
    odd = steps > clock.step
    if np.count_nonzero(odd) < TURNED:
        return
    begin = np.flatnonzero((np.diff(steps, prepend=-1) != 0) | (np.diff(of, prepend=-1) != 0))
    size = np.diff(np.append(begin, len(steps)))
    turns = np.flatnonzero((size >= TURNED) & odd[begin])
    if len(turns):
        at = int(begin[turns[0]])
        row = at + int(of[at]) + 1  # a series of r rows has r - 1 steps
        raise OddSeriesError(int(of[at]), Clock("fixed", int(steps[at])).label, row)


def _calendar(times: Times, offsets: Ints) -> Clock | None:
    """Return a clock of whole months if rows fall on one day of the month, else None.

    A few may fall beside it: they are named when they are put in their places.
    """
    steps, _ = _steps(times, offsets)
    if _most_common(steps) < 28 * DAY or np.any(times % DAY):
        return None
    day, last = month_days(times)
    ends = day == last
    anchor = 31 if ends.mean() >= MONTHLY else int(np.bincount(day).argmax())
    kept = day == np.minimum(anchor, last)
    if kept.mean() < MONTHLY:
        return None
    of = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[kept]
    jumps, of = _steps(months(times[kept]), np.searchsorted(of, np.arange(len(offsets))))
    if not len(jumps):
        return None
    step = _most_common(jumps)
    return _same_step(
        Clock("calendar", step if not np.any(jumps % step) else _gcd(jumps), anchor=anchor),
        jumps, of,
    )  # fmt: skip


def _trading_weekdays(times: Times, offsets: Ints) -> tuple[int, ...]:
    """Return the weekdays on which daily rows come when others stay empty, else ().

    Raises OddSeriesError when most series rest on the same weekdays and one does not, or the
    reverse.
    """
    seen, possible = _attendance(times, offsets)
    closed = _closed(seen.sum(0), possible.sum(0))
    trading = _is_trading(seen.sum(0), possible.sum(0), closed)
    for i in np.flatnonzero(possible.sum(1) >= 28):
        if trading:
            strange = seen[i, closed].sum() > 0.5 * possible[i, closed].sum()
        else:
            strange = _is_trading(seen[i], possible[i], _closed(seen[i], possible[i]))
        if strange:
            raise OddSeriesError(int(i), "daily" if trading else "trading days")
    return tuple(int(d) for d in np.flatnonzero(~closed)) if trading else ()


def _attendance(times: Times, offsets: Ints) -> tuple[Ints, Ints]:
    """Return rows, and days from first to last row, of each series by weekday: twice (N, 7)."""
    lengths = np.diff(offsets)
    of = np.repeat(np.arange(len(lengths)), lengths)
    seen = np.bincount(of * 7 + weekday(times), minlength=7 * len(lengths)).reshape(-1, 7)
    first, last = (times[at] // DAY - MONDAY // DAY for at in (offsets[:-1], offsets[1:] - 1))
    day = np.arange(7)
    possible = (last[:, None] - day) // 7 - (first[:, None] - 1 - day) // 7
    return seen, possible


def _closed(seen: Ints, possible: Ints) -> NDArray[np.bool_]:
    return (possible > 0) & (seen <= CLOSED * possible)


def _is_trading(seen: Ints, possible: Ints, closed: NDArray[np.bool_]) -> bool:
    if possible[closed].sum() < 2:
        return False
    return bool(seen[~closed].sum() >= ATTENDED * possible[~closed].sum())


def seasoned(panel: "Panel", counts: Ints) -> "Panel":
    """Return `panel` with the seasons that its first `counts` rows (N,) show.

    Unchanged where seasons come from the frequency, or were given.
    """
    if not panel.seen:
        return panel
    first = panel.rows(np.zeros_like(counts), counts)
    seasons = detect_season(first.values, first.offsets)
    return replace(panel, clock=panel.clock.with_seasons(seasons))


def detect_season(values: Floats, offsets: Ints) -> tuple[int, ...]:
    """Return the season lengths that the autocorrelation shows clearly, shortest first, or ().

    The 20 longest series count alike, each without its linear trend and by its last 4,096 rows.
    A season comes round three times and lasts: two of them correlate nearly as one does. A longer
    one, such as the week above the day, is a multiple that correlates clearly better.
    """
    lengths = np.diff(offsets)
    longest = np.argsort(-lengths, kind="stable")[:20]
    rows = [values[offsets[i] : offsets[i + 1]][-4096:] for i in longest]
    known = [r for r in rows if np.isfinite(r).sum() >= 12 and np.nanstd(r) > 0]
    if not known:
        return ()
    longest_season = min(len(r) for r in known) // 3
    curve = np.mean([_autocorrelation(r, 2 * longest_season) for r in known], axis=0)
    peaks = [int(lag) for lag in _peaks(curve) if lag <= longest_season]
    lasting = [lag for lag in peaks if curve[lag] > STRONG
               and curve[2 * lag] > LASTING * curve[lag]]  # fmt: skip
    if not lasting:
        return ()
    short, best = lasting[0], max(lasting, key=curve.__getitem__)
    return (short, best) if best % short == 0 and curve[best] > curve[short] + 0.1 else (short,)


def _peaks(curve: Floats) -> Ints:
    """Return the lags at which `curve` peaks after it has sunk by RELIEF below that peak."""
    inner = np.flatnonzero((curve[1:-1] > curve[:-2]) & (curve[1:-1] >= curve[2:])) + 1
    lowest = np.minimum.accumulate(curve)
    return inner[curve[inner] - lowest[inner] > RELIEF]


def _autocorrelation(row: Floats, lags: int) -> Floats:
    """Return the autocorrelation at lags 0..`lags`, gaps filled by the trend."""
    at = np.arange(len(row))
    ok = np.isfinite(row)
    slope, level = np.polyfit(at[ok], row[ok], 1)
    rest = np.where(ok, row - (level + slope * at), 0.0)
    size = 1 << (2 * len(row) - 1).bit_length()
    power = np.abs(np.fft.rfft(rest, size)) ** 2
    raw = np.fft.irfft(power, size)[: lags + 1]
    scaled = raw / np.arange(len(row), len(row) - lags - 1, -1)
    return scaled / scaled[0] if scaled[0] > 0 else np.zeros(lags + 1)
