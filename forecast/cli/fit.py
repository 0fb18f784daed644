"""`forecast fit`: learn a model from rows and keep it in one file."""

from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from forecast.cli import settings, shared, streams
from forecast.cli.reading import Data, Dataset, Table
from forecast.errors import UsageError

if TYPE_CHECKING:
    from forecast.training.run import Effort


@shared.command
def fit(
    talk: shared.Talk,
    reading: Table,
    data: Data = None,
    model: Annotated[
        str,
        typer.Option("--model", "-m", metavar="NAME", help="rnn, gru, esn, kalman, linear, ..."),
    ] = "gru",
    horizon: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Steps ahead; default: one season, 5 on trading days."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Default: DATA-MODEL.safetensors."),
    ] = None,
    dataset: Dataset = None,
    transform: shared.Transform = "auto",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a setting; may be repeated."),
    ] = None,
    list_settings: Annotated[
        str | None, typer.Option(metavar="MODEL", help="List the settings of a model and end.")
    ] = None,
    seed: shared.Seed = 0,
    device: shared.Device = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of a fit cut short.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="A sixth of the work of rnn, gru.")
    ] = False,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Six times the work of rnn, gru.")
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="N", help="Train rnn, gru for N minutes; not repeatable elsewhere."),
    ] = None,
    no_state: Annotated[
        bool, typer.Option("--no-state", help="Keep no series ids and no rows in the file.")
    ] = False,
) -> None:
    """Example:

    \b
    forecast fit load.csv --model gru --horizon 24 -o load.safetensors
    cat load.csv | forecast fit - --model esn -o load.safetensors

    Learn a model from DATA and write it to one file, with the state it has reached. DATA is a
    table of timestamps and values: long (`unique_id,ds,y`), one series (`date,value`), or wide
    (one column per series).
    """
    if list_settings is not None:
        print(settings.listing(settings.pick(list_settings)), end="")
        return
    family, options = settings.pick(model), settings.pairs(set_ or [])
    _check_budget(quick, thorough, minutes, resume)
    target = output or f"{shared.stem(data, dataset)}-{model}.safetensors"
    check_target(target, data)
    panel = reading.panel(talk, data, dataset)

    from forecast import fitting, store
    from forecast.data.tables import check_fittable
    from forecast.report import structure
    from forecast.training.device import resolve
    from forecast.training.run import Run

    check_fittable(panel)
    begin, checkpoints = perf_counter(), Path(f"{target}.checkpoint")
    with talk.progress() as progress, kept(talk, checkpoints):
        forecaster = fitting.fit(
            panel, family.name, horizon, transform=transform, seed=seed, settings=options,
            run=Run(resolve(device), progress, beside(checkpoints), resume, tell=talk.say,
                    effort=_effort(quick, thorough), minutes=minutes, keep=True),
        )  # fmt: skip
    store.save(forecaster, target, state=not no_state)
    if forecaster.record.get("interrupted"):
        talk.say(f"Interrupted: {target} holds the best so far; `--resume` trains on")
        raise typer.Exit(130)
    remove(checkpoints)
    seconds, shape = perf_counter() - begin, forecaster.transform
    talk.say(f"transform {shape.name}: {shape.reason}")
    for note in structure.notes(forecaster):
        talk.say(f"Note: {note}")
    for sentence in shared.unused(family.name, forecaster.record):
        talk.say(sentence)
    steps = "1 step" if forecaster.horizon == 1 else f"{forecaster.horizon} steps"
    talk.say(f"{family.name} fitted in {seconds:.1f} s, {steps} ahead: {target}")
    future = " --future FILE" if forecaster.asked("known") else ""
    talk.say(f"Next: forecast predict {target}{future}")


def _effort(quick: bool, thorough: bool) -> "Effort":
    return "quick" if quick else "thorough" if thorough else "default"


def _check_budget(quick: bool, thorough: bool, minutes: float | None, resume: bool) -> None:
    """Refuse budgets that contradict each other."""
    if quick + thorough + (minutes is not None) > 1:
        raise UsageError(
            "--quick, --thorough and --minutes are three ways to say one thing", hint="give one"
        )
    if minutes is not None and minutes <= 0:
        raise UsageError(f"--minutes {minutes:g} leaves no time", hint="`--minutes 2`")
    if minutes is not None and resume:
        raise UsageError(
            "--resume repeats counted work, and --minutes does not count it",
            hint="`--set updates=N`, with the number the first run told",
        )


def beside(checkpoints: Path) -> Path | None:
    """Return where checkpoints go; None when the model goes to no folder of files."""
    return checkpoints if checkpoints.resolve().parent != Path("/dev") else None


@contextmanager
def kept(talk: shared.Talk, checkpoints: Path) -> Iterator[None]:
    """Say how to go on when a fit is cut short and its parameters were saved."""
    try:
        yield
    except BaseException:
        if _saved(checkpoints):
            talk.say("parameters were saved; the same command with `--resume` goes on from there")
        raise


def _saved(checkpoints: Path) -> list[Path]:
    return list(checkpoints.parent.glob(f"{escape(checkpoints.name)}.*"))


def remove(checkpoints: Path) -> None:
    """Remove what was saved for a fit that has ended well."""
    for path in _saved(checkpoints):
        path.unlink(missing_ok=True)


def check_target(target: str, *read: str | None) -> None:
    """Refuse a place that cannot take a model file before a long fit, not after it."""
    if target == "-":
        raise UsageError("a model goes to a file", hint="name it with `-o FILE`")
    streams.check_place(target, *read)
    if Path(target).exists() and not Path(target).is_file():
        raise UsageError(f"{target} is not a regular file", hint="name a file with `-o FILE`")
