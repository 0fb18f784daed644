"""`tune`: halving by hand, the same bytes after a kill, and refusals before any work."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from itertools import count

import numpy as np
import pytest

from forecast import fitting, selection
from forecast.data import tables
from forecast.data.clock import HOUR, Clock
from forecast.data.panel import Panel, assemble
from forecast.errors import DataError, FitError, UsageError
from forecast.models import FAMILIES, family
from forecast.models.settings import configure
from forecast.models.spaces import SPACES
from forecast.report import trials as report
from forecast.selection import Search, Trial
from forecast.selection.halving import halve
from forecast.training.run import Run

DAILY = Clock("fixed", step=HOUR, seasons=(24,))


def panel(rows: int = 480, series: int = 2) -> Panel:
    rng, t = np.random.default_rng(1), np.arange(rows)
    data = [
        100 * (1 + 0.3 * np.sin(2 * np.pi * (t + i) / 24)) * np.exp(0.03 * rng.normal(size=rows))
        for i in range(series)
    ]
    return assemble([f"s{i}" for i in range(series)], data, [0] * series, DAILY)


def search(name: str = "linear", **options: object) -> Search:
    return selection.on(Search(family(name), **options), panel(), 24)


@pytest.mark.parametrize("name", list(SPACES))
def test_every_space_is_one_of_settings_the_family_takes(name):
    space, kind = SPACES[name], FAMILIES[name]
    plain = configure(kind, {})
    known = {f.name for f in fields(plain)}
    assert set(space.choices) <= known
    for setting, texts in space.choices.items():
        assert len({getattr(configure(kind, {setting: text}), setting) for text in texts}) > 1
    if space.work:
        assert (getattr(plain, space.work) or space.whole) >= 2
        assert space.work not in space.choices


def test_rungs_spend_no_more_than_the_budget_and_grow_by_three():
    for budget in (3000, 6000, 12_000, 50_000):
        found = search("gru", budget=budget, fixed={"updates": "900"})
        rungs = found.rungs()
        assert [work for _, work in rungs] == [100, 300, 900]
        assert sum(n * work for n, work in rungs) <= budget
        n = rungs[0][0]
        assert [m for m, _ in rungs] == [n, max(-(-n // 3), 2), max(-(-n // 9), 2)]
        more = [(n + 1, 100), (max(-(-(n + 1) // 3), 2), 300), (max(-(-(n + 1) // 9), 2), 900)]
        assert sum(n * work for n, work in more) > budget or n == 3**4
    assert search("gru").work == 1200
    assert search("gru").whole(Trial(0, 0, 1, {})) == {"updates": "1200"}
    assert search("esn").whole(Trial(0, 1, 1, {"units": "3"})) == {"units": "3"}
    assert search("linear", budget=10**9).rungs() == [(12, 1)]
    assert search("linear").rungs() == [(10, 1)]


def test_candidates_differ_and_the_first_is_the_default():
    found = search("esn", budget=100).candidates()
    assert found[0] == {}
    assert len({tuple(c.items()) for c in found}) == len(found)
    configs = [configure(family("esn"), c) for c in found]
    assert len(set(configs)) == len(configs)
    assert search("esn", budget=100, seed=1).candidates() != found
    fixed = search("esn", budget=100, fixed={"units": "77"})
    assert all("units" not in c for c in fixed.candidates())


def test_halving_keeps_the_best_and_always_the_default():
    """The loss is the candidate's number, so that the best are known; one of them fails."""
    found = search("gru", budget=20_000, fixed={"updates": "900"})

    def judge(trial: Trial) -> Trial:
        if trial.candidate == 1:
            return replace(trial, failed="too small")
        return replace(trial, mase=10.0 if trial.candidate == 0 else float(trial.candidate))

    said: list[str] = []
    trials = halve(found, judge, said.append)
    by_rung = [[t.candidate for t in trials if t.rung == k] for k in range(3)]
    first, second, third = (n for n, _ in found.rungs())
    assert by_rung[0] == list(range(first))
    assert by_rung[1] == [0, *range(2, second + 1)]
    assert by_rung[2] == [0, *range(2, third + 1)]
    assert selection.best(trials).candidate == 2
    assert [text.split(":")[0].split(" candidates")[0] for text in said] == [
        f"rung {k + 1} of 3: {n}".split(":")[0] for k, n in enumerate((first, second, third))
    ]
    with pytest.raises(FitError, match="too small"):
        selection.best([replace(t, mase=None, failed="too small") for t in trials])


