"""Figures of errors: by step ahead, hour and weekday, and the lead over the baseline."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.report import ticks
from forecast.report.figures import AXIS, LEFT, RIGHT, contenders
from forecast.report.style import marks
from forecast.report.svg import (
    WIDTH,
    Key,
    Plot,
    base_axis,
    document,
    legend,
    line,
    segment,
    span,
    value_axis,
)
from forecast.results import Benchmark

Floats = NDArray[np.float64]
UNIT = "mean absolute error over the in-sample naive's"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def lead(benchmark: Benchmark, models: Sequence[str], points: int = 500) -> str:
    """Draw how far each model is ahead of the baseline, adding up over the cutoffs.

    The sum over the cutoffs so far of the scaled squared errors the baseline made more, over its
    whole sum: the right end is the share of squared error saved. Welch & Goyal (2008).
    """
    base = _squared(benchmark, benchmark.baseline)
    shown = [name for name in models if name != benchmark.baseline]
    times, cell = np.unique(benchmark.cutoff, return_inverse=True)
    curves = {}
    for name in shown:
        saved = np.nan_to_num(base - _squared(benchmark, name))
        curves[name] = 100 * np.cumsum(np.bincount(cell, saved)) / (np.nansum(base) or 1.0)
    tint = marks(benchmark.runs)
    keys = [Key(name, *tint[name]) for name in shown]
    head, used = legend(keys, LEFT, 4, WIDTH - LEFT - RIGHT)
    kept = np.unique(np.linspace(0, len(times) - 1, min(points, len(times))).astype(int))
    ys = span(*curves.values(), np.zeros(1), share=0.12)
    plot = Plot(LEFT, used + 30, WIDTH - LEFT - RIGHT, 180, (0.0, max(len(times) - 1.0, 1.0)), ys)
    unit = f"% of {benchmark.baseline}'s squared error saved so far"
    shapes = [head, value_axis(plot, ticks.nice(*ys, 5), unit)]
    zero = float(plot.y(0.0))
    shapes.append(segment((plot.left, plot.right), (zero, zero), "var(--ink)", "3 3"))
    drawn = [line(plot, kept.astype(float), curves[k.label][kept], k) for k in reversed(keys)]
    shapes += [plot.clip("".join(drawn)), base_axis(plot, ticks.dates(times, benchmark.clock, 9))]
    return document(shapes, plot.bottom + AXIS, f"error saved against {benchmark.baseline}")


def by_step(benchmark: Benchmark) -> tuple[str, list[str]]:
    """Draw the scaled absolute error by step ahead; also name the models too far up to be seen."""
    curves = {name: benchmark.by_step(name) for name in _scored(benchmark)}
    at = ticks.steps(benchmark.horizon, benchmark.season)
    return _curves(benchmark, curves, at, "steps ahead", 1.0)


def by_hour(benchmark: Benchmark) -> tuple[str, list[str]]:
    """Draw the same by hour of the day, on the clock of the data."""
    curves = {name: benchmark.by_hour(name) for name in _scored(benchmark)}
    at = [ticks.Tick(float(h), f"{h}:00") for h in range(0, 24, 3)]
    return _curves(benchmark, curves, at, "", 0.0)


def by_weekday(benchmark: Benchmark) -> tuple[str, list[str]]:
    """Draw the same by weekday."""
    curves = {name: benchmark.by_weekday(name) for name in _scored(benchmark)}
    days = 1 + max(int(np.flatnonzero(np.isfinite(c)).max(initial=0)) for c in curves.values())
    curves = {name: curve[:days] for name, curve in curves.items()}  # exchanges rest at weekends
    at = [ticks.Tick(float(k), day) for k, day in enumerate(DAYS[:days])]
    return _curves(benchmark, curves, at, "", 0.0)


def _scored(benchmark: Benchmark) -> list[str]:
    return [s.model for s in benchmark.scores() if s.mase == s.mase]


def _curves(
    benchmark: Benchmark, curves: dict[str, Floats], at: list[ticks.Tick], base: str, first: float
) -> tuple[str, list[str]]:
    """Draw curves over first, first + 1, ...; those far above the contenders are left out."""
    near = set(contenders(benchmark, len(curves))) & set(curves)  # others may leave the plot
    top = 1.3 * max(float(np.nanmax(curves[name])) for name in near)
    shown = [name for name in curves if name in near or np.nanmedian(curves[name]) <= top]
    tint = marks(benchmark.runs)
    keys = [Key(name, *tint[name]) for name in shown]
    head, used = legend(keys, LEFT, 4, WIDTH - LEFT - RIGHT)
    highest = max(float(np.nanmax(curves[name])) for name in shown)
    count = len(next(iter(curves.values())))
    xs = (first, max(first + count - 1.0, first + 0.01))
    ys = (0.0, min(top, 1.06 * highest) or 1.0)
    plot = Plot(LEFT, used + 32, WIDTH - LEFT - RIGHT, 260, xs, ys)
    shapes = [head, value_axis(plot, ticks.nice(*plot.ys, 5), UNIT)]
    x = first + np.arange(float(count))
    drawn = [line(plot, x, curves[key.label], key) for key in reversed(keys)]
    shapes += [plot.clip("".join(drawn)), base_axis(plot, at, base)]
    figure = document(shapes, plot.bottom + AXIS, f"error by {base or 'part of the calendar'}")
    return figure, [name for name in curves if name not in shown]


def _squared(benchmark: Benchmark, name: str) -> Floats:
    """Scaled squared error of each row (R,), NaN where there is none."""
    scale = benchmark.mse_scale[benchmark.series]
    error = (benchmark.y - benchmark.mean(name)) ** 2
    return np.asarray(error / np.where(scale > 0, scale, np.nan))
