"""Cut the history of a series into blocks of rows with what a readout sees and should say.

The windows come from the model's own memory, so that what is learnt from is what `predict` sees.
Shapes: T rows of a series, B rows of a block, C values in the ring, H horizon, N series.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forecast.models.base import Floats, History
from forecast.models.linear import CLIP, TINY, Linear, Readout
from forecast.models.memory import Memory

BLOCK = 1000  # rows held at once
SPARSE = 0.25  # share of rows with every target known, below which one known target will do

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows of one series that lie next to each other."""

    centred: Floats  # (B, C) windows in spreads about their level
    phases: Floats  # (B, S + 1)
    ahead: Floats  # (B, S + 1) phases one step ahead
    targets: Floats  # (B, H) in spreads about the level
    outside: Floats  # (B, F) what is seen of covariates
    moved: Mask  # (B,) rows from the first observation on
    learn: Mask  # (B,) rows to learn from
    hold: Mask  # (B,) rows to choose on


def blocks(model: Linear, history: History, i: int, washout: int = 0) -> Iterator[Block]:
    """Yield the rows of series `i` in order; the first `washout` are not learnt from."""
    z, phases = history.z[history.whole(i)], history.phases[history.whole(i)]
    horizon, difference = model.setting.horizon, model.setting.difference
    ahead = np.concatenate([phases[1:], phases[-1:]])
    rows, seen = _absorbed(model.memory, z)
    before = max(model.memory.size, washout)
    learn, hold = _origins(z, seen, int(history.validation[i]), before, horizon)
    value = np.cumsum(rows) if difference else rows
    recent, after = model.outside.along(phases)
    future = sliding_window_view(np.concatenate([value, np.zeros(horizon)])[1:], horizon)
    for part, windows in _windows(model.memory, rows, seen):
        number = np.full(len(windows), i)
        centred, level, spread = model.centre(windows, seen[part], number)
        origin = value[part] if difference else level
        targets = np.clip((future[part] - origin[:, None]) / spread[:, None], -CLIP, CLIP)
        yield Block(
            centred, phases[part], ahead[part], targets,
            model.outside.features(recent[part], after[part]),
            seen[part] > 0, learn[part], hold[part],
        )  # fmt: skip


def spreads(readout: Readout, history: History) -> Floats:
    """Return the root mean square (N + 1,) of each series about its level; the last is typical.

    Only training rows count.
    """
    out = np.ones(len(history) + 1)
    for i in range(len(history)):
        rows, seen = _absorbed(readout.memory, history.z[history.training(i)])
        squares = 0.0
        for part, windows in _windows(readout.memory, rows, seen):
            newest = windows[:, -1] - readout.level(windows)
            squares += float(np.square(newest[seen[part] > 0]).sum())
        root = np.sqrt(squares / max(int(np.count_nonzero(seen)), 1))
        out[i] = root if root > TINY else 1.0
    out[-1] = np.median(out[:-1]) if len(history) else 1.0
    return out


def _absorbed(memory: Memory, z: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the rows (T,) of one series without gaps, and how many each had seen (T,)."""
    _, rows, seen = memory.absorb(memory.start(np.zeros(1, np.int64), np.zeros(1)), z[None])
    return rows[0], seen[0]


def _windows(
    memory: Memory, rows: Floats, seen: NDArray[np.int64]
) -> Iterator[tuple[slice, Floats]]:
    flat = np.concatenate([np.zeros(memory.size), rows])
    for begin in range(0, len(rows), BLOCK):
        part = slice(begin, min(begin + BLOCK, len(rows)))
        yield part, memory.windows(flat[begin : begin + memory.size], rows[part], seen[part])


def _origins(
    z: Floats, seen: NDArray[np.int64], held: int, before: int, horizon: int
) -> tuple[Mask, Mask]:
    """Return which rows (T,) are learnt from and which are chosen on."""
    T, t = len(z), np.arange(len(z))
    known = sliding_window_view(
        np.concatenate([np.isfinite(z), np.zeros(horizon, np.bool_)])[1:], horizon
    )
    first = int(np.count_nonzero(seen == 0))
    begin = first + min(before, (T - held - first) // 2)
    learn = (t >= begin) & (t + horizon < T - held)
    hold = (t >= max(T - held - 1, first)) & (t + horizon < T) & (held > 0)
    usable: Mask = np.all(known, axis=1)
    if learn.any() and usable[learn].mean() < SPARSE:
        usable = np.any(known, axis=1)
    return learn & usable, hold & usable
