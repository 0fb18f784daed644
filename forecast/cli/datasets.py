"""`forecast datasets`: the embedded data."""

import json
from typing import Annotated, Literal

import typer

from forecast.cli import shared, streams

app = typer.Typer(help="Embedded data: list, show, export.", rich_markup_mode=None)
Name = Annotated[str, typer.Argument(metavar="NAME", help="As `forecast datasets list` names it.")]
Format = Annotated[
    Literal["text", "json"], typer.Option("--format", "-f", help="For people or programs.")
]


@app.command("list", short_help="Name the embedded data sets.")
@shared.command
def list_(talk: shared.Talk, format_: Format = "text") -> None:
    """Example:

    \b
    forecast datasets list

    Name the embedded data sets. A name works with `--dataset` wherever a file does.
    """
    from dataclasses import asdict

    from forecast.data import datasets

    known = [datasets.info(name) for name in datasets.NAMES]
    if format_ == "json":
        print(json.dumps([asdict(d) for d in known], indent=2, ensure_ascii=False))
        return
    width = max(len(d.name) for d in known)
    for d in known:
        print(f"{d.name:<{width}}  {d.title}; {d.frequency}, {d.rows:,} rows")


@app.command(short_help="Say where a data set comes from.")
@shared.command
def show(talk: shared.Talk, name: Name, format_: Format = "text") -> None:
    """Example:

    \b
    forecast datasets show electricity-load

    Say what a data set holds, where it comes from and under which licence.
    """
    from dataclasses import asdict

    from forecast.data import datasets

    facts = asdict(datasets.info(name))
    if format_ == "json":
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    width = max(map(len, facts))
    for key, value in facts.items():
        print(f"{key:<{width}}  {f'{value:,}' if isinstance(value, int) else value}")


@app.command(short_help="Write a data set as CSV.")
@shared.command
def export(talk: shared.Talk, name: Name, output: shared.Output = None) -> None:
    """Example:

    \b
    forecast datasets export electricity-load > load.csv

    Write a data set as CSV.
    """
    from forecast.data import datasets

    streams.check_place(output)
    streams.emit(datasets.open(name), output)
