"""Many series through the same reservoir, side by side.

The weights are then read once for all of them, and what a unit hears of its neighbours is one
stretch of memory instead of eight places: 64 series take a third of the time that they take one
after another. A series that has not begun stands still, its leak rate 0.

Shapes: N series, T rows, M reservoirs, R units, L series side by side, B rows of a block.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import Floats, State

if TYPE_CHECKING:
    from forecast.models.esn import ESN

Singles = NDArray[np.float32]
FEWEST = 32  # series for which this pays
MOST = 128  # side by side: their states lie in the second cache
ROWS = 32  # of a block
INPUTS = 4  # at least, what the kernel takes at once


def carry(
    model: "ESN", state: State, rows: Floats, seen: NDArray[np.int64], phases: Floats, fast: Any
) -> Singles:
    """Return the states (N, M, R) after `rows` (N, T), as `ESN.absorb` carries them one by one."""
    out = np.empty(state["x"].shape, np.float32)
    for first in range(0, len(rows), MOST):
        which = range(first, min(first + MOST, len(rows)))
        x = np.ascontiguousarray(state["x"][which.start : which.stop].transpose(1, 2, 0))
        for begin in range(0, rows.shape[1], ROWS):
            part = slice(begin, begin + ROWS)
            each = [model.heard(state, i, rows[i], seen[i], phases[i], part) for i in which]
            inputs = _side_by_side(each)
            moved = (seen[which.start : which.stop, part] > 0).T
            leak = np.ascontiguousarray(moved * np.float32(model.config.leak_rate))
            for m in range(len(x)):
                W, W_from, W_in = model.parts(m)
                W_in = np.pad(W_in, ((0, inputs.shape[1] - len(W_in)), (0, 0)))
                x[m] = fast.states_abreast(x[m], inputs, W_in, W, W_from, leak)
        out[which.start : which.stop] = x.transpose(2, 0, 1)
    return out


def _side_by_side(each: list[Floats]) -> Singles:
    """Return the inputs (B, U, L) of L series, (B, U) each, filled up to what the kernel takes."""
    inputs = np.stack(each, axis=-1).astype(np.float32)
    lacking = max(INPUTS - inputs.shape[1], 0)
    return np.pad(inputs, ((0, 0), (0, lacking), (0, 0)))
