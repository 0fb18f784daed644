"""Training and prediction rates of each family, on every device there is.

    python benchmarks/speed/device.py --output benchmarks/results/device.jsonl

First the equality checks (`pytest -m gpu`; without a GPU the CPU ones), then medians of repeated
short runs: one JSON row a setting, with hardware, versions and commit. A series-step is one row of
one window read once forward and once backward. Under five minutes in one call.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from forecast import provenance
from forecast.data.clock import HOUR, Clock
from forecast.models.base import History, Setting
from forecast.models.esn import ESNConfig
from forecast.models.recurrent import GRUConfig, RNNConfig, context, segment, sized
from forecast.training import recurrent, reservoir
from forecast.training.run import Run

ROOT = Path(__file__).resolve().parents[2]
SETTING = Setting(horizon=24, seasons=(24, 168), year=True)
RECURRENT = [(GRUConfig(), "gru"), (RNNConfig(), "rnn")]
SIZES = [(64, 32), (64, 256), (128, 256), (128, 2048)]  # units, batch
UPDATES = 30


def main() -> None:
    """Run the checks, then print one row a setting and write them to `--output`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=240.0, help="stop measuring after this")
    options = parser.parse_args()
    devices = [*(["cuda:0"] if torch.cuda.is_available() else []), "cpu"]
    check(devices[0])
    rows, deadline = [], time.perf_counter() + options.seconds
    for row in measure(devices, options.rounds):
        rows.append(row | {"versions": provenance.versions(), "commit": commit()})
        print(json.dumps(row), flush=True)
        if time.perf_counter() > deadline:
            print("out of time: the settings left were not measured", file=sys.stderr)
            break
    if options.output:
        options.output.write_text("".join(json.dumps(row) + "\n" for row in rows))


def check(device: str) -> None:
    """Stop unless the fast paths equal the NumPy definition on `device`."""
    which = "gpu" if device != "cpu" else "not gpu"
    command = [sys.executable, "-m", "pytest", "-q", "-m", which, "-k", "numpy or gpu"]
    files = ["tests/test_recurrent.py", "tests/test_esn.py"]
    subprocess.run([*command, *files], cwd=ROOT, check=True, stdout=sys.stderr)


def measure(devices: list[str], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each device, family and size."""
    history, short = load(64, 3000), load(16, 3000)
    for device in devices:
        for config, name in RECURRENT:
            for units, batch in SIZES:
                sized = replace(config, units=units, batch=batch, members=1, updates=UPDATES)
                yield train(sized, name, history, device, rounds)
        for units in (200, 500):
            yield solve(units, short, device, rounds)
    for config, name in RECURRENT:
        for series in (1, 64):
            yield predict(config, name, series, rounds)


def train(config: Any, name: str, history: History, device: str, rounds: int) -> dict[str, Any]:
    """Measure updates of a recurrent net, warm-up round left out."""
    config = sized(config, SETTING)
    seconds = timed(
        lambda: recurrent.fit(replace(config, stop=UPDATES), SETTING, history, Run(device=device)),
        rounds, device,
    )  # fmt: skip
    rows = segment(config, SETTING) * context(config, SETTING)
    return {
        "what": "train", "model": name, "units": config.units, "batch": config.batch,
        "updates_per_s": round(UPDATES / seconds, 2),
        "series_steps_per_s": round(UPDATES * config.batch * rows / seconds),
        **place(device, seconds, rounds),
    }  # fmt: skip


def solve(units: int, history: History, device: str, rounds: int) -> dict[str, Any]:
    """Measure the whole fit of an echo state network: states, sums and the solve."""
    config = ESNConfig(units=units)
    seconds = timed(
        lambda: reservoir.fit(config, SETTING, history, Run(device=device)), rounds, device
    )
    return {
        "what": "fit", "model": "esn", "units": units,
        "rows_per_s": round(len(history.z) / seconds), **place(device, seconds, rounds),
    }  # fmt: skip


def predict(config: Any, name: str, series: int, rounds: int) -> dict[str, Any]:
    """Measure one call of `predict` for `series` series; it is NumPy on every machine."""
    history = load(series, 500)
    model = recurrent.fit(replace(config, updates=1, stop=1), SETTING, history, Run())
    z = history.z.reshape(series, -1)
    phases = history.phases.reshape(series, -1, history.phases.shape[1])
    state = model.absorb(model.start(np.arange(series)), z, phases)
    seconds = timed(lambda: model.predict(state, phases[:, :24]), rounds, "cpu", calls=20)
    return {
        "what": "predict", "model": name, "series": series,
        "forecasts_per_s": round(series / seconds), **place("cpu", seconds, rounds),
    }  # fmt: skip


def timed(work: Callable[[], object], rounds: int, device: str, calls: int = 1) -> float:
    """Return the median seconds of one call of `work`, after one warm-up."""
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        for _ in range(calls):
            work()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append((time.perf_counter() - began) / calls)
    return median(times[1:])


def place(device: str, seconds: float, rounds: int) -> dict[str, Any]:
    """Return what every row says about where it was measured."""
    name = provenance.hardware() if device == "cpu" else torch.cuda.get_device_name(device)
    return {
        "device": device, "hardware": name, "threads": torch.get_num_threads(),
        "seconds": round(seconds, 4), "rounds": rounds,
    }  # fmt: skip


def load(series: int, rows: int) -> History:
    """Return hourly load-like series as a model sees them."""
    rng, t = np.random.default_rng(0), np.arange(rows)
    clock = Clock("fixed", step=HOUR, seasons=SETTING.seasons)
    z = np.sin(2 * np.pi * (t + rng.integers(0, 24, (series, 1))) / 24)
    z = z + 0.1 * rng.normal(size=z.shape)
    phases = np.tile(clock.phases(t * HOUR), (series, 1))
    return History(z.ravel(), phases, np.arange(series + 1) * rows, np.zeros(series, np.int64))


def commit() -> str:
    """Return the commit the numbers belong to, marked when the tree has changes."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return said.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
