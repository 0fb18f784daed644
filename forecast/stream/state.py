"""A forecaster that takes rows one at a time and stays as large as its series are many.

Rows come as arrays with one entry per series. Each series keeps the quantiles last forecast for
its next row; when the row comes, the interval of each pair of levels p, 1 - p learns from it:

    w_p <- w_p + rate (1{y outside its interval} - 2p)                                        (1)
    q_p' = m + exp(w_p) (q_p - m)                            m the median; then made ordered  (2)

so that in the long run the share outside comes to 2p, however the series drifts: summed over T
rows (1) says that share = 2p + (w_T - w_0) / (rate T), and w is bounded. It is the step of Gibbs
and Candes (2021), "Adaptive conformal inference under distribution shift", taken on the logarithm
of the width, as in Angelopoulos, Candes, Tibshirani (2023), "Conformal PID control". What step 1
teaches widens all steps alike.

Shapes: N series, n of them in one go, H steps ahead, Q levels, P = (Q - 1) / 2 pairs of levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import replay
from forecast.calibration import Calibration, widen
from forecast.data.clock import DAY
from forecast.errors import UsageError
from forecast.forecaster import DEFAULT_LEVELS, KEPT, LARGEST, Forecaster
from forecast.models.base import COLD, LEVELS, MEDIAN, Prediction
from forecast.quantiles import check_levels, interpolate, mean
from forecast.stream.growing import Growing
from forecast.stream.market import Market
from forecast.transform import scale_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RATE = 0.02  # of (1)
WIDEST = 3.0  # |w| at most: 20 times as wide, or as narrow
BLOCK = 4096  # series forecast at once at the start
CONTEXTS = 10  # a gap beyond so many contexts makes a series start anew
OUTER = 2 * np.array(LEVELS[:MEDIAN])  # (P,) share outside each interval


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row belongs: `series` its number, `hole` the absent rows before it."""

    series: int
    time: int
    fate: str  # taken, late, duplicate, odd (off the clock), reset, restored
    hole: int = 0


@dataclass(frozen=True, slots=True)
class Ahead:
    """Forecasts of n series."""

    times: Ints  # (n, H)
    mean: Floats  # (n, H)
    quantiles: Floats  # (n, H, levels)


