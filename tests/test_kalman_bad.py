"""What a Kalman filter makes of data that are hard on it: said, reported, and never not finite."""

import subprocess
import sys

import numpy as np
import pytest

from forecast import fitting, store, transform
from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.panel import assemble
from forecast.errors import FitError, UsageError
from forecast.report import structure
from forecast.training.collinear import collinear

HOURLY = Clock("fixed", step=HOUR, seasons=(24,))
FAST = {"evaluations": "30", "starts": "1", "seasons": "24:2", "anomaly": "0"}


def day(rows, seed=0):
    rng, t = np.random.default_rng(seed), np.arange(rows)
    return 50 + 10 * np.sin(2 * np.pi * t / 24) + rng.normal(size=rows)


def fit(*series, clock=HOURLY, settings=FAST, **options):
    panel = assemble([f"s{i}" for i in range(len(series))], list(series), [0] * len(series), clock)
    return fitting.fit(panel, "kalman", 12, settings=settings, **options)


def quantiles(forecaster):
    return forecaster.predict().quantiles


def test_all_missing_is_refused():
    with pytest.raises(FitError, match="no value to learn from"):
        fit(np.full(200, np.nan))


def test_a_series_without_any_value_leaves_the_others_alone():
    out = quantiles(fit(day(300), np.full(300, np.nan)))
    assert np.isfinite(out[0]).all() and np.abs(out[0] - 50).max() < 20


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0, 1e-30, 1e30])
def test_a_constant_is_forecast_as_itself(value):
    out = quantiles(fit(np.full(300, value)))
    np.testing.assert_allclose(out, value, rtol=1e-6, atol=1e-20)


def test_a_constant_beside_a_load_is_forecast_as_itself():
    out = quantiles(fit(day(300), np.full(300, 7.0)))
    np.testing.assert_allclose(out[1], 7.0, rtol=1e-3)


def test_a_season_longer_than_the_series_is_refused_with_its_cure():
    settings = FAST | {"seasons": "24:2,168:4"}
    with pytest.raises(FitError, match="168 steps is longer than the longest series") as e:
        fit(day(100), clock=Clock("fixed", step=HOUR, seasons=(24, 168)), settings=settings)
    assert "seasons=auto" in e.value.hint


def test_a_season_that_the_rows_do_not_show_twice_is_left_out():
    fitted = fit(day(100), clock=Clock("fixed", step=HOUR, seasons=(24, 168)),
                 settings=FAST | {"seasons": "auto"})  # fmt: skip
    assert fitted.model.config.seasons == "24:12"


def test_a_variance_estimated_at_zero_is_reported():
    z = 5 + np.random.default_rng(8).normal(size=500)
    fitted = fit(z, clock=Clock("fixed", step=DAY), settings={"trend": "none"}, transform="none")
    assert structure.notes(fitted) == [
        "the variance of `level` is estimated at zero: it does not move"
    ]
    assert structure.facts(fitted)["meaning"].startswith("exponential smoothing: the level takes 0")


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize("name", ["none", "log", "auto"])
def test_an_explosion_keeps_a_finite_forecast(rate, name):
    z = np.exp(rate * np.arange(200.0))
    for trend in ("none", "damped", "linear"):
        options = {"clock": Clock("fixed", step=DAY), "transform": name}
        if (name, rate) == ("log", 0.5):  # all but the last rows are nearly 0 beside them
            with pytest.raises(FitError, match="no observed value") as caught:
                fit(z, settings={"trend": trend}, **options)
            assert "--transform none" in caught.value.hint
            continue
        out = quantiles(fit(z, settings={"trend": trend}, **options))
        assert np.isfinite(out).all() and (np.diff(out, axis=-1) >= 0).all()


def test_holes_are_not_learnt_from():
    y, rng = day(600), np.random.default_rng(1)
    y[rng.random(600) < 0.3] = np.nan
    y[200:320] = np.nan
    out = quantiles(fit(y))
    truth = 50 + 10 * np.sin(2 * np.pi * np.arange(600, 612) / 24)
    assert np.abs(out[0, :, out.shape[-1] // 2] - truth).max() < 3


def test_values_without_a_logarithm_are_counted():
    y = day(300)
    y[[3, 40]] = -5.0, 0.0
    fitted = fit(y, transform="log")
    assert fitted.transform.reason.endswith(
        "2 of 300 values are nearly 0 or below and count as missing"
    )
    assert np.isfinite(quantiles(fitted)).all()


def test_a_logarithm_of_nothing_positive_is_refused():
    with pytest.raises(UsageError, match="no value is positive") as caught:
        fit(-day(300), transform="log")
    assert "--transform none" in caught.value.hint
    panel = assemble(["a"], [day(40)], [0], HOURLY)
    assert transform.choose(panel, "log").reason == "set by the user"


# Collinear covariates


def test_collinear_columns_are_named_with_what_they_follow_from():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 500))
    columns = np.stack([a, b, 2 * a - 3 * b + 1, a + 0.1 * rng.normal(size=500), np.ones(500)], 1)
    assert collinear(tuple("abcde"), columns) == {"c": ("a", "b")}
    assert collinear((), np.zeros((500, 0))) == {}


def test_texts_of_one_column_are_not_held_against_each_other():
    weekday = np.arange(700) % 7
    columns = np.concatenate([np.eye(7)[weekday], (weekday >= 5)[:, None]], axis=1)
    names = (*(f"day={k}" for k in range(7)), "weekend")
    assert collinear(names, columns) == {"weekend": ("day",)}


def test_the_command_names_collinear_covariates_and_goes_on(tmp_path):
    y, rng = day(400), np.random.default_rng(2)
    warm = rng.normal(size=400)
    rows = [
        f"{k},{v + 3 * w},{w},{w * 1.8 + 32}" for k, (v, w) in enumerate(zip(y, warm, strict=True))
    ]
    (tmp_path / "d.csv").write_text("\n".join(["step,y,celsius,fahrenheit", *rows]) + "\n")
    (tmp_path / "f.csv").write_text("step,celsius,fahrenheit\n400,1,33.8\n401,-1,30.2\n")

    def run(*args):
        command = [sys.executable, "-m", "forecast", *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)  # fmt: skip

    chosen = [f"--set={name}={value}" for name, value in FAST.items()]
    fitted = run("fit", "d.csv", "-m", "kalman", "--season", "24", "--horizon", "2",
                 "--known", "celsius,fahrenheit", "-o", "m.safetensors", *chosen)  # fmt: skip
    said = "`fahrenheit` follows from `celsius`: they share what they explain"
    assert fitted.returncode == 0 and said in " ".join(fitted.stderr.split())
    out = run("predict", "m.safetensors", "--future", "f.csv")
    first, second = (float(line.split(",")[2]) for line in out.stdout.splitlines()[1:])
    wave = 10 * np.diff(np.sin(2 * np.pi * np.array([400, 401]) / 24))[0]
    assert first - second + wave == pytest.approx(6.0, abs=1.5)
    assert said in structure.notes(store.load(tmp_path / "m.safetensors"))
