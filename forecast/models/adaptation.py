"""An echo state network whose readout goes on learning from every row that it absorbs.

A fit leaves A = G + n ridge D, the sums of products and the penalty (`training/ridge.py`), and W.
B further rows F with targets Y are taken in by recursive least squares,

    S = I + F P F',  W <- W + P F' S^-1 (Y - F W),  P <- P - P F' S^-1 F P,  P = A^-1 at first  (1)

so that W is at any time the ridge readout of all rows so far, the penalty as it was at the fit
(Haykin, "Adaptive filter theory", chapter 10). A row costs the same however many came before. It is
learnt from when its H targets have come; with a missing one among them it is passed over. Rows of
the fit are not learnt twice: they are counted, from the first value of a series on.

Shapes: N series, T rows, M reservoirs, R units, P features of a reservoir's readout, H horizon,
B rows learnt at once, C values in the ring, L rows of covariates looked back on.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forecast.models.base import Floats, State
from forecast.models.esn import ESN, Singles
from forecast.models.linear import CLIP

ROWS = 64  # learnt at once
OWN = ("weights", "inverse", "before", "observed", "trail", "sights")  # of the state


class Adaptive(ESN):
    """A network that learns on; `arrays` hold what (1) starts from beside those of `ESN`.

    weights (K, M, P, H) and inverse (K, M, P, P) of the readouts that `which` names, until (N + 1,)
    the rows of each series that the fit has learnt from.
    """

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state before any row of `series` (N,): what was fitted, and empty trails."""
        state, which, N = super().start(series), self.arrays["which"][series], len(series)
        H = self.setting.horizon
        return (
            state
            | {
                "weights": self.arrays["weights"][which],
                "inverse": self.arrays["inverse"][which],
                "before": np.zeros((N, H)),  # values that have left the ring
                "observed": np.zeros((N, H), np.bool_),  # whether the last values had come
                "trail": np.zeros(
                    (N, H, *self.arrays["W"].shape[:2]), np.float32
                ),  # the last states
                "sights": np.zeros(
                    (N, H + self.outside.rows - 1, self.setting.columns)
                ),  # the last phases
            }
        )

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry `state` over rows `z` (N, T), and learn from those whose targets are complete."""
        light = {name: array for name, array in state.items() if name not in OWN}
        after, rows, seen = self.memory.absorb(light, z)
        after |= {name: state[name].copy() for name in OWN}
        for i in range(len(z)):
            first = int(np.count_nonzero(seen[i] == 0))
            trail = self._trail(state, i, rows[i], seen[i], phases[i])
            trail = np.concatenate([state["trail"][i], trail])
            self._learn(after, state["ring"][i], i, rows[i, first:], z[i, first:],
                        phases[i, first:], trail)  # fmt: skip
            after["x"][i] = trail[-1]
            after["trail"][i] = trail[-self.setting.horizon :]
        return after | self.outside.absorb(state, phases)

    def read(self, state: State, features: Floats) -> Floats:
        """Return what the readouts say (N, H) in spreads, the mean over the reservoirs."""
        M, R = self.arrays["W"].shape[:2]
        plain = features.shape[1] - M * R
        said = np.zeros((len(features), self.setting.horizon))
        for m in range(M):
            x = features[:, plain + m * R : plain + (m + 1) * R]
            part = np.concatenate([features[:, :plain], x], axis=1)
            said += np.einsum("np,nph->nh", part, state["weights"][:, m]) / M
        return said

    def _trail(
        self, state: State, i: int, rows: Floats, seen: NDArray[np.int64], phases: Floats
    ) -> Singles:
        """Return the states (B, M, R) of the rows (T,) of series `i` from its first value on."""
        x, parts = state["x"][i], [np.zeros((0, *state["x"].shape[1:]), np.float32)]
        for inputs in self.passes(state, i, rows, seen, phases):
            parts.append(np.stack([self.drive(m, x[m], inputs) for m in range(len(x))], axis=1))
            x = parts[-1][-1]
        return np.concatenate(parts)

    def _learn(
        self, after: State, ring: Floats, i: int, rows: Floats, z: Floats, phases: Floats,
        trail: Singles,
    ) -> None:  # fmt: skip
        """Learn series `i` from the origins whose last target is among `rows` (T,), in place.

        Origin j is H rows before row j; `ring` is that before the rows, `trail` (H + T, M, R).
        """
        T, H, C = len(rows), self.setting.horizon, self.memory.size
        flat = np.concatenate([after["before"][i], ring, rows])
        came = np.concatenate([after["observed"][i], np.isfinite(z)])
        sights = np.concatenate([after["sights"][i], phases])
        count = int(after["seen"][i]) - T - H + 1 + np.arange(T)  # (T,) rows up to the origin
        new = count + H > self.arrays["until"][after["series"][i]]
        complete = np.all(sliding_window_view(came, H)[1:], axis=1)
        mask = new & complete & (count > 0)
        if mask.any():
            future = sliding_window_view(flat[C + 1 :], H)[:T]
            windows = self.memory.windows(flat[:C], flat[C : C + T], count)
            plain, targets = self._pairs(windows, future, count, sights, int(after["series"][i]))
            for m in range(trail.shape[1]):
                F, at = np.concatenate([plain[mask], trail[:T, m][mask]], axis=1), (i, m)
                P, W = after["inverse"][at], after["weights"][at]
                after["inverse"][at], after["weights"][at] = learn(P, W, F, targets[mask])
        after["before"][i] = flat[len(flat) - C - H : len(flat) - C]
        after["observed"][i] = came[-H:]
        after["sights"][i] = sights[-after["sights"].shape[1] :]

    def _pairs(
        self, windows: Floats, future: Floats, count: NDArray[np.int64], sights: Floats, series: int
    ) -> tuple[Floats, Floats]:
        """Return the plain features (T, .) of origins and their targets (T, H) in spreads."""
        T, back = len(windows), self.outside.rows
        centred, level, spread = self.centre(windows, count, np.full(T, series))
        ahead = self.outside.along(sights)
        recent, known = (each[back - 1 :][:T] for each in ahead)
        plain = self.readout.features(centred, sights[back:][:T])
        targets = np.clip((future - level[:, None]) / spread[:, None], -CLIP, CLIP)
        return np.concatenate([plain, self.outside.features(recent, known)], axis=1), targets


def learn(inverse: Floats, weights: Floats, F: Floats, Y: Floats) -> tuple[Floats, Floats]:
    """Return P (P, P) and W (P, H) after rows `F` (T, P) with targets `Y` (T, H), by (1)."""
    for begin in range(0, len(F), ROWS):
        f, y = F[begin : begin + ROWS], Y[begin : begin + ROWS]
        heard = f @ inverse  # F P
        S = np.eye(len(f)) + heard @ f.T
        weights = weights + heard.T @ np.linalg.solve(S, y - f @ weights)
        half = np.linalg.solve(np.linalg.cholesky(S), heard)
        inverse = inverse - half.T @ half  # symmetric whatever the rounding
    return inverse, weights
