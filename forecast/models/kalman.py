"""Structural state space forecast by a Kalman filter.

With x ~ N(mean, cov) the states of `structural`, h what an observation sees of them, F diagonal
but for the trend's coupling, R = 1 and every variance in units of the observation noise's `v`:

    mean <- F mean,  cov <- F cov F' + Q                                    before a row       (1)
    e = z - h mean,  s = h cov h' + 1                                                          (2)
    mean <- mean + cov h' e / s,  cov <- cov - cov h' h cov / s             where z is there   (3)
    v <- decay v + (1 - decay) e^2 / s                                      decay 1: constant  (4)
    z[t+k] ~ N(h F^k mean, v (h F^k cov F^k' h' + sum_{j<k} h F^j Q F^j' h' + 1))              (5)

The level is exactly diffuse: on the first observation it takes what the other states leave over
(Durbin and Koopman 2012, section 5.2), and the rows before it move nothing.

Shapes: N series, T rows, H horizon, S seasons, m states, p parameters.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecast.errors import UsageError
from forecast.models.base import Arrays, Floats, Prediction, Setting, State, gaussian, known
from forecast.models.structural import Design, Dynamics, Structure, design, read_seasons

Rows = NDArray[np.int64]
TINY = 1e-9  # the least spread of a forecast, in units of scaled z
BLOCK = 1 << 22  # numbers in a block of observation vectors
LOADING = 0.5  # seconds numba takes to load: NumPy does what is done sooner


@dataclass(frozen=True, slots=True)
class KalmanConfig:
    """What the states are and how their variances are estimated."""

    seasons: str = "auto"  # auto, none, or length:harmonics as in 24:12,168:48
    trend: Literal["auto", "none", "damped", "linear"] = "auto"  # auto: by AICc
    ar: Literal["auto", "yes", "no"] = "auto"  # an AR(1) irregular; auto: where there is a season
    anomaly: int = 8  # harmonics of the passing shape of the shortest season; 0: none
    smoothness: float = 1.5  # how fast the variances of a season fall with the frequency
    variance: Literal["auto", "constant", "weighted"] = "auto"  # auto: weighted on prices
    criterion: Literal["auto", "likelihood", "ahead"] = "auto"  # ahead: error over the horizon
    stretch: int = 12  # longest seasons, 2000 rows at least, that estimation sees; 0: all rows
    starts: int = 2  # points the search begins from
    evaluations: int = 240  # of the criterion per start and series, at most
    begin: tuple[float, ...] = ()  # parameters the search begins from; a fit leaves its own here

    def __post_init__(self) -> None:
        """Refuse what cannot be; ValueError."""
        if self.seasons != "auto":
            read_seasons(self.seasons)
        for name, least in (("anomaly", 0), ("smoothness", 0), ("stretch", 0), ("starts", 1),
                            ("evaluations", 1)):  # fmt: skip
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` is at least {least}, not {getattr(self, name)}")

    @property
    def structure(self) -> Structure:
        """The components; `seasons` and `trend` no longer `auto`."""
        seasons = read_seasons(self.seasons)
        return Structure(seasons, self.trend, self.ar == "yes", self.anomaly, self.smoothness)


@dataclass(frozen=True, slots=True, eq=False)
class Kalman:
    """A fitted filter.

    `arrays`, by fitted series: `parameters` (N, p), `variance` v (N,) and its `decay` (N,),
    `centre` and `spread` (N,) mean and variance of z, `rows` (N,) the estimation saw.
    """

    config: KalmanConfig
    setting: Setting
    arrays: Arrays

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state before any row: seasons at their prior, a diffuse level."""
        variance = known(self.arrays["variance"], series).copy()
        return {"series": series.copy(), "variance": variance, **blank(self.dynamics(series))}

    def dynamics(self, series: NDArray[np.int64]) -> Dynamics:
        """Return the matrices of the series numbered `series`."""
        return self.config.structure.dynamics(known(self.arrays["parameters"], series))

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry mean, covariance and variance over rows `z` (N, T)."""
        state = {name: array.copy() for name, array in state.items()}
        dynamics, plan = self.dynamics(state["series"]), design(self.config.structure)
        rows = table_rows(self.config, self.setting, phases)
        decay = known(self.arrays["decay"], state["series"])
        span = max(BLOCK // max(len(z) * len(plan.base), 1), 1)
        for t in range(0, z.shape[1], span):
            part = slice(t, t + span)
            innovations = carry(dynamics, plan, z[:, part], rows[:, part], state)
            state["variance"] = weigh(state["variance"], innovations, decay)
        return state

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Forecast the steps at `phases` (N, H, S + 1): mean and variance by (5)."""
        n, horizon = phases.shape[:2]
        plan, seen = design(self.config.structure), state["seen"]
        rows = table_rows(self.config, self.setting, phases)
        mean, variance = np.empty((n, horizon)), np.empty((n, horizon))
        rho, q, _, _ = self.dynamics(state["series"])
        for i in range(n):
            h = look(plan, rows[i])
            g, noise = ahead(rho[i], q[i], h, self.config.trend != "none")
            mean[i] = g @ state["mean"][i]
            variance[i] = ((g @ state["cov"][i]) * g).sum(axis=1) + noise + 1.0
        centre, spread = (known(self.arrays[k], state["series"]) for k in ("centre", "spread"))
        mean += np.where(seen, 0.0, centre)[:, None]
        variance = variance * state["variance"][:, None] + np.where(seen, 0.0, spread)[:, None]
        return gaussian(mean, np.sqrt(np.maximum(variance, TINY**2)))


