"""The verdict on prices in words and in two tables, for terminal, Markdown and HTML."""

import math
from collections.abc import Callable
from html import escape

from forecast.report.leaderboard import (
    ALPHA,
    MINUS,
    NONE,
    fixed,
    listed,
    percent,
    probability,
)
from forecast.results import Benchmark
from forecast.verdict import SPREAD, WALK, Judgement, Verdict, judge

TITLE = "What the forecasts of prices are worth"
BASELINES = (WALK, SPREAD, "drift", "linear")
FEW = 0.0005  # a gain this small is written as none
GAP = "  "
INSIDE = "Truths inside the 50/80/95 % intervals, in %"
HEAD = ["Model", "MASE/walk", "R2", "p", "Hits", "PT p", "WQL/ewma", "p", "CRPS/ewma", "p"]
NARROW = (0, 1, 3, 6, 7, 8, 9)  # columns of the table where not all have room


def sentences(benchmark: Benchmark) -> list[str]:
    """Return the verdict in plain sentences, none where the data are no prices."""
    verdict = judge(benchmark)
    return [] if verdict is None else _said(verdict)


def terminal(benchmark: Benchmark, width: int | None = None) -> str:
    """Return title, tables and sentences as lines of ASCII, empty where the data are no prices."""
    import textwrap

    verdict = judge(benchmark)
    if verdict is None:
        return ""
    shown = _aligned(table(verdict))
    if width is not None and len(shown[0]) > width:
        shown = _aligned([[row[k] for k in NARROW] for row in table(verdict)])
    inside = _aligned(coverage(verdict))
    if width is not None and len(inside[0]) > width:
        inside = _aligned(coverage(verdict, years=False))
    said = [line for text in _said(verdict) for line in textwrap.wrap(text, width or 100)]
    return "\n".join([TITLE, *shown, "", INSIDE, *inside, "", *said]).replace(MINUS, "-")


def _aligned(cells: list[list[str]]) -> list[str]:
    sizes = [max(map(len, column)) for column in zip(*cells, strict=True)]
    head, *rows = [
        GAP.join([row[0].ljust(sizes[0]), *map(str.rjust, row[1:], sizes[1:])]) for row in cells
    ]
    return [head, "-" * len(head), *rows]


def markdown(benchmark: Benchmark) -> str:
    """Return a Markdown section, empty where the data are no prices."""
    verdict = judge(benchmark)
    if verdict is None:
        return ""
    said = [f"- {text}".replace("<", "&lt;") for text in _said(verdict)]
    shown, inside = _piped(table(verdict)), _piped(coverage(verdict))
    lines = [f"### {TITLE}", "", *shown, "", f"{INSIDE}:", "", *inside, "", *said]
    return "\n".join(lines).replace("<0.001", "&lt;0.001") + "\n"


def _piped(cells: list[list[str]]) -> list[str]:
    head, *rows = cells
    return [f"| {' | '.join(c)} |" for c in (head, [":--"] + ["--:"] * (len(head) - 1), *rows)]


def html(benchmark: Benchmark) -> list[str]:
    """Return the parts of a section of the report, none where the data are no prices."""
    verdict = judge(benchmark)
    if verdict is None:
        return []
    said = "".join(f"<li>{escape(text)}</li>" for text in _said(verdict))
    return [
        f"<h3>{TITLE}</h3>", _tabled(table(verdict)), f"<h3>{INSIDE}</h3>",
        _tabled(coverage(verdict)), f"<ul>{said}</ul>",
    ]  # fmt: skip


def _tabled(cells: list[list[str]]) -> str:
    top, *rows = cells
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in top)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(text)}</td>" for text in row[1:]) + "</tr>"
        for row in rows
    )  # fmt: skip
    return (f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
            "</table></div>")  # fmt: skip


def table(verdict: Verdict) -> list[list[str]]:
    """Return the cells of the verdict, heads first.

    MASE and R2 are against the last price, WQL and CRPS against naive-ewma.
    """
    return [HEAD, *(_row(found) for found in verdict.models)]


def coverage(verdict: Verdict, years: bool = True) -> list[list[str]]:
    """Return shares of truths inside 50, 80 and 95 % intervals by year and volatility, heads first.

    Volatility is told by thirds of the rows, by the spread that naive-ewma forecasts.
    """
    every = list(verdict.models[0].cover) if verdict.models else []
    names = [name for name in every if not name.isdigit() or (years and len(every) > 5)]
    cells = [
        ["/".join(_cell(found.cover[name][part], _whole) for part in (50, 80, 95))
         for name in names]
        for found in verdict.models
    ]  # fmt: skip
    return [["Model", *names], *([m.model, *c] for m, c in zip(verdict.models, cells, strict=True))]


