"""Scores of a benchmark against the arena's formulas, written out in pandas."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.data.clock import DAY, HOUR, Clock
from forecast.errors import UsageError
from forecast.results import DECILES, LEVELS, Benchmark, ModelRun, Task


def benchmark(prices=False, n=4, windows=6, horizon=12, seed=0, **changes):
    """A benchmark of random forecasts: snaive poor, snaive-week better, gru best."""
    rng = np.random.default_rng(seed)
    rows = n * windows * horizon
    series = np.repeat(np.arange(n), windows * horizon)
    step = np.tile(np.arange(1, horizon + 1), n * windows)
    cutoff = np.tile(np.repeat(np.arange(windows) * horizon, horizon), n)
    y = (1.0 + series) * (10 + rng.standard_normal(rows))
    names = {"naive": 2.0, "snaive": 3.0, "snaive-week": 1.5, "gru": 0.5}
    fields = {
        "ids": tuple(f"s{i}" for i in range(n)),
        "clock": Clock("trading", unit="D") if prices else Clock("fixed", HOUR, (24, 168)),
        "name": "made up",
        "horizon": horizon,
        "windows": windows,
        "stride": horizon,
        "season": 1 if prices else 24,
        "prices": prices,
        "series": series,
        "cutoff": cutoff * (DAY if prices else HOUR),
        "ds": (cutoff + step) * (DAY if prices else HOUR),
        "step": step,
        "y": y,
        "origin": y + rng.standard_normal(rows),
        "mae_scale": rng.uniform(1, 5, n),
        "mse_scale": rng.uniform(1, 20, n),
        "levels": LEVELS,
        "runs": {name: random_run(rng, name, y, size) for name, size in names.items()},
    }
    return Benchmark(**(fields | changes))


def random_run(rng, name, y, size):
    mean = y + size * rng.standard_normal(len(y))
    quantiles = mean[:, None] + np.sort(size * rng.standard_normal((len(y), len(LEVELS))), axis=1)
    return ModelRun(name, mean, quantiles, 1.5, 0.25, 1000, "cpu")


def arena(b, name):
    """The arena scorer's `figures`, for rows whose truth is there."""
    run, kept = b.runs[name], np.isfinite(b.y)
    columns = [LEVELS.index(p) for p in DECILES]
    y, mean, q = b.y[kept], run.mean[kept], run.quantiles[kept][:, columns]
    uid, median = b.series[kept], q[:, 4]
    ae, se = np.abs(y - median), (y - mean) ** 2
    by = pd.DataFrame(
        {
            "uid": uid,
            "mase": ae / b.mae_scale[uid],
            "msse": se / b.mse_scale[uid],
            "smape": 200 * ae / (np.abs(y) + np.abs(median)),
            "mape": np.where(np.abs(y) > 1e-9, 100 * ae / np.abs(y), np.nan),
        }
    )
    by = by.groupby("uid").mean()
    loss = 2 * np.mean(
        [np.maximum(p * (y - q[:, i]), (p - 1) * (y - q[:, i])) for i, p in enumerate(DECILES)],
        axis=0,
    )
    return {
        "mase": by["mase"].mean(),
        "rmsse": np.sqrt(by["msse"]).mean(),
        "smape": by["smape"].mean(),
        "mape": by["mape"].mean(),
        "mae": ae.mean(),
        "rmse": np.sqrt(se.mean()),
        "bias": (mean - y).mean(),
        "wql": loss.sum() / np.abs(y).sum(),
        "cover80": np.mean((y >= q[:, 0]) & (y <= q[:, -1])),
    }


@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_scores_equal_the_arenas(holes):
    y = benchmark().y
    y[np.random.default_rng(1).random(len(y)) < holes] = np.nan
    b = benchmark(y=y, runs=benchmark().runs)
    for score in b.scores():
        for name, expected in arena(b, score.model).items():
            assert getattr(score, name) == pytest.approx(expected, rel=1e-10), (score.model, name)
        assert score.rows == np.isfinite(b.y).sum()
        assert score.missing == 0


