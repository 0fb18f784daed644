"""Figures of calibration: reliability diagram, PIT histograms, coverage by step and over time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.report import ticks
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
    text,
    value_axis,
)
from forecast.results import Benchmark, calibration

Floats = NDArray[np.float64]
LEFT, RIGHT, AXIS = 64, 14, 44
SHARES = [ticks.Tick(v / 100, f"{v} %") for v in range(0, 101, 20)]
ACROSS = 5  # histograms side by side


def diagram(benchmark: Benchmark, models: Sequence[str]) -> str:
    """Draw the share of truths below each quantile over its level; ideal is the diagonal."""
    head, used, tint = _legend(benchmark, models)
    plot = Plot(LEFT, used + 30, 380, 300, (0.0, 1.0), (0.0, 1.0))
    shapes = [head, value_axis(plot, SHARES, "truths below the quantile"), base_axis(plot, SHARES)]
    shapes.append(text(plot.right, plot.bottom + 36, "quantile level", "end"))
    shapes.append(_straight(plot, (0, 1), (0, 1)))
    p = np.array(benchmark.levels)
    off = {name: calibration.reliability(benchmark, name) - p for name in models}
    known = [np.abs(o) for o in off.values() if np.isfinite(o).any()]
    reach = 1.1 * max([0.05, *(float(np.nanmax(o)) for o in known)])
    left = LEFT + 470
    wide = Plot(left, used + 30, WIDTH - left - 2 * RIGHT, 300, (0.0, 1.0), (-reach, reach))
    steps = [ticks.Tick(t.at / 100, f"{t.label} %") for t in ticks.nice(-100 * reach, 100 * reach)]
    shapes += [value_axis(wide, steps, "the same, less the level"), base_axis(wide, SHARES)]
    shapes.append(_straight(wide, (0, 1), (0, 0)))
    for name in reversed(models):
        key = Key(name, *tint[name])
        shapes.append(line(plot, p, off[name] + p, key) + line(wide, p, off[name], key))
    return document(shapes, plot.bottom + AXIS, "reliability diagram")


def histograms(benchmark: Benchmark, models: Sequence[str]) -> str:
    """Draw where truths fall among the deciles, one histogram a model, with its 95 % band."""
    models, tint = models[:ACROSS], marks(benchmark.runs)
    found = {name: calibration.pit(benchmark, name) for name in models}
    top = max([0.2, *(float(np.nanmax(s)) for s, _ in found.values() if np.isfinite(s).any())])
    gap, width = 24, (WIDTH - LEFT - RIGHT) / len(models) - 24
    shapes = []
    for k, (name, (share, band)) in enumerate(found.items()):
        plot = Plot(LEFT + k * (width + gap), 30, width, 150, (0.0, 10.0), (0.0, 1.08 * top))
        shapes.append(text(plot.left, 18, name, fill=tint[name][0], font_weight="600"))
        if k == 0:
            marks_ = [ticks.Tick(t.at / 100, f"{t.label} %") for t in ticks.nice(0, 100 * top, 4)]
            shapes.append(value_axis(plot, marks_))
        bars = "".join(_bar(plot, i, v) for i, v in enumerate(share) if np.isfinite(v))
        shapes.append(f'<path d="{bars}" fill="{tint[name][0]}" fill-opacity=".55"/>')
        shapes += [_whisker(plot, i, v, b) for i, (v, b) in enumerate(zip(share, band, strict=True))
                   if np.isfinite(v + b)]  # fmt: skip
        shapes.append(_straight(plot, (0, 10), (0.1, 0.1)))
        ends = [ticks.Tick(0.0, "0"), ticks.Tick(5.0, "0.5"), ticks.Tick(10.0, "1")]
        shapes.append(base_axis(plot, ends))
    return document(shapes, 30 + 150 + 30, "PIT histograms")


def _bar(plot: Plot, place: int, share: float) -> str:
    x, width = float(plot.x(place + 0.06)), float(plot.x(0.88) - plot.x(0.0))
    y = float(plot.y(share))
    return f"M{x:.1f} {plot.bottom:.1f}V{y:.1f}h{width:.1f}V{plot.bottom:.1f}Z"


def _whisker(plot: Plot, place: int, share: float, band: float) -> str:
    x = float(plot.x(place + 0.5))
    ends = (float(plot.y(max(share - band, 0.0))), float(plot.y(min(share + band, plot.ys[1]))))
    return segment((x, x), ends, "var(--ink)")


def coverage_by_step(benchmark: Benchmark, models: Sequence[str]) -> str:
    """Draw the share of truths inside the 80 % interval by step ahead, and how wide it is."""
    head, used, tint = _legend(benchmark, models)
    half = (WIDTH - 2 * LEFT - 2 * RIGHT) / 2
    xs = (1.0, max(float(benchmark.horizon), 1.01))
    inside = {name: calibration.by_step(benchmark, name, "inside80") for name in models}
    widths = {name: calibration.by_step(benchmark, name, "width80") for name in models}
    low = min([0.5, *(float(np.nanmin(v)) for v in inside.values() if np.isfinite(v).any())])
    high = max([1e-9, *(float(np.nanmax(v)) for v in widths.values() if np.isfinite(v).any())])
    plot = Plot(LEFT, used + 30, half, 200, xs, (max(low - 0.02, 0.0), 1.0))
    wide = Plot(2 * LEFT + RIGHT + half, used + 30, half, 200, xs, (0.0, 1.08 * high))
    at = ticks.steps(benchmark.horizon, benchmark.season, 6)
    shapes = [head, value_axis(plot, [t for t in SHARES if t.at >= plot.ys[0]], "in 80 %")]
    shapes += [value_axis(wide, ticks.nice(*wide.ys, 4), "mean width of the 80 % interval")]
    shapes += [base_axis(plot, at, "steps ahead"), base_axis(wide, at, "steps ahead")]
    shapes.append(_straight(plot, xs, (0.8, 0.8)))
    x = np.arange(1.0, benchmark.horizon + 1)
    for name in reversed(models):
        key = Key(name, *tint[name])
        shapes.append(plot.clip(line(plot, x, inside[name], key)))
        shapes.append(wide.clip(line(wide, x, widths[name], key)))
    return document(shapes, plot.bottom + AXIS, "coverage and width by step ahead")


def coverage_over_time(benchmark: Benchmark, models: Sequence[str]) -> str:
    """Draw the share of truths inside the 80 % interval over the cutoffs, a moving mean."""
    head, used, tint = _legend(benchmark, models)
    times = benchmark.cutoffs
    plot = Plot(LEFT, used + 30, WIDTH - LEFT - RIGHT, 160,
                (0.0, max(len(times) - 1.0, 1.0)), (0.0, 1.02))  # fmt: skip
    shapes = [head, value_axis(plot, SHARES, "in 80 %, moving mean over the cutoffs")]
    shapes += [base_axis(plot, ticks.dates(times, benchmark.clock, 9))]
    shapes.append(_straight(plot, plot.xs, (0.8, 0.8)))
    kept = np.unique(np.linspace(0, len(times) - 1, min(400, len(times))).astype(int))
    for name in reversed(models):
        share = _smooth(
            calibration.by_cutoff(benchmark, name, "inside80"), max(len(times) // 12, 1)
        )
        shapes.append(
            plot.clip(line(plot, kept.astype(float), share[kept], Key(name, *tint[name])))
        )
    return document(shapes, plot.bottom + AXIS, "coverage over time")


def _smooth(values: Floats, size: int) -> Floats:
    """Return the mean of the last `size` values that are there."""
    known = np.concatenate([[0.0], np.cumsum(np.isfinite(values))])
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values))])
    stop = np.arange(1, len(values) + 1)
    start = np.maximum(stop - size, 0)
    count = known[stop] - known[start]
    return np.where(count > 0, (total[stop] - total[start]) / np.maximum(count, 1.0), np.nan)


def _straight(plot: Plot, xs: tuple[float, float], ys: tuple[float, float]) -> str:
    x, y = ((float(f(a)), float(f(b))) for f, (a, b) in ((plot.x, xs), (plot.y, ys)))
    return segment(x, y, "var(--ink)", "3 3")


def _legend(
    benchmark: Benchmark, models: Sequence[str]
) -> tuple[str, float, dict[str, tuple[str, str]]]:
    tint = marks(benchmark.runs)
    head, used = legend([Key(n, *tint[n]) for n in models], LEFT, 4, WIDTH - LEFT - RIGHT)
    return head, used, tint
