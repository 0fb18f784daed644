"""`forecast simulate`: paths whose steps belong together and whose marginals are the forecast's."""

from dataclasses import replace

import numpy as np
import pytest

from forecast import cli, dependence, store
from forecast.data import tables
from forecast.errors import DataError, UsageError
from forecast.fitting import fit
from forecast.models.base import LEVELS, NORMAL
from forecast.simulation import simulate, simulate_cold

HEADER = "unique_id,ds,y\n"
SMALL = {
    "snaive": {},
    "linear": {"lags": "48"},
    "esn": {"units": "20", "reservoirs": "2", "lags": "48"},
    "kalman": {"seasons": "24:2", "anomaly": "0", "evaluations": "10", "starts": "1"},
    "gru": {"updates": "2", "units": "4", "head": "4", "members": "1"},
}


def table(count: int, names: str = "ab", rho: float = 0.9) -> str:
    """Return hourly rows with a season and an AR(1) around it, whose forecast errors persist."""
    lines = [HEADER]
    for k, name in enumerate(names):
        shock = np.random.default_rng(k).normal(size=count)
        error = np.zeros(count)
        for t in range(1, count):
            error[t] = rho * error[t - 1] + shock[t]
        y = 100 + 20 * np.sin(2 * np.pi * np.arange(count) / 24) + error
        for t, value in enumerate(y.tolist()):
            stamp = np.datetime64("2024-01-01T00:00:00") + np.timedelta64(t, "h")
            lines.append(f"{name},{stamp},{value!r}\n")
    return "".join(lines)


def fitted(family: str, count: int = 1000):
    return fit(tables.read(table(count).encode()), family, 12, settings=SMALL[family])


@pytest.fixture(scope="module")
def snaive():
    return fitted("snaive")


@pytest.mark.parametrize("family", SMALL)
def test_many_paths_have_the_quantiles_of_the_forecast(family):
    forecaster = fitted(family)
    drawn = simulate(forecaster, 20_000).values
    want = forecaster.predict(levels=LEVELS)
    np.testing.assert_array_equal(simulate(forecaster, 1).times, want.times)
    for i in range(len(drawn)):
        for k, level in enumerate(LEVELS):
            below = np.mean(drawn[i] <= want.quantiles[i, :, k], axis=0)
            np.testing.assert_allclose(below, level, atol=0.03 if family == "kalman" else 0.015)
    np.testing.assert_allclose(drawn.mean(axis=1), want.mean, atol=0.15)


def test_the_steps_of_a_path_hang_together_as_errors_did(snaive):
    joint = snaive.calibration.correlation
    drawn = simulate(snaive, 20_000).values[0]
    quantiles = snaive.predict(levels=LEVELS).quantiles[0]
    scores = dependence.scores(np.repeat(quantiles[None], len(drawn), axis=0), drawn)
    np.testing.assert_allclose(np.corrcoef(scores.T), joint, atol=0.03)
    near, far = joint[5, 6], joint[0, 11]
    assert near > 0.6 and near > far + 0.2  # an AR(1) of 0.9 around the season


def test_the_same_seed_gives_the_same_paths_and_another_one_others(snaive):
    one = simulate(snaive, 5, seed=1).values
    np.testing.assert_array_equal(one, simulate(snaive, 5, seed=1).values)
    assert not np.array_equal(one, simulate(snaive, 5, seed=2).values)


@pytest.mark.parametrize("family", ["snaive", "linear", "esn", "gru"])
def test_beyond_the_horizon_a_path_goes_on_from_itself(family):
    forecaster = fitted(family)
    long = simulate(forecaster, 3, 30, seed=4)
    assert long.values.shape == (2, 3, 30)
    assert (np.diff(long.times) == forecaster.clock.step).all()
    short = simulate(forecaster, 3, 12, seed=4)
    np.testing.assert_array_equal(long.values[0][:, :12], short.values[0])  # the first series
    first = tables.read(HEADER.encode() + b"".join(
        f"a,{s},{y!r}\n".encode() for s, y in
        zip(long.clock.write(long.times[0, :12]), long.values[0, 0, :12].tolist(), strict=True)
    ), clock=forecaster.clock)  # fmt: skip
    next_ = forecaster.predict(first, levels=LEVELS).quantiles[0]
    inside = (long.values[0, 0, 12:24] > next_[:, 0] - 10) & (
        long.values[0, 0, 12:24] < next_[:, -1] + 10
    )
    assert inside.all()