def test_leaderboard_order_and_baseline():
    b = benchmark()
    assert b.baseline == "snaive-week"
    assert [s.model for s in b.scores()] == ["gru", "snaive-week", "naive", "snaive"]
    gru, week = b.score("gru"), b.score("snaive-week")
    assert gru.skill == pytest.approx(1 - gru.mase / week.mase)
    assert gru.skill_wql == pytest.approx(1 - gru.wql / week.wql)
    assert week.skill == week.skill_wql == 0.0
    assert (gru.fit_seconds, gru.predict_seconds, gru.parameters) == (1.5, 0.25, 1000)


def test_a_missing_row_is_scored_as_the_daily_naive():
    runs = benchmark().runs
    gru, snaive = runs["gru"], runs["snaive"]
    gru.mean[:5] = np.nan
    gru.quantiles[10, 3] = np.inf
    b = benchmark(runs=runs)
    score = b.score("gru")
    assert score.missing == 6
    for rows in (slice(0, 5), slice(10, 11)):
        gru.mean[rows] = snaive.mean[rows]
        gru.quantiles[rows] = snaive.quantiles[rows, LEVELS.index(0.5)][:, None]
    expected = arena(b, "gru")
    assert score.mase == pytest.approx(expected["mase"])
    assert score.wql == pytest.approx(expected["wql"])
    assert score.rmse == pytest.approx(expected["rmse"])


def test_a_failed_model_stands_last_without_scores():
    runs = benchmark().runs
    runs["gru"].failed = "did not converge"
    b = benchmark(runs=runs)
    last = b.scores()[-1]
    assert last.model == "gru"
    assert math.isnan(last.mase)
    assert np.isnan(b.by_step("gru")).all()


def test_a_failed_baseline_is_not_chosen():
    runs = benchmark().runs
    runs["snaive-week"].failed = "too short"
    assert benchmark(runs=runs).baseline == "snaive"
    assert benchmark(runs={"gru": runs["gru"]}).baseline == "gru"


def test_error_by_step_averages_to_mase():
    b = benchmark()
    for name in b.runs:
        assert b.by_step(name).mean() == pytest.approx(b.score(name).mase)
        assert b.by_series(name).mean() == pytest.approx(b.score(name).mase)
    slow = np.zeros(b.horizon)
    median = b.runs["gru"].quantiles[:, LEVELS.index(0.5)]
    for i in range(len(b.y)):
        slow[b.step[i] - 1] += abs(b.y[i] - median[i]) / b.mae_scale[b.series[i]]
    np.testing.assert_allclose(b.by_step("gru"), slow / (4 * b.windows), rtol=1e-12)


def test_series_without_a_scale_are_left_out_and_counted():
    b = benchmark()
    b.mae_scale[1], b.mse_scale[1] = 0.0, np.nan
    b.y[3] = 0.0
    b = replace(b, baseline="")
    score = b.score("gru")
    assert (score.unscaled, score.zero_truths) == (1, 1)
    errors = np.abs(b.y - b.quantile("gru", 0.5))
    means = [errors[b.series == i].mean() / b.mae_scale[i] for i in (0, 2, 3)]
    assert score.mase == pytest.approx(np.mean(means))
    assert np.isfinite(b.by_step("gru")).all()


