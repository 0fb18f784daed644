"""Fit `esn`: one pass over the rows and one linear solve for each reservoir.

Lags and hours are chosen as for `linear`, leak rate and spectral radius among a few pairs with the
first reservoir, ridge and pull once for all reservoirs. States and sums come from numba or NumPy,
or from torch on a device. Shapes: N series, B rows of a block, P features of which R are states.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from forecast.errors import FitError
from forecast.models.base import Arrays, Floats, History, Setting
from forecast.models.drawing import draw
from forecast.models.echoes import Echoes, build
from forecast.models.esn import ESN, ESNConfig
from forecast.models.linear import Readout
from forecast.models.outside import Outside
from forecast.training import echoes
from forecast.training.blocks import blocks, spreads
from forecast.training.linear import direct, ridges, sampled, settle
from forecast.training.linear import penalties as plain_penalties
from forecast.training.ridge import ROOM, Path, Problem, Readouts, Sums, errors_along, readouts
from forecast.training.run import Run, memory

DYNAMICS = ((1.0, 0.5), (1.0, 0.9), (0.3, 0.9))  # leak rate and spectral radius to choose from

Gather = Callable[[int], tuple[Sums, Sums]]  # number of a series -> training, held-back sums


def fit(config: ESNConfig, setting: Setting, history: History, run: Run) -> "ESN | Echoes":
    """Fit a network; the returned config says what was chosen.

    Raises FitError for a washout that leaves nothing, and for more than the memory holds.
    """
    _check_washout(config, history)
    if setting.difference:
        _check_memory(config, setting, history)
        return echoes.fit(config, setting, history, run)
    _check_free(config, setting)
    config = settle(config, setting, history)
    _check_memory(config, setting, history)
    spread = spreads(Readout.of(config, setting), history)
    config = _dynamics(config, setting, history, spread, run)
    model = network(config, setting, spread)
    learnt: list[Readouts] = []
    for m in range(config.reservoirs):
        problem = _problem(model, history, m, run.device)
        learnt.append(readouts(problem, config.ridge, config.pull))
        config = replace(config, ridge=learnt[0].ridge, pull=learnt[0].pull)
        run.progress("esn", (m + 1) / config.reservoirs, f"ridge {config.ridge:.0e}")
    arrays = {**model.arrays, **_mean(learnt, config.units)}
    if config.adapt == "yes":
        arrays |= _starts(learnt) | {"until": _until(config, setting, history)}
    return build(config, setting, arrays)


def _check_washout(config: ESNConfig, history: History) -> None:
    longest = int(history.rows.max(initial=0))
    if config.washout >= max(longest, 1):
        raise FitError(
            f"a washout of {config.washout:,} rows leaves nothing to learn from: the longest "
            f"series has {longest:,}",
            hint=f"`--set washout={longest // 4}`, or leave it out to have it chosen",
        )


def _check_free(config: ESNConfig, setting: Setting) -> None:
    if config.mode == "free" and setting.past:
        raise FitError(
            f"mode=free runs on where the past covariate `{setting.past[0]}` is not known",
            hint="leave past covariates out, or use `--set mode=direct`",
        )


def _check_memory(config: ESNConfig, setting: Setting, history: History) -> None:
    need, have = footprint(config, setting, history), memory()
    if need <= have:
        return
    units = config.units
    while units > 1 and footprint(replace(config, units=units), setting, history) > have:
        units = units * 3 // 4
    fits = f"`--set units={units}` fits" if units > 1 else "fit a part of the series"
    raise FitError(
        f"{config.reservoirs} reservoirs of {config.units:,} units for {len(history):,} series "
        f"need about {need / 2**30:.1f} GiB; this machine has {have / 2**30:.1f}",
        hint=fits,
    )


def footprint(config: ESNConfig, setting: Setting, history: History) -> float:
    """Return about how many bytes a fit holds at once: sums, readouts and states.

    The sums of one series and of all stand beside their eigenvectors; a series with more rows than
    features has a readout of its own, held for each reservoir and for their mean.
    """
    if setting.difference:
        return echoes.footprint(config)
    plain, H = Readout.of(config, setting).prior(len(Outside(setting))).shape
    width, M = plain + config.units, config.reservoirs
    own = 1 + int((history.rows > width).sum()) * (len(history) > 1)
    readouts = 2 * 8 * own * M * width * H
    if config.adapt == "yes":  # what each readout starts from, and every series' own
        readouts += 8 * (own + 2 * len(history)) * M * width * (width + H)
    states = 2 * 4 * len(history) * M * config.units
    return float(6 * 8 * width**2 + ROOM + readouts + states)


def network(config: ESNConfig, setting: Setting, spread: Floats) -> ESN:
    """Return a network with reservoirs drawn, which has learnt nothing yet."""
    bare = ESN(config, setting, {"spread": spread})
    phases = np.zeros((1, setting.columns))
    width = bare.inputs(np.zeros((1, bare.memory.size)), phases).shape[1]
    return ESN(config, setting, {"spread": spread, **draw(config, setting, width)})


def gather(model: ESN, history: History, m: int, device: str) -> Gather:
    """Return what sums the products of reservoir `m` over the rows of a series."""
    if device == "cpu":
        return partial(sums, model, history, m)
    from forecast.training.device_sums import DeviceSums

    return DeviceSums(model, history, m, device)


def sums(model: ESN, history: History, m: int, i: int) -> tuple[Sums, Sums]:
    """Return the sums over the training and the validation rows of series `i`."""
    shape = len(penalties(model)), model.setting.horizon
    train, held = Sums.none(*shape), Sums.none(*shape)
    x = np.zeros(model.config.units, np.float32)
    for block in blocks(model, history, i, model.config.skipped):
        states = np.zeros((len(block.moved), len(x)), np.float32)
        if block.moved.any():
            moved = block.moved
            states[moved] = model.drive(m, x, model.inputs(block.centred, block.phases)[moved])
            x = states[-1]
        for part, mask in ((train, block.learn), (held, block.hold)):
            if mask.any():
                features = np.concatenate([direct(model, block, mask), states[mask]], axis=1)
                part.add(features, block.targets[mask])
    return train, held


def penalties(model: ESN) -> Floats:
    """Return the penalty (P,) of each feature relative to the lags'."""
    states = np.full(model.config.units, model.config.state_penalty)
    return np.concatenate([plain_penalties(model), states])