def test_a_candidate_is_judged_as_by_hand():
    data, task = panel(), search(budget=2)
    trial = selection.tune(data, task)[1]
    horizon, windows = task.task.horizon, task.task.windows
    cut = 480 - windows * horizon
    rows = data.rows(np.zeros(2, int), np.full(2, cut))
    fitted = fitting.fit(rows, "linear", horizon, settings=trial.settings)
    errors = []
    for w in range(windows):
        seen = data.rows(np.zeros(2, int), np.full(2, cut + w * horizon))
        median = fitted.predict(seen, levels=(0.5,)).quantiles[..., 0]
        y = data.values.reshape(2, 480)[:, cut + w * horizon : cut + (w + 1) * horizon]
        errors.append(np.abs(y - median).mean(axis=1))
    known = data.values.reshape(2, 480)[:, :cut]
    scale = np.abs(known[:, 24:] - known[:, :-24]).mean(axis=1)
    assert trial.mase == pytest.approx((np.mean(errors, axis=0) / scale).mean(), rel=1e-9)


def heated(rows: int = 480) -> list[str]:
    """Return lines `ds,y,heat` of a load that heat explains but for a little noise."""
    rng, t = np.random.default_rng(3), np.arange(rows)
    heat = rng.normal(size=rows)
    y = 50 + 5 * np.sin(2 * np.pi * t / 24) + 10 * heat + 0.1 * rng.normal(size=rows)
    days = np.datetime64("2024-01-01T00:00") + t.astype("m8[h]")
    return [f"{d},{v:.4f},{h:.4f}\n" for d, v, h in zip(days, y, heat, strict=True)]


def test_candidates_see_the_covariates_of_the_steps_to_come(forecast, tmp_path):
    lines = heated()
    data = tables.read(("ds,y,heat\n" + "".join(lines)).encode(), known=["heat"])
    task = selection.on(Search(family("linear"), budget=2), data, 24, 1)
    trials = selection.tune(data, task)
    past = tables.read(("ds,y,heat\n" + "".join(lines[:-24])).encode(), known=["heat"])
    ahead = [line.split(",") for line in lines[-24:]]
    future = "ds,heat\n" + "".join(f"{day},{heat}" for day, _, heat in ahead)
    model = fitting.fit(past, "linear", 24, settings=trials[1].settings)
    table = tables.read(
        future.encode(), clock=model.clock, layout=model.layout, known=["heat"], future=True
    )
    median = model.predict(future=table, levels=(0.5,)).quantiles[0, :, 0]
    error = np.abs(median - [float(y) for _, y, _ in ahead]).mean()
    scale = np.abs(past.values[24:] - past.values[:-24]).mean()
    assert trials[1].mase == pytest.approx(error / scale, rel=1e-9)
    blind = tables.read(("ds,y,heat\n" + "".join(lines)).encode(), value="y")
    assert trials[0].mase < 0.8 * selection.tune(blind, task)[0].mase
    (tmp_path / "load.csv").write_text("ds,y,heat\n" + "".join(lines))
    args = ("tune", "load.csv", "-m", "linear", "--horizon", 24, "--windows", 1, "--budget", 2)
    done = forecast(*args, "--known", "heat", "-o", "model", "-f", "csv")
    assert done.returncode == 0, done.stderr
    first = next(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert float(first["mase"]) == pytest.approx(trials[0].mase, rel=1e-4)
    assert b"--known heat" in done.stderr
    assert b"known `heat`: 24 of 24 steps to come lack" in forecast("predict", "model").stderr


def test_a_search_goes_on_where_it_was_cut(tmp_path, monkeypatch):
    whole = selection.tune(panel(), search(budget=4), file=tmp_path / "whole")
    calls, real = count(1), selection._judged

    def cut(*args: object) -> Trial:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(selection, "_judged", cut)
    with pytest.raises(KeyboardInterrupt):
        selection.tune(panel(), search(budget=4), file=tmp_path / "cut")
    assert len(json.loads((tmp_path / "cut").read_text())["trials"]) == 2
    again = selection.tune(panel(), search(budget=4), file=tmp_path / "cut", run=Run(resume=True))
    assert again == whole
    assert next(calls) == 6  # three that came to an end, the one that was cut, its repetition
    assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()
    with pytest.raises(UsageError, match="seed differs"):
        selection.tune(
            panel(), search(budget=4, seed=1), file=tmp_path / "cut", run=Run(resume=True)
        )
    with pytest.raises(UsageError, match="data differs"):
        selection.tune(
            panel(series=1), search(budget=4), file=tmp_path / "cut", run=Run(resume=True)
        )
    with pytest.raises(UsageError, match="clock differs"):
        weekly = replace(panel(), clock=DAILY.with_seasons((24, 168)))
        selection.tune(weekly, search(budget=4), file=tmp_path / "cut", run=Run(resume=True))
    (tmp_path / "cut").write_text("{")
    with pytest.raises(UsageError, match="no trials of a search"):
        selection.tune(panel(), search(budget=4), file=tmp_path / "cut", run=Run(resume=True))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("naive", {}, "nothing to tune in naive"),
        ("ensemble", {}, "nothing to tune in ensemble"),
        ("linear", {"budget": 1}, "budget of 1 is too small"),
        ("linear", {"fixed": {"harmonics": "3", "hours": "no"}}, "fixed"),
        ("linear", {"fixed": {"harmonic": "3"}}, "no setting `harmonic`"),
    ],
)
def test_a_search_that_cannot_be_is_refused(name, options, words):
    with pytest.raises(UsageError, match=words):
        Search(family(name), **options)


