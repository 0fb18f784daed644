"""A benchmark for programs: one JSON document, or CSV rows of the leaderboard."""

import csv
import io
import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np

from forecast.results import Benchmark, Score
from forecast.verdict import judge

FORMAT = 1
PRICES_ONLY = ("r2_vs_rw", "hit_rate", "hit_low", "hit_high")


def to_json(benchmark: Benchmark) -> str:
    """Return the benchmark as one JSON document; a score that is not defined is null."""
    return json.dumps(document(benchmark), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def document(benchmark: Benchmark) -> dict[str, Any]:
    """Return what `to_json` writes, as plain Python values."""
    runs = benchmark.runs
    found = {
        "format": FORMAT,
        "task": _task(benchmark),
        "data": _data(benchmark),
        "baseline": benchmark.baseline,
        "scores": [_score(benchmark, score) for score in benchmark.scores()],
        "by_step": {name: benchmark.by_step(name) for name in runs},
        "configs": {name: run.config for name, run in runs.items()},
        "notes": {name: list(run.notes) for name, run in runs.items() if run.notes},
        "failed": {name: run.failed for name, run in runs.items() if run.failed is not None},
        "facts": benchmark.facts,
    }
    verdict = judge(benchmark)
    if verdict is not None:
        found["verdict"] = asdict(verdict)
    plain: dict[str, Any] = _plain(found)
    return plain


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
    return {
        "name": benchmark.name,
        "series": len(benchmark.ids),
        "frequency": benchmark.clock.label,
        "first_cutoff": first,
        "last_cutoff": last,
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
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    return value if isinstance(value, str | int | None) else str(value)
