"""What the commands share: their common options, how they talk, how they read rows."""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forecast.cli import streams
from forecast.errors import UsageError
from forecast.training.run import Progress, silent

if TYPE_CHECKING:
    from forecast.data.panel import Panel

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")

Data = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help="CSV or Parquet file; `-` or a pipe: standard input."),
]
Dataset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Use embedded data instead; see `forecast datasets list`."),
]
IdColumn = Annotated[
    str | None, typer.Option("--id", metavar="COLUMN", help="Column of series ids.")
]
TimeColumn = Annotated[
    str | None, typer.Option("--time", metavar="COLUMN", help="Column of timestamps.")
]
ValueColumn = Annotated[
    str | None, typer.Option("--value", metavar="COLUMN", help="Column of values.")
]
Season = Annotated[
    str | None,
    typer.Option(metavar="STEPS", help="Season lengths in steps, `24,168`; default: by frequency."),
]
Timezone = Annotated[
    str | None,
    typer.Option(metavar="ZONE", help="Whose clock: Europe/Berlin, UTC, +01:00; default: none."),
]
Closures = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Days to come on which trading rests, one date a line."),
]
Known = Annotated[
    str | None,
    typer.Option(metavar="COLUMNS", help="Covariates known ahead too: `temperature,holiday`."),
]
Past = Annotated[
    str | None, typer.Option(metavar="COLUMNS", help="Covariates observed like the values.")
]
Static = Annotated[
    str | None, typer.Option(metavar="COLUMNS", help="Covariates constant for each series.")
]
Transform = Annotated[
    str, typer.Option(metavar="NAME", help="auto, none, log, diff or log-diff (prices).")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Same seed, same bytes.")]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="Default: standard output.")
]

_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_COMMON = {
    "threads": (
        Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads; default: 1.")],
        None,
    ),
    "quiet": (
        Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")],
        False,
    ),
    "json_errors": (
        Annotated[bool, typer.Option("--json-errors", help="Errors as JSON on standard error.")],
        False,
    ),
    "debug": (
        Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")],
        False,
    ),
}


_READING = {
    "input_layout": (
        Annotated[
            str | None,
            typer.Option(
                metavar="NAME",
                help="long, wide, hours (a day per row) or rows (a series per row).",
            ),
        ],
        None,
    ),
    "date_format": (
        Annotated[
            str | None,
            typer.Option(metavar="FORMAT", help="day-first, month-first, seconds, %d/%m/%Y, ..."),
        ],
        None,
    ),
    "decimal": (
        Annotated[str | None, typer.Option(metavar="MARK", help="point or comma.")],
        None,
    ),
    "delimiter": (
        Annotated[
            str | None, typer.Option(metavar="MARK", help="A character, or comma, semicolon, tab.")
        ],
        None,
    ),
    "encoding": (
        Annotated[str | None, typer.Option(metavar="NAME", help="utf-8, cp1252, cp1253, ...")],
        None,
    ),
    "explain": (
        Annotated[bool, typer.Option("--explain", help="Say why DATA is read as it is.")],
        False,
    ),
}
Reading = dict[str, Any]  # what a command is given for a parameter called `reading`


class HelpNeededError(Exception):
    """A command was started at a terminal without what it needs."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What a command says while it works, on standard error."""

    quiet: bool = False

    def say(self, sentence: str) -> None:
        """Say one sentence unless asked to be quiet."""
        if not self.quiet:
            print(sentence, file=sys.stderr, flush=True)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Yield a function that shows progress where a person looks, and nowhere else."""
        if self.quiet or not streams.is_terminal(2):
            yield silent
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
                   TextColumn("{task.fields[note]}"))  # fmt: skip
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task("", total=1.0, note="")
            running = ""

            def show(stage: str, done: float, note: str) -> None:
                nonlocal running
                if stage != running:
                    running = stage
                    bars.reset(task, total=1.0, description=stage)
                bars.update(task, completed=done, note=note)

            yield show


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give `function(talk, ...)` the options that every command has.

    One with a parameter `reading` has those too that say how a table is written.
    `--json-errors` and `--debug` are read where errors end, in `forecast.cli.run`: an error may
    come before the options are understood.
    """
    own = list(inspect.signature(function).parameters.values())[1:]
    reads = any(parameter.name == "reading" for parameter in own)

    @functools.wraps(function)
    def run(context: typer.Context, **options: Any) -> None:
        common = {name: options.pop(name) for name in _COMMON}
        limit_threads(common["threads"])
        if reads:
            options["reading"] = {name: options.pop(name) for name in _READING}
        try:
            function(Talk(common["quiet"]), **options)
        except HelpNeededError:
            print(context.get_help(), file=sys.stderr)
            raise typer.Exit(2) from None

    own = [parameter for parameter in own if parameter.name != "reading"]
    shared = [
        inspect.Parameter(name, _KEYWORD, default=default, annotation=kind)
        for name, (kind, default) in ((_READING if reads else {}) | _COMMON).items()
    ]
    context = inspect.Parameter("context", _KEYWORD, annotation=typer.Context)
    signature = inspect.Signature([context, *(p.replace(kind=_KEYWORD) for p in own), *shared])
    run.__signature__ = signature  # type: ignore[attr-defined]
    return run


