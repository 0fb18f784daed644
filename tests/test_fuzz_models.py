"""A short run of the fuzzer of model files; `make trust` runs it for ten minutes."""

import importlib.util
from pathlib import Path


def test_damaged_model_files_are_refused_in_bounded_memory():
    path = Path(__file__).with_name("fuzz_models.py")
    spec = importlib.util.spec_from_file_location("fuzz_models", path)
    assert spec and spec.loader
    fuzz = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)
    found = fuzz.run(60, seed=1, rounds=1500)
    assert found["refused"] > 900
