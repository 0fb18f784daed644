"""Prices: the nets of returns, the verdict on them, and what is said of bad ones."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from forecast import backtest, metrics, skill, verdict
from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.panel import assemble
from forecast.data.sessions import RANGE, VOLUME
from forecast.models import moves
from forecast.models import returns as model
from forecast.models.base import COLD, LEVELS, MEDIAN, NORMAL, History, Setting
from forecast.models.naive import EWMAConfig
from forecast.models.naive import fit as fit_naive
from forecast.models.recurrent import GRUConfig, RNNConfig, sized
from forecast.report import data, html, markdown
from forecast.report import verdict as report
from forecast.results import Task
from forecast.significance import diebold_mariano, pesaran_timmermann
from forecast.training import returns, shown
from forecast.training.recurrent import fit
from forecast.training.run import Run

PRICES = Setting(horizon=3, difference=True)
NEWS = replace(PRICES, static=("sector",), known=("earnings", "split"), past=("volume",))
SIZES = {"units": 5, "head": 7, "embedding": 3, "members": 2, "context": 6}
CONFIGS = [GRUConfig(**SIZES), RNNConfig(**SIZES), RNNConfig(**SIZES, activation="relu")]
SMALL = GRUConfig(units=6, head=8, embedding=2, members=2, updates=40, batch=32, context=12)
RUN = Run()


def phases(rows, series, setting, seed=5):
    """Phases of the year on working days, and covariates of mean 0."""
    days = np.arange(rows * 2)
    days = days[days % 7 < 5][:rows]
    year = np.tile(np.mod(days / moves.YEAR, 1.0), (series, 1))[..., None]
    width = len(setting.static + setting.known + setting.past)
    rng = np.random.default_rng(seed)
    return np.concatenate([year, rng.normal(size=(series, rows, width))], axis=2)


def walks(rows=300, series=4, seed=0, gaps=0.0):
    """Random walks whose spread comes in spells."""
    rng = np.random.default_rng(seed)
    calm = np.repeat(rng.uniform(0.005, 0.03, (series, -(-rows // 50))), 50, axis=1)[:, :rows]
    z = (calm * rng.standard_t(5, size=(series, rows))).cumsum(axis=1)
    z[rng.random(z.shape) < gaps] = np.nan
    return z


def history(z, setting=PRICES, held=0):
    n, rows = z.shape
    flat = phases(rows, n, setting).reshape(n * rows, -1)
    return History(z.ravel(), flat, np.arange(n + 1) * rows, np.full(n, held))


def made(config, setting, z, seed=0):
    """A net with random weights everywhere, so that none can be left out unnoticed."""
    rng = np.random.default_rng(seed)
    arrays = returns.initial(sized(config, setting), setting, len(z))
    arrays = {k: v + rng.normal(0, 0.1, v.shape).astype(np.float32) for k, v in arrays.items()}
    zero = np.zeros_like(arrays["embedding"][:, :1])
    arrays["embedding"] = np.concatenate([arrays["embedding"], zero], axis=1)
    windows = returns.windows(config, setting, history(z, setting), "cpu")
    returns.finish(arrays, windows)
    return model.Returns(replace(config, shrink=1.0), setting, arrays), windows


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("setting", [PRICES, NEWS])
@pytest.mark.parametrize("gaps", [0.0, 0.2])
def test_numpy_equals_the_torch_twin_on_its_own_windows(config, setting, gaps):
    z = walks(gaps=gaps)
    net, windows = made(config, setting, z)
    seen, covered = 200, phases(300, 4, setting)
    state = net.absorb(net.start(np.arange(4)), z[:, :seen], covered[:, :seen])
    ahead = covered[:, seen : seen + 3, : covered.shape[2] - len(setting.past)].copy()
    static = slice(1, 1 + len(setting.static))
    ahead[..., static] = ahead[:, :1, static]
    ours = net.predict(state, ahead).quantiles
    a = {k: torch.tensor(v) for k, v in net.arrays.items()}
    a["embedding"] = a["embedding"][:, :-1]
    picks = torch.tensor([[i, seen, i] for i in range(4)]).expand(2, -1, -1)
    batch = windows.batch(picks, training=False)
    out, target = returns.forward(a, batch, config, setting)
    unit = np.sqrt(np.maximum(state["variance"], moves.SMALLEST**2))[:, None]
    unit = unit * np.sqrt([1, 2, 3])
    theirs = state["last"][:, None, None] + unit[..., None] * out.mean(0)[:, :3].double().numpy()
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
    truth = (z[:, seen : seen + 3] - state["last"][:, None]) / unit
    np.testing.assert_allclose(target[0, :, :3].numpy(), truth, rtol=1e-5, atol=1e-5)


def test_what_is_carried_equals_a_loop():
    watched = replace(PRICES, known=("earnings",), past=("news", RANGE, VOLUME))
    z = walks(rows=60, series=1, gaps=0.1)
    covered = phases(60, 1, watched)
    carry = moves.Moves(watched, 9e-4)
    state = carry.start(np.array([0]), np.array([4e-4]))
    state, rows = carry.walk(state, z, covered)
    v, s, last, x = 4e-4, np.full(4, np.sqrt(4e-4 * 2 / np.pi)), np.nan, 0.0
    near = [np.log(2 / 3)] * 5  # log of the series' spread over a typical one
    usual = [0.0] * 3
    for t, value in enumerate(z[0]):
        x = 0.0
        if not np.isnan(value):
            if not np.isnan(last):
                change = value - last
                x = change / np.sqrt(v)
                v = 0.94 * v + 0.06 * change**2
                s = moves.SIZES * s + (1 - moves.SIZES) * abs(change)
            last = value
        day, volume = covered[0, t, 3], covered[0, t, 4]
        near = [d * a + (1 - d) * day for d, a in zip((0, 0.5, 0.8, 0.94, 0.985), near)]  # noqa: B905
        usual = [d * a + (1 - d) * volume for d, a in zip((0, 0.7, 0.97), usual)]  # noqa: B905
    np.testing.assert_allclose(state["variance"], [v], rtol=1e-12)
    np.testing.assert_allclose(state["sizes"][0], s, rtol=1e-12)
    expected = [x, abs(x), *np.log(s / np.sqrt(2 * v / np.pi))]
    np.testing.assert_allclose(rows.u[0, -1, : len(expected)], expected, rtol=1e-5)
    told = [*(np.array(near) - np.log(np.sqrt(v) / 0.03)), usual[0] - usual[2], usual[1] - usual[2]]
    told = np.clip(told, -moves.FAR, moves.FAR)
    plain = covered[0, -1, 1:3]  # the other covariates, as they are
    np.testing.assert_allclose(rows.u[0, -1, -9:], [*told, *plain], rtol=1e-5)
    assert rows.u.shape[2] == carry.inputs


def test_rows_in_pieces_give_the_state_of_one_pass():
    z, covered = walks(gaps=0.1), phases(300, 4, PRICES)
    net, _ = made(CONFIGS[0], PRICES, z)
    whole = net.absorb(net.start(np.arange(4)), z, covered)
    state = net.start(np.arange(4))
    for a, b in ((0, 1), (1, 7), (7, 300)):
        state = net.absorb(state, z[:, a:b], covered[:, a:b])
    for name, array in whole.items():
        np.testing.assert_allclose(state[name], array, rtol=1e-12, err_msg=name)


def test_days_closed_are_those_of_the_calendar():
    days = np.array([0, 1, 2, 3, 4, 7, 8, 12, 200])  # a Monday, ..., a weekend, a long one, months
    found = moves.days_closed(np.mod(days / moves.YEAR, 1.0)[None])
    np.testing.assert_allclose(found[0], np.log1p([0, 0, 0, 0, 2, 0, 3, 30]), atol=1e-9)


def test_training_starts_at_the_naive_ewma():
    z, covered = walks(), phases(300, 4, PRICES)
    arrays = returns.initial(CONFIGS[0], PRICES, 4)
    arrays["embedding"] = np.zeros((2, 5, 3), np.float32)
    arrays["variance"] = shown.variances(history(z))
    ours = model.Returns(CONFIGS[0], PRICES, arrays)
    naive = fit_naive(EWMAConfig(), PRICES, history(z), None)
    found = []
    for one in (ours, naive):
        state = one.absorb(one.start(np.arange(4)), z, covered)
        found.append(one.predict(state, covered[:, :3]).quantiles)
    np.testing.assert_allclose(found[0], found[1], rtol=2e-5)


def test_training_learns_the_shape_of_returns_and_keeps_quantiles_in_order():
    z = walks(rows=900, series=6)
    net = fit(replace(SMALL, updates=150), PRICES, history(z, held=150), RUN)
    assert net.config.stop > 0
    state = net.absorb(net.start(np.array([0, COLD])), z[:2], phases(900, 2, PRICES))
    out = net.predict(state, phases(3, 2, PRICES)).quantiles
    assert (np.diff(out, axis=-1) > 0).all()
    assert np.isfinite(out).all()
    spread = (out[0, 0] - out[0, 0, MEDIAN]) / NORMAL.clip(-9, 9).astype(float).std()
    assert spread.std() > 0


def test_the_median_shrinks_to_the_random_walk_when_there_is_nothing_to_learn():
    z = walks(rows=500, seed=3)
    net = fit(SMALL, PRICES, history(z, held=100), RUN)
    assert net.config.shrink == 0.0
    state = net.absorb(net.start(np.arange(4)), z, phases(500, 4, PRICES))
    out = net.predict(state, phases(3, 4, PRICES)).quantiles
    np.testing.assert_array_equal(out[..., MEDIAN], np.tile(z[:, -1:], 3))


def test_a_drift_that_lasts_is_kept_in_the_median():
    rng = np.random.default_rng(1)
    z = (0.01 + 0.003 * rng.normal(size=(5, 700))).cumsum(axis=1)
    config = replace(SMALL, updates=200, rate=0.01)
    net = fit(config, PRICES, history(z, held=150), RUN)
    assert net.config.shrink > 0.5
    state = net.absorb(net.start(np.arange(5)), z, phases(700, 5, PRICES))
    ahead = net.predict(state, phases(3, 5, PRICES)).quantiles[..., MEDIAN] - z[:, -1:]
    np.testing.assert_allclose(ahead.mean(axis=0), [0.01, 0.02, 0.03], rtol=0.4)


def test_ups_and_downs_that_share_a_market_are_not_taken_for_skill():
    """Forty copies of one walk hold no more evidence than one."""
    cutoff = np.array([t for i in range(40) for t in range(300, 390, 9)])
    rng = np.random.default_rng(0)
    luck = np.tile(rng.normal(0.3, 1.0, size=10), 40)
    target = np.repeat(luck[:, None], 3, axis=1)
    middle = np.full((400, 3), 0.3)
    assert shown.shrink(middle, target, cutoff) == 0.0
    assert shown.shrink(middle, 0.3 + 0.01 * rng.normal(size=(400, 3)), cutoff) == 1.0


def test_skill_is_the_share_by_which_losses_fall_and_luck_is_none():
    rng = np.random.default_rng(0)
    truth = 2 * rng.normal(size=(200, 5, 1))
    bar = np.broadcast_to(NORMAL, (200, 5, 1, len(LEVELS)))
    found = skill.measure(2 * bar, bar, truth, np.ones(truth.shape), 1)
    loss = [
        np.mean([
            max(p * (y - s * q), (p - 1) * (y - s * q))
            for y in truth.ravel() for p, q in zip(LEVELS, NORMAL, strict=True)
        ])
        for s in (2, 1)
    ]  # fmt: skip
    assert found.spread == pytest.approx(1 - loss[0] / loss[1])
    assert found.mean == 0
    assert str(found) == f"no skill in the mean; skill in the spread {100 * found.spread:.1f} %"
    none = skill.measure(bar, bar, truth, np.ones(truth.shape), 1)
    assert str(none) == "no skill in the mean; no skill in the spread"
    drifting = skill.measure(bar + 0.5, bar, truth * 0.1 + 0.5, np.ones(truth.shape), 1)
    assert drifting.mean > 0.5
    assert drifting.p_mean < 0.001


def pt_by_sums(up, called):
    """Pesaran and Timmermann (1992), equations (5) to (7), term by term."""
    n, y, x = len(up), sum(up) / len(up), sum(called) / len(called)
    hits = sum(a == b for a, b in zip(up, called, strict=True)) / n
    star = y * x + (1 - y) * (1 - x)
    var = star * (1 - star) / n
    var_star = (
        (2 * y - 1) ** 2 * x * (1 - x) / n
        + (2 * x - 1) ** 2 * y * (1 - y) / n
        + 4 * y * x * (1 - y) * (1 - x) / n**2
    )
    return (hits - star) / np.sqrt(var - var_star)


@pytest.mark.parametrize("bias", [0.0, 0.15])
def test_pesaran_timmermann_equals_its_equations_and_a_permutation_test(bias):
    rng = np.random.default_rng(4)
    up = (rng.random(400) < 0.55).astype(float)
    called = np.where(rng.random(400) < 0.5 + bias, up, 1 - up)
    found = pesaran_timmermann(up, called, np.arange(400))
    assert found.statistic == pytest.approx(pt_by_sums(up, called), rel=1e-9)
    hits = np.mean(up == called)
    chance = [np.mean(up == rng.permutation(called)) >= hits for _ in range(4000)]
    assert found.p == pytest.approx(np.mean(chance), abs=0.03)


def test_pesaran_timmermann_counts_cutoffs_not_rows():
    rng = np.random.default_rng(5)
    day, called = rng.integers(0, 2, 100).astype(float), rng.integers(0, 2, 100).astype(float)
    one = pesaran_timmermann(day, called, np.arange(100))
    copies = pesaran_timmermann(np.repeat(day, 20), np.repeat(called, 20), np.arange(2000) // 20)
    assert copies.excess == pytest.approx(one.excess)
    assert copies.p == pytest.approx(one.p, abs=0.08)
    assert np.isnan(pesaran_timmermann(day, np.ones(100), np.arange(100)).p)


def test_the_interval_of_a_hit_rate_holds_the_binomial_tails():
    """Wilson's ends are where the observed count stands 1.96 standard errors away."""
    from scipy.stats import binomtest

    rng = np.random.default_rng(6)
    y, median = rng.normal(size=900), rng.normal(size=900)
    share, low, high = metrics.hit_rate(y, median, np.zeros(900))
    hits = round(share * 900)
    theirs = binomtest(hits, 900).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def priced(windows=80, series=4, horizon=2):
    """A benchmark of prices whose `wide` model knows the spread and `naive-ewma` does not."""
    z = walks(rows=420, series=series, seed=2)
    days = np.arange(800)
    days = days[days % 7 < 5][:420]
    clock = Clock("trading", unit="D")
    panel = assemble([f"s{i}" for i in range(series)], list(50 * np.exp(z)), [4 * DAY] * series,
                     clock)  # fmt: skip
    panel = replace(panel, times=np.tile((4 + days) * DAY, series))
    return backtest.run(panel, Task(horizon=horizon, windows=windows, stride=horizon), ["drift"])


