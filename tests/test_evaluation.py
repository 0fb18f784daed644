"""`forecast benchmark` beyond scores: task files, records, gate, audit, failures, full disks."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from forecast import cli
from forecast.errors import FitError
from forecast.walk import Walk

TASK = """
name = "wave"
models = ["snaive"]
horizon = 4
windows = 12
first_cutoff = "2024-01-05T03:00:00"
refit = 6
gap = 1
quantiles = [0.1, 0.5, 0.9]
metrics = ["mase", "msis"]
recorded = "wave.json"

[data]
file = "wave.csv"
season = [24]
series = ["b"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with two series of 200 hours, `a` a wave and `b` a noisier one."""
    rng = np.random.default_rng(0)
    hours = np.datetime64("2024-01-01T00") + np.arange(200)
    wave = 50 + 10 * np.sin(np.arange(200) * np.pi / 12)
    rows = [f"{name},{t}:00:00,{v:.6f}" for name, noise in (("a", 0.1), ("b", 1.0))
            for t, v in zip(hours, wave + noise * rng.normal(size=200), strict=True)]  # fmt: skip
    (tmp_path / "wave.csv").write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    (tmp_path / "task.toml").write_text(TASK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args):
    return cli.run(["benchmark", *map(str, args)])


def plain(*args):
    return run("wave.csv", "--models", "snaive", "--horizon", 4, "--windows", 12, *args)


def test_a_task_file_is_run_recorded_and_compared(capsys, folder):
    assert run("task.toml", "--record", "--forecasts", "w.csv") == 0
    assert "Recorded: " in capsys.readouterr().err
    head, *rows = (folder / "w.csv").read_text().splitlines()
    assert head == "model,unique_id,cutoff,ds,y,mean,0.1,0.5,0.9"
    assert rows[0].startswith("snaive,b,2024-01-05T03:00:00,2024-01-05T05:00:00,")
    assert run("task.toml") == 0
    said = capsys.readouterr().err
    assert "The data are those of the record.\nThe versions are the same.\nAll 10 scores" in said
    held = json.loads((folder / "wave.json").read_text())
    held["scores"][0]["mase"] += 1e-3
    held["facts"]["versions"]["numpy"] = "1.0"
    held["facts"]["fingerprint"] = "0"
    (folder / "wave.json").write_text(json.dumps(held))
    assert run("task.toml") == 0
    said = capsys.readouterr().err
    assert "The data are not those of the record." in said
    assert "(recorded 1.0)" in said
    assert "1 of 10 scores differ." in said


def test_a_task_file_names_covariates(capsys, folder):
    head, *rows = (folder / "wave.csv").read_text().splitlines()
    more = [f"{row},{k % 7},{'north' if row[0] == 'a' else 'south'}" for k, row in enumerate(rows)]
    (folder / "wave.csv").write_text("\n".join([head + ",heat,region", *more]) + "\n")
    task = TASK.replace('["snaive"]', '["linear"]').replace('series = ["b"]\n', "")
    told = task + 'known = ["heat"]\nstatic = "region"\n'
    (folder / "task.toml").write_text(told)
    assert run("task.toml", "-q", "-f", "json", "-o", "task.json") == 0
    flags = ("--models", "linear", "--horizon", 4, "--windows", 12, "--refit", 6, "--gap", 1,
             "--first-cutoff", "2024-01-05T03:00:00", "--season", 24, "--static", "region",
             "--known", "heat")  # fmt: skip
    assert run("wave.csv", "-q", "-f", "json", "-o", "flags.json", *flags) == 0
    by_task, by_flags = (json.loads((folder / f"{n}.json").read_text()) for n in ("task", "flags"))
    names = ("model", "mase", "wql")
    assert [[s[n] for n in names] for s in by_task["scores"]] == [
        [s[n] for n in names] for s in by_flags["scores"]
    ]
    assert by_task["facts"]["known"] == ["heat"]
    assert by_task["facts"]["fingerprint"] == by_flags["facts"]["fingerprint"]
    (folder / "task.toml").write_text(told.replace('["heat"]', '["cold"]'))
    assert run("task.toml") == 3
    assert "`cold`: known covariate: no column is called so" in capsys.readouterr().err
    (folder / "task.toml").write_text(told.replace('["heat"]', "[7]"))
    assert run("task.toml") == 2
    assert "`data.known` takes str" in capsys.readouterr().err


def test_a_run_folder_is_that_of_one_clock(capsys):
    assert plain("--run", "kept") == 0
    assert plain("--run", "kept", "--season", 12) == 2
    assert "another run: clock: seasons" in capsys.readouterr().err


def test_a_task_file_takes_parts_of_one_table(capsys, folder):
    head, *rows = (folder / "wave.csv").read_text().splitlines(keepends=True)
    for name, part in (("1", rows[:150]), ("2", rows[150:])):
        (folder / f"part-{name}.csv").write_text(head + "".join(part))
    assert run("task.toml", "-q", "-o", "whole.csv") == 0
    (folder / "task.toml").write_text(TASK.replace("wave.csv", "part-*.csv"))
    assert run("task.toml", "-o", "parts.csv") == 0
    whole, parts = ((folder / f"{n}.csv").read_text().split() for n in ("whole", "parts"))
    assert [row.split(",")[:3] for row in whole] == [row.split(",")[:3] for row in parts]
    assert "2 parts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "code", "words"),
    [
        ("horizon = 4", "horizn = 4", 2, "no key is called `horizn`"),
        ("horizon = 4", 'horizon = "4"', 2, "`horizon` takes int, not `4`"),
        ("season =", "seasn =", 2, "no key is called `data.seasn`"),
        ('"mase", "msis"', '"mese"', 2, "no metric is called `mese`"),
        ('file = "wave.csv"', "", 2, "one of `data.file` and `data.dataset`"),
        ('"wave.csv"', '"gone.csv"', 3, "neither beside it nor in $FORECAST_DATA"),
        ('["b"]', '["c"]', 3, "there is no series `c`"),
        ("name = ", "name ", 2, "task.toml"),
        ("refit = 6", 'refit = "often"', 2, "`--refit often` is no count"),
        ("windows = 12", "windows = 999", 3, "only "),
    ],
)
def test_a_task_file_that_cannot_be_is_refused(capsys, folder, before, after, code, words):
    (folder / "task.toml").write_text(TASK.replace(before, after, 1))
    assert run("task.toml") == code
    assert words in capsys.readouterr().err


def test_the_data_of_a_task_may_lie_elsewhere(folder, monkeypatch):
    (folder / "tasks").mkdir()
    (folder / "task.toml").rename(folder / "tasks" / "task.toml")
    monkeypatch.setenv("FORECAST_DATA", str(folder))
    assert run("tasks/task.toml", "-q") == 0


def test_the_gate_opens_for_a_better_model_only(capsys):
    assert plain("--fail-unless-better-than", "naive", "--alpha", 0.05) == 0
    assert "Better than naive beyond luck (alpha 0.05): snaive." in capsys.readouterr().err
    assert plain("--fail-unless-better-than", "snaive") == 8
    assert "no model is better than snaive beyond luck" in capsys.readouterr().err
    assert plain("--fail-unless-better-than", "lstm") == 2


def test_the_audit_says_what_moved(capsys, monkeypatch):
    assert plain("--audit") == 0
    assert "No leak: 6 experiments each with snaive" in capsys.readouterr().err

    def leaky(self, window):
        counts = self.plan.counts
        return self.panel.rows(counts[window - 1], counts[window] + 1)

    monkeypatch.setattr(Walk, "since", leaky)
    assert run("wave.csv", "--models", "naive", "--horizon", 4, "--audit") == 8
    assert "naive sees what it must not (noise, frozen fit): series `a`" in capsys.readouterr().err


def test_a_model_that_fails_ends_with_5_unless_told_to_go_on(capsys, folder, monkeypatch):
    from forecast import fitting

    real = fitting.fit

    def fit(data, model, *args, **options):
        if model == "snaive" and "b" in data.ids:
            raise FitError("b is odd")
        return real(data, model, *args, **options)

    monkeypatch.setattr(fitting, "fit", fit)
    assert plain("-o", "scores.csv") == 5
    assert "snaive on series `b`: b is odd" in capsys.readouterr().err
    assert (folder / "scores.csv").exists()
    assert plain("--keep-going", "-f", "table") == 0
    assert "snaive could not forecast series `b`: b is odd." in capsys.readouterr().out


def test_a_full_disk_is_said_and_leaves_no_half_file(capsys, folder, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", full)
    assert plain("--run", "kept") == 2
    said = capsys.readouterr().err
    assert "cannot be written: no space left on device" in said
    assert list((folder / "kept").iterdir()) == []


def test_a_cutoff_outside_the_data_names_their_span(capsys):
    assert plain("--first-cutoff", "2030-01-01") == 3
    said = capsys.readouterr().err
    assert "the first cutoff lies outside the data, 2024-01-01T00:00:00 to 2024-01-09T07" in said


def test_seeds_and_folders_are_flags_too(capsys, folder):
    flags = ("--models", "esn", "--set", "esn.units=10", "--seeds", 2, "--run", "kept")
    assert plain(*flags, "--span", 150, "--forecasts", "w.csv", "-f", "json") == 0
    found = json.loads(capsys.readouterr().out)
    esn = next(s for s in found["scores"] if s["model"] == "esn")
    assert esn["seeds"] == 2
    assert esn["mase_spread"] > 0
    assert "esn (seed 1),a," in (folder / "w.csv").read_text()
    assert (folder / "kept" / "esn-1.npy").exists()
    assert plain(*flags, "--gap", 2) == 2
    assert "kept holds another run: task: gap is 0 there, 2 here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("run.json", lambda path: path.write_text("{"), "run.json is damaged"),
        ("snaive-0.npy", lambda path: path.write_bytes(path.read_bytes()[:90]), "is damaged"),
        ("snaive-0.npy", lambda path: np.save(path, np.zeros(3)), "it holds float64 (3,)"),
        ("snaive-0.jsonl", lambda path: path.write_text("what\n"), "snaive-0.jsonl is damaged"),
        ("", lambda path: None, "kept/file is a file, not a folder"),
    ],
)
def test_a_damaged_run_folder_is_refused(capsys, folder, name, damage, words):
    wanted = "kept/file" if not name else "kept"
    assert plain("--run", "kept", "-q", "-o", "s.csv") == 0
    (folder / "kept" / "file").write_text("")
    damage(folder / "kept" / name) if name else None
    assert plain("--run", wanted) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "--run another folder" in said
