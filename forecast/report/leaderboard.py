"""The leaderboard as cells of text, the same for terminal, Markdown and HTML, and what it says."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from forecast.models import FAMILIES
from forecast.results import Benchmark, Score

LEVEL = 0.005  # skill this small counts as level with the baseline
ALPHA = 0.05
MINUS = "\N{MINUS SIGN}"
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
NONE = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """One score of the leaderboard: how it is titled, explained, written and ranked."""

    key: str
    title: str
    meaning: str
    show: Callable[[float], str]
    ideal: float | None = None  # best is nearest to it; infinite: the more the better


def columns(benchmark: Benchmark) -> list[Column]:
    """Return the score columns, most telling first."""
    fine = 4 if benchmark.prices else 3
    walk = "random walk" if benchmark.prices else "baseline"
    prices = [
        Column(
            "r2_vs_rw", "R2", "1 less squared error over the random walk's", percent(2), math.inf
        ),
        Column(
            "hit_rate", "Hits", "directions forecast rightly, one step ahead", percent(1), math.inf
        ),
    ]
    return [
        Column("mase", "MASE", "absolute error over the in-sample naive's", fixed(fine), 0.0),
        Column("skill", "Skill", f"how far below the {walk}'s MASE", percent(fine - 2), math.inf),
        Column("p", "p", f"chance of such a difference from the {walk} by luck", probability),
        Column("wql", "WQL", "weighted quantile loss over nine deciles", fixed(4), 0.0),
        Column("cover80", "In 80 %", "share of truths inside the 80 % interval", percent(1), 0.8),
        *(prices if benchmark.prices else []),
        Column("rmsse", "RMSSE", "squared error, likewise, under a root", fixed(fine), 0.0),
        Column("mae", "MAE", "mean absolute error", digits, 0.0),
        Column("rmse", "RMSE", "root mean squared error", digits, 0.0),
        Column("mape", "MAPE", "mean absolute error in percent", fixed(2), 0.0),
        Column("smape", "sMAPE", "symmetric percentage error, 0 to 200", fixed(2), 0.0),
        Column("bias", "Bias", "mean of forecast less truth", digits, 0.0),
    ]  # fmt: skip


def costs() -> list[Column]:
    """Return the columns of time and parameters."""
    return [
        Column("fit_seconds", "Fit", "seconds to fit", seconds),
        Column("predict_seconds", "Predict", "seconds to forecast all windows", seconds),
        Column("parameters", "Parameters", "fitted numbers", lambda n: f"{n:,.0f}"),
    ]


def cell(column: Column, score: Score) -> str:
    """Return the text of one score, `-` where there is none."""
    value = number(column, score)
    if math.isnan(value):
        return NONE
    text = column.show(value)
    if column.key == "mase" and math.isfinite(score.mase_spread):
        return f"{text} {PLUS_MINUS} {column.show(score.mase_spread)}"
    if column.key == "hit_rate":
        return f"{text} [{100 * score.hit_low:.0f}, {100 * score.hit_high:.0f}]"
    return text


def number(column: Column, score: Score) -> float:
    """Return the value of one score, NaN where there is none."""
    value = getattr(score, column.key)
    return math.nan if value is None else float(value)


def best(column: Column, scores: list[Score]) -> set[str]:
    """Return the models whose written score is the best of the column."""
    ideal = column.ideal
    if ideal is None:
        return set()
    away = {s.model: _distance(number(column, s), ideal) for s in scores}
    known = [d for d in away.values() if not math.isnan(d)]
    if not known:
        return set()
    first = next(s for s in scores if away[s.model] == min(known))
    return {s.model for s in scores if cell(column, s) == cell(column, first)}


def _distance(value: float, ideal: float) -> float:
    return -value if math.isinf(ideal) else abs(value - ideal)


def fixed(places: int) -> Callable[[float], str]:
    """Return a writer of numbers with so many decimals."""
    return lambda value: f"{value:.{places}f}".replace("-", MINUS)


def probability(value: float) -> str:
    """Return a p-value as one quotes it."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def percent(places: int) -> Callable[[float], str]:
    """Return a writer of shares in percent."""
    return lambda value: f"{100 * value:.{places}f} %".replace("-", MINUS)


def digits(value: float) -> str:
    """Return `value` with about four digits."""
    if value == 0 or 1e-4 <= abs(value) < 1e7:
        places = 3 if value == 0 else max(0, 3 - math.floor(math.log10(abs(value))))
        return f"{value:,.{min(places, 6)}f}".replace("-", MINUS)
    return f"{value:.3e}".replace("-", MINUS)


def seconds(value: float) -> str:
    """Return a duration as one reads it."""
    if value >= 60:
        return f"{int(value) // 60} min {int(value) % 60} s"
    if value >= 1:
        return f"{value:.1f} s"
    return f"{1000 * value:.0f} ms" if value >= 0.001 else "<1 ms"


