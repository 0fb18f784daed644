"""`forecast update`: rows taken into a model file, by one writer at a time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from forecast import cli, store
from forecast.claim import Claim
from forecast.data import tables
from forecast.data.clock import HOUR
from forecast.data.panel import Panel
from forecast.data.writing import atomic
from forecast.errors import ModelFileError
from forecast.fitting import fit

HEADER = "unique_id,ds,y\n"
SMALL = {
    "snaive": {},
    "linear": {"lags": "48"},
    "esn": {"units": "20", "reservoirs": "2", "lags": "48"},
    "kalman": {"seasons": "24:2", "anomaly": "0", "evaluations": "10", "starts": "1"},
    "gru": {"updates": "2", "units": "4", "head": "4", "members": "1"},
}


def wave(count: int, seed: int = 0) -> np.ndarray:
    t = np.arange(count)
    noise = np.random.default_rng(seed).normal(size=count)
    return 100 + 20 * np.sin(2 * np.pi * t / 24) + noise


def rows(name: str, first: int, stop: int, seed: int = 0) -> str:
    stamps = np.datetime64("1970-01-01T00:00:00") + np.arange(first, stop) * np.timedelta64(1, "h")
    values = wave(1200, seed)[first:stop]
    return "".join(f"{name},{s},{v!r}\n" for s, v in zip(stamps, values.tolist(), strict=True))


def history(count: int = 1000) -> Panel:
    return tables.read((HEADER + rows("a", 0, count)).encode())


@pytest.fixture
def update(tmp_path, monkeypatch, capsys):
    """Run the command in this process, in an empty folder: its exit code and what it said."""
    monkeypatch.chdir(tmp_path)

    def run(model: object, text: str, *args: object) -> tuple[int, str]:
        rows = tmp_path / "rows.csv"
        rows.write_text(text)
        code = cli.run(["update", str(model), "rows.csv", *map(str, args)])
        rows.unlink()
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.safetensors"
    store.save(fit(history(), "snaive", 24), path)
    return path


@pytest.mark.parametrize("family", SMALL)
def test_pieces_equal_one_pass(update, tmp_path, family):
    fitted = fit(history(), family, 24, settings=SMALL[family])
    for name in ("pieces", "whole"):
        store.save(fitted, tmp_path / name)
    for first, stop in ((1000, 1001), (1001, 1050), (1050, 1100)):
        assert update("pieces", HEADER + rows("a", first, stop))[0] == 0
    assert update("whole", HEADER + rows("a", 1000, 1100))[0] == 0
    one, other = (store.load(tmp_path / name) for name in ("pieces", "whole"))
    assert one.last == other.last == 1099 * HOUR
    np.testing.assert_allclose(
        one.predict().quantiles, other.predict().quantiles, rtol=2e-5 if family == "esn" else 1e-9
    )


def test_rows_come_through_a_pipe(forecast, model):
    done = forecast("update", model, stdin=rows("a", 1000, 1010).encode())
    assert done.returncode == 0 and done.stdout == b""
    assert store.load(model).last == 1009 * HOUR


def test_new_series_are_added_cold_and_known_rows_skipped(update, model):
    text = HEADER + rows("a", 990, 1010) + rows("b", 1000, 1010, seed=1)
    code, said = update(model, text)
    assert code == 0 and "20 of 30 rows were new; 1 series added, cold" in said
    assert store.load(model).ids == ("a", "b")
    assert "0 of 30 rows were new" in update(model, text)[1]


def test_elsewhere_leaves_the_model_alone(update, model, tmp_path):
    before = model.read_bytes()
    assert update(model, HEADER + rows("a", 1000, 1010), "-o", "new")[0] == 0
    assert model.read_bytes() == before
    assert store.load(tmp_path / "new").last == 1009 * HOUR


def test_a_second_writer_is_refused_and_the_first_keeps_the_name(update, model):
    fitted = store.load(model)
    text = HEADER + rows("a", 1000, 1010)
    with Claim(model) as claim:
        for _ in range(2):  # also after the file behind the name has changed
            code, said = update(model, text)
            assert code == 4 and "another" in said
            claim.save(fitted)
        with pytest.raises(ModelFileError), Claim(model):
            pass
    assert update(model, text)[0] == 0
    assert [p.name for p in model.parent.iterdir()] == [model.name]


def test_the_lock_ends_with_the_process(model):
    code = (
        "import sys, time\nfrom forecast.claim import Claim\n"
        "with Claim(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(model)], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with pytest.raises(ModelFileError), Claim(model):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with Claim(model):
        pass


def test_the_old_file_stays_until_the_new_one_is_whole(model, monkeypatch):
    before = model.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space")))
    with Claim(model) as claim, pytest.raises(OSError, match="no space"):
        claim.save(store.load(model))
    assert model.read_bytes() == before
    assert [p.name for p in model.parent.iterdir()] == [model.name]


def test_what_a_killed_writer_left_is_swept_away(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = tmp_path / f".out.{gone.pid}.part"
    living = tmp_path / f".out.{os.getppid()}.part"
    other = tmp_path / f".other.{gone.pid}.part"
    for path in (dead, living, other):
        path.write_text("half")
    with atomic(tmp_path / "out") as path:
        path.write_text("whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([living.name, other.name, "out"])


def test_a_file_without_state_takes_rows_and_has_one_again(update, tmp_path):
    store.save(fit(history(), "snaive", 24), tmp_path / "bare", state=False)
    assert update("bare", HEADER + rows("a", 1000, 1048))[0] == 0
    assert store.load(tmp_path / "bare").ids == ("a",)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", 0, "nothing to do"),
        (HEADER, 0, "nothing to do"),
        ("unique_id,ds,y\na,1970-02-12,1\na,1970-02-13,2\na,1970-02-14,3\n", 3, "daily"),
        ("unique_id,ds,y\na,2026-01-01T00:30:00,1\na,2026-01-01T01:30:00,x\n", 3, "line 3"),
        ("unique_id,ds,y\na,4,1\na,5,2\n", 3, "integers"),
    ],
)
def test_bad_rows(update, model, text, code, said):
    before = model.read_bytes()
    ended, heard = update(model, text)
    assert ended == code and said in heard
    assert model.read_bytes() == before


def test_missing_model(update):
    code, said = update("none.safetensors", HEADER)
    assert code == 4 and "forecast fit" in said


def test_terminated_while_waiting_for_rows(model):
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    args = [sys.executable, "-m", "forecast", "update", str(model)]
    with subprocess.Popen(args, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as run:
        for _ in range(600):
            time.sleep(0.05)
            try:
                with Claim(model):
                    pass
            except ModelFileError:
                break
        run.send_signal(signal.SIGTERM)
        assert run.wait() == 143
    assert [p.name for p in model.parent.iterdir()] == [model.name]
