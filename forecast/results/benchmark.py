"""What is computed from the forecasts of a benchmark: scores and comparisons.

Shapes: R rows (series, cutoff, step ahead), N series, H horizon, C cutoffs, V windows (series and
cutoff).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from forecast import metrics
from forecast.results import score as scoring
from forecast.results.forecasts import ALL, Floats, Forecasts, ModelRun
from forecast.results.score import NAN, Score
from forecast.results.tally import blocks
from forecast.significance import Verdict, confidence_set, diebold_mariano, holm, resampled

SAME = 1e-6  # relative; losses this near are the same


@dataclass(eq=False)
class Benchmark(Forecasts):
    """Forecasts with their scores, which are computed once: complete when built.

    `baseline` is what skill is counted against: the random walk on prices, else the better of the
    daily and the weekly naive; chosen here when left empty.
    """

    baseline: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose the baseline."""
        self.baseline = self.baseline or self._better_naive()

    def scores(self) -> list[Score]:
        """Return one score per model, smallest MASE first, models without one last."""
        found = list(self._scores.values())
        return sorted(found, key=lambda s: (np.isnan(s.mase), s.mase))

    def score(self, name: str) -> Score:
        """Return the score of the model called `name`."""
        return self._scores[name]

    def by_step(self, name: str) -> Floats:
        """Return the scaled absolute error by step ahead (H,), averaged as in MASE."""
        return self._by("cell", name, self.horizon)

    def by_hour(self, name: str) -> Floats:
        """Return the scaled absolute error by hour of the local day (24,), NaN without hours."""
        return self._by("hour", name, 24)

    def by_weekday(self, name: str) -> Floats:
        """Return the scaled absolute error by weekday (7,), Monday first."""
        return self._by("weekday", name, 7)

    def by_series(self, name: str) -> Floats:
        """Return the scaled absolute error by series (N,), whose mean is MASE."""
        if self.runs[name].failed is not None:
            return np.full(len(self.ids), NAN)
        found = [t.means("series", "absolute", len(self.ids)) for t in self.tallies[name]]
        return metrics.ratio(np.mean(found, axis=0), self.mae_scale)

    def losses(self, name: str) -> Floats:
        """Return the scaled absolute error by cutoff (C,), oldest first, over series and steps."""
        rows, total = self._window_sums(name)
        scale = self.mae_scale[self.window_series]
        kept = (scale > 0) & (rows > 0)
        size = len(self.cutoffs)
        place = self.window_cutoff[kept]
        sums = (rows[kept], total[kept] / scale[kept])
        count, scaled = (np.bincount(place, s, size).astype(np.float64) for s in sums)
        return metrics.ratio(scaled, count)

    def window_losses(self, name: str) -> Floats:
        """Return the mean absolute error of each series at each cutoff (N, C), NaN where none."""
        shape = (len(self.ids), len(self.cutoffs))
        place = np.ravel_multi_index((self.window_series, self.window_cutoff), shape)
        rows, total = (
            np.bincount(place, sums, shape[0] * shape[1]).astype(np.float64)
            for sums in self._window_sums(name)
        )
        return metrics.ratio(total, rows).reshape(shape)

    def compare(self, name: str, other: str) -> Verdict:
        """Test by Diebold and Mariano whether two models' errors differ over the cutoffs."""
        return diebold_mariano(self.losses(name), self.losses(other), self.overlap)

    def better_than(self, rival: str, names: Sequence[str], alpha: float) -> list[str]:
        """Return which of `names` beat `rival` at level `alpha`, by Holm over all of them."""
        others = [n for n in dict.fromkeys(names) if n != rival and not self.runs[n].failed]
        found = [self.compare(name, rival) for name in others]
        p = holm(np.array([verdict.p for verdict in found]))
        pairs = zip(others, found, p, strict=True)
        return [name for name, verdict, v in pairs if v < alpha and verdict.difference < 0]

    def compare_steps(self, name: str, other: str) -> tuple[Floats, Floats]:
        """Test the same at every step ahead; return differences (H,) and p-values (H,).

        Each step counts by itself: p is not corrected, and only as many windows in a row share a
        step as begin within h steps.
        """
        pairs = zip(self.paths(name).T, self.paths(other).T, strict=True)
        found = [diebold_mariano(*pair, self._overlap(h)) for h, pair in enumerate(pairs, 1)]
        return np.array([v.difference for v in found]), np.array([v.p for v in found])

    def compare_series(self, name: str, other: str) -> tuple[Floats, Floats]:
        """Test the same for every series; return differences (N,) and p-values (N,) by Holm.

        Differences are of mean absolute errors, in units of the series.
        """
        pairs = zip(self.window_losses(name), self.window_losses(other), strict=True)
        found = [diebold_mariano(a, b, self.overlap) for a, b in pairs]
        return np.array([v.difference for v in found]), holm(np.array([v.p for v in found]))

    def paths(self, name: str) -> Floats:
        """Return the scaled absolute error by cutoff and step ahead (C, H), over series."""
        shape = (len(self.cutoffs), self.horizon)
        found = [t.means("path", "absolute", shape[0] * shape[1]) for t in self.tallies[name]]
        return np.mean(found, axis=0).reshape(shape) if found else np.full(shape, NAN)

    @property
    def overlap(self) -> int:
        """How many windows in a row share steps; 1 when none do."""
        return self._overlap(self.horizon)

    def _overlap(self, steps: int) -> int:
        """Return the same for windows of so many steps; those of a spell reach into the next."""
        return -(-steps // self.stride) + self.apart

    def _window_sums(self, name: str) -> tuple[Floats, Floats]:
        """Return rows and absolute error of each window (V,), averaged over the seeds."""
        size, tallies = len(self.window_series), self.tallies[name]
        if not tallies:
            return np.zeros(size), np.zeros(size)
        total = np.mean([t.get("window", "absolute", size) for t in tallies], axis=0)
        return tallies[0].get("window", "rows", size), total

    def _by(self, table: str, name: str, size: int) -> Floats:
        """Return the scaled absolute error by part (size,), averaged over series as in MASE."""
        n = len(self.ids)
        found = [t.means(table, "absolute", n * size).reshape(n, size) for t in self.tallies[name]]
        if not found:
            return np.full(size, NAN)
        scaled = metrics.ratio(np.mean(found, axis=0), self.mae_scale[:, None])
        return np.array([metrics.mean(column) for column in scaled.T])

    @cached_property
    def _scores(self) -> dict[str, Score]:
        measured = {name: self._measure(run) for name, run in self.runs.items()}
        against = measured[self.baseline]
        found = {name: self._beside(score, against) for name, score in measured.items()}
        rivals = [n for n, r in self.runs.items() if r.failed is None and n != self.baseline]
        p = holm(np.array([self.compare(name, self.baseline).p for name in rivals]))
        found |= {n: replace(found[n], p=float(v)) for n, v in zip(rivals, p, strict=True)}
        whole = [n for n, r in self.runs.items() if r.failed is None]
        losses = [self.losses(n) for n in whole]
        stay = confidence_set(np.stack(losses, axis=1)) if whole else np.zeros(0)
        return found | {
            n: replace(found[n], confident=float(v)) for n, v in zip(whole, stay, strict=True)
        }

    def _better_naive(self) -> str:
        names = ("naive",) if self.prices else ("snaive", "snaive-week")
        known = [n for n in names if n in self.runs and self.runs[n].failed is None]
        if not known:
            return "naive" if "naive" in self.runs else next(iter(self.runs))
        return min(known, key=lambda name: metrics.mean(self.by_series(name)))

    def _measure(self, run: ModelRun) -> Score:
        """Return what a model scores by itself, the mean over its seeds."""
        parts = []
        for one, tally in zip((run, *run.repeats), self.tallies[run.name], strict=False):
            found = scoring.measured(tally, self.mae_scale, self.mse_scale)
            found |= self._price(one) if self.prices else {}
            parts.append(Score(run.name, **found, **self._cost(one)))
        return scoring.averaged(parts) if parts else Score(run.name, **self._cost(run))

    def _cost(self, run: ModelRun) -> dict[str, Any]:
        rows = missing = 0
        for part in blocks(len(self.y)):
            kept = np.isfinite(self.y[part])
            rows += int(kept.sum())
            missing += int(run.absent(part)[kept].sum())
            self.let_go(run)
        names = ("fit_seconds", "predict_seconds", "parameters", "device")
        return {"rows": rows, "missing": missing} | {name: getattr(run, name) for name in names}

    def _beside(self, score: Score, against: Score) -> Score:
        """Return `score` with what compares it with the baseline's."""
        if np.isnan(score.mase):
            return score
        ours, theirs = (self.window_losses(s.model) for s in (score, against))
        both = np.isfinite(ours) & np.isfinite(theirs)
        level = np.isclose(ours, theirs, rtol=SAME, atol=0)  # but for the digits of a file
        wins = np.where(level, 0.5, ours < theirs)
        low, high = self._skill_range(score.model, against.model)
        return replace(
            score,
            skill=scoring.skill(score.mase, against.mase),
            skill_wql=scoring.skill(score.wql, against.wql),
            skill_low=low,
            skill_high=high,
            wins=float(wins[both].mean()) if both.any() else NAN,
        )

    def _skill_range(self, name: str, other: str) -> tuple[float, float]:
        """Return the 95 % bootstrap interval of skill over the cutoffs."""
        if name == other:
            return NAN, NAN
        means = resampled(np.stack([self.losses(name), self.losses(other)], axis=1))
        if not len(means) or not (means[:, 1] > 0).all():
            return NAN, NAN
        low, high = np.quantile(1.0 - means[:, 0] / means[:, 1], [0.025, 0.975])
        return float(low), float(high)

    def _price(self, run: ModelRun) -> dict[str, Any]:
        """Return scores against the random walk; directions one step ahead, free of overlap."""
        mean, quantiles = self.filled(run, ALL)
        y, origin, median = np.asarray(self.y), self.origin, quantiles[:, self.place(0.5)]
        weight = metrics.ratio(np.ones(1), self.mse_scale[self.series])
        first = self.step == 1
        share, low, high = metrics.hit_rate(y[first], median[first], origin[first])
        return {
            "r2_vs_rw": metrics.r2(y, mean, origin, weight),
            "hit_rate": share,
            "hit_low": low,
            "hit_high": high,
        }
