"""All models' forecasts on the same rows, as they are scored.

Shapes: R rows (series, cutoff, step ahead), N series, H horizon, C cutoffs, V windows (series and
cutoff), Q levels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import Clock, Times
from forecast.results.tally import DECILES, Axes, Rows, Tally, blocks, let_go

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Which = slice | Ints
ALL = slice(None)


@dataclass(slots=True, eq=False)
class ModelRun:
    """One model's forecasts on all rows and what they cost; NaN throughout when it failed.

    `repeats` are further runs that differ in the seed; `dropped` says why it could not forecast
    some series, whose rows are NaN. `known` says which levels it forecasts, by default all;
    seconds are NaN and parameters None where nobody measured them.
    """

    name: str
    mean: Floats  # (R,)
    quantiles: Floats  # (R, Q) at the benchmark's levels
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    parameters: int | None = 0
    device: str = "cpu"
    config: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failed: str | None = None  # the reason
    dropped: dict[str, str] = field(default_factory=dict)  # series to reason
    repeats: tuple["ModelRun", ...] = ()
    known: tuple[bool, ...] | None = None  # (Q,)
    probes: dict[str, Any] = field(default_factory=dict)  # what was found in its first fit

    def absent(self, rows: "Which") -> NDArray[np.bool_]:
        """Return which of `rows` lack a mean or a quantile that the model forecasts."""
        return incomplete(self.mean[rows], self.quantiles[rows], self.known)


@dataclass(eq=False)
class Forecasts:
    """Every model's forecasts on the same R rows, ordered by series, cutoff and step ahead.

    Arrays may be maps of files, so what reads them all goes by blocks of rows. `season` is 1 on
    prices.
    """

    ids: tuple[str, ...]
    clock: Clock
    name: str
    horizon: int
    windows: int
    stride: int
    season: int
    prices: bool
    series: Ints  # (R,)
    cutoff: Times  # (R,)
    ds: Times  # (R,)
    step: Ints  # (R,) 1..H
    y: Floats  # (R,) NaN where the truth is missing
    origin: Floats  # (R,) last observed value at the cutoff
    mae_scale: Floats  # (N,) in-sample seasonal-naive mean absolute error
    mse_scale: Floats  # (N,) in-sample seasonal-naive mean squared error
    levels: tuple[float, ...]
    runs: dict[str, ModelRun]

    def mean(self, name: str, rows: Which = ALL) -> Floats:
        """Return the means as they are scored: a missing row is the naive's."""
        return self.filled(self.runs[name], rows)[0]

    def quantile(self, name: str, level: float, rows: Which = ALL) -> Floats:
        """Return a quantile as it is scored: a missing row is the naive's median."""
        return self.filled(self.runs[name], rows)[1][:, self.place(level)]

    def quantiles(self, name: str, levels: Sequence[float] = DECILES, rows: Which = ALL) -> Floats:
        """Return the quantiles (R, len(levels)) as they are scored."""
        return self.filled(self.runs[name], rows)[1][:, [self.place(p) for p in levels]]

    def place(self, level: float) -> int:
        """Return the place of a quantile level among the benchmark's."""
        return int(np.argmin(np.abs(np.array(self.levels) - level)))

    @cached_property
    def cutoffs(self) -> Times:
        """All cutoffs (C,), oldest first.

        Where series end apart, those within a stride are one and called by the last of them: their
        windows share steps, so they are no evidence of their own.
        """
        every = self._every_cutoff
        if not self.apart:
            return every
        after = self.clock.later(every, self.stride)
        last, begin = [], 0
        while begin < len(every):
            begin = max(int(np.searchsorted(every, after[begin])), begin + 1)
            last.append(begin - 1)
        return every[last]

    @property
    def apart(self) -> bool:
        """Whether series have cutoffs of their own, as windows counted from their ends do."""
        return len(self._every_cutoff) > self.windows

    @cached_property
    def _every_cutoff(self) -> Times:
        found = [np.unique(self.cutoff[part]) for part in blocks(len(self.y))]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    @cached_property
    def tallies(self) -> dict[str, list[Tally]]:
        """The sums of each model's losses, one for each of its seeds."""
        return {
            name: [] if run.failed is not None else [self.tally(r) for r in (run, *run.repeats)]
            for name, run in self.runs.items()
        }

    def tally(self, run: ModelRun) -> Tally:
        """Return the sums of the losses of one run."""
        sizes = (len(self.ids), self.horizon, len(self.cutoffs), len(self.window_series))
        tally = Tally(Axes(*sizes, self.clock.of(self.ids), self.mae_scale, self.levels))
        for rows in self._rows(run):
            tally.add(rows)
            self.let_go(run)
        return tally

    def let_go(self, run: ModelRun) -> None:
        """Forget the rows that were read, where they are kept in files."""
        for array in (self.series, self.cutoff, self.ds, self.step, self.y, run.quantiles):
            let_go(array)

    def _rows(self, run: ModelRun) -> Iterator[Rows]:
        """Yield the rows that count, those whose truth is there, in blocks."""
        opened = 0
        for part in blocks(len(self.y)):
            first = self._begins[part]
            window = opened + np.cumsum(first) - 1
            opened += int(first.sum())
            mean, quantiles = self.filled(run, part)
            y = self.y[part]
            kept = np.isfinite(y) & ~incomplete(mean, quantiles, run.known)
            cutoff = np.searchsorted(self.cutoffs, self.cutoff[part][kept])
            yield Rows(
                self.series[part][kept].astype(np.int64), window[kept], cutoff,
                self.step[part][kept].astype(np.int64), self.ds[part][kept], y[kept], mean[kept],
                quantiles[kept],
            )  # fmt: skip

    def filled(self, run: ModelRun, rows: Which) -> tuple[Floats, Floats]:
        """Return mean and quantiles of `rows`; those the model left out are the naive's median."""
        mean, quantiles = np.asarray(run.mean[rows]), np.asarray(run.quantiles[rows])
        if self.naive is None or run.failed is not None:
            return mean, quantiles
        gone = incomplete(mean, quantiles, run.known)
        if not gone.any():
            return mean, quantiles
        median = np.asarray(self.naive.quantiles[rows])[:, self.place(0.5)]
        other = np.asarray(self.naive.mean[rows])
        whole = gone[:, None] & (True if run.known is None else np.array(run.known))
        return np.where(gone, other, mean), np.where(whole, median[:, None], quantiles)

    @cached_property
    def naive(self) -> ModelRun | None:
        """The run that fills missing rows: the daily naive, or the random walk."""
        return self.runs.get("naive" if self.season == 1 else "snaive")

    @cached_property
    def _begins(self) -> NDArray[np.bool_]:
        """Whether a window begins at each row (R,)."""
        first = np.zeros(len(self.y), np.bool_)
        for part in blocks(len(self.y)):
            before = slice(max(part.start - 1, 0), part.stop)
            new = (np.diff(self.series[before]) != 0) | (np.diff(self.cutoff[before]) != 0)
            first[part] = new if part.start else np.concatenate([[True], new])
        return first

    @cached_property
    def window_series(self) -> Ints:
        """The series of each window (V,)."""
        return np.asarray(self.series[np.flatnonzero(self._begins)], np.int64)

    @cached_property
    def window_cutoff(self) -> Ints:
        """The number of each window's cutoff (V,)."""
        return np.searchsorted(self.cutoffs, self.cutoff[np.flatnonzero(self._begins)])


def incomplete(
    mean: Floats, quantiles: Floats, known: tuple[bool, ...] | None
) -> NDArray[np.bool_]:
    """Return which rows lack a mean or a quantile (R, Q) at a level that is `known`, or at any."""
    some = quantiles if known is None else quantiles[:, np.array(known)]
    return np.asarray(~(np.isfinite(mean) & np.isfinite(some).all(axis=1)))
