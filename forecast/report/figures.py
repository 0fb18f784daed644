"""The figures of a report. Each returns one SVG element as text; `svg.standalone` makes it a file.

R rows of an excerpt, in time order: windows of one series that do not overlap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from forecast.models import FAMILIES
from forecast.report import ticks
from forecast.report.style import marks
from forecast.report.svg import (
    LETTER,
    WIDTH,
    Key,
    Plot,
    band,
    base_axis,
    document,
    legend,
    line,
    segment,
    span,
    text,
    value_axis,
)
from forecast.results import Benchmark

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LOW, HIGH = 0.1, 0.9
LEFT, RIGHT = 64, 14  # margins in pixels
AXIS = 44  # pixels for the marks of a time axis
TRUTH = Key("truth", "var(--ink)", width=1.6)


def contenders(benchmark: Benchmark, count: int) -> list[str]:
    """Return the best models that are more than rules of thumb, then the baseline.

    At most `count` models, by MASE, and the baseline.
    """
    good = [s.model for s in benchmark.scores() if benchmark.runs[s.model].failed is None]
    cheap = {name for name, family in FAMILIES.items() if family.baseline}
    base = [name for name in good if name == benchmark.baseline]
    others = [name for name in good if name not in base]
    learned = [name for name in others if name not in cheap] or others
    return learned[:count] + base


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Rows of the benchmark, their place on the time axis, and the windows they belong to."""

    rows: Ints  # (R,)
    x: Floats  # (R,) 0, 1, 2 ... with a gap where windows do not follow each other
    windows: tuple[slice, ...]
    spans: tuple[slice, ...]  # runs of windows that follow each other


