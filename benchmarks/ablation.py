"""What each ingredient of `gru` brings: it is left out, and the error on earlier windows measured.

    python benchmarks/ablation.py DATA_FOLDER [--seeds 2] [--tasks vic-elec,gefcom2012]

Windows lie before the first cutoffs of the tasks in benchmarks/tasks, so nothing here was chosen
on what those judge. Fits are those of `--quick`. A row is appended to
benchmarks/results/ablation.jsonl as it comes; those that are there are not measured again.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from forecast import backtest, provenance
from forecast.data import tables
from forecast.data.panel import Panel
from forecast.results import Task
from forecast.training.run import Run

RESULTS = Path(__file__).parent / "results" / "ablation.jsonl"
INGREDIENTS: dict[str, dict[str, str]] = {
    "all": {},
    "no ridge beside the net": {"line": "0"},
    "no recurrent steps but one": {"context": "1"},
    "no vector of the series": {"embedding": "0"},
    "no vector of the day of the year": {"dates": "0"},
    "one seed": {"members": "1"},
}
OFF = {"vic-elec": ("no vector of the series", "no vector of the day of the year")}  # has neither


def vic_elec(folder: Path) -> tuple[Panel, Task]:
    """Return three years of half-hours, and the days of the second as windows."""
    panel = tables.read(folder / "vic_elec.csv.gz", timezone="Australia/Melbourne")
    return panel, Task(48, windows=120, stride=144, first_cutoff=_time("2012-12-31T12:30:00"))


def gefcom2012(folder: Path) -> tuple[Panel, Task]:
    """Return the 18 zones that differ, and the days from July 2006 on as windows."""
    panel = tables.read(folder / "gefcom2012_load.csv.gz")
    copies = [panel.ids.index(name) for name in ("zone_02", "zone_03")]
    panel = panel.select(np.setdiff1d(np.arange(len(panel)), copies))
    return panel, Task(24, windows=72, stride=120, first_cutoff=_time("2006-06-30T23:00:00"))


def entsoe35(folder: Path) -> tuple[Panel, Task]:
    """Return 35 countries, and windows over the half-year before the year that is judged."""
    panel = tables.read(folder / "entsoe35.csv.gz", season=(24, 168))
    return panel, Task(24, windows=72, stride=60, first_cutoff=_time("2017-07-02T23:00:00"))


def m4_hourly(folder: Path) -> tuple[Panel, Task]:
    """Return the training rows of 414 series, of which the last 48 are the window."""
    panel = tables.read(folder / "m4_hourly_train.csv.gz", season=(24, 168))
    return panel, Task(48)


TASKS = {"vic-elec": vic_elec, "gefcom2012": gefcom2012, "entsoe35": entsoe35,
         "m4-hourly": m4_hourly}  # fmt: skip


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tasks", default=",".join(TASKS))
    options = parser.parse_args()
    there = {key(json.loads(line)) for line in RESULTS.read_text().splitlines()} \
        if RESULTS.exists() else set()  # fmt: skip
    for task in options.tasks.split(","):
        panel, plan = TASKS[task](options.folder)
        for seed in range(options.seeds):
            for without, settings in INGREDIENTS.items():
                row: dict[str, Any] = {"task": task, "without": without, "seed": seed}
                if without in OFF.get(task, ()) or key(row) in there:
                    continue
                row |= measured(panel, plan, settings, seed)
                with RESULTS.open("a") as file:
                    print(json.dumps(row), file=file)
                print(json.dumps(row), file=sys.stderr, flush=True)


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what tells one measurement from another."""
    return row["task"], row["without"], row["seed"]


def measured(panel: Panel, task: Task, settings: dict[str, str], seed: int) -> dict[str, Any]:
    """Return the scores of `gru` with `settings`, and where they come from."""
    found = backtest.run(
        panel, task, ["gru"], options={"seed": seed, "settings": {"gru": settings}},
        resources=Run(effort="quick"), baselines=False,
    )  # fmt: skip
    score = found.scores()[0]
    return {
        "mase": round(score.mase, 4),
        "wql": round(score.wql, 5),
        "cover80": round(score.cover80, 3),
        "fit_seconds": round(score.fit_seconds, 1),
        "commit": provenance.commit(),
        "hardware": provenance.hardware(),
        "torch": provenance.versions()["torch"],
    }


def _time(text: str) -> int:
    return int(np.datetime64(text, "us").astype(np.int64))


if __name__ == "__main__":
    main()