def test_prices_are_scored_against_the_random_walk():
    b = benchmark(prices=True, horizon=3)
    walk = b.runs["naive"]
    walk.mean[:] = b.origin
    walk.quantiles[:] = b.origin[:, None]
    b = replace(b, baseline="")
    assert b.baseline == "naive"
    score = b.score("naive")
    assert score.r2_vs_rw == pytest.approx(0.0)
    assert math.isnan(score.hit_rate)
    gru, first = b.score("gru"), b.step == 1
    up = (b.y > b.origin) == (b.quantile("gru", 0.5) > b.origin)
    assert gru.hit_rate == pytest.approx(up[first].mean())
    assert gru.hit_low < gru.hit_rate < gru.hit_high
    num = den = 0.0
    for i in range(len(b.y)):
        num += (b.y[i] - b.runs["gru"].mean[i]) ** 2 / b.mse_scale[b.series[i]]
        den += (b.y[i] - b.origin[i]) ** 2 / b.mse_scale[b.series[i]]
    assert gru.r2_vs_rw == pytest.approx(1 - num / den)
    assert math.isnan(benchmark().score("gru").r2_vs_rw)


def test_a_task_refuses_what_cannot_be():
    assert Task(24).step == 24
    assert Task(24, stride=6).step == 6
    with pytest.raises(UsageError, match="windows is 0"):
        Task(24, windows=0)


def test_losses_by_cutoff_equal_a_loop():
    b = benchmark(windows=5)
    expected = []
    for cut in np.unique(b.cutoff):
        here = b.cutoff == cut
        error = np.abs(b.y - b.runs["gru"].quantiles[:, LEVELS.index(0.5)])[here]
        expected.append(np.mean(error / b.mae_scale[b.series[here]]))
    np.testing.assert_allclose(b.losses("gru"), expected)


def test_a_clear_difference_from_the_baseline_has_a_small_p_by_holm():
    from forecast.significance import diebold_mariano, holm

    b = benchmark(windows=30)
    assert b.score("gru").p < 0.001
    assert math.isnan(b.score(b.baseline).p)
    names = [name for name in b.runs if name != b.baseline]
    raw = [diebold_mariano(b.losses(n), b.losses(b.baseline)).p for n in names]
    np.testing.assert_allclose([b.score(n).p for n in names], holm(np.array(raw)))


def test_few_cutoffs_have_no_p():
    assert all(math.isnan(score.p) for score in benchmark(windows=6).scores())


def hac_p(d, overlap):
    """Diebold and Mariano's p of differences by cutoff, through statsmodels' HAC t-value."""
    from scipy.stats import t
    from statsmodels.api import OLS

    n = len(d)
    lags = max(overlap - 1, int(4 * (n / 100) ** (2 / 9)))
    fit = OLS(d, np.ones(n)).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    short = (n + 1 - 2 * overlap + overlap * (overlap - 1) / n) / n
    return 2 * t.sf(abs(fit.tvalues[0]) * np.sqrt(short), n - 1)


def errors_in_pandas(b, name):
    kept = np.isfinite(b.y)
    error = np.abs(b.y - b.runs[name].quantiles[:, LEVELS.index(0.5)])
    columns = {"uid": b.series, "cutoff": b.cutoff, "step": b.step, "error": error,
               "scaled": error / b.mae_scale[b.series]}  # fmt: skip
    return pd.DataFrame(columns)[kept]


def lapping(horizon=12, stride=5, windows=40, **changes):
    """Windows that share steps: a cutoff every `stride` steps, fewer than are forecast."""
    cutoff = np.tile(np.repeat(np.arange(windows) * stride, horizon), 4) * HOUR
    made = benchmark(windows=windows, horizon=horizon, stride=stride, cutoff=cutoff, **changes)
    return replace(made, ds=cutoff + made.step * HOUR, baseline="")


def test_a_comparison_by_step_ahead_is_statsmodels():
    b = lapping()
    b.y[np.random.default_rng(3).random(len(b.y)) < 0.1] = np.nan
    b = replace(b, baseline="")
    ours, theirs = (errors_in_pandas(b, n).pivot_table("scaled", "cutoff", "step", aggfunc="mean")
                    for n in ("naive", "snaive"))  # fmt: skip
    difference, p = b.compare_steps("naive", "snaive")
    d = ours - theirs
    np.testing.assert_allclose(difference, d.mean(), rtol=1e-12)
    expected = [hac_p(d[h].to_numpy(), math.ceil(h / 5)) for h in range(1, 13)]
    np.testing.assert_allclose(p, expected, rtol=1e-9)


