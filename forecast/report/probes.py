"""What was found inside the models: importance of their inputs, and how they fit the past."""

import math
from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np

from forecast.report import ticks
from forecast.report.figures import AXIS, LEFT, RIGHT, TRUTH
from forecast.report.leaderboard import NONE, PLUS_MINUS, fixed, percent
from forecast.report.style import marks
from forecast.report.svg import (
    WIDTH,
    Key,
    Plot,
    band,
    base_axis,
    document,
    legend,
    line,
    span,
    value_axis,
)
from forecast.results import Benchmark

ABOUT = (
    "By how much MASE rises when one input is permuted over the windows, five times; the spread is "
    "the standard deviation. Near zero a model does without it; the inputs of one model may stand "
    "in for each other."
)
FITTED = (
    "One step ahead on the last rows before the first cutoff, which the fit has seen, beside one "
    "step ahead after it. Far below that, a model knows its past by heart."
)
Rows = list[list[str]]


def importance(benchmark: Benchmark) -> Rows:
    """Return a table of words, an input a row, a model a column; no row without the probe."""
    found = _found(benchmark, "importance")
    inputs = list(dict.fromkeys(name for each in found.values() for name in each))
    if not inputs:
        return []
    order = sorted(inputs, key=lambda name: -max(_mean(each, name) for each in found.values()))
    rows = [[name, *(_risen(each.get(name)) for each in found.values())] for name in order]
    return [["Input", *found], *rows]


def in_sample(benchmark: Benchmark) -> Rows:
    """Return a table of words, a model a row; no row without the probe."""
    found = _found(benchmark, "in_sample")
    rows = []
    for name, fit in found.items():
        after = float(benchmark.by_step(name)[0])
        cells = [(fit["mase"], fixed(3)), (after, fixed(3)), (fit["cover80"], percent(1))]
        rows.append([name, *(_cell(value, show) for value, show in cells), f"{fit['rows']:,}"])
    head = ["Model", "MASE of the fit", "one step ahead", "In 80 %", "Rows"]
    return [head, *rows] if rows else []


def plain(benchmark: Benchmark) -> dict[str, Any]:
    """Return what was found as JSON values, the curves left out; nothing without a probe."""
    kept = ("mase", "rmse", "cover80", "rows")
    fits = {n: {k: f[k] for k in kept} for n, f in _found(benchmark, "in_sample").items()}
    every = {"importance": _found(benchmark, "importance"), "in_sample": fits}
    return {key: value for key, value in every.items() if value}


def lines(benchmark: Benchmark, plain: Callable[[str], str]) -> list[str]:
    """Return the tables as lines of text, each under its title, cells as `plain` writes them."""
    out = []
    for title, found in _titled(benchmark):
        rows = [[plain(cell) for cell in row] for row in found]
        sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
        out += ["", title]
        for head, *cells in rows:
            right = (cell.rjust(n) for cell, n in zip(cells, sizes[1:], strict=True))
            out.append("  ".join([head.ljust(sizes[0]), *right]))
    return out


def markdown(benchmark: Benchmark, row: Callable[[list[str]], str]) -> list[str]:
    """Return the tables in Markdown; `row` writes one line of cells."""
    out = []
    for title, (head, *rows) in _titled(benchmark):
        out += ["", f"{title}:", "", row(head), row([":--", *("--:" for _ in head[1:])])]
        out += [row(cells) for cells in rows]
    return out


def html(benchmark: Benchmark) -> list[str]:
    """Return the sections of the page, none without a probe."""
    parts = []
    if rows := importance(benchmark):
        parts += ["<h3>What the models live on</h3>", f'<p class="note">{escape(ABOUT)}</p>',
                  _table(rows)]  # fmt: skip
    if rows := in_sample(benchmark):
        parts += ["<h3>In sample</h3>", f'<p class="note">{escape(FITTED)}</p>', _table(rows)]
        parts.append(f'<figure><div class="scroll">{fits(benchmark)}</div></figure>')
    return parts


def fits(benchmark: Benchmark) -> str:
    """Draw the one-step fits of the best model over the truth, on its first series."""
    (name, fit), *_ = _found(benchmark, "in_sample").items()
    curves = ("y", "median", "low", "high")
    y, median, low, high = (np.array([np.nan if v is None else v for v in fit[k]]) for k in curves)
    colour = marks(benchmark.runs)[name][0]
    keys = [TRUTH, Key(f"{name}, one step ahead", colour), Key("80 % interval", colour, band=True)]
    head, used = legend(keys, LEFT, 4, WIDTH - LEFT - RIGHT)
    x = np.arange(float(len(y)))
    plot = Plot(LEFT, used + 24, WIDTH - LEFT - RIGHT, 200, (-0.5, len(y) - 0.5), span(y, median))
    shapes = [head, value_axis(plot, ticks.nice(*plot.ys, 5), fit["series"])]
    drawn = band(plot, x, low, high, colour) + line(plot, x, y, TRUTH)
    shapes.append(plot.clip(drawn + line(plot, x, median, Key(name, colour, width=1.6))))
    shapes.append(base_axis(plot, ticks.dates(np.array(fit["ds"]), benchmark.clock, 9)))
    return document(shapes, plot.bottom + AXIS, f"{fit['series']}: fits in sample")


def _titled(benchmark: Benchmark) -> list[tuple[str, Rows]]:
    titles = {
        "Rise of MASE when an input is permuted over windows": importance(benchmark),
        "In sample, one step ahead": in_sample(benchmark),
    }
    return [(title, rows) for title, rows in titles.items() if rows]


def _found(benchmark: Benchmark, probe: str) -> dict[str, Any]:
    """Return what a probe found in each model, best first."""
    runs = (benchmark.runs[score.model] for score in benchmark.scores())
    return {run.name: run.probes[probe] for run in runs if run.probes.get(probe)}


def _mean(each: dict[str, Any], name: str) -> float:
    mean = float(each[name]["mean"]) if name in each else math.nan
    return -math.inf if math.isnan(mean) else mean


def _risen(each: dict[str, float] | None) -> str:
    if each is None or math.isnan(each["mean"]):
        return NONE
    return f"{fixed(3)(each['mean'])} {PLUS_MINUS} {each['spread']:.3f}"


def _cell(value: float, show: Callable[[float], str]) -> str:
    return NONE if math.isnan(value) else show(value)


def _table(rows: Rows) -> str:
    head, *body = rows
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, *cells in body
    )
    return (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )
