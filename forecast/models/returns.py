"""RNN and GRU on prices: the distribution of the return over each of the next H steps.

The price itself is nearly a random walk; what can be forecast is how far it will walk. Variances
of the change r[t] = z[t] - z[t-1] are carried along, so that a short window knows of years:

    v[k,t] = d[k] v[k,t-1] + (1 - d[k]) r[t]^2           d[0] = 0.94: RiskMetrics (1996)    (1)
    w[t]   = d[0] w[t-1] + 2 (1 - d[0]) min(r[t], 0)^2   falls shake more: Black (1976)     (2)
    x[t]   = r[t] / sqrt(v[0,t-1])                                                          (3)
    u[t]   = [x; |x|; log(v[k,t] / v[0,t]) / 2; log(w[t] / v[0,t]) / 2; days closed before t;
              covariates]                                                                   (4)
    h[t]   = cell([u[t]; e], h[t-1])      models/recurrent.py, over the last C rows         (5)
    f      = [h[T]; u[T]; days closed before T + 1; known; static; e],  g = relu(V f + d)   (6)
    [a[h]; m[h]; shape[h]] = head g + skip f + bias                                         (7)
    q[h]   = z[T] + sqrt(v[0,T] h) (shrink m[h] + exp(a[h]) shape[h])                       (8)

The shape has median 0 and increments by softplus: quantiles never cross. Where head and skip are
zero and the bias is that of a normal, (8) is the `naive-ewma`; training starts there. `shrink`
draws the median to the random walk as far as held-back windows ask for it. Days closed show the
weekend, and so the weekday.

Shapes: M members averaged, N series, T rows, C rows of context, K decays, F inputs, H horizon.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import LEVELS, MEDIAN, Floats, Prediction, Setting, State, known
from forecast.models.inputs import Floats32
from forecast.models.recurrent import CHUNK, GRUConfig, Recurrent, RNNConfig, located

DECAYS = np.array([0.94, 0.7, 0.85, 0.97, 0.985, 0.995])  # d[k]
CONTEXT = 30  # rows, unless the config says otherwise
FEWEST = 5  # steps ahead that are learnt together: several show a spread better than one
SMALLEST = 1e-4  # spread of the changes, in units of z
WIDEST = 8.0  # changes beyond so many spreads are cut to it, as inputs
FAR = 3.0  # logarithms of ratios, likewise
YEAR = 365.2425  # days of the year's phase
CLOSED = 30.0  # days, at most


def context(config: GRUConfig | RNNConfig) -> int:
    """Return C."""
    return config.context or CONTEXT


def inputs(setting: Setting) -> int:
    """Return F, the length of u in (4)."""
    return 2 + len(DECAYS) + 1 + len(setting.known) + len(setting.past)


def reach(setting: Setting) -> int:
    """Return how many steps ahead the net learns, at least the horizon."""
    return max(setting.horizon, FEWEST)


def ahead(setting: Setting) -> int:
    """Return how many numbers of (6) are known of the steps ahead."""
    return 1 + len(setting.static) + setting.horizon * len(setting.known)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows as the net sees them: u (N, T, F), last value and spread sqrt(v[0]) (N, T)."""

    u: Floats32
    last: Floats
    spread: Floats


def start(variance: Floats, series: NDArray[np.int64], config: GRUConfig | RNNConfig,
          setting: Setting) -> State:  # fmt: skip
    """Return the state before any row; `variance` (N,) of the changes starts (1) and (2)."""
    n = len(series)
    return {
        "series": np.asarray(series, np.int64),
        "last": np.full(n, np.nan),
        "phase": np.full(n, np.nan),  # of the year, at the last row
        "variance": np.repeat(variance[:, None], len(DECAYS), axis=1).astype(np.float64),
        "falls": variance.astype(np.float64),
        "ring": np.zeros((n, context(config), inputs(setting)), np.float32),
    }


def walk(state: State, z: Floats, phases: Floats, setting: Setting) -> tuple[State, Rows]:
    """Return the state after rows `z` (N, T) at `phases` (N, T, columns), and what they showed.

    A missing value is no change; rows before the first value show nothing.
    """
    levels = np.concatenate([state["last"][:, None], z], axis=1)
    place = np.where(np.isnan(levels), 0, np.arange(levels.shape[1]))
    levels = np.take_along_axis(levels, np.maximum.accumulate(place, axis=1), axis=1)
    change = np.where(np.isnan(z), np.nan, np.diff(levels, axis=1))  # (N, T) NaN: none
    v, w = _variances(state, change)
    x = np.nan_to_num(change) / np.sqrt(np.maximum(v[:, :-1, 0], SMALLEST**2))  # (3)
    x = np.clip(x, -WIDEST, WIDEST)
    floor = np.maximum(v[:, 1:, :1], SMALLEST**2)  # (N, T, 1)
    others = np.concatenate([v[:, 1:, 1:], w[:, 1:, None]], axis=2)
    ratio = np.log(np.maximum(others, SMALLEST**2) / floor) / 2
    year = phases[..., len(setting.seasons)]
    closed = days_closed(np.concatenate([state["phase"][:, None], year], axis=1))
    covariates = phases[..., len(setting.seasons) + 1 + len(setting.static) :]
    begun = ~np.isnan(levels[:, 1:, None])
    parts = [
        x[..., None],
        np.abs(x)[..., None],
        np.clip(ratio, -FAR, FAR),
        closed[..., None],
        covariates,
    ]
    u = np.where(begun, np.concatenate(parts, axis=2), 0.0).astype(np.float32)  # (4)
    size = state["ring"].shape[1]
    ring = np.concatenate([state["ring"], u], axis=1)[:, -size:]
    after = {"last": levels[:, -1], "phase": year[:, -1], "variance": v[:, -1], "falls": w[:, -1]}
    return {**state, **after, "ring": ring}, Rows(u, levels[:, 1:], np.sqrt(floor[..., 0]))


