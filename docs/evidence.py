"""The rest of the page of results: what no task file says."""

from collections.abc import Iterator

import records
from records import Row, lines_of, number, record, source

DECK = {"zone1-1h": "Zone 1, one hour ahead", "zone1-24h": "Zone 1, 24 hours ahead",
        "system-1h": "System, one hour ahead", "system-24h": "System, 24 hours ahead"}  # fmt: skip
COPIES = {"naive": "copy of the last value", "snaive": "copy of 24 h ago",
          "snaive-week": "copy of 168 h ago"}  # fmt: skip
PARTS = {"all": "over all", "backcast": "on the eight weeks", "forecast week": "on the last"}
BENCHMARK = {"all": 100385, "backcast": 69557, "forecast week": 123758}
WINNER = {"all": 71387, "backcast": 58406, "forecast week": 82346}
TRIED = {"validation": "where the forecast was chosen", "fresh": "by which nothing was chosen"}
USUAL = ("python", "numpy", "pandas", "torch")


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
    lines = ["| | All | Eight weeks | Last week | Seconds |", "|:--|--:|--:|--:|--:|"]
    for name, row in rows:
        cells = [f"{row[k]:,.0f}" for k in PARTS]
        lines.append(f"| {name} | {' | '.join(cells)} | {row.get('seconds', '-')} |")
    yield "\n".join(lines) + "\n"
    off = {where: found[key] - BENCHMARK[key] for key, where in PARTS.items()}
    said = [f"{abs(v):,.0f} {'above' if v > 0 else 'below'} it {k}" for k, v in off.items()]
    yield f"Beside the organisers' benchmark: {', '.join(said)}.\n"
    yield source(found)
    yield from gefcom_tried()


def gefcom_tried() -> Iterator[str]:
    """Yield what other weeks of GEFCom2012 say, beside the organisers' way on the same weeks."""
    other = record("gefcom2012-vanilla")
    own = {name: record(f"gefcom2012-{name}") for name in TRIED}
    if other is None or not all(own.values()):
        return
    yield (
        "A week without temperatures errs by its weather for the most part, and one says little. "
        "So the organisers' regression was fitted again, told what they told it, and both "
        "forecast other weeks. By the same score the copy lies "
        f"{other['apart']['all']:,} from their file and {other['copy']['all']:,} from the truth.\n"
    )
    lines = ["| Other weeks | forecast | organisers' regression | forecast better in |",
             "|:--|--:|--:|--:|"]  # fmt: skip
    for name, said in TRIED.items():
        for part, told in (("backcast", "with temperatures"), ("forecast week", "without")):
            mine, theirs = own[name]["weeks"][part], other[name]["weeks"][part]
            won = sum(mine[day] < theirs[day] for day in mine)
            lines.append(f"| {said}, {told} | {own[name][part]:,} | {other[name][part]:,} "
                         f"| {won} of {len(mine)} |")  # fmt: skip
    yield "\n".join(lines) + "\n"
    yield from map(source, (*own.values(), other))


def peers() -> Iterator[str]:
    """Yield what other tools cost; their scores stand in the tables of the tasks."""
    rows = lines_of("peers")
    if not rows:
        return
    yield "## Other tools on the same windows\n"
    yield (
        "`benchmarks/peers/run.py`, each alone in a process of its own environment, on one thread "
        "of a shared machine: seconds are those that passed, and for how many of them a processor "
        "was busy. Scores are by that script. On taylor and vic-elec peers stand in the table of "
        "their task too, with tests against each of ours; on gefcom2012 their forecasts are too "
        "large for the repository. Peers are told the hours as the data have them, in UTC on "
        "vic-elec; none was tuned but by what its column says.\n"
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


def speed() -> Iterator[str]:
    """Yield where speed and chaos are recorded, one line a file."""
    files = sorted(p for p in records.RESULTS.iterdir() if p.suffix in (".jsonl", ".md"))
    yield "## What else is recorded\n"
    for path in files:
        if path.suffix == ".md":
            yield f"- [{path.name}](../benchmarks/results/{path.name})"
        else:
            rows = lines_of(path.stem)
            commits = {row["commit"] for row in rows if row.get("commit")}
            by = f", commit {', '.join(sorted(commits))}" if commits else ""
            yield f"- [{path.name}](../benchmarks/results/{path.name}): {len(rows)} rows{by}"
