"""Feed the reader broken tables: it reads them or refuses them by name, and never breaks.

    python tests/fuzz_tables.py --seconds 600 --corpus fuzz-corpus

Seeds are small tables of every dialect and layout; each is cut, spliced, repeated and spoilt at
random. Whatever ends in something else than a panel or a DataError is kept in the corpus folder,
cut down to what still breaks. Exit 1 when there is such a case. `tests/test_fuzz.py` runs a short
form and every case that was found; `tests/fuzz_guided.py` looks for new ones by coverage.
"""

import argparse
import bz2
import gzip
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np

from forecast.data import tables
from forecast.data.panel import Panel
from forecast.errors import DataError, UsageError

SECONDS = 10.0  # a small table that takes longer hangs
MEGABYTES = 2048
HOUR = "".join(f"b,2020-01-{1 + k // 24:02d}T{k % 24:02d}:00,{k}.5\n" for k in range(30))
PLACES = (("a", "Europe/Berlin"), ("b", "Asia/Tokyo"), ("c", "+05:30"))
SEEDS = [
    text.encode()
    for text in (
        "unique_id,ds,y\n" + HOUR,
        "ds;y\n" + "".join(f"{k:02d}.01.2020 00:00;1.234,{k}\n" for k in range(1, 29)),
        "date\thour\tload\n" + "".join(f"2020-01-01\t{k}\t{k}\n" for k in range(1, 26)),
        "# made\nDate|Close\n" + "".join(f"{k}/13/2020|{k}\n" for k in range(1, 13)),
        "zone_id,year,month,day," + ",".join(f"h{k}" for k in range(1, 25)) + "\n"
        + "".join(f'1,2020,1,{d},{",".join(["7"] * 24)}\n' for d in range(1, 4)),
        ",".join(f'"V{k}"' for k in range(1, 14)) + "\n" + "H1," + ",".join("123456789") + ",,,\n",
        "time,y\n" + "".join(f"{1577836800 + 3600 * k},{k}\n" for k in range(9)),
        "".join(f'{{"ds": "2020-01-{k:02d}", "y": {k}}}\n' for k in range(1, 9)),
        "".join(f"{k},{k * k}\n" for k in range(30)),
        'ds,y\n2020-01-01,"1,234"\n2020-01-02,"2,345,678"\n2020-01-03,-\n',
        "Straße;ds;y\nä;2020-01-01;1\nö;2020-01-01;2\n",
        "unique_id,zone,ds,y\n" + "".join(f"{name},{zone},2023-10-29T{k:02d}:30,{k}\n"
                                          for name, zone in PLACES for k in range(9)),
        "unique_id,ds,y\n" + "".join(f"{name},2020-01-01T{k:02d}:00{zone},{k}\n"
                                     for name, zone in (("a", "+05:30"), ("b", "-03:00"))
                                     for k in range(9)),
    )
]  # fmt: skip
PIECES = [b"", b",", b";", b"\t", b"|", b'"', b'""', b"\n", b"\r\n", b"\r", b"#", b"\0", b" ",
          b"-", b"nan", b"inf", b"1e400", b"-0", b"999999999999999999999", b"1.234.567", b"1,5",
          b"12 kW", b"2020-02-30", b"24:00", b"9999-12-31", b"0001-01-01", b"2020-01-01T00:00Z",
          b"31/12/2020", b"Q1", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3\x28", b"\x80", b"PAR1",
          b"PK\3\4", b"\x1f\x8b", b"BZh9", b"\x28\xb5\x2f\xfd", b"{", b"[", b"sep=;\n", b"ds",
          b"unique_id", b"hour", b"date", b"year", b",zone,", b"UTC", b"Europe/Oslo", b"+01:00",
          b"-0930"]  # fmt: skip


def mutant(rng: random.Random) -> bytes:
    """Return a spoilt table."""
    return spoilt(rng, rng.choice(SEEDS))


def spoilt(rng: random.Random, text: bytes) -> bytes:
    """Return `text` after a few random changes."""
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        a, b = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        text = rng.choice(CHANGES)(rng, text, a, b)[:20_000]
    return rng.choice(WRAPS)(text) if rng.random() < 0.1 else text


