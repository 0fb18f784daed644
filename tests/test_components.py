"""What `inspect` says of a Kalman filter: components as table, letters and page, and estimates."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from forecast import fitting, store
from forecast.data.clock import HOUR, Clock
from forecast.data.panel import assemble
from forecast.errors import UsageError
from forecast.report import components, structure

CLOCK = Clock("fixed", step=HOUR, seasons=(24,))


@pytest.fixture(scope="module")
def panel():
    rng, t = np.random.default_rng(0), np.arange(480)
    day = 100 + 20 * np.sin(2 * np.pi * t / 24)
    data = [day + rng.normal(size=480), 3 * day + rng.normal(size=480)]
    data[1][[0, 7]] = np.nan
    return assemble(["a", "b"], data, [0, 0], CLOCK)


@pytest.fixture(scope="module")
def forecaster(panel):
    settings = {"evaluations": "60", "starts": "1", "seasons": "24:2", "anomaly": "0"}
    return fitting.fit(panel, "kalman", 24, transform="none", settings=settings)


@pytest.mark.parametrize("transform", ["none", "log"])
def test_components_add_up_to_the_data(panel, transform):
    settings = {"evaluations": "40", "starts": "1", "seasons": "24:2"}
    fitted = fitting.fit(panel, "kalman", 24, transform=transform, settings=settings)
    for i, found in enumerate(components.decompose(fitted, panel)):
        y = panel.series(i)
        mean = found.values[..., 0]
        together = mean.prod(axis=0) if transform == "log" else mean.sum(axis=0)
        there = ~np.isnan(y)
        np.testing.assert_allclose(together[there], y[there], rtol=1e-9)
        inside = np.isfinite(mean)
        assert (found.values[..., 1] <= found.values[..., 0])[inside].all()


def test_the_table_is_long_and_empty_before_the_first_value(forecaster, panel):
    found = components.decompose(forecaster, panel)
    text = components.as_csv(found, panel.clock).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["unique_id", "ds", "component", "mean", "0.1", "0.9"]
    assert len(rows) == 2 * 480 * len(found[0].names)
    first = next(row for row in rows if row["unique_id"] == "b" and row["component"] == "level")
    assert first["mean"] == "" and first["ds"] == "1970-01-01T00:00:00"


def test_the_season_of_a_sine_is_that_sine(forecaster, panel):
    found = components.decompose(forecaster, panel)[0]
    season = found.values[found.names.index("season-24"), :, 0]
    wave = 20 * np.sin(2 * np.pi * np.arange(480) / 24)
    assert np.abs(season - wave).max() < 3


def test_letters_and_page_name_every_component(forecaster, panel):
    found = components.decompose(forecaster, panel)
    letters = components.text(found, panel.clock)
    page = components.page(found, panel.clock, "a & b")
    for name in found[0].names:
        assert name in letters and f"<h3>{name}</h3>" in page
    assert "a &amp; b" in page and page.count("<svg xmlns") == 2 * len(found[0].names)
    assert "(drawn: the last 24 rows)" in letters
    many = components.text(found * 4, panel.clock)
    assert "and 2 series more" in many


def test_a_season_is_drawn_by_rows_that_show_it(forecaster, panel, monkeypatch):
    monkeypatch.setattr(components, "POINTS", 100)
    page = components.page(components.decompose(forecaster, panel), panel.clock, "a")
    assert "<h3>season-24 <small>the last 100 rows</small></h3>" in page
    assert "<h3>level</h3>" in page


def test_factors_are_said_in_per_cent():
    values = np.array([[0.9998, 0.9997, 0.9999], [1.0001, 1.0, 1.0002]])
    assert components._range(values, True, "trend") == "-0.02 to +0.01 %, +- 0.01"
    assert components._range(values, False, "trend") == "0.9998 to 1, +- 0.0001"


def test_other_models_and_unknown_series_are_refused(forecaster, panel):
    naive = fitting.fit(panel, "naive", 24)
    with pytest.raises(UsageError, match="naive has no components"):
        components.decompose(naive, panel)
    stranger = replace(panel, ids=("a", "c"))
    with pytest.raises(UsageError, match="does not know the series `c`"):
        components.decompose(forecaster, stranger)


def test_the_ratio_is_said_with_its_meaning():
    assert structure.meaning(("level",), 1e6).startswith("a random walk")
    half = structure.meaning(("level",), 0.5)  # gain (sqrt(0.25 + 2) - 0.5) / 2
    assert half == "exponential smoothing: the level takes 50 % of each surprise"
    assert "observation noise" in structure.meaning(("level", "ar", "ar-damping"), 0.1)


def test_estimates_at_an_edge_are_reported_by_name(forecaster):
    arrays = {name: array.copy() for name, array in forecaster.model.arrays.items()}
    arrays["parameters"][:, forecaster.model.structure.names.index("season-24")] = -19.0
    arrays["converged"][:] = [True, False]
    odd = replace(forecaster, model=replace(forecaster.model, arrays=arrays))
    said = structure.notes(odd)
    assert len(said) == 2 and "`b`" in said[0] and "evaluations=240" in said[0]
    assert "`season-24` is estimated at zero" in said[1]
    assert structure.facts(odd)["states"] == 6


def run(*args, cwd, stdin=None):
    command = [sys.executable, "-m", "forecast", *args]
    given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, **given)


@pytest.fixture(scope="module")
def folder(forecaster, panel, tmp_path_factory):
    path = tmp_path_factory.mktemp("components")
    store.save(forecaster, path / "m.safetensors")
    stamps = panel.clock.write(panel.row_times(0))
    rows = [f"a,{ds},{y}" for ds, y in zip(stamps, panel.series(0), strict=True)]
    (path / "d.csv").write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    return path


def test_the_command_shows_writes_and_reports(folder):
    model = ("inspect", "m.safetensors")
    shown = run(*model, "d.csv", "--components", "--report", "c.html", cwd=folder)
    assert shown.returncode == 0 and "season-24" in shown.stdout
    assert (folder / "c.html").read_text().startswith("<!doctype html>")
    piped = run(*model, "-", "--components", "-f", "csv", cwd=folder,
                stdin=(folder / "d.csv").read_text())  # fmt: skip
    assert piped.stdout.startswith("unique_id,ds,component,mean,0.1,0.9\na,1970-01-01T00:00:00")
    as_json = run(*model, "d.csv", "--components", "-f", "json", cwd=folder)
    assert json.loads(as_json.stdout)[0]["components"]["level"]["mean"][0] > 0
    facts = json.loads(run(*model, "--format", "json", cwd=folder).stdout)
    assert "meaning" in facts["estimates"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--components",), "keeps only the last few"),
        (("d.csv", "--components", "--dynamics"), "two questions"),
        (("--format", "csv"), "goes with --components"),
        (("d.csv",), "--components"),
    ],
)
def test_options_that_do_not_go_together_are_refused(folder, args, said):
    done = run("inspect", "m.safetensors", *args, cwd=folder)
    assert done.returncode == 2 and said in done.stderr and "Hint:" in done.stderr
