"""The report in a real browser: it runs without a complaint, and what can be clicked works.

Chromium is driven over a pair of pipes by its DevTools protocol; skipped where there is none.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from forecast import backtest
from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.panel import assemble
from forecast.report import html
from forecast.results import Task

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
                 if p), None)  # fmt: skip
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
EVIL = "<script>document.title = 'run'</script>"
# Chromium reads commands from descriptor 3 and answers on 4.
LAUNCH = "import os, sys; a, b = map(int, sys.argv[1:3]); os.dup2(a, 98); os.dup2(b, 99); " \
    "os.dup2(98, 3); os.dup2(99, 4); os.execv(sys.argv[3], sys.argv[3:])"  # fmt: skip


class Browser:
    """One page of a headless Chromium; `events` are what it reported since."""

    def __init__(self, folder):
        reads, self.out = os.pipe()
        self.back, writes = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                 f"--user-data-dir={folder}", "--window-size=1200,900", "about:blank"]  # fmt: skip
        command = [sys.executable, "-c", LAUNCH, str(reads), str(writes), CHROMIUM, *flags]
        self.process = subprocess.Popen(
            command, pass_fds=(reads, writes), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(reads)
        os.close(writes)
        self.rest, self.number, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self.number += 1
        told = {"id": self.number, "method": method, "params": params}
        if self.session:
            told["sessionId"] = self.session
        os.write(self.out, json.dumps(told).encode() + b"\0")
        while True:
            found = self.read()
            if found.get("id") == self.number:
                assert "error" not in found, found
                return found["result"]
            self.events.append(found)

    def read(self):
        while b"\0" not in self.rest:
            part = os.read(self.back, 1 << 16)
            assert part, "the browser is gone"
            self.rest += part
        text, _, self.rest = self.rest.partition(b"\0")
        return json.loads(text)

    def open(self, path):
        self.events.clear()
        self.call("Page.navigate", url=f"file://{path}")
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.read())

    def ask(self, script):
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key, code=0, text=""):
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode=code, **extra)  # fmt: skip

    def colours(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def complaints(self):
        """What went wrong since the page was opened, and what it asked the network for."""
        self.ask("1")
        bad = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        found = [e for e in self.events if e.get("method") in bad]
        asked = [e["params"]["request"]["url"] for e in self.events
                 if e.get("method") == "Network.requestWillBeSent"]  # fmt: skip
        return found + [url for url in asked if not url.startswith(("file:", "data:"))]

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.back)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    one = Browser(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of three loads, one of them called `<script>`, and one of a stock."""
    import numpy as np

    rng = np.random.default_rng(0)
    hours = np.arange(24 * 40)
    values = [50 + 10 * np.sin(np.pi * hours / 12) + k * rng.normal(size=len(hours))
              for k in (1, 2, 3)]  # fmt: skip
    load = assemble(["plain", EVIL, "other"], values, [0] * 3, Clock("fixed", HOUR, (24, 168)))
    prices = assemble(["GOOG"], [np.exp(4 + np.cumsum(0.02 * rng.normal(size=300)))], [0],
                      Clock("fixed", DAY))  # fmt: skip
    days = np.cumsum(rng.choice([1, 1, 1, 1, 3], 300)) * DAY
    prices = replace(prices, times=days, starts=days[:1], clock=Clock("trading", unit="D"))
    folder = tmp_path_factory.mktemp("pages")
    for name, panel, task in (("load", load, Task(24, windows=10)),
                              ("stock", prices, Task(1, windows=30))):  # fmt: skip
        looks = ["importance", "in_sample"]
        found = backtest.run(panel, task, ["snaive"], probes=looks)
        (folder / f"{name}.html").write_text(html.page([(name, found)]))
    return folder


