"""Fuzz the reader of tables by coverage, with atheris and libFuzzer.

    make fuzz                                                     ten minutes
    python tests/fuzz_guided.py -max_total_time=600 FOLDER

FOLDER keeps the inputs that reach new code, so that the next call goes on from there. The first
table that breaks the reader ends the run, with its bytes in a file `crash-...`.
"""

import random
import sys
from hashlib import sha256
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["forecast.data"]):
    import fuzz_tables as fuzz


def one(text: bytes) -> None:
    """Raise for a table that breaks the reader."""
    wrong = fuzz.fault(text)
    if wrong is not None:
        raise AssertionError(wrong)


def mutated(text: bytes, most: int, seed: int) -> bytes:
    """Return another table: spoilt as a table, or as bytes."""
    rng = random.Random(seed)
    return fuzz.spoilt(rng, text)[:most] if rng.random() < 0.5 else atheris.Mutate(text, most)


def main() -> None:
    """Fuzz until libFuzzer's options say stop."""
    folder = Path(next((a for a in sys.argv[1:] if not a.startswith("-")), "fuzz-corpus"))
    folder.mkdir(exist_ok=True)
    for text in fuzz.SEEDS:
        (folder / sha256(text).hexdigest()[:16]).write_bytes(text)
    atheris.Setup([*sys.argv, *([] if str(folder) in sys.argv else [str(folder)])], one,
                  custom_mutator=mutated)  # fmt: skip
    atheris.Fuzz()


if __name__ == "__main__":
    main()
