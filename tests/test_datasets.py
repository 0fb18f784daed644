"""The embedded data sets are what their descriptions say; others are fetched whole or not."""

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path

import pytest

from forecast.data import datasets, fetching, tables
from forecast.errors import DataError, UsageError


@pytest.mark.parametrize("name", datasets.NAMES)
def test_the_file_is_the_one_described(name: str) -> None:
    known, content = datasets.info(name), datasets.open(name)
    assert hashlib.sha256(content).hexdigest() == known.sha256
    lines = content.decode().splitlines()
    assert lines[0] == known.columns
    assert len(lines) - 1 == known.rows
    panel = datasets.load(name)
    assert len(panel) == known.series
    assert len(panel.values) == known.rows
    assert panel.clock.label.startswith(known.frequency)
    first, last = panel.clock.write(panel.all_times())[[0, -1]]
    assert (first, last) == (known.first, known.last)
    assert panel.source == name
    tables.check_fittable(panel)


def test_the_packed_files_hold_no_clock_time() -> None:
    folder = resources.files("forecast.data") / "embedded"
    for name in datasets.NAMES:
        assert (folder / f"{name}.csv.gz").read_bytes()[4:8] == bytes(4)


def test_every_licence_is_told() -> None:
    text = (resources.files("forecast.data") / "embedded" / "DATA-LICENSES").read_text()
    for name in datasets.NAMES:
        assert f"{name}.csv.gz" in text
        assert datasets.info(name).sha256 in text
    assert "10.24432/C58C86" in text
    assert "CC BY 4.0" in text


def test_the_stock_is_the_unadjusted_close() -> None:
    panel = datasets.load("google-stock")
    assert panel.ids == ("GOOG",)
    assert panel.values[[0, -1]].tolist() == [100.335, 806.19]
    assert not panel.clock.complete


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="`iris`") as caught:
        datasets.load("iris")
    assert "google-stock" in str(caught.value.hint)


PAYLOAD = b"Y\n" + b"".join(b"%d\n" % (100 + i % 48) for i in range(2000))


class _Server(ThreadingHTTPServer):
    """Serves PAYLOAD at /good, other bytes at /wrong, half of it at /cut; counts requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.count = 0
        self.base = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.count += 1
        if self.path in ("/away", "/elsewhere"):
            self.send_response(302)
            there = "http://example.org/x" if self.path == "/away" else "/good"
            self.send_header("Location", there)
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        body = PAYLOAD.swapcase() if self.path == "/wrong" else PAYLOAD
        self.send_response(200)
        if self.path == "/endless":
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(1 << 16))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path == "/cut" else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server():
    made = _Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def remote(server, tmp_path, monkeypatch):
    """A small data set on the server, its cache folder still absent."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    known = fetching.info("taylor")
    return replace(
        known,
        bytes=len(PAYLOAD),
        url=f"{server.base}/good",
        sha256=hashlib.sha256(PAYLOAD).hexdigest(),
    )


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_fetched_once(server, remote, tmp_path):
    place = fetching.place(remote)
    assert place == tmp_path / "cache" / "forecast" / "taylor.csv"
    assert fetching.fetch(remote, place)
    assert place.read_bytes() == PAYLOAD
    assert not fetching.fetch(remote, place)
    assert not fetching.fetch(remote, tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == PAYLOAD
    assert server.count == 1
    place.write_bytes(b"damaged")
    assert fetching.fetch(remote, place)
    assert place.read_bytes() == PAYLOAD
    assert left(place.parent) == ["taylor.csv"]


def test_another_address_and_a_redirect_give_the_same_bytes(server, remote):
    place = fetching.place(remote)
    assert fetching.fetch(remote, place, f"{server.base}/elsewhere")
    assert place.read_bytes() == PAYLOAD


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/wrong", ["SHA-256 is", "it should be", "nothing was kept"]),
        ("/endless", ["SHA-256 is", "it should be"]),
        ("/cut", ["SHA-256 is", "nothing was kept"]),
        ("/missing", ["404"]),
    ],
)
def test_what_is_not_the_file_is_refused_and_leaves_nothing(server, remote, path, words):
    place = fetching.place(remote)
    with pytest.raises(DataError) as caught:
        fetching.fetch(remote, place, server.base + path)
    assert all(word in caught.value.message for word in [server.base, *words])
    if "SHA-256 is" in words:
        assert remote.sha256 in caught.value.message
    assert not left(place.parent)
    assert fetching.fetch(remote, place)  # and the next one is whole


def test_a_kept_file_survives_a_failed_fetch_elsewhere(server, remote, tmp_path):
    other = tmp_path / "mine.csv"
    other.write_bytes(b"mine")
    with pytest.raises(DataError):
        fetching.fetch(remote, other, f"{server.base}/cut")
    assert other.read_bytes() == b"mine"


def test_only_https_is_taken(server, remote):
    place = fetching.place(remote)
    for url in ("http://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "x", "https:"):
        with pytest.raises(UsageError, match="HTTPS"):
            fetching.fetch(remote, place, url)
    with pytest.raises(UsageError, match=r"example\.org"):
        fetching.fetch(remote, place, f"{server.base}/away")
    assert all(known.url.startswith("https://") for known in fetching.REMOTES.values())


def test_offline_says_the_address_and_the_place(remote):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x"
        with pytest.raises(DataError, match=url) as caught:
            fetching.fetch(remote, fetching.place(remote), url)
    assert str(fetching.place(remote)) in str(caught.value.hint)


def test_a_fetch_cut_short_by_a_signal_leaves_nothing(server, remote, forecast, tmp_path):
    """The command, end to end: an endless answer, an end by TERM, a wrong sum, then reading."""
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "forecast", "datasets", "fetch", "taylor", "--url"]
    slow = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{slow.getsockname()[1]}/slow"
    running = subprocess.Popen(
        [*command, url], env={**os.environ, **environment}, stderr=subprocess.DEVNULL
    )
    with slow, slow.accept()[0] as line:
        line.recv(1000)
        line.sendall(b"HTTP/1.0 200 OK\r\n\r\n22262\n")
        running.terminate()
        assert running.wait() == 143
    assert not left(tmp_path / "cache")
    wrong = forecast("datasets", "fetch", "taylor", "--url", f"{server.base}/good", env=environment)
    assert wrong.returncode == 3
    assert fetching.info("taylor").sha256.encode() in wrong.stderr
    assert not wrong.stdout
    absent = forecast("check", "--dataset", "taylor", env=environment)
    assert absent.returncode == 3
    assert b"datasets fetch taylor" in absent.stderr


def test_a_file_put_by_hand_is_a_data_set(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = fetching.place(fetching.info("taylor"))
    place.parent.mkdir()
    place.write_bytes(PAYLOAD)
    panel = datasets.load("taylor", season=(48,))
    assert len(panel.values) == 2000
    assert panel.clock.seasons == (48,)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert fetching.cache() == Path.home() / ".cache" / "forecast"
