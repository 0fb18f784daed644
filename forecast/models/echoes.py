"""Echo state network on prices: a reservoir hears what they have shown, readouts say the rest.

    x[t] = (1 - a) x[t-1] + a tanh(W_in [1; u[t]] + W x[t-1])     u: models/moves.py         (1)
    f    = [1; u[T]; days closed before T + 1; known; static; x[T]]                          (2)
    q[h] = z[T] + sqrt(v h) (shrink f B[h] + exp(f A[h]) shape[h])                           (3)

The state is carried, not run anew: a row costs the same however long the past. `A` says how much
wider or narrower than `naive-ewma` the return will spread, `shape` is symmetric and that of the
standardised returns of the training rows, and `shrink` draws the median to the random walk.

Shapes: M reservoirs, R units, N series, T rows, F inputs, P features, H horizon, Q levels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import Arrays, Floats, Prediction, Setting, State, known
from forecast.models.esn import BLOCK, ESN, ESNConfig, Parts, joined, run, worthwhile_kernels
from forecast.models.moves import FAR, Moves, coming
from forecast.models.returns import walked

Singles = NDArray[np.float32]


def build(config: ESNConfig, setting: Setting, arrays: Arrays) -> "ESN | Echoes":
    """Return the network asked for: `Echoes` on prices, else `ESN`, or one that learns on."""
    if setting.difference:
        return Echoes(config, setting, arrays)
    if config.adapt == "yes":
        from forecast.models.adaptation import Adaptive

        return Adaptive(config, setting, arrays)
    return ESN(config, setting, arrays)


@dataclass(frozen=True, eq=False)
class Echoes:
    """The arrays of (1) and (3), and `variance` (N,) of the changes of each fitted series.

    `W`, `W_from` (M, R, K) and `W_in` (M, F + 1, R) as in `ESN`; `A` and `B` (P, H), the states of
    all reservoirs side by side; `shape` (H, Q).
    """

    config: ESNConfig
    setting: Setting
    arrays: Arrays

    @cached_property
    def moves(self) -> Moves:
        """The recursions that rows are carried by."""
        return Moves.of(self.setting, self.arrays)

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state before any row of `series` (N,): x = 0."""
        n = len(series)
        state = self.moves.start(series, known(self.arrays["variance"], series))
        return state | {
            "now": np.zeros((n, self.moves.inputs), np.float32),
            "x": np.zeros((n, *self.arrays["W"].shape[:2]), np.float32),
        }

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry `state` over rows `z` (N, T) by (1)."""
        after, rows = self.moves.walk(state, z, phases)
        if not z.shape[1]:
            return after
        x = state["x"].copy()
        for i, u in enumerate(rows.u):
            begun = np.flatnonzero(~np.isnan(rows.last[i]))
            for first in range(int(begun[0]) if len(begun) else len(u), len(u), BLOCK):
                x[i] = self.driven(x[i], u[first : first + BLOCK])[-1]
        return after | {"now": rows.u[:, -1], "x": x}

    def driven(self, x: Singles, u: Singles) -> Singles:
        """Return the states (T, M, R) that follow `x` (M, R) over inputs u (T, F)."""
        kernels = worthwhile_kernels(len(u) * x.size)
        inputs = np.concatenate([np.ones((len(u), 1), np.float32), u], axis=1)
        out = run(x.ravel(), inputs, self._whole, self.config.leak_rate, kernels)
        return out.reshape(len(u), *x.shape)

    @cached_property
    def _whole(self) -> Parts:
        return joined(self.arrays)

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Forecast the steps at `phases` (N, H, columns) by (3)."""
        beside = coming(phases, state["phase"], self.setting)
        f = features(state["now"], beside, state["x"].reshape(len(beside), -1))
        a = self.arrays
        wide = np.exp(np.clip(f @ a["A"], -FAR, FAR))[..., None]  # (N, H, 1)
        middle = max(self.config.shrink, 0.0) * (f @ a["B"])[..., None]
        return Prediction(*walked(middle + wide * a["shape"], state))


def features(u: Singles, beside: Floats, x: Singles) -> Floats:
    """Return (2) (B, P) of inputs u (B, F), what is known of the steps (B, G), states x (B, R)."""
    return np.concatenate([np.ones((len(u), 1)), u, beside, x], axis=1, dtype=np.float64)
