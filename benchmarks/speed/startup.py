"""Seconds and memory from a shell to the answer: `python benchmarks/speed/startup.py [TIMES]`.

Medians over processes, beside the bare imports that others need; prints a Markdown table.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FAMILIES = ("snaive", "linear", "esn", "kalman", "gru")
CHEAP = {"gru": {"updates": "60"}, "kalman": {"evaluations": "20"}}
CLI = ("-m", "forecast")


def measure(args: tuple[str, ...], times: int, folder: Path) -> tuple[float, int]:
    """Return median seconds and the most memory in KiB of `python ARGS`."""
    seconds, most = [], 0
    for _ in range(times):
        begin = time.perf_counter()
        quiet = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
        process = subprocess.Popen([sys.executable, *args], cwd=folder, **quiet)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        seconds.append(time.perf_counter() - begin)
        most = max(most, usage.ru_maxrss)
    return statistics.median(seconds), most


def prepare(folder: Path) -> None:
    """Write rows.csv and a model of each family; in a process of its own, that stays no part."""
    from forecast import fitting, store
    from forecast.data import datasets

    panel = datasets.load("electricity-load")
    last = panel.rows(panel.lengths - 1000, panel.lengths)
    old = panel.rows(panel.lengths - 7000, panel.lengths - 1000)
    stamps = last.clock.write(last.all_times())
    pairs = zip(stamps, last.values.tolist(), strict=True)
    rows = (f"{last.ids[0]},{s},{v!r}\n" for s, v in pairs)
    (folder / "rows.csv").write_text("unique_id,ds,y\n" + "".join(rows))
    for name in FAMILIES:
        store.save(fitting.fit(old, name, 24, settings=CHEAP.get(name, {})), folder / name)


def main(times: int) -> None:
    """Measure help and a forecast from 1,000 rows."""
    jobs = {f"import {name}": ("-c", f"import {name}") for name in ("typer", "numpy", "torch")}
    jobs |= {"forecast --help": (*CLI, "--help"), "forecast fit --help": (*CLI, "fit", "--help")}
    for name in FAMILIES:
        jobs[f"forecast predict, {name}"] = (*CLI, "predict", name, "rows.csv", "-q")
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, __file__, "--prepare", place], check=True)
        print("| Command | Seconds | Memory, MiB |\n|:--|--:|--:|")
        for name, args in jobs.items():
            seconds, most = measure(args, times, Path(place))
            print(f"| {name} | {seconds:.2f} | {most / 1024:.0f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--prepare"]:
        prepare(Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 11)
