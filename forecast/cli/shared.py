"""What the commands share: their common options, how they talk, what they say alike."""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from forecast.cli import streams
from forecast.errors import UsageError
from forecast.training.run import Progress, silent

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")

Transform = Annotated[
    str, typer.Option(metavar="NAME", help="auto, none, log, diff or log-diff (prices).")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Same seed, same bytes.")]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")]
Output = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="Default: standard output.")
]

_KEYWORD = inspect.Parameter.KEYWORD_ONLY
PACE = 300.0  # seconds over which the pace is measured that says how long is left
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


@dataclass(frozen=True, slots=True)
class Group:
    """Options that several commands have, and what makes one value of them.

    A parameter annotated with one, as `Annotated[Value, Group(...)]`, stands for all of them.
    """

    options: Mapping[str, tuple[Any, Any]]  # annotation and default, by name
    gather: Callable[..., Any]


class Given(dict[str, str]):
    """The options that stand on the command line, by the name of their parameter: their flags.

    A parameter of this type is no option.
    """

    @classmethod
    def of(cls, context: typer.Context) -> "Given":
        """Return those of the command that `context` runs."""
        there = (p for p in context.command.params
                 if p.name and _source(context, p.name) == "COMMANDLINE")  # fmt: skip
        return cls({str(p.name): max(p.opts, key=len) for p in there})


def _source(context: typer.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    return "" if source is None else source.name


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
        from rich import progress
        from rich.console import Console

        columns = (progress.TextColumn("{task.description}"), progress.BarColumn(),
                   progress.TimeElapsedColumn(), progress.TextColumn("left"),
                   progress.TimeRemainingColumn(),
                   progress.TextColumn("{task.fields[note]}"))  # fmt: skip
        with progress.Progress(
            *columns, console=Console(stderr=True), transient=True, speed_estimate_period=PACE
        ) as bars:
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
    """Give `function(talk, ...)` the options that every command has, and those of its groups.

    `--json-errors` and `--debug` are read where errors end, in `forecast.cli.run`: an error may
    come before the options are understood.
    """
    own = list(inspect.signature(function).parameters.values())[1:]
    groups = {p.name: group for p in own if (group := _group(p)) is not None}
    given = [p.name for p in own if p.annotation is Given]

    @functools.wraps(function)
    def run(context: typer.Context, **options: Any) -> None:
        common = {name: options.pop(name) for name in _COMMON}
        limit_threads(common["threads"])
        for name, group in groups.items():
            options[name] = group.gather(**{key: options.pop(key) for key in group.options})
        options |= {name: Given.of(context) for name in given}
        try:
            function(Talk(common["quiet"]), **options)
        except HelpNeededError:
            print(context.get_help(), file=sys.stderr)
            raise typer.Exit(2) from None

    shared: dict[str, tuple[Any, Any]] = {}
    for options in (*(group.options for group in groups.values()), _COMMON):
        shared |= options
    parameters = [
        inspect.Parameter("context", _KEYWORD, annotation=typer.Context),
        *(p.replace(kind=_KEYWORD) for p in own if p.name not in (*groups, *given)),
        *(inspect.Parameter(name, _KEYWORD, default=default, annotation=kind)
          for name, (kind, default) in shared.items()),
    ]  # fmt: skip
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _group(parameter: inspect.Parameter) -> Group | None:
    """Return the group that the annotation of a parameter names, None without one."""
    notes = getattr(parameter.annotation, "__metadata__", ())
    return next((note for note in notes if isinstance(note, Group)), None)


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


def warn_of_rewritten_rows(talk: Talk, ids: tuple[str, ...]) -> None:
    """Say that rows given again with other values were skipped, if there are any."""
    if ids:
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        talk.say(
            f"Warning: rows of `{ids[0]}`{more} differ from those the model has seen and were "
            "skipped; `--fresh` starts from the rows given"
        )


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
