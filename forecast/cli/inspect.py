"""`forecast inspect`: what a model file holds."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from forecast.cli import shared, streams
from forecast.cli.reading import Reading
from forecast.errors import UsageError

if TYPE_CHECKING:
    from forecast.forecaster import Forecaster


@shared.command
def inspect(
    talk: shared.Talk,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="File that `fit` wrote.")],
    data: Annotated[
        str | None,
        typer.Argument(metavar="[DATA]", help="Rows, for --dynamics and --components."),
    ] = None,
    dynamics: Annotated[
        bool,
        typer.Option("--dynamics", help="Of esn, rnn, gru: what they forget and amplify."),
    ] = False,
    components: Annotated[
        bool,
        typer.Option("--components", help="Of kalman: level, trend, seasons over DATA."),
    ] = False,
    report: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write what is shown with figures as HTML.")
    ] = None,
    format_: Annotated[
        Literal["text", "json", "csv"],
        typer.Option("--format", "-f", help="For people or programs; csv: components."),
    ] = "text",
    output: shared.Output = None,
) -> None:
    """Example:

    \b
    forecast inspect load.safetensors
    forecast inspect load.safetensors --format json | jq .config
    forecast inspect load.safetensors --dynamics load.csv --report dynamics.html
    forecast inspect kalman.safetensors load.csv --components --format csv > components.csv

    Say what a model file holds: the family and its settings, the data it was fitted on, the state
    it has reached, the versions that made it. With `--dynamics`: the model as a dynamical system,
    along the rows of DATA or along those the file keeps. With `--components`: a Kalman filter's
    level, trend and seasons, smoothed over the rows of DATA, with 80 % intervals.
    """
    from forecast import store

    _check(dynamics, components, data, report, format_)
    streams.check_place(report, model, data)
    forecaster = store.load(model)
    if components:
        text = _components(talk, forecaster, model, data, format_, report)
    elif dynamics:
        text = _dynamics(talk, forecaster, model, data, format_, report)
    else:
        facts = describe(forecaster)
        as_json = format_ == "json"
        text = json.dumps(facts, indent=2, ensure_ascii=False) if as_json else _lines(facts)
    streams.emit(f"{text}\n".encode(), output)


def _check(
    dynamics: bool, components: bool, data: str | None, report: str | None, format_: str
) -> None:
    """Refuse options that do not go together."""
    if dynamics and components:
        raise UsageError("--dynamics and --components are two questions", hint="ask one")
    if not (dynamics or components) and (data is not None or report is not None):
        raise UsageError(
            "DATA and --report go with --dynamics or --components", hint="add `--dynamics`"
        )
    if format_ == "csv" and not components:
        raise UsageError("--format csv goes with --components", hint="add `--components DATA`")
    if components and data is None and streams.stdin_holds() != "data":
        raise UsageError(
            "components are smoothed over rows, and a model file keeps only the last few",
            hint="name them: `forecast inspect MODEL DATA --components`",
        )


def _components(
    talk: shared.Talk, forecaster: "Forecaster", model: str, data: str | None, format_: str,
    report: str | None,
) -> str:  # fmt: skip
    from forecast.report import components as words

    rows = Reading().rows(talk, data, forecaster)
    found = words.decompose(forecaster, rows)
    if report is not None:
        streams.emit(words.page(found, rows.clock, Path(model).name).encode(), report)
        talk.say(f"Report: {report}")
    if format_ == "csv":
        return words.as_csv(found, rows.clock).decode().rstrip("\n")
    if format_ == "json":
        return json.dumps(words.as_json(found, rows.clock), indent=2)
    return words.text(found, rows.clock)


def _dynamics(
    talk: shared.Talk, forecaster: "Forecaster", model: str, data: str | None, format_: str,
    report: str | None,
) -> str:  # fmt: skip
    from forecast.dynamics import inspect as measure
    from forecast.report import dynamics as words

    rows = None if data is None else Reading().rows(talk, data, forecaster)
    found = measure(forecaster, rows)
    if report is not None:
        streams.emit(words.page(found, Path(model).name).encode(), report)
        talk.say(f"Report: {report}")
    return json.dumps(words.as_json(found), indent=2) if format_ == "json" else words.text(found)


def describe(forecaster: "Forecaster") -> dict[str, Any]:
    """Return what is known about `forecaster` as JSON-able facts."""
    from dataclasses import asdict

    from forecast.report import structure

    arrays = forecaster.model.arrays
    clock = forecaster.clock
    reached = clock.write(forecaster.last.max(keepdims=True))[0] if forecaster.ids else None
    found = structure.facts(forecaster)
    return {
        "model": forecaster.family,
        "parameters": sum(array.size for array in arrays.values()),
        "horizon": forecaster.horizon,
        "frequency": clock.label,
        "seasons": list(clock.seasons),
        "zone": dict(clock.own) if clock.told else clock.zone,
        "transform": forecaster.transform.name,
        "series": list(forecaster.ids),
        "reached": None if reached is None else str(reached),
        **({"estimates": found} if found else {}),
        "config": asdict(forecaster.model.config),
        "setting": asdict(forecaster.model.setting),
        "record": forecaster.record,
    }


def _lines(facts: dict[str, Any], indent: str = "") -> str:
    width = max(len(name) for name in facts)
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict) and value:
            lines += [f"{indent}{name}", _lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name:<{width}}  {_word(value)}".rstrip())
    return "\n".join(lines)


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        shown = ", ".join(map(str, value[:10]))
        return f"{shown} and {len(value) - 10:,} more" if len(value) > 10 else shown or "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "-" if value is None else str(value)
