"""Forecasts made elsewhere on the leaderboard: both forms of table, holes, other data, the gate."""

import importlib.util
import io
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import cli

ROOT = Path(__file__).parent.parent
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TASK = ["--models", "linear", "--horizon", "6", "--windows", "12", "--season", "24"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with two noisy waves and our own forecasts of them, as `--forecasts` writes them."""
    folder = tmp_path_factory.mktemp("peers")
    rng = np.random.default_rng(0)
    hours = pd.date_range("2024-01-01", periods=300, freq="h")
    wave = 50 + 10 * np.sin(np.arange(300) * np.pi / 12)
    rows = [pd.DataFrame({"unique_id": name, "ds": hours, "y": wave + noise * rng.normal(size=300)})
            for name, noise in (("a", 0.1), ("1", 1.0))]  # fmt: skip
    pd.concat(rows).to_csv(folder / "wave.csv", index=False, date_format="%Y-%m-%dT%H:%M:%S")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        quantiles = ["-q", "--forecasts", "ours.csv", "-o", "scores.csv"]
        assert cli.run(["benchmark", "wave.csv", *TASK, *quantiles]) == 0
    return folder


@pytest.fixture
def folder(home, monkeypatch):
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def ours(home):
    frame = pd.read_csv(home / "ours.csv", dtype={"unique_id": str})
    return frame[frame["model"] == "linear"].drop(columns="model")


def scores(capsys, *args):
    assert cli.run(["benchmark", "wave.csv", *TASK, "-f", "json", *args]) == 0
    got = capsys.readouterr()
    return {score["model"]: score for score in json.loads(got.out)["scores"]}, got.err


def test_our_own_forecasts_score_as_we_do(folder, ours, capsys):
    shuffled = ours.sample(frac=1, random_state=0)
    shuffled.to_csv("theirs.csv.gz", index=False)
    old = pd.read_csv(folder / "ours.csv").assign(mean=lambda f: f["mean"] + 1e-3)
    old[old["model"] != "drift"].to_csv("old.csv", index=False)
    peers = [w for name in ("theirs.csv.gz", "ours.csv", "old.csv") for w in ("--peers", name)]
    found, _ = scores(capsys, *peers)
    assert {name for name in found if "(" in name} == {
        f"{name} (old)" for name in ("linear", "snaive", "snaive-week", "naive")
    }  # those of ours.csv are our own, and not there twice
    for name in ("theirs", "linear (old)"):
        for key in ("mase", "rmsse", "wql", "cover80", "skill", "missing", "wins"):
            assert found[name][key] == pytest.approx(found["linear"][key], rel=2e-3), key
        assert found[name]["fit_seconds"] is None
        assert found[name]["parameters"] is None
    assert found["theirs"]["cover95"] is None  # there are deciles only
    assert found["theirs"]["crps"] is None
    assert found["theirs"]["cover50"] == pytest.approx(found["linear"]["cover50"], abs=0.05)


def test_what_nixtla_writes_is_understood(folder, ours, capsys):
    names = {"mean": "MSTL", "0.1": "MSTL-lo-80", "0.9": "MSTL-hi-80.0"}
    frame = ours.rename(columns=names)[["unique_id", "ds", "cutoff", "y", *names.values()]]
    frame["GRU-median"], frame["GRU-lo-60"] = ours["0.5"], ours["0.2"]
    frame.to_csv("cv.csv", index=False)
    frame.to_parquet("cv.parquet")
    first, _ = scores(capsys, "--peers", "cv.csv")
    second, _ = scores(capsys, "--peers", "cv.parquet")
    assert first["MSTL"] == second["MSTL"]
    linear = first["linear"]
    assert first["MSTL"]["cover80"] == pytest.approx(linear["cover80"])
    assert first["MSTL"]["rmsse"] == pytest.approx(linear["rmsse"])
    assert first["GRU"]["mase"] == pytest.approx(linear["mase"])
    assert first["GRU"]["wql"] is None  # nothing is known above its median


def test_rows_that_are_left_out_are_the_naives_and_others_are_said(folder, ours, capsys):
    extra = ours.iloc[:5].assign(ds="2030-01-01T00:00:00", y=np.nan)
    pd.concat([ours.iloc[30:], extra]).to_csv("some.csv", index=False)
    found, said = scores(capsys, "--peers", "some.csv", "--report", "some.html")
    assert found["some"]["missing"] == 30
    assert found["some"]["mase"] != found["linear"]["mase"]
    page = (folder / "some.html").read_text()
    assert "some left 30 of 144 rows without a forecast" in page
    assert "5 rows of some.csv are not of this benchmark" in page
    assert "some" in said


def test_a_point_forecast_is_enough(folder, ours, capsys):
    ours[["unique_id", "ds", "cutoff", "mean"]].to_csv("point.csv", index=False)
    found, _ = scores(capsys, "--peers", "point.csv", "--report", "point.html")
    assert found["point"]["rmsse"] == pytest.approx(found["linear"]["rmsse"])
    assert found["point"]["wql"] is None
    assert "nan" not in (folder / "point.html").read_text().split("<main>")[1].lower()


def test_the_gate_takes_a_peer_as_the_bar(folder, ours, capsys):
    worse = ours.copy()
    worse[["mean", *map(str, LEVELS)]] += 3 * np.sin(np.arange(len(ours)))[:, None]
    worse.to_csv("worse.csv", index=False)
    gate = ["benchmark", "wave.csv", *TASK, "--peers", "worse.csv", "-o", "out.csv"]
    assert cli.run([*gate, "--fail-unless-better-than", "worse"]) == 0
    assert "Better than worse beyond luck" in capsys.readouterr().err
    assert cli.run([*gate, "--fail-unless-better-than", "snaive"]) == 0
    assert cli.run([*gate, "--fail-unless-better-than", "wors"]) == 2
    assert "did you mean `worse`?" in capsys.readouterr().err


def test_a_task_file_names_peers(folder, ours, capsys):
    ours.to_csv("theirs.csv", index=False)
    (folder / "task.toml").write_text(
        'models = ["snaive"]\nhorizon = 6\nwindows = 12\npeers = ["theirs.csv"]\n'
        '[data]\nfile = "wave.csv"\nseason = [24]\n'
    )
    assert cli.run(["benchmark", "task.toml", "-o", "out.csv"]) == 0
    assert "theirs" in set(pd.read_csv("out.csv")["model"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns="cutoff"), "there is no column `cutoff`"),
        (lambda f: f.iloc[:0], "there is no row"),
        (lambda f: f.assign(y=f["y"] * 2), "line 2: `y` is "),
        (lambda f: f.assign(cutoff="yesterday"), "column `cutoff`: `yesterday` and the like"),
        (lambda f: f.assign(ds=f["ds"] + "Z"), "column `ds`: it has a zone, the data have none"),
        (lambda f: f.assign(unique_id="z"), "none of its 144 rows is one of the benchmark"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "line 146: `bad` has forecast this row before"),
        (lambda f: f[["unique_id", "ds", "cutoff", "y"]], "no column holds forecasts"),
        (lambda f: f[["unique_id", "ds", "cutoff", "0.1"]], "neither a column `mean` nor `0.5`"),
        (lambda f: f.assign(mean="much"), "a forecast of `bad` is no number"),
        (lambda f: f.assign(y="much"), "a value of `y` is no number"),
        (lambda f: f.assign(**{"0.0": 1.0}), "column `0.0`: a quantile level lies between 0 and 1"),
        (lambda f: f.assign(model=""), "line 2: the model has no name"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(folder, ours, change, words, capsys):
    change(ours).to_csv("bad.csv", index=False)
    assert cli.run(["benchmark", "wave.csv", *TASK, "--peers", "bad.csv", "-o", "no.csv"]) == 3
    said = capsys.readouterr().err
    assert words in said
    assert "Hint:" in said
    assert not (folder / "no.csv").exists()


def test_a_file_is_judged_before_anything_is_fitted(folder, ours, capsys, monkeypatch):
    def never(*args, **more):
        raise AssertionError("a model was fitted")

    monkeypatch.setattr("forecast.training.linear.fit", never)
    ours.assign(y=ours["y"] * 2).to_csv("bad.csv", index=False)
    assert cli.run(["benchmark", "wave.csv", *TASK, "--peers", "bad.csv"]) == 3
    assert "line 2: `y` is " in capsys.readouterr().err


def test_two_files_of_one_name_are_refused_before_anything_is_fitted(
    folder, ours, capsys, monkeypatch
):
    monkeypatch.setattr("forecast.training.linear.fit", None)
    for k, name in enumerate(("one", "two")):
        (folder / name).mkdir()
        for model in ("mine", "mine (same)"):
            table = ours.assign(model=model)
            table["mean"] += k
            table.to_csv(folder / name / "same.csv", mode="a", index=False, header=model == "mine")
    peers = ("--peers", "one/same.csv", "--peers", "two/same.csv")
    assert cli.run(["benchmark", "wave.csv", *TASK, *peers]) == 3
    assert "`mine (same)` is there already" in capsys.readouterr().err


def test_holes_and_crossing_quantiles_are_said(folder, ours, capsys):
    odd = ours.iloc[20:].rename(columns={"0.1": "0.9", "0.9": "0.1"})
    odd.to_csv("odd.csv", index=False)
    _, said = scores(capsys, "--peers", "odd.csv")
    assert "Warning: odd: 20 of 144 rows have no forecast" in said
    assert "Warning: odd: quantiles cross in 124 of 124 rows" in said


def test_a_file_that_is_no_table_is_refused(folder, capsys):
    (folder / "noise.csv").write_bytes(bytes(range(256)))
    for name in ("noise.csv", "absent.csv", "."):
        assert cli.run(["benchmark", "wave.csv", *TASK, "--peers", name]) == 3
        assert "Traceback" not in capsys.readouterr().err


def test_levels_in_between_follow_the_normal_score():
    from statistics import NormalDist

    from forecast.peers import spread

    normal = NormalDist()
    given = {p: np.array([normal.inv_cdf(p)]) for p in (0.1, 0.5, 0.9)}
    out = spread(given, (0.025, 0.1, 0.25, 0.75, 0.9, 0.975))[0]
    assert np.isnan(out[[0, -1]]).all()
    assert out[1:5] == pytest.approx([normal.inv_cdf(p) for p in (0.1, 0.25, 0.75, 0.9)])


def test_a_zoned_clock_reads_both_kinds_of_stamps(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hours = pd.date_range("2024-03-28", periods=120, freq="h", tz="UTC")
    text = "ds,y\n" + "".join(f"{t.isoformat()},{50 + 9 * np.sin(t.hour)}\n" for t in hours)
    (tmp_path / "zone.csv").write_text(text)
    task = ["zone.csv", "--timezone", "Europe/Berlin", "--models", "snaive", "--horizon", "6",
            "--windows", "16"]  # fmt: skip
    assert cli.run(["benchmark", *task, "--forecasts", "w.csv", "-o", "s.csv"]) == 0
    frame = pd.read_csv("w.csv")
    frame = frame[frame["model"] == "drift"].assign(model="other")
    local = frame.assign(ds=frame["ds"].str[:19], cutoff=frame["cutoff"].str[:19], model="local")
    utc = frame.assign(model="utc")
    for name in ("ds", "cutoff"):
        utc[name] = pd.to_datetime(utc[name], utc=True).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    for name, table in (("local", local), ("utc", utc)):
        table.to_csv(f"{name}.csv", index=False)
    out = ["--peers", "local.csv", "--peers", "utc.csv", "-f", "csv", "-o", "s.csv"]
    assert cli.run(["benchmark", *task, *out]) == 0
    found = pd.read_csv(io.StringIO((tmp_path / "s.csv").read_text())).set_index("model")
    assert found.loc["local", "mae"] == pytest.approx(found.loc["drift", "mae"])
    assert found.loc["utc", "mae"] == pytest.approx(found.loc["drift", "mae"])
    assert (found["missing"] == 0).all()


def test_the_script_that_runs_peers_scores_as_a_benchmark_does(folder, ours, capsys):
    spec = importlib.util.spec_from_file_location("peers_run", ROOT / "benchmarks/peers/run.py")
    script = importlib.util.module_from_spec(spec)
    sys.modules["peers_run"] = script  # dataclasses look there
    spec.loader.exec_module(script)
    first = pd.read_csv("wave.csv")["ds"][299 - 12 * 6]
    text = f'horizon = 6\nwindows = 12\nfirst_cutoff = "{first}"\n[data]\nfile = "wave.csv"\n'
    (folder / "wave.toml").write_text(text + "season = [24]\n")
    task = script.read(folder / "wave.toml", folder)
    assert [str(t) for t in task.cutoffs.strftime("%Y-%m-%dT%H:%M:%S")] == sorted({*ours["cutoff"]})
    theirs = ours.assign(cutoff=pd.to_datetime(ours["cutoff"]), ds=pd.to_datetime(ours["ds"]))
    filed = script.shaped(theirs.drop(columns="y").assign(model="x"), task)
    assert len(filed) == len(ours)
    filed.loc[3, "y"] = np.nan  # a row without a truth does not count
    holes = pd.read_csv("wave.csv", dtype={"unique_id": str})
    gone = (holes["unique_id"] == filed["unique_id"][3]) & (holes["ds"] == filed["ds"][3])
    holes.loc[gone, "y"] = np.nan
    holes.to_csv("holes.csv", index=False)
    ours.to_csv("same.csv", index=False)
    assert cli.run(["benchmark", "holes.csv", "--models", "naive", *TASK[2:], "--peers", "same.csv",
                    "-f", "json", "-o", "holes.json"]) == 0  # fmt: skip
    told = {s["model"]: s for s in json.loads((folder / "holes.json").read_text())["scores"]}
    for key, value in script.scores(filed, task).items():
        assert value == pytest.approx(told["same"][key], abs=2e-3 if key == "cover80" else 1e-4)
