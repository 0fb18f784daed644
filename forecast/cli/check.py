"""`forecast check`: what is odd about a table, and what repairs it."""

import io
import json
import sys
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from forecast.cli import shared, streams
from forecast.cli.reading import Data, Dataset, Table
from forecast.errors import UsageError

if TYPE_CHECKING:
    from forecast.data.check import Health
    from forecast.data.findings import Finding
    from forecast.data.panel import Panel

SHOWN = 3  # rows and series named for each finding


@shared.command
def check(
    talk: shared.Talk,
    reading: Table,
    data: Data = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Write the repaired table to FILE, the report to stderr.")
    ] = False,
    future_template: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Write the N steps to come, to be filled in."),
    ] = None,
    format_: Annotated[
        Literal["text", "json"], typer.Option("--format", "-f", help="For people or programs.")
    ] = "text",
    output: shared.Output = None,
    dataset: Dataset = None,
) -> None:
    """Example:

    \b
    forecast check load.csv
    forecast check load.csv --fix -o clean.csv
    cat load.csv | forecast check --format json | jq '.findings[].kind'
    forecast check load.csv --known temperature --future-template 24 -o weather.csv

    Say how DATA is read, what is odd about it, in which rows, and what repairs it: gaps, rows
    that come twice, clock changes, outliers, stuck meters, impossible zeros and negatives, splits,
    short and identical series. `--fix` leaves empty what cannot be true and writes
    `unique_id,ds,y` with a row for every step, and the covariates named. `--future-template`
    writes the rows that `predict --future` asks for. The exit code is 0 whatever is found.
    """
    from forecast.data import check as doctor
    from forecast.data import rewriting

    streams.check_place(output, data)
    if future_template is not None:
        if fix:
            raise UsageError("`--fix` and `--future-template` write two tables", hint="give one")
        _template(talk, reading.panel(talk, data, dataset), future_template, output)
        return
    read = partial(reading.panel, talk, data, dataset)
    health = doctor.examine(data, read, **reading.given)
    report = _json(health) if format_ == "json" else _text(health, streams.width() or 80)
    if not fix:
        streams.emit(f"{report}\n".encode(), output)
        return
    table = io.BytesIO()
    rewriting.write(health.repaired, table)
    if not talk.quiet:
        print(report, file=sys.stderr)
    streams.emit(table.getvalue(), output)


def _template(talk: shared.Talk, panel: "Panel", steps: int, output: str | None) -> None:
    from forecast.data import rewriting

    table = io.BytesIO()
    count = rewriting.template(panel, steps, table)
    streams.emit(table.getvalue(), output)
    names, place = ", ".join(panel.known), output or "FILE"
    talk.say(f"{count:,} rows to fill in: {names}. Then: forecast predict MODEL --future {place}")


def _json(health: "Health") -> str:
    panel = health.panel
    facts: dict[str, Any] = {
        "source": panel.source,
        "series": len(panel),
        "rows": len(panel.values),
        "frequency": panel.clock.label,
        "explained": health.explained,
        "zone": dict(panel.clock.own) if panel.clock.told else panel.clock.zone,
        "first": _edge(health, first=True),
        "last": _edge(health, first=False),
        "seasons": [{"steps": s, "strength": round(v, 4)} for s, v in health.seasons],
        "findings": [_record(finding) for finding in health.findings],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)


def _record(finding: "Finding") -> dict[str, Any]:
    return asdict(finding) | {"counts": dict(finding.counts)}


def _edge(health: "Health", first: bool) -> str | None:
    panel = health.panel
    if not len(panel.values):
        return None
    times = panel.starts if first else panel.ends
    return str(panel.clock.write((times.min if first else times.max)(keepdims=True))[0])


def _text(health: "Health", width: int) -> str:
    from forecast.report import sparks

    panel = health.panel
    rows = f"{len(panel.values):,} row{'' if len(panel.values) == 1 else 's'}"
    lines = [f"{panel.source}: {len(panel):,} series, {rows}, "
             f"{_edge(health, first=True)} to {_edge(health, first=False)}"]  # fmt: skip
    share = 100 * health.explained
    shown = "100 %" if health.explained == 1 else f"{min(share, 99.99):.4g} %"
    zone = f", clock of {panel.clock.place}" if panel.clock.place else ""
    lines += [f"{panel.clock.label}, {shown} of the steps{zone}", ""]
    lines += sparks.picture(panel, health.seasons, width)
    if not health.findings:
        return "\n".join([*lines, "Nothing odd was found."])
    for finding in health.findings:
        lines += _finding(finding)
    repaired = sum(finding.rows for finding in health.findings if finding.fixed)
    if repaired:
        lines.append(f"`--fix -o clean.csv` repairs {repaired:,} rows")
    return "\n".join(lines).rstrip()


def _finding(finding: "Finding") -> list[str]:
    many = "" if finding.series == 1 else f" in {finding.series:,} series"
    rows = "1 row" if finding.rows == 1 else f"{finding.rows:,} rows"
    lines = [f"{finding.kind}: {rows}{many}: {finding.says}"]
    for spot in finding.spots[:SHOWN]:
        line = f"line {spot.line:,}: " if spot.line is not None else ""
        run = "" if spot.rows == 1 else f" to {spot.last}, {spot.rows:,} rows"
        number = "" if spot.value is None else f": {spot.value:.6g}"
        lines.append(f"    {line}{spot.series} {spot.first}{run}{number}")
    if len(finding.counts) > 1:
        worst = ", ".join(f"{name} {count:,}" for name, count in finding.counts[:SHOWN])
        lines.append(f"    most in {worst}")
    return [*lines, f"    cure: {finding.cure}", ""]
