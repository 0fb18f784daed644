"""Permutation importance and in-sample fits against cases whose answer is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from forecast import backtest, calibration, cli, importance, in_sample
from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.covariates import Column
from forecast.data.panel import assemble
from forecast.fitting import fit
from forecast.plan import plan_windows
from forecast.report import data, html, markdown, terminal
from forecast.results import Task
from forecast.training.run import Run
from forecast.walk import Walk

HOURLY = Clock("fixed", HOUR, (24,))
TASK = Task(6, windows=20, stride=24)
COLUMNS = (Column("size", "static"), Column("heat", "known"), Column("noise", "known"),
           Column("wind", "past"))  # fmt: skip


def driven(n=2, rows=900):
    """Series that follow `heat` of the same hour and a daily wave; `noise`, `wind` are beside."""
    rng = np.random.default_rng(0)
    heat = [np.convolve(rng.normal(size=rows), 0.8 ** np.arange(30), "same") for _ in range(n)]
    hours = np.arange(rows)
    values = [50 + 3 * np.sin(np.pi * hours / 12) + 4 * h + 0.1 * rng.normal(size=rows)
              for h in heat]  # fmt: skip
    beside = [np.column_stack([np.full(rows, k), h, rng.normal(size=rows), rng.normal(size=rows)])
              for k, h in enumerate(heat)]  # fmt: skip
    names = [f"s{k}" for k in range(n)]
    return assemble(names, values, [0] * n, HOURLY, COLUMNS, beside)


def walked(panel, task, model, **options):
    """A walk, its forecaster at the first cutoff, and the scale of MASE."""
    walk = Walk(panel, plan_windows(panel, task), task)
    return walk, fit(walk.known(0), model, task.horizon, **options), np.ones(len(panel))


def test_what_drives_a_series_is_found_and_noise_is_not():
    found = importance.measure(*walked(driven(), TASK, "linear", transform="none"))
    assert list(found) == ["values", "calendar", "size", "heat", "noise", "wind"]
    assert found["heat"]["mean"] > 1.0
    assert found["values"]["mean"] > 0.3
    for name in ("noise", "wind", "size"):
        assert abs(found[name]["mean"]) < 0.05, name
    assert all(each["spread"] >= 0 for each in found.values())


def test_the_rise_is_that_of_a_slow_loop():
    """A copy of yesterday: the error with permuted days, counted by hand."""
    panel, task = driven(n=1), Task(24, windows=6, stride=24)
    walk, model, scale = walked(panel, task, "snaive")
    model = replace(model, calibration=calibration.none(24))
    found = importance.measure(walk, model, scale)
    assert list(found) == ["values", "calendar"]
    assert found["calendar"] == {"mean": 0.0, "spread": 0.0}
    y, start = panel.series(0), 900 - 6 * 24
    days = y[start:].reshape(6, 24)
    rng, risen = np.random.default_rng(0), []
    for _ in range(importance.REPEATS):
        order = rng.permutation(6)
        seen = [y[start - 24 : start], *days[order][:-1]]
        true = [y[start - 24 : start], *days[:-1]]
        errors = [np.mean([np.abs(a - b).mean() for a, b in zip(days, before, strict=True)])
                  for before in (seen, true)]  # fmt: skip
        risen.append(errors[0] - errors[1])
    assert found["values"]["mean"] == pytest.approx(np.mean(risen), rel=1e-9)
    assert found["values"]["spread"] == pytest.approx(np.std(risen, ddof=1), rel=1e-9)


def test_places_are_a_permutation_of_whole_windows():
    panel = driven(n=2, rows=300)
    ragged = panel.rows(np.array([0, 40]), np.array([300, 287]))
    plan = plan_windows(ragged, Task(6, windows=5, stride=24))
    order = np.array([3, 1, 4, 0, 2])
    source = importance.places(ragged, plan, 24, order)
    assert sorted(source) == list(range(len(source)))
    for i, begin in enumerate(plan.counts[0]):
        first, stop = ragged.offsets[i : i + 2]
        assert (source[first : first + begin] == np.arange(first, first + begin)).all()
        moved = source[first + begin : stop]
        assert (np.sort(moved) == np.arange(first + begin, stop)).all()
        whole = len(moved) // 24
        kept = [k for k in order if k < whole]
        assert (moved[: 24 * whole : 24] == first + begin + 24 * np.array(kept)).all()


@pytest.mark.parametrize("clock", [
    HOURLY, Clock("fixed", DAY, (7,)), Clock("index", 1, (12,)), Clock("calendar", 1, (12,)),
    Clock("fixed", HOUR, (24, 168), zone="Europe/Berlin"),
])  # fmt: skip
def test_a_scrambled_clock_shows_the_phases_of_other_windows(clock):
    values = 10 + np.arange(300.0) % 24
    panel = assemble(["a"], [values], [0 if clock.kind == "index" else 10**15], clock)
    walk, model, _ = walked(panel, Task(3, windows=4, stride=5), "snaive")
    order = np.array([2, 0, 3, 1])
    scrambled = importance.Scrambled.over(model, walk, order)
    first = int(walk.plan.counts[0, 0])
    times = clock.shift(panel.starts, np.arange(400))
    source = np.arange(first, first + 20).reshape(4, 5)[order].ravel()
    assert (scrambled.phases(times[first : first + 20]) == clock.phases(times[source])).all()
    assert (scrambled.phases(times[:first]) == clock.phases(times[:first])).all()
    assert (scrambled.ahead(times[:1], 3) == clock.ahead(times[:1], 3)).all()


def test_in_sample_fits_are_one_step_forecasts_of_rows_before_the_cutoff():
    panel, task = driven(n=3), Task(24, windows=3)
    walk, model, scale = walked(panel, task, "naive")
    model = replace(model, calibration=calibration.none(24))
    found = in_sample.measure(walk, model, scale)
    cut = int(walk.plan.counts[0, 0])
    rows = min(in_sample.ROWS, cut // 2)
    steps = [np.abs(np.diff(panel.series(i)[cut - rows - 1 : cut])) for i in range(3)]
    assert found["rows"] == 3 * rows
    assert found["mase"] == pytest.approx(np.mean(steps), rel=1e-9)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(steps))), rel=1e-6)
    assert found["y"] == panel.series(0)[cut - rows : cut].tolist()
    assert found["ds"] == panel.row_times(0)[cut - rows : cut].tolist()
    assert 0.7 < found["cover80"] <= 1


def test_trading_days_short_series_and_holes_are_walked():
    rng = np.random.default_rng(1)
    days = np.cumsum(rng.choice([1, 1, 1, 1, 3], 400)) * DAY
    prices = assemble(["p"], [np.exp(4 + np.cumsum(0.01 * rng.normal(size=400)))], [0], HOURLY)
    prices = replace(prices, times=days, starts=days[:1], clock=Clock("trading", unit="D"))
    found = backtest.run(
        prices, Task(1, windows=20), ["kalman"], probes=["importance", "in_sample"]
    )
    assert list(found.runs["kalman"].probes["importance"]) == ["values"]
    panel = driven(n=2, rows=300)
    values = panel.values.copy()
    values[rng.random(600) < 0.3] = np.nan
    ragged = replace(panel, values=values).rows(np.array([0, 270]), np.array([300, 300]))
    found = backtest.run(ragged, Task(6, windows=3), ["snaive"], probes=["importance", "in_sample"])
    assert found.runs["snaive"].probes["in_sample"]["rows"] > 0
    once = backtest.run(panel, Task(6, windows=1), ["snaive"], probes=["importance"])
    assert once.runs["snaive"].probes["importance"] == {}


def test_reports_show_both_and_a_resumed_run_keeps_them(tmp_path):
    panel = driven(n=2, rows=400)
    resources = Run(folder=tmp_path / "run")
    looks = {"probes": ["importance", "in_sample"], "resources": resources}
    first = backtest.run(panel, Task(6, windows=10), ["linear"], **looks)
    again = backtest.run(panel, Task(6, windows=10), ["linear"], **looks)
    assert again.runs["linear"].probes == first.runs["linear"].probes
    found = json.loads(data.to_json(first))
    assert set(found["importance"]["linear"]) >= {"values", "calendar", "heat"}
    assert set(found["in_sample"]["linear"]) == {"mase", "rmse", "cover80", "rows"}
    page = html.page([("driven", first)])
    assert "What the models live on" in page
    assert "MASE of the fit" in page
    assert "fits in sample" in page
    for text in (terminal.leaderboard(first), markdown.leaderboard(first)):
        assert "Rise of MASE when an input is permuted" in text
        assert "In sample, one step ahead" in text
    without = backtest.run(panel, Task(6, windows=10), ["linear"])
    assert "importance" not in json.loads(data.to_json(without))
    assert "What the models live on" not in html.page([("driven", without)])


def test_the_command_asks_for_both(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    driven(n=1, rows=300).to_frame().to_csv("d.csv", index=False)
    args = ["d.csv", "--models", "snaive", "--horizon", "6", "--windows", "10", "-f", "table"]
    assert (
        cli.run(
            ["benchmark", *args, "--season", "24", "--known", "heat", "--importance", "--in-sample"]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "calendar" in out
    assert "MASE of the fit" in out
