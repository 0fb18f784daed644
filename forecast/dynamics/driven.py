"""What drives the members of a fitted model: rows of data, or the last rows its file keeps."""

from dataclasses import replace

import numpy as np

from forecast import replay
from forecast.data.panel import Panel
from forecast.dynamics.cells import Cell, Gated, Leaky
from forecast.dynamics.measures import Dynamics, System, measure
from forecast.errors import DataError, UsageError
from forecast.forecaster import Forecaster
from forecast.models import returns
from forecast.models.base import COLD, Floats
from forecast.models.drawing import matrix
from forecast.models.echoes import Echoes
from forecast.models.esn import ESN
from forecast.models.inputs import calendar, input_sizes, window
from forecast.models.recurrent import Recurrent, context, level_rows, segment
from forecast.transform import scales

STEPS = 1500  # along which a model is measured, at most
FEWEST = 8


def inspect(forecaster: Forecaster, rows: Panel | None = None, seed: int = 0) -> Dynamics:
    """Measure a fitted ESN, RNN or GRU along `rows`, or along the rows that its file keeps.

    Of several series the longest is taken. Raises UsageError for a model that is no recurrent
    network, DataError where there are too few rows.
    """
    model = forecaster.model
    if not isinstance(model, ESN | Echoes | Recurrent):
        raise UsageError(
            f"{forecaster.family} has no recurrent state, so there are no dynamics to show",
            hint="`--dynamics` is for esn, rnn and gru: `forecast fit DATA --model esn`",
        )
    z, phases, series = _kept(forecaster) if rows is None else _given(forecaster, rows)
    size = segment(model.config, model.setting) if isinstance(model, Recurrent) else 1
    if np.isfinite(z).sum() < FEWEST or len(z) < FEWEST * size:
        raise DataError(
            f"{len(z):,} rows are too few: {FEWEST} steps of {size:,} rows are needed",
            hint="give longer data: `forecast inspect MODEL --dynamics DATA`",
        )
    return measure(_systems(model, z, phases, series), size, seed)


def _systems(
    model: ESN | Echoes | Recurrent, z: Floats, phases: Floats, series: int
) -> list[System]:
    if isinstance(model, ESN):
        return _reservoirs(model, z, phases, series)
    if isinstance(model, Echoes):
        return _echoes(model, z, phases, series)
    return _networks(model, z, phases, series)


def _given(forecaster: Forecaster, rows: Panel) -> tuple[Floats, Floats, int]:
    """Return z (T,), phases (T, S + 1 + E) and the number of the longest series of `rows`."""
    if not len(rows):
        raise DataError("there are no rows", hint="`forecast check DATA` says what is in a table")
    rows = replace(rows, clock=forecaster.clock.joined(rows.clock.own))
    i = int(rows.lengths.argmax())
    part, name = rows.select([i]), rows.ids[i]
    place = forecaster.ids.index(name) if name in forecaster.ids else None
    scale = scales(part)[0] if place is None else forecaster.scales[place]
    series = COLD if place is None else int(forecaster.series[place])
    z = forecaster.transform.forward(part.values, np.full(len(part.values), scale))
    beside = replay.beside(forecaster.coding, part)
    return z, replay.sight(rows.clock.of(part.ids), part.all_times(), beside), series


def _kept(forecaster: Forecaster) -> tuple[Floats, Floats, int]:
    """Return the same of the rows that the state of the series with the most of them keeps."""
    if not forecaster.ids:
        raise DataError(
            "the model keeps no rows to run along", hint="`forecast inspect MODEL --dynamics DATA`"
        )
    state, setting = forecaster.state, forecaster.model.setting
    if isinstance(forecaster.model, returns.Returns):
        state = {**state, "ring": np.cumsum(state["ring"][..., 0], axis=1)}  # changes in spreads
    if isinstance(forecaster.model, Echoes):
        tail = forecaster.transform.forward(forecaster.tail, forecaster.scales[:, None])
        state = {**state, "ring": tail}
    known = state["seen"] if "seen" in state else np.isfinite(state["ring"]).sum(axis=1)
    i = int(known.argmax())
    z = state["ring"][i][-int(min(known[i], state["ring"].shape[1])) :].astype(np.float64)
    clock = forecaster.clock.of(forecaster.ids[i : i + 1])
    ahead = clock.phases(clock.ahead(forecaster.last[i : i + 1], 1))[0]
    phases = np.tile(ahead, (len(z), 1))  # (T, S + 1)
    back = np.arange(len(z), 0, -1)
    for k, season in enumerate(setting.seasons):
        phases[:, k] = np.mod(phases[:, k] - back / season, 1.0)
    mean = np.zeros((len(z), len(forecaster.coding)))  # covariates of kept rows are not kept
    return z, np.concatenate([phases, mean], axis=1), int(forecaster.series[i])


