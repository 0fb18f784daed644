"""What a command loads before it answers, what a shell completes, what every option says."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forecast import store
from forecast.data import tables
from forecast.fitting import fit

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "pandas", "sklearn", "scipy", "filterpy", "rich"}
SLOW = {"pydantic", "numba", "pyarrow", "numpy.ma", "importlib.metadata", "statistics"}
SMALL = {
    "snaive": {},
    "linear": {"lags": "48"},
    "esn": {"units": "20", "reservoirs": "2", "lags": "48"},
    "kalman": {"seasons": "24:2", "anomaly": "0", "evaluations": "10", "starts": "1"},
    "gru": {"updates": "2", "units": "4", "head": "4", "members": "1"},
}


def table(first: int, stop: int) -> str:
    hours = np.arange(first, stop)
    y = 100 + 20 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(0).normal(size=len(hours))
    stamps = np.datetime64("2024-01-01T00:00:00") + hours * np.timedelta64(1, "h")
    rows = (f"a,{s},{v!r}\n" for s, v in zip(stamps, y.tolist(), strict=True))
    return "unique_id,ds,y\n" + "".join(rows)


@pytest.mark.parametrize("family", SMALL)
def test_serving_loads_nothing_heavy(tmp_path, family):
    panel = tables.read(table(0, 1000).encode())
    store.save(fit(panel, family, 24, settings=SMALL[family]), tmp_path / "m")
    (tmp_path / "rows.csv").write_text(table(1000, 1200))
    code = (
        "import sys\nfrom forecast.cli import run\n"
        "codes = [run(['predict', 'm', 'rows.csv']), run(['simulate', 'm', '--paths', '2']),\n"
        "         run(['follow', 'm', '--no-save']), run(['update', 'm', 'rows.csv'])]\n"
        f"print(codes, sorted({HEAVY | SLOW} & set(sys.modules)), "
        "file=sys.stderr)"
    )
    with (tmp_path / "rows.csv").open() as rows:
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stdin=rows,
                              capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
                              check=False)  # fmt: skip
    assert done.stderr.decode().splitlines()[-1] == "[0, 0, 0, 0] []", done.stderr


@pytest.mark.parametrize("args", [["--help"], ["follow", "--help"], ["datasets", "--help"]])
def test_help_loads_not_even_numpy(args):
    code = (
        f"import sys\nfrom forecast.cli import run\nrun({args})\n"
        f"print(sorted({HEAVY | {'pydantic', 'numpy'}} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.stderr == b"[]\n"


# Completion


@pytest.mark.parametrize(
    ("shell", "words", "want"),
    [
        ("bash", {"COMP_WORDS": "forecast fo", "COMP_CWORD": "1"}, "follow"),
        ("bash", {"COMP_WORDS": "forecast fit --hor", "COMP_CWORD": "2"}, "--horizon"),
        ("bash", {"COMP_WORDS": "forecast follow m --format j", "COMP_CWORD": "4"}, "jsonl"),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "forecast sim"}, "simulate"),
        ("fish", {"_TYPER_COMPLETE_ARGS": "forecast upd",
                  "_TYPER_COMPLETE_FISH_ACTION": "get-args"}, "update"),
    ],
)  # fmt: skip
def test_a_shell_completes(forecast, shell, words, want):
    done = forecast(env={"_FORECAST_COMPLETE": f"complete_{shell}", **words})
    assert want in done.stdout.decode() and done.stderr == b"" and done.returncode == 0


def test_completion_is_shown_and_installed(forecast, tmp_path):
    home = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    for shell in ("bash", "zsh", "fish"):
        done = forecast("--show-completion", shell, env=home)
        assert done.returncode == 0 and b"_FORECAST_COMPLETE" in done.stdout, done.stderr
    assert forecast("--install-completion", "bash", env=home).returncode == 0
    assert "forecast" in (tmp_path / ".bashrc").read_text()


# Every option has help, and stands in the reference


def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_option_has_help_and_every_command_an_example():
    import typer

    from forecast.cli import application

    for name, command in reference().walk("forecast", typer.main.get_command(application())):
        assert command.help and "Example:" in command.help, name
        for option in command.params:
            assert option.help, f"{name}: {option.name} has no help"


def test_the_reference_is_that_of_the_commands():
    module = reference()
    assert module.PAGE.read_text() == module.page(), "run: python docs/reference.py"
