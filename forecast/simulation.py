"""Sample paths: futures that may come, each one joint over its steps.

Within the horizon a path is drawn from the forecast's quantiles with the dependence of the errors
learnt at the fit; a model that can draw paths itself (`sample`) gives their dependence instead.
Beyond the horizon a path goes on from itself: it is absorbed as if it had come, and forecast again.

Shapes: N series, S paths, T steps, H horizon, Q levels; K known covariates as a model sees them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast import dependence, replay
from forecast.calibration import widen
from forecast.data import future as steps_ahead
from forecast.data.clock import WEEK, Clock, Times
from forecast.data.covariates import Column as Covariate
from forecast.data.covariates import Covariates
from forecast.data.lines import Column
from forecast.data.panel import Panel
from forecast.data.sessions import LEAST, MARKET
from forecast.errors import DataError, UsageError
from forecast.forecaster import LARGEST, Forecaster
from forecast.models.base import COLD as NOBODY
from forecast.models.base import State

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
COLD = "cold"  # the id of paths that start from no series


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """Paths of N series, in the order of the input."""

    ids: tuple[str, ...]
    times: Times  # (N, T)
    values: Floats  # (N, S, T)
    clock: Clock

    def columns(self) -> dict[str, Column]:
        """Return `unique_id, path, ds, y`, a row per number, as `write_windows` takes them."""
        n, paths, steps = self.values.shape
        return {
            "unique_id": (np.repeat(np.arange(n), paths * steps), self.ids),
            "path": np.tile(np.repeat(np.arange(1, paths + 1), steps), n),
            "ds": np.repeat(self.times[:, None], paths, axis=1).ravel(),
            "y": self.values.ravel(),
        }


def simulate(
    forecaster: Forecaster,
    paths: int,
    steps: int | None = None,
    seed: int = 0,
    rows: Panel | None = None,
    future: Panel | None = None,
) -> Simulation:
    """Draw `paths` from where each series stands; the same seed gives the same paths.

    With `rows` these are absorbed first and only their series are drawn. Known covariates of all
    steps come from `rows.future` and `future`. Raises DataError where no series has shown a value
    and where a known covariate of a step is not given, UsageError for more steps than fitted by a
    model that sees past covariates.
    """
    steps = steps or forecaster.horizon
    at = forecaster.order
    if rows is not None:
        forecaster = forecaster.update(rows)
        names = np.array(forecaster.ids, object)
        at = np.searchsorted(names, np.array(rows.ids, object))[rows.order]
    at = at[forecaster.started[at]]
    if not len(at):
        raise DataError(
            "the model keeps no state, so there is no history to go on from",
            hint="give it rows: `forecast simulate MODEL ROWS.csv`",
        )
    tables = [table for table in (rows and rows.future, future) if table is not None]
    needed = max(steps, forecaster.horizon)
    known = _known(forecaster, at, forecaster.clock.ahead(forecaster.last[at], needed), tables)
    rng = np.random.default_rng(seed)
    series = [_Paths(forecaster, at[k : k + 1], paths, known[k : k + 1]) for k in range(len(at))]
    drawn = [each.draw(steps, rng) for each in series]
    return Simulation(
        tuple(forecaster.ids[i] for i in at),
        np.stack([times[0] for times, _ in drawn]),
        np.stack([values for _, values in drawn]),
        forecaster.clock,
    )


def simulate_cold(
    forecaster: Forecaster,
    paths: int,
    steps: int | None = None,
    seed: int = 0,
    start: int | None = None,
    static: Mapping[str, str] | None = None,
    future: Panel | None = None,
) -> Simulation:
    """Draw `paths` from no history: what the model does when left to itself.

    Each path starts where some series of the fit stands, drawn at random, and runs free until that
    is forgotten: for as many rows as the state looks back on, known covariates at their mean. With
    `static` covariates it is a series that nobody has seen: it starts near one of those most like
    it. `start` is the time of the first step, by default the one after the last row seen; `future`
    holds the known covariates of the steps. Raises DataError for a model without state and for a
    step of which a known covariate is not given, UsageError for a static covariate it has not.
    """
    started = np.flatnonzero(forecaster.started)
    if not len(started):
        raise DataError(
            "the model keeps no state, so nothing says where its series live",
            hint="fit it without `--no-state`",
        )
    steps, rng = steps or forecaster.horizon, np.random.default_rng(seed)
    clock, burn = forecaster.clock, forecaster.context
    last = int(forecaster.last[started].max())
    first = int(clock.ahead(np.array([last], np.int64), 1)[0, 0]) if start is None else start
    begin = _before(clock, first, burn + 1)
    moved = replace(forecaster, last=np.full_like(forecaster.last, begin), widths=None)
    if static:
        moved, started = _unseen(moved, started, static)
    at = rng.choice(started, paths)
    times = clock.ahead(moved.last[at], burn + steps)
    tables = [] if future is None else [future]
    known = _known(moved, at, times[:, burn:], tables)
    known = np.concatenate([np.zeros((paths, burn, known.shape[2])), known], axis=1)
    times, values = _Paths(moved, at, 1, known).draw(burn + steps, rng)
    return Simulation((COLD,), times[:1, burn:], values[None, :, burn:], clock)


def _known(f: Forecaster, at: Ints, times: Times, tables: Sequence[Panel]) -> Floats:
    """Return the known covariates (len(at), T, K) of the steps `times`, all of them given."""
    ids = tuple(f.ids[i] for i in at)
    return steps_ahead.known(f.coding, tables, ids, times, f.clock, f.holidays)


def _unseen(f: Forecaster, started: Ints, static: Mapping[str, str]) -> tuple[Forecaster, Ints]:
    """Return `f` with the static covariates `static` for all series, and which are most like that.

    Nobody's own parameters are used, as for a series that was not in the fit.
    """
    coded = f.coding.code(_told(f, static), ("static",))[0]
    given = ~np.isnan(coded)
    far = np.abs(f.beside[started][:, : len(coded)][:, given] - coded[given]).sum(axis=1)
    beside = f.beside.copy()
    beside[:, : len(coded)] = np.where(given, coded, beside[:, : len(coded)])
    state = {name: np.full_like(array, NOBODY) if name.split(".")[-1] == "series" else array
             for name, array in f.state.items()}  # fmt: skip
    series = np.full_like(f.series, NOBODY)
    return replace(f, beside=beside, state=state, series=series), started[far <= far.min() + 1e-9]


def _told(f: Forecaster, static: Mapping[str, str]) -> Covariates:
    """Return one row of the static covariates of the fit, missing where `static` tells none."""
    own = {column.name: column for column in f.coding.columns if column.role == "static"}
    columns, values = [], np.full((1, len(own)), np.nan)
    for name in static:
        if name not in own:
            raise UsageError(f"no static covariate of the model is called `{name}`",
                             hint=f"it has {', '.join(own) or 'none'}")  # fmt: skip
    for k, (name, column) in enumerate(own.items()):
        text = static.get(name)
        if column.texts is not None and text is not None and text not in column.texts:
            raise UsageError(f"`{name}={text}`: the model has not seen that",
                             hint=f"it has seen {', '.join(column.texts)}")  # fmt: skip
        try:
            if text is not None:
                values[0, k] = 0.0 if column.texts is not None else float(text)
        except ValueError:
            raise UsageError(f"`{name}={text}` is not a number") from None
        texts = None if column.texts is None else (text or "",)
        columns.append(Covariate(name, "static", texts))
    return Covariates(tuple(columns), values)


def _before(clock: Clock, first: int, rows: int) -> int:
    """Return the time `rows` steps before `first`; on trading days a week holds five of them."""
    if clock.kind == "trading":
        return first - (rows // len(clock.weekdays) + 2) * WEEK
    return int(clock.shift(np.array([first], np.int64), np.array([-rows]))[0])


@dataclass(frozen=True, slots=True)
class _Paths:
    """`count` paths of each of the series at places `at` (N,) of a forecaster."""

    forecaster: Forecaster
    at: Ints
    count: int
    known: Floats  # (N, T, K) of the steps, as far as they are given

    def draw(self, steps: int, rng: np.random.Generator) -> tuple[Times, Floats]:
        """Return the times (N, T) and the values (N S, T)."""
        f, horizon = self.forecaster, self.forecaster.horizon
        past = f.coding.sources("past")
        if past and steps > horizon:
            raise UsageError(
                f"beyond {horizon} steps the model needs past covariates, which nobody knows then: "
                + ", ".join(past), hint=f"draw at most {horizon} steps, or fit it without them",
            )  # fmt: skip
        clock = f.clock.of(f.ids).at(self.at)
        times = clock.ahead(f.last[self.at], -(-steps // horizon) * horizon)
        sight = replay.sight(clock, times, self._ahead(times))
        state: State = {name: array[self.at] for name, array in f.state.items()}
        at, drawn = self.at, []
        for first in range(0, steps, horizon):
            near = sight[:, first : first + horizon]
            near = np.repeat(near, len(at) // len(times), axis=0)
            z = self._block(at, state, near, self.count if first == 0 else 1, rng)
            drawn.append(z)
            if first + horizon >= steps:
                break
            if first == 0 and self.count > 1:
                at, near = np.repeat(at, self.count), np.repeat(near, self.count, axis=0)
                state = {name: np.repeat(a, self.count, axis=0) for name, a in state.items()}
            state = f.model.absorb(state, z, self._absorbed(near, z, state))
        scale = f.scales[np.repeat(self.at, self.count)][:, None]
        y = f.transform.backward(np.concatenate(drawn, axis=1)[:, :steps], scale)
        return times[:, :steps], np.clip(y, -LARGEST, LARGEST)

    def _ahead(self, times: Times) -> Floats:
        """Return the static and the known covariates of the steps `times` (N, T)."""
        known = np.full((*times.shape, self.known.shape[2]), np.nan)
        size = min(known.shape[1], self.known.shape[1])
        known[:, :size] = self.known[:, :size]
        f = self.forecaster
        return f.coding.to_come(f.beside[self.at], known, times.shape[1])

    def _absorbed(self, sight: Floats, z: Floats, state: State) -> Floats:
        """Return what is seen of paths `z` (N S, H) as they are absorbed: each is its own market.

        `sight` (N S, H, columns) is what was seen of their steps before.
        """
        f = self.forecaster
        if len(f.coding) == f.coding.ahead:
            return sight
        size = np.abs(np.diff(np.concatenate([state["last"][:, None], z], axis=1), axis=1))
        moved = f.coding.only(MARKET).seen(np.log(np.fmax(size, LEAST))[..., None])
        return np.concatenate([sight, moved], axis=-1)

    def _block(
        self, at: Ints, state: State, sight: Floats, count: int, rng: np.random.Generator
    ) -> Floats:
        """Return z (N S, H) of the next steps, of which the model sees `sight` (N, H, columns)."""
        f = self.forecaster
        prediction = f.model.predict(state, sight)
        quantiles = f.calibration.apply(prediction, f.series[at])
        quantiles = widen(quantiles, None if f.widths is None else f.widths[at])
        sample = getattr(f.model, "sample", None)
        if sample is None:
            normal = rng.standard_normal((len(at), count, sight.shape[1]))
            scores = normal @ np.linalg.cholesky(f.calibration.joint(f.model.setting)).T
        else:
            drawn = sample(state, sight, count, rng)
            own = np.repeat(prediction.quantiles[:, None], count, axis=1)
            scores = np.nan_to_num(dependence.scores(own, drawn))
        z = dependence.values(quantiles[:, None], scores)
        return z.reshape(len(at) * count, -1)
