"""Kill commands at random moments and look at what they left: `python tests/trust.py KILLS [SEED]`.

After each kill every file that has its final name must be whole, the state saved last must still
be there, and the next run must leave nothing behind that is not asked for.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from forecast import store

START = 1000  # rows the model has seen


def rows(first: int, stop: int) -> str:
    """Return rows with a header."""
    hours = np.arange(first, stop)
    stamps = np.datetime64("1970-01-01T00:00:00") + hours * np.timedelta64(1, "h")
    values = 100 + 20 * np.sin(hours * np.pi / 12) + np.cos(hours * 1.7)
    lines = (f"a,{s},{v!r}\n" for s, v in zip(stamps, values.tolist(), strict=True))
    return "unique_id,ds,y\n" + "".join(lines)


def run(folder: Path, *args: str, kill_after: float | None = None, stdin: str = "") -> int:
    """Run the command in `folder`, killed after so many seconds; return its exit code."""
    with (folder.parent / "stdin").open("w+") as source:
        source.write(stdin)
        source.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-m", "forecast", *args], cwd=folder, stdin=source,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        if kill_after is not None:
            time.sleep(kill_after)
            process.send_signal(signal.SIGKILL)
        return process.wait()


COMMANDS = {
    "fit": ("fit", "data.csv", "-m", "naive", "--horizon", "24", "-o", "m", "-q"),
    "update": ("update", "m", "new.csv", "-q"),
    "follow": ("follow", "m", "--save-every", "0.01s"),
    "benchmark": ("benchmark", "data.csv", "--models", "naive", "--horizon", "24", "--windows", "2",
                  "-o", "scores.csv", "--forecasts", "windows.csv", "-q"),
}  # fmt: skip


def trial(folder: Path, name: str, moment: float) -> None:
    """Kill one command at `moment`, then check and run it again. Raises AssertionError."""
    before = store.load(folder / "m").last[0]
    stdin = rows(START, START + 2000) if name == "follow" else ""
    run(folder, *COMMANDS[name], kill_after=moment, stdin=stdin)
    after = store.load(folder / "m").last[0]  # whole, whatever happened
    assert after >= before or name == "fit", f"{name}: a saved state was lost"
    for path in folder.glob("*.csv"):
        assert path.read_bytes().endswith(b"\n"), f"{name}: half a file, {path.name}"
    code = run(folder, *COMMANDS[name], stdin=stdin)
    assert code == 0, f"{name}: exit {code} after a kill"
    known = {"m", "data.csv", "new.csv", "scores.csv", "windows.csv"}
    litter = {path.name for path in folder.iterdir()} - known
    assert not litter, f"{name}: left {sorted(litter)}"


def main(kills: int, seed: int = 0) -> None:
    """Kill `kills` times, the commands in turn."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "work"
        folder.mkdir()
        (folder / "data.csv").write_text(rows(0, START))
        (folder / "new.csv").write_text(rows(START, START + 50))
        assert run(folder, *COMMANDS["fit"]) == 0
        spans = {}
        for name in COMMANDS:
            begin = time.monotonic()
            stdin = rows(START, START + 2000) if name == "follow" else ""
            assert run(folder, *COMMANDS[name], stdin=stdin) == 0, name
            spans[name] = time.monotonic() - begin
        for k in range(kills):
            name = list(COMMANDS)[k % len(COMMANDS)]
            trial(folder, name, rng.uniform(0.2, 1.1) * spans[name])
    print(f"{kills} kills: no half file, no lost state, no litter")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
