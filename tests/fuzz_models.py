"""Damage model files in every way there is: the answer is exit 4, in bounded memory, no traceback.

`python tests/fuzz_models.py SECONDS [SEED]` runs as long as asked and says what it found.
"""

import json
import random
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from forecast import store
from forecast.data import tables
from forecast.errors import ForecastError, ModelFileError
from forecast.fitting import fit

SMALL = {
    "snaive": {},
    "linear": {"lags": "24"},
    "esn": {"units": "10", "reservoirs": "2", "lags": "24"},
    "kalman": {"seasons": "24:2", "anomaly": "0", "evaluations": "4", "starts": "1"},
    "gru": {"updates": "1", "units": "3", "head": "3", "members": "1"},
}
MOST = 200 << 20  # bytes by which loading a damaged file may grow the process
Header = dict[str, Any]


def models() -> list[bytes]:
    """Return a small model file of each family."""
    hours = np.arange(400)
    values = 100 + 20 * np.sin(hours * np.pi / 12) + np.random.default_rng(0).normal(size=400)
    stamps = np.datetime64("2024-01-01T00:00:00") + hours * np.timedelta64(1, "h")
    rows = "".join(f"a,{s},{v!r}\n" for s, v in zip(stamps, values.tolist(), strict=True))
    panel = tables.read(f"unique_id,ds,y\n{rows}".encode())
    return [store.dumps(fit(panel, f, 3, settings=s)) for f, s in SMALL.items()]


def cut(data: bytes) -> tuple[Header, bytes]:
    """Return the header of a model file and the tensors after it."""
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def joined(header: Header, body: bytes) -> bytes:
    """Return a file of both."""
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def signed(data: bytes) -> bytes:
    """Return a file whose checksum is right again, if it can be read at all."""
    from safetensors.numpy import load

    header, body = cut(data)
    meta = json.loads(header["__metadata__"][store.KEY])
    meta.pop("sha256", None)
    meta["sha256"] = store._digest(load(data), meta)
    header["__metadata__"][store.KEY] = json.dumps(meta, sort_keys=True)
    return joined(header, body)


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def flipped(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def huge_header(data: bytes, rng: random.Random) -> bytes:
    return rng.choice([1 << 40, 1 << 63, len(data), 1 << 27]).to_bytes(8, "little") + data[8:]


def noise(data: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(200))


def wrong_tensor(data: bytes, rng: random.Random) -> bytes:
    """Give a tensor another type, shape or length, or leave it out."""
    header, body = cut(data)
    name = rng.choice([k for k in header if k != "__metadata__"])
    entry = header[name]
    what = rng.randrange(4)
    if what == 0:
        entry["dtype"] = rng.choice(["F32", "I64", "F64", "U8", "I32", "BOOL"])
    elif what == 1:
        entry["shape"] = entry["shape"][::-1] if rng.random() < 0.5 else [*entry["shape"], 1]
    elif what == 2:
        entry["shape"] = [1 << 40, *entry["shape"]]
    else:
        del header[name]
    return resigned(joined(header, body))


def wrong_number(data: bytes, rng: random.Random) -> bytes:
    """Put NaN or infinity into the weights."""
    header, body = cut(data)
    names = [k for k in header if k.startswith(("model.", "calibration."))]
    entry = header[rng.choice(names)]
    first, stop = entry["data_offsets"]
    kind = {"F64": np.float64, "F32": np.float32}.get(entry["dtype"])
    if kind is None or first == stop:
        return truncated(data, rng)
    array = np.frombuffer(body[first:stop], kind).copy()
    array[rng.randrange(len(array))] = rng.choice([np.nan, np.inf, -np.inf])
    return resigned(joined(header, body[:first] + array.tobytes() + body[stop:]))


def wrong_fact(data: bytes, rng: random.Random) -> bytes:
    """Change what the JSON says."""
    header, body = cut(data)
    meta = json.loads(header["__metadata__"][store.KEY])
    place, key = meta, rng.choice(sorted(meta))
    if isinstance(meta[key], dict) and meta[key] and rng.random() < 0.7:
        place, key = meta[key], rng.choice(sorted(meta[key]))
    if rng.random() < 0.3:
        del place[key]
    else:
        place[key] = rng.choice([None, -1, 10**12, "x", [], {}, [[1]], 1.5, True, "\0", 10**400])
    header["__metadata__"][store.KEY] = json.dumps(meta)
    return resigned(joined(header, body))


def resigned(data: bytes) -> bytes:
    try:
        return signed(data)
    except Exception:  # so damaged that no checksum can be made: as good a file as any
        return data


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    truncated, flipped, huge_header, noise, wrong_tensor, wrong_number, wrong_fact,
)  # fmt: skip


def answer(data: bytes) -> str:
    """Load and predict; return `fine` or `refused`. Any other error is a finding and is raised."""
    try:
        forecaster = store.loads(data)
        with np.errstate(all="ignore"):
            result = forecaster.predict()
    except ForecastError as error:
        if not isinstance(error, ModelFileError) and "state" not in str(error):
            raise
        return "refused"
    if not np.isfinite(result.quantiles).all():
        raise ValueError("a forecast that is not finite")
    return "fine"


def run(seconds: float, seed: int, rounds: int | None = None) -> dict[str, int]:
    """Damage files until `seconds` are over, or for so many `rounds`; return what was answered."""
    files, rng, found = models(), random.Random(seed), {"fine": 0, "refused": 0}
    end, done = time.monotonic() + seconds, 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    while time.monotonic() < end and (rounds is None or done < rounds):
        number = rng.randrange(1 << 32)
        own = random.Random(number)
        data = own.choice(DAMAGES)(own.choice(files), own)
        try:
            found[answer(data)] += 1
        except Exception as error:
            raise AssertionError(f"damage {number}: {type(error).__name__}: {error}") from error
        done += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before
    if grown > MOST:
        raise AssertionError(f"memory grew by {grown >> 20} MiB")
    return found


if __name__ == "__main__":
    print(run(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
