"""From rows in any order to a panel: sorted, without duplicates, every step in its place."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.data import frequency, zones
from forecast.data.beside import check_static
from forecast.data.clock import DAY, OFFSETS, YEAR, Clock, default_seasons
from forecast.data.panel import Panel
from forecast.data.rows import Origin, Rows, in_zones, spoken
from forecast.errors import DataError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

__all__ = ["Origin", "Rows", "arrange"]

LATEST = 2**60  # differences of timestamps stay within int64
DATED = int(np.datetime64("2263-01-01", "us").astype(np.int64))  # later dates are typing errors
WIDEST = 50 * YEAR  # a gap beyond it is a wrong date
LARGEST = 1e100  # beyond it sums of squares overflow
PIECE = 1 << 18  # rows looked at in one go
SHOWN = (8, 64)  # rows of an even series that show its clock, of many and of few series
ENOUGH = 1 << 19  # rows of all series together that do
FILL_FACTOR, FILL_FREE = 20, 100_000  # missing steps filled in: 20 times the rows and 100,000


def arrange(rows: Rows, clock: Clock | None = None, zone: str | None = None) -> Panel:
    """Return the panel of `rows`, on `clock` where it is known, else on the one they show.

    `zone` is that of timestamps without one, and the one whose clock counts and is shown; rows of
    series that keep zones of their own know them.

    Raises DataError for values that are infinite or beyond 1e100, duplicate timestamps, times
    that `zone` skips, a series or a row off the frequency, and gaps too wide to be filled.
    """
    _check_times(rows)
    _check_values(rows)
    naive = rows.stamps.zone is None
    rows, skipped = in_zones(rows, clock, zone)
    place = np.argsort(np.array(sorted(range(len(rows.ids)), key=rows.ids.__getitem__), np.int64))
    codes = rows.codes if np.all(place[1:] > place[:-1]) else place[rows.codes]
    rows, back, notes = _sorted(rows, codes)
    _check_duplicates(rows, back)
    check_static(rows, back)
    lengths = np.bincount(rows.codes, minlength=len(rows.ids))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    known = clock
    even = _even(rows.times, offsets)
    clock = _clock(rows, offsets, back, even) if known is None else _agreed(rows, known, even)
    if even == clock.step and clock.kind in ("fixed", "index") and not clock.civil:
        panel = Panel(rows.ids, rows.values, offsets, rows.times[offsets[:-1]], clock,
                      covariates=rows.covariates)  # fmt: skip
        share = 1.0
    else:
        panel = _placed(rows, offsets, clock, back)
        share = frequency.share_explained(clock, rows.times, offsets)
    if known is None and clock.kind == "index":
        panel = frequency.seasoned(replace(panel, seen=True), panel.lengths)
    if known and known.zone == "UTC" and naive and not known.told:
        notes = (*notes, "timestamps without a zone are read as UTC, as the model's are")
    notes = (_summary(panel, share), *skipped, *notes, *_filled(panel, len(rows.values)))
    return replace(panel, order=place, notes=notes, source=rows.origin.name)


def _check_times(rows: Rows) -> None:
    latest = LATEST if rows.stamps.index else DATED - 1
    if len(rows.times) and (rows.times.min() < -LATEST or rows.times.max() > latest):
        row = int(((rows.times < -LATEST) | (rows.times > latest)).argmax())
        late = abs(int(rows.times[row])) <= LATEST and not rows.stamps.index
        text = f"{spoken(rows, row)} is beyond the year 2262" if late else (
            f"{rows.times[row]} is beyond what is counted")  # fmt: skip
        raise rows.origin.error(text, row, "time", "correct the timestamp")


def _check_values(rows: Rows) -> None:
    low, high = (of.reduce(rows.values, initial=0.0) for of in (np.fmin, np.fmax))
    if low >= -LARGEST and high <= LARGEST:
        return
    with np.errstate(invalid="ignore"):
        row = int((np.abs(rows.values) > LARGEST).argmax())
    value = rows.values[row]
    wrong = "an infinite value" if np.isinf(value) else f"{value:g} is beyond {LARGEST:g}"
    raise rows.origin.error(
        wrong, row, "value", "correct it, or leave the cell empty where the value is missing"
    )


def _sorted(rows: Rows, codes: Ints) -> tuple[Rows, Ints | None, tuple[str, ...]]:
    """Return `rows` by series and time, where each came from, and what there is to say."""
    notes: tuple[str, ...] = ()
    back: Ints | None = None
    times, values = rows.times, rows.values
    if np.any(codes[1:] < codes[:-1]):
        back = np.argsort(codes, kind="stable")
        codes, times, values = codes[back], times[back], values[back]
    if np.any((times[1:] < times[:-1]) & (codes[1:] == codes[:-1])):
        late = np.lexsort((times, codes))
        moved = int((late != np.arange(len(late))).sum())
        notes = (f"rows were not in order of time: {moved:,} of {len(times):,} sorted",)
        codes, times, values = codes[late], times[late], values[late]
        back = late if back is None else back[late]
    ids, beside = tuple(sorted(rows.ids)), rows.covariates
    if back is not None and beside is not None:
        beside = beside.take(back)
    rows = replace(rows, ids=ids, codes=codes, times=times, values=values, covariates=beside)
    return rows, back, notes


def _came_from(back: Ints | None, row: int) -> int:
    return row if back is None else int(back[row])


def _check_duplicates(rows: Rows, back: Ints | None) -> None:
    same = (rows.times[1:] == rows.times[:-1]) & (rows.codes[1:] == rows.codes[:-1])
    if not same.any():
        return
    row = int(same.argmax()) + 1
    wrong = f"series `{rows.ids[rows.codes[row]]}` has {spoken(rows, row)} twice"
    if same.sum() > 1:
        wrong += f", and {int(same.sum()) - 1:,} more duplicates"
    hint = "keep one row per timestamp; `forecast check DATA --fix -o clean.csv` keeps the last"
    if rows.stamps.zone is None and not rows.stamps.index and rows.stamps.unit != "D":
        zone = zones.going_back(rows.times[1:][same], rows.codes[1:][same])
        if zone is not None:
            wrong += ": the clock went back"
            hint = f"say whose clock it is, such as `--timezone {zone}`"
            hint += ", a column of the zones" if zone == "COLUMN" else ""
    raise rows.origin.error(wrong, _came_from(back, row), "time", hint)


def _odd(rows: Rows, offsets: Ints, back: Ints | None, odd: frequency.OddSeriesError) -> DataError:
    name = rows.ids[odd.series]
    if odd.row is None:
        row = int(offsets[odd.series])
        return rows.origin.error(
            f"series `{name}` is {odd.label}, unlike the others", _came_from(back, row), "time",
            "one frequency per panel: leave that series out, or forecast it by itself",
        )  # fmt: skip
    return rows.origin.error(
        f"series `{name}` turns {odd.label} at {spoken(rows, odd.row)}",
        _came_from(back, odd.row), "time",
        "one frequency per panel: cut the series there, or bring it to one frequency",
    )  # fmt: skip


def _even(times: Ints, offsets: Ints) -> int | None:
    """Return the step if all steps within series are the same, None otherwise.

    Rows are looked at in pieces: nothing of their number is set aside.
    """
    first, last = offsets[:-1], offsets[1:] - 1
    longest = int((last - first).argmax())
    if last[longest] == first[longest]:
        return None
    step = int(times[first[longest] + 1] - times[first[longest]])
    if np.any(times[last] - times[first] != step * (last - first)):
        return None
    for begin in range(0, len(times) - 1, PIECE):
        odd = np.flatnonzero(np.diff(times[begin : begin + PIECE + 1]) != step) + begin
        if not np.array_equal(last[np.minimum(np.searchsorted(last, odd), len(last) - 1)], odd):
            return None
    return step


def _clock(rows: Rows, offsets: Ints, back: Ints | None, even: int | None) -> Clock:
    """Return the clock that the rows show, with the seasons its frequency suggests.

    Where all steps are the same (`even`), the first rows of each series show it.
    """
    times = rows.times
    if even is not None and (even < DAY or rows.stamps.zone in (None, "UTC")):
        shown = int(np.clip(ENOUGH // len(rows.ids), *SHOWN))
        lengths = np.minimum(np.diff(offsets), shown)
        kept = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        times = times[np.arange(kept[-1]) + np.repeat(offsets[:-1] - kept[:-1], lengths)]
        offsets = kept
    try:
        clock = frequency.infer(times, offsets, rows.stamps.index, rows.stamps.zone)
    except frequency.OddSeriesError as odd:
        raise _odd(rows, offsets, back, odd) from None
    clock = replace(clock, unit=rows.stamps.unit)
    if rows.own and not (rows.told == OFFSETS and _whole_days(clock)):
        if _whole_days(clock):
            raise rows.origin.error(
                f"{clock.label} steps by the clocks of several time zones", 0, "time",
                "a panel of whole days keeps one clock: write dates without a time of day, or fit "
                "the series of each zone by themselves",
            )  # fmt: skip
        clock = replace(clock, told=rows.told, own=rows.own)
    return clock.with_seasons(default_seasons(clock))


def _whole_days(clock: Clock) -> bool:
    return clock.kind in ("calendar", "trading") or clock.step % DAY == 0


def _agreed(rows: Rows, clock: Clock, even: int | None) -> Clock:
    """Return the fitted model's clock, if the rows' timestamps can be read by it."""
    if rows.stamps.index != (clock.kind == "index"):
        ours, theirs = ("integers", "timestamps")[:: 1 if clock.kind == "index" else -1]
        raise rows.origin.error(f"{theirs} in the rows, {ours} in the model", 0, "time",
                                "give rows like those the model was fitted on")  # fmt: skip
    if rows.stamps.zone is not None and clock.zone is None:
        raise rows.origin.error(
            "a timestamp with a zone; the model was fitted on local time",
            0,
            "time",
            "write the timestamps as in the data of the fit",
        )
    if clock.kind == "fixed" and even and even > clock.step and len(rows.times) > 2 * len(rows.ids):
        theirs = Clock("fixed", even).label
        raise rows.origin.error(
            f"the rows are {theirs}, the model was fitted on {clock.label} ones", 0, "time",
            "give rows of the same frequency, or fit a model on these",
        )  # fmt: skip
    return clock.joined(rows.own)


def _placed(rows: Rows, offsets: Ints, clock: Clock, back: Ints | None) -> Panel:
    """Return the panel with the rows on their steps and NaN on the steps between."""
    starts = rows.times[offsets[:-1]]
    if not clock.complete:
        return Panel(rows.ids, rows.values, offsets, starts, clock, rows.times,
                     covariates=rows.covariates)  # fmt: skip
    step = frequency.places(clock, rows.times, offsets)
    if step.min() < 0:
        raise _off_grid(rows, offsets, clock, back, step)
    lengths = step[offsets[1:] - 1] + 1
    if clock.kind != "index" and np.any(
        (np.diff(rows.times) > WIDEST) & (np.diff(rows.codes) == 0)
    ):
        raise _too_wide(rows, back, step)
    if int(lengths.sum()) == len(step):
        return Panel(rows.ids, rows.values, offsets, starts, clock, covariates=rows.covariates)
    if lengths.astype(float).sum() > (FILL_FACTOR + 1) * len(step) + FILL_FREE:
        raise _too_wide(rows, back, step)
    wide = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values, place = np.full(int(wide[-1]), np.nan), wide[:-1][rows.codes] + step
    values[place] = rows.values
    beside = rows.covariates and rows.covariates.spread(place, len(values))
    return Panel(rows.ids, values, wide, starts, clock, covariates=beside)


def _off_grid(rows: Rows, offsets: Ints, clock: Clock, back: Ints | None, step: Ints) -> DataError:
    row = int((step < 0).argmax())
    own = slice(int(offsets[rows.codes[row]]), int(offsets[rows.codes[row] + 1]))
    if 2 * (step[own] < 0).sum() > own.stop - own.start:
        row = own.start  # the others agree among themselves
    share = frequency.share_explained(clock, rows.times, offsets)
    return rows.origin.error(
        f"series `{rows.ids[rows.codes[row]]}`: {spoken(rows, row)} is off the frequency, "
        f"{clock.label} ({100 * share:.3g} % of the steps)", _came_from(back, row), "time",
        "one regular frequency is needed: correct the row or leave it out, or resample the series",
    )  # fmt: skip


def _too_wide(rows: Rows, back: Ints | None, step: Ints) -> DataError:
    """Return the error for the row beyond the widest gap, on the side with fewer rows."""
    jump = np.where(np.diff(rows.codes) == 0, np.diff(step), 0)
    before = int(jump.argmax())
    own = np.flatnonzero(rows.codes == rows.codes[before])
    early = before - own[0] + 1 < own[-1] - before
    row = before if early else before + 1
    return rows.origin.error(
        f"series `{rows.ids[rows.codes[row]]}`: {spoken(rows, row)} is {int(jump[before]):,} "
        f"steps {'before the next' if early else 'after the last'} row", _came_from(back, row),
        "time", "correct the timestamp; so wide a gap is not filled with missing values",
    )  # fmt: skip


def _summary(panel: Panel, share: float) -> str:
    clock, rows = panel.clock, len(panel.values)
    shown = f" ({_percent(share)} of the steps)" if rows > len(panel) else ""
    seasons = ", ".join(str(s) for s in clock.seasons)
    parts = [
        f"{len(panel):,} series, {rows:,} row{'' if rows == 1 else 's'}",
        clock.label + shown,
        f"seasons of {seasons} steps" if seasons else "no season",
        *([clock.place] if clock.place else []),
    ]
    return ", ".join(parts)


def _percent(share: float) -> str:
    """Return a share as text that says 100 % only when it is all."""
    return "100 %" if share == 1.0 else f"{min(100 * share, 99.99):.4g} %"


def _filled(panel: Panel, given: int) -> tuple[str, ...]:
    absent = len(panel.values) - given
    return (f"absent rows taken as missing values: {absent:,}",) if absent else ()
