"""Reading ten million rows, beside `pyarrow.csv.read_csv` in the same run: time and memory.

    python benchmarks/speed/tables.py --output benchmarks/results/tables.jsonl

Each reading is a process of its own, the two readers in turn; medians over the rounds. One JSON
row a table: long with 1,000 series, and long with 100,000 series. Under two minutes in one call.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from forecast import provenance

ROOT = Path(__file__).resolve().parents[2]
TABLES = [(1_000, 10_000), (100_000, 100)]  # series, rows of each
READ = """
import sys, time
from pathlib import Path
import pyarrow.csv
from forecast.data import tables
peak = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
read = tables.read if sys.argv[1] == "forecast" else pyarrow.csv.read_csv
before, begin = peak(), time.perf_counter()
table = read(sys.argv[2])
print(time.perf_counter() - begin, peak() - before)
"""


def main() -> None:
    """Measure, print one row a table, and write them to `--output`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(Path(folder) / "rows.csv", *size, options.rounds) for size in TABLES]
    if options.output:
        options.output.write_text("".join(json.dumps(row) + "\n" for row in rows))


def measure(path: Path, series: int, length: int, rounds: int) -> dict[str, Any]:
    """Return the medians of both readers on a table of `series` times `length` rows."""
    write(path, series, length)
    seen: dict[str, list[tuple[float, float]]] = {"pyarrow": [], "forecast": []}
    for _ in range(rounds):
        for reader, runs in seen.items():
            command = [sys.executable, "-c", READ, reader, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
            seconds, megabytes = map(float, done.stdout.split())
            runs.append((seconds, megabytes))
    seconds = {name: median(run[0] for run in runs) for name, runs in seen.items()}
    memory = {name: median(run[1] for run in runs) for name, runs in seen.items()}
    row = {
        "table": "unique_id,ds,y", "series": series, "rows": series * length,
        "bytes": path.stat().st_size, "rounds": rounds,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "megabytes": {name: round(value) for name, value in memory.items()},
        "times_pyarrow": round(seconds["forecast"] / seconds["pyarrow"], 2),
        "megabytes_more": round(memory["forecast"] - memory["pyarrow"]),
    }  # fmt: skip
    print(json.dumps(row), flush=True)
    return row | {
        "load": round(os.getloadavg()[0], 1),  # how busy the machine was; 2 on 2 cores: all of it
        "commit": provenance.commit(), "hardware": provenance.hardware(),
        "versions": provenance.versions(),
    }  # fmt: skip


def write(path: Path, series: int, length: int) -> None:
    """Write hourly rows of random values with three decimals."""
    import pyarrow as pa
    from pyarrow import csv

    hours = np.datetime64("2015-01-01T00:00:00") + np.arange(length) * np.timedelta64(1, "h")
    rng = np.random.default_rng(0)
    options = csv.WriteOptions(quoting_style="none")
    with path.open("wb") as stream:
        for first in range(0, series, 10_000):
            names = [f"s{k:06d}" for k in range(first, min(first + 10_000, series))]
            table = pa.table({
                "unique_id": np.repeat(names, length),
                "ds": np.tile(np.datetime_as_string(hours), len(names)),
                "y": np.round(rng.normal(100, 10, len(names) * length), 3),
            })  # fmt: skip
            options.include_header = first == 0
            csv.write_csv(table, stream, options)


if __name__ == "__main__":
    main()
