"""A forecaster that takes rows one at a time and stays as large as its series are many.

Rows come as arrays with one entry per series.

Shapes: N series, n of them in one go, H steps ahead, Q levels, P = (Q - 1) / 2 pairs of levels; E
covariates as the model sees them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import replay
from forecast.calibration import Calibration, widen
from forecast.data.clock import Clock
from forecast.data.panel import Panel
from forecast.forecaster import DEFAULT_LEVELS, KEPT, LARGEST, Forecaster
from forecast.models.base import Prediction
from forecast.quantiles import check_levels, interpolate, mean
from forecast.stream.beside import Beside, Cells
from forecast.stream.placing import CONTEXTS, Place, next_time, steps_after
from forecast.stream.series import Series, selected
from forecast.stream.widths import RATE, learn
from forecast.transform import scale_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BLOCK = 4096  # series forecast at once at the start


@dataclass(frozen=True, slots=True)
class Ahead:
    """Forecasts of n series."""

    times: Ints  # (n, H)
    mean: Floats  # (n, H)
    quantiles: Floats  # (n, H, levels)


class Stream:
    """A forecaster at work: rows find their place, are absorbed, and the next ones forecast.

    `future` holds known covariates of steps to come. Raises UsageError for a horizon beyond the
    fitted one and for levels the models do not carry.
    """

    def __init__(
        self,
        forecaster: Forecaster,
        horizon: int | None = None,
        levels: tuple[float, ...] = DEFAULT_LEVELS,
        rate: float = RATE,
        future: Panel | None = None,
    ) -> None:
        check_levels(levels)
        self._base, self._levels, self._rate = forecaster, levels, rate
        self.model, self.clock = forecaster.model, forecaster.clock
        self.steps = forecaster.steps(horizon)
        self.beside = Beside(forecaster, future)
        self._shown = forecaster.horizon if self.beside else self.steps  # steps shown to the model
        shifts = forecaster.calibration.shifts[:, : self.steps]
        self._calibration = Calibration(shifts)
        self.series = Series(forecaster)
        self._limit = CONTEXTS * forecaster.context
        known = np.flatnonzero(forecaster.started).tolist()
        for k in range(0, len(known), BLOCK):  # so that the next row of each falls somewhere
            self.forecast(known[k : k + BLOCK])
        self.beside.lacking = 0  # these forecasts are shown to nobody

    def place(self, name: str, time: int | None, second: int | None = None) -> Place:
        """Return where a row belongs; a series not seen before is added, cold.

        `time` None is the next step. `second` is the later time that a clock put back may have
        meant. After a gap beyond the limit the series starts anew (`reset`); should the next row
        fit what was before the gap, the jump was a false timestamp and is undone (`restored`).
        """
        series = self.series.added(name)
        last = self.series.last(series)[0]
        if time is None:
            first = last == replay.NEVER
            return Place(series, 1 if first else next_time(self.clock, last), "taken")
        if last == replay.NEVER:
            return Place(series, time, "taken")
        ahead = steps_after(self.clock, last, time)
        if ahead is not None and ahead <= 0 and second is not None:
            time, ahead = second, steps_after(self.clock, last, second)
        if ahead is None:
            return Place(series, time, "odd")
        if ahead <= 0:
            return self._undone(series, time) or Place(
                series, time, "late" if ahead else "duplicate"
            )
        if ahead > self._limit:
            self.series.reset(series)
            return Place(series, time, "reset")
        self.series.before.pop(series, None)
        return Place(series, time, "taken", ahead - 1 if self.clock.complete else 0)

    def foretold(self, name: str, time: int | None, second: int | None, cells: Cells) -> str | None:
        """Keep the `cells` of a step to come, and return "known", or why not: late, odd, far.

        None where they are no such thing, but a row whose value is missing.
        """
        if time is None or not self.beside.foretells(cells):
            return None
        series = self.series.number(name)
        last = int(replay.NEVER) if series is None else self.series.last(series)[0]
        if last != replay.NEVER:
            ahead = steps_after(self.clock, last, time)
            if ahead is not None and ahead <= 0 and second is not None:
                time, ahead = second, steps_after(self.clock, last, second)
            if ahead is None or not 0 < ahead <= self._limit:
                return "odd" if ahead is None else "far" if ahead > 0 else "late"
        elif self.beside.expected(name) >= self._limit:
            return "far"
        self.beside.expect(name, time, cells)
        return "known"

    def take(
        self, places: Sequence[Place], values: Floats, cells: Sequence[Cells] | None = None
    ) -> Floats:
        """Absorb one row of each of n series (n,); return where it fell (n,).

        -1 below the 95 % interval forecast for it, 1 above, 0 inside, NaN where none was. `cells`
        are the covariates of the rows.
        """
        for place in places:
            if place.hole:
                self._absorb_hole(place)
        at = selected([place.series for place in places])
        times = np.array([place.time for place in places], np.int64)
        own = self.series.own
        fell = self._learn(at, times, values)
        first = np.isnan(own["scales"][at]) & ~np.isnan(values)
        if first.any():
            own["scales"][at] = np.where(first, scale_of(np.abs(values)), own["scales"][at])
        due = bool((own["due"][at] == times).all())
        phases = own["phases"][at][:, None] if due else self._clock(at).phases(times[:, None])
        given = self._given(places, times, values, cells) if self.beside else None
        self._absorb(at, values[:, None], self._seen(places, times, phases, given))
        own["last"][at] = times
        own["tail"][at] = np.concatenate([own["tail"][at][:, 1:], values[:, None]], axis=1)
        return fell

    def forecast(self, series: Sequence[int]) -> Ahead:
        """Forecast the steps after the last row of n series, each of which has shown a value."""
        at, own = selected(series), self.series.own
        times = self.clock.ahead(own["last"][at], self._shown)
        phases = sight = self._clock(at).phases(times)
        if self.beside:
            names = [self.series.ids[i] for i in series]
            known = self.beside.ahead(names, times, own["beside"][at])
            sight, times = np.concatenate([phases, known], axis=-1), times[:, : self.steps]
        prediction = self.model.predict(self.series.state.part(at), sight)
        quantiles, scale = (a[:, : self.steps] for a in (prediction.quantiles, prediction.scale))
        z = self._calibration.apply(Prediction(quantiles, scale), own["series"][at])
        y = self._base.transform.backward(
            widen(z, own["widths"][at]), own["scales"][at][:, None, None]
        )
        y = np.clip(y, -LARGEST, LARGEST)
        own["due"][at], own["next"][at], own["phases"][at] = times[:, 0], y[:, 0], phases[:, 0]
        return Ahead(times, mean(y), interpolate(y, self._levels))

    def write(self, series: Sequence[int], times: Ints) -> NDArray[np.str_]:
        """Return times (n, ...) of n series as text, each in its own time zone."""
        return self._clock(selected(series)).write(times)

    def settle(self, name: str, zone: str) -> None:
        """Keep the time zone of a series not seen before, where series differ in it."""
        self.clock = self.beside.clock = self.clock.joined({name: zone})

    def forecaster(self) -> Forecaster:
        """Return a forecaster that stands where the stream does; later rows do not move it."""
        return replace(self.series.forecaster(), clock=self.clock, holidays=self.beside.holidays)

    def expected(self, place: Place) -> Floats | None:
        """Return the quantiles (Q,) at LEVELS forecast for a row, None where there are none."""
        known = self.series.own["due"][place.series] == place.time
        return np.asarray(self.series.own["next"][place.series]) if known else None

    def _clock(self, at: Any) -> Clock:
        """Return the clock of the series `at`; one for all where zones agree."""
        if not self.clock.told:
            return self.clock
        ids = self.series.ids
        return self.clock.of(ids[at] if isinstance(at, slice) else [ids[i] for i in at])

    def _undone(self, series: int, time: int) -> Place | None:
        """Return the place of a row that fits what was before the last reset, if it does."""
        if series not in self.series.before:
            return None
        ahead = steps_after(self.clock, int(self.series.before[series][0]["last"][0]), time)
        if ahead is None or not 0 < ahead <= self._limit:
            return None
        self.series.restore(series)
        return Place(series, time, "restored", ahead - 1 if self.clock.complete else 0)

    def _learn(self, at: Any, times: Ints, values: Floats) -> Floats:
        """Move the widths and return where the rows fell."""
        own = self.series.own
        due = (own["due"][at] == times) & ~np.isnan(values)
        if not due.any():
            return np.full(len(times), np.nan)
        moved, fell = learn(own["widths"][at], own["next"][at], values, self._rate)
        own["widths"][at] = np.where(due[:, None], moved, own["widths"][at])
        return np.where(due, fell, np.nan)

    def _absorb_hole(self, place: Place) -> None:
        at = selected([place.series])
        times = self.clock.shift(self.series.own["last"][at][:, None], np.arange(1, place.hole + 1))
        phases, each = self._clock(at).phases(times), []
        for k, time in enumerate(times[0].tolist() if self.beside else ()):
            each.append(self._seen([place], np.array([time], np.int64), phases[:, [k]]))
        sight = np.concatenate(each, axis=1) if each else phases
        self._absorb(at, np.full(times.shape, np.nan), sight)
        tail = np.concatenate([self.series.own["tail"][at], np.full(times.shape, np.nan)], axis=1)
        self.series.own["tail"][at] = tail[:, -KEPT:]

    def _given(
        self, places: Sequence[Place], times: Ints, values: Floats, cells: Sequence[Cells] | None
    ) -> Floats:
        """Return the covariates (n, E) that come with the rows, NaN where they do not."""
        at, names = (
            selected([p.series for p in places]),
            [self.series.ids[p.series] for p in places],
        )
        previous, size = self.series.own["tail"][at][:, -1], len(self.beside)
        rows = np.full((len(places), size), np.nan)
        if cells is not None:
            rows = self.beside.code(names, cells, values, previous)
        self.beside.moved(rows, times, values, previous)
        return rows

    def _seen(
        self, places: Sequence[Place], times: Ints, phases: Floats, given: Floats | None = None
    ) -> Floats:
        """Return what the model sees of a row of each series: phases, and covariates if any."""
        if not self.beside:
            return phases
        at, names = (
            selected([p.series for p in places]),
            [self.series.ids[p.series] for p in places],
        )
        rows = self.beside.of_rows(names, times, self.series.own["beside"][at], given)
        self.series.own["beside"][at] = rows
        return np.concatenate([phases, rows[:, None]], axis=-1)

    def _absorb(self, at: Any, values: Floats, phases: Floats) -> None:
        z = self._base.transform.forward(values, self.series.own["scales"][at][:, None])
        self.series.state.put(at, self.model.absorb(self.series.state.part(at), z, phases))
