"""The trials of a search as CSV, JSON, or lines for a terminal."""

import csv
import io
import json
from typing import Any

from forecast.selection import Search, Trial

COLUMNS = ("rung", "candidate", "work", "mase", "wql", "settings", "failed")


def to_csv(trials: list[Trial]) -> str:
    """Return one row per trial in the order in which they were made; no score is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(trial) for trial in trials)
    return out.getvalue()


def to_json(trials: list[Trial], search: Search, best: Trial) -> str:
    """Return the trials with what was searched, and the best of them, as one JSON document."""
    found = {
        "format": 1,
        "model": search.kind.name,
        "horizon": search.task.horizon,
        "windows": search.task.windows,
        "seed": search.seed,
        "work": search.space.work or "fits",
        "best": {"candidate": best.candidate, "settings": search.whole(best)},
        "trials": [
            dict(zip(COLUMNS, (*_numbers(t), t.settings, t.failed), strict=True)) for t in trials
        ],
    }
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_text(trials: list[Trial]) -> str:
    """Return the trials as a table of plain text, the best of each rung first."""
    ranked = sorted(trials, key=lambda t: (t.rung, t.loss, t.candidate))
    rows = [[str(cell) for cell in _cells(trial)] for trial in ranked]
    rows = [[*row[:5], (row[6] and f"failed: {row[6]}") or row[5] or "default"] for row in rows]
    rows = [list(COLUMNS[:6]), *rows]
    sizes = [max(len(row[k]) for row in rows) for k in range(5)]
    return "".join(
        "  ".join([*(c.rjust(n) for c, n in zip(row, sizes, strict=False)), row[5]]) + "\n"
        for row in rows
    )


def flags(settings: dict[str, str]) -> str:
    """Return `settings` as options of the command line."""
    return " ".join(f"--set {name}={value}" for name, value in settings.items())


def _cells(trial: Trial) -> list[Any]:
    numbers = ["" if number is None else number for number in _numbers(trial)]
    settings = " ".join(f"{name}={value}" for name, value in trial.settings.items())
    return [*numbers, settings, trial.failed or ""]


def _numbers(trial: Trial) -> list[float | int | None]:
    scores = [None if s is None else float(f"{s:.6g}") for s in (trial.mase, trial.wql)]
    return [trial.rung, trial.candidate, trial.work, *scores]
