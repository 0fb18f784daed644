"""Backtests: which rows, no look-ahead, baselines, failures, and numbers by hand."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from forecast import backtest
from forecast.data import tables
from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.panel import assemble
from forecast.errors import DataError, UsageError
from forecast.results import LEVELS, Task
from forecast.training.run import Run

HOURLY = Clock("fixed", step=HOUR, seasons=(4, 8))
HALF = LEVELS.index(0.5)


def panel(lengths=(60, 60), starts=(0, 0)):
    rng = np.random.default_rng(0)
    arrays = [50 + 10 * np.sin(np.arange(n) * np.pi / 2) + rng.normal(size=n) for n in lengths]
    names = [f"s{i}" for i in range(len(lengths))]
    return assemble(names, arrays, [s * HOUR for s in starts], HOURLY)


def test_rows_and_truth_of_the_last_windows():
    found = backtest.run(panel((60, 40)), Task(4, windows=3, stride=2), ["naive"])
    assert len(found.y) == 2 * 3 * 4
    np.testing.assert_array_equal(found.step[:4], [1, 2, 3, 4])
    first = panel((60, 40)).series(0)
    np.testing.assert_array_equal(found.y[:4], first[52:56])
    np.testing.assert_array_equal(found.cutoff[:4], 51 * HOUR)
    np.testing.assert_array_equal(found.ds[:4], (52 + np.arange(4)) * HOUR)
    np.testing.assert_array_equal(found.origin[:4], first[51])
    np.testing.assert_allclose(found.runs["naive"].quantiles[:4, HALF], first[51])


def test_baselines_always_run_and_each_name_stands_once():
    found = backtest.run(panel(), Task(4), ["snaive", "naive", "snaive"])
    assert list(found.runs) == ["snaive", "naive", "linear", "snaive-week", "drift"]
    assert all(np.isfinite(run.quantiles).all() for run in found.runs.values())


def test_a_first_cutoff_steps_along_the_grid_of_the_panel():
    data = panel((60, 50), (0, 30))  # s1 runs from 30 to 79
    found = backtest.run(data, Task(4, windows=5, stride=10, first_cutoff=19 * HOUR), ["naive"])
    cutoffs = [np.unique(found.cutoff[found.series == i]) // HOUR for i in (0, 1)]
    np.testing.assert_array_equal(cutoffs[0], [19, 29, 39, 49])  # s0 ends at 59
    np.testing.assert_array_equal(cutoffs[1], [39, 49, 59])  # s1 has no row at 19 and 29
    last = found.series == 0
    assert np.isfinite(found.runs["naive"].mean[last]).all()


def test_a_window_cut_by_the_end_keeps_the_rows_there_are():
    data = panel((60, 63))
    found = backtest.run(data, Task(4, windows=1, first_cutoff=57 * HOUR), ["naive"])
    assert [int((found.series == i).sum()) for i in (0, 1)] == [2, 4]


def test_trading_days_step_by_rows_and_carry_their_timestamps():
    days = np.arange(100)
    days = days[(days + 3) % 7 < 5]
    clock = Clock("trading", unit="D")
    walk = 50 * np.exp(0.01 * np.random.default_rng(0).normal(size=len(days)).cumsum())
    data = replace(assemble(["a"], [walk], [0], clock), times=days * DAY)
    task = Task(2, windows=3, stride=1, first_cutoff=int(days[40]) * DAY)
    found = backtest.run(data, task, ["naive"])
    assert found.prices
    assert found.baseline == "naive"
    assert "naive-ewma" in found.runs
    np.testing.assert_array_equal(found.ds[:2], days[41:43] * DAY)
    np.testing.assert_array_equal(found.cutoff[::2], days[40:43] * DAY)


def test_replay_equals_a_fit_and_predict_by_hand():
    from forecast import fitting

    data = panel()
    found = backtest.run(data, Task(4, windows=3, stride=5), ["snaive"])
    model = fitting.fit(data.rows(np.zeros(2, np.int64), data.lengths - 14), "snaive", 4)
    by_hand = model.update(data.rows(np.zeros(2, np.int64), data.lengths - 4)).predict()
    last = found.cutoff == 55 * HOUR
    np.testing.assert_allclose(found.runs["snaive"].mean[last], by_hand.mean.ravel(), rtol=1e-12)


def test_refit_fits_again_on_all_rows_so_far():
    counts = []
    data = panel()

    def watch(stage, done, note):
        counts.append(stage)

    whole = Run(progress=watch)
    found = backtest.run(data, Task(4, windows=4, stride=2, refit=2), ["drift"], resources=whole)
    assert found.runs["drift"].fit_seconds > 0
    assert sum(stage == "drift: windows" for stage in counts) == 4


def test_what_comes_after_a_cutoff_does_not_matter():
    data = panel()
    noisy = replace(data, values=np.where(np.arange(120) % 60 > 55, 1e6, data.values))
    task = Task(4, windows=1)
    ours = backtest.run(data, task, ["snaive-week"])
    theirs = backtest.run(noisy, task, ["snaive-week"])
    for name, one in ours.runs.items():
        np.testing.assert_array_equal(one.quantiles, theirs.runs[name].quantiles, err_msg=name)


def test_too_many_windows_say_how_many_fit():
    with pytest.raises(DataError) as error:
        backtest.run(panel(), Task(4, windows=1000), ["naive"])
    assert error.value.hint == "--windows 14"
    with pytest.raises(DataError, match="only 10 of 99"):
        backtest.run(panel(), Task(4, windows=99, first_cutoff=19 * HOUR), ["naive"])


def test_a_cutoff_outside_the_data_names_its_span():
    for cutoff in (-5 * HOUR, 500 * HOUR):
        with pytest.raises(DataError, match="outside"):
            backtest.run(panel(), Task(4, first_cutoff=cutoff), ["naive"])


def test_an_unknown_model_is_refused_before_anything_runs():
    with pytest.raises(UsageError, match="lstm"):
        backtest.run(panel(), Task(4), ["lstm"])


def test_a_model_that_fails_is_named_and_the_others_go_on(monkeypatch):
    from forecast import fitting
    from forecast.errors import FitError

    real = fitting.fit

    def fit(data, model, *args, **options):
        if model == "drift":
            raise FitError("no luck")
        return real(data, model, *args, **options)

    monkeypatch.setattr(fitting, "fit", fit)
    found = backtest.run(panel(), Task(4), ["naive", "drift"])
    assert found.runs["drift"].failed == "no luck"
    assert np.isfinite(found.score("naive").mase)
    assert np.isnan(found.score("drift").mase)


def test_a_series_with_gaps_has_rows_without_truth():
    data = panel()
    values = data.values.copy()
    values[57] = np.nan
    found = backtest.run(replace(data, values=values), Task(4), ["naive"])
    assert np.isnan(found.y).sum() == 1
    assert found.score("naive").rows == 7


def test_a_gap_is_neither_known_nor_judged():
    data = panel()
    found = backtest.run(data, Task(4, windows=2, stride=4, gap=3), ["naive"])
    plain = backtest.run(data, Task(7, windows=2, stride=4), ["naive"])
    later = plain.step > 3
    np.testing.assert_array_equal(found.ds, plain.ds[later])
    np.testing.assert_array_equal(found.step, plain.step[later] - 3)
    for name in ("naive", "snaive"):
        ours, theirs = found.runs[name].quantiles, plain.runs[name].quantiles[later]
        np.testing.assert_array_equal(ours, theirs)


def test_a_span_forgets_what_lies_before_it():
    data = panel()
    values = data.values.copy()
    values[:20] = 1e5  # of s0, before the span
    other = replace(data, values=values)
    task = Task(4, windows=2, refit=1, span=30)
    ours, theirs = (backtest.run(d, task, ["drift"]).runs["drift"] for d in (data, other))
    np.testing.assert_array_equal(ours.quantiles, theirs.quantiles)
    whole = backtest.run(other, replace(task, span=None), ["drift"]).runs["drift"]
    assert (whole.quantiles != theirs.quantiles).any()


def test_seeds_give_a_mean_and_a_spread():
    options = {"settings": {"esn": {"units": "10"}}}
    found = backtest.run(panel(), Task(4, windows=2, seeds=3), ["esn"], options=options)
    esn = found.runs["esn"]
    assert len(esn.repeats) == 2
    assert not found.runs["naive"].repeats
    alone = []
    for seed in range(3):
        one = backtest.run(panel(), Task(4, windows=2), ["esn"], options={**options, "seed": seed})
        alone.append(one.score("esn").mase)
    score = found.score("esn")
    assert score.mase == pytest.approx(np.mean(alone))
    assert score.mase_spread == pytest.approx(np.std(alone, ddof=1))
    assert score.seeds == 3


def test_a_model_that_fails_on_one_series_forecasts_the_others(monkeypatch):
    from forecast import fitting
    from forecast.errors import FitError

    real = fitting.fit

    def fit(data, model, *args, **options):
        if model == "drift" and "s2" in data.ids:
            raise FitError("s2 is odd")
        return real(data, model, *args, **options)

    monkeypatch.setattr(fitting, "fit", fit)
    found = backtest.run(panel((60, 60, 60, 60), (0, 0, 0, 0)), Task(4, windows=2), ["drift"])
    run = found.runs["drift"]
    assert run.failed is None
    assert run.dropped == {"s2": "s2 is odd"}
    assert np.isfinite(run.mean[found.series != 2]).all()
    assert found.score("drift").missing == 8


def test_flat_and_zero_series_have_scores_where_they_are_defined():
    from forecast.data.panel import assemble

    data = assemble(["flat", "zero", "wavy"], [np.full(60, 5.0), np.zeros(60), panel().series(0)],
                    [0, 0, 0], HOURLY)  # fmt: skip
    found = backtest.run(data, Task(4, windows=2), ["naive"])
    score = found.score("naive")
    assert (score.unscaled, score.zero_truths) == (2, 8)
    assert np.isfinite([score.mase, score.wql, score.mape, score.mae]).all()
    zero = backtest.run(data.select([2]), Task(4, windows=2), ["naive"]).score("naive")
    assert zero.mae == 0.0
    assert np.isnan([zero.mase, zero.wql, zero.mape]).all()


KILLED = """
import os, signal, sys
from pathlib import Path
from tests_panel import panel, TASK, OPTIONS
from forecast import backtest
from forecast.training.run import Run
left = int(sys.argv[2])
def watch(stage, done, note):
    global left
    left -= stage.endswith("windows")
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
backtest.run(panel(), TASK, ["esn"], options=OPTIONS,
             resources=Run(progress=watch, folder=Path(sys.argv[1])))
