"""Reports: the right numbers, nothing that runs or leaves the page, figures that are valid SVG."""

import csv
import io
import json
import math
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.clock import DAY, HOUR, Clock
from forecast.report import (
    data,
    differences,
    figures,
    html,
    leaderboard,
    markdown,
    svg,
    terminal,
    ticks,
)
from forecast.results import LEVELS, Benchmark, ModelRun, Score

ROOT = Path(__file__).parent.parent

SPREAD = np.array([-2, -1.6, -1.3, -0.8, -0.65, -0.5, -0.25, 0, 0.25, 0.5, 0.65, 0.8, 1.3, 1.6, 2])
ERRORS = {"gru": 0.2, "kalman": 0.5, "snaive-week": 1.0, "snaive": 1.4, "naive": 9.0}
HOURLY = Clock("fixed", HOUR, (24, 168))
VOID = {"meta", "!doctype", "link", "input"}


def benchmark(ids=("load",), horizon=24, windows=9, stride=None, clock=HOURLY, **changes):
    """Forecasts of a sine with errors of known size, at cutoffs `stride` steps apart."""
    rng = np.random.default_rng(5)
    n, stride, unit = len(ids), stride or horizon, HOUR if clock.kind == "fixed" else DAY
    unit = 1 if clock.kind == "index" else unit
    prices = clock.kind == "trading"
    cutoff = 1_000 + stride * np.arange(windows)
    step = np.tile(np.arange(1, horizon + 1), n * windows)
    cutoff = np.tile(np.repeat(cutoff, horizon), n)
    series = np.repeat(np.arange(n), windows * horizon)
    y = 50 + 10 * np.sin(2 * np.pi * (cutoff + step) / 24) + rng.standard_normal(len(step))
    names = {"kalman": 0.995, "esn": 1.2, "naive": 1.0} if prices else ERRORS
    runs = {}
    for k, (name, size) in enumerate(names.items()):
        median = y + size * rng.choice([-1, 1], len(y))
        quantiles = median[:, None] + SPREAD
        runs[name] = ModelRun(name, median, quantiles, 75.0 * k, 0.0002, 1234 * k, "cpu")
    fields = {
        "ids": tuple(ids), "clock": clock, "name": "sine", "horizon": horizon, "windows": windows,
        "stride": stride, "season": 1 if prices else 24, "prices": prices, "series": series,
        "cutoff": cutoff * unit, "ds": (cutoff + step) * unit, "step": step, "y": y,
        "origin": y - rng.standard_normal(len(y)), "mae_scale": np.ones(n), "mse_scale": np.ones(n),
        "levels": LEVELS, "runs": runs, "facts": {"command": "forecast benchmark", "seed": 0},
    }  # fmt: skip
    return Benchmark(**(fields | changes))


def stock(**changes):
    return benchmark(("GOOG",), 1, 120, clock=Clock("trading", unit="D"), **changes)