class Stream:
    """The series of a forecaster, in order of appearance, each with its state.

    Raises UsageError for a horizon beyond the fitted one, for levels the models do not carry, and
    for a model with covariates other than the market, which the rows themselves show.
    """

    def __init__(
        self,
        forecaster: Forecaster,
        horizon: int | None = None,
        levels: tuple[float, ...] = DEFAULT_LEVELS,
        rate: float = RATE,
    ) -> None:
        check_levels(levels)
        self._market = Market(forecaster.coding)
        if len(forecaster.coding) and not self._market.watched:
            raise UsageError(
                "a model with covariates cannot follow a stream",
                hint="use `forecast update` and `forecast predict`, or fit one without covariates",
            )
        self._base, self._levels, self._rate = forecaster, levels, rate
        self.model, self.clock = forecaster.model, forecaster.clock
        self.steps = forecaster.steps(horizon)
        shifts = forecaster.calibration.shifts[:, : self.steps]
        self._calibration = Calibration(shifts)
        self.ids = list(forecaster.ids)
        self._number = {name: i for i, name in enumerate(self.ids)}
        n = len(self.ids)
        widths = forecaster.widths
        self._own = Growing({
            "series": forecaster.series,
            "scales": forecaster.scales,
            "last": forecaster.last,
            "tail": forecaster.tail,
            "beside": forecaster.beside,
            "widths": np.zeros((n, MEDIAN)) if widths is None else widths,
            "due": np.full(n, replay.NEVER),  # the time of the row that `next` forecasts
            "next": np.full((n, len(LEVELS)), np.nan),
            "phases": np.zeros((n, len(self.clock.seasons) + 1)),  # of that row
        })  # fmt: skip
        self._state = Growing(forecaster.state)
        self._limit = CONTEXTS * forecaster.context
        self._before: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        known = np.flatnonzero(forecaster.started).tolist()
        for k in range(0, len(known), BLOCK):  # so that the next row of each falls somewhere
            self.forecast(known[k : k + BLOCK])

    def place(self, name: str, time: int | None, second: int | None = None) -> Place:
        """Return where a row belongs; a series not seen before is added, cold.

        `time` None is the next step. `second` is the later time that a clock put back may have
        meant. After a gap beyond the limit the series starts anew (`reset`); should the next row
        fit what was before the gap, the jump was a false timestamp and is undone (`restored`).
        """
        series = self._number.get(name)
        if series is None:
            series = self._add(name)
        last = int(self._own["last"][series])
        if time is None:
            return Place(series, 1 if last == replay.NEVER else self._next(last), "taken")
        if last == replay.NEVER:
            return Place(series, time, "taken")
        ahead = self._ahead(last, time)
        if ahead is not None and ahead <= 0 and second is not None:
            time, ahead = second, self._ahead(last, second)
        if ahead is None:
            return Place(series, time, "odd")
        if ahead <= 0:
            return self._undone(series, time) or Place(
                series, time, "late" if ahead else "duplicate"
            )
        if ahead > self._limit:
            self._reset(series)
            return Place(series, time, "reset")
        if series in self._before:
            del self._before[series]
        return Place(series, time, "taken", ahead - 1 if self.clock.complete else 0)

    def take(self, places: Sequence[Place], values: Floats) -> Floats:
        """Absorb one row of each of n series (n,); return where it fell (n,).

        -1 below the 95 % interval forecast for it, 1 above, 0 inside, NaN where none was.
        """
        for place in places:
            if place.hole:
                self._absorb_hole(place)
        at = _selected([place.series for place in places])
        times = np.array([place.time for place in places], np.int64)
        own = self._own
        fell = self._learn(at, times, values)
        first = np.isnan(own["scales"][at]) & ~np.isnan(values)
        if first.any():
            own["scales"][at] = np.where(first, scale_of(np.abs(values)), own["scales"][at])
        due = bool((own["due"][at] == times).all())
        phases = own["phases"][at][:, None] if due else self.clock.phases(times[:, None])
        before, last = own["tail"][at][:, -1], own["beside"][at]
        own["beside"][at] = self._market.take(times, values, before, last)
        self._absorb(at, values[:, None], phases)
        own["last"][at] = times
        own["tail"][at] = np.concatenate([own["tail"][at][:, 1:], values[:, None]], axis=1)
        return fell

    def forecast(self, series: Sequence[int]) -> Ahead:
        """Forecast the steps after the last row of n series, each of which has shown a value."""
        at, own = _selected(series), self._own
        times = self.clock.ahead(own["last"][at], self.steps)
        phases = self.clock.phases(times)
        prediction = self.model.predict(self._state.part(at), phases)
        quantiles, scale = (a[:, : self.steps] for a in (prediction.quantiles, prediction.scale))
        z = self._calibration.apply(Prediction(quantiles, scale), own["series"][at])
        y = self._base.transform.backward(
            widen(z, own["widths"][at]), own["scales"][at][:, None, None]
        )
        y = np.clip(y, -LARGEST, LARGEST)
        own["due"][at], own["next"][at], own["phases"][at] = times[:, 0], y[:, 0], phases[:, 0]
        return Ahead(times, mean(y), interpolate(y, self._levels))

    def number(self, name: str) -> int | None:
        """Return the number of a series, None for one not seen before."""
        return self._number.get(name)

    def started(self, series: int) -> bool:
        """Say whether a series has shown a value yet."""
        return bool(self._own["scales"][series] == self._own["scales"][series])

    def last(self, series: int) -> tuple[int, float]:
        """Return time and value of the last row of a series."""
        return int(self._own["last"][series]), float(self._own["tail"][series, -1])

    def expected(self, place: Place) -> Floats | None:
        """Return the quantiles (Q,) at LEVELS forecast for a row, None where there are none."""
        known = self._own["due"][place.series] == place.time
        return np.asarray(self._own["next"][place.series]) if known else None

    def season_ago(self, series: int) -> float:
        """Return the value one season before the next row, or the last one, NaN if missing."""
        season = self.clock.seasons[0] if self.clock.seasons else 1
        return float(self._own["tail"][series, -season if season <= KEPT else -1])

    def forecaster(self) -> Forecaster:
        """Return a forecaster that stands where the stream does; later rows do not move it."""
        rank = np.array(sorted(range(len(self.ids)), key=self.ids.__getitem__), np.int64)
        place = np.argsort(rank)
        known = len(self._base.ids)
        order = np.concatenate([self._base.order, np.arange(known, len(rank))]).astype(np.int64)
        own = self._own.part(rank)
        return replace(
            self._base,
            ids=tuple(self.ids[i] for i in rank),
            state=self._state.part(rank),
            order=place[order],
            widths=own["widths"] if own["widths"].any() else None,
            series=own["series"],
            scales=own["scales"],
            last=own["last"],
            tail=own["tail"],
            beside=own["beside"],
        )

    def _next(self, last: int) -> int:
        return int(self.clock.ahead(np.array([last], np.int64), 1)[0, 0])

    def _ahead(self, last: int, time: int) -> int | None:
        """Return how many steps `time` lies after `last`; None where it is on none."""
        clock = self.clock
        if clock.kind == "trading":
            days = (time - last) * len(clock.weekdays) // (7 * DAY)
            return max(1, int(days)) if time > last else int(time == last) - 1
        if clock.kind in ("fixed", "index") and not clock.civil:
            steps, rest = divmod(time - last, clock.step)
            return None if rest else steps
        number = clock.number(np.array([last, time], np.int64))
        return int(number[1] - number[0])

    def _add(self, name: str) -> int:
        series = self._number[name] = len(self.ids)
        self.ids.append(name)
        self._own.append({
            "series": np.array([COLD]),
            "scales": np.array([np.nan]),
            "last": np.array([replay.NEVER]),
            "tail": np.full((1, KEPT), np.nan),
            "beside": np.zeros((1, len(self._base.coding))),
            "widths": np.zeros((1, MEDIAN)),
            "due": np.array([replay.NEVER]),
            "next": np.full((1, len(LEVELS)), np.nan),
            "phases": np.zeros((1, len(self.clock.seasons) + 1)),
        })  # fmt: skip
        self._state.append(self.model.start(np.array([COLD], np.int64)))
        return series

    def _reset(self, series: int) -> None:
        at = _selected([series])
        kept = {name: self._own[name][at].copy() for name in ("last", "tail", "due", "next")}
        self._before[series] = (kept, self._state.part(at, copied=True))
        self._state.put(at, self.model.start(self._own["series"][at]))
        self._own["tail"][at], self._own["due"][at] = np.nan, replay.NEVER

    def _undone(self, series: int, time: int) -> Place | None:
        """Return the place of a row that fits what was before the last reset, if it does."""
        if series not in self._before:
            return None
        own, state = self._before[series]
        ahead = self._ahead(int(own["last"][0]), time)
        if ahead is None or not 0 < ahead <= self._limit:
            return None
        at = _selected([series])
        self._own.put(at, own)
        self._state.put(at, state)
        del self._before[series]
        return Place(series, time, "restored", ahead - 1 if self.clock.complete else 0)

    def _learn(self, at: Any, times: Ints, values: Floats) -> Floats:
        """Move the widths by (1) and return where the rows fell."""
        own = self._own
        due = (own["due"][at] == times) & ~np.isnan(values)
        if not due.any():
            return np.full(len(times), np.nan)
        y, quantiles = values[:, None], own["next"][at]
        below = y < quantiles[:, :MEDIAN]
        above = y > quantiles[:, :MEDIAN:-1]
        moved = np.clip(
            own["widths"][at] + self._rate * ((below | above) - OUTER), -WIDEST, WIDEST
        )  # (1)
        own["widths"][at] = np.where(due[:, None], moved, own["widths"][at])
        return np.where(due, above[:, 0] * 1.0 - below[:, 0], np.nan)

    def _absorb_hole(self, place: Place) -> None:
        at = _selected([place.series])
        times = self.clock.shift(self._own["last"][at][:, None], np.arange(1, place.hole + 1))
        self._absorb(at, np.full(times.shape, np.nan), self.clock.phases(times))
        tail = np.concatenate([self._own["tail"][at], np.full(times.shape, np.nan)], axis=1)
        self._own["tail"][at] = tail[:, -KEPT:]

    def _absorb(self, at: Any, values: Floats, phases: Floats) -> None:
        z = self._base.transform.forward(values, self._own["scales"][at][:, None])
        if self._market.watched:
            beside = np.repeat(self._own["beside"][at][:, None], z.shape[1], axis=1)
            phases = np.concatenate([phases, beside], axis=-1)
        self._state.put(at, self.model.absorb(self._state.part(at), z, phases))


def _selected(series: Sequence[int]) -> Any:
    """Return an index of `series`, one of them as a slice: a view costs less than a copy."""
    if len(series) == 1:
        return slice(series[0], series[0] + 1)
    return np.array(series, np.int64)
