"""What prices have shown: averages carried along, and what a net of returns reads of each row.

A short window knows of years by what is carried, so that nothing need be remembered but

    r[t]   = z[t] - z[t-1]                              log returns; none where z is missing
    v[t]   = d v[t-1] + (1 - d) r[t]^2                  d = 0.94: RiskMetrics (1996)          (1)
    s[k,t] = D[k] s[k,t-1] + (1 - D[k]) |r[t]|          less shaken by one wild day           (2)
    l[k,t] = D[k] l[k,t-1] + (1 - D[k]) c[t]            c: a logarithm beside the price       (3)
    x[t]   = r[t] / sqrt(v[t-1])                                                              (4)
    u[t]   = [x; |x|; log(s[k] / sqrt(2 v / pi)); days closed before t; l[k] about its base;
              other covariates]                                                               (5)

The base of the day's range and of the gap overnight (data/sessions.py) is log sqrt(v), as they are
measures of the same spread; volume and the market's size are told about their own slowest average.
So u has no unit, and is 0 where all is as `naive-ewma` takes it. Days closed show the weekend, and
so the weekday. Corsi (2009) forecasts volatility by such averages, Parkinson (1980) by ranges.

Shapes: N series, T rows, K decays, F inputs, L averages of (3).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.data.sessions import GAP, MARKET, RANGE, VOLUME
from forecast.models.base import Arrays, Floats, Setting, State
from forecast.models.inputs import Floats32

SPREAD = 0.94  # d
SIZES = np.array([0.7, 0.94, 0.985, 0.995])  # D of (2)
NORMAL_SIZE = np.sqrt(2 / np.pi)  # mean of |x| where x is a standard normal
SMALLEST = 1e-4  # spread of the changes, in units of z
WIDEST = 8.0  # changes beyond so many spreads are cut to it, as inputs
FAR = 3.0  # logarithms of ratios, likewise
YEAR = 365.2425  # days of the year's phase
CLOSED = 30.0  # days, at most


@dataclass(frozen=True, slots=True)
class Watch:
    """Decays of the averages (3) of a column, and whether log sqrt(v) is their base."""

    decays: tuple[float, ...]
    spread: bool


WATCHED = {
    RANGE: Watch((0.0, 0.5, 0.8, 0.94, 0.985), True),
    GAP: Watch((0.0, 0.94), True),
    VOLUME: Watch((0.0, 0.7, 0.97), False),
    MARKET: Watch((0.0, 0.5, 0.8, 0.94, 0.985, 0.995), False),
}


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows as a net sees them: u (N, T, F), last value and spread sqrt(v) (N, T)."""

    u: Floats32
    last: Floats
    spread: Floats


