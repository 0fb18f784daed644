"""RNN and GRU over segments of a season, with a quantile head over the whole horizon.

One recurrent step reads one segment of P rows (a day of hours); the context is the last J
segments. Everything is normalised by the window itself, so nothing is learnt about the level.

    x[j]  = (segment j - m) / s                    m, s: level and spread of the window      (1)
    u[j]  = [x[j]; calendar of segment j; e]       e: a learned vector of the series         (2)
    RNN:  h[j] = f(W u[j] + U h[j-1] + b)          f: tanh or relu                           (3)
    GRU:  r = S(W_r u + U_r h + b_r)               Cho et al. (2014), as torch.nn.GRU        (4)
          z = S(W_z u + U_z h + b_z)                                                         (5)
          h' = z * h + (1 - z) * tanh(W u + b + r * (U h + c))                               (6)
    g     = relu(V [h[J]; x[J]; calendar of the target; e] + d)                              (7)
    base  = sum_j A[step, j](g) x[j][step mod P]   a learned mix of the same hours           (8)
    q     = m + s (base + quantile head(g))        increments by softplus: never crossing    (9)

Prices are another matter: models/returns.py.

Shapes: M members averaged, N series, J segments, P steps, I inputs, H horizon, Q levels, C = J P.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import (
    LEVELS,
    MEDIAN,
    Arrays,
    Floats,
    Prediction,
    Setting,
    State,
    push,
)

Floats32 = NDArray[np.float32]
HARMONICS = (3, 3)  # of the first and of the other seasons
YEAR_HARMONICS = 2
SMALLEST = 1e-4  # spread of a window, in units of scaled z
CHUNK = 4096  # series forecast at once


@dataclass(frozen=True, slots=True)
class RecurrentConfig:
    """What both cells share. 0 means: chosen from the data."""

    units: int = 64  # of the recurrent state
    head: int = 96  # units of the layer after it
    segment: int = 0  # rows read at one recurrent step; 0: one season, or one row without
    context: int = 0  # segments looked back on; 0: two weeks of them, or 60 rows without seasons
    embedding: int = 8  # numbers learned for each series of a panel
    members: int = 3  # nets that differ in their seed, averaged
    batch: int = 64  # windows in one update
    updates: int = 1200  # length of the learning-rate schedule
    stop: int = 0  # update at which it is cut; 0: chosen on the held-back rows
    rate: float = 3e-3  # peak learning rate
    weight_decay: float = 1e-2  # pull of all weights towards zero, AdamW
    clip: float = 1.0  # largest norm of the gradient
    dropout: float = 0.1
    home: float = 0.75  # share of training windows that end at the hour the data end
    shrink: float = -1.0  # of the mean to the random walk on prices; below 0: chosen

    def __post_init__(self) -> None:
        """Refuse sizes no net can have."""
        for name in ("units", "head", "members", "batch", "updates"):
            if getattr(self, name) < 1:
                raise ValueError(f"setting `{name}` must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError("setting `dropout` must be in [0, 1)")


@dataclass(frozen=True, slots=True)
class GRUConfig(RecurrentConfig):
    """Gated recurrent unit."""

    cell: Literal["gru"] = "gru"


@dataclass(frozen=True, slots=True)
class RNNConfig(RecurrentConfig):
    """Elman network; relu starts from the identity (Le, Jaitly, Hinton 2015)."""

    cell: Literal["rnn"] = "rnn"
    activation: Literal["tanh", "relu"] = "tanh"


def segment(config: RecurrentConfig, setting: Setting) -> int:
    """Return P, the rows of one recurrent step."""
    if config.segment:
        return config.segment
    return setting.seasons[0] if setting.seasons else 1


def context(config: RecurrentConfig, setting: Setting) -> int:
    """Return J, the segments of the context."""
    if config.context:
        return config.context
    if not setting.seasons:
        return 60
    size = segment(config, setting)
    longest = setting.seasons[-1] if len(setting.seasons) > 1 else 4 * setting.seasons[-1]
    return max(-(-2 * longest // size), 2)


def level_rows(config: RecurrentConfig, setting: Setting) -> int:
    """Return over how many last rows the level m is taken: one longest season, if in context."""
    rows = segment(config, setting) * context(config, setting)
    return min(setting.seasons[-1], rows) if setting.seasons else rows


def calendar_size(setting: Setting) -> int:
    """Return how many numbers `calendar` gives."""
    waves = sum(HARMONICS[min(k, 1)] for k in range(len(setting.seasons)))
    return 2 * (waves + (YEAR_HARMONICS if setting.year else 0))


def calendar(phases: Floats, setting: Setting) -> Floats:
    """Return sines and cosines (..., K) of `phases` (..., S + 1)."""
    waves = [(k, n + 1) for k in range(len(setting.seasons)) for n in range(HARMONICS[min(k, 1)])]
    if setting.year:
        waves += [(len(setting.seasons), n + 1) for n in range(YEAR_HARMONICS)]
    if not waves:
        return np.zeros((*phases.shape[:-1], 0))
    angle = 2 * np.pi * np.stack([n * phases[..., k] for k, n in waves], axis=-1)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=-1)


def phases_before(target: Floats, setting: Setting, size: int, count: int) -> Floats:
    """Return the phases (N, J, S + 1) of the first row of each of `count` segments of `size` rows.

    `target` (N, S + 1) is the phase of the first step ahead; segments lie right before it.
    """
    back = size * np.arange(count, 0, -1)  # (J,) rows before the first step ahead
    out = np.repeat(target[:, None], count, axis=1)
    for k, season in enumerate(setting.seasons):
        out[..., k] = np.mod(out[..., k] - back / season, 1.0)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A context as the net sees it: x (N, J, P) without gaps, level and spread (N,)."""

    x: Floats
    level: Floats
    spread: Floats


