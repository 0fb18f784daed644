"""Write `docs/results.md` from what `benchmarks/` recorded: `python docs/results.py`.

Everything in it comes from `benchmarks/results`: each table says the command, the commit, the seed
and the machine of its numbers.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forecast.results.score import geometric

HERE = Path(__file__).parent
RESULTS = HERE.parent / "benchmarks" / "results"
PAGE = HERE / "results.md"
LOADS = {
    "taylor": "Half-hourly load of England and Wales, a day ahead, four weeks of 2000",
    "vic-elec": "Half-hourly load of Victoria, a day ahead, all of 2014",
    "vic-elec-weather": "The same, told temperature and holidays as they came: perfect weather",
    "gefcom2012": "Hourly load of 18 zones (GEFCom2012), a day ahead, July 2007 to June 2008",
    "entsoe35": "Hourly load of 35 European countries, a day ahead, all of 2018",
    "m4-hourly": "414 hourly series of the M4 competition, 48 steps ahead",
}
PRICES = {
    "sp500-h1": "Closes of 20 stocks, one trading day ahead, 2009 to 2012",
    "sp500-h5": "The same, five days ahead",
    "google": "Google's close, one trading day ahead, the last 250 days of the data",
}
LOAD_COLUMNS = {"mase": "MASE", "skill": "Skill", "p": "p", "wql": "WQL", "cover80": "In 80 %",
                "rmsse": "RMSSE", "mape": "MAPE", "fit_seconds": "Fit, s",
                "predict_seconds": "Predict, s"}  # fmt: skip
PRICE_COLUMNS = {"mase": "MASE", "ratio": "Over the random walk", "p": "p", "wql": "WQL",
                 "cover80": "In 80 %", "r2_vs_rw": "R2", "hit_rate": "Hits",
                 "fit_seconds": "Fit, s"}  # fmt: skip
DECK = {"zone1-1h": "Zone 1, one hour ahead", "zone1-24h": "Zone 1, 24 hours ahead",
        "system-1h": "System, one hour ahead", "system-24h": "System, 24 hours ahead"}  # fmt: skip
COPIES = {"naive": "copy of the last value", "snaive": "copy of 24 h ago",
          "snaive-week": "copy of 168 h ago"}  # fmt: skip

Row = dict[str, Any]


def main() -> None:
    """Write the page."""
    parts = [HEAD, *loads(), *ablation(), *prices(), *deck(), *gefcom(), *peers(), *speed()]
    PAGE.write_text("\n".join(parts).rstrip() + "\n")
    print(f"{PAGE.relative_to(HERE.parent)} written")


HEAD = """# Results

Written by `make results` from `benchmarks/results`; nothing here was typed by hand. Every model ran
with its defaults. Choices were made on rows before the first cutoff; the windows below were looked
at once. `p` is Diebold and Mariano's test against the baseline, corrected by Holm for the number of
models; **bold** models are better than the baseline beyond luck (p < 0.05). Seconds are those of a
shared machine. None of this was run on a GPU yet.
"""


def record(name: str) -> Row | None:
    """Return what a benchmark wrote, None where it was not recorded."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def loads() -> Iterator[str]:
    """Yield the sections of the load tasks."""
    yield "## Load\n"
    for name, title in LOADS.items():
        found = record(name)
        if found is not None:
            yield from task(name, title, found, LOAD_COLUMNS)
    yield from together()


