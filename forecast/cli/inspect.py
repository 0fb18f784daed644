"""`forecast inspect`: what a model file holds."""

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from forecast.cli import shared, streams

if TYPE_CHECKING:
    from forecast.forecaster import Forecaster


@shared.command
def inspect(
    talk: shared.Talk,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="File that `fit` wrote.")],
    format_: Annotated[
        Literal["text", "json"], typer.Option("--format", "-f", help="For people or programs.")
    ] = "text",
    output: shared.Output = None,
) -> None:
    """Example:

    \b
    forecast inspect load.safetensors
    forecast inspect load.safetensors --format json | jq .config

    Say what a model file holds: the family and its settings, the data it was fitted on, the state
    it has reached, the versions that made it.
    """
    from forecast import store

    facts = describe(store.load(model))
    text = json.dumps(facts, indent=2, ensure_ascii=False) if format_ == "json" else _lines(facts)
    streams.emit(f"{text}\n".encode(), output)


def describe(forecaster: "Forecaster") -> dict[str, Any]:
    """Return what is known about `forecaster` as JSON-able facts."""
    from dataclasses import asdict

    arrays = forecaster.model.arrays
    clock = forecaster.clock
    reached = clock.write(forecaster.last.max(keepdims=True))[0] if forecaster.ids else None
    return {
        "model": forecaster.family,
        "parameters": sum(array.size for array in arrays.values()),
        "horizon": forecaster.horizon,
        "frequency": clock.label,
        "seasons": list(clock.seasons),
        "zone": clock.zone,
        "transform": forecaster.transform.name,
        "series": list(forecaster.ids),
        "reached": None if reached is None else str(reached),
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
