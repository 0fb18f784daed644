"""Echo state network: fixed random reservoirs beside the lags, read out by ridge regression.

    x[t] = (1 - a) x[t-1] + a tanh(W_in [1; u[t]] + W x[t-1])                               (1)
    u[t] = [value; change over a day; over a week; clock; covariates at t], values in spreads
           about their level
    f[t] = [1; lags; clock; lags x time of day; covariates; x[t]]                           (2)
    z[t+1..t+H] = level[t] + spread f[t] W_out                                              (3)

Jaeger (2001), "The echo state approach to analysing and training recurrent neural networks". The
spectral radius of each W is set exactly; each unit hears `inputs_per_unit` others. The clock is
fed strongly enough to gate units, so that a reservoir answers differently by hour and weekday.
Covariates reach the readout as those of `linear` do, the known ones of every step ahead among
them. The forecast is the mean of those of M reservoirs, each with its own readout. A missing value
enters as the memory fills it; rows before the first observation leave x = 0.
Shapes: N series, T rows, M reservoirs, R units, K inputs per unit, U inputs, H horizon.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.models import abreast, free_running
from forecast.models.base import MEDIAN, Arrays, Floats, Prediction, Setting, State
from forecast.models.linear import Linear, check, fourier
from forecast.models.outside import Outside, next_step

WASHOUT = 100

LITTLE = 3_000_000  # units times rows that NumPy carries while numba loads
BLOCK = 256  # rows whose states are held at once
TOGETHER = 256  # series that take a step at once
WORDS = {"topology": ("sparse", "cycle"), "mode": ("direct", "free"), "adapt": ("no", "yes")}
Singles = NDArray[np.float32]
Parts = tuple[Singles, NDArray[np.int32], Singles]  # W, W_from, W_in of a reservoir


@dataclass(frozen=True, slots=True)
class ESNConfig:
    """Hyper-parameters; those that are 0 or `auto` are chosen on the validation rows."""

    units: int = 300  # of each reservoir
    reservoirs: int = 3  # whose forecasts are averaged
    spectral_radius: float = 0.0  # of W; below 1 the past fades; 0: chosen
    leak_rate: float = 0.0  # a in (1); 1 forgets the previous state; 0: chosen
    topology: str = "sparse"  # or cycle: each unit hears its neighbour alone, the fastest
    inputs_per_unit: int = 8  # non-zero weights in each row of a sparse W
    input_scale: float = 0.4  # of values and changes, in spreads
    clock_scale: float = 1.0  # of the first season's clock; the others enter with 0.3
    washout: int = -1  # first rows, still marked by x = 0, not learnt from; below 0: chosen
    state_penalty: float = 50.0  # ridge on x relative to the lags'
    lags: int = 0  # steps looked back; 0: chosen, up to two weeks
    hours: str = "auto"  # yes: the last season counts differently by time of day; no; auto
    ridge: float = 0.0  # penalty per training row; 0: chosen
    pull: float = 0.0  # how strongly a series is drawn to the readout of all; 0: chosen
    harmonics: int = 20  # of the longest season, in the readout
    shrink: float = -1.0  # of the mean to the random walk on prices; below 0: chosen
    mode: str = "direct"  # a readout for each step ahead; or free: fed with its own forecasts
    adapt: str = "no"  # yes: the readout goes on learning from every row, by least squares

    def __post_init__(self) -> None:
        check(self)
        for name, words in WORDS.items():
            if getattr(self, name) not in words:
                raise ValueError(f"{name} takes {' or '.join(words)}")
        if self.adapt == "yes" and self.mode == "free":
            raise ValueError("adapt=yes would learn from its own forecasts in mode=free")
        if min(self.units, self.reservoirs, self.inputs_per_unit) < 1:
            raise ValueError("units, reservoirs and inputs_per_unit must be at least 1")
        if not 0 <= self.leak_rate <= 1:
            raise ValueError("leak_rate lies in (0, 1], or is 0 to have it chosen")
        if self.spectral_radius < 0 or self.state_penalty <= 0:
            raise ValueError("spectral_radius and state_penalty must not be negative")

    @property
    def skipped(self) -> int:
        """Rows of washout: what was set, else 100; a fit takes at most half of a series."""
        return self.washout if self.washout >= 0 else WASHOUT


class ESN(Linear):
    """A fitted network: the arrays of `Linear`, `W` and `W_from` (M, R, K), `W_in` (M, U + 1, R).

    `W[m, r, k]` is the weight with which unit `r` hears unit `W_from[m, r, k]`.
    """

    config: ESNConfig

    def __init__(self, config: ESNConfig, setting: Setting, arrays: Arrays) -> None:
        super().__init__(config, setting, arrays)
        if config.mode == "free":  # a step further on, other steps are ahead
            self.outside = Outside(next_step(setting))

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state before any row of `series` (N,): an empty ring and x = 0."""
        shape = (len(series), *self.arrays["W"].shape[:2])
        return {**super().start(series), "x": np.zeros(shape, np.float32)}

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry `state` over rows `z` (N, T) by (1)."""
        after, rows, seen = self.memory.absorb(state, z)
        if z.shape[1] == 1 and seen.all():
            after["x"] = self._step(after, phases[:, 0])
            return after | self.outside.absorb(state, phases)
        kernels = worthwhile_kernels(z.size * self.arrays["W"][..., 0].size)
        if kernels is not None and len(z) >= abreast.FEWEST:
            after["x"] = abreast.carry(self, state, rows, seen, phases, kernels)
            return after | self.outside.absorb(state, phases)
        for i in range(len(z)):
            for inputs in self.passes(state, i, rows[i], seen[i], phases[i]):
                after["x"][i] = self._carry(after["x"][i], inputs, kernels)
        return after | self.outside.absorb(state, phases)

    def passes(
        self, state: State, i: int, rows: Floats, seen: NDArray[np.int64], phases: Floats
    ) -> Iterator[Floats]:
        """Yield the inputs (B, U + 1) of the rows (T,) of series `i`, from its first value on."""
        for begin in range(int(np.count_nonzero(seen == 0)), len(rows), BLOCK):
            yield self.heard(state, i, rows, seen, phases, slice(begin, begin + BLOCK))

    def heard(
        self, state: State, i: int, rows: Floats, seen: NDArray[np.int64], phases: Floats, at: slice
    ) -> Floats:
        """Return the inputs (B, U + 1) of the rows `at` among those (T,) of series `i`."""
        before = rows[max(at.start - self.memory.size, 0) : at.start]
        ring = np.concatenate([state["ring"][i], before])[-self.memory.size :]
        windows = self.memory.windows(ring, rows[at], seen[at])
        number = np.repeat(state["series"][i], len(windows))
        centred, _, _ = self.centre(windows, seen[at], number)
        return self.inputs(centred, phases[at])

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Forecast directly, or by running free; the spread is that of the direct forecast."""
        direct = super().predict(state, phases)
        if self.config.mode == "direct":
            return direct
        z, diverged = free_running.run(self, state, phases)
        free_running.say(diverged)
        shift = np.where(diverged[:, None], 0.0, z - direct.quantiles[..., MEDIAN])
        return Prediction(direct.quantiles + shift[..., None], direct.scale)

    def next(self, state: State, phases: Floats) -> Floats:
        """Return the value (N,) at `phases` (N, columns) that `state` is followed by."""
        windows = self.memory.extend(state["ring"], state["seen"])
        centred, level, spread = self.centre(windows, state["seen"], state["series"])
        features = self.features(state, centred, phases[:, None])
        ahead = level + spread * self.read(state, features)[:, 0]
        return np.asarray(ahead + np.nan_to_num(state["last"]) * self.setting.difference)

    def reach(self, state: State) -> tuple[Floats, Floats]:
        """Return level and spread (N,) at the cutoff; on prices of the sum of all changes."""
        windows = self.memory.extend(state["ring"], state["seen"])
        _, level, spread = self.centre(windows, state["seen"], state["series"])
        if not self.setting.difference:
            return level, spread
        return np.nan_to_num(state["last"]), spread * np.sqrt(self.setting.horizon)

    def _step(self, state: State, phases: Floats) -> Singles:
        """Return x (N, M, R) one row later, given a `state` whose ring holds the row already.

        A stream's way: the newest row of every series, many series in one go.
        """
        windows = self.memory.extend(state["ring"], state["seen"])
        centred, _, _ = self.centre(windows, state["seen"], state["series"])
        drive, x = driven(self.inputs(centred, phases), self.whole), state["x"]
        W, W_from, _ = self.whole
        out = np.empty_like(drive)
        for n in range(0, len(x), TOGETHER):
            part = slice(n, n + TOGETHER)
            flat = x[part].reshape(-1, len(W))
            heard = np.einsum("rk,nrk->nr", W, flat[:, W_from])
            out[part] = leaked(flat, drive[part] + heard, self.config.leak_rate)
        return out.reshape(x.shape)

    def _carry(self, x: Singles, inputs: Floats, kernels: Any) -> Singles:
        """Return the last states (M, R) that follow `x` (M, R) over `inputs` (T, U + 1)."""
        if kernels is not None and self.config.topology == "cycle":
            return np.stack([self.drive(m, each, inputs)[-1] for m, each in enumerate(x)])
        last = run(x.ravel(), inputs, self.whole, self.config.leak_rate, kernels)[-1]
        return np.asarray(last.reshape(x.shape))

    @cached_property
    def whole(self) -> Parts:
        """All reservoirs as one, see `joined`."""
        return joined(self.arrays)

    def features(self, state: State, centred: Floats, phases: Floats) -> Floats:
        """Return (2) (N, P), the states of all reservoirs side by side."""
        plain = super().features(state, centred, phases)
        return np.concatenate([plain, state["x"].reshape(len(centred), -1)], axis=1)

    def inputs(self, centred: Floats, phases: Floats) -> Floats:
        """Return [1; u] (T, U + 1) for `centred` windows (T, C) at `phases` (T, columns)."""
        value, seasons = centred[:, -1:], self.setting.seasons
        parts = [np.ones_like(value), value]
        parts += [value - centred[:, [-1 - season]] for season in seasons]
        parts += [fourier(phases[:, s], min(2, season // 2)) for s, season in enumerate(seasons)]
        if self.setting.year:
            parts.append(fourier(phases[:, len(seasons)], 1))
        parts.append(phases[:, len(seasons) + 1 :])
        return np.concatenate(parts, axis=1)

    def drive(self, m: int, x: Singles, inputs: Floats) -> Singles:
        """Return the states (T, R) of reservoir `m`, from `x` (R,) over `inputs` (T, U + 1)."""
        kernels = reservoir_kernels()
        if kernels is not None and self.config.topology == "cycle":
            W, _, W_in = self.parts(m)
            leak, u = np.float32(self.config.leak_rate), inputs.astype(np.float32)
            return np.asarray(kernels.cycle_states(x, u, W_in, W[:, 0], leak))
        return run(x, inputs, self.parts(m), self.config.leak_rate, kernels)

    def parts(self, m: int) -> Parts:
        """Return W (R, K), W_from (R, K) and W_in (U + 1, R) of reservoir `m`."""
        return self.arrays["W"][m], self.arrays["W_from"][m], self.arrays["W_in"][m]


def joined(arrays: Arrays) -> Parts:
    """Return all reservoirs as one of M R units, in which no unit hears another reservoir's.

    `W` and `W_from` (M R, K), `W_in` (U + 1, M R).
    """
    W, W_from, W_in = (arrays[name] for name in ("W", "W_from", "W_in"))
    M, R, K = W.shape
    first = R * np.arange(M, dtype=np.int32)[:, None, None]
    wide = np.ascontiguousarray(W_in.transpose(1, 0, 2).reshape(-1, M * R))
    return W.reshape(M * R, K), (W_from + first).reshape(M * R, K), wide


def run(x: Singles, inputs: NDArray[Any], parts: Parts, leak_rate: float, kernels: Any) -> Singles:
    """Return the states (T, R) that follow `x` (R,) over `inputs` (T, U + 1) by (1)."""
    W, W_from, W_in = parts
    if kernels is None:
        return states(x, driven(inputs, parts), W, W_from, leak_rate)
    leak = np.float32(leak_rate)
    return np.asarray(kernels.states(x, inputs.astype(np.float32), W_in, W, W_from, leak))


def driven(inputs: NDArray[Any], parts: Parts) -> Singles:
    """Return W_in [1; u] (T, R) for `inputs` (T, U + 1).

    In double precision, so that a row's drive does not depend on how many rows come along.
    """
    return (inputs.astype(np.float64) @ parts[2].astype(np.float64)).astype(np.float32)


def states(
    x: Singles, drive: Singles, W: Singles, W_from: NDArray[np.int32], leak_rate: Any
) -> Singles:
    """Return the states (T, R) that follow `x` (R,) under W_in [1; u] = `drive` (T, R)."""
    out = np.empty_like(drive)
    for t in range(len(drive)):
        heard = np.einsum("rk,rk->r", W, x.take(W_from))
        x = out[t] = leaked(x, drive[t] + heard, leak_rate)
    return out


def leaked(x: Singles, heard: Singles, leak_rate: Any) -> Singles:
    """Return (1): the states after `x`, given what the units hear."""
    a = np.float32(leak_rate)
    return np.asarray((1 - a) * x + a * np.tanh(heard))


def worthwhile_kernels(work: int) -> Any:
    """Return the fast forms of `states`, or None where NumPy is done before they load.

    `work` counts units times rows. Nothing else decides: the same rows give the same bytes in a
    process that has loaded them and in one that has not.
    """
    return None if work < LITTLE else reservoir_kernels()


@cache
def reservoir_kernels() -> Any:
    """Return the fast forms of `states`, or None, with a warning, where numba does not load."""
    try:
        from forecast.kernels import reservoir as fast
    except ImportError as error:
        warnings.warn(f"numba does not load ({error}): reservoirs run slowly", stacklevel=2)
        return None
    return fast
