"""`forecast follow`: each row forecast as it comes, whatever else comes with it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from forecast import store
from forecast.calibration import widen
from forecast.data import tables
from forecast.data.clock import HOUR, Clock
from forecast.data.layout import Layout
from forecast.data.wanted import Wanted
from forecast.fitting import fit
from forecast.models.base import LEVELS, MEDIAN
from forecast.stream.feed import LONGEST, BadLineError, Feed, Reading
from forecast.stream.follower import Follower, Scores, Style
from forecast.stream.lines import Lines
from forecast.stream.state import Stream

HEADER = "unique_id,ds,y\n"
HOURLY = Clock("fixed", HOUR, (24, 168))
LONG = Layout(("unique_id", "ds", "y"), (2,), 0, 1)
SMALL = {
    "snaive": {},
    "drift": {},
    "linear": {"lags": "48"},
    "esn": {"units": "20", "reservoirs": "2", "lags": "48"},
    "kalman": {"seasons": "24:2", "anomaly": "0", "evaluations": "10", "starts": "1"},
    "gru": {"updates": "2", "units": "4", "head": "4", "members": "1"},
}


def wave(count: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=count)
    return 100 + 20 * np.sin(2 * np.pi * np.arange(count) / 24) + noise


def stamp(hour: int) -> str:
    return str(np.datetime64("1970-01-01T00:00:00") + np.timedelta64(hour, "h"))


def rows(name: str, first: int, stop: int, seed: int = 0) -> list[str]:
    values = wave(2000, seed)[first:stop].tolist()
    return [f"{name},{stamp(first + k)},{v!r}" for k, v in enumerate(values)]


@pytest.fixture(scope="module")
def snaive():
    return fitted("snaive")


def fitted(family: str, ids: tuple[str, ...] = ("a", "b")):
    text = "\n".join(line for k, name in enumerate(ids) for line in rows(name, 0, 1000, k))
    panel = tables.read((HEADER + text).encode())
    return fit(panel, family, 24, settings=SMALL[family])


def follow(forecaster, lines: list[str], **options):
    """Return the follower and the cells of what it wrote."""
    levels = options.pop("levels", LEVELS)
    stream = Stream(forecaster, options.pop("horizon", 1), levels, options.pop("rate", 0.0))
    out: list[str] = []
    said: list[str] = []
    feed = Feed(forecaster.clock, forecaster.layout)
    follower = Follower(feed, stream, Style("csv", levels), out.append, said.append, **options)
    follower.read(line.encode() for line in lines)
    return follower, [line.split(",") for line in "".join(out).splitlines()], said


# The forecasts


@pytest.mark.parametrize("family", SMALL)
def test_each_row_is_forecast_as_update_and_predict_would(family):
    forecaster = fitted(family)
    lines = [line for pair in zip(rows("a", 1000, 1030), rows("b", 1000, 1030, 1), strict=True)
             for line in pair]  # fmt: skip
    del lines[20:24]  # a hole of two rows in either series
    lines[30] = lines[30].rsplit(",", 1)[0] + ","  # a missing value
    _, cells, _ = follow(forecaster, lines, horizon=3)
    assert len(cells) == 3 * len(lines)
    for k in (0, 1, 19, 20, 30, 31, len(lines) - 1):
        name = lines[k][0]
        seen = tables.read((HEADER + "\n".join(lines[: k + 1])).encode(), clock=forecaster.clock)
        want = forecaster.predict(seen, 3, LEVELS)
        at = want.ids.index(name)
        got = np.array([row[5:] for row in cells[3 * k : 3 * k + 3]], float)
        tolerance = 1e-4 if family in ("esn", "gru") else 1e-8
        np.testing.assert_allclose(got[:, 1:], want.quantiles[at], rtol=tolerance)
        np.testing.assert_allclose(got[:, 0], want.mean[at], rtol=tolerance)
        assert [row[4] for row in cells[3 * k : 3 * k + 3]] == forecaster.clock.write(
            want.times[at]
        ).tolist()


def test_a_burst_of_many_series_gives_the_same_lines_as_row_by_row(snaive):
    lines = [line for k in range(20) for n in "cabd" for line in rows(n, 1000 + k, 1001 + k)]
    _, at_once, _ = follow(snaive, lines, rate=0.05)
    stream = Stream(snaive, 1, LEVELS, 0.05)
    out: list[str] = []
    follower = Follower(Feed(snaive.clock, snaive.layout), stream, Style("csv", LEVELS),
                        out.append, print)  # fmt: skip
    for line in lines:
        follower.read([line.encode()])
    assert [line.split(",") for line in "".join(out).splitlines()] == at_once
    one = stream.series.forecaster()
    assert one.ids == ("a", "b", "c", "d")
    assert [one.ids[i] for i in one.order] == ["a", "b", "c", "d"]
    again = Stream(store.loads(store.dumps(one)), 1, LEVELS)
    assert again.series.forecaster().last.tolist() == [1019 * HOUR] * 4


def test_every_and_tick(snaive):
    _, cells, _ = follow(snaive, rows("a", 1000, 1010), every=4)
    assert [row[1] for row in cells] == [stamp(1003), stamp(1007)]
    follower, cells, _ = follow(snaive, rows("a", 1000, 1003) + rows("b", 1000, 1001), every=0)
    assert cells == []
    out: list[str] = []
    follower._write = out.append
    follower.tick()
    follower.tick()
    assert [line.split(",")[:2] for line in "".join(out).splitlines()] == [
        ["a", stamp(1002)], ["b", stamp(1000)]]  # fmt: skip


# Intervals that adapt


def test_widths_follow_the_rule_and_are_saved(snaive):
    _, cells, _ = follow(snaive, rows("a", 1000, 1050), rate=0.1)
    stream = Stream(snaive, 1, LEVELS, 0.1)
    values = wave(2000)[1000:1050]
    width, first = np.zeros(MEDIAN), snaive.predict(levels=LEVELS).quantiles[0, 0]
    low, high = first[:MEDIAN], first[:MEDIAN:-1]
    for k, y in enumerate(values):
        miss = (y < low) | (y > high)
        width = np.clip(width + 0.1 * (miss - 2 * np.array(LEVELS[:MEDIAN])), -3, 3)
        quantiles = np.array(cells[k][6:], float)
        low, high = quantiles[:MEDIAN], quantiles[:MEDIAN:-1]
        place = stream.place("a", (1000 + k) * HOUR)
        stream.take([place], np.array([y]))
        stream.forecast([place.series])
        learnt = stream.series.forecaster().widths
        np.testing.assert_allclose(np.zeros(MEDIAN) if learnt is None else learnt[0], width,
                                   atol=1e-9)  # fmt: skip


def test_a_widened_interval_is_predicted_from_then_on(snaive):
    stream = Stream(snaive, 1, LEVELS, 0.5)
    for k, y in enumerate(wave(2000)[1000:1010] * 3):
        stream.take([place := stream.place("a", (1000 + k) * HOUR)], np.array([y]))
        stream.forecast([place.series])
    adapted = store.loads(store.dumps(stream.series.forecaster()))
    wide = np.ptp(adapted.predict(levels=(0.1, 0.9)).quantiles, axis=-1)
    plain = np.ptp(snaive.predict(levels=(0.1, 0.9)).quantiles, axis=-1)
    assert (wide[0] > 2 * plain[0]).all() and np.allclose(wide[1], plain[1])


@pytest.mark.parametrize("size", [0.3, 1.0, 4.0])
def test_coverage_holds_when_the_noise_changes(snaive, size):
    random = np.random.default_rng(1)
    t = np.arange(1000, 5000)
    values = 100 + 20 * np.sin(2 * np.pi * t / 24) + size * random.normal(size=len(t))
    lines = [f"a,{stamp(h)},{y!r}" for h, y in zip(t.tolist(), values.tolist(), strict=True)]
    _, cells, _ = follow(snaive, lines, rate=0.02)
    fell = np.array([row[3] for row in cells[1500:]], float)
    assert np.mean(fell == 0) == pytest.approx(0.95, abs=0.012)
    inner = np.array([[row[2], row[8], row[-3]] for row in cells[1500:]], float)
    inside = (inner[1:, 0] >= inner[:-1, 1]) & (inner[1:, 0] <= inner[:-1, 2])
    assert np.mean(inside) == pytest.approx(0.8, abs=0.02)


def test_widening_keeps_the_median_and_the_order():
    random = np.random.default_rng(0)
    quantiles = np.sort(random.normal(size=(4, 3, len(LEVELS))))
    wide = widen(quantiles, random.normal(size=(4, MEDIAN)))
    assert (np.diff(wide) >= 0).all()
    np.testing.assert_array_equal(wide[..., MEDIAN], quantiles[..., MEDIAN])
    assert widen(quantiles, np.zeros((4, MEDIAN))) is quantiles


# Rows that do not fit


def test_late_duplicate_and_odd_rows_are_told_counted_and_skipped(snaive):
    lines = rows("a", 1000, 1003)
    odd = [lines[2], lines[1], f"a,{stamp(1003)[:-5]}30:00,5", "a,1970-02-30T00:00:00,1", "a,b"]
    follower, cells, said = follow(snaive, [*lines, *odd, *rows("a", 1003, 1004)])
    assert len(cells) == 4
    assert {k: n for k, n in follower.counts.items() if n} == {
        "line": 9, "row": 4, "duplicate row": 1, "late row": 1, "row off the clock": 1,
        "bad line": 2}  # fmt: skip
    assert "there already" in said[0] and "before" in said[1] and "off the clock" in said[2]
    assert said[4] == "line 8: 2 cells instead of 3: `a,b`"
    assert "2 bad lines skipped" in follower.summary()


def test_a_gap_beyond_ten_contexts_starts_anew_and_says_so(snaive):
    far = 1000 + 10 * 2 * 168 + 500
    values = rows("a", 1000, 1002) + [f"a,{stamp(far + k)},{50 + k}" for k in range(3)]
    follower, cells, said = follow(snaive, values)
    assert "starts anew" in said[0] and len(said) == 1
    assert float(cells[2][5]) == pytest.approx(50, rel=0.2) and cells[2][3] == ""
    assert follower.stream.series.forecaster().last[0] == (far + 2) * HOUR
    near = [*rows("a", 1000, 1002), f"a,{stamp(1000 + 10 * 2 * 168)},50"]
    follower, _, said = follow(snaive, near)
    assert said == [] and follower.counts["absent row"] == 10 * 2 * 168 - 2


def test_a_false_timestamp_far_ahead_does_not_swallow_what_follows(snaive):
    lines = rows("a", 1000, 1020)
    _, plain, _ = follow(snaive, lines)
    lines.insert(10, f"a,{stamp(900_000)},7")
    _, cells, said = follow(snaive, lines)
    assert "starts anew" in said[0] and "false timestamp" in said[1]
    assert cells[:10] + cells[11:] == plain


def test_a_source_that_begins_again_is_no_crowd_of_late_rows(snaive):
    lines = rows("a", 990, 1005)
    follower, cells, said = follow(snaive, lines, replayed=True)
    assert len(cells) == 5 and said == []
    assert follower.counts["seen row"] == 10 and follower.counts["late row"] == 0


def test_many_bad_lines_are_not_all_told(snaive):
    _, _, said = follow(snaive, [*rows("a", 1000, 1001), *["x"] * 1234])
    assert len(said) == 5 + 3


def test_a_model_without_state_starts_series_cold(snaive):
    follower, cells, _ = follow(snaive.forget(), [HEADER.strip(), *rows("z", 0, 30)])
    assert len(cells) == 30 and follower.stream.series.forecaster().ids == ("z",)


def test_rolling_scores_are_those_of_a_loop(snaive):
    follower, cells, _ = follow(snaive, rows("a", 1000, 1001))
    follower.scores = Scores()
    out: list[str] = []
    follower._write = out.append
    follower.read(line.encode() for line in rows("a", 1001, 1201))
    after = [line.split(",") for line in "".join(out).splitlines()]
    pairs = list(zip([*cells, *after], after, strict=False))
    y = np.array([b[2] for _, b in pairs], float)
    middle = np.array([a[6 + MEDIAN] for a, _ in pairs], float)
    copied = wave(2000)[1001 - 24 : 1201 - 24]
    mase = np.abs(y - middle).sum() / np.abs(y - copied).sum()
    inside = np.mean([float(b[3]) == 0 for _, b in pairs])
    assert f"MASE {mase:.3f}, {100 * inside:.1f} % in the 95 %" in follower.scores.spoken()


# Lines to readings


def read(lines: list[str | bytes], clock=HOURLY, layout=LONG, **wanted) -> list[Reading]:
    feed = Feed(clock, layout, Wanted(**wanted))
    return [r for x in lines for r in feed.read(x if isinstance(x, bytes) else x.encode())]


def test_columns_may_come_in_another_order_and_change_with_a_new_header():
    lines = ["y,note,unique_id,ds", "5,n,a,1970-01-01T02:00", "", "ds,unique_id,y",
             "1970-01-01T03:00,a,6", "ds,unique_id,y", "1970-01-01T04:00,a,7"]  # fmt: skip
    assert read(lines) == [Reading("a", h * HOUR, v) for h, v in ((2, 5), (3, 6), (4, 7))]


def test_rows_without_a_header_come_as_in_the_data_of_the_fit():
    assert read(["a,1970-01-01T02:00:00,5"]) == [Reading("a", 2 * HOUR, 5)]
    assert read(["1970-01-01 02:00,5"], layout=None) == [Reading("column_2", 2 * HOUR, 5)]


def test_json_lines_by_their_keys():
    lines = ['{"y": 5, "unique_id": "a", "ds": "1970-01-01T02:00:00"}',
             '{"unique_id": "a", "ds": "1970-01-01T03:00:00Z", "y": null}',
             '{"unique_id": "b", "ds": "1970-01-01T03:00:00", "y": NaN, "z": 1}']  # fmt: skip
    got = read(lines, clock=Clock("fixed", HOUR, zone="UTC"))
    assert [(r.name, r.time) for r in got] == [("a", 2 * HOUR), ("a", 3 * HOUR), ("b", 3 * HOUR)]
    assert got[0].value == 5 and np.isnan([got[1].value, got[2].value]).all()


@pytest.mark.parametrize("cell", ["", "NaN", "nan", "null", "NA", " ", "-"])
def test_missing_values(cell):
    assert np.isnan(read([f"a,1970-01-01T02:00:00,{cell}"])[0].value)


def test_wide_rows_are_a_reading_of_each_series():
    layout = Layout(("ds", "a", "b"), (1, 2), None, 0, "wide")
    got = read(["1970-01-01T02:00,5,6"], layout=layout)
    assert got == [Reading("a", 2 * HOUR, 5), Reading("b", 2 * HOUR, 6)]


def test_other_dialects_are_read_as_the_table_reader_reads_them():
    layout = Layout(("d", "v"), (1,), None, 0, dates="day-first", decimal=",")
    assert read(["d;v", "02/01/1970 03:00;1.234,5"], layout=layout)[0] == Reading(
        "v", 27 * HOUR, 1234.5
    )
    epochs = Layout(("t", "v"), (1,), None, 0, dates="milliseconds")
    assert read(["7200000,1e3"], layout=epochs, clock=Clock("fixed", HOUR, zone="UTC"))[0] == (
        Reading("v", 2 * HOUR, 1000)
    )
    index = Layout(("t", "v"), (1,), None, 0)
    assert read(["12,3"], layout=index, clock=Clock("index"))[0] == Reading("v", 12, 3)
    assert read(["3"], layout=Layout(("v",), (0,)), clock=Clock("index"))[0].time is None


def test_the_hour_that_comes_twice(snaive):
    zone = Clock("fixed", HOUR, (24,), zone="Europe/Berlin")
    night = ["a,2024-10-27T01:00,1", "a,2024-10-27T02:00,2", "a,2024-10-27T02:00,3",
             "a,2024-10-27T03:00,4"]  # fmt: skip
    got = read(night, clock=zone)
    assert got[1] == Reading("a", got[0].time + HOUR, 2, got[0].time + 2 * HOUR)
    stream = Stream(fit(tables.read((HEADER + "\n".join(rows("a", 0, 300))).encode(),
                                    timezone="Europe/Berlin"), "naive", 1), 1)  # fmt: skip
    for k, reading in enumerate(got):
        place = stream.place("n", reading.time, reading.second)
        assert (place.fate, place.hole) == ("taken", 0), k
        stream.take([place], np.array([reading.value]))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"\xff\xfe\x00\x01", "not text"),
        (b"a,1970-01-01T02:00:00,\x00", "zero byte"),
        (b"a" * (LONGEST + 1), "longer than 1 MiB"),
        (b"a,1970-01-01T02:00:00,5,6", "4 cells instead of 3"),
        (b"a,1970-01-01T02:00:00,five", "is not a number"),
        (b"a,1970-01-01T02:00:00,inf", "beyond"),
        (b"a,1970-01-01T02:00:00,1_0", "is not a number"),
        (b"a,1970-13-01T02:00:00,5", "1970-13-01"),
        (b",1970-01-01T02:00:00,5", "no id"),
        (b"a,1970-01-01T02:00:00Z,5", "zone"),
        (b'a,"1970-01-01T02:00:00,5', "`a,"),
        (b'{"ds": ', "not JSON"),
        (b'{"ds": "1970-01-01T02:00:00", "y": [1, 2]}', "`{"),
        (b'{"a": 1}', "`{"),
    ],
)
def test_a_bad_line_is_told_and_the_next_one_read(line, said):
    feed = Feed(HOURLY, LONG)
    good = b"a,1970-01-01T02:00:00,5"
    assert feed.read(good) == feed.read(good)
    with pytest.raises(BadLineError) as error:
        feed.read(line)
    assert said in str(error.value) and "\n" not in str(error.value)
    assert feed.read(good) == [Reading("a", 2 * HOUR, 5)]


def test_pieces_of_any_size_give_the_same_lines():
    text = b"one\ntwo\r\n\n" + b"x" * 3_000_000 + b"\nlast"
    for size in (1000, 1 << 14, len(text)):
        cutter, found = Lines(), []
        for k in range(0, len(text), size):
            found += cutter.cut(text[k : k + size])
        found += cutter.end()
        assert [line[: LONGEST + 1][:5] for line in found] == [
            b"one", b"two\r", b"", b"xxxxx", b"last"]  # fmt: skip
        assert len(found[3]) > LONGEST


# The command


@pytest.fixture
def model(tmp_path: Path, snaive) -> Path:
    path = tmp_path / "m.safetensors"
    store.save(snaive, path)
    return path


def start(model: Path, *args: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "forecast", "follow", str(model), *args],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_each_line_is_out_before_the_next_comes_and_sigterm_saves(model):
    run = start(model)
    assert run.stdin and run.stdout and run.stderr
    assert run.stdout.readline() == b"unique_id,cutoff,y,outside,ds,mean,0.1,0.5,0.9\n"
    for line in rows("a", 1000, 1005):
        run.stdin.write(line.encode() + b"\n")
        assert run.stdout.readline().startswith(",".join(line.split(",")[:2]).encode())
    run.stdin.write(b"a,half a li")
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate()
    assert run.returncode == 143 and b"5 rows of 1 series" in err, err
    assert store.load(model).last[0] == 1004 * HOUR
    assert os.listdir(model.parent) == [model.name]


def test_killed_it_goes_on_from_the_last_save_to_the_same_lines(model, forecast):
    lines = rows("a", 1000, 1040)
    run = start(model, "--save-every", "0.01s", "--adapt", "0.1")
    assert run.stdin and run.stdout
    got = [run.stdout.readline()]
    for line in lines[:20]:
        run.stdin.write(line.encode() + b"\n")
        got.append(run.stdout.readline())
    while store.load(model).last[0] < 1000 * HOUR:
        time.sleep(0.01)
    run.kill()
    run.communicate()
    saved = (int(store.load(model).last[0]) // HOUR) - 999
    assert 0 < saved <= 20
    done = forecast("follow", model, "--adapt", "0.1", "--from-start",
                    stdin="\n".join(lines).encode())  # fmt: skip
    again = done.stdout.splitlines(keepends=True)
    assert got[saved + 1 :] == again[1 : 21 - saved]
    assert len(again) == 1 + 40 - saved
    assert os.listdir(model.parent) == [model.name]


def test_a_closed_pipe_ends_it_quietly(model):
    run = start(model)
    assert run.stdin and run.stdout and run.stderr
    run.stdout.readline()
    run.stdout.close()
    run.stdin.write(("\n".join(rows("a", 1000, 1005)) + "\n").encode())
    assert run.wait() == 141
    assert run.stderr.read() == b""
    run.stdin.close()
    run.stderr.close()


def test_one_writer_only_and_no_save_reads_beside_it(model, forecast):
    run = start(model)
    assert run.stdout is not None
    run.stdout.readline()
    text = (HEADER + "\n".join(rows("a", 1000, 1003))).encode()
    assert forecast("follow", model, stdin=text).returncode == 4
    before = model.read_bytes()
    done = forecast("follow", model, "--no-save", "-f", "jsonl", stdin=text)
    assert [json.loads(line)["cutoff"] for line in done.stdout.splitlines()] == [
        stamp(h) for h in range(1000, 1003)]  # fmt: skip
    assert model.read_bytes() == before
    run.send_signal(signal.SIGINT)
    run.communicate()
    assert run.returncode == 130


@pytest.mark.parametrize(
    ("args", "stdin", "code", "said"),
    [
        ((), b"\x00\x01\x02\n\x7fELF\x02\n\xff\xfe", 3, "none of 3 lines could be read"),
        ((), b"", 0, "0 rows"),
        (("--every", "0"), b"", 2, "every"),
        (("--clock", "0m"), b"", 2, "no length of time"),
        (("--clock", "soon"), b"", 2, "no length of time"),
        (("--horizon", "25"), b"", 2, "outside 1..24"),
        (("--quantiles", "0.01"), b"", 2, "0.025"),
    ],
)
def test_what_cannot_be(model, forecast, args, stdin, code, said):
    done = forecast("follow", model, *args, stdin=stdin)
    assert done.returncode == code, done.stderr
    assert said in done.stderr.decode() and b"Traceback" not in done.stderr


def test_a_clock_forecasts_what_came_since(model, forecast):
    text = (HEADER + "\n".join(rows("a", 1000, 1010) + rows("b", 1000, 1002))).encode()
    done = forecast("follow", model, "--clock", "1d", stdin=text)
    assert [line.split(b",")[1].decode() for line in done.stdout.splitlines()[1:]] == [
        stamp(1009), stamp(1001)]  # fmt: skip