def window(ring: Floats, config: RecurrentConfig, setting: Setting) -> Window:
    """Normalise `ring` (N, C) by (1)."""
    size = segment(config, setting)
    seen = ~np.isnan(ring)
    values = np.where(seen, ring, 0.0)
    recent = level_rows(config, setting)
    level = _mean(values[:, -recent:], seen[:, -recent:])
    level = np.where(seen[:, -recent:].any(axis=1), level, _mean(values, seen))
    centred = np.where(seen, ring - level[:, None], 0.0)
    spread = np.sqrt(np.maximum(_mean(centred**2, seen), SMALLEST**2))
    x = (centred / spread[:, None]).reshape(len(ring), -1, size)
    seen = seen.reshape(x.shape)
    usual = x.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)  # (N, P) same hour, other days
    return Window(np.where(seen, x, usual[:, None]), level, spread)


def _mean(values: Floats, seen: NDArray[np.bool_]) -> Floats:
    mean: Floats = values.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return mean


@dataclass(frozen=True, slots=True, eq=False)
class Recurrent:
    """Arrays lead with the member axis M; products are x @ W, so W is (M, inputs, outputs)."""

    config: GRUConfig | RNNConfig
    setting: Setting
    arrays: Arrays

    def start(self, series: NDArray[np.int64]) -> State:
        """Return an empty ring of the last rows, all missing."""
        rows = segment(self.config, self.setting) * context(self.config, self.setting)
        ring = np.full((len(series), rows), np.nan)
        return {"ring": ring, "series": np.asarray(series, np.int64)}

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Push rows `z` (N, T) into the ring."""
        return {**state, "ring": push(state["ring"], z)}

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Run the net over the ring and average the members' quantiles."""
        cuts = [slice(a, a + CHUNK) for a in range(0, max(len(phases), 1), CHUNK)]
        parts = [self._predict(state["ring"][c], state["series"][c], phases[c]) for c in cuts]
        quantiles = np.concatenate([q for q, _ in parts])
        return Prediction(quantiles, np.concatenate([s for _, s in parts]))

    def _predict(
        self, ring: Floats, series: NDArray[np.int64], phases: Floats
    ) -> tuple[Floats, Floats]:
        config, setting = self.config, self.setting
        seen = window(ring, config, setting)
        before = phases_before(phases[:, 0], setting, *seen.x.shape[2:0:-1])
        out = self.net(
            seen.x.astype(np.float32),
            calendar(before, setting).astype(np.float32),
            calendar(phases[:, 0], setting).astype(np.float32),
            series,
        )
        shape = out.mean(axis=0, dtype=np.float64)  # (N, H, Q)
        unit = seen.spread[:, None] * np.ones(setting.horizon)  # (N, H)
        quantiles = seen.level[:, None, None] + unit[..., None] * shape  # (9)
        own = (shape[..., -3] - shape[..., 2]) / 2.563  # as a normal's from its 80 % interval
        return quantiles, unit * np.maximum(own, 1e-3)

    def net(
        self, x: Floats32, before: Floats32, target: Floats32, series: NDArray[np.int64]
    ) -> Floats32:
        """Return normalised quantiles (M, N, H, Q) of windows x (N, J, P).

        `before` (N, J, K) is the calendar of the segments, `target` (N, K) of the first step.
        """
        a, horizon = self.arrays, self.setting.horizon
        members = len(a["W"])
        e = self._vectors(series)  # (M, N, E)
        h: Floats32 = np.zeros((members, len(x), a["U"].shape[1]), np.float32)
        for j in range(x.shape[1]):
            u = np.concatenate(
                [_spread_over(x[:, j], members), _spread_over(before[:, j], members), e], axis=-1
            )  # (2)
            h = self._step(u @ a["W"] + a["b"][:, None], h)
        f = np.concatenate(
            [h, _spread_over(x[:, -1], members), _spread_over(target, members), e], axis=-1
        )
        g = np.maximum(f @ a["V"] + a["d"][:, None], 0)  # (7)
        raw = (g @ a["head"] + a["head_bias"][:, None]).reshape(*g.shape[:2], horizon, len(LEVELS))
        middle = raw[..., MEDIAN]
        if "mix" in a:
            middle = middle + self._base(g, x)
        up = np.cumsum(np.logaddexp(0, raw[..., MEDIAN + 1 :]), axis=-1)
        down = np.cumsum(np.logaddexp(0, raw[..., MEDIAN - 1 :: -1]), axis=-1)[..., ::-1]
        middle = middle[..., None]
        return np.concatenate([middle - down, middle, middle + up], axis=-1)

    def _base(self, g: Floats32, x: Floats32) -> Floats32:
        """Return the mix (M, N, H) of the same hours of past segments, (8)."""
        a, horizon = self.arrays, self.setting.horizon
        days = -(-horizon // x.shape[2])
        weight = (g @ a["mix"] + a["mix_bias"][:, None]).reshape(*g.shape[:2], days, x.shape[1])
        mixed = weight @ x[None]  # (M, N, D, P)
        return mixed.reshape(*g.shape[:2], -1)[..., :horizon]

    def _step(self, w: Floats32, h: Floats32) -> Floats32:
        """Return the next state (M, N, R) from the state h and `w` = W u + b."""
        a = self.arrays
        if self.config.cell == "rnn":
            s: Floats32 = w + h @ a["U"]  # (3)
            return np.tanh(s) if self.config.activation == "tanh" else np.maximum(s, 0)
        v = h @ a["U"]
        size = h.shape[-1]
        rz = _logistic(w[..., : 2 * size] + v[..., : 2 * size])
        r, z = rz[..., :size], rz[..., size:]  # (4), (5)
        new = np.tanh(w[..., 2 * size :] + r * (v[..., 2 * size :] + a["c"][:, None]))
        out: Floats32 = z * h + (1 - z) * new  # (6)
        return out

    def _vectors(self, series: NDArray[np.int64]) -> Floats32:
        """Return the learned vectors (M, N, E); zero for a series not in the fit."""
        table = self.arrays["embedding"]  # (M, fitted series + 1, E), the last one zero
        rows: Floats32 = table[:, np.where(series < 0, table.shape[1] - 1, series)]
        return rows


def _spread_over(values: Floats32, members: int) -> Floats32:
    return np.broadcast_to(values, (members, *values.shape))


def _logistic(x: Floats32) -> Floats32:
    half: Floats32 = 0.5 * (np.tanh(0.5 * x) + 1)
    return half
