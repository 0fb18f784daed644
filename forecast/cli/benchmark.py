"""`forecast benchmark`: models side by side on windows of the past."""

import io
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from forecast.cli import evaluation, gate, settings, shared, streams
from forecast.cli.reading import Data, Dataset, Table
from forecast.errors import UsageError

if TYPE_CHECKING:
    from forecast.results import Benchmark

Format = Literal["table", "csv", "json", "markdown"]
SCORING = ("folder", "importance", "in_sample", "peers", "keep_going", "better_than", "alpha",
           "record", "forecasts", "report", "format_", "output")  # fmt: skip


@shared.command
def benchmark(
    talk: shared.Talk,
    reading: Table,
    given: shared.Given,
    data: Data = None,
    models: Annotated[
        str,
        typer.Option(
            metavar="A,B", help="Models; the baselines, `linear` among them, always run too."
        ),
    ] = "rnn,gru,esn,kalman",
    horizon: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Steps ahead; default: one season, 5 on trading days."
        ),
    ] = None,
    windows: Annotated[
        int, typer.Option(min=1, metavar="N", help="Cutoffs to forecast from.")
    ] = 20,
    stride: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Steps between cutoffs; default: the horizon."),
    ] = None,
    first_cutoff: Annotated[
        str | None,
        typer.Option(metavar="TIMESTAMP", help="Last time known to the first window."),
    ] = None,
    refit: Annotated[
        str, typer.Option(metavar="never|every|N", help="Fit anew at no, every, every Nth window.")
    ] = "never",
    span: Annotated[
        str,
        typer.Option(metavar="expanding|N", help="Rows a fit sees: all before it, or the last N."),
    ] = "expanding",
    gap: Annotated[
        int, typer.Option(min=0, metavar="N", help="Steps after a cutoff that are not judged.")
    ] = 0,
    seeds: Annotated[
        int, typer.Option(min=1, metavar="N", help="Fits with so many seeds; the mean is scored.")
    ] = 1,
    folder: Annotated[
        str | None,
        typer.Option("--run", metavar="DIR", help="Keep forecasts there; go on where it stopped."),
    ] = None,
    importance: Annotated[
        bool,
        typer.Option("--importance", help="Permute each input over the windows: who needs it?"),
    ] = False,
    in_sample: Annotated[
        bool, typer.Option("--in-sample", help="Show also how the models fit what they have seen.")
    ] = False,
    peers: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Judge forecasts made elsewhere too; see below."),
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="End well though a model or series failed.")
    ] = False,
    better_than: Annotated[
        str | None,
        typer.Option(
            "--fail-unless-better-than",
            metavar="MODEL",
            help="Exit 8 unless a model beats this one beyond luck.",
        ),
    ] = None,
    alpha: Annotated[
        float, typer.Option(min=0.0, max=1.0, metavar="P", help="What counts as luck in the gate.")
    ] = 0.05,
    audit: Annotated[
        bool, typer.Option("--audit", help="Look for leaks from the future instead; exit 8.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Write what a task file's record is to be.")
    ] = False,
    forecasts: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write every forecast to a CSV file.")
    ] = None,
    report: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a report with figures as HTML.")
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Default: table at a terminal, else csv."),
    ] = None,
    output: shared.Output = None,
    dataset: Dataset = None,
    transform: shared.Transform = "auto",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="MODEL.NAME=VALUE", help="Change a setting of one model."),
    ] = None,
    seed: shared.Seed = 0,
    device: shared.Device = "auto",
) -> None:
    """Example:

    \b
    forecast benchmark load.csv --horizon 24 --windows 20 --report report.html
    forecast benchmark load.csv --models gru,esn --format json > scores.json
    forecast benchmark load.csv --models gru --fail-unless-better-than snaive-week
    forecast benchmark task.toml                             a task file says it all
    forecast benchmark load.csv --peers theirs.csv           forecasts of other tools beside

    Fit each model on the rows before the first cutoff, forecast from every cutoff, and score the
    forecasts against what came. Without `--first-cutoff` the windows are the last ones. Flags
    beside a task file count more than what it says.

    `--peers` takes what `--forecasts` writes, or what the `cross_validation` of Nixtla's libraries
    returns: rows of this benchmark that a file leaves out are scored as the last value, or as that
    of a season ago. A difference is told from luck where there are 8 cutoffs.
    """
    from forecast.taskfile import Evaluation

    if audit and (vain := [flag for name, flag in given.items() if name in SCORING]):
        raise UsageError(f"`--audit` scores nothing: `{vain[0]}` has no place beside it",
                         hint="run both, one after the other")  # fmt: skip
    wanted = Evaluation(
        tuple(settings.pick_all(models)), shared.stem(data, dataset), data, dataset,
        reading.given, (), horizon, windows, stride, first_cutoff, refit, span, gap, seeds,
        seed, transform, settings.pairs(set_ or []), tuple(peers or ()),
    )  # fmt: skip
    if data is not None and data.endswith(".toml"):
        wanted = evaluation.of_file(Path(data), wanted, given)
    targets = (output, forecasts, report)
    for k, target in enumerate(targets):
        streams.check_place(target, data, *wanted.files, *targets[:k])
    if better_than is not None:
        gate.check(wanted, better_than, alpha)
    work = evaluation.prepare(talk, replace(reading, given=wanted.reading), wanted, device)
    if audit:
        evaluation.audit(talk, work)
        return
    probes = ["importance"] * importance + ["in_sample"] * in_sample
    place = None if folder is None else Path(folder)
    result = evaluation.run(talk, work, better_than, place, probes)
    result.facts["command"] = shlex.join(["forecast", *sys.argv[1:]])
    _write(talk, result, wanted.quantiles, forecasts, report)
    streams.emit(_render(result, format_ or _format_for(output)).encode(), output)
    talk.say(_verdict(result))
    evaluation.conclude(talk, work, result, record, keep_going)
    if better_than is not None:
        gate.judge(talk, result, work.names, better_than, alpha)


def _write(
    talk: shared.Talk, result: "Benchmark", levels: tuple[float, ...], forecasts: str | None,
    report: str | None,
) -> None:  # fmt: skip
    if forecasts is not None:
        from forecast.data import writing

        content = io.BytesIO()
        header = True
        for columns in evaluation.columns(result, levels):
            writing.write_windows(columns, result.clock, content, header=header)
            header = False
        streams.emit(content.getvalue(), forecasts)
        talk.say(f"Forecasts: {forecasts}")
    if report is not None:
        from forecast.report import html

        streams.emit(html.page([(result.name, result)]).encode(), report)
        talk.say(f"Report: {report}")


def _verdict(result: "Benchmark") -> str:
    from textwrap import fill

    from forecast.report import verdict
    from forecast.report.leaderboard import summary

    said = "\n" + fill(" ".join(summary(result)), streams.width() or 100)
    prices = verdict.terminal(result, streams.width())
    return f"{said}\n\n{prices}" if prices else said


def _format_for(output: str | None) -> str:
    default = "table" if output is None and streams.is_terminal(1) else "csv"
    return str(streams.format_of(output, get_args(Format), default))


def _render(result: "Benchmark", kind: str) -> str:
    from forecast.report import data, markdown, terminal

    if kind == "json":
        return data.to_json(result)
    if kind == "csv":
        return data.to_csv(result)
    if kind == "markdown":
        return markdown.leaderboard(result)
    return terminal.leaderboard(result, streams.width(), streams.coloured()) + "\n"