def limit_threads(count: int | None) -> None:
    """Keep every numerical library to `count` threads; they read this when first imported.

    Without a count to what the environment says, else to one: on a machine that does anything
    else, threads that wait for each other in every small product cost more than they bring. Ours,
    which take a series each and wait for nobody, are as many as there are cores.
    """
    for library in _THREADS:
        name = f"{library}_NUM_THREADS"
        usual = str(os.cpu_count() or 1) if library == "NUMBA" else "1"
        os.environ[name] = str(count) if count else os.environ.get(name, usual)


def read(
    talk: Talk,
    data: str | None,
    dataset: str | None = None,
    explain: bool = False,
    **options: Any,
) -> "Panel":
    """Return the panel that DATA, `--dataset` or standard input holds, and say how it was read.

    With `explain` the reason for each decision is said too. Other `options` go to `tables.read`.
    Raises HelpNeededError when nothing is named at a terminal.
    """
    from forecast.data import datasets, tables

    if dataset is not None and data is not None:
        raise UsageError(f"both `{data}` and `--dataset {dataset}` are given", hint="choose one")
    if dataset is None and data is None and streams.stdin_holds() == "terminal":
        raise HelpNeededError
    if dataset is not None:
        panel = datasets.load(dataset, **options)
    else:
        panel = tables.read(streams.stdin() if data in (None, "-") else data, **options)
    for note in (*panel.notes, *(panel.reasons if explain else ())):
        talk.say(note)
    return panel


def warn_of_rewritten_rows(talk: Talk, ids: tuple[str, ...]) -> None:
    """Say that rows given again with other values were skipped, if there are any."""
    if ids:
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        talk.say(
            f"Warning: rows of `{ids[0]}`{more} differ from those the model has seen and were "
            "skipped; `--fresh` starts from the rows given"
        )


def columns(
    id_: str | None, time: str | None, value: str | None, season: str | None, **others: Any
) -> dict[str, Any]:
    """Return the options that say how to read a table, as `tables.read` takes them."""
    steps = None if season is None else integers("--season", season)
    return {"id": id_, "time": time, "value": value, "season": steps, **others}


def covariates(known: str | None, past: str | None, static: str | None) -> dict[str, Any]:
    """Return the names of covariates, as `tables.read` takes them."""
    named = {"known": known, "past": past, "static": static}
    return {role: names("--" + role, text) for role, text in named.items() if text is not None}


def names(flag: str, text: str) -> tuple[str, ...]:
    """Return the names of columns in `text`, `temperature,holiday`."""
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise UsageError(f"`{flag} {text}` is not a list of columns",
                         hint=f"such as `{flag} temperature,holiday`")  # fmt: skip
    return parts


def unused(model: str, record: dict[str, Any]) -> list[str]:
    """Return what there is to say about covariates that `model` does not use, or that tell nothing.

    `record` is that of a fitted forecaster.
    """
    found = record.get("covariates", {})
    lines = [f"{model} makes no use of {', '.join(found['not used'])}"] if found.get("not used") \
        else []  # fmt: skip
    return lines + [
        f"Warning: `{name}` has one value in all rows of the fit, so nothing is learnt from it"
        for name in found.get("constant", ())
    ]


def stem(data: str | None, dataset: str | None) -> str:
    """Return the name that outputs are called after."""
    if dataset is not None:
        return dataset
    if data in (None, "-"):
        return "stdin"
    return Path(str(data)).name.split(".")[0] or "data"


def integers(flag: str, text: str) -> tuple[int, ...]:
    """Return the positive integers in `text`, `24,168`; `none` is no integer at all."""
    if text.strip().lower() == "none":
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise UsageError(f"`{flag} {text}` is not a list of steps", hint=f"such as `{flag} 24,168`")
    return tuple(int(part) for part in parts)


def numbers(flag: str, text: str) -> tuple[float, ...]:
    """Return the numbers in `text`, `0.1,0.5,0.9`."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"`{flag} {text}` is not a list of numbers", hint=f"such as `{flag} 0.1,0.5,0.9`"
        ) from None


def suggest(word: str, known: list[str]) -> str:
    """Return a hint that names the known words, the nearest one first."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    listed = f"known: {', '.join(known)}"
    return f"did you mean `{near[0]}`? {listed}" if near else listed
