"""The leaderboard as a Markdown table."""

from forecast.report import differences, probes, verdict
from forecast.report.leaderboard import best, cell, columns, costs, notes
from forecast.results import Benchmark


def leaderboard(benchmark: Benchmark) -> str:
    """Return the leaderboard, smallest MASE first, the best of each score in bold, then notes."""
    scores, shown = benchmark.scores(), [*columns(benchmark), *costs()]
    winners = {c.key: best(c, scores) for c in shown}
    lines = [_row(["Model", *(c.title for c in shown)]), _row([":--", *("--:" for _ in shown)])]
    for score in scores:
        mark = " (baseline)" * (score.model == benchmark.baseline)
        cells = [cell(c, score) for c in shown]
        cells = [
            f"**{text}**" if score.model in winners[c.key] else text
            for c, text in zip(shown, cells, strict=True)
        ]
        lines.append(_row([_plain(score.model) + mark, *cells]))
    told = [*notes(benchmark), differences.sentence(benchmark)]
    said = [f"- {_plain(note)}" for note in told if note]
    prices = verdict.markdown(benchmark)
    said += probes.markdown(benchmark, lambda cells: _row([_plain(cell) for cell in cells]))
    return "\n".join([*lines, *([""] if said else []), *said]) + "\n" + (prices and f"\n{prices}")


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Return `text` with everything escaped that Markdown or HTML in it would act on."""
    escaped = "".join(f"\\{c}" if c in "\\`*_[]|" else c for c in text)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
