"""Seconds and memory from a shell to the answer, ours and that of other command lines.

`python benchmarks/speed/startup.py [TIMES] [--rivals FOLDER]` prints a Markdown table; docs quote
it. Every command runs TIMES times in turn with the others, after a first run that fills the caches
of byte code and is not counted. FOLDER holds an environment for each rival, called as its package:
`python -m venv FOLDER/sktime-cli && FOLDER/sktime-cli/bin/pip install sktime-cli`, and so on.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

FAMILIES = ("snaive", "linear", "esn", "kalman", "rnn", "gru")
CHEAP = {"gru": {"updates": "60"}, "rnn": {"updates": "60"}, "kalman": {"evaluations": "20"}}
CLI = (sys.executable, "-m", "forecast")
RIVALS = {  # package: program, and a forecast of 24 steps from the same 1,000 rows
    "sktime-cli": ("sktime-cli", "run fit-predict NaiveForecaster(sp=24) --data plain.csv "
                   "--fh 1:24"),
    "skforecast-ai": ("skforecast-ai", "forecast plain.csv --target y --date-column ds --steps 24"),
    "tscli-darts": ("tscli", "forecast plain.csv --target-col y --time-col ds --horizon 24"),
}  # fmt: skip


@dataclass
class Job:
    """A command, and what its runs took."""

    name: str
    args: tuple[str, ...]
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    most: int = 0  # KiB

    def run(self, folder: Path, counted: bool = True) -> None:
        """Run once; a command of ours that fails is an error."""
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env |= {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "OMP_NUM_THREADS": "1"}
        if self.args[0] != sys.executable:
            env.pop("PYTHONPATH", None)
        begin = time.perf_counter()
        quiet = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
        process = subprocess.Popen(self.args, cwd=folder, env=env, **quiet)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode and self.args[0] != sys.executable:  # told beside its name
            self.name = f"{self.name.partition(': ')[0]}: exit {process.returncode}"
        elif process.returncode:
            raise SystemExit(f"{' '.join(self.args)}: exit {process.returncode}")
        if counted:
            self.wall.append(time.perf_counter() - begin)
            self.cpu.append(usage.ru_utime + usage.ru_stime)
            self.most = max(self.most, usage.ru_maxrss)


def prepare(folder: Path) -> None:
    """Write the rows and a model of each family; in a process of its own, that stays no part."""
    from forecast import fitting, store
    from forecast.data import datasets

    panel = datasets.load("electricity-load")
    last = panel.rows(panel.lengths - 1000, panel.lengths)
    old = panel.rows(panel.lengths - 7000, panel.lengths - 1000)
    stamps = last.clock.write(last.all_times())
    rows = [f"{s},{v!r}\n" for s, v in zip(stamps, last.values.tolist(), strict=True)]
    (folder / "plain.csv").write_text("ds,y\n" + "".join(rows))
    long = "".join(f"{last.ids[0]},{row}" for row in rows)
    (folder / "rows.csv").write_text("unique_id,ds,y\n" + long)
    for name in FAMILIES:
        store.save(fitting.fit(old, name, 24, settings=CHEAP.get(name, {})), folder / name)


def jobs(rivals: Path | None) -> list[Job]:
    """Return what is measured, `import typer` first."""
    found = [Job(f"import {name}", (sys.executable, "-c", f"import {name}"))
             for name in ("typer", "numpy", "torch")]  # fmt: skip
    found += [Job("forecast --help", (*CLI, "--help")), Job("forecast fit --help",
              (*CLI, "fit", "--help"))]  # fmt: skip
    found += [Job(f"forecast predict, {name}", (*CLI, "predict", name, "rows.csv", "-q"))
              for name in FAMILIES]  # fmt: skip
    for package, (program, forecast) in RIVALS.items() if rivals else ():
        assert rivals is not None
        path = str((rivals / package / "bin" / program).absolute())
        found += [Job(f"{package} --help", (path, "--help")),
                  Job(f"{package}, a forecast", (path, *forecast.split()))]  # fmt: skip
    return found


def main(times: int, rivals: Path | None) -> None:
    """Measure imports, help and a forecast from 1,000 rows."""
    todo = jobs(rivals)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        subprocess.run([sys.executable, __file__, "--prepare", place], check=True)
        for turn in range(times + 1):
            for job in todo:
                job.run(folder, counted=turn > 0)
    typer = statistics.median(todo[0].wall)
    print("| Command | Seconds | Times `import typer` | Least CPU seconds | Memory, MiB |")
    print("|:--|--:|--:|--:|--:|")
    for job in todo:
        wall = statistics.median(job.wall)
        print(f"| {job.name} | {wall:.2f} | {wall / typer:.1f} | {min(job.cpu):.2f} | "
              f"{job.most / 1024:.0f} |")  # fmt: skip


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["--prepare"]:
        prepare(Path(words[1]))
    else:
        at = words.index("--rivals") if "--rivals" in words else len(words)
        main(int(words[0]) if at and words else 11, Path(words[at + 1]) if words[at:] else None)
