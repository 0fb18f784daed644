"""The load figure of the 2012 deck: GEFCom2012, zone 1 and the system, an hour and a day ahead.

    python benchmarks/deck/load.py DATA_FOLDER

The system is the sum of the 20 zones. Models learn from the rows up to June 2007 and are judged on
the year after, beside copies of 1, 24 and 168 hours ago (naive, snaive, snaive-week). Results go
to benchmarks/results.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from forecast import backtest, provenance
from forecast.data import tables
from forecast.data.panel import Panel, assemble
from forecast.report import data
from forecast.results import Task

MODELS = ("gru", "esn", "kalman", "linear")
CUTOFF = "2007-06-30T23:00:00"
TASKS = {"1h": Task(1, windows=1248, stride=7), "24h": Task(24, windows=72, stride=120)}
RESULTS = Path(__file__).parent.parent / "results"


def main() -> None:
    """Run the four benchmarks and write what they gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", default=",".join(MODELS))
    options = parser.parse_args()
    panel = tables.read(options.folder / "gefcom2012_load.csv.gz")
    first = int(np.datetime64(CUTOFF, "us").astype(np.int64))
    for name, part in {"zone 1": panel.select([0]), "system": system(panel)}.items():
        for ahead, task in TASKS.items():
            found = backtest.run(part, replace(task, first_cutoff=first),
                                 options.models.split(","))  # fmt: skip
            found.name = f"{name}, {ahead}"
            found.facts |= {"command": "python benchmarks/deck/load.py DATA_FOLDER",
                            "commit": provenance.commit()}  # fmt: skip
            path = RESULTS / f"deck-load-{name.replace(' ', '')}-{ahead}.json"
            path.write_text(data.to_json(found))
            for score in found.scores():
                line = f"{score.model:12} RMSE {score.rmse:10.0f} MAPE {score.mape:6.2f}"
                print(f"{found.name:12} {line}", file=sys.stderr, flush=True)


def system(panel: Panel) -> Panel:
    """Return the sum of all zones, missing where one of them is."""
    total = np.sum([panel.series(i) for i in range(len(panel))], axis=0)
    return assemble(["system"], [total], [int(panel.starts[0])], panel.clock)


if __name__ == "__main__":
    main()
