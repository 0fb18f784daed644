"""`forecast benchmark`: models side by side on windows of the past."""

import io
import shlex
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from forecast.cli import settings, shared, streams
from forecast.errors import UsageError

if TYPE_CHECKING:
    from forecast.data.clock import Clock
    from forecast.data.panel import Panel
    from forecast.results import Benchmark, Task

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Format = Literal["table", "csv", "json", "markdown"]


@shared.command
def benchmark(
    talk: shared.Talk,
    reading: shared.Reading,
    data: shared.Data = None,
    models: Annotated[
        str, typer.Option(metavar="A,B", help="Models; the baselines always run beside them.")
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
        int | None, typer.Option(min=1, metavar="N", help="Fit anew every N windows.")
    ] = None,
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
    dataset: shared.Dataset = None,
    transform: shared.Transform = "auto",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="MODEL.NAME=VALUE", help="Change a setting of one model."),
    ] = None,
    season: shared.Season = None,
    id_: shared.IdColumn = None,
    time: shared.TimeColumn = None,
    value: shared.ValueColumn = None,
    timezone: shared.Timezone = None,
    closures: shared.Closures = None,
    seed: shared.Seed = 0,
    device: shared.Device = "auto",
) -> None:
    """Example:

    \b
    forecast benchmark load.csv --horizon 24 --windows 20 --report report.html
    forecast benchmark load.csv --models gru,esn --format json > scores.json

    Fit each model on the rows before the first cutoff, forecast from every cutoff, and score the
    forecasts against what came. Without `--first-cutoff` the windows are the last ones.
    """
    names = settings.pick_all(models)
    options = {"transform": transform, "seed": seed, "settings": _settings(set_ or [])}
    for place in (output, forecasts, report):
        streams.check_place(place)
    reading |= shared.columns(id_, time, value, season, timezone=timezone, closures=closures)
    panel = shared.read(talk, data, dataset, **reading)
    task = _task(panel, horizon, windows, stride, first_cutoff, refit)
    result = _run(talk, panel, task, names, options, device, shared.stem(data, dataset))
    result.facts |= {"command": shlex.join(["forecast", *sys.argv[1:]]), "seed": seed}
    _write(talk, result, forecasts, report)
    streams.emit(_render(result, format_ or _format_for(output)).encode(), output)
    talk.say(_verdict(result))


def _settings(texts: list[str]) -> dict[str, dict[str, str]]:
    """Return `model.name=value` texts as settings by model."""
    found: dict[str, dict[str, str]] = {}
    for name, value in settings.pairs(texts).items():
        model, dot, field = name.partition(".")
        if not dot:
            raise UsageError(
                f"`--set {name}={value}` names no model", hint=f"such as `--set gru.{name}={value}`"
            )
        found.setdefault(settings.pick(model).name, {})[field] = value
    return found


def _run(
    talk: shared.Talk, panel: "Panel", task: "Task", names: list[str], options: dict[str, Any],
    device: str, name: str,
) -> "Benchmark":  # fmt: skip
    from forecast import backtest
    from forecast.training.device import resolve
    from forecast.training.run import Run

    with talk.progress() as progress:
        resources = Run(device=resolve(device), progress=progress, tell=talk.say)
        return backtest.run(panel, task, names, options=options, resources=resources, name=name)


def _task(
    panel: "Panel", horizon: int | None, windows: int, stride: int | None,
    first_cutoff: str | None, refit: int | None,
) -> "Task":  # fmt: skip
    from forecast.fitting import default_horizon
    from forecast.results import Task

    cutoff = None if first_cutoff is None else time_of(first_cutoff, panel.clock)
    return Task(horizon or default_horizon(panel), windows, stride, cutoff, refit)


def time_of(text: str, clock: "Clock") -> int:
    """Return the time that `text` names on `clock`; without a zone it is in the data's own."""
    try:
        if clock.kind == "index":
            return int(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"`--first-cutoff {text}` is no timestamp of the data",
            hint="write an integer step" if clock.kind == "index" else "write 2014-12-31T23:00:00",
        ) from None
    if moment.tzinfo is None:
        local = round((moment.replace(tzinfo=UTC) - EPOCH) / timedelta(microseconds=1))
        return clock.moment(local)
    if clock.zone is None:
        raise UsageError(f"`--first-cutoff {text}` has a zone, the data have none",
                         hint="leave the zone out")  # fmt: skip
    return round((moment - EPOCH) / timedelta(microseconds=1))


def _write(
    talk: shared.Talk, result: "Benchmark", forecasts: str | None, report: str | None
) -> None:
    if forecasts is not None:
        from forecast.data import writing

        content = io.BytesIO()
        writing.write_windows(_rows(result), result.clock, content)
        streams.emit(content.getvalue(), forecasts)
        talk.say(f"Forecasts: {forecasts}")
    if report is not None:
        from forecast.report import html

        streams.emit(html.page([(result.name, result)]).encode(), report)
        talk.say(f"Report: {report}")


def _rows(result: "Benchmark") -> dict[str, Any]:
    """Return all forecasts as columns, one model after the other, failed ones left out."""
    import numpy as np

    from forecast.results import DECILES

    names = [name for name, run in result.runs.items() if run.failed is None]
    count, size = len(names), len(result.y)
    found: dict[str, Any] = {
        "model": (np.repeat(np.arange(count), size), names),
        "unique_id": (np.tile(result.series, count), result.ids),
        "cutoff": np.tile(result.cutoff, count),
        "ds": np.tile(result.ds, count),
        "y": np.tile(result.y, count),
        "mean": np.concatenate([result.mean(name) for name in names]),
    }
    for level in DECILES:
        found[f"{level:g}"] = np.concatenate([result.quantile(name, level) for name in names])
    return found


def _verdict(result: "Benchmark") -> str:
    from textwrap import fill

    from forecast.report.leaderboard import summary

    return "\n" + fill(" ".join(summary(result)), streams.width() or 100)


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