def prior(model: ESN) -> Floats:
    """Return the readout (P, H) to shrink to: covariates and states count for nothing."""
    return model.readout.prior(len(model.outside) + model.config.units)


def _problem(model: ESN, history: History, m: int, device: str) -> Problem:
    return Problem(
        sums=gather(model, history, m, device),
        count=len(history),
        sample=sampled(history),
        penalties=penalties(model),
        prior=prior(model),
        ridges=ridges(model.setting),
        inverses=model.config.adapt == "yes",
        threads=device == "cpu",
    )


def _dynamics(
    config: ESNConfig, setting: Setting, history: History, spread: Floats, run: Run
) -> ESNConfig:
    """Return `config` with leak rate and spectral radius chosen on a few series."""
    fixed = config.leak_rate, config.spectral_radius
    pairs = dict.fromkeys((fixed[0] or a, fixed[1] or r) for a, r in DYNAMICS)
    options = [replace(config, leak_rate=a, spectral_radius=r) for a, r in pairs]
    sample = sampled(history)
    if len(options) == 1 or not sample:
        return options[0]
    errors = []
    for k, option in enumerate(options):
        model = network(replace(option, reservoirs=1), setting, spread)
        start = prior(model)
        products = gather(model, history, 0, run.device)
        made = (products(i) for i in sample)
        paths = [(Path(t.about(start), penalties(model)), h.about(start)) for t, h in made]
        errors.append(float(errors_along(paths, ridges(setting)).min()))
        run.progress("esn", 0.0, f"{k + 1} of {len(options)} kinds of reservoir tried")
    return options[int(np.argmin(errors))]


def _mean(learnt: list[Readouts], units: int) -> Arrays:
    """Return one readout of [plain; x of all reservoirs] that is the mean of the reservoirs'."""
    each = [part.arrays["readouts"] for part in learnt]
    plain = np.mean([W[:, :-units] for W in each], axis=0)
    states = [W[:, -units:] / len(each) for W in each]
    return {
        "readouts": np.concatenate([plain, *states], axis=1),
        "which": learnt[0].arrays["which"],
        "scale": np.mean([part.arrays["scale"] for part in learnt], axis=0),
    }


def _starts(learnt: list[Readouts]) -> Arrays:
    """Return what adaptation starts from: weights (K, M, P, H) and inverse (K, M, P, P)."""
    both = [(part.arrays["readouts"], part.arrays["inverse"]) for part in learnt]
    weights, inverses = (np.stack(each, axis=1) for each in zip(*both, strict=True))
    return {"weights": weights, "inverse": inverses}


def _until(config: ESNConfig, setting: Setting, history: History) -> NDArray[np.int64]:
    """Return how many rows (N + 1,) of each series were learnt from, since its first value.

    A series that was not in the fit is learnt from once the washout is over.
    """
    until = np.full(len(history) + 1, config.skipped + setting.horizon)
    for i in range(len(history)):
        observed = np.isfinite(history.z[history.training(i)])
        until[i] = len(observed) - int(observed.argmax()) if observed.any() else 0
    return until