def _row(found: Judgement) -> list[str]:
    ratio, share = fixed(4), percent(1)
    return [
        found.model,
        _cell(found.mase, ratio), _cell(found.r2, percent(2)), _cell(found.p_mase, probability),
        _cell(found.hits, share), _cell(found.p_hits, probability),
        _cell(found.wql, ratio), _cell(found.p_wql, probability),
        _cell(found.crps, ratio), _cell(found.p_crps, probability),
    ]  # fmt: skip


def _cell(value: float, show: Callable[[float], str]) -> str:
    return NONE if math.isnan(value) else show(value)


def _whole(share: float) -> str:
    return f"{100 * share:.0f}"


def _said(verdict: Verdict) -> list[str]:
    rivals = [found for found in verdict.models if found.model not in BASELINES]
    judged = rivals or [found for found in verdict.models if found.model not in (WALK, SPREAD)]
    return [
        f"Yesterday's price alone has an R2 of {verdict.level_r2:.3f} on the price, so a high R2 "
        "or a chart that hugs the truth is no skill; what counts is the gain over it.",
        *(_mean(found) for found in judged),
        *(_directions(found) for found in judged if not math.isnan(found.hits)),
        *(_spread(found) for found in judged),
        *(_years(found) for found in judged),
        *([_survivors(verdict)] if verdict.series > 1 else []),
        "Costs are not counted, and nothing here is advice: whoever trades pays the spread, fees "
        f"and their own impact each time, out of moves of {100 * verdict.move:.1f} % a step.",
    ]


def _mean(found: Judgement) -> str:
    gain = 1 - found.mase
    if found.p_mase < ALPHA and gain > FEW:
        return (f"{found.model}: its median errs {100 * gain:.2f} % less than the last price "
                f"(p {_is(found.p_mase)}).")  # fmt: skip
    if found.p_mase < ALPHA and gain < -FEW:
        return (f"{found.model}: its median errs {-100 * gain:.2f} % more than the last price "
                f"(p {_is(found.p_mase)}): no skill in the mean.")  # fmt: skip
    if abs(gain) < 5e-7:
        return f"{found.model}: its median is the last price: no skill in the mean is claimed."
    side = "less" if gain > 0 else "more"
    return (f"{found.model}: its median errs {100 * abs(gain):.2f} % {side} than the last price, "
            "within luck: no skill in the mean.")  # fmt: skip


def _directions(found: Judgement) -> str:
    share = (f"{found.model}: {100 * found.hits:.1f} % of {found.directions.calls:,} directions "
             f"were right (95 % interval {100 * found.hits_low:.0f} to {100 * found.hits_high:.0f}"
             ", rows taken as independent)")  # fmt: skip
    if math.isnan(found.p_hits):
        return f"{share}; all calls went one way, so they tell ups from downs by no test."
    if found.p_hits < ALPHA:
        return f"{share}; by Pesaran and Timmermann's test beyond luck (p {_is(found.p_hits)})."
    return f"{share}; by Pesaran and Timmermann's test no skill (p {_is(found.p_hits)})."


def _spread(found: Judgement) -> str:
    gain, sure = 1 - found.wql, found.p_wql < ALPHA
    side = "below" if gain >= 0 else "above"
    what = (f"{found.model}: its WQL is {100 * abs(gain):.1f} % {side} that of {SPREAD} "
            f"(CRPS {100 * abs(1 - found.crps):.1f} % "
            f"{'below' if found.crps <= 1 else 'above'})")  # fmt: skip
    if math.isnan(found.p_wql):
        return f"{what}; there are too few cutoffs to tell this from luck."
    if not sure:
        return f"{what}, within luck (p {_is(found.p_wql)}): no sure skill in the spread."
    end = "skill in the spread" if gain > 0 else "worse than a moving average of squares"
    return f"{what}, beyond luck (p {_is(found.p_wql)}): {end}."


def _years(found: Judgement) -> str:
    years = [name for name in found.cover if name.isdigit()]
    shown = listed([f"{_whole(found.cover[year][80])} % in {year}" for year in years])
    whole = _whole(found.cover["all"][80])
    by = f", {shown}" if len(years) > 1 else ""
    return f"{found.model}: the 80 % interval held {whole} % of the truths{by}."


def _survivors(verdict: Verdict) -> str:
    return (f"A panel of {verdict.series:,} series chosen today is made of survivors: those that "
            "failed or were bought are not in it, which flatters every model and every "
            "portfolio.")  # fmt: skip


def _is(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
