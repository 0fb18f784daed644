"""A short form of the fuzzing of the reader, and the tables that once broke it."""

import importlib.util
import random
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location(
    "fuzz_tables", Path(__file__).parent / "fuzz_tables.py"
)
assert _SPEC is not None and _SPEC.loader is not None
fuzz = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fuzz)


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_tables_are_read_or_refused_by_name(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(1000):
        text = fuzz.mutant(rng)
        assert fuzz.fault(text) is None, text


@pytest.mark.parametrize(
    "text",
    [
        b'"",2","","","","","","","","","","",""\n,,,,,,,,,9,,,',
        b";\n;0",
        b"0\x1f,1,1",
        b"ds,a,a\n2020-01-01,1,2\n",
        b"time,y\n1577836800,0\n+1577840400,1\n",
        b"id,ds,y\na,2020-01-01T00:00+05:30,1\na,2020-01-01T01:00+25:30,2\n",
        b"id,ds,y\na,2020-01-01T00:00+05:75,1\na,2020-01-01T01:00+05:75,2\n",
        b"unique_id,zone,ds,y\na,UTC,2020-01-01T00:00,1\na,UTC,2020-01-01T01:00\n",
    ],
)
def test_tables_that_broke_the_reader(text: bytes) -> None:
    assert fuzz.fault(text) is None
