"""Larger public data sets, fetched by address and SHA-256 into a cache folder.

A file is whole and what it should be, or it is not there: bytes go to a temporary name, are
compared with the sum, and are renamed. The addresses were not tried against their live host.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from forecast.data.writing import atomic
from forecast.errors import DataError, UsageError

PIECE = 1 << 16  # bytes read at once
PATIENCE = 30.0  # seconds without a byte
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Remote:
    """A file elsewhere; `sha256` and `bytes` are those of the file as it comes."""

    name: str
    title: str
    rows: int
    series: int
    frequency: str
    file: str  # its name in the cache folder
    bytes: int
    licence: str
    source: str
    note: str
    url: str
    sha256: str
    tried: str = "no: neither the address nor the file was tried against the live host"


_RAW = "https://raw.githubusercontent.com"
_M4 = f"{_RAW}/Mcompetitions/M4-methods/6c1067e5a57161249b17289a565178dc7a3fb3ca/Dataset"
_ETT = f"{_RAW}/zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07/ETT-small"
_DARTS = f"{_RAW}/unit8co/darts/2be8e43fbdc1265209f33bbe8bae81f3e4d9146f/datasets"

_ALL = (
    Remote(
        name="ett-h1",
        title="Oil temperature and six loads of an electricity transformer, China",
        rows=17_420,
        series=7,
        frequency="hourly",
        file="ETTh1.csv",
        bytes=2_589_657,
        licence="CC BY-ND 4.0",
        source="Zhou et al. (2021), Informer; github.com/zhouhaoyi/ETDataset",
        note="a column per series; choose one with `--value OT`",
        url=f"{_ETT}/ETTh1.csv",
        sha256="f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
    ),
    Remote(
        name="m4-hourly",
        title="Hourly series of the M4 competition, training part",
        rows=353_500,
        series=414,
        frequency="integer index",
        file="M4-Hourly-train.csv",
        bytes=2_347_115,
        licence="none stated",
        source="Makridakis et al. (2020), M4; github.com/Mcompetitions/M4-methods",
        note="a row per series, without timestamps; the official horizon is 48",
        url=f"{_M4}/Train/Hourly-train.csv",
        sha256="ea59b7783573c49077a835ab6465c7d66f1474783360f310988a9a737fbca62f",
    ),
    Remote(
        name="taylor",
        title="Half-hourly electricity load, England and Wales, summer 2000",
        rows=4_032,
        series=1,
        frequency="integer index",
        file="taylor.csv",
        bytes=24_196,
        licence="Apache-2.0",
        source="Taylor (2003), doi 10.1057/palgrave.jors.2601589; github.com/unit8co/darts",
        note="values only; give its seasons with `--season 48,336`",
        url=f"{_DARTS}/taylor.csv",
        sha256="0c9cbfcb414fc0897ea27773f1dabbb933184c09b90b750d2029631d4a451ed0",
    ),
)
REMOTES = {remote.name: remote for remote in _ALL}


def info(name: str) -> Remote:
    """Return what is known about the data set `name`; UsageError lists those there are."""
    if name not in REMOTES:
        raise UsageError(f"no data set `{name}` to fetch", hint=f"known: {', '.join(REMOTES)}")
    return REMOTES[name]


def cache() -> Path:
    """Return the cache folder: `$XDG_CACHE_HOME/forecast`, else `~/.cache/forecast`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "forecast"


def place(remote: Remote) -> Path:
    """Return where the file lies once it was fetched."""
    return cache() / remote.file


def fetch(
    remote: Remote,
    to: Path,
    url: str | None = None,
    progress: Callable[[str, float, str], None] | None = None,
) -> bool:
    """Bring the file of `remote` to `to`; return whether it came over the net.

    It does not when a file with the right sum is already at `to` or in the cache. `url` names
    another place that holds the same bytes. Raises UsageError for an address that is not HTTPS
    (HTTP is taken on loopback only), DataError when the bytes do not come or are others.
    """
    for path in (to, place(remote)):
        if path.is_file() and _sum(path) == remote.sha256:
            if path != to:
                _copy(path, to)
            return False
    address = url or remote.url
    _check_address(address)
    to.parent.mkdir(parents=True, exist_ok=True)
    with atomic(to) as temporary:
        _download(remote, address, temporary, progress)
        found, size = _sum(temporary), temporary.stat().st_size
        if found != remote.sha256:
            raise DataError(
                f"{address}: SHA-256 is {found} ({size:,} bytes), it should be {remote.sha256} "
                f"({remote.bytes:,} bytes); nothing was kept",
                hint="try again: it may have been cut short; if it stays so, the file changed "
                "there: name another address with `--url`",
            )
    return True


def load_path(remote: Remote) -> Path:
    """Return the fetched file of `remote`; DataError when it was not fetched yet."""
    path = place(remote)
    if not path.is_file():
        raise DataError(
            f"data set `{remote.name}` is not on this machine ({path})",
            hint=f"forecast datasets fetch {remote.name}",
        )
    return path


class _Secure(HTTPRedirectHandler):
    """Follow a redirect only to an address that would be taken from the start."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        try:
            _check_address(newurl)
        except UsageError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    local = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not local and (parts.scheme != "https" or not parts.hostname):
        raise UsageError(f"{url}: data are fetched over HTTPS only", hint="name an https:// URL")


def _download(
    remote: Remote, url: str, path: Path, progress: Callable[[str, float, str], None] | None
) -> None:
    """Write what `url` holds to `path`, one piece too many at most."""
    size = 0
    try:
        with build_opener(_Secure).open(url, timeout=PATIENCE) as answer, path.open("wb") as out:
            while size <= remote.bytes and (piece := answer.read(PIECE)):
                out.write(piece)
                size += len(piece)
                if progress is not None:
                    progress(remote.name, min(size / remote.bytes, 1.0), f"{size:,} bytes")
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()
        reason = error.reason if type(error) is URLError else error
        raise DataError(
            f"{url}: could not be fetched: {reason}",
            hint="download it by hand and put it at "
            f"{place(remote)}; `forecast datasets fetch {remote.name}` then checks it",
        ) from error


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with atomic(to) as temporary:
        temporary.write_bytes(source.read_bytes())


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
