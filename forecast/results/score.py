"""The scores of a model: ratios of the sums of its losses."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import metrics
from forecast.results.tally import Tally

Floats = NDArray[np.float64]
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Score:
    """One model's scores; NaN where a score is not defined or the model failed.

    `p` is the Diebold-Mariano p-value of the difference from the baseline's MASE, by Holm over all
    models with one; `confident` the p-value with which the model stays in the model confidence
    set. Percentage errors are in percent, shares (cover, skill, wins, hits) in [0, 1], widths in
    units of y. `skill_low` and `skill_high` bound skill at 95 % by a bootstrap over cutoffs.
    `wins` is the share of windows (series and cutoff) with a smaller error than the baseline's.
    `mase_spread` is the standard deviation over `seeds`. `missing` rows were scored as the
    naive's, `unscaled` series left out of the scaled scores for want of an in-sample naive error,
    `zero_truths` rows left out of MAPE.
    """

    model: str
    mase: float = NAN
    rmsse: float = NAN
    rmse: float = NAN
    mae: float = NAN
    smape: float = NAN
    mape: float = NAN
    wape: float = NAN
    wql: float = NAN
    sql: float = NAN
    crps: float = NAN
    msis: float = NAN
    cover50: float = NAN
    cover80: float = NAN
    cover95: float = NAN
    width50: float = NAN
    width80: float = NAN
    width95: float = NAN
    bias: float = NAN
    skill: float = NAN
    skill_low: float = NAN
    skill_high: float = NAN
    skill_wql: float = NAN
    wins: float = NAN
    p: float = NAN
    confident: float = NAN
    r2_vs_rw: float = NAN
    hit_rate: float = NAN
    hit_low: float = NAN
    hit_high: float = NAN
    mase_spread: float = NAN
    seeds: int = 1
    rows: int = 0
    missing: int = 0
    unscaled: int = 0
    zero_truths: int = 0
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    parameters: int | None = 0
    device: str = "cpu"


def measured(tally: Tally, mae_scale: Floats, mse_scale: Floats) -> dict[str, Any]:
    """Return what follows from one model's sums; the scales (N,) are the in-sample naive's."""
    n = tally.axes.series
    rows, truth = tally.total("rows"), tally.total("truth")
    seen = tally.get("series", "rows", n) > 0

    def pooled(key: str) -> float:
        return tally.total(key) / rows if rows else NAN

    def scaled(key: str, scale: Floats) -> Floats:
        return metrics.ratio(tally.means("series", key, n), scale)

    def percent(key: str) -> float:
        size = tally.get("series", f"{key}_rows", n)
        return metrics.mean(metrics.ratio(tally.get("series", key, n), size))

    found = {
        "mase": metrics.mean(scaled("absolute", mae_scale)),
        "rmsse": metrics.mean(np.sqrt(scaled("squared", mse_scale))),
        "sql": metrics.mean(scaled("quantile", mae_scale)),
        "msis": metrics.mean(scaled("interval", mae_scale)),
        "rmse": float(np.sqrt(pooled("squared"))),
        "mae": pooled("absolute"),
        "bias": pooled("signed"),
        "crps": pooled("crps"),
        "smape": percent("smape"),
        "mape": percent("mape"),
        "wape": tally.total("absolute") / truth if truth else NAN,
        "wql": tally.total("quantile") / truth if truth else NAN,
        "unscaled": int((seen & ~(mae_scale > 0)).sum()),
        "zero_truths": int(rows - tally.total("mape_rows")),
    }
    for share in metrics.INTERVALS:
        found[f"cover{share}"] = pooled(f"inside{share}")
        found[f"width{share}"] = pooled(f"width{share}")
    return found


def averaged(scores: Sequence[Score]) -> Score:
    """Return the mean of the scores of several seeds; seconds add up."""
    first = scores[0]
    if len(scores) == 1:
        return first
    values: dict[str, Any] = {
        f.name: float(np.mean([getattr(score, f.name) for score in scores]))
        for f in fields(Score)
        if isinstance(getattr(first, f.name), float)
    }
    for name in ("fit_seconds", "predict_seconds"):
        values[name] *= len(scores)
    values["mase_spread"] = float(np.std([score.mase for score in scores], ddof=1))
    return replace(first, **values, seeds=len(scores))


def skill(score: float, baseline: float) -> float:
    """Return 1 less `score` over the baseline's; NaN when the baseline makes no error."""
    return 1.0 - score / baseline if baseline > 0 else NAN


def geometric(errors: Sequence[float]) -> float:
    """Return the geometric mean of errors relative to a baseline, one per task, as fev does."""
    kept = np.array([e for e in errors if np.isfinite(e)])
    if not kept.size:
        return NAN
    return float(np.exp(np.log(np.maximum(kept, 1e-12)).mean()))
