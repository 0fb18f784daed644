"""What the tests of several rooms share: how to run the command line as a user does."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure; and what a submission is judged by does not change from run to run.
settings.register_profile("steady", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("steady")

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def forecast(tmp_path: Path) -> Run:
    """Run `python -m forecast ARGS` in an empty folder, standard input closed unless given."""

    def run(
        *args: object, stdin: bytes | None = None, env: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[bytes]":
        source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run(
            [sys.executable, "-m", "forecast", *map(str, args)],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
            capture_output=True,
            check=False,
            **source,
        )

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `gpu` on a machine without a CUDA device."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
