"""`forecast tune`: find settings of a model by successive halving."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from forecast.cli import settings, shared, streams
from forecast.cli.fit import beside, check_target, kept, remove
from forecast.cli.reading import Data, Dataset, Table
from forecast.errors import UsageError

if TYPE_CHECKING:
    from forecast.data.panel import Panel
    from forecast.selection import Search, Trial
    from forecast.training.run import Run

Format = Literal["table", "csv", "json"]


@shared.command
def tune(
    talk: shared.Talk,
    reading: Table,
    data: Data = None,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="rnn, gru, esn, kalman or linear.")
    ] = "gru",
    budget: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Work of all candidates together: updates (rnn, gru), reservoirs (esn), "
            "evaluations (kalman), fits (linear); default: that of 10 fits.",
        ),
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Steps ahead; default: one season, 5 on trading days."
        ),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Last cutoffs to judge on; default: by length."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Default: DATA-MODEL.safetensors."),
    ] = None,
    trials: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where the trials go; default: standard output."),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Default: table at a terminal, else csv."),
    ] = None,
    dataset: Dataset = None,
    transform: shared.Transform = "auto",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting that stays as it is."),
    ] = None,
    seed: shared.Seed = 0,
    device: shared.Device = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a search that was cut short.")
    ] = False,
) -> None:
    """Example:

    \b
    forecast tune load.csv --model gru --horizon 24 -o load.safetensors
    forecast tune load.csv --model esn --budget 60 --trials trials.csv

    Try settings of a model: many for little work, the better ones for more, all on the same last
    windows of DATA, each fitted on the rows before them. The default settings take part to the
    end. The best are then fitted to all rows and written to one file.
    """
    from forecast import selection
    from forecast.data.tables import check_fittable
    from forecast.training.device import resolve
    from forecast.training.run import Run

    kind, fixed = settings.pick(model), settings.pairs(set_ or [])
    search = selection.Search(kind, budget, seed, transform, fixed)
    target = output or f"{shared.stem(data, dataset)}-{model}.safetensors"
    check_target(target, data)
    streams.check_place(trials, data, target)
    written = _format(format_, trials)
    panel = reading.panel(talk, data, dataset)
    check_fittable(panel)
    search = selection.on(search, panel, horizon, windows)
    checkpoints = Path(f"{target}.checkpoint")
    with talk.progress() as progress, kept(talk, checkpoints):
        run = Run(resolve(device), progress, beside(checkpoints), resume, tell=talk.say)
        found, best = _search(panel, search, Path(f"{checkpoints}.trials"), run)
        streams.emit(_render(found, search, best, written).encode(), trials)
        _fit(talk, panel, search, best, target, run)
    source = f"--dataset {dataset}" if dataset else shlex.quote(data or "-")
    talk.say(_again(target, search, best, [source, *reading.words]))
    talk.say(f"Next: forecast predict {target}")
    remove(checkpoints)


def _search(
    panel: "Panel", search: "Search", file: Path, run: "Run"
) -> "tuple[list[Trial], Trial]":
    from forecast import selection

    trials = selection.tune(panel, search, file=file if run.checkpoint else None, run=run)
    return trials, selection.best(trials)


def _fit(
    talk: shared.Talk, panel: "Panel", search: "Search", best: "Trial", target: str, run: "Run"
) -> None:
    """Say what was found, and fit it to all rows."""
    from forecast import fitting, store
    from forecast.report.trials import flags

    chosen = search.whole(best)
    words = f"MASE {best.mase:.4g} on the last {search.task.windows} windows"
    if best.settings:
        talk.say(f"Best: {flags(chosen)} ({words})")
    else:
        talk.say(f"Best: the settings it began with ({words}); none of the others beat them")
    forecaster = fitting.fit(
        panel, search.kind.name, search.task.horizon, transform=search.transform,
        seed=search.seed, settings=chosen, run=run,
    )  # fmt: skip
    store.save(forecaster, target)


def _again(target: str, search: "Search", best: "Trial", source: list[str]) -> str:
    """Say by which command the same model can be fitted without the search."""
    from forecast.report.trials import flags

    words = ["forecast fit", *source, f"--model {search.kind.name}"]
    words += [f"--horizon {search.task.horizon}", flags(search.whole(best))]
    return f"{target}: as by `{' '.join(words).strip()}`"


def _format(wanted: Any, trials: str | None) -> str:
    if wanted is not None:
        return str(wanted)
    if trials is not None and Path(trials).suffix not in (".csv", ".json", ".txt", ""):
        raise UsageError(f"{trials}: trials are written as .csv or .json")
    default = "table" if trials is None and streams.is_terminal(1) else "csv"
    return str(streams.format_of(trials, get_args(Format), default))


def _render(trials: "list[Trial]", search: "Search", best: "Trial", kind: str) -> str:
    from forecast.report import trials as report

    if kind == "json":
        return report.to_json(trials, search, best)
    return report.to_csv(trials) if kind == "csv" else report.to_text(trials)