def _echoes(model: Echoes, z: Floats, phases: Floats, series: int) -> list[System]:
    """Return the reservoirs of a network of prices, driven by what the rows show."""
    walked = model.moves.walk(model.start(np.array([series])), z[None], phases[None])[1]
    u, a = walked.u[0, -STEPS:].astype(float), model.arrays
    out = []
    for m in range(len(a["W"])):
        W, W_in = matrix(a["W"][m], a["W_from"][m]).astype(float), a["W_in"][m].astype(float)
        out.append(System(Leaky(W, model.config.leak_rate), W, W_in[0] + u @ W_in[1:], W_in[1]))
    return out


def _reservoirs(model: ESN, z: Floats, phases: Floats, series: int) -> list[System]:
    """Return the reservoirs of a network, driven row by row."""
    more = STEPS + model.memory.size
    z, phases = z[-more:], phases[-more:]
    number = np.array([series])
    _, rows, seen = model.memory.absorb(model.start(number), z[None])
    windows = model.memory.windows(np.zeros(model.memory.size), rows[0], seen[0])
    centred, _, _ = model.centre(windows, seen[0], np.full(len(z), series))
    kept = np.flatnonzero(seen[0])[-STEPS:]
    inputs = model.inputs(centred[kept], phases[kept])
    a = model.arrays
    out = []
    for m in range(len(a["W"])):
        W, W_in = matrix(a["W"][m], a["W_from"][m]).astype(float), a["W_in"][m].astype(float)
        out.append(System(Leaky(W, model.config.leak_rate), W, inputs @ W_in, W_in[1]))
    return out


def _networks(model: Recurrent, z: Floats, phases: Floats, series: int) -> list[System]:
    """Return the members of an RNN or GRU, driven segment by segment.

    Each segment is normalised by the context that ends with it, as the newest one is in a
    forecast; covariates stand at their mean.
    """
    inputs, values = _read(model, z, phases, series)
    a, e = model.arrays, model.arrays["embedding"][:, -1 if series < 0 else series]  # (M, E)
    out = []
    for m in range(len(a["W"])):
        u = np.concatenate([inputs, np.tile(e[m], (len(inputs), 1))], axis=1)
        W = a["W"][m].astype(float)
        cell, weights = _cell(model, m)
        drive = u @ W + a["b"][m].astype(float)
        out.append(System(cell, weights, drive, W[:values].sum(axis=0)))
    return out


def _read(model: Recurrent, z: Floats, phases: Floats, series: int) -> tuple[Floats, int]:
    """Return what a cell reads (T, I) beside the vector of the series; the first are values."""
    config, setting = model.config, model.setting
    if isinstance(model, returns.Returns):
        covariates = len(setting.static) + len(setting.known) + len(setting.past)
        phases = np.concatenate([phases, np.zeros((len(z), covariates))], axis=1)
        walked = model.moves.walk(model.start(np.array([series])), z[None], phases[None])[1]
        return walked.u[0, -STEPS:].astype(float), 1
    size = segment(config, setting)
    count = min(len(z) // size, STEPS)
    rows = size * context(config, setting)
    flat = np.concatenate([np.full(rows, np.nan), z])
    ends = len(flat) - size * np.arange(count)[::-1]
    rings = np.stack([flat[end - rows : end] for end in ends])
    newest = window(rings, size, level_rows(config, setting)).x[:, -1]  # (T, P)
    clock = calendar(phases[ends - rows - size], setting)
    mean = np.zeros((count, input_sizes(size, setting)[0] - size - clock.shape[1]))
    return np.concatenate([newest, clock, mean], axis=1), size


def _cell(model: Recurrent, m: int) -> tuple[Cell, Floats]:
    """Return the cell of member `m`, and its weights from the state to the (candidate) state."""
    U = model.arrays["U"][m].astype(float)
    if model.config.cell == "rnn":
        return Leaky(U.T, activation=model.config.activation), U.T
    return Gated(U, model.arrays["c"][m].astype(float)), U[:, 2 * len(U) :].T
