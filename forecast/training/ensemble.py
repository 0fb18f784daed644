"""Learn `ensemble`: fit the members, let them forecast the validation rows, weigh them.

Weights are learned where early stopping and ridges are chosen, on rows no member learned from. The
config that comes back names who takes part and with which weight and settings, so that the fit on
all rows only learns those anew.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.errors import FitError, ForecastError
from forecast.models import family
from forecast.models.base import Floats, History, Model, Setting
from forecast.models.ensemble import (
    Ensemble,
    EnsembleConfig,
    narrowed,
    normalised,
    seen,
    together,
)
from forecast.models.settings import changed
from forecast.training.run import Run
from forecast.training.weights import LEAST, Held, held, learn

SERIES = 40  # whose validation rows are forecast, at most
WINDOWS = 1200  # over all of them
EACH = (8, 84)  # of a series, at least and at most


def fit(config: EnsembleConfig, setting: Setting, history: History, run: Run) -> Ensemble:
    """Fit the members and learn their weights; those that fail or hardly count are left out."""
    models = fitted(config, config.members, setting, history, run)
    if not config.weights and (windows := forecasts(models, setting, history)) is not None:
        models, weights = counting(models, learn(windows))
        shares = ", ".join(f"{n} {w:.2f}" for n, w in zip(models, weights, strict=True))
        run.tell(f"ensemble weights, from {len(windows.truth)} held-back windows: {shares}")
    else:
        if not config.weights:
            run.tell("ensemble weights: equal, as there are too few rows to learn others")
        own = dict(zip(config.members, config.weights or np.ones(len(config.members)), strict=True))
        weights = np.array([own[name] for name in models])
    return joined(config, setting, models, weights)


def fitted(
    config: EnsembleConfig, names: Iterable[str], setting: Setting, history: History, run: Run
) -> dict[str, Model]:
    """Return the models called `names` that can be fitted; FitError when none can."""
    own, models, failures = config.configs(), {}, []
    for name in dict.fromkeys(names):
        kind = family(name)
        try:
            plain = own[name] if name in own else kind.load("config")()
            narrow, view = viewed(setting, history, name)
            models[name] = kind.load("fit")(plain, narrow, view, _named(run, name))
        except ForecastError as error:
            failures.append(f"{name}: {error.message}")
            run.tell(f"{name} is left out: {error.message}")
    if not models:
        raise FitError(
            "no member could be fitted; " + "; ".join(failures),
            hint="choose others: `--set members=linear,snaive`",
        )
    return models


def forecasts(models: dict[str, Model], setting: Setting, history: History) -> Held | None:
    """Let `models` forecast the validation rows; None where they hold no window."""
    horizon = setting.horizon
    some = np.flatnonzero(history.validation >= horizon)
    if not len(some):
        return None
    some = some[np.linspace(0, len(some) - 1, min(len(some), SERIES)).astype(int)]
    count = int(np.clip(WINDOWS // len(some), *EACH))
    ends = [_ends(history, int(i), horizon, count) for i in some]
    truth = [history.z[end[:, None] + np.arange(horizon)] for end in ends]
    if all(np.isnan(part).all() for part in truth):
        return None
    quantiles = [
        np.concatenate([_replayed(m, view, int(i), e) for i, e in zip(some, ends, strict=True)])
        for m, view in ((models[name], viewed(setting, history, name)[1]) for name in models)
    ]
    series = np.repeat(some, [len(end) for end in ends])
    return held(np.stack(quantiles), np.concatenate(truth), series)


def viewed(setting: Setting, history: History, name: str) -> tuple[Setting, History]:
    """Return what the member `name` is told, and `history` with the covariates it uses."""
    narrow, columns = narrowed(setting, family(name).covariates)
    return narrow, replace(history, phases=seen(history.phases, columns))


def counting(models: dict[str, Model], weights: Floats) -> tuple[dict[str, Model], Floats]:
    """Return the models that count for something, and their weights."""
    kept = [k for k, weight in enumerate(weights) if weight >= LEAST]
    names = list(models)
    return {names[k]: models[names[k]] for k in kept}, normalised(weights[kept])


def joined(
    config: EnsembleConfig, setting: Setting, models: dict[str, Model], weights: Floats
) -> Ensemble:
    """Return `models` as one, its config saying what was chosen."""
    settings = tuple(
        f"{name}.{key}={text}"
        for name, model in models.items()
        for key, text in changed(model.config).items()
    )
    shares = tuple(float(w) for w in normalised(weights if weights.any() else weights + 1))
    config = replace(config, members=tuple(models), weights=shares, settings=settings)
    arrays = together({name: model.arrays for name, model in models.items()})
    return Ensemble(config, setting, arrays)


def _ends(history: History, i: int, horizon: int, count: int) -> NDArray[np.int64]:
    """Return places in `history` where windows begin in the validation rows of series `i`."""
    first, last = history.training(i).stop, history.whole(i).stop - horizon
    return np.unique(np.linspace(first, last, min(count, last - first + 1)).astype(np.int64))


def _replayed(model: Model, history: History, i: int, ends: NDArray[np.int64]) -> Floats:
    """Return quantiles (V, H, Q) of series `i` from each of `ends`, the rows before absorbed."""
    known = history.phases.shape[1] - len(model.setting.past)
    state, begin, found = model.start(np.array([i])), history.whole(i).start, []
    for end in ends:
        state = model.absorb(state, history.z[None, begin:end], history.phases[None, begin:end])
        ahead = history.phases[None, end : end + model.setting.horizon, :known]
        found.append(model.predict(state, ahead).quantiles[0])
        begin = end
    return np.stack(found)


def _named(run: Run, name: str) -> Run:
    """Return `run` with `name` before the stages of its progress."""
    show = run.progress
    return replace(
        run, keep=False, progress=lambda stage, done, note: show(f"{name}: {stage}", done, note)
    )