def test_a_comparison_by_series_is_statsmodels_with_holm():
    from statsmodels.stats.multitest import multipletests

    b = lapping()
    ours, theirs = (errors_in_pandas(b, n).pivot_table("error", "cutoff", "uid", aggfunc="mean")
                    for n in ("naive", "snaive"))  # fmt: skip
    difference, p = b.compare_series("naive", "snaive")
    d = ours - theirs
    np.testing.assert_allclose(difference, d.mean(), rtol=1e-12)
    raw = [hac_p(d[i].to_numpy(), 3) for i in range(4)]
    np.testing.assert_allclose(p, multipletests(raw, method="holm")[1], rtol=1e-9)


def test_comparisons_of_few_cutoffs_and_of_what_failed_tell_nothing():
    b = benchmark(windows=6)
    for found in (b.compare_steps("gru", "snaive"), b.compare_series("gru", "snaive")):
        assert np.isfinite(found[0]).all()
        assert np.isnan(found[1]).all()
    b.runs["gru"].failed = "did not converge"
    b = replace(b, baseline="")
    assert np.isnan(b.compare_steps("gru", "snaive")[1]).all()
    assert np.isnan(b.compare_series("gru", "snaive")[1]).all()


def staggered(windows, shift, n=12):
    """Series that end `shift` hours apart, with windows of a day counted back from their ends."""
    b = benchmark(n=n, windows=windows, horizon=24)
    return replace(b, cutoff=b.cutoff + shift * HOUR * b.series, ds=b.ds + shift * HOUR * b.series)


def test_windows_that_share_steps_are_no_evidence_of_their_own():
    """Twelve series, each ending an hour after the one before: a window of each is one cutoff."""
    b = staggered(1, 1)
    assert len(np.unique(b.cutoff)) == 12
    assert list(b.cutoffs) == [11 * HOUR]
    assert np.isnan(b.compare("gru", "snaive").p)
    assert math.isnan(b.score("gru").p)
    whole = staggered(20, 1)
    assert list(whole.cutoffs) == [(24 * w + 11) * HOUR for w in range(20)]
    assert whole.overlap == 2  # the last series of one day and the first of the next
    assert whole.compare("gru", "snaive").cutoffs == 20
    expected = benchmark(n=12, windows=20, horizon=24)
    assert expected.overlap == 1
    np.testing.assert_allclose(whole.losses("gru"), expected.losses("gru"))
    np.testing.assert_allclose(whole.window_losses("gru"), expected.window_losses("gru"))


def test_series_of_other_years_are_evidence_each():
    b = staggered(1, 100)
    assert len(b.cutoffs) == 12
    assert b.compare("gru", "snaive").cutoffs == 12


def test_two_windows_of_a_series_in_one_spell_count_both():
    """A session between those that a week foretells puts two of a series in a stride."""
    b = benchmark(n=2, windows=3)
    odd = np.where((b.series == 1) & (b.cutoff == 24 * HOUR), 15 * HOUR, b.cutoff)
    odd[(b.series == 1) & (b.cutoff == 12 * HOUR)] = 13 * HOUR
    found = replace(b, cutoff=odd)
    assert list(found.cutoffs) == [0, 15 * HOUR, 24 * HOUR]
    both = b.window_losses("gru")
    assert found.window_losses("gru")[1, 1] == pytest.approx(both[1, 1:].mean())
    np.testing.assert_allclose(found.window_losses("gru")[0], both[0])


def test_digits_lost_in_a_file_make_no_winner():
    b = benchmark()
    run = b.runs["snaive"]
    b.runs["copy"] = replace(run, name="copy", quantiles=run.quantiles * (1 + 1e-10))
    assert replace(b, baseline="snaive").score("copy").wins == 0.5
