"""RNN and GRU on prices: the distribution of the return over each of the next H steps.

The price itself is nearly a random walk; what can be forecast is how far it will walk. With v and
u of models/moves.py,

    h[t]   = cell([u[t]; e], h[t-1])      models/recurrent.py, over the last C rows         (1)
    f      = [h[T]; u[T]; days closed before T + 1; known; static; e],  g = relu(V f + d)   (2)
    [a[h]; m[h]; shape[h]] = head g + skip f + bias                                         (3)
    q[h]   = z[T] + sqrt(v h) (shrink m[h] + exp(a[h]) shape[h])                            (4)

The shape is symmetric, as no skew of returns lasts, and its increments go through softplus:
quantiles never cross. Where head and skip are zero and the bias is that of a normal, (4) is the
`naive-ewma`; training starts there. `shrink` draws the median to the random walk as far as
held-back windows ask for it.

Shapes: M members averaged, N series, T rows, C rows of context, F inputs, H horizon, Q levels.
"""

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import MEDIAN, Floats, Prediction, Setting, State, known
from forecast.models.inputs import Floats32
from forecast.models.moves import FAR, SMALLEST, Moves, coming
from forecast.models.recurrent import CHUNK, GRUConfig, Recurrent, RNNConfig, located

CONTEXT = 30  # rows, unless the config says otherwise
FEWEST = 5  # steps ahead that are learnt together: several show a spread better than one
OUTPUTS = 2 + MEDIAN  # of (3) for each step: scale, median, increments


def context(config: GRUConfig | RNNConfig) -> int:
    """Return C."""
    return config.context or CONTEXT


def reach(setting: Setting) -> int:
    """Return how many steps ahead the net learns, at least the horizon."""
    return max(setting.horizon, FEWEST)


class Returns(Recurrent):
    """The arrays of (1) to (3), and `variance` (N,) of the changes of each fitted series."""

    @property
    def moves(self) -> Moves:
        """The recursions that rows are carried by."""
        return Moves.of(self.setting, self.arrays)

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state before any row of `series` (N,)."""
        moves = self.moves
        ring = np.zeros((len(series), context(self.config), moves.inputs), np.float32)
        return moves.start(series, known(self.arrays["variance"], series)) | {"ring": ring}

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry the averages over rows `z` (N, T) and keep what the last C of them showed."""
        after, rows = self.moves.walk(state, z, phases)
        size = state["ring"].shape[1]
        return after | {"ring": np.concatenate([state["ring"], rows.u], axis=1)[:, -size:]}

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Run the net over the ring and average the members' quantiles."""
        cuts = [slice(a, a + CHUNK) for a in range(0, max(len(phases), 1), CHUNK)]
        parts = [self._some({k: v[c] for k, v in state.items()}, phases[c]) for c in cuts]
        quantiles = np.concatenate([q for q, _ in parts])
        return Prediction(quantiles, np.concatenate([s for _, s in parts]))

    def _some(self, state: State, phases: Floats) -> tuple[Floats, Floats]:
        """Return quantiles (N, H, Q) and their scale (N, H), by (4)."""
        setting = self.setting
        target = coming(phases, state["phase"], setting)
        out = self.net_of_returns(state["ring"], target.astype(np.float32), state["series"])
        shape = out.astype(np.float64).mean(axis=0)[:, : setting.horizon]  # (N, H, Q)
        return walked(shape, state)

    def net_of_returns(self, u: Floats32, target: Floats32, series: NDArray[np.int64]) -> Floats32:
        """Return quantiles (M, N, reach, Q) in spreads of windows u (N, C, F), (1) to (4)."""
        a, members, horizon = self.arrays, len(self.arrays["W"]), reach(self.setting)
        e = self._vectors(series)  # (M, N, E)
        h: Floats32 = np.zeros((members, len(u), a["U"].shape[1]), np.float32)
        for t in range(u.shape[1]):
            w = np.concatenate([_each(u[:, t], members), e], axis=-1) @ a["W"]
            h = self._step(w + a["b"][:, None], h)
        f = np.concatenate([h, _each(u[:, -1], members), _each(target, members), e], axis=-1)
        g = np.maximum(f @ a["V"] + a["d"][:, None], 0)  # (2)
        raw = g @ a["head"] + f @ a["skip"] + a["bias"][:, None]  # (3)
        raw = raw.reshape(*g.shape[:2], horizon, OUTPUTS)
        wide = np.exp(np.clip(raw[..., :1], -FAR, FAR))
        middle = raw[..., 1, None] * np.float32(max(self.config.shrink, 0.0))
        up = np.cumsum(np.logaddexp(0, raw[..., 2:]), axis=-1)
        shape = np.concatenate([-up[..., ::-1], np.zeros_like(middle), up], axis=-1)
        out: Floats32 = middle + wide * shape  # (4)
        return out


def walked(shape: Floats, state: State) -> tuple[Floats, Floats]:
    """Return quantiles (N, H, Q) of z from `shape` (N, H, Q) in spreads, and their scale (N, H)."""
    spread = np.sqrt(np.maximum(state["variance"][:, None], SMALLEST**2))
    unit = spread * np.sqrt(np.arange(1, shape.shape[1] + 1))  # (N, H)
    return located(shape, np.nan_to_num(state["last"]), unit)


def _each(values: Floats32, members: int) -> Floats32:
    return np.broadcast_to(values, (members, *values.shape))