def test_the_verdict_equals_loops_over_its_rows():
    bench = priced()
    found = verdict.judge(bench)
    drift = next(m for m in found.models if m.model == "drift")
    deciles = [k / 10 for k in range(1, 10)]

    def loss(name):
        out = {}
        for r in range(len(bench.y)):
            q = [bench.quantile(name, p)[r] for p in deciles] if r % 7 == 0 else None
            if q is None:
                continue
            rows = [2 * max(p * (bench.y[r] - v), (p - 1) * (bench.y[r] - v))
                    for p, v in zip(deciles, q, strict=True)]  # fmt: skip
            out[r] = np.mean(rows)
        return out

    table = metrics.losses(bench.y, bench.mean("drift"),
                           bench.quantiles("drift", bench.levels), bench.levels)  # fmt: skip
    for r, value in loss("drift").items():
        assert table["quantile"][r] == pytest.approx(value)
    ewma = metrics.losses(bench.y, bench.mean("naive-ewma"),
                          bench.quantiles("naive-ewma", bench.levels), bench.levels)  # fmt: skip
    assert drift.wql == pytest.approx(table["quantile"].sum() / ewma["quantile"].sum())
    assert drift.crps == pytest.approx(table["crps"].sum() / ewma["crps"].sum())
    by = [np.mean((table["quantile"] - ewma["quantile"])[bench.cutoff == c])
          for c in np.unique(bench.cutoff)]  # fmt: skip
    alone = diebold_mariano(np.array(by), np.zeros(len(by))).p
    assert drift.p_wql >= alone - 1e-12
    inside = (bench.y >= bench.quantile("drift", 0.1)) & (bench.y <= bench.quantile("drift", 0.9))
    assert drift.cover["all"][80] == pytest.approx(inside.mean())
    years = bench.ds.astype("M8[us]").astype("M8[Y]").astype(int) + 1970
    assert drift.cover["1971"][80] == pytest.approx(inside[years == 1971].mean())
    thirds = [drift.cover[name][80] for name in verdict.TIMES]
    assert np.mean(thirds) == pytest.approx(inside.mean(), abs=0.005)
    assert found.cutoffs == 80
    naive = next(m for m in found.models if m.model == "naive")
    assert naive.mase == 1
    assert np.isnan(naive.hits)