@pytest.mark.parametrize("name", ["load", "stock"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_opens_without_a_complaint_and_can_be_read(browser, pages, name, scheme):
    browser.colours(scheme)
    browser.open(pages / f"{name}.html")
    assert browser.complaints() == []
    assert browser.ask("document.querySelectorAll('figure svg').length") >= 5
    contrast = browser.ask(CONTRAST)
    assert min(contrast.values()) >= 4.5, contrast
    dark = browser.ask("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.ask(over) <= 0  # wide tables scroll by themselves


# WCAG 2: the contrast of each kind of words with what lies behind them.
CONTRAST = """(() => {
  const light = rgb => { const c = rgb.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * c[0] + .7152 * c[1] + .0722 * c[2]; };
  const paper = light(getComputedStyle(document.body).backgroundColor), found = {};
  for (const name of ['p', '.note', 'td', 'thead button', '.best', 'figcaption', 'dd', 'dt']) {
    const one = document.querySelector(name);
    if (!one) continue;
    const ink = light(getComputedStyle(one).color);
    found[name] = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
  }
  return found;
})()"""
ORDER = "[...document.querySelector('table.sorts').tBodies[0].rows].map(r => r.cells[1].dataset.v)"


def test_columns_sort_by_mouse_and_by_key(browser, pages):
    browser.open(pages / "load.html")
    head = "document.querySelectorAll('table.sorts thead th')[1]"
    shown = [float(v) for v in browser.ask(ORDER)]
    assert shown == sorted(shown)
    where = browser.ask(f"(({head}.scrollIntoView()), {head}.querySelector('button')"
                        ".getBoundingClientRect().toJSON())")  # fmt: skip
    at = {"x": where["x"] + where["width"] / 2, "y": where["y"] + where["height"] / 2}
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)
    assert browser.ask(f"{head}.ariaSort") == "ascending"
    browser.ask(f"{head}.querySelector('button').focus()")
    browser.press("Enter", 13, "\r")
    assert browser.ask(f"{head}.ariaSort") == "descending"
    assert [float(v) for v in browser.ask(ORDER)] == shown[::-1]
    browser.press("Tab", 9)
    assert browser.ask("document.activeElement.textContent") == "Skill"
    assert browser.complaints() == []


def test_a_series_is_found_and_picked_by_key(browser, pages):
    browser.open(pages / "load.html")
    shown = "[...document.querySelectorAll('.pane')].filter(p => !p.hidden).map(p => p.dataset.k)"
    names = "[...document.querySelector('.picker select').options].map(o => o.text)"
    assert len(browser.ask(shown)) == 1
    assert sorted(text.split(" · ")[0] for text in browser.ask(names)) == sorted(
        [EVIL, "other", "plain"]
    )
    browser.ask("document.querySelector('.picker input').focus()")
    browser.call("Input.insertText", text="SCRIPT")
    (kept,) = browser.ask(names)
    assert kept.startswith(EVIL)
    assert browser.ask(shown) == [browser.ask("document.querySelector('.picker select').value")]
    assert browser.ask("document.querySelector('.picker [aria-live]').textContent") == "1 of 3"
    browser.ask("document.querySelector('.picker input').select()")
    browser.call("Input.insertText", text="nothing like it")
    assert browser.ask(names) == []
    browser.ask("document.querySelector('.picker input').select()")
    browser.press("Backspace", 8)
    assert len(browser.ask(names)) == 3
    browser.press("Tab", 9)
    before = browser.ask(shown)
    browser.press("ArrowDown", 40)
    assert browser.ask(shown) != before
    assert browser.ask(shown) == [browser.ask("document.querySelector('.picker select').value")]
    assert browser.ask("document.title") == "Forecast benchmark"
    assert browser.ask("document.scripts.length") == 1
    assert browser.complaints() == []


def test_everything_that_acts_is_reached_by_tab(browser, pages):
    browser.open(pages / "load.html")
    wanted = browser.ask("document.querySelectorAll('button, input, select, summary, a').length")
    seen = set()
    for _ in range(wanted + 5):
        browser.press("Tab", 9)
        seen.add(browser.ask(
            "[...document.querySelectorAll('button, input, select, summary, a')]"
            ".indexOf(document.activeElement)"
        ))  # fmt: skip
    assert seen - {-1} == set(range(wanted))
