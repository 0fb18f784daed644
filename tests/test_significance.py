"""Diebold-Mariano and Holm against statsmodels, a loop, and the size of the test by simulation."""

import numpy as np
import pytest

from forecast.significance import (
    FEWEST,
    confidence_set,
    diebold_mariano,
    holm,
    long_run_variance,
    resampled,
    stationary,
)


def losses(n=120, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n) ** 2
    return shared + rng.normal(size=n) ** 2 + shift, shared + rng.normal(size=n) ** 2


@pytest.mark.parametrize("lags", [0, 1, 4])
def test_the_statistic_is_the_hac_t_value_of_a_constant(lags):
    from statsmodels.api import OLS

    a, b = losses()
    d = a - b
    fit = OLS(d, np.ones(len(d))).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    n = len(d)
    ours = diebold_mariano(a, b, lags=lags)
    assert ours.statistic == pytest.approx(fit.tvalues[0] * np.sqrt((n - 1) / n), rel=1e-10)
    assert ours.difference == pytest.approx(d.mean())
    assert ours.cutoffs == n


def test_the_p_value_is_students():
    from scipy.stats import t

    verdict = diebold_mariano(*losses(40))
    assert verdict.p == pytest.approx(2 * t.sf(abs(verdict.statistic), 39))


def test_the_small_sample_correction_of_overlapping_windows():
    a, b = losses(50)
    n, h = 50, 5
    plain = (a - b).mean() / np.sqrt(long_run_variance(a - b, 4) / n)
    factor = np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    assert diebold_mariano(a, b, overlap=h, lags=4).statistic == pytest.approx(plain * factor)


def test_long_run_variance_equals_a_loop():
    d = np.random.default_rng(1).normal(size=30).cumsum()
    m, total = d.mean(), 0.0
    for k in range(-3, 4):
        weight = 1 - abs(k) / 4
        pairs = [(d[i] - m) * (d[i + abs(k)] - m) for i in range(30 - abs(k))]
        total += weight * sum(pairs) / 30
    assert long_run_variance(d, 3) == pytest.approx(total)


def test_equal_forecasters_are_told_apart_one_time_in_twenty():
    hits = [diebold_mariano(*losses(80, seed=s)).p < 0.05 for s in range(600)]
    assert 0.02 < np.mean(hits) < 0.1


def test_a_real_difference_is_found_and_its_sign_says_who_is_better():
    verdict = diebold_mariano(*losses(200, shift=-0.8))
    assert verdict.p < 0.001
    assert verdict.difference < 0
    mirrored = diebold_mariano(*losses(200, shift=-0.8)[::-1])
    assert mirrored.statistic == pytest.approx(-verdict.statistic)


def test_too_few_cutoffs_or_no_difference_give_no_p():
    a, b = losses(FEWEST - 1)
    assert np.isnan(diebold_mariano(a, b).p)
    assert np.isnan(diebold_mariano(a, a).p)
    same = np.ones(50)
    assert np.isnan(diebold_mariano(same, same).p)


def test_missing_cutoffs_are_left_out():
    a, b = losses(60)
    gappy = np.where(np.arange(60) == 7, np.nan, a)
    kept = np.arange(60) != 7
    assert diebold_mariano(gappy, b).cutoffs == 59
    assert diebold_mariano(gappy, b) == diebold_mariano(a[kept], b[kept])


def test_holm_by_hand():
    found = holm(np.array([0.01, 0.04, np.nan, 0.03]))
    np.testing.assert_allclose(found, [0.03, 0.06, np.nan, 0.06])
    assert holm(np.array([0.9, 0.8])).max() == 1.0


def five_models():
    rng = np.random.default_rng(7)
    shared = rng.gamma(2, 1, 120)
    shifts = (0, 0.02, 0.15, 0.3, 0.6)
    return np.stack([shared + 0.6 * rng.normal(size=120) + s for s in shifts], axis=1)


def test_the_confidence_set_equals_archs():
    # arch 8.0.0, MCS(losses, 0.05, reps=500, method="R") on the same bootstrap indices
    found = confidence_set(five_models(), stationary(120, 500, 10, 3))
    np.testing.assert_allclose(found, [0.12, 1.0, 0.12, 0.0, 0.0])


def test_the_confidence_set_keeps_equals_and_needs_cutoffs():
    losses = five_models()
    found = confidence_set(np.column_stack([losses[:, 0], losses[:, 0], losses[:, 4]]))
    assert found[:2].min() > 0.05
    assert found[2] < 0.05
    gappy = np.where(np.arange(120)[:, None] == 5, np.nan, losses)
    np.testing.assert_array_equal(confidence_set(gappy), confidence_set(np.delete(losses, 5, 0)))
    assert np.isnan(confidence_set(losses[: FEWEST - 1])).all()


def test_the_bootstrap_keeps_neighbours_together_and_the_mean():
    drawn = stationary(400, 300, block=20)
    follows = (np.diff(drawn, axis=1) % 400 == 1).mean()
    assert follows == pytest.approx(1 - 1 / 20, abs=0.01)
    assert np.bincount(drawn.ravel(), minlength=400).min() > 150
    losses = np.random.default_rng(0).normal(3, 1, (100, 2))
    means = resampled(losses)
    np.testing.assert_allclose(means.mean(axis=0), losses.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(means.std(axis=0), 0.1, atol=0.03)


def test_a_difference_that_is_always_the_same_is_sure():
    found = diebold_mariano(np.full(FEWEST, 0.2), np.full(FEWEST, 0.3))
    assert (found.p, found.statistic) == (0.0, -np.inf)
    assert np.isnan(diebold_mariano(np.full(20, 0.2), np.full(20, 0.2)).p)
