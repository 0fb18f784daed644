"""Panel in, Forecast out: transform, call the model, calibrate, transform back.

Written once for all models. A `Forecaster` is frozen; `update` returns another one that has seen
more rows. N series, H horizon, Q quantile levels; E covariates as the model sees them, of which K
known ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import replay
from forecast.calibration import Calibration, widen
from forecast.data import future as steps_ahead
from forecast.data.clock import Clock, Times
from forecast.data.covariates import Coding
from forecast.data.forecast import Forecast
from forecast.data.holidays import HOLIDAY, Holidays
from forecast.data.layout import Layout
from forecast.data.panel import Panel
from forecast.data.roles import Role
from forecast.errors import DataError, UsageError
from forecast.models.base import COLD, Model, State
from forecast.quantiles import check_levels, interpolate, mean
from forecast.transform import Transform, scales

Floats = NDArray[np.float64]
DEFAULT_LEVELS = (0.1, 0.5, 0.9)
KEPT = 24  # last rows of each series kept as they came, to notice when history is rewritten
LARGEST = 1e200
PLAIN = 60  # rows of a context where nothing tells its length


@dataclass(frozen=True, slots=True, eq=False)
class Forecaster:
    """A fitted model with the state of its series."""

    family: str
    model: Model
    clock: Clock
    transform: Transform
    calibration: Calibration
    ids: tuple[str, ...]  # sorted
    series: NDArray[np.int64]  # (N,) number at the fit, COLD for series added since
    scales: Floats  # (N,)
    state: State
    last: Times  # (N,) last timestamp seen
    tail: Floats  # (N, KEPT) last values of y seen, the newest at the end
    order: NDArray[np.int64]  # (N,) place of each series of the input
    record: dict[str, Any] = field(default_factory=dict)  # what is known about the fit
    widths: Floats | None = None  # (N, P) what `follow` has learnt since about each interval
    coding: Coding = field(default_factory=Coding)  # of the covariates the model uses
    beside: Floats = field(default_factory=lambda: np.zeros((0, 0)))  # (N, E) their last values
    holidays: Holidays | None = None  # what is known of one of them by the calendar

    @property
    def horizon(self) -> int:
        """Steps ahead the model was fitted for."""
        return self.model.setting.horizon

    @property
    def layout(self) -> Layout | None:
        """Columns of the data it was fitted on, to read rows without a header; None if unknown."""
        kept = self.record.get("layout")
        if not kept:
            return None
        return Layout.restored(kept)

    @property
    def context(self) -> int:
        """Rows the state looks back on; two of the longest seasons where nothing tells."""
        rings = [a.shape[1] for name, a in self.state.items() if name.endswith(("ring", "cycle"))]
        seasons = self.clock.seasons
        return int(max([*rings, 2 * seasons[-1] if seasons else PLAIN]))

    def asked(self, role: Role) -> tuple[str, ...]:
        """Return the covariates of a role that rows must hold, as the calendar does not tell."""
        named = self.coding.sources(role)
        return tuple(name for name in named if self.holidays is None or name != HOLIDAY)

    def update(self, rows: Panel) -> "Forecaster":
        """Return a forecaster that has seen `rows` too.

        Rows at or before a series' last timestamp are skipped, holes are missing values, series
        not seen before start cold. Raises DataError when `rows` tick by another clock.
        """
        rows = rows.read_by(self.clock)
        known = set(self.ids)
        grown = self._with(tuple(name for name in rows.ids if name not in known), rows)
        if rows.clock is not grown.clock:
            grown = replace(grown, clock=rows.clock)  # which knows the zones of new series
        if grown.holidays is not None:
            grown = replace(grown, holidays=grown.holidays.joined(rows.holidays))
        at = np.searchsorted(np.array(grown.ids, object), np.array(rows.ids, object))
        fresh = replay.after(rows, grown.last[at])
        kept = np.flatnonzero(fresh.lengths > 0)
        fresh, at = fresh.select(kept), at[kept]
        if not len(at):
            return grown
        part = {name: array[at] for name, array in grown.state.items()}
        covariates = replay.beside(self.coding, fresh, grown.beside[at], grown.tail[at, -1])
        moved = replay.absorb(self.model, part, fresh, self.transform, grown.scales[at], covariates)
        state = {name: array.copy() for name, array in grown.state.items()}
        for name, array in moved.items():
            state[name][at] = array
        last, tail, beside = grown.last.copy(), grown.tail.copy(), grown.beside.copy()
        last[at] = fresh.ends
        tail[at] = replay.tails(fresh, tail[at])
        beside[at] = covariates[fresh.offsets[1:] - 1]
        return replace(grown, state=state, last=last, tail=tail, beside=beside)

    def rewritten(self, rows: Panel) -> tuple[str, ...]:
        """Return the ids of series whose `rows` differ from the rows seen before.

        Only the last KEPT rows are known, and only where `rows` reach the last timestamp seen.
        """
        place = {name: i for i, name in enumerate(self.ids)}
        known = [k for k, name in enumerate(rows.ids) if name in place]
        part = rows.read_by(self.clock).select(known)
        at = np.array([place[name] for name in part.ids], np.int64)
        old = replay.until(part, self.last[at])
        seen = replay.tails(old, np.full((len(old), KEPT), np.nan))
        given = np.arange(KEPT) >= KEPT - old.lengths[:, None]
        same = np.isclose(seen, self.tail[at], rtol=1e-9, equal_nan=True) | ~given
        reaches = (old.ends == self.last[at]) & (old.lengths > 0)
        return tuple(part.ids[i] for i in np.flatnonzero(reaches & ~same.all(axis=1)))

    def predict(
        self,
        rows: Panel | None = None,
        horizon: int | None = None,
        levels: tuple[float, ...] = DEFAULT_LEVELS,
        fresh: bool = False,
        future: Panel | None = None,
    ) -> Forecast:
        """Forecast the steps after each series' last row.

        With `rows` these are absorbed first and only their series are forecast; `fresh` forgets
        the stored state before. Known covariates of all steps come from `rows.future` and
        `future`. Raises UsageError for a horizon beyond the fitted one or a level outside those
        the models carry, DataError for a step of which a known covariate is not given.
        """
        check_levels(levels)
        steps = self.steps(horizon)
        tables = [rows.future] if rows is not None and rows.future is not None else []
        tables += [future] if future is not None else []
        if rows is None:
            if not len(self.ids):
                raise DataError(
                    "the model keeps no state, so there is nothing to forecast from",
                    hint="give it rows: `forecast predict MODEL ROWS.csv`",
                )
            return self._forecast(self.order, steps, levels, tables)
        known = (self.rewind() if fresh else self).update(rows)
        at = np.searchsorted(np.array(known.ids, object), np.array(rows.ids, object))
        if (~known.started[at]).any():
            name = rows.ids[int(np.flatnonzero(~known.started[at])[0])]
            raise DataError(f"series `{name}` has no value at all, so nothing can be forecast")
        order = rows.order if len(rows.order) else np.arange(len(rows))
        return known._forecast(at[order], steps, levels, tables)

    def rewind(self) -> "Forecaster":
        """Return the forecaster as it was fitted, its series before their first row."""
        never = np.full(len(self.ids), replay.NEVER)
        tail = np.full_like(self.tail, np.nan)
        start, beside = self.model.start(self.series), np.zeros_like(self.beside)
        return replace(self, state=start, last=never, tail=tail, widths=None, beside=beside)

    def forget(self) -> "Forecaster":
        """Return the forecaster without any series: what was learnt, and nobody's rows.

        The columns of its data are forgotten too, as those of a wide table are its series.
        """
        none = np.zeros(0, np.int64)
        record = {name: fact for name, fact in self.record.items() if name != "layout"}
        return replace(
            self,
            ids=(),
            series=none,
            scales=np.zeros(0),
            last=none,
            tail=np.zeros((0, KEPT)),
            order=none,
            state=self.model.start(none),
            record=record,
            widths=None,
            beside=np.zeros((0, len(self.coding))),
            holidays=self.holidays and self.holidays.forget(),
            clock=replace(self.clock, own={}),
        )

    @property
    def started(self) -> NDArray[np.bool_]:
        """Whether each series has shown a value yet (N,)."""
        started: NDArray[np.bool_] = ~np.isnan(self.scales) & (self.last != replay.NEVER)
        return started

    def quantiles(self, at: NDArray[np.int64], times: Times, known: Floats | None = None) -> Floats:
        """Return quantiles of y (len(at), H, Q) at LEVELS for the series at places `at`.

        `known` (len(at), H, K) are the covariates of the steps `times`, where the model has any;
        what is missing there is taken from the step before.
        """
        state = {name: array[at] for name, array in self.state.items()}
        ahead = self.coding.to_come(self.beside[at], known, times.shape[1])
        sight = replay.sight(self.clock.of(self.ids).at(at), times, ahead)
        prediction = self.model.predict(state, sight)
        z = self.calibration.apply(prediction, self.series[at])
        z = widen(z, None if self.widths is None else self.widths[at])
        y = self.transform.backward(z, self.scales[at][:, None, None])
        return np.clip(y, -LARGEST, LARGEST)

    def _forecast(
        self,
        at: NDArray[np.int64],
        steps: int,
        levels: tuple[float, ...],
        tables: Sequence[Panel],
    ) -> Forecast:
        times = self.clock.ahead(self.last[at], self.horizon)  # all H, then cut: a prefix
        ids = tuple(self.ids[i] for i in at)
        known = steps_ahead.known(self.coding, tables, ids, times, self.clock, self.holidays)
        quantiles = self.quantiles(at, times, known)[:, :steps]
        return Forecast(
            ids=ids,
            times=times[:, :steps],
            mean=mean(quantiles),
            quantiles=interpolate(quantiles, levels),
            levels=levels,
            clock=self.clock,
            model=self.family,
        )

    def steps(self, horizon: int | None) -> int:
        """Return `horizon`, by default the fitted one; UsageError where it is beyond that."""
        if horizon is None:
            return self.horizon
        if not 1 <= horizon <= self.horizon:
            raise UsageError(
                f"horizon {horizon} is outside 1..{self.horizon}, for which this model was fitted",
                hint=f"refit: `forecast fit DATA --model {self.family} --horizon {horizon}`",
            )
        return horizon

    def _with(self, ids: tuple[str, ...], rows: Panel) -> "Forecaster":
        """Return a forecaster that also knows the series `ids`, cold.

        Series of `rows` that had no scale yet get one.
        """
        found = self._scaled(rows)
        if not ids:
            return found
        new = rows.select([rows.ids.index(i) for i in ids])
        names = (*found.ids, *ids)
        rank = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
        cold = np.full(len(ids), COLD, np.int64)
        state = found.model.start(cold)
        joined = {k: np.concatenate([v, state[k]])[rank] for k, v in found.state.items()}
        place = np.argsort(rank)
        widths = found.widths
        if widths is not None:
            widths = np.concatenate([widths, np.zeros((len(ids), widths.shape[1]))])[rank]
        return replace(
            found,
            ids=tuple(names[i] for i in rank),
            series=np.concatenate([found.series, cold])[rank],
            scales=np.concatenate([found.scales, scales(new)])[rank],
            last=np.concatenate([found.last, np.full(len(ids), replay.NEVER)])[rank],
            tail=np.concatenate([found.tail, np.full((len(ids), KEPT), np.nan)])[rank],
            beside=np.concatenate([found.beside, np.zeros((len(ids), len(found.coding)))])[rank],
            order=np.concatenate([place[found.order], place[len(found.ids) :]]),
            state=joined,
            widths=widths,
        )

    def _scaled(self, rows: Panel) -> "Forecaster":
        """Return the forecaster with scales for series that show their first value in `rows`."""
        if not np.isnan(self.scales).any():
            return self
        own = self.scales.copy()
        place = {name: i for i, name in enumerate(self.ids)}
        for k, scale in enumerate(scales(rows)):
            i = place.get(rows.ids[k], -1)
            if i >= 0 and np.isnan(own[i]):
                own[i] = scale
        return replace(self, scales=own)
