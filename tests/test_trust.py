"""What kills, full disks and read-only folders leave behind; more in `make trust`."""

import importlib.util
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest


def harness():
    path = Path(__file__).with_name("trust.py")
    spec = importlib.util.spec_from_file_location("trust", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_killed_commands_leave_whole_files_and_no_litter(capsys):
    harness().main(10 if os.environ.get("CI") else 4)
    assert "no half file" in capsys.readouterr().out


@pytest.fixture
def work(tmp_path):
    trust = harness()
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "data.csv").write_text(trust.rows(0, trust.START))
    (folder / "new.csv").write_text(trust.rows(trust.START, trust.START + 50))
    assert trust.run(folder, *trust.COMMANDS["fit"]) == 0
    return folder


@pytest.mark.parametrize("args", [("update", "m", "new.csv"), ("follow", "m")])
def test_a_full_disk_leaves_the_old_file(work, args):
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    before = (work / "m").read_bytes()
    with (work / "new.csv").open() as rows:
        done = subprocess.run([sys.executable, "-m", "forecast", *args], cwd=work, stdin=rows,
                              capture_output=True, preexec_fn=full, check=False)  # fmt: skip
    assert done.returncode == 2 and b"Traceback" not in done.stderr, done.stderr
    assert b"too large" in done.stderr
    assert (work / "m").read_bytes() == before
    assert sorted(p.name for p in work.iterdir()) == ["data.csv", "m", "new.csv"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_said(work):
    work.chmod(0o500)
    try:
        done = subprocess.run([sys.executable, "-m", "forecast", "update", "m", "new.csv"],
                              cwd=work, capture_output=True, check=False)  # fmt: skip
    finally:
        work.chmod(0o700)
    assert done.returncode == 2 and b"cannot be written" in done.stderr
