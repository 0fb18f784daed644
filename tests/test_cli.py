"""The command line through real pipes, as a user meets it."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def hours(count: int, first: str = "2024-01-01T00:00:00") -> list[str]:
    stamps = np.datetime64(first, "s") + np.arange(count) * np.timedelta64(1, "h")
    return [str(s) for s in stamps]


def table(rows: int = 24 * 7 * 6, seed: int = 0) -> str:
    t = np.arange(rows)
    noise = np.random.default_rng(seed).normal(size=rows)
    y = 100 + 20 * np.sin(2 * np.pi * t / 24) + 5 * np.sin(2 * np.pi * t / 168) + noise
    lines = [f"{s},{v:.3f}" for s, v in zip(hours(rows), y, strict=True)]
    return "\n".join(["ds,load", *lines]) + "\n"


LOAD = table()
HEADER, *ROWS = LOAD.splitlines(keepends=True)


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "load.csv"
    path.write_text(LOAD)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A seasonal naive fitted once, for tests of what comes after."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "load.csv").write_text(LOAD)
    command = [sys.executable, "-m", "forecast", "fit", "load.csv", "--model", "snaive", "-q"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "load-snaive.safetensors"


def good(done):
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def bad(done, code):
    message = done.stderr.decode()
    assert done.returncode == code, message
    assert "Traceback" not in message
    assert not done.stdout
    return message


# How it starts


@pytest.mark.parametrize("args", [["--help"], ["fit", "--help"], ["predict", "--help"],
                                  ["benchmark", "--help"], ["datasets", "--help"],
                                  ["tune", "--help"]])  # fmt: skip
def test_help_imports_nothing_heavy(args):
    assert loaded(args, []) == "[]"


def test_predict_imports_no_training_library(model):
    assert loaded(["predict", str(model)], ["numpy"]) == "[]"


def loaded(args, allowed):
    heavy = ["torch", "pandas", "sklearn", "scipy", "filterpy", "rich", "numpy"]
    heavy = [name for name in heavy if name not in allowed]
    code = (
        "import sys; from forecast.cli import run; assert run(sys.argv[1:]) == 0;"
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *args]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["nonsense"]])
def test_three_launchers_behave_the_same(args, tmp_path):
    script = Path(sys.executable).with_name("forecast")
    starts = [[sys.executable, ROOT / "cli.py"], [sys.executable, "-m", "forecast"], [script]]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ends = [subprocess.run([*s, *args], capture_output=True, cwd=tmp_path, env=env) for s in starts]
    assert len({(e.returncode, e.stdout, e.stderr) for e in ends}) == 1


def test_help_shows_an_example_first_and_bare_command_shows_help(forecast):
    text = good(forecast("--help"))
    assert text.index("Example:") < text.index("Options:")
    assert good(forecast()) == text


# Fit and predict


def test_fit_names_its_file_and_says_so(forecast, load, tmp_path):
    done = forecast("fit", "load.csv", "--model", "snaive")
    assert good(done) == ""
    assert "load-snaive.safetensors" in done.stderr.decode()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["load-snaive.safetensors", "load.csv"]


def test_fit_reads_a_pipe(forecast, tmp_path):
    good(forecast("fit", "-", "--model", "naive", stdin=LOAD.encode()))
    good(forecast("fit", "--model", "drift", stdin=LOAD.encode()))
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["stdin-drift.safetensors", "stdin-naive.safetensors"]


def test_predict_writes_the_forecast_and_nothing_else(forecast, model):
    done = forecast("predict", model, "--horizon", 3)
    lines = good(done).splitlines()
    assert lines[0] == "unique_id,ds,mean,0.1,0.5,0.9"
    last = ROWS[-1].split(",")[0]
    ahead = [str(np.datetime64(last) + k * np.timedelta64(1, "h")) for k in (1, 2, 3)]
    assert [line.split(",")[:2] for line in lines[1:]] == [["load", stamp] for stamp in ahead]


def test_rows_by_file_pipe_and_without_header_give_the_same(forecast, model, tmp_path):
    more = table(24 * 7 * 6 + 48).splitlines(keepends=True)[-100:]
    text = HEADER + "".join(more)
    (tmp_path / "new.csv").write_text(text)
    by_file = good(forecast("predict", model, "new.csv"))
    assert good(forecast("predict", model, "-", stdin=text.encode())) == by_file
    assert good(forecast("predict", model, stdin=text.encode())) == by_file
    assert good(forecast("predict", model, stdin="".join(more).encode())) == by_file
    assert by_file != good(forecast("predict", model))


def test_no_rows_means_the_stored_state(forecast, model):
    stored = good(forecast("predict", model))
    assert good(forecast("predict", model, stdin=b"")) == stored
    assert good(forecast("predict", model, stdin=HEADER.encode())) == stored


def test_predict_never_writes_the_model(forecast, model):
    before = model.read_bytes()
    good(forecast("predict", model, stdin=LOAD.encode()))
    assert model.read_bytes() == before


def test_fit_is_the_same_bytes_again(forecast, load, tmp_path):
    for name in ("a", "b"):
        good(forecast("fit", "load.csv", "--model", "esn", "--set", "units=20", "-o", name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("family", ["rnn", "gru"])
def test_recurrent_nets_from_a_pipe_to_a_pipe(forecast, family):
    small = ("--set", "updates=10", "--set", "units=4")
    good(forecast("fit", "-", "--model", family, *small, "-o", "m", stdin=LOAD.encode()))
    lines = good(forecast("predict", "m", stdin="".join(ROWS[-200:]).encode())).splitlines()
    assert len(lines) == 25


def test_formats_and_layouts(forecast, model, tmp_path):
    csv = good(forecast("predict", model))
    assert good(forecast("predict", model, "--format", "tsv")) == csv.replace(",", "\t")
    records = [json.loads(s) for s in good(forecast("predict", model, "-f", "jsonl")).splitlines()]
    assert json.loads(good(forecast("predict", model, "-f", "json"))) == records
    assert list(records[0]) == csv.splitlines()[0].split(",")
    assert good(forecast("predict", model, "-f", "markdown")).startswith("| unique_id")
    nixtla = good(forecast("predict", model, "--layout", "nixtla")).splitlines()[0]
    assert nixtla == "unique_id,ds,snaive,snaive-lo-80,snaive-hi-80"
    long = good(forecast("predict", model, "--layout", "long")).splitlines()
    assert long[0] == "unique_id,ds,kind,value"
    assert len(long) == 1 + 24 * 4
    good(forecast("predict", model, "-o", "out.parquet"))
    import pyarrow.parquet as pq

    assert pq.read_table(tmp_path / "out.parquet").num_rows == 24


def test_output_file_equals_standard_output(forecast, model, tmp_path):
    good(forecast("predict", model, "-o", "out.csv"))
    assert (tmp_path / "out.csv").read_text() == good(forecast("predict", model, "-o", "-"))
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


def test_output_to_a_device_leaves_it_one(forecast, model):
    good(forecast("predict", model, "-o", os.devnull))
    assert not Path(os.devnull).is_file()


def test_quiet_still_shows_errors(forecast, load):
    done = forecast("fit", "load.csv", "--model", "naive", "-q")
    assert (good(done), done.stderr) == ("", b"")
    assert "Error:" in bad(forecast("fit", "nothing.csv", "-q"), 3)


def test_inspect(forecast, model):
    facts = json.loads(good(forecast("inspect", model, "--format", "json")))
    assert facts["model"] == "snaive"
    assert facts["horizon"] == 24
    assert facts["series"] == ["load"]
    assert facts["reached"] == ROWS[-1].split(",")[0]
    assert "snaive" in good(forecast("inspect", model))


def test_a_file_without_state_holds_no_ids(forecast, load, tmp_path):
    good(forecast("fit", "load.csv", "--model", "snaive", "--no-state", "-o", "m"))
    assert json.loads(good(forecast("inspect", "m", "-f", "json")))["series"] == []
    assert len(good(forecast("predict", "m", "load.csv")).splitlines()) == 25
    bad(forecast("predict", "m"), 3)


# Benchmark and data sets


def test_benchmark_runs_the_baselines_too(forecast, load, tmp_path):
    done = forecast("benchmark", "load.csv", "--models", "snaive,esn", "--set", "esn.units=20",
                    "--horizon", 24, "--windows", 3, "--forecasts", "w.csv", "--report", "r.html",
                    "--format", "json")  # fmt: skip
    found = json.loads(good(done))
    models = [score["model"] for score in found["scores"]]
    assert sorted(models) == sorted({"esn", "linear", "naive", "snaive", "snaive-week", "drift"})
    header, *lines = (tmp_path / "w.csv").read_text().splitlines()
    assert header.startswith("model,unique_id,cutoff,ds,y,mean,0.1,")
    assert len(lines) == len(models) * 3 * 24
    assert all(np.isfinite([float(v) for v in line.split(",")[4:]]).all() for line in lines)
    page = (tmp_path / "r.html").read_text()
    assert "<svg" in page
    assert not re.search(r'(src|href)="https?:', page)


def test_benchmark_from_a_first_cutoff(forecast, load, tmp_path):
    cutoff = ROWS[-49].split(",")[0]
    good(forecast("benchmark", "load.csv", "--models", "naive", "--horizon", 12, "--windows", 2,
                  "--stride", 24, "--first-cutoff", cutoff, "--forecasts", "w.csv"))  # fmt: skip
    cutoffs = {line.split(",")[2] for line in (tmp_path / "w.csv").read_text().splitlines()[1:]}
    assert cutoffs == {cutoff, ROWS[-25].split(",")[0]}


def test_benchmark_formats_and_colour(forecast, load, tmp_path):
    args = ("benchmark", "load.csv", "--models", "naive", "--windows", 1)
    assert good(forecast(*args)).startswith("model,")
    shown = good(forecast(*args, "--format", "table", env={"FORCE_COLOR": "1"}))
    assert "\x1b[" in shown
    plain = good(forecast(*args, "-f", "table", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}))
    assert "MASE" in plain
    assert "\x1b" not in plain
    good(forecast(*args, "-o", "board.md"))
    assert (tmp_path / "board.md").read_text().startswith("| Model")


def test_datasets(forecast, tmp_path):
    listed = good(forecast("datasets", "list"))
    assert "electricity-load" in listed
    assert "google-stock" in listed
    assert "CC BY 4.0" in good(forecast("datasets", "show", "electricity-load"))
    rows = good(forecast("datasets", "export", "google-stock")).splitlines()
    assert len(rows) == 2149
    assert "google-stock" in bad(forecast("datasets", "show", "google-stok"), 2)
    good(forecast("fit", "--dataset", "google-stock", "--model", "naive"))
    assert (tmp_path / "google-stock-naive.safetensors").exists()
    lines = good(forecast("predict", "google-stock-naive.safetensors")).splitlines()
    assert len(lines) == 6


# Bad input


def rows(*cells: str) -> bytes:
    return "\n".join(["ds,y", *cells, ""]).encode()


GOOD = [f"{s},{k}.5" for k, s in enumerate(hours(60))]
BAD = {
    "empty file": (b"", "line 1"),
    "header only": (b"ds,y\n", "no row"),
    "no numeric column": (b"when,state\n" + b"2024-01-01,low\n" * 9, "numeric"),
    "unparseable date": (rows(*GOOD[:5], "someday,1.0", *GOOD[6:]), "line 7"),
    "duplicate timestamps": (rows(*GOOD[:5], GOOD[4], *GOOD[5:]), "line 7"),
    "text in the value column": (rows(*GOOD[:5], f"{hours(6)[5]},high", *GOOD[6:]), "line 7"),
    "all missing": (rows(*[f"{s}," for s in hours(9)]), "missing"),
    "one row": (rows(GOOD[0]), "one row"),
    "infinite values": (rows(*GOOD[:5], f"{hours(6)[5]},inf", *GOOD[6:]), "line 7"),
    "1e300": (rows(*GOOD[:5], f"{hours(6)[5]},1e300", *GOOD[6:]), "line 7"),
    "NUL bytes": (rows(*GOOD[:5], f"{hours(6)[5]},1\0", *GOOD[6:]), "line 7"),
    "wrong encoding": (rows(*GOOD[:5]).replace(b"5.5", b"\xff\xfe") + b"\xe9,\xfc\n", "line"),
    "unequal columns": (rows(*GOOD[:5], f"{hours(6)[5]},1,2", *GOOD[6:]), "line 7"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_its_place(name, forecast, tmp_path):
    content, place = BAD[name]
    (tmp_path / "bad.csv").write_bytes(content)
    message = bad(forecast("fit", "bad.csv", "--model", "naive"), 3)
    assert "bad.csv" in message
    assert place in message
    assert [p.name for p in tmp_path.iterdir()] == ["bad.csv"]


def test_unsorted_rows_are_sorted_and_it_is_said(forecast, tmp_path):
    shuffled = [*ROWS[100:], *ROWS[:100]]
    (tmp_path / "a.csv").write_text(HEADER + "".join(shuffled))
    done = forecast("fit", "a.csv", "--model", "snaive", "-o", "m")
    good(done)
    assert "sorted" in done.stderr.decode()


@pytest.mark.parametrize("family", ["naive", "esn", "kalman", "linear"])
def test_constant_and_short_series(family, forecast, tmp_path):
    (tmp_path / "a.csv").write_bytes(rows(*[f"{s},5" for s in hours(60)]))
    good(forecast("fit", "a.csv", "--model", family, "--horizon", 2, "-o", "m"))
    for line in good(forecast("predict", "m")).splitlines()[1:]:
        assert np.allclose([float(v) for v in line.split(",")[2:]], 5, atol=1e-2)
    (tmp_path / "b.csv").write_bytes(rows(*GOOD[:12]))
    done = forecast("fit", "b.csv", "--model", family, "--horizon", 2, "-o", "m2")
    assert done.returncode in (0, 3, 5), done.stderr.decode()
    assert b"bug" not in done.stderr


# Errors and exit codes


def test_misspelt_words_are_suggested(forecast, load):
    assert "did you mean 'predict'" in bad(forecast("predcit"), 2).lower()
    assert "did you mean `gru`" in bad(forecast("fit", "load.csv", "--model", "grru"), 2)
    assert "--model" in bad(forecast("fit", "load.csv", "--modell", "gru"), 2)
    message = bad(forecast("fit", "load.csv", "--model", "esn", "--set", "unit=3"), 2)
    assert "units" in message


def test_settings_are_listed_with_their_comments(forecast):
    lines = good(forecast("fit", "--list-settings", "esn")).splitlines()
    assert any(line.startswith("units") and len(line.split()) > 3 for line in lines)


def test_errors_as_json(forecast, load):
    for args, code, name in [
        (("fit", "load.csv", "--nonsense"), 2, "usage"),
        (("fit", "absent.csv"), 3, "data"),
        (("predict", "load.csv"), 4, "model-file"),
    ]:
        record = json.loads(bad(forecast(*args, "--json-errors"), code))
        assert set(record) == {"code", "message", "hint"}
        assert record["code"] == name


def test_model_file_errors(forecast, model, tmp_path):
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    (tmp_path / "damaged").write_bytes(data)
    assert "Hint:" in bad(forecast("predict", "damaged"), 4)
    bad(forecast("predict", "absent"), 4)


def test_horizon_beyond_the_fitted_one_names_the_cure(forecast, model):
    assert "forecast fit" in bad(forecast("predict", model, "--horizon", 25), 2)


@pytest.mark.parametrize("levels", ["0.5,nonsense", "0.001", "0.9,0.1"])
def test_bad_quantile_levels(levels, forecast, model):
    bad(forecast("predict", model, "--quantiles", levels), 2)


def test_absent_device(forecast, load):
    code = "import torch; print(torch.cuda.device_count())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name = f"cuda:{found.stdout.strip()}"
    assert "Hint:" in bad(forecast("fit", "load.csv", "--device", name), 6)


def test_places_that_cannot_be_written_are_refused_first(forecast, load, model):
    assert "no folder" in bad(forecast("fit", "load.csv", "-o", "nowhere/m"), 2)
    assert "no folder" in bad(forecast("predict", model, "-o", "nowhere/out.csv"), 2)


def test_debug_shows_the_traceback(forecast):
    done = forecast("fit", "absent.csv", "--debug")
    assert done.returncode == 3
    assert b"Traceback" in done.stderr


# Standard streams


def test_closed_pipe_ends_quietly(model):
    command = [sys.executable, "-m", "forecast", "predict", model]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:  # fmt: skip
        process.stdout.close()
        message = process.stderr.read()
    assert process.returncode == 141
    assert message == b""


def test_a_table_into_a_closed_pipe_is_told_without_buffers_too(tmp_path):
    table = tmp_path / "load.csv"
    table.write_text("t,y\n" + "".join(f"{k},{k % 24}\n" for k in range(30_000)))
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "forecast", "check", table, "--fix", "-q"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == b"unique_id,ds,y\n"
    process.stdout.close()
    assert process.wait() == 141 and process.stderr.read() == b""
    process.stderr.close()


def test_null_device_is_no_rows(forecast, model, tmp_path):
    assert len(good(forecast("predict", model)).splitlines()) == 25
    bad(forecast("fit", "--model", "naive"), 3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_signals(number, code, tmp_path):
    command = [sys.executable, "-m", "forecast", "fit", "-", "--model", "naive"]
    heard = lambda: signal.signal(number, signal.SIG_DFL)  # noqa: E731
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
                          preexec_fn=heard) as process:  # fmt: skip
        process.stdin.write(LOAD.encode() * 9)  # more than a pipe holds: it is being read
        process.stdin.flush()
        process.send_signal(number)
        message = process.stderr.read()
    assert process.returncode == code
    assert b"Traceback" not in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_not_our_bug(model, forecast, tmp_path):
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "forecast", "predict", str(model)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    message = bad(done, 2)
    assert "no space left" in message
    assert "bug" not in message


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits")
def test_a_file_that_grows_too_large_leaves_nothing(load, tmp_path):
    import resource

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    command = [sys.executable, "-B", "-m", "forecast", "fit", "load.csv", "--model", "naive"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, preexec_fn=limit, check=False)
    assert "too large" in bad(done, 2)
    assert [p.name for p in tmp_path.iterdir()] == ["load.csv"]


def test_a_fit_interrupted_goes_on_to_the_same_bytes(load, tmp_path, forecast):
    tiny = ["--set", "units=4", "--set", "head=6", "--set", "members=1", "--set", "updates=240"]
    good(forecast("fit", "load.csv", *tiny, "-o", "whole.safetensors"))
    command = [sys.executable, "-m", "forecast", "fit", "load.csv", *tiny, "-o", "cut.safetensors"]
    heard = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path,
                          preexec_fn=heard) as process:  # fmt: skip
        saved = "cut.safetensors.checkpoint.*"
        while process.poll() is None and not list(tmp_path.glob(saved)):
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        message = process.stderr.read()
    assert process.returncode == 130
    assert b"holds the best so far; `--resume`" in message
    assert len(good(forecast("predict", "cut.safetensors")).splitlines()) == 25
    good(forecast("fit", "load.csv", *tiny, "-o", "cut.safetensors", "--resume"))
    names = ["cut.safetensors", "whole.safetensors"]
    one, two = ((tmp_path / name).read_bytes() for name in names)
    assert one == two
    assert sorted(p.name for p in tmp_path.iterdir()) == [names[0], "load.csv", names[1]]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--quick", "--thorough"), "three ways to say one thing"),
        (("--minutes", "0"), "leaves no time"),
        (("--minutes", "2", "--resume"), "does not count"),
    ],
)
def test_budgets_that_contradict_each_other_are_refused(forecast, load, flags, said):
    assert said in bad(forecast("fit", "load.csv", *flags), 2)


def terminal(args, cwd):
    """Run the command at a terminal; return its exit code and what the terminal showed."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "forecast", *args]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd,
                          env=env) as process:  # fmt: skip
        os.close(theirs)
        shown = io.BytesIO()
        try:
            while block := os.read(ours, 65536):
                shown.write(block)
        except OSError:  # the other side is gone
            pass
    os.close(ours)
    return process.returncode, shown.getvalue().decode()


def test_a_terminal_gets_help_progress_and_a_table(load, tmp_path):
    code, shown = terminal(["fit"], tmp_path)
    assert code == 2
    assert "Example:" in shown
    code, shown = terminal(
        ["benchmark", "load.csv", "--models", "naive", "--windows", "1"], tmp_path
    )
    assert code == 0
    assert "\x1b[" in shown
    assert "MASE" in shown
