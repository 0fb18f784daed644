"""The report as one HTML page that needs nothing else: no network, no script."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from forecast.report import figures, verdict
from forecast.report.leaderboard import NONE, Column, best, cell, columns, costs, notes, summary
from forecast.report.style import marks, sheet
from forecast.results import Benchmark, Score

SERIES = 6  # shown at most
PANELS = 4  # models beside the baseline in a figure


def page(sections: Sequence[tuple[str, Benchmark]], title: str = "Forecast benchmark") -> str:
    """Return one page with a section per benchmark, each under its own title."""
    links = [f'<a href="#part-{k}">{escape(name)}</a>' for k, (name, _) in enumerate(sections, 1)]
    nav = f'<nav aria-label="Sections">{"".join(links)}</nav>' if len(links) > 1 else ""
    body = [_section(k, name, benchmark) for k, (name, benchmark) in enumerate(sections, 1)]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{escape(title)}</title>
<style>{sheet()}</style>
</head>
<body>
<header><h1>{escape(title)}</h1>
<p>Rolling-origin backtests: every forecast was made from rows at or before its cutoff.</p>{nav}
</header>
<main>{"".join(body)}</main>
<footer>Written by forecast. Colours are the same for a model in every figure.</footer>
</body>
</html>
"""


def _section(number: int, title: str, benchmark: Benchmark) -> str:
    said = _spaced(" ".join(summary(benchmark)))
    parts = [
        f'<h2 id="title-{number}">{escape(title)}</h2><p class="lead">{escape(said)}</p>',
        "<h3>Leaderboard</h3>",
        _table(benchmark, columns(benchmark)),
        _notes(benchmark),
        *verdict.html(benchmark),
        *_shown(benchmark),
        *_errors(benchmark),
        *_coverage(benchmark),
        "<h3>Time and parameters</h3>",
        _table(benchmark, costs(), with_device=True),
        "<h3>How this was made</h3>",
        _facts(benchmark),
    ]  # fmt: skip
    return (
        f'<section id="part-{number}" aria-labelledby="title-{number}">{"".join(parts)}</section>'
    )


def _table(benchmark: Benchmark, shown: list[Column], with_device: bool = False) -> str:
    scores = benchmark.scores()
    heads = [f'<th scope="col" title="{escape(c.meaning)}">{escape(c.title)}</th>' for c in shown]
    heads += ['<th scope="col">Device</th>'] * with_device
    winners = {c.key: best(c, scores) for c in shown}
    longest = 0.0 if benchmark.prices else 2.0 * benchmark.score(benchmark.baseline).mase
    rows = []
    for score in scores:
        cells = [_cell(c, score, score.model in winners[c.key], longest) for c in shown]
        cells += [f"<td>{escape(score.device)}</td>"] * with_device
        rows.append(f"<tr>{_name(benchmark, score)}{''.join(cells)}</tr>")
    return (
        '<div class="scroll"><table><thead><tr><th scope="col">Model</th>'
        f"{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _name(benchmark: Benchmark, score: Score) -> str:
    colour = marks(benchmark.runs)[score.model][0]
    tag = '<span class="tag">baseline</span>' if score.model == benchmark.baseline else ""
    dot = f'<span class="dot" style="background:{colour}"></span>'
    return f'<th scope="row">{dot}{escape(score.model)}{tag}</th>'


def _cell(column: Column, score: Score, winner: bool, longest: float) -> str:
    words = escape(cell(column, score))
    words = f'<span class="best">{words}</span>' if winner and words != NONE else words
    if column.key == "mase" and score.mase <= longest:
        return f'<td class="share" style="--share:{100 * score.mase / longest:.0f}%">{words}</td>'
    return f"<td>{words}</td>"


def _notes(benchmark: Benchmark) -> str:
    said = "".join(f'<p class="note">{escape(_spaced(note))}</p>' for note in notes(benchmark))
    meanings = _pairs([(c.title, c.meaning) for c in columns(benchmark)])
    return f"{said}<details><summary>What the columns mean</summary>{meanings}</details>"


def _shown(benchmark: Benchmark) -> list[str]:
    """The forecasts of the first series, one fold per series."""
    models = figures.contenders(benchmark, PANELS)
    count = min(SERIES, len(benchmark.ids))
    parts = ["<h3>Forecasts against truth</h3>"]
    if len(benchmark.ids) > count:
        parts.append(f'<p class="note">The first {count} of {len(benchmark.ids):,} series.</p>')
    if benchmark.horizon == 1:
        about = (
            "The last forecasts, each one step ahead of what was known; below, the same as changes."
        )
    else:
        about = "Dotted lines are cutoffs: each forecast starts there, and knows nothing after."
    for k in [i for i in range(len(benchmark.ids)) if (benchmark.series == i).any()][:count]:
        draw = figures.overlay if benchmark.horizon == 1 else figures.forecasts
        figure = _figure(draw(benchmark, models, k), about)
        fold = f"<details{' open' if k == 0 else ''}><summary>{escape(benchmark.ids[k])}</summary>"
        parts.append(figure if count == 1 else f"{fold}{figure}</details>")
    return parts


def _errors(benchmark: Benchmark) -> list[str]:
    parts: list[str] = []
    if all(s.mase != s.mase for s in benchmark.scores()):
        return parts
    if benchmark.horizon > 1:
        figure, far = figures.by_step(benchmark)
        about = f"Not shown, too far up: {', '.join(far)}." if far else ""
        parts += ["<h3>Error by step ahead</h3>", _figure(figure, about)]
    if benchmark.prices:
        models = figures.contenders(benchmark, PANELS)
        about = "Above zero a model is ahead of the baseline so far; the right end is the whole."
        parts += [
            "<h3>Lead over the baseline</h3>",
            _figure(figures.lead(benchmark, models), about),
        ]
    return parts


def _coverage(benchmark: Benchmark) -> list[str]:
    if all(s.cover80 != s.cover80 for s in benchmark.scores()):
        return []
    about = "Right of the line the intervals are too wide, left of it too narrow."
    return ["<h3>Coverage of the 80 % interval</h3>", _figure(figures.coverage(benchmark), about)]


def _figure(drawn: str, caption: str) -> str:
    words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><div class="scroll">{drawn}</div>{words}</figure>'


def _facts(benchmark: Benchmark) -> str:
    facts = dict(benchmark.facts)
    command = facts.pop("command", None)
    facts.pop("task", None)  # said in words
    ends = np.array([benchmark.cutoff.min(), benchmark.cutoff.max()])
    span = " to ".join(benchmark.clock.write(ends))
    pairs = [("data", benchmark.name), ("cutoffs", span),
             ("steps between cutoffs", benchmark.stride),
             ("season length", benchmark.season), *facts.items()]  # fmt: skip
    shell = f"<pre><code>{escape(str(command))}</code></pre>" if command else ""
    return shell + _pairs([(str(key), _words(value)) for key, value in pairs])


def _pairs(pairs: list[tuple[str, str]]) -> str:
    rows = [f"<dt>{escape(key)}</dt><dd>{escape(_spaced(words))}</dd>" for key, words in pairs]
    return f"<dl>{''.join(rows)}</dl>"


def _spaced(words: str) -> str:
    """Return `words` with no line break before a per-cent sign."""
    return words.replace(" %", "\N{NO-BREAK SPACE}%")


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_words(item) for item in value)
    return str(value)
