"""Signs that a value is not what was measured: the arrays behind `forecast check`.

B series in a block, L rows of the longest, T rows of a whole panel. A block holds series of about
one length in a matrix (B, L), NaN where a series has ended, so that a hundred thousand series are
a few hundred matrices. Nothing here knows of files or words.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BLOCK = 2_000_000  # cells of a block
AWAY = 0.1  # a series keeps away from zero when 99 % of it is above this share of its median
HALF = 0.5  # what falls to zero comes, within AROUND rows, from above this share of the median
AROUND = 72  # rows
RARE = 0.01  # share of values that may be called impossible
STUCK, LONG = 6, 5  # a stuck meter repeats a value so often, and so many times its usual repeats
SPIKE = 6.0  # how far an outlier stands out, in 99 % quantiles of what stands out
FLOOR = 0.1  # and at least this share of the median
SPLITS = np.array([1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 50, 100])
VOLATILITIES = 8.0  # a split is a return of so many robust standard deviations


def blocks(values: Floats, offsets: Ints) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Yield series numbers (B,), places in `values` (B, L), -1 past the end, and the matrix."""
    lengths = np.diff(offsets)
    ranked = np.argsort(lengths, kind="stable")
    at = 0
    while at < len(ranked):
        longest = max(int(lengths[ranked[at]]), 1)
        stop = at + max(BLOCK // longest, 1)
        while stop > at + 1 and (stop - at) * int(lengths[ranked[min(stop, len(ranked)) - 1]]) > (
            2 * BLOCK
        ):
            stop = at + (stop - at) // 2
        which = ranked[at:stop]
        step = np.arange(int(lengths[which].max(initial=0)))
        inside = step < lengths[which][:, None]
        place = np.where(inside, offsets[which][:, None] + step, -1)
        yield which, place, np.where(inside, values[place], np.nan) if step.size else place * 0.0
        at = stop


def quantile(y: Floats, level: float) -> Floats:
    """Return a quantile of each row of `y` (B, L) without its NaN, the lower value: (B,)."""
    if not y.shape[1]:
        return np.full(len(y), np.nan)
    count = np.count_nonzero(~np.isnan(y), axis=1)
    at = np.maximum(np.floor(level * (count - 1)), 0).astype(np.int64)
    return np.asarray(np.sort(y, axis=1)[np.arange(len(y)), at])


def impossible(y: Floats) -> tuple[Bools, Bools]:
    """Return where `y` (B, L) is zero or negative though the series keeps away from zero."""
    size = np.where(y != 0, np.abs(y), np.nan)
    usual = quantile(size, 0.5)
    count = np.maximum(np.count_nonzero(~np.isnan(y), axis=1), 1)
    zero, negative = y == 0, y < 0
    positive = np.where(y > 0, y, np.nan)
    away = quantile(positive, 0.01) > AWAY * usual
    few, few_zeros = (
        np.count_nonzero(bad, axis=1) <= np.maximum(RARE * count, 1) for bad in (negative, zero)
    )
    before, after = _beside(np.where(y > 0, y, np.nan))
    floor = np.count_nonzero(zero, axis=1) > 0.05 * count  # such as the sun at night
    fell = np.fmax(before, after) > AWAY * usual[:, None]
    fell |= _largest_around(y, AROUND) > HALF * usual[:, None]
    dipped = np.fmin(before, after) > AWAY * usual[:, None]
    return (
        zero & fell & (away & few & few_zeros)[:, None],
        negative & (dipped & (away & few)[:, None] | (floor & few)[:, None]),
    )


def _largest_around(y: Floats, rows: int) -> Floats:
    """Return the largest value within `rows` rows of each row of `y` (B, L)."""
    from scipy.ndimage import maximum_filter1d

    lowest = np.where(np.isnan(y), -np.inf, y)
    return np.asarray(maximum_filter1d(lowest, 2 * rows + 1, axis=1, mode="nearest"))


def _beside(y: Floats) -> tuple[Floats, Floats]:
    """Return the last value at or before each row of `y` (B, L), and the next at or after it."""
    step = np.arange(y.shape[1])
    known = ~np.isnan(y)
    last = np.maximum.accumulate(np.where(known, step, 0), axis=1)
    coming = np.where(known, step, y.shape[1] - 1)[:, ::-1]
    coming = np.minimum.accumulate(coming, axis=1)[:, ::-1]
    return np.take_along_axis(y, last, axis=1), np.take_along_axis(y, coming, axis=1)


def outliers(y: Floats, season: int) -> Bools:
    """Return where `y` (B, L) leaves its neighbours for at most three rows, and comes back.

    What stands out is the distance to the median of the seven rows around; an outlier stands out
    SPIKE times as far as 99 % of the rows do, and more than one `season` before and after.
    """
    if y.shape[1] < 15:
        return np.zeros(y.shape, bool)
    out = np.abs(y - _middle(y))
    usual = np.maximum(quantile(out, 0.99), FLOOR / SPIKE * quantile(np.abs(y), 0.5))
    usual = np.where(usual > 0, usual, np.inf)  # what hardly ever moves has no usual move
    before, after = np.zeros_like(out), np.zeros_like(out)
    if 0 < season < y.shape[1]:
        before[:, season:], after[:, :-season] = out[:, :-season], out[:, season:]
    with np.errstate(invalid="ignore"):
        again = np.fmax(before, after)
        return np.asarray(out - np.nan_to_num(again) > SPIKE * usual[:, None])


def _middle(y: Floats) -> Floats:
    """Return the median of the rows -3..3 around each row of `y` (B, L), NaN where one is."""
    wide = np.pad(y, ((0, 0), (3, 3)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(wide, 7, axis=1)
    size = max(BLOCK // 7 // max(y.shape[1], 1), 1)
    parts = [np.median(windows[k : k + size], axis=2) for k in range(0, len(y), size)]
    return np.concatenate(parts)


def splits(y: Floats) -> Floats:
    """Return the ratio by which a price `y` (B, L) looks split at a row, 1 where it does not.

    The return is far beyond the usual ones and near a usual ratio, and the level stays. A crash
    may look the same; only an adjusted price tells them apart.
    """
    ratio = np.ones(y.shape)
    if y.shape[1] < 12:
        return ratio
    positive = np.all(np.isnan(y) | (y > 0), axis=1)
    log = np.log(np.where(positive[:, None] & (y > 0), y, np.nan))
    move = np.diff(log, axis=1)
    spread = 1.4826 * quantile(np.abs(move - quantile(move, 0.5)[:, None]), 0.5)[:, None]
    nearest = np.abs(np.abs(move)[:, :, None] - np.log(SPLITS)).argmin(2)
    with np.errstate(invalid="ignore"):
        odd = np.abs(move) > np.maximum(VOLATILITIES * spread, np.log(1.4))
        error = np.abs(np.abs(move) - np.log(SPLITS)[nearest])
        near = error < np.clip(5 * spread, 0.03, np.where(nearest > 0, 0.12, 0.04))
        found = odd & near & _stays(log, move)
    ratio[:, 1:] = np.where(found, SPLITS[nearest] ** -np.sign(move), 1.0)
    return ratio


def _stays(log: Floats, move: Floats) -> Bools:
    """Return where the level after a move (B, L - 1) still shows most of it five rows later."""
    later = np.concatenate([log[:, 5:], np.repeat(log[:, -1:], 4, axis=1)], axis=1)[
        :, : move.shape[1]
    ]
    gone = later - log[:, :-1]
    return np.asarray(np.abs(gone - move) < 0.4 * np.abs(move))


def repeats(values: Floats, offsets: Ints) -> tuple[Ints, Ints, Ints]:
    """Return first row, length and series of the runs of one value that a stuck meter leaves.

    `values` (T,) of a panel. A run has STUCK rows or more, and LONG times as many as 99 % of the
    series' runs; a series that is mostly one run is constant, not stuck.
    """
    edge = np.ones(len(values), bool)
    edge[1:] = values[1:] != values[:-1]
    edge[offsets[:-1][offsets[:-1] < len(values)]] = True
    first = np.flatnonzero(edge & ~np.isnan(values))
    every = np.flatnonzero(edge)
    size = np.diff(np.append(every, len(values)))[np.searchsorted(every, first)]
    of = np.searchsorted(offsets, first, side="right") - 1
    count = np.bincount(of, minlength=len(offsets) - 1)
    usual = np.maximum(_usual(size, of, count), 1)
    rows = np.diff(offsets)
    least = np.maximum(STUCK, LONG * usual[of]) / np.where(values[first] == 0, 2, 1)
    stuck = (size >= least) & (2 * size < rows[of])
    return first[stuck], size[stuck], of[stuck]


def _usual(size: Ints, of: Ints, count: Ints) -> Ints:
    """Return the 99 % quantile of the lengths of runs in each series, of which it has `count`."""
    more = np.flatnonzero(size > 1)
    order = more[np.lexsort((size[more], of[more]))]
    begin = np.searchsorted(of[order], np.arange(len(count)))
    number = np.bincount(of[more], minlength=len(count))
    beyond = np.floor(0.01 * count).astype(np.int64)  # runs longer than the quantile
    at = begin + number - 1 - beyond
    inside = (at >= begin) & (number > 0)
    out = np.ones(len(count), np.int64)
    out[inside] = size[order[at[inside]]]
    return out


def runs(mask: Bools, offsets: Ints) -> tuple[Ints, Ints, Ints]:
    """Return first row, length and series of the runs of True in `mask` (T,)."""
    if not mask.any():
        none = np.zeros(0, np.int64)
        return none, none, none
    border = np.zeros(len(mask) + 1, bool)
    border[offsets] = True
    starts = mask & (np.concatenate([[True], ~mask[:-1]]) | border[:-1])
    first = np.flatnonzero(starts)
    ends = mask & (np.concatenate([~mask[1:], [True]]) | border[1:])
    of = np.searchsorted(offsets, first, side="right") - 1
    return first, np.flatnonzero(ends) + 1 - first, of


def covered(first: Ints, size: Ints, rows: int) -> Bools:
    """Return the mask (T,) of `rows` rows that is True on the runs given."""
    change = np.zeros(rows + 1, np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, first + size, -1)
    return np.asarray(np.cumsum(change)[:-1] > 0)


def strength(y: Floats, season: int) -> float:
    """Return the share of what varies around the trend of `y` (L,) that a season explains.

    That is 1 - var(remainder) / var(season + remainder), at least 0 (Wang, Smith and Hyndman
    2006), corrected for the degrees of freedom a season takes; 0 for less than two cycles.
    """
    known = ~np.isnan(y)
    y = y[: len(y) - int(known[::-1].argmax())][-max(60 * season, 2000) :]
    known = ~np.isnan(y)
    if known.sum() < 2 * season or len(y) < 3 * season or season < 2:
        return 0.0
    at = np.arange(len(y))
    filled = np.interp(at, at[known], y[known])
    total = np.concatenate([[0.0], np.cumsum(filled - filled.mean())]) + 0.0
    width = season + 1 - season % 2
    trend = (total[width:] - total[:-width]) / width + filled.mean()
    half = width // 2
    rest = (filled[half : half + len(trend)] - trend)[known[half : half + len(trend)]]
    phase = (at[half : half + len(trend)] % season)[known[half : half + len(trend)]]
    count = np.maximum(np.bincount(phase, minlength=season), 1)
    mean = np.bincount(phase, rest, minlength=season) / count
    whole, left = float(np.var(rest)), float(np.var(rest - mean[phase]))
    if whole <= 0 or len(rest) <= season + 1:
        return 0.0
    return max(0.0, 1.0 - left / whole * (len(rest) - 1) / (len(rest) - season))