def test_yesterdays_price_has_a_high_r2_and_no_skill():
    bench = priced(windows=150, horizon=1)
    found = verdict.judge(bench)
    assert found.level_r2 > 0.9
    y, last, i = bench.y, bench.origin, bench.series
    r2 = [1 - ((y - last)[i == k] ** 2).sum() / ((y[i == k] - y[i == k].mean()) ** 2).sum()
          for k in range(4)]  # fmt: skip
    assert found.level_r2 == pytest.approx(np.median(r2))
    naive = next(m for m in found.models if m.model == "naive")
    assert abs(naive.r2) < 0.05


def test_the_verdict_is_said_in_every_format():
    bench = priced()
    plain = report.terminal(bench, 100)
    assert plain.isascii()
    assert "survivors" in plain
    assert "Costs are not counted" in plain
    assert "profit" not in plain
    assert all(len(line) <= 100 for line in plain.splitlines())
    text = markdown.leaderboard(bench)
    assert "### What the forecasts of prices are worth" in text
    assert text.count("| WQL/ewma |") == 1
    assert "| Model | all | 1971 | " in text or "| Model | all | calm | usual | wild |" in text
    narrow = report.terminal(bench, 70)
    assert all(len(line) <= 70 for line in narrow.splitlines())
    assert "WQL/ewma" in narrow
    assert "usual" in narrow
    page = html.page([("prices", bench)])
    assert "What the forecasts of prices are worth" in page
    found = json.loads(data.to_json(bench))["verdict"]
    assert {m["model"] for m in found["models"]} == {"drift", "linear", "naive", "naive-ewma"}
    assert set(found["models"][0]["cover"]) >= {"all", "1971", "calm", "usual", "wild"}


def test_other_data_get_no_verdict():
    rng = np.random.default_rng(0)
    y = 50 + 20 * np.sin(np.arange(600) * np.pi / 12) + rng.normal(size=600)
    panel = assemble(["load"], [y], [0], Clock("fixed", step=HOUR, seasons=(24,)))
    bench = backtest.run(panel, Task(horizon=24, windows=3), [])
    assert verdict.judge(bench) is None
    assert report.terminal(bench) == ""
    assert "verdict" not in json.loads(data.to_json(bench))