"""
SHARED = """
import numpy as np
from forecast.data.clock import HOUR, Clock
from forecast.data.panel import assemble
from forecast.results import Task
TASK = Task(4, windows=5, stride=2, refit=3, seeds=2)
OPTIONS = {"settings": {"esn": {"units": "10"}}}
def panel():
    rng = np.random.default_rng(0)
    wave = 50 + 10 * np.sin(np.arange(80) * np.pi / 2)
    return assemble(["a", "b"], [wave + rng.normal(size=80) for _ in "ab"], [0, 0],
                    Clock("fixed", step=HOUR, seasons=(4, 8)))
"""


def test_a_run_killed_twice_ends_with_the_same_bytes(tmp_path, monkeypatch):
    (tmp_path / "tests_panel.py").write_text(SHARED)
    (tmp_path / "killed.py").write_text(KILLED)

    def child(folder, left):
        command = [sys.executable, "killed.py", folder, str(left)]
        return subprocess.run(command, cwd=tmp_path, check=False).returncode

    assert child("broken", 4) == -signal.SIGKILL  # after a window whose forecasts are not all read
    journal = tmp_path / "broken" / "esn-0.jsonl"
    assert journal.exists()
    with journal.open("ab") as file:
        file.write(b'{"window": 4, "sec')  # a line cut short
    assert child("broken", 5) == -signal.SIGKILL
    assert child("broken", -1) == 0
    assert child("whole", -1) == 0
    names = sorted(p.name for p in (tmp_path / "whole").glob("*.npy"))
    assert names[:3] == ["drift-0.npy", "esn-0.npy", "esn-1.npy"]
    assert names == sorted(p.name for p in (tmp_path / "broken").glob("*.npy"))
    for name in names:
        ours, theirs = ((tmp_path / f / name).read_bytes() for f in ("broken", "whole"))
        assert ours == theirs, name
    assert np.isfinite(np.load(tmp_path / "whole" / "esn-1.npy")).all()


def test_a_folder_of_another_run_is_refused(tmp_path):
    task = Task(4, windows=2)
    first = backtest.run(panel(), task, ["naive"], resources=Run(folder=tmp_path / "run"))
    again = backtest.run(panel(), task, ["naive"], resources=Run(folder=tmp_path / "run"))
    np.testing.assert_array_equal(first.runs["naive"].mean, again.runs["naive"].mean)
    assert first.score("naive").fit_seconds == again.score("naive").fit_seconds
    with pytest.raises(UsageError, match="task: windows is 2 there, 3 here"):
        backtest.run(panel(), Task(4, windows=3), ["naive"], resources=Run(folder=tmp_path / "run"))
    with pytest.raises(UsageError, match="fingerprint"):
        backtest.run(panel((60, 61)), task, ["naive"], resources=Run(folder=tmp_path / "run"))
    sheet = tmp_path / "run" / "run.json"
    held = json.loads(sheet.read_text())
    held["versions"]["numpy"] = "1.0"
    sheet.write_text(json.dumps(held))
    with pytest.raises(UsageError, match=r"versions: numpy is 1.0 there"):
        backtest.run(panel(), task, ["naive"], resources=Run(folder=tmp_path / "run"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        backtest.run(panel(), task, ["naive"], resources=Run(folder=tmp_path / "other"))


def test_many_rows_go_through_files_and_give_the_same(monkeypatch):
    from forecast import runfolder
    from forecast.results import tally

    plain = backtest.run(panel(), Task(4, windows=5), ["snaive"])
    expected = [plain.score(name) for name in plain.runs]
    monkeypatch.setattr(runfolder, "LARGE", 0)
    monkeypatch.setattr(tally, "BLOCK", 7)
    found = backtest.run(panel(), Task(4, windows=5), ["snaive"])
    assert isinstance(found.y, np.memmap)
    for score in expected:
        ours = found.score(score.model)
        for key in ("mase", "wql", "crps", "cover80", "wins", "skill", "missing", "rows"):
            assert getattr(ours, key) == pytest.approx(getattr(score, key), nan_ok=True), key
    np.testing.assert_allclose(found.paths("snaive"), plain.paths("snaive"))
    np.testing.assert_array_equal(found.window_losses("drift"), plain.window_losses("drift"))


def test_a_season_that_only_later_rows_show_is_not_known_before():
    rng, t = np.random.default_rng(2), np.arange(600)
    y = np.where(t < 300, rng.normal(size=600), 5 * np.sin(2 * np.pi * t / 12)) + 50
    text = "t,y\n" + "".join(f"{k},{v:.4f}\n" for k, v in zip(t, y, strict=True))
    panel = tables.read(text.encode())
    assert panel.seen and panel.clock.seasons == (12,)
    early = backtest.run(panel, Task(6, 3, first_cutoff=280), ["snaive"], baselines=False)
    assert early.clock.seasons == () and early.season == 1
    late = backtest.run(panel, Task(6, 3), ["snaive"], baselines=False)
    assert late.clock.seasons == (12,)
    told = tables.read(text.encode(), season=12)
    given = backtest.run(told, Task(6, 3, first_cutoff=280), ["snaive"], baselines=False)
    assert given.clock.seasons == (12,)
