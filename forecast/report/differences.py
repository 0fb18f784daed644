"""Where models differ from the baseline beyond luck: at which steps ahead, on which series."""

from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.report import ticks
from forecast.report.leaderboard import ALPHA, NONE
from forecast.report.svg import LETTER, WIDTH, Plot, base_axis, document, segment, text
from forecast.results import Benchmark

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LISTED = 1000  # series; more are not tested one by one, which would take long and tell little
DRAWN = 8  # models, the best
NAMED = 3  # series
ROW, HALF = 40, 15  # pixels from one model to the next, and of the longest bar
SUREST = 3.0  # -log10 p of the longest bar
RIGHT, AXIS = 14, 44
HEAD = ("Model", "Better", "Level", "Worse", "Most clearly better on", "Most clearly worse on")


def plain(benchmark: Benchmark) -> dict[str, Any]:
    """Return each scored model's tests against the baseline by step ahead and by series."""
    found: dict[str, Any] = {}
    for name in _rivals(benchmark):
        found[name] = {"by_step": _named(benchmark.compare_steps(name, benchmark.baseline))}
        if len(benchmark.ids) <= LISTED:
            found[name]["by_series"] = _named(benchmark.compare_series(name, benchmark.baseline))
    return found


def sentence(benchmark: Benchmark) -> str:
    """Say where the best model differs from the baseline, nothing where that cannot be told."""
    base = benchmark.baseline
    name = next(iter(_rivals(benchmark)), None)
    if name is None:
        return ""
    said = []
    if benchmark.horizon > 1:
        said.append(_counted("at", benchmark.compare_steps(name, base), "steps ahead"))
    if 1 < len(benchmark.ids) <= LISTED:
        said.append(_counted("on", benchmark.compare_series(name, base), "series"))
    said = list(filter(None, said))
    if not said:
        return ""
    return f"Taken apart, {name} is better than {base} beyond luck {' and '.join(said)}."


def html(benchmark: Benchmark) -> list[str]:
    """Return the parts of a section of the report, none where nothing can be told."""
    rivals, base, parts = _rivals(benchmark), benchmark.baseline, []
    tests = {name: benchmark.compare_steps(name, base) for name in rivals[:DRAWN]}
    if benchmark.horizon > 1 and any(np.isfinite(p).any() for _, p in tests.values()):
        about = (
            f"Up: a smaller error than {base} at this step ahead, down: a larger one. The surer, "
            "the longer, up to p = 0.001; beyond the dotted lines p is below 0.05, each step by "
            "itself."
        )
        parts += [f"<h3>Against {escape(base)} by step ahead</h3>",
                  f'<figure><div class="scroll">{by_step(benchmark, tests)}</div>'
                  f"<figcaption>{escape(about)}</figcaption></figure>"]  # fmt: skip
    several = 1 < len(benchmark.ids) <= LISTED
    found = {name: benchmark.compare_series(name, base) for name in rivals if several}
    if any(np.isfinite(p).any() for _, p in found.values()):
        about = (
            f"On how many series a model errs less or more than {base} beyond luck, or neither; "
            "corrected by Holm for their number."
        )
        parts += [f"<h3>Against {escape(base)} by series</h3>",
                  f'<p class="note">{escape(about)}</p>', by_series(benchmark, found)]  # fmt: skip
    return parts


