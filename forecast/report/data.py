"""A benchmark for programs: one JSON document, or CSV rows of the leaderboard.

`docs/benchmark.schema.json` says what the document holds.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.report import differences, probes, sentences
from forecast.results import Benchmark, Score, calibration
from forecast.verdict import judge

Floats = NDArray[np.float64]

FORMAT = 1
LIST = re.compile(r"\[\n[^][{}]*\]")  # of numbers or words: it goes on one line
PRICES_ONLY = ("r2_vs_rw", "hit_rate", "hit_low", "hit_high")


def to_json(benchmark: Benchmark) -> str:
    """Return the benchmark as one JSON document; a score that is not defined is null."""
    text = json.dumps(document(benchmark), indent=2, ensure_ascii=False, allow_nan=False)
    return LIST.sub(lambda found: re.sub(r"\n\s+", " ", found[0]), text) + "\n"


def document(benchmark: Benchmark) -> dict[str, Any]:
    """Return what `to_json` writes, as plain Python values."""
    runs = benchmark.runs
    scored = [s.model for s in benchmark.scores() if runs[s.model].failed is None]
    found = {
        "format": FORMAT,
        "task": _task(benchmark),
        "data": _data(benchmark),
        "baseline": benchmark.baseline,
        "scores": [_score(benchmark, score) for score in benchmark.scores()],
        "by_step": {name: benchmark.by_step(name) for name in runs},
        "by_hour": _curves(benchmark.by_hour, scored),
        "by_weekday": _curves(benchmark.by_weekday, scored),
        "calibration": {name: _calibration(benchmark, name) for name in scored},
        "pairs": _pairs(benchmark, scored),
        "beside_baseline": differences.plain(benchmark),
        "said": _said(benchmark),
        "configs": {name: run.config for name, run in runs.items()},
        "notes": {name: list(run.notes) for name, run in runs.items() if run.notes},
        "failed": {name: run.failed for name, run in runs.items() if run.failed is not None},
        "facts": benchmark.facts,
    }
    found |= probes.plain(benchmark)
    verdict = judge(benchmark)
    if verdict is not None:
        found["verdict"] = asdict(verdict)
    plain: dict[str, Any] = _plain(found)
    return plain


def _said(benchmark: Benchmark) -> list[str]:
    others = [differences.sentence(benchmark), sentences.left(benchmark)]
    return [*sentences.verdicts(benchmark), *filter(None, others)]


def _curves(by: Callable[[str], Floats], names: list[str]) -> dict[str, Floats]:
    """Return the error of each model by part, nothing where the clock has no such parts."""
    found = {name: by(name) for name in names}
    return {name: curve for name, curve in found.items() if np.isfinite(curve).any()}


def _calibration(benchmark: Benchmark, name: str) -> dict[str, Any]:
    share, band = calibration.pit(benchmark, name)
    return {
        "below": calibration.reliability(benchmark, name),
        "pit": share,
        "pit_band": band,
        "cover80_by_step": calibration.by_step(benchmark, name, "inside80"),
        "width80_by_step": calibration.by_step(benchmark, name, "width80"),
        "cover80_by_cutoff": calibration.by_cutoff(benchmark, name, "inside80"),
    }


def _pairs(benchmark: Benchmark, names: list[str]) -> list[dict[str, Any]]:
    """Return Diebold and Mariano's test of every pair, each once, the p-values not corrected."""
    return [
        {"model": a, "other": b} | asdict(benchmark.compare(a, b))
        for k, a in enumerate(names)
        for b in names[k + 1 :]
    ]


def to_csv(benchmark: Benchmark) -> str:
    """Return the leaderboard as CSV, one row per model; a score that is not defined is empty."""
    rows = [_plain(_score(benchmark, score)) for score in benchmark.scores()]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _task(benchmark: Benchmark) -> dict[str, Any]:
    return {
        "horizon": benchmark.horizon,
        "windows": benchmark.windows,
        "stride": benchmark.stride,
        "season": benchmark.season,
        "prices": benchmark.prices,
        "levels": benchmark.levels,
    }


def _data(benchmark: Benchmark) -> dict[str, Any]:
    ends = np.array([benchmark.cutoff.min(), benchmark.cutoff.max()])
    first, last = benchmark.clock.write(ends)
    few = len(benchmark.ids) <= differences.LISTED
    return {
        "name": benchmark.name,
        "series": len(benchmark.ids),
        **({"ids": list(benchmark.ids)} if few else {}),
        "frequency": benchmark.clock.label,
        "first_cutoff": first,
        "last_cutoff": last,
        "cutoffs": benchmark.clock.write(benchmark.cutoffs),
        "rows": len(benchmark.y),
        "truths": int(np.isfinite(benchmark.y).sum()),
    }


def _score(benchmark: Benchmark, score: Score) -> dict[str, Any]:
    fields = asdict(score)
    if not benchmark.prices:
        fields = {key: value for key, value in fields.items() if key not in PRICES_ONLY}
    return fields


def _plain(value: Any) -> Any:
    """Return `value` as JSON knows it: nine significant digits, NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    return value if isinstance(value, str | int | None) else str(value)