def ablation() -> Iterator[str]:
    """Yield what each ingredient of `gru` brings."""
    rows = lines_of("ablation")
    if not rows:
        return
    yield "### What each ingredient of `gru` brings\n"
    yield (
        "`fit --quick`, with one ingredient left out, on windows before those above; means over "
        "the seeds. A positive change is what the ingredient is worth; the spread is that of the "
        "seeds with all of them. Dropout has gone since. The ridge is too large for 414 series, "
        "whose histories are too short for days of the year.\n"
    )
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    names = list(dict.fromkeys(row["without"] for row in rows))
    lines = [f"| | {' | '.join(f'{t}: MASE | change | In 80 %' for t in tasks)} |",
             f"|:--|{'--:|--:|--:|' * len(tasks)}"]  # fmt: skip
    for name in names:
        cells = [cell for task in tasks for cell in _ablated(rows, task, name)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    yield "\n".join(lines) + "\n"
    seeds = len({row["seed"] for row in rows})
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    yield (
        f"<sub>`python benchmarks/ablation.py DATA_FOLDER`; commit {commits}; {seeds} seeds; "
        f"{rows[0]['hardware']}; torch {rows[0]['torch']}</sub>\n"
    )


def _ablated(rows: list[Row], task: str, name: str) -> list[str]:
    """Return MASE, its change in per cent, and coverage of a task without an ingredient."""

    def of(without: str, key: str) -> list[float]:
        return [r[key] for r in rows if (r["task"], r["without"]) == (task, without)]

    own, whole = of(name, "mase"), of("all", "mase")
    if not own or not whole:
        return ["-", "-", "-"]
    mase, plain = sum(own) / len(own), sum(whole) / len(whole)
    spread = f"± {50 * (max(whole) - min(whole)) / plain:.1f} %"
    change = spread if name == "all" else f"{100 * (mase / plain - 1):+.1f} %"
    cover = of(name, "cover80")
    return [f"{mase:.3f}", change, f"{100 * sum(cover) / len(cover):.1f} %"]


def prices() -> Iterator[str]:
    """Yield the sections of the stock tasks."""
    yield "## Stocks\n"
    yield (
        "Ratios are to the random walk's MASE; the p-value is that of the difference. What can be "
        "forecast of prices, and what cannot: [stocks.md](stocks.md), [google.md](google.md).\n"
    )
    for name, title in PRICES.items():
        found = record(name)
        if found is not None:
            walk = next(s["mase"] for s in found["scores"] if s["model"] == "naive")
            for score in found["scores"]:
                score["ratio"] = score["mase"] / walk if walk and score["mase"] else None
            yield from task(name, title, found, PRICE_COLUMNS)


def together() -> Iterator[str]:
    """Yield the geometric mean over the load tasks of each model's error beside the baseline's."""
    ratios: dict[str, list[float]] = {}
    tasks = [found for found in map(record, LOADS) if found is not None]
    for found in tasks:
        for score in found["scores"]:
            if score.get("skill") is not None:
                ratios.setdefault(score["model"], []).append(1 - score["skill"])
    whole = {name: each for name, each in ratios.items() if len(each) == len(tasks)}
    ranked = sorted(whole, key=lambda name: geometric(whole[name]))
    yield f"### All {len(tasks)} together\n"
    yield "Geometric mean over the tasks of MASE over the baseline's, as fev does it.\n"
    rows = [f"| {name} | {geometric(whole[name]):.3f} |" for name in ranked]
    yield "\n".join(["| Model | MASE over the baseline's |", "|:--|--:|", *rows]) + "\n"


def task(name: str, title: str, found: Row, columns: dict[str, str]) -> Iterator[str]:
    """Yield one task: what was done, its table, where it comes from."""
    facts, data = found["facts"], found["data"]
    yield f"### {name}\n"
    yield (
        f"{title}: {data['series']} series, {found['task']['windows']} cutoffs from "
        f"{data['first_cutoff']} to {data['last_cutoff']}, {data['truths']:,} truths. "
        f"Baseline {found['baseline']}.\n"
    )
    yield table(found["scores"], columns, found["baseline"])
    yield from told(found)
    yield source(facts)


def told(found: Row) -> Iterator[str]:
    """Yield how models differ from peers, where there are some among them."""
    outside = {s["model"] for s in found["scores"] if s["device"] == "elsewhere"}
    lines = []
    for pair in found.get("pairs", ()):
        names = (pair["model"], pair["other"])
        if len(outside & set(names)) != 1 or pair["p"] is None:
            continue
        ours, theirs = names if names[1] in outside else names[::-1]
        better = (pair["difference"] < 0) == (ours == names[0])
        word = ("better" if better else "worse") if pair["p"] < 0.05 else "level"
        lines.append(f"| {ours} | {theirs} | {word} | {number('p', pair['p'])} |")
    if lines:
        yield "Against other tools, by the same test, each pair alone:\n"
        yield "\n".join(["| Model | Peer | It is | p |", "|:--|:--|:--|--:|", *lines, ""])


def table(scores: list[Row], columns: dict[str, str], baseline: str = "") -> str:
    """Return scores as a Markdown table."""
    kept = {key: head for key, head in columns.items()
            if any(score.get(key) is not None for score in scores)}  # fmt: skip
    lines = [f"| Model | {' | '.join(kept.values())} |", f"|:--|{'--:|' * len(kept)}"]
    for score in scores:
        p, skill = score.get("p"), score.get("skill")
        sure = p is not None and skill is not None and p < 0.05 and skill > 0
        name = f"**{score['model']}**" if sure else score["model"]
        name += " (baseline)" * (score["model"] == baseline)
        name += f" ± {score['mase_spread']:.3f}" if score.get("mase_spread") else ""
        cells = [number(key, score.get(key)) for key in kept]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def number(key: str, value: float | None) -> str:
    """Return one cell, `-` where there is nothing."""
    if value is None:
        return "-"
    if key in ("skill", "cover80", "r2_vs_rw", "hit_rate"):
        return f"{100 * value:.1f} %"
    if key == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    if key.endswith("seconds"):
        return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
    return f"{value:,.0f}" if key == "rmse" else f"{value:.{PLACES.get(key, 3)}f}"


OUTPUTS = (
    r" (--run|--report|--forecasts|--output|-o) \S+"  # of a command, each to a place of its own
)
PLACES = {"wql": 5, "ratio": 4, "mape": 2}


def source(facts: Row) -> str:
    """Return where numbers come from, in one line."""
    versions = facts.get("versions", {})
    kept = [f"{name} {versions[name]}" for name in ("python", "numpy", "torch") if name in versions]
    seeds = facts.get("task", {}).get("seeds", 1)
    command = re.sub(OUTPUTS, "", facts.get("command", ""))
    said = [
        f"`{command}`" if command else "",
        f"commit {facts['commit']}" if facts.get("commit") else "",
        f"seed {facts.get('seed', 0)}" + (f", {seeds} seeds" if seeds > 1 else ""),
        facts.get("hardware", ""),
        ", ".join(kept),
    ]
    return f"<sub>{'; '.join(filter(None, said))}</sub>\n"


def deck() -> Iterator[str]:
    """Yield the deck's load figure."""
    found = {name: record(f"deck-load-{name}") for name in DECK}
    if not all(found.values()):
        return
    yield "## The deck's load figure\n"
    yield (
        "GEFCom2012, the year from July 2007, fitted on the rows before. Root mean squared error "
        "in kW. Busseti, Osband and Wong (2012) gave, as recalled, 1,540 for kernel regression, "
        "1,251 and 1,103 for feed-forward nets and 530 for a recurrent one, which fits zone 1; "
        "their protocol is unknown, so the last row is no comparison.\n"
    )
    names = [s["model"] for s in found["zone1-24h"]["scores"]]
    errors = {k: {s["model"]: s["rmse"] for s in v["scores"]} for k, v in found.items()}
    lines = [f"| Model | {' | '.join(DECK.values())} |", f"|:--|{'--:|' * len(DECK)}"]
    for name in names:
        label = f"{name}, {COPIES[name]}" if name in COPIES else name
        cells = " | ".join(number("rmse", errors[k].get(name)) for k in DECK)
        lines.append(f"| {label} | {cells} |")
    lines.append(
        "| Busseti et al. 2012 (recalled, protocol unknown) | 1,540 / 1,251 / 1,103 / 530 | | | |"
    )
    yield "\n".join(lines) + "\n"
    yield source(found["zone1-24h"]["facts"])


def gefcom() -> Iterator[str]:
    """Yield GEFCom2012's own score."""
    found = record("gefcom2012-wrmse")
    if found is None:
        return
    yield "## GEFCom2012 by its own score\n"
    yield (
        "Weighted root mean squared error over 20 zones and their sum: eight weeks cut out of the "
        "history, with the temperatures that came, and one week after it without, which counts as "
        "much as the eight. Forecasts use rows before their own cutoff only; the model is fitted "
        "on all rows that were not cut out.\n"
    )
    rows = [("forecast, `linear` on days", found), ("organisers' benchmark", BENCHMARK),
            ("best entry that was kept", WINNER)]  # fmt: skip
    tried = record("gefcom2012-validation")
    if tried is not None:
        parts = {key: tried[key] for key in ("backcast", "forecast week")}
        count = " and ".join(str(len(tried["weeks"][key])) for key in parts)
        rows.append((f"forecast, on {count} other weeks, where it was chosen", parts))
    lines = ["| | All | Eight weeks | Last week | Seconds |", "|:--|--:|--:|--:|--:|"]
    for name, row in rows:
        cells = [f"{row[k]:,.0f}" if k in row else "-" for k in PARTS]
        lines.append(f"| {name} | {' | '.join(cells)} | {row.get('seconds', '-')} |")
    yield "\n".join(lines) + "\n"
    off = {where: found[key] - BENCHMARK[key] for key, where in PARTS.items()}
    said = [f"{abs(v):,.0f} {'above' if v > 0 else 'below'} it {k}" for k, v in off.items()]
    yield f"Beside the organisers' benchmark: {', '.join(said)}.\n"
    if tried is not None:
        blind = tried["weeks"]["forecast week"].values()
        yield (
            "What a week errs by whose temperatures are unknown is its weather for the most part: "
            f"the {len(blind)} weeks of summer on which the forecast was chosen err by "
            f"{min(blind):,} to {max(blind):,}.\n"
        )
    yield source(found)


PARTS = {"all": "over all", "backcast": "on the eight weeks", "forecast week": "on the last"}
BENCHMARK = {"all": 100385, "backcast": 69557, "forecast week": 123758}
WINNER = {"all": 71387, "backcast": 58406, "forecast week": 82346}


def lines_of(name: str) -> list[Row]:
    """Return the rows of a file of JSON lines."""
    path = RESULTS / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def peers() -> Iterator[str]:
    """Yield what other tools cost; their scores stand in the tables of the tasks."""
    rows = lines_of("peers")
    if not rows:
        return
    yield "## Other tools on the same windows\n"
    yield (
        "`benchmarks/peers/run.py`, each alone in a process of its own environment, on one thread "
        "of a shared machine: seconds are those that passed, and for how many of them a processor "
        "was busy. Scores are by that script. Peers whose forecasts are small enough for the "
        "repository stand in the table of their task too, with tests against each of ours, once "
        "its record is made anew. Peers are told the hours as the data have them, in UTC on "
        "vic-elec.\n"
    )
    lines = ["| Task | Model | How | MASE | WQL | In 80 % | Best of ours | Seconds | Busy "
             "| Memory, MiB | Versions | Commit |",
             "|:--|:--|:--|--:|--:|--:|:--|--:|--:|--:|:--|:--|"]  # fmt: skip
    for row in rows:
        versions = ", ".join(f"{k} {v}" for k, v in row["versions"].items() if k not in USUAL)
        scores = row.get("scores", {})
        told = [number(key, scores.get(key)) for key in ("mase", "wql", "cover80")]
        busy = f"{row['processor_seconds']:.0f}" if "processor_seconds" in row else "-"
        lines.append(f"| {row['task']} | {row['model']} | {row['about']} | {' | '.join(told)} | "
                     f"{ours(row['task'])} | {row['seconds']:.0f} | {busy} | "
                     f"{row['megabytes']} | {versions} | {row['commit']} |")  # fmt: skip
    yield "\n".join(lines) + "\n"
    yield f"<sub>{rows[0]['hardware']}, seed 0</sub>\n"


def ours(name: str) -> str:
    """Return the best model of ours on a task, with its MASE."""
    found = record(name) or {"scores": []}
    known = [s for s in found["scores"] if s["device"] != "elsewhere" and s["mase"] is not None]
    return f"{known[0]['model']} {number('mase', known[0]['mase'])}" if known else "-"


USUAL = ("python", "numpy", "pandas", "torch")


def speed() -> Iterator[str]:
    """Yield where speed and chaos are recorded, one line a file."""
    files = sorted(p for p in RESULTS.iterdir() if p.suffix in (".jsonl", ".md"))
    yield "## What else is recorded\n"
    for path in files:
        if path.suffix == ".md":
            yield f"- [{path.name}](../benchmarks/results/{path.name})"
        else:
            rows = lines_of(path.stem)
            commits = {row["commit"] for row in rows if row.get("commit")}
            by = f", commit {', '.join(sorted(commits))}" if commits else ""
            yield f"- [{path.name}](../benchmarks/results/{path.name}): {len(rows)} rows{by}"


if __name__ == "__main__":
    main()
