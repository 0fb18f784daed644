"""The stock figure of the 2012 deck, made honestly: Google, one day ahead, ESN against Kalman.

    python benchmarks/deck/google_esn_vs_kalman.py

Both models, at their own settings, learn from the embedded rows up to the end of 2010 and forecast
the close of each trading day after it from the rows before; the random walk repeats the last close.
Prices and log returns are scored. Writes docs/google.md and the figure beside it; no seed but 0.
"""

import math
import sys
from pathlib import Path
from textwrap import fill

import numpy as np

from forecast import backtest, provenance
from forecast.data import datasets
from forecast.report import figures
from forecast.report.svg import standalone
from forecast.results import Benchmark, Task
from forecast.significance import Verdict, diebold_mariano

DOCS = Path(__file__).resolve().parents[2] / "docs"
CUTOFF = int(np.datetime64("2010-12-31", "us").astype(np.int64))
MODELS = ("esn", "kalman")
WALK = "naive"
LOOSE = {"esn": {"ridge": "1e-4", "shrink": "1"}}  # what it says before it is drawn to the walk
NEVER = 1e-9  # a return below it, in size, is no call on the direction
HEAD = (
    "| model | R2 of prices | RMSE, $ | R2 against the random walk | R2 of returns "
    "| direction right | p of direction | p of loss |\n|:--|--:|--:|--:|--:|--:|--:|--:|"
)
MEANING = """R2 of prices: share of the variance of prices explained. R2 against the random walk:
1 - squared price errors / those of repeating the last close; of returns: the same of squared log
returns against a forecast of no change. Direction: days on which a forecast named the right sign,
of those on which it named one and the price moved; its p is the chance that a fair coin does as
well or better. The p of loss is Diebold and Mariano's, two-sided, on squared log returns against
the random walk. `esn, hardly penalised` has a ridge of 1e-4 and keeps its whole forecast; by itself
the ESN keeps, by rows held back before 2011, nothing of it: its median is the last price."""
CAUTION = """The upper panel says nothing about forecasting: a forecast that repeats yesterday's
price lies on the truth to the eye as well. Models can be told apart by returns alone, and one stock
over two years is little evidence either way."""


def main() -> None:
    """Run the backtests, score them, and write the page and its figure."""
    panel = datasets.load("google-stock")
    windows = int((panel.all_times() > CUTOFF).sum())
    task = Task(1, windows, 1, CUTOFF)
    tuned = backtest.run(panel, task, list(MODELS))
    loose = backtest.run(panel, task, ["esn"], options={"settings": LOOSE})
    picture = figures.overlay(tuned, [*MODELS, WALK], 0)
    (DOCS / "google.svg").write_text(standalone(picture, "Google, one day ahead"))
    (DOCS / "google.md").write_text(page(tuned, loose))
    print(f"{DOCS / 'google.md'}", file=sys.stderr)


def page(tuned: Benchmark, loose: Benchmark) -> str:
    """Return the Markdown page."""
    y, last = np.asarray(tuned.y), np.asarray(tuned.origin)
    medians = {name: tuned.quantile(name, 0.5) for name in MODELS}
    medians |= {"esn, hardly penalised": loose.quantile("esn", 0.5), "random walk": last}
    moves = np.log(y / last)
    tests = {n: diebold_mariano((np.log(y / p)) ** 2, moves**2) for n, p in medians.items()}
    lines = [row(name, y, price, last, tests[name]) for name, price in medians.items()]
    took = ", ".join(f"{name} {tuned.runs[name].fit_seconds:.0f} s" for name in MODELS)
    about = (
        f"Made by `python benchmarks/deck/google_esn_vs_kalman.py` (commit {provenance.commit()}, "
        f"{provenance.hardware()}, seed 0, fits: {took}). Closes of the embedded `google-stock`: "
        f"the models learn up to the end of 2010 and forecast {len(y)} trading days from January "
        "2011 to March 2013, each from the rows up to the day before."
    )
    return "\n".join([
        "# Google: echo state network against Kalman filter\n",
        fill(about, 100),
        "\n![One-day-ahead forecasts on the truth; below, their changes](google.svg)\n",
        HEAD, *lines, "", fill(MEANING, 100), "",
        fill(f"**What the figure shows.** {shown(y, last)}", 100), "",
        fill(f"**What it does not show.** {verdict(tests)} {CAUTION}", 100), "",
    ])  # fmt: skip


def row(name: str, y: np.ndarray, price: np.ndarray, last: np.ndarray, test: Verdict) -> str:
    """Return the line of one model."""
    moves, said = np.log(y / last), np.log(price / last)
    explained = 1 - np.sum((y - price) ** 2) / np.sum((y - y.mean()) ** 2)
    called = (np.abs(said) > NEVER) & (moves != 0)
    right, calls = int((np.sign(said) == np.sign(moves))[called].sum()), int(called.sum())
    hits = f"{100 * right / calls:.1f} % of {calls}" if calls else "no call"
    cells = [
        name,
        f"{explained:.4f}",
        f"{np.sqrt(np.mean((y - price) ** 2)):.3f}",
        f"{1 - np.sum((y - price) ** 2) / np.sum((y - last) ** 2):+.5f}",
        f"{1 - np.sum((moves - said) ** 2) / np.sum(moves**2):+.5f}",
        hits,
        f"{coin(right, calls):.2f}" if calls else "",
        f"{test.p:.2f}" if np.isfinite(test.p) else "",
    ]
    return f"| {' | '.join(cells)} |"


def coin(right: int, calls: int) -> float:
    """Return the chance of a fair coin to be right at least `right` times."""
    ways = sum(math.comb(calls, k) for k in range(right, calls + 1))
    return float(ways / 2**calls)


def shown(y: np.ndarray, last: np.ndarray) -> str:
    """Say how much of the price yesterday's price explains."""
    share = 1 - np.sum((y - last) ** 2) / np.sum((y - y.mean()) ** 2)
    return (
        f"Repeating yesterday's close explains {100 * share:.1f} % of the variance of prices, so "
        "any forecast near it looks perfect, and an R2 of prices near 1 is no merit."
    )


def verdict(tests: dict[str, Verdict]) -> str:
    """Say whether a model beats the random walk beyond luck."""
    better = [n for n, t in tests.items() if t.p < 0.05 and t.difference < 0]
    worse = [n for n, t in tests.items() if t.p < 0.05 and t.difference > 0]
    head = "No model beats the random walk beyond luck (5 %)."
    if better:
        head = f"Beyond luck (5 %) the random walk is beaten by: {'; '.join(better)}."
    return head + (f" Worse than it beyond luck: {'; '.join(worse)}." if worse else "")


if __name__ == "__main__":
    main()