def _variances(state: State, change: Floats) -> tuple[Floats, Floats]:
    """Return (1) (N, T + 1, K) and (2) (N, T + 1), from before the first row on."""
    n, rows = change.shape
    v, w = np.empty((rows + 1, n, len(DECAYS))), np.empty((rows + 1, n))
    v[0], w[0] = state["variance"], state["falls"]
    square = change.T**2
    falls = 2 * np.minimum(change.T, 0) ** 2
    seen = ~np.isnan(change.T)
    for t in range(rows):
        at = seen[t]
        v[t + 1] = np.where(at[:, None], DECAYS * v[t] + (1 - DECAYS) * square[t, :, None], v[t])
        w[t + 1] = np.where(at, DECAYS[0] * w[t] + (1 - DECAYS[0]) * falls[t], w[t])
    return v.transpose(1, 0, 2), w.T


def days_closed(year: Floats) -> Floats:
    """Return log(1 + days without a row) before each of the phases `year` (N, T + 1): (N, T)."""
    days = np.mod(np.diff(year, axis=1), 1.0) * YEAR
    return np.log1p(np.clip(np.nan_to_num(days) - 1, 0, CLOSED))


def coming(phases: Floats, phase: Floats, setting: Setting) -> Floats:
    """Return what is known (N, G) of the steps at `phases` (N, H, columns) after `phase` (N,)."""
    s, static = len(setting.seasons) + 1, len(setting.static)
    closed = days_closed(np.stack([phase, phases[:, 0, s - 1]], axis=1))
    later = phases[:, :, s + static : s + static + len(setting.known)].reshape(len(phases), -1)
    return np.concatenate([closed, phases[:, 0, s : s + static], later], axis=1)


class Returns(Recurrent):
    """The arrays of (5) to (7), and `variance` (N,) of the changes of each fitted series."""

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state before any row of `series` (N,)."""
        return start(known(self.arrays["variance"], series), series, self.config, self.setting)

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry (1) to (4) over rows `z` (N, T)."""
        return walk(state, z, phases, self.setting)[0]

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Run the net over the ring and average the members' quantiles."""
        cuts = [slice(a, a + CHUNK) for a in range(0, max(len(phases), 1), CHUNK)]
        parts = [self._some({k: v[c] for k, v in state.items()}, phases[c]) for c in cuts]
        quantiles = np.concatenate([q for q, _ in parts])
        return Prediction(quantiles, np.concatenate([s for _, s in parts]))

    def _some(self, state: State, phases: Floats) -> tuple[Floats, Floats]:
        """Return quantiles (N, H, Q) and their scale (N, H), by (8)."""
        setting = self.setting
        target = coming(phases, state["phase"], setting)
        out = self.net_of_returns(state["ring"], target.astype(np.float32), state["series"])
        shape = out.astype(np.float64).mean(axis=0)[:, : setting.horizon]  # (N, H, Q)
        spread = np.sqrt(np.maximum(state["variance"][:, :1], SMALLEST**2))
        unit = spread * np.sqrt(np.arange(1, setting.horizon + 1))  # (N, H)
        return located(shape, np.nan_to_num(state["last"]), unit)

    def net_of_returns(self, u: Floats32, target: Floats32, series: NDArray[np.int64]) -> Floats32:
        """Return quantiles (M, N, reach, Q) in spreads of windows u (N, C, F), (5) to (8)."""
        a, members, horizon = self.arrays, len(self.arrays["W"]), reach(self.setting)
        e = self._vectors(series)  # (M, N, E)
        h: Floats32 = np.zeros((members, len(u), a["U"].shape[1]), np.float32)
        for t in range(u.shape[1]):
            w = np.concatenate([_each(u[:, t], members), e], axis=-1) @ a["W"]
            h = self._step(w + a["b"][:, None], h)
        f = np.concatenate([h, _each(u[:, -1], members), _each(target, members), e], axis=-1)
        g = np.maximum(f @ a["V"] + a["d"][:, None], 0)  # (6)
        raw = g @ a["head"] + f @ a["skip"] + a["bias"][:, None]  # (7)
        raw = raw.reshape(*g.shape[:2], horizon, len(LEVELS) + 1)
        wide = np.exp(np.clip(raw[..., :1], -FAR, FAR))
        middle = raw[..., 1 + MEDIAN, None] * np.float32(max(self.config.shrink, 0.0))
        up = np.cumsum(np.logaddexp(0, raw[..., 2 + MEDIAN :]), axis=-1)
        down = np.cumsum(np.logaddexp(0, raw[..., MEDIAN:0:-1]), axis=-1)[..., ::-1]
        shape = np.concatenate([-down, np.zeros_like(middle), up], axis=-1)
        out: Floats32 = middle + wide * shape  # (8)
        return out


def _each(values: Floats32, members: int) -> Floats32:
    return np.broadcast_to(values, (members, *values.shape))