def notes(benchmark: Benchmark) -> list[str]:
    """Return what a reader must know beside the scores: failures, fills and what was left out."""
    scores = benchmark.scores()
    said = [f"{r.name} failed: {r.failed}." for r in benchmark.runs.values() if r.failed]
    said += [
        f"{run.name} could not forecast series `{name}`: {why}."
        for run in benchmark.runs.values()
        for name, why in run.dropped.items()
    ]
    filling = "the last value" if benchmark.season == 1 else "the value one season ago"
    for score in scores:
        if score.missing and benchmark.runs[score.model].failed is None:
            said.append(
                f"{score.model} left {score.missing:,} of {score.rows:,} rows without a forecast; "
                f"they are scored as {filling}, without width."
            )
    drawn = [score for score in scores if score.seeds > 1]
    if drawn:
        said.append(
            f"{listed([s.model for s in drawn])}: means of {drawn[0].seeds} fits with other seeds, "
            f"{PLUS_MINUS} the standard deviation."
        )
    if benchmark.facts.get("known"):
        said.append(
            f"Perfect weather: known covariates ({', '.join(benchmark.facts['known'])}) were taken "
            "as they came, not as they would have been forecast."
        )
    worst = scores[0]
    if worst.unscaled:
        said.append(
            f"{worst.unscaled:,} series never change before the first cutoff, or are too short, "
            "and are left out of MASE and RMSSE."
        )
    if worst.zero_truths:
        said.append(f"{worst.zero_truths:,} rows whose truth is zero are left out of MAPE.")
    return said + _remarks(benchmark)


def _remarks(benchmark: Benchmark) -> list[str]:
    """What the fits noted; a note that models share is said once."""
    models: dict[str, list[str]] = {}
    for run in benchmark.runs.values():
        for note in run.notes:
            models.setdefault(note, []).append(run.name)
    whole = sum(run.failed is None for run in benchmark.runs.values())
    return [
        f"{'All models' if 1 < whole == len(names) else listed(names)}: {note}."
        for note, names in models.items()
    ]


def summary(benchmark: Benchmark) -> list[str]:
    """Return the result in plain sentences: who beat the baseline, and by how much."""
    ranked = [s for s in benchmark.scores() if not math.isnan(s.mase)]
    base = benchmark.baseline
    if not ranked:
        return [_protocol(benchmark), _unranked(benchmark)]
    about = f", {FAMILIES[base].summary}" if base in FAMILIES else ""
    said = [_protocol(benchmark), f"The baseline is {base}{about}."]
    rivals = [s for s in ranked if s.model != base and not math.isnan(s.skill)]
    said += _verdict(rivals, benchmark.prices)
    said.append(
        f"The 80 % intervals of {ranked[0].model} held {100 * ranked[0].cover80:.0f} % of the "
        "truths."
    )
    return [*said, _significance(rivals)]


def _unranked(benchmark: Benchmark) -> str:
    if all(run.failed is not None for run in benchmark.runs.values()):
        return "Every model failed."
    what = "last value" if benchmark.season == 1 else "value one season ago"
    return (
        f"MASE is undefined, as before the first cutoff the {what} never errs or the rows are too "
        "few for it, so the models are not ranked; other scores stand."
    )


def _significance(rivals: list[Score]) -> str:
    tested = [s for s in rivals if not math.isnan(s.p)]
    if not tested:
        return "There are too few cutoffs to tell these differences from luck."
    sure = [f"{s.model} (p {_is(s.p)})" for s in tested if s.p < ALPHA]
    who = listed(sure) if sure else "no model"
    corrected = f", corrected for {len(tested)} comparisons," if len(tested) > 1 else ","
    return (
        f"By Diebold and Mariano's test over the cutoffs{corrected} "
        f"{who} {'differ' if len(sure) > 1 else 'differs'} from the baseline beyond luck."
    )


def _is(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _protocol(benchmark: Benchmark) -> str:
    n, h = len(benchmark.ids), benchmark.horizon
    rows = max((s.rows for s in benchmark.scores()), default=0)
    ahead = "one step ahead" if h == 1 else f"{h} steps ahead"
    series = "one series" if n == 1 else f"{n:,} series"
    windows = "one cutoff" if benchmark.windows == 1 else f"{benchmark.windows:,} cutoffs"
    windows += " of each" * benchmark.apart
    return (
        f"{len(benchmark.runs)} models forecast {series} ({benchmark.clock.label}) {ahead} from "
        f"{windows}; {rows:,} truths judge them."
    )


def _verdict(rivals: list[Score], prices: bool) -> list[str]:
    ahead = [s for s in rivals if s.skill > LEVEL]
    level = [s for s in rivals if abs(s.skill) <= LEVEL]
    behind = [s for s in rivals if s.skill < -LEVEL]
    said = []
    if ahead:
        top, *others = ahead
        said.append(
            f"{top.model} has the smallest error, {100 * top.skill:.0f} % below the baseline's "
            f"(MASE {top.mase:.3f})."
        )
        if others:
            gains = [f"{s.model} ({100 * s.skill:.0f} %)" for s in others]
            said.append(f"Below the baseline too: {listed(gains)}.")
    elif rivals:
        what = "the last price" if prices else "the baseline"
        size, side = f"{100 * abs(rivals[0].skill):.2f}", "less" if rivals[0].skill > 0 else "more"
        errs = "as much" if size == "0.00" else f"{size} % {side}"
        said.append(
            f"No model is clearly better than {what}: the best of them, {rivals[0].model}, errs "
            f"{errs}."
        )
    if level:
        near = listed([s.model for s in level])
        said.append(f"Within {100 * LEVEL:g} % of the baseline: {near}.")
    if behind:
        said.append(f"Worse than the baseline: {listed([s.model for s in behind])}.")
    return said


def listed(words: list[str]) -> str:
    """Join words as a sentence does."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