def test_left_to_itself_a_model_stays_where_the_series_live(snaive):
    forecaster = fitted("linear")
    drawn = simulate_cold(forecaster, 200, 48, seed=3)
    assert drawn.ids == ("cold",) and drawn.values.shape == (1, 200, 48)
    hour = drawn.times[0] // forecaster.clock.step % 24
    truth = np.array([float(line.split(",")[2]) for line in table(1000).splitlines()[1:]])
    mean = truth.reshape(2, -1)[:, :984].reshape(-1, 24).mean(axis=0)
    np.testing.assert_allclose(drawn.values[0].mean(axis=0), mean[hour], atol=3)
    assert drawn.values[0].std(axis=0).mean() == pytest.approx(1 / np.sqrt(1 - 0.81), rel=0.7)
    begin = int(forecaster.last.max()) + 1000 * forecaster.clock.step
    later = simulate_cold(forecaster, 2, 5, start=begin)
    assert later.times[0, 0] == begin


def test_prices_stay_positive_and_spread_as_a_random_walk():
    random = np.random.default_rng(0)
    price = 50 * np.exp(np.cumsum(0.01 * random.normal(size=1500)))
    lines = ["ds,y\n"]
    day = np.datetime64("2015-01-01")
    open_ = [d for d in (day + np.arange(3000)) if np.is_busday(d)][:1500]
    lines += [f"{d},{p!r}\n" for d, p in zip(open_, price.tolist(), strict=True)]
    forecaster = fit(tables.read("".join(lines).encode()), "naive", 5)
    bare = replace(forecaster, calibration=replace(forecaster.calibration, correlation=None))
    for each in (forecaster, bare):
        drawn = np.log(simulate(each, 4000).values[0])
        steps = np.diff(drawn, axis=1)
        assert abs(np.corrcoef(steps[:, 0], steps[:, 2])[0, 1]) < 0.15
        assert np.corrcoef(drawn[:, 3], drawn[:, 4])[0, 1] > 0.75


def test_a_file_keeps_what_it_takes(snaive):
    again = store.loads(store.dumps(snaive))
    np.testing.assert_array_equal(simulate(again, 3).values, simulate(snaive, 3).values)


# The copula


def test_scores_and_values_are_each_others_inverse():
    random = np.random.default_rng(0)
    quantiles = np.sort(random.normal(size=(50, len(LEVELS))))
    found = random.normal(size=50)
    np.testing.assert_allclose(
        dependence.scores(quantiles, dependence.values(quantiles, found)), found, atol=1e-9
    )
    np.testing.assert_allclose(dependence.values(NORMAL, found), found, atol=1e-12)
    flat = np.ones((1, len(LEVELS)))
    assert np.isnan(dependence.scores(flat, np.ones(1)))[0]


@pytest.mark.parametrize("windows", [0, 1, 5, 4000])
def test_the_dependence_of_a_known_gaussian_is_found(windows):
    want = 0.8 ** np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    truth = np.random.default_rng(0).multivariate_normal(np.zeros(6), want, windows)
    truth[::7, 2] = np.nan
    found = dependence.learn(np.broadcast_to(NORMAL, (windows, 6, len(NORMAL))), truth)
    np.linalg.cholesky(found)
    np.testing.assert_allclose(np.diagonal(found), 1)
    if windows == 4000:
        np.testing.assert_allclose(found, want, atol=0.05)


# The command


@pytest.fixture
def command(tmp_path, monkeypatch, capfd, snaive):
    monkeypatch.chdir(tmp_path)
    store.save(snaive, "m")
    store.save(snaive, "bare", state=False)
    (tmp_path / "more.csv").write_text(HEADER + table(1010).split("\n", 1001)[-1].split("b,")[0])

    def run(*args: object) -> tuple[int, str, str]:
        code = cli.run(["simulate", *map(str, args)])
        return code, *capfd.readouterr()

    return run


def test_paths_come_as_csv(command):
    code, out, _ = command("m", "--paths", 2, "--horizon", 3)
    lines = out.splitlines()
    assert code == 0 and lines[0] == "unique_id,path,ds,y" and len(lines) == 1 + 2 * 2 * 3
    assert [line.split(",")[1] for line in lines[1:7]] == ["1"] * 3 + ["2"] * 3
    assert command("m", "--paths", 2, "--horizon", 3)[1] == out


def test_rows_come_first(command):
    code, out, _ = command("m", "more.csv", "--paths", 1, "--horizon", 1)
    assert code == 0
    assert [line.split(",")[::2] for line in out.splitlines()[1:]] == [["a", "2024-02-12T02:00:00"]]