def excerpt(benchmark: Benchmark, series: int, points: int = 400, windows: int = 7) -> Excerpt:
    """Choose windows to show: the last ones where they abut, else the first, middle and last.

    One step ahead the forecasts of all windows form one line; its last `points` are shown.
    """
    begin, end = np.searchsorted(benchmark.series, [series, series + 1])
    rows = np.arange(begin, end)
    starts = np.flatnonzero(np.diff(benchmark.cutoff[rows], prepend=np.iinfo(np.int64).min))
    found = [rows[a:b] for a, b in pairwise([*starts.tolist(), len(rows)])]
    apart = [found[-1]]
    for window in reversed(found[:-1]):
        if benchmark.ds[window[-1]] <= benchmark.cutoff[apart[0][0]]:
            apart.insert(0, window)
    single = benchmark.horizon == 1
    last = apart[-points if single else -max(1, min(windows, points // benchmark.horizon)) :]
    joined = single or all(benchmark.ds[a[-1]] == benchmark.cutoff[b[0]] for a, b in pairwise(last))
    if not joined:
        last = [apart[i] for i in sorted({0, len(apart) // 2, len(apart) - 1})]
    return _laid_out(last, single, joined)


def _laid_out(windows: list[Ints], single: bool, joined: bool) -> Excerpt:
    rows = np.concatenate(windows)
    ends = np.cumsum([len(w) for w in windows])
    parts = tuple(slice(int(b - len(w)), int(b)) for b, w in zip(ends, windows, strict=True))
    whole = (slice(0, len(rows)),)
    gap = 0.0 if joined else max(1.0, 0.04 * len(rows))
    shift = np.repeat(np.arange(len(windows)), [len(w) for w in windows]) * gap
    x = np.arange(len(rows)) + shift
    return Excerpt(rows, x, whole if single else parts, whole if joined else parts)


def forecasts(
    benchmark: Benchmark, models: Sequence[str], series: int = 0, points: int = 400
) -> str:
    """Draw truth, median and 80 % interval, one panel per model below each other."""
    part = excerpt(benchmark, series, points)
    y = benchmark.y[part.rows]
    drawn = {name: _quantiles(benchmark, name, part.rows) for name in models}
    keys = [TRUTH, Key("forecast (median)", "var(--muted)"),
            Key("80 % interval", "var(--muted)", band=True)]  # fmt: skip
    head, used = legend(keys, LEFT, 4, WIDTH - LEFT - RIGHT)
    height, gap = 128 if len(models) > 1 else 250, 34
    shapes, top = [head], used + 34
    ys = _range(y, drawn)
    tint = marks(benchmark.runs)
    for k, (name, (low, median, high)) in enumerate(drawn.items()):
        plot = _plot(top, height, (-0.5, float(part.x[-1]) + 0.5), ys)
        colour = tint[name][0]
        shapes.append(value_axis(plot, ticks.nice(*ys, 3 if len(models) > 1 else 5)))
        shapes.append(_cutoffs(plot, part))
        error = float(benchmark.by_series(name)[series])
        score = f"MASE {error:.3f}" if np.isfinite(error) else ""
        shapes.append(_heading(name, score, plot, colour))
        area = band(plot, part.x, low, high, colour, part.windows)
        truth = line(plot, part.x, y, TRUTH, part.spans)
        shapes.append(
            plot.clip(area + truth + line(plot, part.x, median, Key(name, colour), part.windows))
        )
        bare = k < len(drawn) - 1
        shapes.append(_dates(plot, benchmark, part, bare))
        top += height + gap + (0 if bare else AXIS)
    return document(shapes, top - gap, f"{benchmark.ids[series]}: forecasts against truth")


def _heading(name: str, score: str, plot: Plot, colour: str) -> str:
    label = text(plot.left, plot.top - 9, name, fill=colour, font_weight="600", font_size="13")
    return label + text(plot.right, plot.top - 9, score, "end")


def overlay(benchmark: Benchmark, models: Sequence[str], series: int = 0, points: int = 60) -> str:
    """Draw one-step-ahead forecasts of several models over the truth, and their changes below.

    The lower plot shows the same as changes from the last known value: what happened as bars, what
    was forecast as lines. The interval is that of the first model.
    """
    part = excerpt(benchmark, series, points)
    y, origin = benchmark.y[part.rows], benchmark.origin[part.rows]
    drawn = {name: _quantiles(benchmark, name, part.rows) for name in models}
    tint = marks(benchmark.runs)
    lines = {name: Key(name, *tint[name], width=1.7) for name in models}
    spread = Key(f"80 % interval of {models[0]}", tint[models[0]][0], band=True)
    keys = [TRUTH, *lines.values(), spread]
    head, used = legend(keys, LEFT, 4, WIDTH - LEFT - RIGHT)
    xs = (-0.5, float(part.x[-1]) + 0.5)
    upper = _plot(used + 16, 250, xs, _range(y, drawn))
    lower = _plot(upper.bottom + 46, 110, xs, span(y - origin))
    low, _, high = drawn[models[0]]
    shapes = [head, value_axis(upper, ticks.nice(*upper.ys, 5))]
    shapes.append(upper.clip(band(upper, part.x, low, high, spread.colour)))
    shapes.append(base_axis(upper, []))
    shapes.append(value_axis(lower, ticks.nice(*lower.ys, 4), "change from the last known value"))
    shapes.append(_bars(lower, part.x, y - origin))
    truth = Key(TRUTH.label, TRUTH.colour, width=2.2)
    above = line(upper, part.x, y, truth)
    below = ""
    for name in sorted(reversed(models), key=lambda name: bool(lines[name].dash)):
        above += line(upper, part.x, drawn[name][1], lines[name])
        below += line(lower, part.x, drawn[name][1] - origin, lines[name])
    shapes += [upper.clip(above), lower.clip(below), _dates(lower, benchmark, part, False)]
    label = f"{benchmark.ids[series]}: one step ahead, {', '.join(models)}"
    return document(shapes, lower.bottom + AXIS, label)


def coverage(benchmark: Benchmark) -> str:
    """Draw the share of truths inside each model's 80 % interval as dots beside the 80 % line."""
    scores = [s for s in benchmark.scores() if s.cover80 == s.cover80]
    tint = marks(benchmark.runs)
    row, top = 26, 26
    left = min(WIDTH / 2, 32 + LETTER * 1.15 * max(len(s.model) for s in scores))
    low = min(0.5, *(np.floor(s.cover80 * 10) / 10 for s in scores))
    plot = Plot(left, top, WIDTH - left - 66, row * len(scores), (low, 1.0), (0.0, 1.0))
    aim = float(plot.x(0.8))
    shapes = [
        text(aim, top - 10, "80 %", "middle", fill="var(--ink)"),
        segment((aim, aim), (top - 4, plot.bottom), "var(--ink)", "3 3"),
    ]
    for k, score in enumerate(scores):
        x, y = float(plot.x(score.cover80)), top + row * (k + 0.5)
        colour = tint[score.model][0]
        shapes.append(text(left - 12, y + 4, score.model, "end", fill="var(--ink)"))
        shapes.append(segment((plot.left, plot.right), (y, y), "var(--grid)"))
        shapes.append(
            f'<line x1="{aim:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" '
            f'stroke-width="3" stroke-opacity=".45"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
        )
        shapes.append(text(plot.right + 60, y + 4, f"{100 * score.cover80:.1f} %", "end"))
    marks_ = [ticks.Tick(v / 100, f"{v} %") for v in range(round(100 * low), 101, 10)]
    shapes.append(base_axis(plot, marks_))
    return document(shapes, plot.bottom + 30, "share of truths inside the 80 % interval")


def _plot(top: float, height: float, xs: tuple[float, float], ys: tuple[float, float]) -> Plot:
    return Plot(LEFT, top, WIDTH - LEFT - RIGHT, height, xs, ys)


def _quantiles(benchmark: Benchmark, name: str, rows: Ints) -> tuple[Floats, Floats, Floats]:
    low, median, high = benchmark.quantiles(name, (LOW, 0.5, HIGH), rows).T
    return low, median, high


def _range(y: Floats, drawn: dict[str, tuple[Floats, Floats, Floats]]) -> tuple[float, float]:
    """Range of the truth and the medians; intervals may widen it by half, no more."""
    low, high = span(y, *(median for _, median, _ in drawn.values()))
    room = 0.5 * (high - low)
    below, above = span(
        *(q for low_, _, high_ in drawn.values() for q in (low_, high_)), share=0.02
    )
    return min(low, max(below, low - room)), max(high, min(above, high + room))


def _cutoffs(plot: Plot, part: Excerpt) -> str:
    """Thin lines where a window begins."""
    at = [float(plot.x(part.x[w.start] - 0.5)) for w in part.windows[1:]]
    return "".join(segment((x, x), (plot.top, plot.bottom), "var(--axis)", "1 3") for x in at)


def _dates(plot: Plot, benchmark: Benchmark, part: Excerpt, bare: bool) -> str:
    """The time axis; each stretch of windows has its own dates."""
    marks_ = []
    for stretch in [] if bare else part.spans:
        count = max(2, int(10 * (stretch.stop - stretch.start) / len(part.rows)))
        times = benchmark.ds[part.rows[stretch]]
        for tick in ticks.dates(times, benchmark.clock, count):
            at = float(part.x[stretch][int(tick.at)])
            marks_.append(ticks.Tick(at, tick.label, tick.context))
    return base_axis(plot, marks_, "UTC" if benchmark.clock.zone and not bare else "")


def _bars(plot: Plot, x: Floats, y: Floats) -> str:
    zero, width = float(plot.y(0.0)), 0.7 * float(plot.x(1.0) - plot.x(0.0))
    drawn = []
    for px, py in zip(plot.x(x), plot.y(y), strict=True):
        if np.isfinite(py):
            top, height = min(py, zero), abs(py - zero)
            drawn.append(f"M{px - width / 2:.1f} {top:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}Z")
    return f'<path d="{"".join(drawn)}" fill="var(--axis)" fill-opacity=".5"/>'
