"""What a model of prices knows on the held-back rows, beyond the last price and a moving variance.

Shapes: V windows, N series, H horizon, Q levels.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import LEVELS, MEDIAN
from forecast.significance import diebold_mariano

Floats = NDArray[np.float64]
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Skill:
    """Shares by which losses fall below the bars', and the p-values that they do so by luck."""

    mean: float
    p_mean: float
    spread: float
    p_spread: float

    def __str__(self) -> str:
        """Say it as one does: only what is beyond luck is called skill."""
        parts = (("mean", self.mean, self.p_mean), ("spread", self.spread, self.p_spread))
        return "; ".join(_said(*part) for part in parts)

    def record(self) -> dict[str, Any]:
        """Return the numbers and the sentence, for the model's record."""
        numbers = {k: None if np.isnan(v) else round(v, 6) for k, v in asdict(self).items()}
        return {"said": str(self), **numbers}


def measure(quantiles: Floats, bar: Floats, truth: Floats, scale: Floats, overlap: int) -> Skill:
    """Compare `quantiles` with those of naive-ewma, `bar` (V, N, H, Q), on `truth` (V, N, H).

    Errors are counted in the bar's `scale` (V, N, H). The mean is judged by the absolute error of
    the median against the last price, which is the bar's median, the spread by the pinball loss of
    all levels about each forecast's own median. Series are averaged before a test.
    """
    ours, theirs = (np.abs(truth - q[..., MEDIAN]) / scale for q in (quantiles, bar))
    mean, p_mean = _compare(ours, theirs, overlap)
    centred = quantiles + (bar[..., MEDIAN] - quantiles[..., MEDIAN])[..., None]
    ours, theirs = (_pinball(truth, q) / scale for q in (centred, bar))
    return Skill(mean, p_mean, *_compare(ours, theirs, overlap))


def _pinball(truth: Floats, quantiles: Floats) -> Floats:
    error = truth[..., None] - quantiles
    p = np.array(LEVELS)
    return np.asarray(np.maximum(p * error, (p - 1) * error).mean(axis=-1))


def _compare(ours: Floats, theirs: Floats, overlap: int) -> tuple[float, float]:
    """Return the share by which losses (V, N, H) fall below others', and its p-value."""
    kept = np.isfinite(ours) & np.isfinite(theirs)
    count = np.maximum(kept.sum(axis=(1, 2)), 1)
    a, b = (np.where(kept, x, 0.0).sum(axis=(1, 2)) / count for x in (ours, theirs))
    if not b.sum() > 0:
        return 0.0, float("nan")
    return float(1 - a.sum() / b.sum()), diebold_mariano(a, b, overlap).p


def _said(what: str, share: float, p: float) -> str:
    if share > 0 and p < ALPHA:
        return f"skill in the {what} {100 * share:.1f} %"
    return f"no skill in the {what}"
