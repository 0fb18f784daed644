"""Carry states over the rows of a panel: the one way in which a model meets data.

`predict`, `update`, calibration and the backtest all come through here, so a forecast cannot see
a row that was not absorbed before it. N series, T rows, H horizon, Q levels, V windows, E columns
of covariates as the model sees them.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from forecast.data import sessions
from forecast.data.clock import Clock, Times
from forecast.data.covariates import Coding, carried
from forecast.data.panel import Panel
from forecast.errors import DataError
from forecast.models.base import Model, State
from forecast.transform import Transform

Floats = NDArray[np.float64]
NEVER = np.int64(-(2**62))  # the last timestamp of a series that has shown no row
BLOCK = 1 << 20  # values handed to a model at once
SPAN = 5_000_000  # steps a hole may have


def after(rows: Panel, last: Times) -> Panel:
    """Return the rows after `last` (N,); steps absent between `last` and them come as NaN.

    Raises DataError for a series whose rows are no whole steps after `last`.
    """
    _check_steps(rows, last)
    kept = rows.rows(seen(rows, last), rows.lengths)
    if not rows.clock.complete:
        return kept
    ahead = _steps_ahead(rows, last)
    hole = np.where(kept.lengths > 0, np.maximum(ahead - 1, 0), 0)
    return _with_holes(kept, hole, last) if hole.any() else kept


def until(rows: Panel, last: Times) -> Panel:
    """Return the rows at or before `last` (N,)."""
    return rows.rows(np.zeros(len(rows), np.int64), seen(rows, last))


def seen(rows: Panel, last: Times) -> NDArray[np.int64]:
    """Return how many rows of each series stand at or before `last` (N,)."""
    if rows.clock.complete:
        return np.clip(1 - _steps_ahead(rows, last), 0, rows.lengths)
    times = rows.all_times()
    bounds = zip(rows.offsets[:-1], rows.offsets[1:], last, strict=True)
    return np.array([np.searchsorted(times[a:b], t, "right") for a, b, t in bounds], np.int64)


def _check_steps(rows: Panel, last: Times) -> None:
    """Raise DataError for a series that comes between the steps of the rows before."""
    clock = rows.clock
    if clock.kind not in ("fixed", "index") or clock.civil:  # a civil day may begin late
        return
    off = ((rows.starts - last) % clock.step != 0) & (last != NEVER) & (rows.lengths > 0)
    if not off.any():
        return
    i = int(off.argmax())
    shown, before = clock.of(rows.ids[i : i + 1]).write(np.array([rows.starts[i], last[i]]))
    raise DataError(
        f"series `{rows.ids[i]}`: {shown} is no whole number of steps ({clock.label}) after "
        f"{before}, the last row the model has seen",
        hint="correct the timestamps, or use `--fresh` to forget the stored state",
    )


def _steps_ahead(rows: Panel, last: Times) -> NDArray[np.int64]:
    """Return how many steps the first row lies after `last` (N,); 1 for a series never seen."""
    never = last == NEVER
    steps = rows.clock.number(rows.starts) - rows.clock.number(np.where(never, 0, last))
    return np.where(never, 1, steps)


def tails(rows: Panel, before: Floats) -> Floats:
    """Return the last values of each series (N, K), those of `before` (N, K) followed by `rows`."""
    size = before.shape[1]
    back = np.arange(size) - size  # -K .. -1 from the end
    given = back >= -rows.lengths[:, None]
    values = np.append(rows.values, np.nan)
    own = values[np.where(given, rows.offsets[1:, None] + back, -1)]
    shift = np.minimum(rows.lengths, size)[:, None]
    old = np.take_along_axis(before, np.minimum(np.arange(size) + shift, size - 1), axis=1)
    return np.where(given, own, old)


def _with_holes(rows: Panel, hole: NDArray[np.int64], last: Times) -> Panel:
    worst = int(hole.argmax())
    if hole[worst] > SPAN:
        raise DataError(
            f"series `{rows.ids[worst]}` skips {hole[worst]:,} steps after its last row",
            hint="check the timestamps, or use `--fresh` to forget the stored state",
        )
    offsets = rows.offsets + np.concatenate([[0], np.cumsum(hole)])
    values = np.full(int(offsets[-1]), np.nan)
    target = np.arange(len(rows.values)) + np.repeat(np.cumsum(hole), rows.lengths)
    values[target] = rows.values
    begin = rows.clock.ahead(np.where(hole > 0, last, 0), 1)[:, 0]
    starts = np.where(hole > 0, begin, rows.starts)
    beside = rows.covariates and rows.covariates.spread(target, len(values))
    return replace(rows, values=values, offsets=offsets, starts=starts, covariates=beside)


def absorb(
    model: Model,
    state: State,
    rows: Panel,
    transform: Transform,
    scales: Floats,
    covariates: Floats,
) -> State:
    """Return `state` carried over `rows`, whose series may differ in length.

    `covariates` (T, E) are those of the rows, as `beside` returns them.
    """
    z = transform.forward(rows.values, np.repeat(scales, rows.lengths))
    times, clock = rows.all_times(), rows.clock.of(rows.ids)
    state = {name: array.copy() for name, array in state.items()}
    for which, index in blocks(rows.offsets):
        part = {name: array[which] for name, array in state.items()}
        seen = sight(clock.at(which), times[index], covariates[index])
        moved = model.absorb(part, z[index], seen)
        for name, array in moved.items():
            state[name][which] = array
    return state


def beside(
    coding: Coding, rows: Panel, before: Floats | None = None, previous: Floats | None = None
) -> Floats:
    """Return the covariates (T, E) of `rows`, filled from the past.

    `before` (N, E) are those of the row before the first; none: the mean, 0. `previous` (N,) are
    the values there.
    """
    if not len(coding):
        return np.zeros((len(rows.values), 0))
    rows = sessions.derive(rows, [column.name for column in coding.columns], previous)
    start = np.zeros((len(rows), len(coding))) if before is None else before
    return carried(coding.code(rows.covariates), rows.offsets, start)


def sight(clock: Clock, times: Times, covariates: Floats) -> Floats:
    """Return what a model sees of steps (...): phases (..., S + 1), covariates (..., E) behind."""
    phases = clock.phases(times)
    return np.concatenate([phases, covariates], axis=-1) if covariates.shape[-1] else phases


def blocks(
    offsets: NDArray[np.int64],
) -> "list[tuple[NDArray[np.int64], NDArray[np.int64]]]":
    """Cut ragged rows into dense blocks: pairs of series (n,) and places of their rows (n, t).

    Series are aligned at their ends; a shorter one joins when its first row comes. So the number
    of blocks grows with the number of distinct lengths, not with the series.
    """
    lengths = np.diff(offsets)
    out = []
    for left, stay in pairwise([*sorted(set(lengths.tolist()), reverse=True), 0]):
        if left == stay:
            continue
        which = np.flatnonzero(lengths >= left)
        span = max(BLOCK // len(which), 1)
        for first in range(int(left), int(stay), -span):
            count = min(span, first - int(stay))
            out.append((which, offsets[1:][which][:, None] - first + np.arange(count)))
    return out


def windows(
    model: Model,
    start: State,
    rows: Panel,
    z: Floats,
    held: int,
    stride: int,
    covariates: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Forecast again and again over the last `held` rows of every series, `stride` rows apart.

    `start` is the state before those rows, `covariates` (T, E) are of all rows; a forecast sees
    those that are static or known, at the steps it is for. Returns quantiles (V, N, H, Q), scale
    (V, N, H) and truth (V, N, H), all of z; truth beyond the last row is NaN.
    """
    horizon = model.setting.horizon
    index = rows.offsets[1:, None] - held + np.arange(held)  # (N, held)
    times = rows.all_times()[index]
    future = np.concatenate([z[index], np.full((len(rows), horizon), np.nan)], axis=1)
    before = rows.all_times()[index[:, 0] - 1]
    given = model.setting.static + model.setting.known
    clock = rows.clock.of(rows.ids)
    quantiles, scale, truth, state = [], [], [], start
    for v in range(0, held, stride):
        last = before if v == 0 else times[:, v - 1]
        steps = np.minimum(index[:, [v]] + np.arange(horizon), index[:, -1:])
        ahead = sight(clock, clock.ahead(last, horizon), covariates[steps, : len(given)])
        prediction = model.predict(state, ahead)
        quantiles.append(prediction.quantiles)
        scale.append(prediction.scale)
        truth.append(future[:, v : v + horizon])
        stop = min(v + stride, held)
        seen = sight(clock, times[:, v:stop], covariates[index[:, v:stop]])
        state = model.absorb(state, z[index[:, v:stop]], seen)
    return np.stack(quantiles), np.stack(scale), np.stack(truth)