def blank(dynamics: Dynamics) -> State:
    """Return mean, covariance and `seen` before any row."""
    n, m = dynamics.prior.shape
    cov = dynamics.prior[:, :, None] * np.eye(m)
    return {"mean": np.zeros((n, m)), "cov": cov, "seen": np.zeros(n, np.bool_)}


def ahead(rho: Floats, q: Floats, h: Floats, trend: bool) -> tuple[Floats, Floats]:
    """Return g[k] = h F^k (H, m) and the process noise (H,) that gathers until k, as in (5)."""
    power = rho ** np.arange(len(h) + 1)[:, None]  # (H + 1, m) what a state keeps after k steps
    if trend:
        power[1:, 1] = np.cumsum(power[1:, 1])  # what it has added to the level
        power[0, 1] = 0.0
        h = h.copy()
        h[:, 1] = 1.0
    noise = (h**2 * q * np.cumsum(power[:-1] ** 2, axis=0)).sum(axis=1)
    return h * power[1:], noise


def table_rows(config: KalmanConfig, setting: Setting, phases: Floats) -> Rows:
    """Return the rows of the design's table at `phases` (..., S + 1): one per season kept."""
    structure = config.structure
    out = np.empty((*phases.shape[:-1], len(structure.seasons)), np.int64)
    for i, (length, _) in enumerate(structure.seasons):
        if length not in setting.seasons:
            raise UsageError(
                f"the data have no season of {length} steps",
                hint=f"known: {', '.join(map(str, setting.seasons)) or 'none'}",
            )
        phase = phases[..., setting.seasons.index(length)]
        step = np.floor(phase * length + 1e-6).astype(np.int64) % length
        out[..., i] = design(structure).first[i] + step
    return out


def look(plan: Design, rows: Rows) -> Floats:
    """Return the observation vectors (..., m) at table rows (..., S)."""
    return np.asarray(plan.base + plan.table[rows].sum(axis=-2))


