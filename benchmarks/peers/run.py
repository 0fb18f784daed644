"""Other forecasters on a task of `benchmarks/tasks`: the same rows, cutoffs and horizon.

    python3 -m venv PEERS && PEERS/bin/pip install -r benchmarks/peers/requirements.txt
    PEERS/bin/python benchmarks/peers/run.py benchmarks/tasks/taylor.toml MSTL --data DATA_FOLDER
    forecast benchmark benchmarks/tasks/taylor.toml --peers benchmarks/peers/taylor-MSTL.csv.gz

Each peer runs alone, in a process of its own. Its forecasts go to a file beside this one, written
as `forecast benchmark --forecasts` writes them; what it cost and scored goes to
`benchmarks/results`. Files of more than half a megabyte are not kept in the repository.
"""

import argparse
import json
import os
import resource
import time
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import pandas as pd

HERE = Path(__file__).parent
COSTS = HERE.parent / "results" / "peers.jsonl"
LEVELS = (0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.975)
PEERS = {"MSTL": "statistical", "GRU": "neural", "NHITS": "neural", "LightGBM": "trees",
         "reservoirpy": "reservoir"}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """What is forecast: series of a regular grid, `horizon` steps from each cutoff."""

    rows: pd.DataFrame  # unique_id, ds, y on a complete grid, up to the last step that is judged
    cutoffs: pd.DatetimeIndex
    horizon: int
    stride: int
    seasons: tuple[int, ...]
    step: pd.Timedelta
    mark: str = ""  # what follows a time: Z where the data are in UTC

    @property
    def frequency(self) -> str:
        """The step as pandas calls it."""
        return pd.tseries.frequencies.to_offset(self.step).freqstr

    def before(self, cutoff: pd.Timestamp, steps: int | None = None) -> pd.DataFrame:
        """Return the rows up to `cutoff`, the last `steps` of each series where it is given."""
        known = self.rows[self.rows["ds"] <= cutoff]
        return known if steps is None else known[known["ds"] > cutoff - steps * self.step]

    def filled(self) -> "Task":
        """Return the task with holes filled from a week, a day or a step before."""
        rows, series = self.rows.copy(), self.rows.groupby("unique_id")["y"]
        for lag in sorted(self.seasons, reverse=True):
            rows["y"] = rows["y"].fillna(series.shift(lag))
        rows["y"] = rows.groupby("unique_id")["y"].ffill()
        return replace(self, rows=rows.dropna())


def read(path: Path, data: Path) -> Task:
    """Read a task file and its data."""
    text = tomllib.loads(path.read_text())
    rows = pd.read_csv(data / text["data"]["file"], usecols=["unique_id", "ds", "y"],
                       dtype={"unique_id": str})  # fmt: skip
    mark = "Z" if rows["ds"].iloc[0].endswith("Z") else ""
    rows["ds"] = pd.to_datetime(rows["ds"], utc=True, format="ISO8601").dt.tz_localize(None)
    if "series" in text["data"]:
        rows = rows[rows["unique_id"].isin(text["data"]["series"])]
    grid = pd.DatetimeIndex(sorted(rows["ds"].unique()))
    step = grid.to_series().diff().mode()[0]
    horizon = text["horizon"]
    stride = text.get("stride", horizon)
    first = pd.Timestamp(text["first_cutoff"]).tz_localize(None)
    cutoffs = first + step * stride * pd.RangeIndex(text["windows"]).to_numpy()
    end = cutoffs[-1] + horizon * step
    parts = [
        group.set_index("ds").reindex(pd.date_range(group["ds"].min(), end, freq=step))
        .rename_axis("ds").assign(unique_id=name).reset_index()
        for name, group in rows.groupby("unique_id")
    ]  # fmt: skip
    whole = pd.concat(parts, ignore_index=True)[["unique_id", "ds", "y"]]
    seasons = tuple(text["data"]["season"])
    return Task(whole, pd.DatetimeIndex(cutoffs), horizon, stride, seasons, step, mark)


def main() -> None:
    """Run one peer on one task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", type=Path)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--commit", default="", help="of the checkout, to be filed with the cost")
    options = parser.parse_args()
    task, peer = read(options.task, options.data), import_module(PEERS[options.peer])
    began, busy = time.perf_counter(), time.process_time()
    found, about = peer.run(options.peer, task.filled())
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    written = shaped(found.assign(model=options.peer), task)
    name = f"{options.task.stem}-{options.peer}"
    written.to_csv(HERE / f"{name}.csv.gz", index=False, float_format="%.6g", lineterminator="\n",
                   compression={"method": "gzip", "mtime": 0})  # fmt: skip
    packages = {n: version(n) for n in (*peer.PACKAGES, "numpy", "pandas")}
    row = {
        "task": options.task.stem, "model": options.peer, "about": about,
        "seconds": round(seconds, 1), "processor_seconds": round(busy, 1),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        "hardware": hardware(), "versions": {"python": python_version(), **packages},
        "scores": scores(written, task),
        "commit": options.commit, "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    kept = [
        line
        for line in (COSTS.read_text().splitlines() if COSTS.exists() else [])
        if (json.loads(line)["task"], json.loads(line)["model"]) != (row["task"], row["model"])
    ]
    COSTS.write_text("\n".join(sorted([*kept, json.dumps(row)])) + "\n")
    print(json.dumps(row))


def shaped(found: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Return forecasts as they are filed: only rows of the task, times as in the data."""
    levels = [f"{p:g}" for p in LEVELS if f"{p:g}" in found]
    out = found.merge(task.rows, on=["unique_id", "ds"])
    out = out[["model", "unique_id", "cutoff", "ds", "y", "mean", *levels]]
    out = out.sort_values(["unique_id", "cutoff", "ds"])
    for name in ("cutoff", "ds"):
        out[name] = out[name].dt.strftime("%Y-%m-%dT%H:%M:%S") + task.mark
    return out


def scores(found: pd.DataFrame, task: Task) -> dict[str, float]:
    """Return MASE, WQL over nine deciles and the coverage of the 80 % interval, as defined there.

    `found` as it is filed; rows without a truth do not count.
    """
    known = found.dropna(subset=["y"])
    y = known["y"]
    past = task.before(task.cutoffs[0]).set_index("unique_id")["y"]
    naive = past.groupby("unique_id").diff(task.seasons[0]).abs().groupby("unique_id").mean()
    error = (y - known["0.5"]).abs().groupby(known["unique_id"]).mean()
    deciles = [p for p in LEVELS if round(10 * p, 6) in range(1, 10)]
    off = {p: y - known[f"{p:g}"] for p in deciles}
    loss = sum(2 * (p * d).where(d >= 0, (p - 1) * d).sum() for p, d in off.items())
    return {
        "mase": round(float((error / naive).mean()), 4),
        "wql": round(float(loss / len(deciles) / y.abs().sum()), 5),
        "cover80": round(float(((off[0.1] >= 0) & (off[0.9] <= 0)).mean()), 3),
    }


def hardware() -> str:
    """Name the processor and the number of cores."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


if __name__ == "__main__":
    main()
