"""The data doctor: what is planted is found, with its rows and cure, and what is sound is not."""

import io
import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from forecast.data import check, rewriting, symptoms, tables
from forecast.data.check import Health
from forecast.data.findings import Finding
from forecast.errors import DataError


def load(days: int = 120, seed: int = 0) -> pd.Series:
    index = pd.date_range("2023-01-02", periods=24 * days, freq="h")
    at = np.arange(len(index))
    daily = 20 * np.sin(2 * np.pi * (at % 24) / 24) - 8 * (at // 24 % 7 > 4)
    noise = np.random.default_rng(seed).normal(size=len(at))
    return pd.Series(100 + daily + noise, index).round(3)


def prices(days: int = 500, seed: int = 0) -> pd.Series:
    rng = np.random.default_rng(seed)
    index = pd.bdate_range("2020-01-01", periods=days)
    return pd.Series(100 * np.exp(np.cumsum(0.015 * rng.standard_t(4, days))), index)


def csv(*series: pd.Series) -> bytes:
    rows = [f"s{k},{t.isoformat()},{'' if np.isnan(v) else v}\n"
            for k, one in enumerate(series) for t, v in one.items()]  # fmt: skip
    return ("unique_id,ds,y\n" + "".join(rows)).encode()


def found(health: Health, kind: str) -> Finding:
    kinds = {finding.kind: finding for finding in health.findings}
    assert kind in kinds, list(kinds)
    return kinds[kind]


def kinds(*series: pd.Series) -> list[str]:
    return [finding.kind for finding in check.examine(csv(*series)).findings]


def test_a_sound_load_is_sound() -> None:
    health = check.examine(csv(load(), load(seed=1)))
    assert health.findings == ()
    assert health.explained == 1.0
    assert [s for s, _ in health.seasons] == [24, 168]
    assert health.seasons[0][1] > 0.9
    np.testing.assert_array_equal(health.repaired.values, health.panel.values)


@pytest.mark.parametrize("seed", range(5))
def test_sound_prices_are_sound(seed: int) -> None:
    assert kinds(prices(seed=seed)) == []


def test_planted_faults_are_found_with_their_lines_and_left_empty() -> None:
    y = load()
    y.iloc[500] = 0.0
    y.iloc[800] = -17.0
    y.iloc[1200] = 900.0
    y.iloc[1500:1530] = y.iloc[1500]
    health = check.examine(csv(y))
    for kind, row, count in (("zero", 500, 1), ("negative", 800, 1), ("outlier", 1200, 1),
                             ("stuck", 1500, 30)):  # fmt: skip
        finding = found(health, kind)
        spot = finding.spots[0]
        assert (finding.rows, finding.series, finding.fixed) == (count, 1, True)
        assert (spot.series, spot.line, spot.rows) == ("s0", row + 2, count)
        assert spot.first == y.index[row].isoformat()
    empty = np.flatnonzero(np.isnan(health.repaired.values))
    np.testing.assert_array_equal(empty, [500, 800, 1200, *range(1500, 1530)])


def test_gaps_within_and_at_the_end() -> None:
    y = load()
    y.iloc[100:105] = np.nan
    y.iloc[-48:] = np.nan
    health = check.examine(csv(y.drop(y.index[300:310])))
    gap, end = found(health, "gap"), found(health, "missing at an end")
    assert (gap.rows, len(gap.spots), end.rows) == (15, 2, 48)
    assert [spot.line for spot in gap.spots] == [102, None]
    assert gap.fixed


def test_rows_twice_are_findings_not_refusals() -> None:
    y = load()
    twice = pd.concat([y, y.iloc[[700]], y.iloc[[900]] + 1.0])
    health = check.examine(csv(twice))
    same, other = found(health, "duplicate"), found(health, "contradiction")
    assert (same.rows, same.spots[0].line) == (1, 702)
    assert (other.rows, other.spots[0].line) == (1, 902)
    assert health.repaired.values[900] == y.iloc[900] + 1.0
    with pytest.raises(DataError, match="twice"):
        tables.read(csv(twice))


def test_autumn_and_spring_of_a_zone_name_it() -> None:
    hours = pd.date_range("2022-09-01", "2023-11-30", freq="h", tz="America/New_York")
    wall = pd.Series(np.resize(load(500).to_numpy(), len(hours)), hours.tz_localize(None))
    finding = [f for f in check.examine(csv(wall)).findings if f.kind == "clock change"]
    assert [f.rows for f in finding] == [2, 1]
    assert all("America/New_York" in f.cure for f in finding)
    health = check.examine(csv(wall), timezone="America/New_York")
    assert [f.kind for f in health.findings if f.kind != "outlier"] == []
    assert len(health.panel.values) == len(hours)


def test_a_clock_change_stored_as_zero() -> None:
    y = load(730)
    for day in ("2023-03-26", "2024-03-31"):
        y[f"{day}T02:00"] = 0.4
    finding = found(check.examine(csv(y)), "clock change")
    assert (finding.rows, "Europe/Berlin" in finding.cure) == (2, True)
    assert kinds(y) == ["clock change"]


def test_splits_are_told_from_crashes_by_the_adjusted_price(tmp_path) -> None:
    adjusted = prices(400)
    adjusted.iloc[300:] *= 0.5  # a crash
    close = adjusted * np.where(np.arange(400) < 150, 2.0, 1.0)  # a split
    frame = pd.DataFrame({"Date": adjusted.index.strftime("%Y-%m-%d"), "Close": close.to_numpy(),
                          "Adj Close": adjusted.to_numpy()})  # fmt: skip
    path = tmp_path / "prices.csv"
    frame.to_csv(path, index=False)
    health = check.examine(str(path))
    finding = found(health, "split")
    assert [spot.line for spot in finding.spots] == [152]
    np.testing.assert_allclose(health.repaired.values, adjusted)
    frame.drop(columns="Adj Close").to_csv(path, index=False)
    finding = found(check.examine(str(path)), "split")
    assert (finding.rows, finding.fixed) == (2, False)


def test_useless_series() -> None:
    y, short = load(), load(1)
    constant = pd.Series(5.0, y.index)
    health = check.examine(csv(y, y, constant, short, y * np.nan))
    assert found(health, "identical").spots[0].series == "s1"
    assert found(health, "constant").spots[0].series == "s2"
    assert found(health, "short").counts == (("s3", 24),)
    assert found(health, "no values").counts == (("s4", len(y)),)


def test_nights_without_sun_and_rare_sales_are_no_faults() -> None:
    at = np.arange(24 * 200)
    sun = np.maximum(np.sin(2 * np.pi * (at % 24 - 6) / 24), 0)
    sun *= np.random.default_rng(0).uniform(0.3, 1, len(at))
    sold = np.random.default_rng(1).poisson(0.3, len(at)).astype(float)
    index = pd.date_range("2023-01-02", periods=len(at), freq="h")
    assert kinds(pd.Series(sun, index)) == []
    assert set(kinds(pd.Series(sold, index))) <= {"no season"}


def test_the_repaired_table_reads_back() -> None:
    y = load(30)
    y.iloc[100] = 0.0
    health = check.examine(csv(y.drop(y.index[200:210]) + 1e-11, load(30, seed=3)))
    out = io.BytesIO()
    rewriting.write(health.repaired, out)
    again = tables.read(out.getvalue())
    np.testing.assert_array_equal(again.values, health.repaired.values)
    np.testing.assert_array_equal(again.starts, health.panel.starts)
    assert len(out.getvalue().splitlines()) == 1 + 2 * 30 * 24


def test_blocks_hold_every_value_once() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 50, 40)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = rng.normal(size=offsets[-1])
    seen = np.zeros(len(values), int)
    for which, place, y in symptoms.blocks(values, offsets):
        inside = place >= 0
        np.testing.assert_array_equal(y[inside], values[place[inside]])
        np.testing.assert_array_equal(inside.sum(1), lengths[which])
        seen[place[inside]] += 1
    assert (seen == 1).all()


def test_runs_and_repeats_against_a_loop() -> None:
    rng = np.random.default_rng(2)
    values = rng.integers(0, 3, 300).astype(float)
    values[40:70] = 7.0
    values[rng.random(300) < 0.05] = np.nan
    offsets = np.array([0, 120, 120, 300])
    mask = values == 1
    expected = []
    for i, (a, b) in enumerate(pairwise(offsets)):
        begin = None
        for k in range(a, b + 1):
            inside = k < b and mask[k]
            if inside and begin is None:
                begin = k
            if not inside and begin is not None:
                expected.append((begin, k - begin, i))
                begin = None
    assert list(zip(*(x.tolist() for x in symptoms.runs(mask, offsets)), strict=True)) == expected
    y = rng.normal(size=400)
    y[100:120] = 3.5
    first, size, of = symptoms.repeats(y, np.array([0, 400]))
    assert (first.tolist(), size.tolist(), of.tolist()) == ([100], [20], [0])


def test_many_series_are_examined_together() -> None:
    rng = np.random.default_rng(0)
    count, rows = 3000, 40
    y = rng.normal(100, 1, (count, rows))
    y[17, 20] = 0.0
    days = pd.date_range("2023-01-01", periods=rows).strftime("%Y-%m-%d")
    ids = np.repeat([f"s{k:04}" for k in range(count)], rows)
    frame = pd.DataFrame({"unique_id": ids, "ds": np.tile(days, count), "y": y.ravel()})
    health = check.examine(frame.to_csv(index=False).encode())
    assert found(health, "zero").counts == (("s0017", 1),)


@pytest.fixture
def faulty(tmp_path):
    y = load()
    y.iloc[500] = 0.0
    path = tmp_path / "load.csv"
    path.write_bytes(csv(y))
    return path


def test_the_command_says_what_and_where(faulty, capsys) -> None:
    from forecast.cli import run

    assert run(["check", str(faulty)]) == 0
    out = capsys.readouterr().out
    assert "zero: 1 row" in out
    assert "line 502: s0 2023-01-22T20:00:00: 0" in out
    assert "--fix" in out
    assert run(["check", str(faulty), "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [finding["kind"] for finding in facts["findings"]] == ["zero"]
    assert facts["seasons"][0]["steps"] == 24


def test_the_command_writes_the_repaired_table(faulty, capsys) -> None:
    from forecast.cli import run

    clean = faulty.with_name("clean.csv")
    assert run(["check", str(faulty), "--fix", "-o", str(clean)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "zero: 1 row" in captured.err
    assert np.isnan(tables.read(str(clean)).values[500])
    assert run(["check", str(clean)]) == 0
    assert "zero" not in capsys.readouterr().out


def test_a_table_that_cannot_be_read_safely_is_exit_3(tmp_path, capsys) -> None:
    from forecast.cli import run

    path = tmp_path / "bad.csv"
    path.write_text("ds,y\n2020-01-01,1\n2020-01-02,12 kW\n")
    assert run(["check", str(path)]) == 3
    assert "line 3" in capsys.readouterr().err
