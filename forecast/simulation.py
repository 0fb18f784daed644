"""Sample paths: futures that may come, each one joint over its steps.

Within the horizon a path is drawn from the forecast's quantiles with the dependence of the errors
learnt at the fit; a model that can draw paths itself (`sample`) gives their dependence instead.
Beyond the horizon a path goes on from itself: it is absorbed as if it had come, and forecast again.

Shapes: N series, S paths, T steps, H horizon, Q levels.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast import dependence, replay
from forecast.calibration import widen
from forecast.data.clock import WEEK, Clock, Times
from forecast.data.lines import Column
from forecast.data.panel import Panel
from forecast.data.roles import ROLES
from forecast.data.sessions import LEAST
from forecast.errors import DataError, UsageError
from forecast.forecaster import LARGEST, Forecaster
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
) -> Simulation:
    """Draw `paths` from where each series stands; the same seed gives the same paths.

    With `rows` these are absorbed first and only their series are drawn. Raises DataError where
    no series has shown a value.
    """
    beside = ", ".join(name for role in ROLES for name in forecaster.coding.sources(role))
    if beside:
        raise UsageError(f"paths go on from values alone; the model was fitted with {beside}",
                         hint="fit it without covariates")  # fmt: skip
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
    rng = np.random.default_rng(seed)
    series = [_Paths(forecaster, at[k : k + 1], paths) for k in range(len(at))]
    drawn = [each.draw(steps or forecaster.horizon, rng) for each in series]
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
) -> Simulation:
    """Draw `paths` from no history: what the model does when left to itself.

    Each path starts where some series of the fit stands, drawn at random, and runs free until that
    is forgotten: for as many rows as the state looks back on. `start` is the time of the first
    step, by default the one after the last row seen. Raises DataError for a model without state.
    """
    known = np.flatnonzero(forecaster.started)
    if not len(known):
        raise DataError(
            "the model keeps no state, so nothing says where its series live",
            hint="fit it without `--no-state`",
        )
    rng = np.random.default_rng(seed)
    clock, burn = forecaster.clock, forecaster.context
    at = rng.choice(known, paths)
    last = int(forecaster.last[known].max())
    first = int(clock.ahead(np.array([last], np.int64), 1)[0, 0]) if start is None else start
    begin = _before(clock, first, burn + 1)
    moved = replace(forecaster, last=np.full_like(forecaster.last, begin), widths=None)
    times, values = _Paths(moved, at, 1).draw(burn + (steps or forecaster.horizon), rng)
    return Simulation((COLD,), times[:1, burn:], values[None, :, burn:], clock)


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

    def draw(self, steps: int, rng: np.random.Generator) -> tuple[Times, Floats]:
        """Return the times (N, T) and the values (N S, T)."""
        f, horizon = self.forecaster, self.forecaster.horizon
        times = f.clock.ahead(f.last[self.at], -(-steps // horizon) * horizon)
        state: State = {name: array[self.at] for name, array in f.state.items()}
        at, drawn = self.at, []
        for first in range(0, steps, horizon):
            near = np.repeat(times[:, first : first + horizon], len(at) // len(times), axis=0)
            z = self._block(at, state, near, self.count if first == 0 else 1, rng)
            drawn.append(z)
            if first + horizon >= steps:
                break
            if first == 0 and self.count > 1:
                at, near = np.repeat(at, self.count), np.repeat(near, self.count, axis=0)
                state = {name: np.repeat(a, self.count, axis=0) for name, a in state.items()}
            state = f.model.absorb(state, z, self._sight(near, z, state))
        scale = f.scales[np.repeat(self.at, self.count)][:, None]
        y = f.transform.backward(np.concatenate(drawn, axis=1)[:, :steps], scale)
        return times[:, :steps], np.clip(y, -LARGEST, LARGEST)

    def _sight(self, times: Times, z: Floats, state: State) -> Floats:
        """Return what is seen at `times` (N S, H) of paths `z`: each is its own market."""
        f = self.forecaster
        if not len(f.coding):
            return f.clock.phases(times)
        size = np.abs(np.diff(np.concatenate([state["last"][:, None], z], axis=1), axis=1))
        moved = f.coding.seen(np.log(np.fmax(size, LEAST))[..., None])
        return replay.sight(f.clock, times, moved)

    def _block(
        self, at: Ints, state: State, times: Times, count: int, rng: np.random.Generator
    ) -> Floats:
        """Return z (N S, H) of the next steps, at `times` (N, H)."""
        f = self.forecaster
        phases = f.clock.phases(times)
        prediction = f.model.predict(state, phases)
        quantiles = f.calibration.apply(prediction, f.series[at])
        quantiles = widen(quantiles, None if f.widths is None else f.widths[at])
        sample = getattr(f.model, "sample", None)
        if sample is None:
            normal = rng.standard_normal((len(at), count, times.shape[1]))
            scores = normal @ np.linalg.cholesky(f.calibration.joint(f.model.setting)).T
        else:
            drawn = sample(state, phases, count, rng)
            own = np.repeat(prediction.quantiles[:, None], count, axis=1)
            scores = np.nan_to_num(dependence.scores(own, drawn))
        z = dependence.values(quantiles[:, None], scores)
        return z.reshape(len(at) * count, -1)