@dataclass(frozen=True, slots=True)
class Moves:
    """The recursions (1) to (5). `typical` is the variance of the changes of a usual series."""

    setting: Setting
    typical: float

    @classmethod
    def of(cls, setting: Setting, arrays: Arrays) -> "Moves":
        """Return those of fitted `arrays`, in which `variance` (N,) is that of each series."""
        return cls(setting, float(np.median(arrays["variance"])))

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the covariates that change with the rows, in order."""
        return self.setting.known + self.setting.past

    @property
    def watched(self) -> tuple[tuple[int, Watch], ...]:
        """Places and averages of the columns that (3) follows; only past ones are."""
        first = len(self.setting.known)
        past = enumerate(self.setting.past)
        return tuple((first + k, WATCHED[name]) for k, name in past if name in WATCHED)

    @property
    def plain(self) -> list[int]:
        """Places of the other columns, which enter as they are."""
        at = [place for place, _ in self.watched]
        return [k for k in range(len(self.names)) if k not in at]

    @property
    def inputs(self) -> int:
        """F, the length of u in (5)."""
        told = sum(len(watch.decays) - (not watch.spread) for _, watch in self.watched)
        return 2 + len(SIZES) + 1 + told + len(self.plain)

    def start(self, series: NDArray[np.int64], variance: Floats) -> State:
        """Return the state before any row of `series` (N,); `variance` (N,) starts (1) to (3)."""
        n, spread = len(series), np.sqrt(variance)
        begin = [
            np.repeat((np.log(spread / np.sqrt(self.typical)) * watch.spread)[:, None],
                      len(watch.decays), axis=1)
            for _, watch in self.watched
        ]  # fmt: skip
        return {
            "series": np.asarray(series, np.int64),
            "last": np.full(n, np.nan),
            "phase": np.full(n, np.nan),  # of the year, at the last row
            "variance": variance.astype(np.float64),
            "sizes": np.repeat(NORMAL_SIZE * spread[:, None], len(SIZES), axis=1),
            "averages": np.concatenate([np.zeros((n, 0)), *begin], axis=1),
        }

    def walk(self, state: State, z: Floats, phases: Floats) -> tuple[State, Rows]:
        """Return the state after rows `z` (N, T) at `phases` (N, T, columns), and what they showed.

        A missing value is no change; rows before the first value show nothing.
        """
        levels = np.concatenate([state["last"][:, None], z], axis=1)
        place = np.where(np.isnan(levels), 0, np.arange(levels.shape[1]))
        levels = np.take_along_axis(levels, np.maximum.accumulate(place, axis=1), axis=1)
        change = np.where(np.isnan(z), np.nan, np.diff(levels, axis=1))  # (N, T) NaN: none
        first = len(self.setting.seasons) + 1 + len(self.setting.static)
        beside = phases[..., first:]
        v, s, l = self._carried(state, change, beside)  # noqa: E741
        x = np.nan_to_num(change) / np.sqrt(np.maximum(v[:, :-1], SMALLEST**2))  # (4)
        x = np.clip(x, -WIDEST, WIDEST)
        spread = np.sqrt(np.maximum(v[:, 1:], SMALLEST**2))  # (N, T)
        ratio = np.log(np.maximum(s[:, 1:], SMALLEST) / (NORMAL_SIZE * spread[..., None]))
        year = phases[..., len(self.setting.seasons)]
        year = np.concatenate([state["phase"][:, None], year], axis=1)  # (N, T + 1)
        u = np.concatenate([
            x[..., None], np.abs(x)[..., None], np.clip(ratio, -FAR, FAR),
            days_closed(year)[..., None], self._told(l[:, 1:], spread), beside[..., self.plain],
        ], axis=2)  # fmt: skip
        begun = ~np.isnan(levels[:, 1:, None])
        u = np.where(begun, u, 0.0).astype(np.float32)  # (5)
        after = {"last": levels[:, -1], "phase": year[:, -1], "variance": v[:, -1],
                 "sizes": s[:, -1], "averages": l[:, -1]}  # fmt: skip
        return {**state, **after}, Rows(u, levels[:, 1:], spread)

    def _carried(
        self, state: State, change: Floats, beside: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Return (1) (N, T + 1), (2) (N, T + 1, K), (3) (N, T + 1, L), from before the rows on."""
        n, rows = change.shape
        each = [beside[..., [k] * len(watch.decays)] for k, watch in self.watched]
        c = np.concatenate([np.zeros((n, rows, 0)), *each], axis=2).swapaxes(0, 1)
        D = np.concatenate([np.zeros(0), *(watch.decays for _, watch in self.watched)])
        v, s = np.empty((rows + 1, n)), np.empty((rows + 1, n, len(SIZES)))
        l = np.empty((rows + 1, n, c.shape[2]))  # noqa: E741
        v[0], s[0], l[0] = state["variance"], state["sizes"], state["averages"]
        seen = ~np.isnan(change.T)
        size = np.abs(np.where(seen, change.T, 0.0))
        for t in range(rows):
            at = seen[t]
            v[t + 1] = np.where(at, SPREAD * v[t] + (1 - SPREAD) * size[t] ** 2, v[t])
            s[t + 1] = np.where(at[:, None], SIZES * s[t] + (1 - SIZES) * size[t, :, None], s[t])
            l[t + 1] = D * l[t] + (1 - D) * c[t]
        return v.T, s.swapaxes(0, 1), l.swapaxes(0, 1)

    def _told(self, averages: Floats, spread: Floats) -> Floats:
        """Return the averages (N, T, L) about their bases, at `spread` (N, T)."""
        parts, at = [np.zeros((*spread.shape, 0))], 0
        base = np.log(spread / np.sqrt(self.typical))[..., None]
        for _, watch in self.watched:
            own = averages[..., at : at + len(watch.decays)]
            parts.append(own - base if watch.spread else own[..., :-1] - own[..., -1:])
            at += len(watch.decays)
        return np.asarray(np.clip(np.concatenate(parts, axis=2), -FAR, FAR))


def days_closed(year: Floats) -> Floats:
    """Return log(1 + days without a row) before each of the phases `year` (N, T + 1): (N, T)."""
    days = np.mod(np.diff(year, axis=1), 1.0) * YEAR
    return np.log1p(np.clip(np.nan_to_num(days) - 1, 0, CLOSED))


def coming(phases: Floats, phase: Floats, setting: Setting) -> Floats:
    """Return what is known (N, G) of the steps at `phases` (N, H, columns) after `phase` (N,)."""
    s, static = len(setting.seasons) + 1, len(setting.static)
    closed = days_closed(np.stack([phase, phases[:, 0, s - 1]], axis=1))
    later = phases[:, :, s + static : s + static + len(setting.known)]
    later = later.reshape(len(phases), phases.shape[1] * len(setting.known))
    return np.concatenate([closed, phases[:, 0, s : s + static], later], axis=1)


def ahead(setting: Setting) -> int:
    """Return G, how many numbers are known of the steps ahead."""
    return 1 + len(setting.static) + setting.horizon * len(setting.known)
