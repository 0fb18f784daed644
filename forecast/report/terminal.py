"""The leaderboard as lines of text that fit a terminal."""

from forecast.report import differences, probes
from forecast.report.leaderboard import MINUS, PLUS_MINUS, Column, best, cell, columns, costs, notes
from forecast.results import Benchmark, Score

GAP = "  "
BOLD, DIM, GREEN, RESET = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[0m"
ESSENTIAL = ("mase", "skill")  # shown however narrow the terminal


def leaderboard(benchmark: Benchmark, width: int | None = None, colour: bool = False) -> str:
    """Return the leaderboard, smallest MASE first, and its notes, in lines no wider than `width`.

    Scores that do not fit are left out; None keeps all. Without `colour` the table holds no
    control codes and no letter outside ASCII.
    """
    scores = benchmark.scores()
    names = [f"{s.model}{' (baseline)' * (s.model == benchmark.baseline)}" for s in scores]
    left = max(map(len, ["Model", *names]))
    shown = _fitting(_ranked(benchmark), scores, left, width)
    sizes = [_size(c, scores) for c in shown]
    head = GAP.join(
        ["Model".ljust(left), *(c.title.rjust(n) for c, n in zip(shown, sizes, strict=True))]
    )
    lines = [f"{BOLD}{head}{RESET}" if colour else head, "-" * len(head)]
    for score, name in zip(scores, names, strict=True):
        texts = [_written(c, score).rjust(n) for c, n in zip(shown, sizes, strict=True)]
        if colour:
            marks = [GREEN if score.model in best(c, scores) else "" for c in shown]
            texts = [f"{m}{t}{RESET}" if m else t for m, t in zip(marks, texts, strict=True)]
            name = f"{DIM if score.model == benchmark.baseline else BOLD}{name.ljust(left)}{RESET}"
        lines.append(GAP.join([name.ljust(left), *texts]))
    table = "\n".join(lines)
    return "\n".join([table, *_wrapped(benchmark, width), *probes.lines(benchmark, plain)])


def _ranked(benchmark: Benchmark) -> list[Column]:
    """The columns in the order in which they are worth their width."""
    scores, (fit, *others) = columns(benchmark), costs()
    return [*scores[:4], fit, *scores[4:], *others]


def _fitting(
    wanted: list[Column], scores: list[Score], left: int, width: int | None
) -> list[Column]:
    kept, used = [], left
    for column in wanted:
        size = len(GAP) + _size(column, scores)
        if width is None or used + size <= width or column.key in ESSENTIAL:
            kept.append(column)
            used += size
    return kept


def _size(column: Column, scores: list[Score]) -> int:
    return max(len(column.title), *(len(_written(column, s)) for s in scores))


def _written(column: Column, score: Score) -> str:
    """Return a cell in letters that every terminal has."""
    return plain(cell(column, score))


def plain(text: str) -> str:
    """Return `text` without the signs that stand outside ASCII."""
    return text.replace(MINUS, "-").replace(PLUS_MINUS, "+-")


def _wrapped(benchmark: Benchmark, width: int | None) -> list[str]:
    import textwrap

    said = map(plain, filter(None, [*notes(benchmark), differences.sentence(benchmark)]))
    return [line for note in said for line in textwrap.wrap(note, width or 100)]
