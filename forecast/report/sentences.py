"""What a benchmark says, in plain sentences: one for each model, and who is left."""

import math

from forecast.report.leaderboard import ALPHA, listed, probability
from forecast.results import Benchmark, Score

MINUS = "\N{MINUS SIGN}"
BETTER, WORSE = "\N{BLACK UP-POINTING TRIANGLE}", "\N{BLACK DOWN-POINTING TRIANGLE}"


def verdicts(benchmark: Benchmark) -> list[str]:
    """Return one sentence per model that was scored, best first, against the baseline."""
    base = benchmark.baseline
    rivals = [s for s in benchmark.scores() if s.model != base and not math.isnan(s.skill)]
    said = [_verdict(score, base) for score in rivals]
    better = [s for s in rivals if s.p < ALPHA and s.skill > 0]
    tested = [s for s in rivals if not math.isnan(s.p)]
    if tested and not better:
        price = benchmark.prices and benchmark.horizon == 1
        said.append(f"Nothing here beats {'the last price' if price else base} beyond luck.")
    return said


def _verdict(score: Score, base: str) -> str:
    facts = f"skill {_share(score.skill)}"
    if not math.isnan(score.skill_low):
        facts += f" [{_share(score.skill_low)}, {_share(score.skill_high)}]"
    if math.isnan(score.p) and score.skill == 0:
        return f"{score.model} errs as {base} does."
    if math.isnan(score.p):
        side = "errs less than" if score.skill > 0 else "errs no less than"
        return f"{score.model} {side} {base} ({facts}), on too few cutoffs to tell from luck."
    p = probability(score.p)
    facts += f", p {p if p.startswith('<') else f'= {p}'}"
    if score.p >= ALPHA:
        return f"{score.model} cannot be told from {base} ({facts})."
    return f"{score.model} {'beats' if score.skill > 0 else 'is worse than'} {base} ({facts})."


def _share(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", MINUS)  # no minus before 0.00


def left(benchmark: Benchmark) -> str:
    """Return who is in the model confidence set, or nothing with too few cutoffs."""
    known = [s for s in benchmark.scores() if not math.isnan(s.confident)]
    if not known:
        return ""
    inside = [s.model for s in known if s.confident > ALPHA]
    what = "is the only model" if len(inside) == 1 else "are the models"
    return (
        f"By the model confidence set, {listed(inside)} {what} that may be the best "
        f"of {len(known)} at 95 % confidence."
    )


def marks(benchmark: Benchmark, score: Score) -> tuple[str, str]:
    """Return a sign for a score's difference from the baseline's, and what it means."""
    base = benchmark.baseline
    if score.model == base or math.isnan(score.p):
        return "", ""
    if score.p >= ALPHA:
        return "\N{ALMOST EQUAL TO}", f"cannot be told from {base} (p {probability(score.p)})"
    sign, word = (BETTER, "better") if score.skill > 0 else (WORSE, "worse")
    return sign, f"{word} than {base} beyond luck (p {probability(score.p)})"
