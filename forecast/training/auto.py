"""Learn `auto`: the best of several models, their ensemble and naive forecasts.

All are judged on the same validation rows; the ensemble stretch by stretch, with weights learned
on the others. A naive forecast stays unless the best of the others beats it by more than a
standard error.
"""

from dataclasses import replace

import numpy as np

from forecast.metrics import mean
from forecast.models import family
from forecast.models.base import Floats, History, Setting
from forecast.models.ensemble import AutoConfig, Ensemble
from forecast.training.ensemble import counting, fitted, forecasts, joined
from forecast.training.ensemble import fit as refit
from forecast.training.run import Run
from forecast.training.weights import judged, learn, losses

TOGETHER = "ensemble"


def fit(config: AutoConfig, setting: Setting, history: History, run: Run) -> Ensemble:
    """Choose on the validation rows; without any the first naive forecast that fits is taken."""
    if config.weights:  # chosen before
        return refit(config, setting, history, run)
    naive = [name for name in config.naive if _fits(name, setting)] or ["naive"]
    models = fitted(config, (*config.members, *naive), setting, history, run)
    naive = [name for name in naive if name in models]
    windows = forecasts(models, setting, history)
    if windows is None:
        run.tell(f"auto takes {naive[0]}: there are too few rows to compare models on")
        return joined(config, setting, {naive[0]: models[naive[0]]}, np.ones(1))
    found = {n: losses(windows.of([k]), windows.quantiles[k]) for k, n in enumerate(models)}
    able = [k for k, name in enumerate(models) if name not in naive]
    if len(able) > 1:
        found[TOGETHER] = judged(windows.of(able))
    best = choice(found, naive)
    table = {name: mean(loss) for name, loss in found.items()}
    run.tell(verdict(table, best, naive, len(windows.truth)))
    config = replace(config, validation=relative(table, naive))
    if best != TOGETHER:
        return joined(config, setting, {best: models[best]}, np.ones(1))
    members = {name: model for name, model in models.items() if name not in naive}
    return joined(config, setting, *counting(members, learn(windows.of(able))))


def choice(losses: dict[str, Floats], naive: list[str]) -> str:
    """Return whose losses (V,) are least, a naive forecast unless it is clearly beaten."""
    best = min(losses, key=lambda name: mean(losses[name]))
    bar = min(naive, key=lambda name: mean(losses[name]))
    gain = losses[bar] - losses[best]
    gain = gain[~np.isnan(gain)]
    error = gain.std() / np.sqrt(max(len(gain), 1))
    return best if best in naive or gain.mean() > error else bar


def verdict(table: dict[str, float], best: str, naive: list[str], windows: int) -> str:
    """Return the sentence that says what was chosen, and by how much."""
    others = {name: loss for name, loss in table.items() if name != best}
    rest = sorted(others, key=others.__getitem__)
    against = min((n for n in naive if n != best), key=table.__getitem__, default=rest[0])
    text = f"auto takes {best}: {_gain(table, best, against)} on {windows} held-back windows"
    return text if rest[0] == against else f"{text}, {_gain(table, best, rest[0])}"


def relative(table: dict[str, float], naive: list[str]) -> dict[str, float]:
    """Return losses as shares of the first naive forecast's, the least first."""
    bar = table[naive[0]] or 1.0
    return {name: round(table[name] / bar, 6) for name in sorted(table, key=table.__getitem__)}


def _gain(table: dict[str, float], best: str, other: str) -> str:
    share = 1 - table[best] / table[other] if table[other] else 0.0
    return f"{abs(share):.1%} {'better' if share >= 0 else 'worse'} than {other}".replace("%", " %")


def _fits(name: str, setting: Setting) -> bool:
    """Return whether a naive forecast is not the double of another on these data."""
    least = {"snaive": 1, "snaive-week": 2}.get(name, 0)
    return len(setting.seasons) >= least and (setting.difference or not family(name).prices_only)
