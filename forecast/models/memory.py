"""The last values of each series, gaps filled from the past only; what a direct readout sees.

A ring holds the last C values, oldest first. Where fewer are known, the ring goes on backwards
with the longest season that is known (else with the oldest value), and a missing value is taken
from one such season ago. Rows before the first observation move nothing.

On prices (`difference`) the ring holds changes; a missing price repeats the last one, and the
exponentially weighted variance of the changes is carried along,

    v[t] = 0.94 v[t-1] + 0.06 c[t]^2                                                        (1)

(RiskMetrics technical document, 1996). Shapes: N series, T rows, C values in the ring.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forecast.models.base import Floats, State

DECAY = 0.94


@dataclass(frozen=True, slots=True)
class Memory:
    """A ring of `size` values per series, of values or of their changes."""

    size: int
    seasons: tuple[int, ...]
    difference: bool

    def start(self, series: NDArray[np.int64], variance: Floats) -> State:
        """Return the state before any row; `variance` (N,) of the changes starts (1)."""
        n = len(series)
        return {
            "series": series.astype(np.int64),
            "ring": np.zeros((n, self.size)),
            "seen": np.zeros(n, np.int64),
            "last": np.full(n, np.nan),
            "variance": variance.astype(np.float64),
        }

    def absorb(self, state: State, z: Floats) -> tuple[State, Floats, NDArray[np.int64]]:
        """Return the state after rows `z` (N, T), the rows without gaps (N, T), `seen` (N, T)."""
        if z.shape[1] == 1 and not self.difference and np.isfinite(state["last"] + z[:, 0]).all():
            ring = np.concatenate([state["ring"][:, 1:], z], axis=1)
            after = {**state, "ring": ring, "last": z[:, 0], "seen": state["seen"] + 1}
            return after, z, after["seen"][:, None]
        rows = np.zeros(z.shape)
        seen = np.zeros(z.shape, np.int64)
        after = {name: array.copy() for name, array in state.items()}
        for i in range(len(z)):
            rows[i], seen[i] = self._absorb_one(after, i, z[i])
        return after, rows, seen

    def windows(self, ring: Floats, rows: Floats, seen: NDArray[np.int64]) -> Floats:
        """Return the `ring` (C,) as it stood after each of `rows` (T,): (T, C).

        `seen` (T,) is how many values each row had shown.
        """
        joined = np.concatenate([ring, rows])
        views = joined[None, 1:] if len(rows) == 1 else sliding_window_view(joined, self.size)[1:]
        short = np.flatnonzero(seen < self.size)
        if not len(short):
            return views
        views = views.copy()
        views[short] = self.extend(views[short], seen[short])
        return views

    def extend(self, rings: Floats, seen: NDArray[np.int64]) -> Floats:
        """Return `rings` (B, C), of which the last `seen` (B,) values are known, all known."""
        if not len(seen) or seen.min() >= self.size:
            return rings
        known = np.minimum(seen, self.size)
        period = self._period(np.maximum(known, 1))[:, None]
        place = np.broadcast_to(np.arange(self.size), rings.shape)
        lacking = np.maximum((self.size - known)[:, None] - place, 0)
        source = np.minimum(place + -(-lacking // period) * period, self.size - 1)
        return np.take_along_axis(rings, source, axis=1)

    def _period(self, known: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the longest season that fits into `known` values, else 1."""
        period = np.ones_like(known)
        for season in sorted(self.seasons):
            period = np.where(known >= season, season, period)
        return np.minimum(period, self.size)

    def _absorb_one(self, state: State, i: int, z: Floats) -> tuple[Floats, NDArray[np.int64]]:
        observed = np.isfinite(z)
        begun = bool(np.isfinite(state["last"][i]))
        first = 0 if begun else (int(observed.argmax()) if observed.any() else len(z))
        rows, seen = np.zeros(len(z)), np.zeros(len(z), np.int64)
        if first == len(z):
            return rows, seen
        if self.difference:
            levels = np.concatenate([[state["last"][i] if begun else z[first]], z[first:]])
            at = np.maximum.accumulate(np.where(np.isfinite(levels), np.arange(len(levels)), 0))
            rows[first:] = np.diff(levels[at])
            first += not begun
            state["variance"][i] = _weigh(state["variance"][i], rows[first:], observed[first:])
        else:
            rows[first:] = self._fill(state["ring"][i], int(state["seen"][i]), z[first:])
        seen[first:] = state["seen"][i] + np.arange(1, len(z) - first + 1)
        state["last"][i] = z[observed][-1] if observed.any() else state["last"][i]
        state["ring"][i] = np.concatenate([state["ring"][i], rows[first:]])[-self.size :]
        state["seen"][i] += len(z) - first
        return rows, seen

    def _fill(self, ring: Floats, seen: int, z: Floats) -> Floats:
        missing = np.flatnonzero(~np.isfinite(z))
        if not len(missing):
            return z
        flat = np.concatenate([ring, z])
        for t in missing:
            known = np.array([min(seen + int(t), self.size)])
            flat[self.size + t] = flat[self.size + t - int(self._period(known)[0])]
        return flat[self.size :]


def _weigh(variance: float, changes: Floats, observed: NDArray[np.bool_]) -> float:
    """Carry (1) over the observed changes."""
    for change in changes[observed]:
        variance = DECAY * variance + (1 - DECAY) * change * change
    return float(variance)
