"""Fit `linear`: features from blocks of rows; lags, hours and ridge chosen on the validation rows.

Shapes: N series, B rows of a block, P features, H horizon.
"""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from forecast.kernels.threads import in_order
from forecast.models.base import Floats, History, Setting
from forecast.models.linear import Linear, LinearConfig, Readout, spans
from forecast.training.blocks import Block, Mask, blocks, spreads
from forecast.training.ridge import (
    RIDGES,
    STRONG,
    Path,
    Problem,
    Sums,
    errors_along,
    readouts,
)
from forecast.training.run import Run

SAMPLE = 6  # series on which settings are chosen
CYCLES = 8  # a history this many times as long as the lags carries them


def fit(config: LinearConfig, setting: Setting, history: History, run: Run) -> Linear:
    """Fit a ridge; the returned config says what was chosen."""
    config = settle(config, setting, history)
    readout = Readout.of(config, setting)
    model = Linear(config, setting, {"spread": spreads(readout, history)})
    problem = Problem(
        sums=lambda i: sums(model, history, i),
        count=len(history),
        sample=sampled(history),
        penalties=penalties(model),
        prior=readout.prior(len(model.outside)),
        ridges=ridges(setting),
        solve=by_scikit_learn,
    )
    learnt = readouts(problem, config.ridge, config.pull)
    run.progress("linear", 1.0, f"ridge {learnt.ridge:.0e}")
    config = replace(config, ridge=learnt.ridge, pull=learnt.pull)
    return Linear(config, setting, {**model.arrays, **learnt.arrays})


def settle(config: Any, setting: Setting, history: History) -> Any:
    """Return `config` with `lags` and `hours` chosen, by a ridge on the lags of a few series."""
    reach = [config.lags] if config.lags else _carried(setting, history)
    hours = [config.hours] if config.hours != "auto" else ["yes", "no"]
    if not setting.seasons:
        hours = ["no"]
    options = [replace(config, lags=n, hours=h) for n, h in product(reach, hours)]
    sample = sampled(history)
    if len(options) == 1 or not sample:
        return options[0]
    whole = Readout.of(replace(config, lags=reach[-1], hours=hours[0]), setting)
    model = Linear(options[0], setting, {"spread": spreads(whole, history)})
    model.readout, model.memory = whole, whole.memory
    pairs = list(in_order(lambda k: sums(model, history, sample[k]), len(sample)))
    rest = penalties(model)[len(whole.penalties()) :]
    every = [np.append(_within(whole, Readout.of(o, setting)), rest) for o in options]
    errors = list(in_order(lambda k: _error(pairs, every[k], setting), len(every)))
    return options[int(np.argmin(errors))]


def sums(model: Linear, history: History, i: int) -> tuple[Sums, Sums]:
    """Return the sums over the training and the validation rows of series `i`."""
    shape = len(penalties(model)), model.setting.horizon
    train, held = Sums.none(*shape), Sums.none(*shape)
    for block in blocks(model, history, i):
        for part, mask in ((train, block.learn), (held, block.hold)):
            if mask.any():
                part.add(direct(model, block, mask), block.targets[mask])
    return train, held


def direct(model: Linear, block: Block, mask: Mask | slice = slice(None)) -> Floats:
    """Return the features (B, P) of the rows of a block, as `Linear.features` does."""
    own = model.readout.features(block.centred[mask], block.ahead[mask])
    return np.concatenate([own, block.outside[mask]], axis=1)


def penalties(model: Linear) -> Floats:
    """Return the penalty (P,) of each feature relative to the lags'."""
    return np.concatenate([model.readout.penalties(), np.ones(len(model.outside))])


def sampled(history: History) -> tuple[int, ...]:
    """Return a few series with validation rows, evenly spread."""
    some = np.flatnonzero(history.validation > 0)
    places = np.linspace(0, len(some) - 1, min(SAMPLE, len(some))).astype(int)
    return tuple(int(i) for i in some[places])


def ridges(setting: Setting) -> tuple[float, ...]:
    """Return the strengths to choose from, rising."""
    return STRONG if setting.difference else RIDGES


def by_scikit_learn(sums: Sums, penalties: Floats, ridge: float) -> Floats:
    """Return the readout (P, H) of `sums` by scikit-learn, on P rows that have the same sums."""
    from sklearn.linear_model import Ridge

    s = 1 / np.sqrt(penalties)
    w, Q = np.linalg.eigh(s[:, None] * sums.G * s)
    kept = w > max(w[-1] * 1e-14, 0.0)
    root = np.sqrt(w[kept])
    if not kept.any():
        return np.zeros_like(sums.C)
    features = root[:, None] * Q.T[kept]
    targets = Q.T[kept] @ (s[:, None] * sums.C) / root[:, None]
    alpha = max(sums.rows, 1.0) * ridge
    fitted = Ridge(alpha, fit_intercept=False, solver="svd").fit(features, targets)
    return np.asarray(s[:, None] * np.reshape(fitted.coef_, (sums.C.shape[1], -1)).T)


def _carried(setting: Setting, history: History) -> list[int]:
    """Return the spans a typical series is long enough for; those too long without validation."""
    rows = np.median(np.diff(history.offsets) - history.validation)
    every = spans(setting)
    if not (history.validation > 0).any():
        carried = [n for n in every if CYCLES * n <= rows] or [every[0]]
        return carried[-1:]
    return [n for n in every if 3 * n <= rows] or [every[0]]


def _within(whole: Readout, part: Readout) -> Floats:
    """Return the penalties (P,) of `whole`, infinite for features that `part` lacks."""
    penalties = whole.penalties()
    lags = 1 + np.flatnonzero(~np.isin(whole.places, part.places))
    penalties[lags] = np.inf
    if whole.hours and not part.hours:
        penalties[len(part.penalties()) + len(lags) :] = np.inf
    return penalties


def _error(pairs: list[tuple[Sums, Sums]], penalties: Floats, setting: Setting) -> float:
    paths = [(Path(train, penalties), held) for train, held in pairs]
    return float(errors_along(paths, ridges(setting)).min())
