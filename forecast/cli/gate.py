"""`--fail-unless-better-than`: whether a model beats another beyond luck, as an exit code."""

from typing import TYPE_CHECKING

from forecast.cli import shared
from forecast.errors import GateError, UsageError

if TYPE_CHECKING:
    from forecast.results import Benchmark
    from forecast.taskfile import Evaluation


def check(wanted: "Evaluation", rival: str, alpha: float) -> None:
    """Raise UsageError for a gate that nothing can pass."""
    if not set(wanted.models) - {rival}:
        raise UsageError(f"nothing is compared with {rival}", hint="name more `--models`")
    if alpha <= 0:
        raise UsageError("an `--alpha` of 0 lets nothing pass", hint="such as 0.05")


def judge(
    talk: shared.Talk, result: "Benchmark", names: list[str], rival: str, alpha: float
) -> None:
    """Raise GateError unless one of `names` beats `rival` beyond luck."""
    if rival not in result.runs:
        raise UsageError(
            f"no model is called `{rival}`", hint=shared.suggest(rival, [*result.runs])
        )
    better = result.better_than(rival, names, alpha)
    if not better:
        raise GateError(
            f"no model is better than {rival} beyond luck (alpha {alpha:g})",
            hint=_why_not(result, rival),
        )
    talk.say(f"Better than {rival} beyond luck (alpha {alpha:g}): {', '.join(better)}.")


def _why_not(result: "Benchmark", rival: str) -> str:
    """Return what keeps a gate shut."""
    import numpy as np

    from forecast.significance import FEWEST

    losses = result.losses(rival)
    if np.isnan(losses).all():
        return (
            "MASE is undefined: before the first cutoff the seasonal naive never errs, or the "
            "rows are too few"
        )
    count = int(np.isfinite(losses).sum())
    if count < FEWEST:
        return f"{count} cutoffs tell nothing from luck: {FEWEST} are needed, by --windows"
    return "more --windows tell smaller differences from luck"