Change = Callable[[random.Random, bytes, int, int], bytes]
CHANGES: list[Change] = [
    lambda rng, text, a, b: text[:a] + rng.choice(PIECES) + text[a:],
    lambda rng, text, a, b: text[:a] + rng.choice(PIECES) + text[min(a + 1, len(text)) :],
    lambda rng, text, a, b: text[:a] + text[min(b, a + 30) :],
    lambda rng, text, a, b: text[:a] + text[a : a + 40] * rng.randint(2, 5) + text[a:],
    lambda rng, text, a, b: text[:a] + rng.choice(SEEDS)[a:b],
    lambda rng, text, a, b: text.replace(rng.choice(PIECES) or b",", rng.choice(PIECES)),
    lambda rng, text, a, b: text[:a] + rng.randbytes(rng.randint(1, 4)) + text[a:],
    lambda rng, text, a, b: b"\n".join(rng.sample(lines := text.split(b"\n"), len(lines))),
]
WRAPS: list[Callable[[bytes], bytes]] = [
    gzip.compress, bz2.compress, lambda text: gzip.compress(text)[:-9],
    lambda text: text.decode("utf-8", "replace").encode("utf-16"),
]  # fmt: skip


def fault(text: bytes) -> str | None:
    """Return what went wrong with a table, None if it was read or refused as it should be.

    A column that may be called `zone` is taken for that of the time zones.
    """
    begin, asked = time.perf_counter(), {"timezone": "zone"} if b",zone," in text else {}
    try:
        check(tables.read(text, **asked))
    except UsageError as error:
        if error.message != "no time zone is called `zone`, and no column":
            return f"UsageError: {error}"
    except DataError as error:
        if not error.message.startswith("<bytes>"):
            return f"no name: {error.message}"
        if not error.hint:
            return f"no hint: {error.message}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    took = time.perf_counter() - begin
    return f"took {took:.0f} s" if took > SECONDS else None


def check(panel: Panel) -> None:
    """Raise AssertionError unless the panel keeps its promises."""
    assert list(panel.ids) == sorted(set(panel.ids)) and all(panel.ids)
    assert panel.offsets[0] == 0 and panel.offsets[-1] == len(panel.values)
    assert np.all(np.diff(panel.offsets) > 0)
    assert not np.isinf(panel.values).any()
    for i in range(min(len(panel), 3)):
        times = panel.row_times(i)
        assert np.all(np.diff(times) > 0)
        assert len(panel.clock.of(panel.ids[i : i + 1]).write(times[:3])) == len(times[:3])
    assert not panel.clock.told or set(panel.ids) == set(panel.clock.own)
    assert panel.notes and panel.reasons and panel.layout is not None


def smallest(text: bytes) -> bytes:
    """Return `text` cut down while it still breaks the reader in the same way."""
    kind = (fault(text) or "").split(":")[0]
    size = len(text) // 2
    while size:
        for a in range(0, len(text), size):
            less = text[:a] + text[a + size :]
            if (fault(less) or "").split(":")[0] == kind:
                text = less
                break
        else:
            size //= 2
    return text


def faults(seconds: float, seed: int) -> Iterator[tuple[bytes, str]]:
    """Yield tables that break the reader, found within `seconds`."""
    rng, end, count = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        count += 1
        text = mutant(rng)
        wrong = fault(text)
        if wrong is not None:
            yield text, wrong
    print(f"{count:,} tables in {seconds:g} s", file=sys.stderr)


def main() -> int:
    """Run for as long as asked; return 1 if something broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, default=Path("fuzz-corpus"))
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (4 * MEGABYTES << 20, resource.RLIM_INFINITY))
    seen: set[str] = set()
    for text, wrong in faults(options.seconds, options.seed):
        if wrong.split(":")[0] + wrong[-20:] in seen:
            continue
        seen.add(wrong.split(":")[0] + wrong[-20:])
        less = smallest(text)
        options.corpus.mkdir(exist_ok=True)
        (options.corpus / f"{sha256(less).hexdigest()[:12]}.csv").write_bytes(less)
        print(f"{wrong}\n    {less!r}", flush=True)
    return int(bool(seen))


if __name__ == "__main__":
    sys.exit(main())
