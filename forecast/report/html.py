"""The report as one HTML page that needs nothing else: no network, figures drawn in it."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np

from forecast.report import (
    differences,
    errors,
    figures,
    probes,
    reliability,
    sentences,
    table,
    verdict,
)
from forecast.report.leaderboard import columns, costs, notes, summary
from forecast.report.script import SCRIPT
from forecast.report.style import sheet
from forecast.results import Benchmark

SERIES = 100  # shown at most
PANELS = 4  # models beside the baseline in a figure
POINTS = 24_000  # forecasts drawn at most, over all series

Figures = tuple[str, Callable[[Benchmark, Sequence[str]], str], str]


def page(sections: Sequence[tuple[str, Benchmark]], title: str = "Forecast benchmark") -> str:
    """Return one page with a section per benchmark, each under its own title."""
    links = [f'<a href="#part-{k}">{escape(name)}</a>' for k, (name, _) in enumerate(sections, 1)]
    nav = f'<nav aria-label="Sections">{"".join(links)}</nav>' if len(links) > 1 else ""
    share = POINTS // max(len(sections), 1)
    body = [_section(k, *named, share) for k, named in enumerate(sections, 1)]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{sheet()}</style>
</head>
<body>
<header><h1>{escape(title)}</h1>
<p>Rolling-origin backtests: every forecast was made from rows at or before its cutoff.</p>{nav}
</header>
<main>{"".join(body)}</main>
<footer>Written by forecast. Colours are the same for a model in every figure.</footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _section(number: int, title: str, benchmark: Benchmark, points: int) -> str:
    said = _spaced(" ".join(summary(benchmark)))
    parts = [
        f'<h2 id="title-{number}">{escape(title)}</h2><p class="lead">{escape(said)}</p>',
        _verdicts(benchmark),
        "<h3>Leaderboard</h3>",
        table.scores(benchmark, columns(benchmark)),
        _notes(benchmark),
        *verdict.html(benchmark),
        *_shown(number, benchmark, points),
        *_errors(benchmark),
        *differences.html(benchmark),
        *_calibration(benchmark),
        *_pairs(benchmark),
        *probes.html(benchmark),
        "<h3>Time and parameters</h3>",
        table.scores(benchmark, costs(), with_device=True),
        "<h3>How this was made</h3>",
        _facts(benchmark),
    ]  # fmt: skip
    return (
        f'<section id="part-{number}" aria-labelledby="title-{number}">{"".join(parts)}</section>'
    )


def _verdicts(benchmark: Benchmark) -> str:
    said = [*sentences.verdicts(benchmark), differences.sentence(benchmark),
            sentences.left(benchmark)]  # fmt: skip
    items = "".join(f"<li>{escape(_spaced(sentence))}</li>" for sentence in said if sentence)
    return f'<ul class="verdicts">{items}</ul>' if items else ""


def _notes(benchmark: Benchmark) -> str:
    said = "".join(f'<p class="note">{escape(_spaced(note))}</p>' for note in notes(benchmark))
    meanings = _terms([(c.title, c.meaning) for c in columns(benchmark)])
    return f"{said}<details><summary>What the columns mean</summary>{meanings}</details>"


def _shown(number: int, benchmark: Benchmark, points: int) -> list[str]:
    """The forecasts of one series at a time, and where there are more, a list to pick from."""
    chosen = _chosen(benchmark)
    about = "Dotted lines are cutoffs: each forecast starts there, and knows nothing after."
    if benchmark.horizon == 1:
        about = (
            "The last forecasts, each one step ahead of what was known; below, the same as changes."
        )
    models = figures.contenders(benchmark, PANELS if len(chosen) <= 6 else 1)
    room = points // max(len(chosen) * (len(models) + 1), 1)
    panes = []
    for k, series in enumerate(chosen):
        if benchmark.horizon == 1:
            drawn = figures.overlay(benchmark, models, series, min(60, max(room, 20)))
        else:
            drawn = figures.forecasts(benchmark, models, series, min(400, room))
        hidden = " hidden" if k else ""
        panes.append(f'<div class="pane" data-k="{series}"{hidden}>{_figure(drawn, about)}</div>')
    picker = _picker(number, benchmark, chosen) if len(chosen) > 1 else ""
    return ["<h3>Forecasts against truth</h3>", f"<div>{picker}{''.join(panes)}</div>"]


def _chosen(benchmark: Benchmark) -> list[int]:
    """Return the series to show: all that have rows, or some from the best to the worst."""
    known = np.unique(np.asarray(benchmark.series))
    if len(known) <= SERIES:
        return [int(i) for i in known]
    best = benchmark.scores()[0].model
    ranked = known[np.argsort(benchmark.by_series(best)[known], kind="stable")]
    return sorted(int(ranked[i]) for i in np.linspace(0, len(ranked) - 1, SERIES).astype(int))


def _picker(number: int, benchmark: Benchmark, chosen: list[int]) -> str:
    best = benchmark.scores()[0].model
    error = benchmark.by_series(best)
    options = "".join(
        f'<option value="{i}"{" selected" if i == chosen[0] else ""}>'
        f"{escape(benchmark.ids[i])}{_mase(error[i])}</option>"
        for i in chosen
    )
    total, name = len(np.unique(np.asarray(benchmark.series))), f"picker-{number}"
    some = "" if len(chosen) == total else f" of {total:,}, from the best to the worst"
    return (
        f'<div class="picker"><label for="{name}-word">Find a series</label>'
        f'<input id="{name}-word" type="search" placeholder="part of its id" autocomplete="off">'
        f'<label for="{name}">Series, with the MASE of {escape(best)}</label>'
        f'<select id="{name}" size="{min(len(chosen), 5)}">{options}</select>'
        f'<span class="note" aria-live="polite">{len(chosen)} series{some}</span></div>'
    )


def _mase(error: float) -> str:
    return f" · {error:.3f}" if np.isfinite(error) else ""


def _errors(benchmark: Benchmark) -> list[str]:
    if all(s.mase != s.mase for s in benchmark.scores()):
        return []
    names = [s.model for s in benchmark.scores() if s.mase == s.mase]
    wanted = [
        ("Error by step ahead", errors.by_step, benchmark.horizon > 1),
        ("Error by hour", errors.by_hour, _some([benchmark.by_hour(n) for n in names])),
        ("Error by weekday", errors.by_weekday, _some([benchmark.by_weekday(n) for n in names])),
    ]
    parts: list[str] = []
    for title, draw, shown in wanted:
        if shown:
            figure, far = draw(benchmark)
            about = f"Not shown, too far up: {', '.join(far)}." if far else ""
            parts += [f"<h3>{title}</h3>", _figure(figure, about)]
    if benchmark.prices:
        models = figures.contenders(benchmark, PANELS)
        about = "Above zero a model is ahead of the baseline so far; the right end is the whole."
        drawn = errors.lead(benchmark, models)
        parts += ["<h3>Lead over the baseline</h3>", _figure(drawn, about)]
    return parts


def _some(curves: list[Any]) -> bool:
    """Whether there is more than one part to compare."""
    return bool(curves) and int(np.isfinite(curves).any(axis=0).sum()) > 1


def _calibration(benchmark: Benchmark) -> list[str]:
    if all(s.cover80 != s.cover80 for s in benchmark.scores()):
        return []
    models = figures.contenders(benchmark, PANELS)
    drawn: list[Figures] = [
        ("Reliability", reliability.diagram,
         "Above the dotted line truths fall below the quantile too often: it is too high."),
        ("Where truths fall among the deciles (PIT)", reliability.histograms,
         "Even bars at a tenth are ideal: a hump means too wide, a bowl too narrow. Whiskers are "
         "95 % bands that allow for errors shared within a cutoff."),
    ]  # fmt: skip
    if benchmark.horizon > 1:
        worth = "Narrow intervals are worth having once they hold what they say."
        title = "Coverage and sharpness by step ahead"
        drawn.append((title, reliability.coverage_by_step, worth))
    if len(benchmark.cutoffs) > 2:
        drawn.append(("Coverage over time", reliability.coverage_over_time, ""))
    about = "Right of the line the intervals are too wide, left of it too narrow."
    parts = ["<h3>Coverage of the 80 % interval</h3>", _figure(figures.coverage(benchmark), about)]
    for title, draw, words in drawn:
        parts += [f"<h3>{title}</h3>", _figure(draw(benchmark, models), words)]
    return parts


def _pairs(benchmark: Benchmark) -> list[str]:
    if all(np.isnan(s.p) for s in benchmark.scores()):
        return []
    about = (
        "Diebold and Mariano's test of every pair over the cutoffs: the p-value, not corrected for "
        "the number of pairs; a triangle where the row's model is better (up) or worse (down)."
    )
    note = f'<p class="note">{about}</p>'
    return ["<h3>Who differs from whom</h3>", note, table.pairs(benchmark)]


def _figure(drawn: str, caption: str) -> str:
    words = f"<figcaption>{escape(_spaced(caption))}</figcaption>" if caption else ""
    return f'<figure><div class="scroll">{drawn}</div>{words}</figure>'


def _facts(benchmark: Benchmark) -> str:
    facts = dict(benchmark.facts)
    command, task = facts.pop("command", None), facts.pop("task", {})
    said = {key: value for key, value in task.items() if value is not None and key in PROTOCOL}
    ends = np.array([benchmark.cutoff.min(), benchmark.cutoff.max()])
    span = " to ".join(benchmark.clock.write(ends))
    pairs = [("data", benchmark.name), ("cutoffs", span),
             ("steps between cutoffs", benchmark.stride),
             ("season length", benchmark.season), *said.items(), *facts.items()]  # fmt: skip
    shell = f"<pre><code>{escape(str(command))}</code></pre>" if command else ""
    told = [(str(key), _words(value)) for key, value in pairs]
    return shell + _terms([(key, words) for key, words in told if words])


PROTOCOL = ("refit", "span", "gap", "seeds")  # parts of the task that are not said elsewhere


def _terms(pairs: list[tuple[str, str]]) -> str:
    rows = [f"<dt>{escape(key)}</dt><dd>{escape(_spaced(words))}</dd>" for key, words in pairs]
    return f"<dl>{''.join(rows)}</dl>"


def _spaced(words: str) -> str:
    """Return `words` with no line break before a per-cent sign, nor within `p = 0.030`."""
    for sign in (" %", " = ", " < "):
        words = words.replace(sign, sign.replace(" ", "\N{NO-BREAK SPACE}"))
    return words


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_words(item) for item in value)
    return str(value)
