"""Backtests: which rows, no look-ahead, baselines, failures, and numbers by hand."""

from dataclasses import replace

import numpy as np
import pytest

from forecast import backtest
from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.panel import assemble
from forecast.errors import DataError, UsageError
from forecast.results import LEVELS, Task

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

    from forecast.training.run import Run

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