def by_step(benchmark: Benchmark, tests: dict[str, tuple[Floats, Floats]]) -> str:
    """Draw each model's tests by step ahead (H,): bars up where it is better, down where worse."""
    left = min(WIDTH / 2, 32 + LETTER * 1.15 * max(map(len, tests)))
    top, horizon = 8, benchmark.horizon
    plot = Plot(left, top, WIDTH - left - RIGHT, ROW * len(tests), (0.5, horizon + 0.5), (0.0, 1.0))
    shapes = []
    for k, (name, (difference, p)) in enumerate(tests.items()):
        middle = top + ROW * (k + 0.5)
        shapes.append(text(left - 12, middle + 4, name, "end", fill="var(--ink)"))
        shapes.append(segment((left, plot.right), (middle, middle), "var(--axis)"))
        reach = HALF * -np.log10(ALPHA) / SUREST
        for y in (middle - reach, middle + reach):
            shapes.append(segment((left, plot.right), (y, y), "var(--axis)", "1 3"))
        size = HALF * np.clip(-np.log10(np.maximum(p, 1e-99)), 0.0, SUREST) / SUREST
        ends = middle + np.sign(difference) * size
        for side, colour in ((0, "grey"), (-1, "green"), (1, "orange")):
            kept = np.flatnonzero((sides(difference, p) == side) & np.isfinite(ends)).tolist()
            bars = "".join(_bar(plot, h, middle, float(ends[h])) for h in kept)
            shapes.append(f'<path d="{bars}" fill="var(--{colour})"/>' if bars else "")
    shapes.append(base_axis(plot, ticks.steps(horizon, benchmark.season), "steps ahead"))
    label = f"tests against {benchmark.baseline} by step ahead"
    return document(shapes, plot.bottom + AXIS, label)


def _bar(plot: Plot, place: int, middle: float, end: float) -> str:
    """A bar of step ahead `place` + 1."""
    x, width = float(plot.x(place + 0.62)), 0.76 * float(plot.x(1.0) - plot.x(0.0))
    return f"M{x:.1f} {middle:.1f}V{end:.1f}h{width:.1f}V{middle:.1f}Z"


def by_series(benchmark: Benchmark, tests: dict[str, tuple[Floats, Floats]]) -> str:
    """Return a table: on how many series each model is better, level and worse, and on which."""
    head = "".join(f'<th scope="col">{title}</th>' for title in HEAD)
    rows = []
    for name, (difference, p) in tests.items():
        side = sides(difference, p)
        cells = [str(int((side == k).sum())) for k in (-1, 0, 1)]
        cells += [_surest(benchmark, p, side == k) for k in (-1, 1)]
        rows.append(
            f'<tr><th scope="row">{escape(name)}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        )  # fmt: skip
    return (f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}'
            "</tbody></table></div>")  # fmt: skip


def _surest(benchmark: Benchmark, p: Floats, which: NDArray[np.bool_]) -> str:
    """Name the series with the smallest p-values among `which` (N,)."""
    kept = np.flatnonzero(which)
    first = kept[np.argsort(p[kept], kind="stable")][:NAMED]
    more = f" and {len(kept) - NAMED:,} more" if len(kept) > NAMED else ""
    return ", ".join(benchmark.ids[i] for i in first) + more if len(first) else NONE


def sides(difference: Floats, p: Floats) -> Ints:
    """Return where a model is better (-1) and worse (1) beyond luck, 0 elsewhere."""
    sure = np.isfinite(p) & (p < ALPHA)
    return np.where(sure, np.sign(np.nan_to_num(difference)), 0).astype(np.int64)


def _counted(where: str, tests: tuple[Floats, Floats], what: str) -> str:
    """Say at how many of its parts a model is better, nothing where no part can be told."""
    if not np.isfinite(tests[1]).any():
        return ""
    side = sides(*tests)
    better, worse = int((side < 0).sum()), int((side > 0).sum())
    said = f"{where} {better:,} of {len(side):,} {what}"
    return f"{said}, worse {where} {worse:,}" if worse else said


def _rivals(benchmark: Benchmark) -> list[str]:
    """Return the models that were scored, best first, without the baseline."""
    scored = [s.model for s in benchmark.scores() if s.mase == s.mase]
    return [name for name in scored if name != benchmark.baseline]


def _named(tests: tuple[Floats, Floats]) -> dict[str, Floats]:
    return dict(zip(("difference", "p"), tests, strict=True))
