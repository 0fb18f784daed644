"""`forecast datasets`: the embedded data, and larger ones to fetch."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from forecast.cli import shared, streams

app = typer.Typer(help="Data sets: list, show, export, fetch.", rich_markup_mode=None)
Name = Annotated[str, typer.Argument(metavar="NAME", help="As `forecast datasets list` names it.")]
Format = Annotated[
    Literal["text", "json"], typer.Option("--format", "-f", help="For people or programs.")
]


@app.command("list", short_help="Name the data sets.")
@shared.command
def list_(talk: shared.Talk, format_: Format = "text") -> None:
    """Example:

    \b
    forecast datasets list

    Name the embedded data sets, and those that `fetch` brings. A name works with `--dataset`
    wherever a file does.
    """
    from dataclasses import asdict

    from forecast.data import datasets, fetching

    known: list[datasets.Dataset | fetching.Remote] = [
        *map(datasets.info, datasets.NAMES),
        *fetching.REMOTES.values(),
    ]
    if format_ == "json":
        print(json.dumps([asdict(d) for d in known], indent=2, ensure_ascii=False))
        return
    width = max(len(d.name) for d in known)
    for d in known:
        source = "" if isinstance(d, datasets.Dataset) else "; to fetch"
        print(f"{d.name:<{width}}  {d.title}; {d.frequency}, {d.rows:,} rows{source}")


@app.command(short_help="Say where a data set comes from.")
@shared.command
def show(talk: shared.Talk, name: Name, format_: Format = "text") -> None:
    """Example:

    \b
    forecast datasets show electricity-load

    Say what a data set holds, where it comes from and under which licence.
    """
    from dataclasses import asdict

    from forecast.data import datasets, fetching

    facts = asdict(fetching.REMOTES.get(name) or datasets.info(name))
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


@app.command(short_help="Bring a larger data set from the net.")
@shared.command
def fetch(
    talk: shared.Talk,
    name: Name,
    to: Annotated[
        str | None, typer.Option(metavar="PLACE", help="File or folder; default: the cache.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Another place that holds the same bytes.")
    ] = None,
) -> None:
    """Example:

    \b
    forecast datasets fetch taylor
    forecast benchmark --dataset taylor --season 48,336
    forecast fit "$(forecast datasets fetch ett-h1)" --value OT

    Bring a public data set into the cache folder ($XDG_CACHE_HOME/forecast or ~/.cache/forecast)
    over HTTPS, compare its SHA-256, and print where it lies. A file that is already there is
    checked, not fetched again.
    """
    from forecast.data import fetching

    remote = fetching.info(name)
    target = Path(to) if to is not None else fetching.place(remote)
    if to is not None and target.is_dir():
        target /= remote.file
    if to is not None:
        streams.check_place(str(target))
    with talk.progress() as progress:
        came = fetching.fetch(remote, target, url, progress)
    talk.say(f"{name}: {'fetched' if came else 'already here'}, SHA-256 as it should be")
    print(target)
