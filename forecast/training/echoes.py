"""Fit `esn` on prices: how far they will walk, by a convex loss and the sums of one ridge.

A scale exp(f A) of returns y, in spreads of `naive-ewma` and over their mean size there, has

    L(A) = mean(f A + |y| exp(-f A)) + ridge A' D A / 2           least at the mean of |y|     (1)

which is convex and asks for no shape. Its second derivative is about G = mean f f', so that

    A <- A - (G + ridge D)^-1 (mean f (1 - |y| exp(-f A)) + ridge D A)                         (2)

comes to its least in a few steps, all with one factorisation (Fisher scoring). A strong ridge
leaves A = 0, which is `naive-ewma`. Its strength is chosen by leaving out one spell of the market
after another, as no spell is like the next.

Shapes: T rows, B windows learnt from, P features, H horizon.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.errors import FitError
from forecast.models.base import LEVELS, MEDIAN, Arrays, Floats, History, Setting
from forecast.models.drawing import draw
from forecast.models.echoes import Echoes, features
from forecast.models.esn import ESNConfig
from forecast.models.moves import FAR, NORMAL_SIZE, Moves, coming
from forecast.training.run import Run
from forecast.training.shown import shown, shrink, variances

ROWS = 20_000  # learnt from, at most
HELD = 4096  # held-back windows on which the median is judged, at most
SPELLS = 5
RIDGES = tuple(10.0**k for k in range(2, -5, -1))
STEPS = 12  # of (2), at most
NEAR = 1e-4  # a step of every entry of A that ends them
DYNAMICS = (0.3, 0.9)  # leak rate and spectral radius, unless set
ON_LOAD = ("lags", "hours", "pull")  # settings of the readout on load
FREE = 1e-6  # penalty of the constant, relative to the others

Ints = NDArray[np.int64]
Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Rows `at` (B,) of a history, and the returns after them (B, H) in spreads, NaN if unknown."""

    at: Ints
    series: Ints
    cutoff: Ints  # rows seen by then
    beside: Floats  # (B, G) what is known of the steps
    y: Floats


def fit(config: ESNConfig, setting: Setting, history: History, run: Run) -> Echoes:
    """Fit a network to prices; the returned config says what was chosen.

    Raises FitError where there is nothing to learn from, or for a setting that prices do not have.
    """
    if config.mode == "free":
        raise FitError("free running is for values; on prices the readout is direct",
                       hint="leave `mode` out")  # fmt: skip
    if config.adapt == "yes":
        raise FitError("on prices the readout stays as it was fitted", hint="leave `adapt` out")
    for name in ON_LOAD:
        if getattr(config, name) != getattr(ESNConfig(), name):
            raise FitError(f"on prices `{name}` would change nothing", hint=f"leave `{name}` out")
    leak, radius = config.leak_rate or DYNAMICS[0], config.spectral_radius or DYNAMICS[1]
    config = replace(config, leak_rate=leak, spectral_radius=radius)
    variance = variances(history)
    u, last, spread = shown(setting, history, variance)
    width = Moves(setting, 1.0).inputs + 1
    bare = Echoes(config, setting, {"variance": variance, **draw(config, setting, width)})
    learn = _windows(history, setting, last, spread, held=False, skip=config.skipped)
    if not len(learn.at):
        raise FitError("every series is too short to learn a return from it")
    x = _states(bare, history, u, learn.at)
    f = features(u[learn.at], learn.beside, x.reshape(len(x), -1))
    model, config = _read_out(bare, f, learn, run)
    if config.shrink < 0:
        held = _windows(history, setting, last, spread, held=True, skip=0)
        config = replace(config, shrink=_share(model, history, u, held))
    return replace(model, config=config)


def footprint(config: ESNConfig) -> float:
    """Return about how many bytes a fit holds at once: states of the rows, and their products."""
    width = config.units * config.reservoirs
    return float(24 * width * (ROWS + width))