def test_from_nothing(command):
    code, out, _ = command("m", "--cold", "--start", "2030-01-01T00:00", "--paths", 1)
    assert code == 0 and out.splitlines()[1].startswith("cold,1,2030-01-01T00:00:00,")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("bare",), 3, "keeps no state"),
        (("bare", "--cold"), 3, "--no-state"),
        (("m", "--paths", "0"), 2, "--paths"),
        (("m", "more.csv", "--cold"), 2, "choose one"),
        (("m", "--start", "2030-01-01"), 2, "--cold"),
        (("m", "--cold", "--start", "soon"), 2, "is no time"),
        (("none",), 4, "forecast fit"),
    ],
)
def test_what_cannot_be(command, args, code, said):
    ended, out, err = command(*args)
    assert ended == code and out == "" and said in err


# Covariates


def beside(first: int, stop: int, y: bool = True) -> str:
    """Return rows of two regions with the weather; without `y` what is known of them."""
    lines = ["unique_id,ds,y,heat,region\n"]
    for k, (name, region) in enumerate((("a", "north"), ("b", "south"), ("c", "south"))):
        random = np.random.default_rng(k)
        heat, shock = random.normal(size=(2, 2000))
        for t in range(first, stop):
            stamp = np.datetime64("2024-01-01T00:00:00") + np.timedelta64(t, "h")
            level = 50 if region == "north" else 100
            value = level + 10 * np.sin(t * np.pi / 12) + 4 * heat[t] + shock[t]
            lines.append(f"{name},{stamp},{float(value) if y else ''},{heat[t]:.6f},{region}\n")
    return "".join(lines)


ROLES = {"known": ("heat",), "static": ("region",)}


@pytest.fixture(scope="module", params=["linear", "gru", "kalman"])
def warm(request):
    panel = tables.read(beside(0, 1000).encode(), **ROLES)
    return fit(panel, request.param, 12, settings=SMALL[request.param])


def known_of(forecaster, first: int, stop: int):
    return tables.read(beside(first, stop, y=False).encode(), known=("heat",), future=True,
                       layout=forecaster.layout, clock=forecaster.clock)  # fmt: skip


def test_paths_know_the_weather_to_come(warm):
    future = known_of(warm, 1000, 1030)
    drawn = simulate(warm, 10_000, future=future).values
    want = warm.predict(levels=LEVELS, future=future)
    for i in range(3):
        for k, level in enumerate(LEVELS):
            below = np.mean(drawn[i] <= want.quantiles[i, :, k], axis=0)
            np.testing.assert_allclose(below, level, atol=0.03)
    long = simulate(warm, 2, 30, future=future)
    assert long.values.shape == (3, 2, 30)
    with pytest.raises(DataError, match="3 of 93"):
        simulate(warm, 2, 31, future=future)
    with pytest.raises(DataError, match="heat"):
        simulate(warm, 2)


def test_rows_say_what_is_known_too(warm):
    text = beside(1000, 1010) + beside(1010, 1030, y=False).split("\n", 1)[1]
    rows = tables.read(text.encode(), clock=warm.clock, layout=warm.layout, **ROLES)
    assert simulate(warm, 2, rows=rows).times[0, 0] == rows.ends[0] + warm.clock.step


def test_a_series_nobody_has_seen_lives_where_those_like_it_do(warm):
    if warm.family == "kalman":
        pytest.skip("it sees no static covariates")
    future = known_of(warm, 1000, 1012)
    for region, level in (("north", 50), ("south", 100)):
        drawn = simulate_cold(warm, 50, 12, static={"region": region}, future=future)
        assert drawn.values.shape == (1, 50, 12)
        assert drawn.values.mean() == pytest.approx(level, abs=15)
    mixed = simulate_cold(warm, 50, 12, future=future).values[0].mean(axis=1)
    assert mixed.min() < 65 < 85 < mixed.max()


@pytest.mark.parametrize("static", [{"region": "west"}, {"place": "north"}])
def test_static_covariates_the_model_does_not_know(warm, static):
    if warm.family == "kalman":
        pytest.skip("it sees no static covariates")
    with pytest.raises(UsageError, match=next(iter(static))):
        simulate_cold(warm, 1, 12, static=static)


def test_past_covariates_end_where_the_forecast_does():
    text = beside(0, 1000)
    panel = tables.read(text.encode(), past=("heat",), static=("region",))
    forecaster = fit(panel, "linear", 12, settings=SMALL["linear"])
    assert simulate(forecaster, 3).values.shape == (3, 3, 12)
    with pytest.raises(UsageError, match="beyond 12 steps"):
        simulate(forecaster, 3, 13)