def carry(dynamics: Dynamics, plan: Design, z: Floats, rows: Rows, state: State) -> Floats:
    """Move `mean`, `cov` and `seen` of `state` over `z` (N, T), in place; return (e, s) (N, T, 2).

    Long work goes to numba where it is installed: the same numbers to rounding.
    """
    import sys

    seconds = z.shape[1] * (2e-5 + 1.5e-9 * len(z) * len(plan.base) ** 2)  # measured, NumPy
    if seconds > LOADING or "forecast.kernels.kalman" in sys.modules:
        try:
            from forecast.kernels.kalman import filter_panel
        except ImportError:
            return filter_rows(dynamics, plan, z, rows, state)
        return filter_panel(dynamics, plan, z, rows, state)
    return filter_rows(dynamics, plan, z, rows, state)


def filter_rows(dynamics: Dynamics, plan: Design, z: Floats, rows: Rows, state: State) -> Floats:
    """Do what `carry` does by equations (1) to (3), row by row, all series at once."""
    mean, cov, seen = state["mean"], state["cov"], state["seen"]
    out = np.full((*z.shape, 2), np.nan)
    for t in range(z.shape[1]):
        h = look(plan, rows[:, t])
        on = slice(None) if seen.all() else np.flatnonzero(seen)
        mean[on], cov[on] = advance(mean[on], cov[on], Dynamics(*(a[on] for a in dynamics)))
        there = ~np.isnan(z[:, t])
        new, old = np.flatnonzero(there & ~seen), np.flatnonzero(there & seen)
        if len(old):
            on = slice(None) if len(old) == len(z) else old
            mean[on], cov[on], out[on, t] = condition(mean[on], cov[on], h[on], z[on, t])
        if len(new):
            mean[new], cov[new] = meet(mean[new], cov[new], h[new], z[new, t])
            seen[new] = True
    return out


def advance(mean: Floats, cov: Floats, dynamics: Dynamics) -> tuple[Floats, Floats]:
    """Return mean (N, m) and covariance (N, m, m) one step later: equation (1)."""
    rho, q, _, coupling = dynamics
    mean, m = mean.copy(), mean.shape[1]
    if coupling.any():
        mean[:, 0] += coupling * mean[:, 1]
        cov = cov.copy()
        cov[:, 0] += coupling[:, None] * cov[:, 1]
        cov[:, :, 0] += coupling[:, None] * cov[:, :, 1]
    cov = rho[:, :, None] * cov * rho[:, None, :]
    cov[:, np.arange(m), np.arange(m)] += q
    return mean * rho, cov


def condition(mean: Floats, cov: Floats, h: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean, covariance and (e, s) (N, 2) given observations `z` (N,): (2) and (3)."""
    ph = (cov @ h[:, :, None])[:, :, 0]
    e = z - (h * mean).sum(axis=1)
    s = (h * ph).sum(axis=1) + 1.0
    gain = ph / s[:, None]
    cov = cov - gain[:, :, None] * ph[:, None, :]
    return mean + gain * e[:, None], cov, np.stack([e, s], axis=1)


def meet(mean: Floats, cov: Floats, h: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Return mean and covariance given the first observations `z` (N,) of a diffuse level."""
    mean, cov = mean.copy(), cov.copy()
    ph = (cov @ h[:, :, None])[:, :, 0]
    mean[:, 0] += z - (h * mean).sum(axis=1)
    cov[:, 0] -= ph
    cov[:, :, 0] -= ph
    cov[:, 0, 0] += (h * ph).sum(axis=1) + 1.0
    return mean, cov


def weigh(variance: Floats, innovations: Floats, decay: Floats) -> Floats:
    """Return the variance (N,) after `innovations` (N, T, 2): equation (4)."""
    if np.all(decay == 1.0):
        return variance
    with np.errstate(invalid="ignore"):
        square = innovations[..., 0] ** 2 / innovations[..., 1]
    for t in range(square.shape[1]):
        v = decay * variance + (1.0 - decay) * square[:, t]
        variance = np.where(np.isnan(square[:, t]), variance, v)
    return variance
