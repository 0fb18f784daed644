"""Tables of the page: the leaderboard, costs, and who differs from whom."""

import math
from html import escape

from forecast.report.leaderboard import ALPHA, NONE, Column, best, cell, number, probability
from forecast.report.sentences import BETTER, WORSE
from forecast.report.sentences import marks as signs
from forecast.report.style import marks
from forecast.results import Benchmark, Score


def scores(benchmark: Benchmark, shown: list[Column], with_device: bool = False) -> str:
    """Return a table with a row per model that sorts by every column."""
    ranked = benchmark.scores()
    titles = [("Model", "name of the model"), *((c.title, c.meaning) for c in shown)]
    titles += [("Device", "where it was fitted")] * with_device
    heads = "".join(
        f'<th scope="col" title="{escape(meaning)}">'
        f'<button type="button">{escape(title)}</button></th>'
        for title, meaning in titles
    )
    winners = {c.key: best(c, ranked) for c in shown}
    longest = 0.0 if benchmark.prices else 2.0 * benchmark.score(benchmark.baseline).mase
    rows = []
    for score in ranked:
        cells = [_cell(c, score, score.model in winners[c.key], longest) for c in shown]
        cells += [f"<td>{escape(score.device)}</td>"] * with_device
        rows.append(f"<tr>{_name(benchmark, score)}{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table class="sorts"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _name(benchmark: Benchmark, score: Score) -> str:
    colour = marks(benchmark.runs)[score.model][0]
    tag = '<span class="tag">baseline</span>' if score.model == benchmark.baseline else ""
    dot = f'<span class="dot" style="background:{colour}"></span>'
    sign, meaning = signs(benchmark, score)
    told = f' <span class="sign" title="{escape(meaning)}">{sign}</span>' if sign else ""
    return f'<th scope="row">{dot}{escape(score.model)}{tag}{told}</th>'


def _cell(column: Column, score: Score, winner: bool, longest: float) -> str:
    words = escape(cell(column, score))
    words = f'<span class="best">{words}</span>' if winner and words != NONE else words
    held = number(column, score)
    value = f' data-v="{held:.9g}"' if math.isfinite(held) else ' data-v=""'
    if column.key == "mase" and score.mase <= longest:
        share = f"--share:{100 * score.mase / longest:.0f}%"
        return f'<td class="share" style="{share}"{value}>{words}</td>'
    return f"<td{value}>{words}</td>"


def pairs(benchmark: Benchmark) -> str:
    """Return the matrix of Diebold-Mariano tests: is the row's model better than the column's?"""
    names = [s.model for s in benchmark.scores() if not math.isnan(s.mase)]
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    rows = []
    for name in names:
        cells = [_pair(benchmark, name, other) for other in names]
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="scroll"><table class="pairs"><thead><tr><th scope="col"></th>{heads}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _pair(benchmark: Benchmark, name: str, other: str) -> str:
    if name == other:
        return "<td></td>"
    verdict = benchmark.compare(name, other)
    if math.isnan(verdict.p):
        return f"<td>{NONE}</td>"
    words = escape(probability(verdict.p))
    if verdict.p >= ALPHA:
        return f"<td>{words}</td>"
    look, sign = ("better", BETTER) if verdict.difference < 0 else ("worse", WORSE)
    return f'<td class="{look}">{sign} {words}</td>'
