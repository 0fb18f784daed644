"""A benchmark of many series over many windows: seconds, and memory as the windows grow.

    python benchmarks/speed/windows.py --record

1,000 made-up hourly series of 2,000 rows, a day ahead, `naive` and `snaive` scored in every way a
report knows. Each case runs in a process of its own, so that its peak of memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from forecast import backtest, provenance
from forecast.data.clock import HOUR, Clock
from forecast.data.panel import assemble
from forecast.report import data
from forecast.results import Task

RESULT = Path(__file__).parent.parent / "results" / "windows.jsonl"
SERIES, ROWS, CASES = 1000, 2000, (10, 25, 50)


def main() -> None:
    """Run each case, print its row, and file it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--case", type=int, help="run this many windows here")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(case(options.case)))
        return
    lines = []
    for windows in CASES:
        command = [sys.executable, __file__, "--case", str(windows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row = json.loads(done.stdout)
        row |= {"hardware": provenance.hardware(), "versions": provenance.versions(),
                "commit": provenance.commit(), "seed": 0}  # fmt: skip
        lines.append(json.dumps(row))
        print(lines[-1], flush=True)
    if options.record:
        RESULT.write_text("\n".join(lines) + "\n")


def case(windows: int) -> dict[str, object]:
    """Return what it took to forecast and score so many windows."""
    rng = np.random.default_rng(0)
    day = 10 * np.sin(np.arange(ROWS) * np.pi / 12)
    values = [50 + day + rng.normal(size=ROWS) for _ in range(SERIES)]
    names = [f"s{k:04d}" for k in range(SERIES)]
    panel = assemble(names, values, [0] * SERIES, Clock("fixed", HOUR, (24, 168)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, busy = time.perf_counter(), time.process_time()
    task = Task(24, windows=windows)
    found = backtest.run(panel, task, ["naive", "snaive"], baselines=False)
    data.to_json(found)
    return {
        "series": SERIES, "windows": windows, "horizon": 24, "models": ["naive", "snaive"],
        "rows": len(found.y), "seconds": round(time.perf_counter() - began, 1),
        "processor_seconds": round(time.process_time() - busy, 1),
        "mib_grown": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024,
    }  # fmt: skip


if __name__ == "__main__":
    main()
