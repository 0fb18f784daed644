"""What is said of bad prices: each fault is planted in sound ones, found, and told from others."""

import numpy as np
import pytest

from forecast.data import check, closures, exchanges, tables
from forecast.errors import DataError

SOUND = 900  # days


def days(count=SOUND, shut=()):
    every = np.arange(np.datetime64("2015-01-05"), np.datetime64("2030-01-01"))
    every = every[np.is_busday(every)]
    closed = closures.nyse(2015, 2030).astype("M8[D]")
    return every[~np.isin(every, np.concatenate([closed, np.array(shut, "M8[D]")]))][:count]


def prices(seed, count=SOUND, start=50.0):
    rng = np.random.default_rng(seed)
    return start * np.exp((0.015 * rng.standard_t(5, size=count)).cumsum())


def written(path, **series):
    """A long table of `series`: names to (days, prices) or prices."""
    lines = ["unique_id,ds,y"]
    for name, given in series.items():
        when, values = given if isinstance(given, tuple) else (days(len(given)), given)
        lines += [f"{name},{d},{v:.4f}" for d, v in zip(when, values, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def kinds(path):
    return {f.kind: f for f in check.examine(path).findings}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "prices.csv"


@pytest.mark.parametrize("seed", range(4))
def test_sound_prices_are_left_alone(file, seed):
    found = kinds(written(file, a=prices(seed), b=prices(seed + 10), c=prices(seed + 20)))
    assert not {"unit", "mixed prices", "still", "ended", "two exchanges", "split"} & set(found)


@pytest.mark.parametrize(("value", "kind"), [(0.0, "zero"), (-12.5, "negative")])
def test_prices_that_are_zero_or_negative(file, value, kind):
    y = prices(1)
    y[400] = value
    found = kinds(written(file, a=y, b=prices(2)))[kind]
    assert (found.series, found.rows, found.spots[0].first) == (1, 1, str(days()[400]))


def test_a_split_is_found_where_it_is(file):
    y = prices(1)
    y[500:] /= 2
    found = kinds(written(file, a=y, b=prices(2)))
    assert found["split"].spots[0].first == str(days()[500])
    assert "adjusted" in found["split"].cure
    assert not {"unit", "mixed prices"} & set(found)


@pytest.mark.parametrize("ratio", [2.0, 0.25, 7.0])
def test_adjusted_and_unadjusted_prices_mixed(file, ratio):
    y = prices(1)
    y[300:600] *= ratio
    found = kinds(written(file, a=y, b=prices(2)))
    assert [s.first for s in found["mixed prices"].spots] == [str(days()[k]) for k in (300, 600)]
    assert "split" not in found


@pytest.mark.parametrize("factor", [1000.0, 0.001, 100.0])
def test_another_currency_or_unit_from_some_day_on(file, factor):
    y = prices(1)
    y[450:] *= factor
    found = kinds(written(file, a=y, b=prices(2)))
    assert found["unit"].spots[0].first == str(days()[450])
    assert not {"split", "mixed prices", "outlier"} & set(found)


def test_one_price_for_weeks(file):
    y = prices(1)
    y[200:230] = y[200]
    found = kinds(written(file, a=y, b=prices(2)))
    assert (found["still"].spots[0].first, found["still"].rows) == (str(days()[200]), 30)
    assert "stuck" not in found


def test_prices_that_often_stand_still_are_no_finding(file):
    y = np.repeat(prices(1, 90), 10)
    assert "still" not in kinds(written(file, a=y, b=prices(2)))


def test_a_series_that_ends_early_is_said_and_learnt_from(file):
    path = written(file, a=prices(1), b=prices(2)[:600], c=prices(3)[:895])
    found = kinds(path)["ended"]
    assert [s.series for s in found.spots] == ["b"]
    assert found.spots[0].first == str(days()[599])
    tables.check_fittable(tables.read(path))


def two(file):
    """Two stocks in New York, two where other days are holidays."""
    other = [f"{y}-{d}" for y in range(2015, 2019) for d in ("05-01", "05-08", "07-14", "11-11")]
    london = np.union1d(days(1000, other), closures.nyse(2015, 2018).astype("M8[D]"))[:SOUND]
    london = london[np.is_busday(london)]
    return written(
        file, ny1=prices(1), ny2=prices(2),
        pa1=(london, prices(3, len(london))), pa2=(london, prices(4, len(london))),
    )  # fmt: skip


def test_two_exchanges_in_one_panel_are_found_and_refused(file):
    path = two(file)
    panel = tables.read(path)
    found = exchanges.find(panel)
    assert {found.first, found.second} == {("ny1", "ny2"), ("pa1", "pa2")}
    ours, theirs = (set(panel.row_times(k)) for k in (0, 2))
    first, last = max(min(ours), min(theirs)), min(max(ours), max(theirs))
    alone = [sum(first <= t <= last for t in x) for x in (ours - theirs, theirs - ours)]
    assert sorted(found.days) == sorted(alone)
    assert "two exchanges" in kinds(path)
    with pytest.raises(DataError, match="two exchanges") as error:
        tables.check_fittable(panel)
    assert "each exchange by itself" in error.value.hint


def test_days_missing_by_chance_are_no_exchange(file):
    rng = np.random.default_rng(0)
    gappy = {}
    for k in range(5):
        kept = rng.random(SOUND) > 0.02
        gappy[f"s{k}"] = (days()[kept], prices(k)[kept])
    assert exchanges.find(tables.read(written(file, **gappy))) is None


def test_the_command_refuses_two_exchanges_with_the_cure(file, forecast):
    path = two(file)
    for command in (["fit", path], ["benchmark", path, "--horizon", "1"]):
        done = forecast(*command, "--model" if command[0] == "fit" else "--models", "naive")
        assert done.returncode == 3, done.stderr
        assert b"two exchanges" in done.stderr
        assert b"Hint: fit each exchange by itself" in done.stderr
        assert b"Traceback" not in done.stderr


def test_volumes_that_are_missing_do_not_touch_the_prices(file, forecast):
    y, rows = prices(1, 120), days(120)
    lines = ["date,close,volume"]
    lines += [f"{d},{v:.4f},{'' if k % 3 else 1000 + k}" for k, (d, v) in enumerate(zip(rows, y))]  # noqa: B905
    file.write_text("\n".join(lines) + "\n")
    done = forecast("fit", file, "--model", "naive-ewma", "--value", "close", "-o", "m.safetensors")
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
