"""The wheel, the public names, the versions: what a user installs."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import forecast

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_wheel_installs_one_module_with_its_data(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"forecast"}
    assert wheel.name.startswith("recurrent_forecast-")
    assert "forecast/py.typed" in names
    embedded = [name for name in names if name.startswith("forecast/data/embedded/")]
    assert sum(name.endswith(".csv.gz") for name in embedded) == 2
    assert any("DATA-LICENSES" in name for name in embedded)


def test_public_names_are_few_and_there():
    assert 8 <= len(forecast.__all__) <= 12
    assert all(getattr(forecast, name) is not None for name in forecast.__all__)
    assert set(forecast.__all__) <= set(dir(forecast))


def test_importing_the_package_imports_nothing_heavy():
    heavy = ["numpy", "pandas", "torch", "scipy", "sklearn", "rich", "typer", "pyarrow", "numba"]
    code = f"import forecast, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_changelog_names_the_version():
    versions = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert forecast.__version__ in versions


def test_constraints_pin_every_dependency_and_name_no_registry():
    text = (ROOT / "constraints.txt").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))
    pinned = {_plain(name) for name in pins}
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    assert {_plain(re.match(r"[\w.-]+", line)[0]) for line in wanted} <= pinned
    assert pins["torch"] == "2.13.0"
    assert "torch>=2.6" in PROJECT["dependencies"]
    assert "://" not in text and not re.search(r"^-", text, re.MULTILINE)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