def _windows(
    history: History, setting: Setting, last: Floats, spread: Floats, held: bool, skip: int
) -> Windows:
    """Return windows whose returns are training rows, or those that are `held` back."""
    rows, horizon = np.diff(history.offsets), setting.horizon
    stop = rows - history.validation
    begin = stop if held else np.minimum(skip, stop // 2)
    end = rows if held else stop
    every = max(int((end - begin).sum()) // (HELD if held else ROWS), 1)
    seen = [
        np.arange(b, max(e - 1, b), every) + (not held) for b, e in zip(begin, end, strict=True)
    ]
    series = np.repeat(np.arange(len(rows)), [len(part) for part in seen])
    cutoff = np.concatenate([np.zeros(0, np.int64), *seen])
    at = history.offsets[series] + cutoff - 1
    kept = at >= history.offsets[series]
    series, cutoff, at = series[kept], cutoff[kept], at[kept]
    step = np.arange(1, horizon + 1)
    after = at[:, None] + step
    known = cutoff[:, None] + step <= end[series][:, None]
    after = np.where(known, after, at[:, None])
    unit = spread[at][:, None] * np.sqrt(step)
    y = np.where(known, (history.z[after] - last[at][:, None]) / unit, np.nan)
    phase = history.phases[at, len(setting.seasons)]
    covered = len(setting.seasons) + 1 + len(setting.static) + len(setting.known)
    beside = coming(history.phases[after][..., :covered], phase, setting)
    good = np.isfinite(y[:, 0]) & np.isfinite(history.z[at])
    return Windows(at[good], series[good], cutoff[good], beside[good], y[good])


def _states(model: Echoes, history: History, u: Singles, at: Ints) -> Singles:
    """Return the states (B, M, R) at rows `at` (B,), in rising order, of the flat rows u (T, F)."""
    shape = model.arrays["W"].shape[:2]
    out = np.zeros((len(at), *shape), np.float32)
    for i in range(len(history)):
        whole = history.whole(i)
        own = slice(*np.searchsorted(at, [whole.start, whole.stop]))
        seen = np.isfinite(history.z[whole])
        first = whole.start + int(seen.argmax())
        if own.start < own.stop:
            states = model.driven(np.zeros(shape, np.float32), u[first : at[own][-1] + 1])
            out[own] = states[at[own] - first]
    return out


def _read_out(model: Echoes, f: Floats, learn: Windows, run: Run) -> tuple[Echoes, ESNConfig]:
    """Return the network with its readouts, and the config with the ridge that was chosen."""
    config = model.config
    problem = Problem.of(f, learn.y, _penalties(config, f.shape[1]))
    if not config.ridge:
        config = replace(config, ridge=problem.best(_spells(learn), run))
    A = problem.scale(config.ridge)
    size = np.abs(learn.y) * np.exp(-np.clip(f @ A, -FAR, FAR))  # (B, H)
    arrays: Arrays = {**model.arrays, "A": A, "B": problem.middle(config.ridge),
                      "shape": _shape(size)}  # fmt: skip
    return replace(model, config=config, arrays=arrays), config


def _penalties(config: ESNConfig, features: int) -> Floats:
    """Return the penalty (P,) of each feature: none of the constant, more of states."""
    out = np.ones(features)
    out[0], out[features - config.units * config.reservoirs :] = FREE, config.state_penalty
    return out


def _shape(size: Floats) -> Floats:
    """Return symmetric quantiles (H, Q) of returns of `size` (B, H)."""
    up = np.nanquantile(size, 2 * np.array(LEVELS[MEDIAN + 1 :]) - 1, axis=0).T  # (H, MEDIAN)
    up = np.maximum.accumulate(np.maximum(up, 1e-6), axis=1)
    return np.concatenate([-up[:, ::-1], np.zeros((len(up), 1)), up], axis=1)


def _spells(learn: Windows) -> Ints:
    """Return the spell (B,) of each window: equal parts of the rows, counted from the first."""
    first, last = learn.cutoff.min(), learn.cutoff.max()
    return np.asarray((learn.cutoff - first) * SPELLS // (last - first + 1))


def _share(model: Echoes, history: History, u: Singles, held: Windows) -> float:
    """Return how much of the median's departure from the last price to keep."""
    if not len(held.at):
        return 0.0
    order = np.argsort(held.at, kind="stable")
    x = np.empty((len(order), *model.arrays["W"].shape[:2]), np.float32)
    x[order] = _states(model, history, u, held.at[order])
    f = features(u[held.at], held.beside, x.reshape(len(x), -1))
    return shrink(f @ model.arrays["B"], held.y, held.cutoff)


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The rows of (1): features f (B, P), returns y (B, H), penalties D (P,), G (P, P) summed."""

    f: Floats
    y: Floats
    D: Floats
    G: Floats

    @classmethod
    def of(cls, f: Floats, y: Floats, D: Floats) -> "Problem":
        """Sum the products of the features once."""
        return cls(f, y, D, f.T @ f)

    def best(self, spells: Ints, run: Run) -> float:
        """Return the ridge under which spells left out are forecast best."""
        errors = np.zeros(len(RIDGES))
        for k in np.unique(spells):
            own = spells == k
            out = Problem.of(self.f[own], self.y[own], self.D)
            rest = Problem(self.f[~own], self.y[~own], self.D, self.G - out.G)
            A = None
            for n, ridge in enumerate(RIDGES):  # the strongest first, each begins where one ended
                A = rest.scale(ridge, A)
                errors[n] += out.loss(A) * own.sum()
            run.progress("esn", float(k + 1) / SPELLS, "spells left out")
        return float(RIDGES[int(np.argmin(errors))])

    def scale(self, ridge: float, start: Floats | None = None) -> Floats:
        """Return A (P, H), the least of (1), by (2)."""
        n, size = len(self.f), np.abs(self.y) / NORMAL_SIZE
        A = np.zeros((self.f.shape[1], self.y.shape[1])) if start is None else start
        solve = np.asarray(np.linalg.inv(self.G / n + np.diag(ridge * self.D)))
        for _ in range(STEPS):
            slope = np.nan_to_num(1 - size * np.exp(-np.clip(self.f @ A, -FAR, FAR)))
            step = solve @ (self.f.T @ slope / n + ridge * self.D[:, None] * A)
            A = np.asarray(A - step)
            if np.abs(step).max() < NEAR:
                break
        return A

    def middle(self, ridge: float) -> Floats:
        """Return B (P, H), the ridge regression of the returns themselves."""
        C = self.f.T @ np.nan_to_num(self.y)
        return np.asarray(np.linalg.solve(self.G + len(self.f) * ridge * np.diag(self.D), C))

    def loss(self, A: Floats) -> float:
        """Return the mean of (1) without the penalty."""
        a = np.clip(self.f @ A, -FAR, FAR)
        return float(np.nanmean(a + np.abs(self.y) / NORMAL_SIZE * np.exp(-a)))