class Tags(HTMLParser):
    """Checks that every tag is closed in order, and collects tags and their attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.words = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def read(page):
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    for figure in re.findall(r'<figure><div class="scroll">(.*?)</div>', page, re.S):
        ElementTree.fromstring(figure)
    return tags


def test_page_holds_everything_and_needs_nothing():
    page = html.page([("Load", benchmark()), ("Google", stock())])
    tags = read(page)
    assert [tag for tag, _ in tags.seen if tag in ("img", "iframe")] == []
    assert [attrs for tag, attrs in tags.seen if tag == "script"] == [{}]
    assert [a["href"] for tag, a in tags.seen if tag == "link"] == ["data:,"]
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}
    hrefs = [a["href"] for tag, a in tags.seen if tag == "a"]
    names = {a.get("id") for _, a in tags.seen}
    assert hrefs == ["#part-1", "#part-2"]
    assert {"part-1", "part-2"} <= names
    for words in ("Leaderboard", "Forecasts against truth", "Error by step ahead",
                  "Coverage of the 80", "Time and parameters", "forecast benchmark",
                  "differ from the baseline beyond luck", "snaive-week",
                  "prefers-color-scheme"):  # fmt: skip
        assert words in tags.words
    assert "nan" not in re.sub(r"[a-z-]*nan[a-z]+", "", page.lower())
    assert page == html.page([("Load", benchmark()), ("Google", stock())])
    assert "too few cutoffs to tell" in html.page([("Load", benchmark(windows=7))])


@pytest.mark.parametrize("prices", [False, True])
def test_json_is_what_its_schema_says(prices):
    schema = json.loads((ROOT / "docs" / "benchmark.schema.json").read_text())
    make = stock if prices else benchmark
    runs = make().runs
    runs["kalman"].failed = "variance is zero"
    runs["kalman"].mean[:] = np.nan
    b = make(runs=runs)
    found = json.loads(data.to_json(b))
    jsonschema.validate(found, schema)
    assert ("verdict" in found) <= prices
    known = [s["model"] for s in found["scores"] if s["mase"] is not None]
    assert len(found["pairs"]) == len(known) * (len(known) - 1) // 2
    assert set(found["calibration"]) == set(known)
    assert len(found["data"]["cutoffs"]) == len(found["calibration"][known[0]]["cover80_by_cutoff"])
    pair = found["pairs"][0]
    told = b.compare(pair["model"], pair["other"])
    assert pair["difference"] == pytest.approx(told.difference, rel=1e-8)
    assert (pair["p"] is None) == np.isnan(told.p)


def test_the_schema_knows_every_score():
    schema = json.loads((ROOT / "docs" / "benchmark.schema.json").read_text())
    assert list(schema["$defs"]["score"]["properties"]) == [f.name for f in fields(Score)]


def test_several_seeds_are_shown_with_their_spread():
    b = benchmark()
    run = b.runs["gru"]
    other = replace(run, quantiles=run.quantiles + 0.3, repeats=())
    b = benchmark(runs=b.runs | {"gru": replace(run, repeats=(other,))})
    score = b.score("gru")
    assert score.seeds == 2
    shown = f"{score.mase:.3f} +- {score.mase_spread:.3f}"
    assert shown in terminal.leaderboard(b)
    assert terminal.leaderboard(b).isascii()
    for text in (markdown.leaderboard(b), html.page([("seeds", b)])):
        assert shown.replace("+-", "±") in text
        assert "gru: means of 2 fits with other seeds" in text


def test_a_twin_of_the_baseline_is_called_level_and_weekends_are_left_out():
    b = stock()
    run = b.runs["naive"]
    k = np.arange(120)
    days = (4 + 7 * (k // 5) + k % 5) * DAY  # from a Monday on, weekdays only
    twin = stock(runs=b.runs | {"twin": replace(run, name="twin")}, ds=days)
    page = html.page([("twins", twin)])
    assert "twin errs as naive does." in page
    weekday = page.split("<h3>Error by weekday</h3>")[1].split("<h3>")[0]
    assert ">Fri<" in weekday
    assert ">Sat<" not in weekday


def test_ids_and_names_are_text():
    evil = "<script>alert('x')</script>"
    b = benchmark((evil, 'a"b&c'), name=evil, facts={"command": evil, evil: evil})
    b.runs["gru"].notes = (evil,)
    run = replace(b.runs["gru"], name=evil)
    b = benchmark(b.ids, name=evil, facts=b.facts, runs=b.runs | {evil: run})
    page = html.page([(evil, b)], title=evil)
    tags = read(page)
    assert [tag for tag, _ in tags.seen].count("script") == 1
    assert tags.words.count(evil) >= 8
    ElementTree.fromstring(svg.standalone(figures.forecasts(b, [evil]), evil))
    assert "<script>" not in markdown.leaderboard(b)


@pytest.mark.parametrize(
    "b",
    [
        benchmark(horizon=1, windows=1),
        benchmark(horizon=400, windows=2),
        benchmark(stride=100),
        benchmark(stride=5),
        benchmark(clock=Clock("index"), horizon=7),
        benchmark(clock=Clock("trading", unit="D"), horizon=5),
        benchmark(y=np.full(9 * 24, np.nan)),
        benchmark(y=np.zeros(9 * 24)),
        benchmark(mae_scale=np.zeros(1), mse_scale=np.zeros(1)),
        stock(mae_scale=np.zeros(1), mse_scale=np.full(1, np.nan)),
    ],
)
def test_odd_benchmarks_are_drawn(b):
    read(html.page([("odd", b)]))
    json.loads(data.to_json(b))
    terminal.leaderboard(b, 80, colour=True)
    markdown.leaderboard(b)


def test_a_failed_model_is_listed_with_its_reason():
    runs = benchmark().runs
    runs["kalman"].failed = "variance is zero"
    runs["kalman"].mean[:] = np.nan
    runs["kalman"].quantiles[:] = np.nan
    runs["gru"].mean[:5] = np.nan
    b = benchmark(runs=runs)
    page = read(html.page([("x", b)])).words
    for text in (page, terminal.leaderboard(b), markdown.leaderboard(b)):
        assert "kalman failed: variance is zero" in text.replace("\\", "")
        assert "gru left 5 of 216 rows without a forecast" in text
    assert json.loads(data.to_json(b))["failed"] == {"kalman": "variance is zero"}


def test_facts_that_say_nothing_are_left_out():
    b = benchmark()
    b.facts.update(known=(), past=("volume",))
    page = html.page([("x", b)])
    assert "<dd></dd>" not in page
    assert "<dt>past</dt><dd>volume</dd>" in page


def test_a_page_of_a_hundred_series_stays_small():
    b = benchmark([f"s{i}" for i in range(100)], horizon=48, windows=30)
    assert len(html.page([("many", b), ("again", b)]).encode()) < 2_000_000


def test_json_holds_the_scores():
    b = benchmark()
    found = json.loads(data.to_json(b))
    assert [s["model"] for s in found["scores"]] == [
        "gru",
        "kalman",
        "snaive-week",
        "snaive",
        "naive",
    ]
    for row in found["scores"]:
        score = b.score(row["model"])
        assert (row.pop("model"), row.pop("device")) == (score.model, "cpu")
        for key, value in row.items():
            kept = np.nan if value is None else value
            assert kept == pytest.approx(getattr(score, key), rel=1e-8, nan_ok=True)
        steps = b.by_step(score.model)
        assert found["by_step"][score.model] == pytest.approx(steps, rel=1e-8)
    assert found["baseline"] == b.baseline == "snaive-week"
    assert found["facts"]["seed"] == 0
    assert "hit_rate" not in found["scores"][0]
    assert "hit_rate" in json.loads(data.to_json(stock()))["scores"][0]


def test_undefined_scores_are_null_and_empty():
    b = benchmark(mae_scale=np.zeros(1))
    assert json.loads(data.to_json(b))["scores"][0]["mase"] is None
    assert next(csv.DictReader(io.StringIO(data.to_csv(b))))["mase"] == ""


def test_csv_rows_are_the_scores():
    b = benchmark(("a,b", 'c"d'))
    rows = list(csv.DictReader(io.StringIO(data.to_csv(b))))
    assert [row["model"] for row in rows] == [s.model for s in b.scores()]
    assert float(rows[0]["mase"]) == pytest.approx(b.scores()[0].mase, rel=1e-8)
    assert "\r" not in data.to_csv(b)


def two_sided():
    """A gru that errs less than the baseline early and on `a`, more late and on `b`."""
    b = benchmark(("a", "b", "c"), horizon=4, windows=40)
    sign = np.random.default_rng(1).choice([-1.0, 1.0], len(b.y))
    late, on = b.step > 2, b.series
    size = 1.0 + np.where(late, 1.0, -0.3) + np.array([-0.6, 0.6, 0.0])[on] - 0.35
    size *= 1 + 0.1 * np.random.default_rng(2).standard_normal(len(b.y))
    gru = replace(b.runs["gru"], mean=b.y, quantiles=(b.y + sign * size)[:, None] + 0 * SPREAD)
    return benchmark(b.ids, 4, 40, runs=b.runs | {"gru": gru}, baseline="snaive-week")


def test_the_report_says_at_which_steps_and_on_which_series_models_differ():
    b = two_sided()
    found = json.loads(data.to_json(b))
    tests = found["beside_baseline"]["gru"]
    steps, series = b.compare_steps("gru", b.baseline), b.compare_series("gru", b.baseline)
    for key, told in (("by_step", steps), ("by_series", series)):
        for part, values in zip(("difference", "p"), told, strict=True):
            assert tests[key][part] == pytest.approx(values, rel=1e-8)
    assert differences.sides(*steps).tolist() == [-1, -1, 1, 1]
    assert differences.sides(*series).tolist() == [-1, 1, 0]
    assert found["data"]["ids"] == ["a", "b", "c"]
    assert b.baseline not in found["beside_baseline"]
    page = html.page([("x", b)])
    row = re.search(r'<th scope="row">gru</th>(.*?)</tr>', page.split("by series</h3>")[1])[1]
    assert re.findall("<td>(.*?)</td>", row) == ["1", "1", "1", "a", "b"]
    drawn = differences.by_step(b, {"gru": steps})
    bars = [re.findall(r"M[\d.]+ ([\d.]+)V([\d.]+)", path) for path in
            re.findall(r'<path d="([^"]*)" fill="var\(--(?:green|orange)\)"', drawn)]  # fmt: skip
    assert [[float(end) < float(middle) for middle, end in each] for each in bars] == [
        [True, True], [False, False],
    ]  # fmt: skip


def test_one_line_says_where_the_best_model_differs():
    b = two_sided()
    other = benchmark(b.ids, 4, 40, runs={n: b.runs[n] for n in ("gru", "snaive-week")},
                      baseline="snaive-week")  # fmt: skip
    said = differences.sentence(other)
    assert said == (
        "Taken apart, gru is better than snaive-week beyond luck at 2 of 4 steps ahead, worse at 2 "
        "and on 1 of 3 series, worse on 1."
    )
    for text in (terminal.leaderboard(other), markdown.leaderboard(other).replace("\\", ""),
                 html.page([("x", other)])):  # fmt: skip
        assert said in " ".join(text.split())
    assert said in json.loads(data.to_json(other))["said"]


def test_a_difference_that_is_written_as_none_has_no_sign():
    found = stock()
    run = found.runs["naive"]
    near = replace(run, name="esn", quantiles=run.quantiles + 1e-7)
    b = stock(runs={"esn": near, "naive": run})
    for text in (" ".join(leaderboard.summary(b)), html.page([("x", b)])):
        assert "\N{MINUS SIGN}0.00 " not in text
        assert "comparisons" not in text
    assert "esn, errs as much." in " ".join(leaderboard.summary(b))


@pytest.mark.parametrize("b", [benchmark(windows=4), benchmark(horizon=1, windows=20)])
def test_nothing_is_said_where_nothing_can_be_told(b):
    assert differences.sentence(b) == ""
    assert "<h3>Against" not in html.page([("x", b)])


def test_very_many_series_are_not_tested_one_by_one():
    b = benchmark([f"s{i}" for i in range(differences.LISTED + 1)], 1, 8)
    noisy = b.y[:, None] + np.random.default_rng(4).normal(0, 0.1, len(b.y))[:, None] + 0 * SPREAD
    b = replace(b, runs=b.runs | {"gru": replace(b.runs["gru"], quantiles=noisy)}, baseline="")
    found = json.loads(data.to_json(b))
    assert "ids" not in found["data"]
    assert "by_series" not in found["beside_baseline"]["gru"]
    assert not any("Taken apart" in said for said in found["said"])
    assert "by series" not in html.page([("x", b)])


@pytest.mark.parametrize("width", [60, 80, 120])
def test_terminal_table_fits(width):
    text = terminal.leaderboard(benchmark(), width)
    assert max(map(len, text.splitlines())) <= width
    assert text.isascii()
    assert "snaive-week (baseline)" in text
    coloured = terminal.leaderboard(benchmark(), width, colour=True)
    plain = re.sub(r"\x1b\[\d+m", "", coloured).replace(leaderboard.MINUS, "-")
    assert plain == text


def test_terminal_table_keeps_all_without_a_width():
    head = terminal.leaderboard(stock()).splitlines()[0].split()
    for title in ("MASE", "Skill", "WQL", "R2", "Hits", "RMSSE", "Bias", "Fit", "Parameters"):
        assert title in head


def test_markdown_table_is_square():
    lines = markdown.leaderboard(benchmark()).splitlines()
    assert {line.count("|") for line in lines if line.startswith("|")} == {lines[0].count("|")}
    assert lines[2].startswith("| gru | **0.200** |")


def test_summary_says_who_beat_the_baseline():
    said = " ".join(leaderboard.summary(benchmark()))
    assert "gru has the smallest error, 80 % below the baseline's" in said
    assert "Below the baseline too: kalman (50 %)." in said
    assert "Worse than the baseline: snaive and naive." in said
    said = " ".join(leaderboard.summary(stock()))
    assert "No model is clearly better than the last price: the best of them, kalman" in said
    assert "Within 0.5 % of the baseline: kalman." in said


def test_known_covariates_are_said_to_be_perfect():
    said = " ".join(leaderboard.notes(benchmark(facts={"known": ["temperature"]})))
    assert "Perfect weather" in said and "temperature" in said
    assert not any("weather" in note for note in leaderboard.notes(benchmark()))


def test_a_note_that_models_share_is_said_once():
    runs = benchmark().runs
    for run in runs.values():
        run.notes = ("log: all values are positive",)
    runs["gru"].notes += ("stopped early",)
    said = leaderboard.notes(benchmark(runs=runs))
    assert said == ["All models: log: all values are positive.", "gru: stopped early."]


def test_windows_that_abut_are_joined_and_others_sampled():
    joined = figures.excerpt(benchmark(), 0)
    assert len(joined.windows) == 7
    assert joined.x[-1] == 7 * 24 - 1
    apart = benchmark(stride=100)
    found = figures.excerpt(apart, 0)
    assert [int(apart.cutoff[found.rows[w.start]] // HOUR) for w in found.windows] == [
        1000, 1400, 1800,
    ]  # fmt: skip
    lapping = benchmark(stride=6)
    rows = figures.excerpt(lapping, 0).rows
    assert (np.diff(lapping.ds[rows]) > 0).all()


def test_a_figure_stands_alone():
    figure = svg.standalone(figures.overlay(stock(), ["esn", "kalman", "naive"]), "Google")
    root = ElementTree.fromstring(figure)
    assert "var(" not in figure
    assert root.attrib["viewBox"].startswith("0 -40")
    titles = [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")]
    assert {"esn", "kalman", "naive", "truth"} == set(titles)


def test_every_model_has_its_own_look():
    looks = figures.marks(
        ["gru", "rnn", "esn", "kalman", "linear", "naive", "snaive", "drift", "x"]
    )
    assert len(set(looks.values())) == len(looks)


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9), st.integers(2, 9))
def test_round_numbers_lie_in_the_range(low, size, count):
    found = ticks.nice(low, low + size, count)
    at = [tick.at for tick in found]
    slack = 1e-6 * size + 1e-9 * abs(low)
    assert all(low - slack <= v <= low + size + slack for v in at)
    assert 1 <= len(at) <= 2 * count + 2
    assert len({tick.label for tick in found}) == len(found) or size < 1e-7 * abs(low)


@given(
    st.sampled_from([HOUR // 60, HOUR // 2, HOUR, DAY, 7 * DAY, 30 * DAY, 366 * DAY]),
    st.integers(1, 500),
    st.integers(-(10**3), 10**4),
    st.integers(2, 12),
)
def test_date_marks_are_few_and_in_order(step, rows, start, count):
    times = start * step // 7 + step * np.arange(rows)
    found = ticks.dates(times, Clock("fixed", step), count)
    at = [int(tick.at) for tick in found]
    assert at == sorted(set(at))
    assert 1 <= len(at) <= max(count, 2)
    assert found[0].context or re.fullmatch(r"\d{4}", found[0].label)


def test_hours_carry_their_day_and_days_their_month():
    times = HOUR * np.arange(48)
    labels = [(t.label, t.context) for t in ticks.dates(times, HOURLY, 5)]
    assert labels == [
        ("00:00", "1 Jan 1970"),
        ("12:00", ""),
        ("00:00", "2 Jan 1970"),
        ("12:00", ""),
    ]
    days = ticks.dates(DAY * np.arange(29, 33), Clock("fixed", DAY), 5)
    assert [(t.label, t.context) for t in days] == [
        ("Fri 30", "Jan 1970"), ("Sat 31", ""), ("Sun 1", "Feb 1970"), ("Mon 2", ""),
    ]  # fmt: skip


def test_numbers_are_written_as_read():
    assert leaderboard.digits(1234.567) == "1,235"
    assert leaderboard.digits(-0.01234) == f"{leaderboard.MINUS}0.01234"
    assert leaderboard.seconds(125) == "2 min 5 s"
    assert leaderboard.seconds(0.0002) == "<1 ms"
    assert ticks.number(2500000, 500000) == "2.5 M"
    assert ticks.number(0.25, 0.25) == "0.25"
    assert math.isclose(ticks.nice(0, 1, 4)[1].at, 0.2)


def test_the_summary_says_what_is_beyond_luck():
    b, rng = benchmark(windows=60), np.random.default_rng(0)
    for run in b.runs.values():
        run.quantiles += 0.1 * rng.standard_normal((len(b.y), 1))
    b = replace(b, baseline="")
    said = leaderboard.summary(b)[-1]
    sure = [s.model for s in b.scores() if s.p < leaderboard.ALPHA]
    assert sure
    assert all(f"{name} (p " in said for name in sure)
    few = leaderboard.summary(benchmark(windows=3))[-1]
    assert few == "There are too few cutoffs to tell these differences from luck."