def test_data_that_cannot_judge_are_refused():
    with pytest.raises(DataError, match="too short"):
        selection.on(Search(family("linear")), panel(rows=50), 24)
    flat = assemble(["flat"], [np.full(480, 7.0)], [0], DAILY)
    trials = selection.tune(flat, selection.on(Search(family("linear"), budget=2), flat, 24))
    with pytest.raises(FitError, match="MASE is not defined"):
        selection.best(trials)
    assert "MASE is not defined" in report.to_csv(trials)


def test_trials_are_written_as_they_are():
    task = search(budget=3)
    trials = [
        Trial(0, 0, 1, {}, 0.5, 0.25),
        Trial(0, 1, 1, {"harmonics": "5", "hours": "no"}, 1 / 3, 0.2),
        Trial(0, 2, 1, {"hours": "yes"}, failed="too short, by far"),
    ]
    rows = list(csv.DictReader(io.StringIO(report.to_csv(trials))))
    assert [row["mase"] for row in rows] == ["0.5", "0.333333", ""]
    assert rows[2]["failed"] == "too short, by far"
    document = json.loads(report.to_json(trials, task, selection.best(trials)))
    assert document["best"] == {"candidate": 1, "settings": trials[1].settings}
    assert document["trials"][2]["mase"] is None
    text = report.to_text(trials).splitlines()
    assert text[1].split() == ["0", "1", "1", "0.333333", "0.2", "harmonics=5", "hours=no"]
    assert text[2].endswith("default")
    assert text[3].endswith("failed: too short, by far")


def test_the_command_goes_on_after_a_kill_to_the_same_bytes(forecast, tmp_path):
    t = np.arange(480)
    load = 100 * (1 + 0.3 * np.sin(2 * np.pi * t / 24)) + np.random.default_rng(0).normal(size=480)
    days = np.datetime64("2024-01-01T00") + t.astype("m8[h]")
    lines = [f"{day},{value:.3f}" for day, value in zip(days, load, strict=True)]
    (tmp_path / "load.csv").write_text("\n".join(["ds,y", *lines]) + "\n")
    args = ["tune", "load.csv", "--model", "esn", "--set", "reservoirs=1", "--set", "units=20",
            "--budget", "4", "--horizon", "24", "-f", "csv"]  # fmt: skip
    straight = forecast(*args, "-o", "straight")
    assert straight.returncode == 0, straight.stderr
    file = tmp_path / "model.checkpoint.trials"
    running = subprocess.Popen(
        [sys.executable, "-m", "forecast", *args, "-o", "model"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while running.poll() is None and not (file.exists() and file.read_text().count('"rung"') > 1):
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert file.exists()
    resumed = forecast(*args, "-o", "model", "--resume")
    assert resumed.stdout == straight.stdout
    assert (tmp_path / "model").read_bytes() == (tmp_path / "straight").read_bytes()
    assert not file.exists()
    assert resumed.stdout.startswith(b"rung,candidate,work,mase,wql,settings,failed\n0,0,1,")
    assert b"Best: --set" in resumed.stderr
    assert b"forecast fit load.csv --model esn --horizon 24 --set" in resumed.stderr
    odd = forecast(*args[:-2], "--trials", "trials.xlsx")
    assert odd.returncode == 2
    assert b"trials.xlsx" in odd.stderr
