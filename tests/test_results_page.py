"""The page of results: it comes from the records alone, and says where each number is from."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    for name in ("records", "scores", "evidence"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.spec_from_file_location("results_page", ROOT / "docs" / "results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PAGE", tmp_path / "results.md")
    return module


def score(model, mase, skill, device="cpu", **others):
    return {"model": model, "mase": mase, "skill": skill, "p": 0.01, "wql": mase / 20,
            "cover80": 0.8, "device": device, "mase_spread": None} | others  # fmt: skip


def record(*scores, **changes):
    """A record as `--record` writes it, cut to what the page reads."""
    return {
        "baseline": "snaive", "task": {"windows": 28},
        "data": {"series": 1, "first_cutoff": "2000-07-30", "last_cutoff": "2000-08-26",
                 "truths": 1344},
        "scores": list(scores), "pairs": [],
        "facts": {"command": "forecast benchmark t.toml --run /home/me/run --record",
                  "commit": "abc", "hardware": "two cores", "seed": 3, "task": {"seeds": 2},
                  "versions": {"python": "3.11"}},
    } | changes  # fmt: skip


def weeks(known, *blind):
    """Scores of a week with temperatures and of those without."""
    days = {f"2007-07-{day:02d}": error for day, error in enumerate(blind, 1)}
    return {"backcast": known, "forecast week": sum(blind) // len(blind),
            "weeks": {"backcast": {"2006-01-01": known}, "forecast week": days}}  # fmt: skip


def test_the_recorded_results_become_a_page(results):
    results.main()
    page = results.PAGE.read_text()
    for path in (ROOT / "benchmarks" / "results").glob("*.json"):
        found = json.loads(path.read_text())
        if path.stem in (*results.scores.LOADS, *results.scores.PRICES):
            assert f"### {path.stem}\n" in page
            assert f"commit {found['facts']['commit']}" in page
    assert "1,251 and 1,103" in page
    assert "protocol is unknown" in page.lower()
    assert "/tmp/" not in page


def test_a_table_says_where_it_is_from_and_who_beats_a_peer(results, tmp_path, monkeypatch):
    pairs = [{"model": "gru", "other": "MSTL", "difference": -0.1, "p": 0.0004},
             {"model": "MSTL", "other": "esn", "difference": -0.1, "p": 0.02},
             {"model": "gru", "other": "esn", "difference": -0.1, "p": 0.01}]  # fmt: skip
    made = record(score("gru", 0.2, 0.6, mase_spread=0.004), score("MSTL", 0.3, 0.4, "elsewhere"),
                  score("esn", 0.6, -0.2), score("snaive", 0.5, 0.0, p=None),
                  pairs=pairs)  # fmt: skip
    (tmp_path / "taylor.json").write_text(json.dumps(made))
    monkeypatch.setattr(sys.modules["records"], "RESULTS", tmp_path)
    results.main()
    page = results.PAGE.read_text()
    assert "| **gru** ± 0.004 | 0.200 | 60.0 % | 0.010 |" in page
    assert "| esn | 0.600 | -20.0 % |" in page
    assert "| snaive (baseline) |" in page
    assert "| | *MSTL* |" in page
    assert "| gru | better, <0.001 |" in page
    assert "| esn | worse, 0.020 |" in page
    assert "| snaive | - |" in page
    assert "| ***MSTL*** | 0.300 |" in page
    assert "`forecast benchmark t.toml --record`; commit abc; seed 3, 2 seeds; two cores" in page
    assert "| MSTL | 0.600 |" in page  # all tasks together: its error beside the baseline's


def test_gefcoms_own_score_and_the_peers_stand_beside_what_they_are_measured_by(
    results, tmp_path, monkeypatch
):
    own = {"all": 90000, "backcast": 60000, "forecast week": 112500, "seconds": 61.2,
           "command": "python benchmarks/gefcom2012.py DATA_FOLDER", "commit": "abc"}  # fmt: skip
    (tmp_path / "gefcom2012-wrmse.json").write_text(json.dumps(own))
    ours, theirs = weeks(50000, 150000, 90000), weeks(60000, 140000, 100000)
    for name in ("validation", "fresh"):
        (tmp_path / f"gefcom2012-{name}.json").write_text(json.dumps(ours | {"commit": "abc"}))
    other = {"apart": {"all": 9000}, "copy": {"all": 99000}, "validation": theirs, "fresh": theirs}
    (tmp_path / "gefcom2012-vanilla.json").write_text(json.dumps(other | {"commit": "abc"}))
    made = record(score("MSTL", 0.1, 0.8, "elsewhere"), score("gru", 0.2, 0.6))
    (tmp_path / "taylor.json").write_text(json.dumps(made))
    row = {"task": "taylor", "model": "LightGBM", "about": "lags", "seconds": 90.4,
           "processor_seconds": 40.2, "megabytes": 200, "versions": {"lightgbm": "4.7.0"},
           "hardware": "two cores", "commit": "abc",
           "scores": {"mase": 0.25, "wql": 0.013, "cover80": 0.81}}  # fmt: skip
    (tmp_path / "peers.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.setattr(sys.modules["records"], "RESULTS", tmp_path)
    results.main()
    page = results.PAGE.read_text()
    assert "| forecast, `linear` on days | 90,000 | 60,000 | 112,500 | 61.2 |" in page
    assert "| organisers' benchmark | 100,385 | 69,557 | 123,758 | - |" in page
    assert "10,385 below it over all, 9,557 below it on the eight weeks, 11,258 below it" in page
    assert "the copy lies 9,000 from their file and 99,000 from the truth" in page
    assert "| where the forecast was chosen, without | 120,000 | 120,000 | 1 of 2 |" in page
    assert "| by which nothing was chosen, with temperatures | 50,000 | 60,000 | 1 of 1 |" in page
    told = "| 0.250 | 0.01300 | 81.0 % | gru 0.200 | 90 | 40 | 200 | lightgbm 4.7.0 | abc |"
    assert f"| taylor | LightGBM | lags {told}" in page
