"""RNN and GRU over segments of a season, with a quantile head over the whole horizon.

One recurrent step reads one segment of P rows (a day of hours); the context is the last J
segments. Everything is normalised by the window itself, so nothing is learnt about the level.

    x[j]  = (segment j - m) / s                    m, s: level and spread of the window      (1)
    u[j]  = [x[j]; calendar and covariates of segment j; e]   e: a vector of the series      (2)
    RNN:  h[j] = f(W u[j] + U h[j-1] + b)          f: tanh or relu                           (3)
    GRU:  r = S(W_r u + U_r h + b_r)               Cho et al. (2014), as torch.nn.GRU        (4)
          z = S(W_z u + U_z h + b_z)                                                         (5)
          h' = z * h + (1 - z) * tanh(W u + b + r * (U h + c))                               (6)
    g     = relu(V [h[J]; x[J]; calendar and known covariates of the target; e; D; X] + d)   (7)
    base  = sum_j A[step, j](g) x[j][step mod P] + L X    a learned mix of the same hours    (8)
    q     = m + s (base + quantile head(g))        increments by softplus: never crossing    (9)

A panel that knows the year has D, a learned vector of the day of the year: holidays on fixed dates
are common to its series. X are all rows of the context, which only a lone series looks at: unlike
series share no linear map L. Prices are another matter: models/returns.py.

Shapes: M members averaged, N series, C = J P rows of context in J segments of P, H horizon, Q
levels; I inputs of the cell, F of the head beside the state.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

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
from forecast.models.inputs import Floats32, Ints, Window, day_of_year, inputs, window

CHUNK = 4096  # series forecast at once
LOAD = {"units": 64, "head": 96, "batch": 64, "updates": 1200}
PRICES = {"units": 16, "head": 32, "batch": 256, "updates": 100}
Config = TypeVar("Config", bound="RecurrentConfig")


@dataclass(frozen=True, slots=True)
class RecurrentConfig:
    """What both cells share. 0 means: chosen from the data."""

    units: int = 0  # of the recurrent state; 0: 64, on prices 16
    head: int = 0  # units of the layer after it; 0: 96, on prices 32
    segment: int = 0  # rows read at one recurrent step; 0: one season, or one row without
    context: int = 0  # segments looked back on; 0: two weeks of them, or 60 rows without seasons
    embedding: int = 8  # numbers learned for each series of a panel
    dates: int = 2  # numbers learned for each day of the year, on a panel that covers it
    direct: Literal["auto", "yes", "no"] = "auto"  # linear path from all rows; auto: one series
    members: int = 3  # nets that differ in their seed, averaged
    batch: int = 0  # windows in one update; 0: 64, on prices 256
    updates: int = 0  # length of the learning-rate schedule; 0: 1200, on prices 100
    stop: int = 0  # update at which it is cut; 0: chosen on the held-back rows, on prices its end
    rate: float = 3e-3  # peak learning rate
    weight_decay: float = 1e-2  # pull of all weights towards zero, AdamW
    clip: float = 1.0  # largest norm of the gradient
    home: float = 0.75  # share of training windows that end at the hour the data end
    line: float = -1.0  # share of a linear forecast on load; below 0: chosen on held-back rows
    linear: tuple[str, ...] = ()  # settings of that forecast, as in lags=336
    shrink: float = -1.0  # of the mean to the random walk on prices; below 0: chosen

    def __post_init__(self) -> None:
        """Refuse sizes no net can have."""
        for name in ("units", "head", "batch", "updates"):
            if getattr(self, name) < 0:
                raise ValueError(f"setting `{name}` must not be negative")
        if self.members < 1:
            raise ValueError("setting `members` must be at least 1")
        if self.line > 1:
            raise ValueError("setting `line` must be at most 1")


@dataclass(frozen=True, slots=True)
class GRUConfig(RecurrentConfig):
    """Gated recurrent unit."""

    cell: Literal["gru"] = "gru"


@dataclass(frozen=True, slots=True)
class RNNConfig(RecurrentConfig):
    """Elman network; relu starts from the identity (Le, Jaitly, Hinton 2015)."""

    cell: Literal["rnn"] = "rnn"
    activation: Literal["tanh", "relu"] = "tanh"


def sized(config: Config, setting: Setting) -> Config:
    """Return `config` with the sizes that it leaves open: prices carry less than load does."""
    sizes = PRICES if setting.difference else LOAD
    open_: dict[str, Any] = {k: v for k, v in sizes.items() if not getattr(config, k)}
    return replace(config, **open_)


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


@dataclass(frozen=True, slots=True, eq=False)
class Recurrent:
    """Arrays lead with the member axis M; products are x @ W, so W is (M, inputs, outputs)."""

    config: GRUConfig | RNNConfig
    setting: Setting
    arrays: Arrays

    def start(self, series: NDArray[np.int64]) -> State:
        """Return empty rings of the last rows: values missing, covariates at their mean."""
        rows = segment(self.config, self.setting) * context(self.config, self.setting)
        return self._empty(series, rows, rows)

    def _empty(self, series: NDArray[np.int64], rows: int, context: int) -> State:
        state: State = {
            "ring": np.full((len(series), rows), np.nan),
            "series": np.asarray(series, np.int64),
        }
        covariates = len(self.setting.known) + len(self.setting.past)
        if covariates:
            state["past"] = np.zeros((len(series), context, covariates))
        return state

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Push rows `z` (N, T) and their covariates into the rings."""
        moved = {**state, "ring": push(state["ring"], z)}
        if "past" in state:
            first = len(self.setting.seasons) + 1 + len(self.setting.static)
            moved["past"] = push(state["past"], phases[..., first:])
        return moved

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Run the net over the rings and average the members' quantiles."""
        cuts = [slice(a, a + CHUNK) for a in range(0, max(len(phases), 1), CHUNK)]
        parts = [self._predict({k: v[c] for k, v in state.items()}, phases[c]) for c in cuts]
        quantiles = np.concatenate([q for q, _ in parts])
        return Prediction(quantiles, np.concatenate([s for _, s in parts]))

    def _predict(self, state: State, phases: Floats) -> tuple[Floats, Floats]:
        """Return quantiles (N, H, Q) and scale (N, H) in units of z."""
        size, recent = segment(self.config, self.setting), level_rows(self.config, self.setting)
        seen = window(state["ring"], size, recent)
        unit = seen.spread[:, None] * np.ones(self.setting.horizon)  # (N, H)
        return located(self._shape(seen, state, phases), seen.level, unit)  # (9)

    def _shape(self, seen: Window, state: State, phases: Floats) -> Floats:
        """Return quantiles (N, H, Q) in units of the window, averaged over members."""
        none = np.zeros((len(seen.x), seen.x[0].size, 0))
        u, f = inputs(seen.x, state.get("past", none), phases, self.setting)
        day = day_of_year(phases[:, 0, len(self.setting.seasons)])
        out = self.net(u, f, seen.x.astype(np.float32), (state["series"], day))
        shape: Floats = out.mean(axis=0, dtype=np.float64)
        return shape

    def net(self, u: Floats32, f: Floats32, x: Floats32, names: tuple[Ints, Ints]) -> Floats32:
        """Return normalised quantiles (M, N, H, Q) of windows x (N, J, P) with their `inputs`.

        `names` are the numbers of their series and of the days of the target (N,).
        """
        a, horizon = self.arrays, self.setting.horizon
        members, rows = len(a["W"]), x.reshape(len(x), -1)
        e = self._vectors(names[0])  # (M, N, E)
        h: Floats32 = np.zeros((members, len(x), a["U"].shape[1]), np.float32)
        for j in range(x.shape[1]):
            v = np.concatenate([_spread_over(u[:, j], members), e], axis=-1)  # (2)
            h = self._step(v @ a["W"] + a["b"][:, None], h)
        seen = [h, _spread_over(f, members), e]
        if "dates" in a:
            seen.append(a["dates"][:, names[1]])
        if "direct" in a:
            seen.append(_spread_over(rows, members))
        g = np.concatenate(seen, axis=-1)
        g = np.maximum(g @ a["V"] + a["d"][:, None], 0)  # (7)
        raw = (g @ a["head"] + a["head_bias"][:, None]).reshape(*g.shape[:2], horizon, len(LEVELS))
        middle = raw[..., MEDIAN]
        if "mix" in a:
            middle = middle + self._base(g, x)
        if "direct" in a:
            middle = middle + rows @ a["direct"]
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


def located(shape: Floats, level: Floats, unit: Floats) -> tuple[Floats, Floats]:
    """Return quantiles level + unit shape (N, H, Q), and the scale of their errors (N, H)."""
    quantiles = level[:, None, None] + unit[..., None] * shape
    own = (shape[..., -3] - shape[..., 2]) / 2.563  # as a normal's from its 80 % interval
    return quantiles, unit * np.maximum(own, 1e-3)


def _spread_over(values: Floats32, members: int) -> Floats32:
    return np.broadcast_to(values, (members, *values.shape))


def _logistic(x: Floats32) -> Floats32:
    half: Floats32 = 0.5 * (np.tanh(0.5 * x) + 1)
    return half
