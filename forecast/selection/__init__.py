"""Find settings of a model: candidates judged on the same last windows, the better ones again.

Every candidate is fitted on the rows before the windows and judged on them by MASE. Trials are
kept in a file as they end, and a search that was cut short takes them from it.
"""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from forecast import backtest, fitting, provenance, record
from forecast.data.panel import Panel
from forecast.errors import DataError
from forecast.models.base import Setting
from forecast.results import Task
from forecast.selection.halving import Search, Trial, best, halve
from forecast.selection.log import Log
from forecast.training.run import Run

__all__ = ["Search", "Trial", "best", "on", "tune"]

MOST = 28  # windows at most
FORMAT = 1


def on(
    search: Search, panel: Panel, horizon: int | None = None, windows: int | None = None
) -> Search:
    """Return `search` on the last windows of `panel`, as many rows as a fit would hold back.

    Raises DataError for a panel that is too short to hold any back.
    """
    horizon = horizon or fitting.default_horizon(panel)
    held = fitting.held_back(panel, Setting(horizon, panel.clock.seasons))
    if windows is None and not held.any():
        raise DataError(
            f"every series is too short to hold back {horizon} rows to judge settings on",
            hint="more rows, or a shorter --horizon",
        )
    count = windows or int(np.clip(held.max() // horizon, 1, MOST))
    return replace(search, task=Task(horizon, count))


def tune(
    panel: Panel,
    search: Search,
    *,
    file: Path | None = None,
    run: Run | None = None,
) -> list[Trial]:
    """Search, and return all trials; a run that resumes takes those kept in `file`.

    Raises UsageError when `file` belongs to another search.
    """
    run = run or Run()
    log = Log(file, _identity(panel, search))
    if run.resume:
        log.load()
    total = sum(count for count, _ in search.rungs())
    done = 0

    def judge(trial: Trial) -> Trial:
        nonlocal done
        done += 1
        if (known := log.find(trial)) is not None:
            return known
        found = _judged(panel, search, trial, _numbered(run, done, total))
        log.add(found)
        if found.failed is not None:
            run.tell(f"candidate {trial.candidate} failed: {found.failed}")
        return found

    return halve(search, judge, run.tell)


def _judged(panel: Panel, search: Search, trial: Trial, run: Run) -> Trial:
    """Return `trial` with its scores."""
    work = {search.space.work: str(trial.work)} if search.space.work else {}
    settings = {**search.fixed, **trial.settings, **work}
    name = search.kind.name
    options = {
        "seed": search.seed,
        "transform": search.transform,
        "settings": {name: settings},
    }
    result = backtest.run(
        panel, search.task, [name], options=options, resources=run, baselines=False
    )
    if (failed := result.runs[name].failed) is not None:
        return replace(trial, failed=failed)
    score = result.score(name)
    if not np.isfinite(score.mase):
        return replace(trial, failed="MASE is not defined: the naive forecast makes no error")
    return replace(trial, mase=score.mase, wql=score.wql if np.isfinite(score.wql) else None)


def _identity(panel: Panel, search: Search) -> dict[str, Any]:
    """Return what two runs of one search have in common, as JSON gives it back."""
    space = json.dumps(asdict(search.space), sort_keys=True)
    found = {
        "format": FORMAT,
        "data": record.fingerprint(panel),
        "clock": asdict(panel.clock),
        "model": search.kind.name,
        "task": asdict(search.task),
        "budget": search.budget,
        "seed": search.seed,
        "transform": search.transform,
        "settings": search.fixed,
        "space": hashlib.sha256(space.encode()).hexdigest(),
        "versions": provenance.versions(),
    }
    return dict(json.loads(json.dumps(found)))


def _numbered(run: Run, number: int, total: int) -> Run:
    show = run.progress
    return replace(
        run, progress=lambda stage, done, note: show(f"{number} of {total}: {stage}", done, note)
    )
