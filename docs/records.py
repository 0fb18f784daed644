"""What `benchmarks/` recorded, and how its figures are written."""

import json
import re
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
PLACES = {"wql": 5, "ratio": 4, "mape": 2}
OUTPUTS = (
    r" (--run|--report|--forecasts|--output|-o) \S+"  # of a command, each to a place of its own
)
Row = dict[str, Any]


def record(name: str) -> Row | None:
    """Return what a benchmark wrote, None where it was not recorded."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def lines_of(name: str) -> list[Row]:
    """Return the rows of a file of JSON lines."""
    path = RESULTS / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(scores: list[Row], columns: dict[str, str], baseline: str = "") -> str:
    """Return scores as a Markdown table."""
    kept = {key: head for key, head in columns.items()
            if any(score.get(key) is not None for score in scores)}  # fmt: skip
    lines = [f"| Model | {' | '.join(kept.values())} |", f"|:--|{'--:|' * len(kept)}"]
    for score in scores:
        p, skill = score.get("p"), score.get("skill")
        sure = p is not None and skill is not None and p < 0.05 and skill > 0
        name = f"*{score['model']}*" if score["device"] == "elsewhere" else score["model"]
        name = f"**{name}**" if sure else name
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
