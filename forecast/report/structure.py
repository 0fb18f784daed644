"""A fitted Kalman filter in words: its signal-to-noise ratio, what it means, and what is odd.

For a local level the steady gain is the weight of exponential smoothing (Muth 1960):

    q = level's variance / observation noise's,  gain = (sqrt(q^2 + 4 q) - q) / 2              (1)
"""

from typing import Any

import numpy as np

from forecast.forecaster import Forecaster
from forecast.models.base import COLD, Floats
from forecast.models.kalman import Kalman

ZERO = -14.0  # a logarithm of a variance over the observation noise's below this is as good as 0
WALK = 0.97  # from this gain on a local level is a random walk


def facts(forecaster: Forecaster) -> dict[str, Any]:
    """Return what estimation found, the median over the series; empty for other families."""
    model = forecaster.model
    if not isinstance(model, Kalman):
        return {}
    names, theta = model.structure.names, model.arrays["parameters"]
    errors = model.arrays["errors"]
    ratio = float(np.exp(np.median(theta[:, 0])))
    out: dict[str, Any] = {
        "states": model.structure.size,
        "signal to noise": float(f"{ratio:.4g}"),
        "meaning": meaning(names, ratio),
        "parameters": {name: _parameter(theta[:, k], errors[:, k]) for k, name in enumerate(names)},
    }
    if model.config.variance == "weighted":
        out["variance"] = _volatility(model)
    return out | {"notes": notes(forecaster)}


def meaning(names: tuple[str, ...], ratio: float) -> str:
    """Say what the ratio of the level's variance to the observation noise's makes of forecasts."""
    if names != ("level",):
        return f"the level's variance a step is {ratio:.2g} of the observation noise's"
    gain = (np.sqrt(ratio**2 + 4.0 * ratio) - ratio) / 2.0  # (1)
    if gain >= WALK:
        return f"a random walk: the level takes {100 * gain:.3g} % of each surprise"
    return f"exponential smoothing: the level takes {100 * gain:.3g} % of each surprise"


def notes(forecaster: Forecaster) -> list[str]:
    """Return what a user should know about the estimates: one sentence each."""
    model = forecaster.model
    if not isinstance(model, Kalman):
        return []
    out = []
    lost = [
        name
        for name, number in zip(forecaster.ids, forecaster.series, strict=True)
        if number != COLD and not model.arrays["converged"][number]
    ]
    if lost:
        out.append(
            f"the search stopped before its optimum for {_listed(lost)}; "
            f"`--set evaluations={4 * model.config.evaluations}` lets it go on"
        )
    for k, name in enumerate(model.structure.names):
        plain = not name.endswith(("damping", "prior"))
        share = float(np.mean(model.arrays["parameters"][:, k] < ZERO)) if plain else 0.0
        if share > 0.5:
            out.append(f"the variance of `{name}` is estimated at zero: it does not move")
    names = model.setting.known
    for name, others in zip(names, model.arrays.get("collinear", ()), strict=False):
        if others.any():
            whole = [
                other.partition("=")[0] for other, one in zip(names, others, strict=False) if one
            ]
            named = _listed(list(dict.fromkeys(whole)))
            out.append(f"`{name}` follows from {named}: they share what they explain")
    return out


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return f"`{'`, `'.join(names[:5])}`{more}"


def _parameter(values: Floats, errors: Floats) -> str:
    known = errors[~np.isnan(errors)]
    error = f" (standard error {np.median(known):.2g})" if len(known) else ""
    return f"{np.median(values):.4g}{error}"


def _volatility(model: Kalman) -> str:
    decay, tail, lean = (float(np.ravel(v)[0]) for v in model.volatility(np.zeros(1, np.int64)))
    freedom = f"Student's t, {1 / tail:.3g} degrees of freedom" if tail else "normal"
    more, fall = ("rise", "fall") if lean < 0 else ("fall", "rise")
    ratio = (1 + abs(lean)) / (1 - abs(lean))
    leaning = f"; a {more} moves it {ratio:.2g} times as much as a {fall}" if lean else ""
    return f"exponentially weighted, decay {decay:.4g}{leaning}; {freedom}"
