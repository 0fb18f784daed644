"""`forecast benchmark` beyond scores: task files, records, gate, audit, failures, full disks."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forecast import cli, fitting
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
    assert "`data.known` takes a text, not 7" in capsys.readouterr().err


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
        ("horizon = 4", 'horizon = "4"', 2, '`horizon` takes a whole number, not "4"'),
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
    assert plain("--fail-unless-better-than", "snaive") == 2
    assert "nothing is compared with snaive" in capsys.readouterr().err
    assert plain("--models", "naive", "--fail-unless-better-than", "snaive") == 8
    assert "no model is better than snaive beyond luck" in capsys.readouterr().err
    short = ("--models", "naive", "--windows", 3, "--fail-unless-better-than", "snaive")
    assert plain(*short) == 8
    assert "3 cutoffs tell nothing from luck: 8 are needed" in capsys.readouterr().err
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


def test_flags_count_more_than_a_task_file(capsys, folder):
    flags = ("--horizon", 6, "--windows", 5, "--models", "drift", "--seed", 5, "--season", 12,
             "--set", "linear.lags=3")  # fmt: skip
    assert run("task.toml", "-q", "-f", "json", "-o", "out.json", *flags) == 0
    found = json.loads((folder / "out.json").read_text())
    assert (found["task"]["horizon"], found["task"]["windows"]) == (6, 5)
    assert found["facts"]["seed"] == 5
    assert found["facts"]["task"]["gap"] == 1  # as the file says
    assert found["task"]["season"] == 12
    assert {"drift", "snaive", "linear"} <= {s["model"] for s in found["scores"]}
    capsys.readouterr()
    assert run("task.toml", "-q", "--record") == 0
    assert run("task.toml", "--models", "naive") == 0
    assert "scores are the same" in capsys.readouterr().err
    assert run("task.toml", "--windows", 5) == 0
    assert "scores" not in capsys.readouterr().err
    assert run("task.toml", "--record", "--gap", 0) == 2
    assert "a record is of what task.toml says, and `--gap` changes it" in capsys.readouterr().err
    for flags in (("--season", 12), ("--peers", "wave.csv")):
        assert run("task.toml", "--record", *flags) == 2
        assert f"`{flags[0]}` changes it" in capsys.readouterr().err
    assert run("task.toml", "--dataset", "google-stock") == 2


@pytest.mark.parametrize("flag", ["-o", "--forecasts", "--report"])
def test_what_is_read_is_not_written_over(capsys, folder, flag):
    before = (folder / "wave.csv").read_bytes()
    for target in ("wave.csv", "./wave.csv", folder / "wave.csv"):
        assert plain(flag, target) == 2
        assert "is named twice, and what is there would be lost" in capsys.readouterr().err
    assert (folder / "wave.csv").read_bytes() == before
    assert plain("-o", "x.csv", "--forecasts", "x.csv") == 2
    assert not (folder / "x.csv").exists()
    assert plain("-q", "-o", "/dev/null", "--forecasts", "/dev/null") == 0


def test_what_a_task_file_names_is_not_written_over(capsys, folder):
    assert run("task.toml", "-q", "--record", "-o", "scores.csv") == 0
    for target in ("task.toml", "wave.csv", "wave.json"):
        before = (folder / target).read_bytes()
        assert run("task.toml", "--forecasts", target) == 2
        assert (folder / target).read_bytes() == before


def test_a_part_of_a_table_is_not_written_over(folder):
    parts = folder / "parts"
    parts.mkdir()
    (folder / "wave.csv").rename(parts / "wave.csv")
    flags = ("--models", "naive", "--horizon", 4, "--windows", 12, "-q")
    for data in ("parts", "parts/w*.csv"):
        assert run(data, *flags, "-o", "parts/wave.csv") == 2
        assert run(data, *flags, "--report", "parts/page.html", "-o", "/dev/null") == 0
        assert run(data, *flags, "--report", "parts/page.html", "-o", "/dev/null") == 0
    assert run("absent*.csv", *flags, "-o", "out.csv") == 3


def test_an_audit_takes_no_report(capsys, folder):
    assert plain("--audit", "--report", "a.html") == 2
    assert "`--audit` scores nothing: `--report` has no place" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('["snaive"]', "[3]", "`models` takes a text, not 3"),
        ("[0.1, 0.5, 0.9]", '["a"]', "`quantiles` takes numbers such as 0.1"),
        ("gap = 1", "peers = [3]", "`peers` takes a text"),
        ("gap = 1", "span = {a = 3}", "`span` takes a whole number or a text"),
        ("gap = 1", "set = 3", "`set` is a table"),
        ("horizon = 4", "horizon = 0", "--horizon must be at least 1"),
        ("gap = 1", "gap = 99999999999999999999", "--gap must be in 0..1,000,000,000"),
    ],
)
def test_a_task_file_holds_values_of_the_right_kind(capsys, folder, before, after, words):
    (folder / "task.toml").write_text(TASK.replace(before, after, 1))
    assert run("task.toml") == 2
    assert words in capsys.readouterr().err


def test_numbers_no_data_could_have_are_refused(capsys):
    assert plain("--windows", 10**9) == 3
    assert "the longest series has 200" in capsys.readouterr().err
    assert plain("--span", 10**20) == 2
    assert plain("--transform", "banana") == 2
    assert plain("--models", "linear", "--set", "linear.lags=x") == 2


def test_a_damaged_run_folder_is_said_and_not_scored(capsys, folder):
    flags = ("--refit", "every", "--run", "kept", "-q", "-o")
    assert plain(*flags, "whole.csv") == 0
    kept = folder / "kept"
    values = (kept / "linear-0.npy").read_bytes()

    def refused(words):
        capsys.readouterr()
        assert plain(*flags, "again.csv") == 2
        error = capsys.readouterr().err
        assert words in error
        assert "--run another folder" in error

    (kept / "linear-0.npy").unlink()
    refused("linear-0.npy is gone")
    (kept / "linear-0.npy").write_bytes(values[:400] + bytes(16) + values[416:])
    refused("linear-0.npy is damaged: the forecasts of window 0 are not those written there")
    (kept / "linear-0.npy").write_bytes(values)
    journal = (kept / "drift-0.jsonl").read_text().splitlines(keepends=True)
    fit = next(kept.glob("drift-0-*.safetensors"))
    model = fit.read_bytes()
    fit.write_bytes(model[:-5])
    (kept / "drift-0.jsonl").write_text("".join(journal[:-1]))
    refused("safetensors is damaged")
    fit.write_bytes(model)
    (kept / "drift-0.jsonl").write_text("[1]\n")
    refused("drift-0.jsonl is damaged: it is no object")
    (kept / "drift-0.jsonl").write_text("".join(journal))
    assert plain(*flags, "again.csv") == 0
    (kept / "run.json").write_text("[1, 2]")
    refused("run.json is damaged")


def test_a_run_whose_model_failed_midway_is_read_again(capsys, folder, monkeypatch):
    fits = iter(range(1000))
    fitted = fitting.fit

    def fails(panel, model, *args, **more):
        if model == "linear" and next(fits) >= 2:
            raise FitError("enough")
        return fitted(panel, model, *args, **more)

    monkeypatch.setattr(fitting, "fit", fails)
    flags = ("--models", "snaive,linear", "--refit", "every", "--run", "kept", "--keep-going", "-q")
    assert plain(*flags, "-o", "once.csv") == 0
    assert plain(*flags, "-o", "again.csv") == 0
    assert (folder / "once.csv").read_bytes() == (folder / "again.csv").read_bytes()


def test_a_cutoff_near_the_end_says_what_is_left(capsys):
    late = ("wave.csv", "--models", "snaive", "--horizon", 4, "--windows", 1)
    assert run(*late, "--first-cutoff", "2024-01-09T05:00:00") == 3
    assert "to 2024-01-09T07:00:00 there are 2 steps, and 4 are wanted" in capsys.readouterr().err
    assert run(*late, "--first-cutoff", "2025-01-09T05:00:00") == 3
    assert "lies outside the data" in capsys.readouterr().err


def test_what_lets_a_window_fit_is_said(capsys, folder):
    (folder / "one.csv").write_text("unique_id,ds,y\na,2024-01-01,1\n")
    assert run("one.csv", "--models", "naive") == 3
    assert "Hint: give more rows" in capsys.readouterr().err
    assert plain("--gap", 5000) == 3
    assert "Hint: a smaller --gap" in capsys.readouterr().err
    assert run("wave.csv", "--models", "naive", "--horizon", 300) == 3
    assert "Hint: a shorter --horizon" in capsys.readouterr().err


def test_a_closed_standard_output_is_no_bug(folder):
    command = f"{sys.executable} -m forecast benchmark wave.csv --models naive --horizon 4 -q >&-"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "standard output is closed" in done.stderr


def test_series_that_never_change_are_scored_but_not_ranked(capsys, folder):
    rows = [f"a,2024-01-{day:02d},5" for day in range(1, 29)]
    (folder / "flat.csv").write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    assert run("flat.csv", "--models", "naive", "--horizon", 1, "--windows", 9) == 0
    assert "MASE is undefined, as before" in " ".join(capsys.readouterr().err.split())
    gate = ("--fail-unless-better-than", "snaive")
    assert run("flat.csv", "--models", "naive", "--horizon", 1, "--windows", 9, *gate) == 8
    assert "MASE is undefined" in capsys.readouterr().err


def test_a_short_season_is_not_taken_for_a_price(capsys, folder):
    """Too few days show no season by the test of a random walk, whatever there is."""
    rng = np.random.default_rng(1)
    t = np.arange(216)
    y = 100 + 10 * np.sin(t * np.pi / 12) + 2 * rng.normal(size=len(t))
    hours = np.datetime64("2024-01-01T00") + t
    rows = [f"a,{h}:00:00,{v:.4f}" for h, v in zip(hours, y, strict=True)]
    (folder / "short.csv").write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    out = ("-q", "-f", "json", "-o", "o.json")
    assert run("short.csv", "--models", "naive", "--horizon", 24, "--windows", 4, *out) == 0
    assert not json.loads((folder / "o.json").read_text())["task"]["prices"]


def test_prices_by_the_hour_are_said_to_be_taken_for_prices(capsys, folder):
    walk = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).normal(size=1200)))
    hours = np.datetime64("2024-01-01T00") + np.arange(len(walk))
    rows = [f"a,{h}:00:00,{v:.4f}" for h, v in zip(hours, walk, strict=True)]
    (folder / "walk.csv").write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    flags = ("--models", "naive", "--horizon", 4, "--windows", 12, "-o", "/dev/null")
    assert run("walk.csv", *flags) == 0
    assert "Taken for prices, near a random walk" in capsys.readouterr().err
    assert run("walk.csv", *flags, "--transform", "none") == 0
    assert "Taken for prices" not in capsys.readouterr().err
