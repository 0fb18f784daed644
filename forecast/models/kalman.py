"""Structural state space forecast by a Kalman filter.

With x ~ N(mean, cov) the states of `structural`, h what an observation sees of them, F diagonal
but for the trend's coupling, R = 1 and every variance in units of the observation noise's `v`:

    mean <- F mean,  cov <- F cov F' + Q                                    before a row       (1)
    e = z - h mean,  s = h cov h' + 1                                                          (2)
    mean <- mean + cov h' e / s,  cov <- cov - cov h' h cov / s             where z is there   (3)
    v <- v + (1 - decay) (w e^2 / s - v),
    w = (n + 1) / (n - 2 + e^2 / (s v)) (1 - lean sign e)                                      (4)
    z[t+k] has mean h F^k mean, variance v (h F^k cov F^k' h' + sum_{j<k} h F^j Q F^j' h' + 1) (5)

Decay 1: v is constant. n are the degrees of freedom of Student's t, the shape of (5): a wild day
moves the variance of prices less than its square would (Creal, Koopman and Lucas 2013); without
end, all is Gaussian. A fall moves it more than a rise (Black 1976), as far as `lean` says.

The level is exactly diffuse: on the first observation it takes what the other states leave over
(Durbin and Koopman 2012, section 5.2), and the rows before it move nothing.

Shapes: N series, T rows, H horizon, S seasons, m states, p parameters, Q quantile levels.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import Arrays, Floats, Prediction, Setting, State, known
from forecast.models.filter import TINY, Volatility, ahead, blank, carry, draw, weigh
from forecast.models.sight import look, sight
from forecast.models.structural import Dynamics, Structure, design, read_seasons

FEW = 8  # series whose matrices are remembered
BLOCK = 1 << 22  # numbers in a block of observation vectors


@dataclass(frozen=True, slots=True)
class KalmanConfig:
    """What the states are and how their variances are estimated."""

    seasons: str = "auto"  # auto, none, or length:harmonics as in 24:12,168:48
    trend: Literal["auto", "none", "damped", "linear"] = "auto"  # auto: by AICc
    ar: Literal["auto", "yes", "no"] = "auto"  # an AR(1) irregular; auto: where there is a season
    anomaly: int = 8  # harmonics of the passing shape of the shortest season; 0: none
    smoothness: float = 1.5  # how fast the variances of a season fall with the frequency
    known: int = 3  # harmonics of the shortest season in the effect of a known covariate
    year: int = -1  # harmonics of the year; -1: 4 where estimation sees two years of it
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
        for name, least in (("anomaly", 0), ("smoothness", 0), ("known", 0), ("year", -1),
                            ("stretch", 0), ("starts", 1), ("evaluations", 1)):  # fmt: skip
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` is at least {least}, not {getattr(self, name)}")

    def structure(self, covariates: int = 0) -> Structure:
        """Return the components given so many known covariates; no setting is `auto` any more."""
        return Structure(
            read_seasons(self.seasons), self.trend, self.ar == "yes", self.anomaly,
            self.smoothness, covariates, self.known, max(self.year, 0),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Kalman:
    """A fitted filter.

    `arrays`, by fitted series: `parameters` (N, p) and their standard `errors` (N, p), NaN where
    not known, `variance` v, its `decay`, `tail`, the inverse of n, and `lean`, `scores` (N, Q)
    quantiles of a forecast with mean 0 and variance 1, the `width` by which errors are larger than
    v says, `centre` and `spread` mean and variance of z, `rows` the estimation saw, and whether it
    `converged`, (N,) each; `collinear` (K, K) which known covariates each follows from. Files of
    before there were `lean`, `width` and `collinear` have none.
    """

    config: KalmanConfig
    setting: Setting
    arrays: Arrays

    @cached_property
    def structure(self) -> Structure:
        """The components."""
        return self.config.structure(len(self.setting.known))

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state before any row: seasons at their prior, a diffuse level."""
        variance = known(self.arrays["variance"], series).copy()
        return {"series": series.copy(), "variance": variance, **blank(self.dynamics(series))}

    def dynamics(self, series: NDArray[np.int64]) -> Dynamics:
        """Return the matrices of the series numbered `series`."""
        parameters = known(self.arrays["parameters"], series)
        if len(series) > FEW:
            return self.structure.dynamics(parameters)
        return _dynamics(self.structure, parameters.shape, parameters.tobytes())

    @cached_property
    def _moves(self) -> bool:
        """Whether the variance of any series moves."""
        return bool((self.arrays["decay"] != 1.0).any())

    def volatility(self, series: NDArray[np.int64]) -> Volatility:
        """Return how the variances of the series numbered `series` move."""
        return Volatility(*(self._of(name, series) for name in ("decay", "tail", "lean")))

    def _of(self, name: str, series: NDArray[np.int64]) -> Floats:
        """Return an array (N,) of the series; neutral where a file of before lacks it."""
        array = self.arrays.get(name)
        if array is None:
            array = np.full(len(self.arrays["decay"]), {"lean": 0.0, "width": 1.0}[name])
        return known(array, series)

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry mean, covariance and variance over rows `z` (N, T)."""
        state = dict(state)
        dynamics, plan = self.dynamics(state["series"]), design(self.structure)
        volatility = self.volatility(state["series"]) if self._moves else None
        span = max(BLOCK // max(len(z) * len(plan.base), 1), 1)
        for t in range(0, z.shape[1], span):
            part = slice(t, t + span)
            seen = sight(self.structure, self.setting, phases[:, part])
            out = carry(dynamics, plan, z[:, part], seen, state)
            if volatility is not None:
                shock = out[..., 0] / np.sqrt(out[..., 1])
                state["variance"] = weigh(state["variance"], shock, volatility)[:, -1]
        return state

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Forecast the steps at `phases` (N, H, columns): mean and variance by (5)."""
        n, horizon = phases.shape[:2]
        plan, seen = design(self.structure), sight(self.structure, self.setting, phases)
        mean, variance = np.empty((n, horizon)), np.empty((n, horizon))
        rho, q, _, _ = self.dynamics(state["series"])
        for i in range(n):
            g, noise = ahead(rho[i], q[i], look(plan, seen.at(i)), self.config.trend != "none")
            mean[i] = g @ state["mean"][i]
            variance[i] = ((g @ state["cov"][i]) * g).sum(axis=1) + noise + 1.0
        centre, spread = self._unseen(state)
        variance *= (state["variance"] * self._of("width", state["series"]) ** 2)[:, None]
        scale = np.sqrt(np.maximum(variance + spread, TINY**2))
        scores = known(self.arrays["scores"], state["series"])
        median = mean + centre
        return Prediction(median[..., None] + scale[..., None] * scores[:, None], scale)

    def _unseen(self, state: State) -> tuple[Floats, Floats]:
        """Return mean and variance (N, 1) of the level of a series without any value; else 0."""
        seen = state["seen"]
        if seen.all():
            return np.zeros((len(seen), 1)), np.zeros((len(seen), 1))
        both = (known(self.arrays[name], state["series"]) for name in ("centre", "spread"))
        centre, spread = (np.where(seen, 0.0, value)[:, None] for value in both)
        return centre, spread

    def sample(
        self, state: State, phases: Floats, paths: int, rng: "np.random.Generator"
    ) -> Floats:
        """Return `paths` draws (N, paths, H) of z at the steps at `phases` (N, H, columns).

        The steps of a path belong together: the filter draws an observation from its forecast one
        step ahead, absorbs it, and goes on.
        """
        state = {name: array.copy() for name, array in state.items()}
        centre, spread = self._unseen(state)
        volatility = self.volatility(state["series"])
        state["mean"][:, 0] += centre[:, 0]
        state["cov"][:, 0, 0] += spread[:, 0] / state["variance"]
        noise = np.stack(
            [_noise(t, (paths, phases.shape[1]), rng) for t in np.ravel(volatility.tail)]
        )
        noise *= self._of("width", state["series"])[:, None, None]
        seen = sight(self.structure, self.setting, phases)
        h = look(design(self.structure), seen)
        return draw(self.dynamics(state["series"]), h, noise, state, volatility)


@lru_cache(maxsize=4096)
def _dynamics(structure: Structure, shape: tuple[int, int], parameters: bytes) -> Dynamics:
    """Return the matrices of a few series, which a stream asks for at every row."""
    return structure.dynamics(np.frombuffer(parameters).reshape(shape))


def _noise(tail: float, shape: tuple[int, int], rng: "np.random.Generator") -> Floats:
    """Return draws of mean 0 and variance 1 from Student's t."""
    normal = rng.standard_normal(shape)
    if tail == 0.0:
        return normal
    freedom = 1.0 / tail
    return np.asarray(normal * np.sqrt((freedom - 2.0) / rng.chisquare(freedom, shape)))
