"""`forecast predict`: forecast what follows, from a model file and the newest rows."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from forecast.cli import shared, streams

if TYPE_CHECKING:
    from forecast.data.panel import Panel
    from forecast.forecaster import Forecaster

Layout = Literal["quantiles", "nixtla", "long"]
Format = Literal["csv", "tsv", "json", "jsonl", "parquet", "markdown"]


@shared.command
def predict(
    talk: shared.Talk,
    reading: shared.Reading,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="File that `fit` wrote.")],
    rows: Annotated[
        str | None,
        typer.Argument(metavar="ROWS", help="Newest rows; `-` or a pipe: standard input."),
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Steps ahead, at most as fitted; default: all."),
    ] = None,
    quantiles: Annotated[
        str, typer.Option(metavar="LEVELS", help="Quantile levels in 0.025..0.975.")
    ] = "0.1,0.5,0.9",
    layout: Annotated[Layout, typer.Option(help="Columns of the result.")] = "quantiles",
    format_: Annotated[
        Format | None, typer.Option("--format", "-f", help="Default: by the name of FILE, or csv.")
    ] = None,
    closures: shared.Closures = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the stored state.")] = False,
    output: shared.Output = None,
) -> None:
    """Example:

    \b
    forecast predict load.safetensors > tomorrow.csv
    { head -1 load.csv; tail -n 1000 load.csv; } | forecast predict load.safetensors

    Forecast the steps that follow the newest rows. Rows the model has seen are skipped, later
    ones are absorbed, a header is not needed. Without rows it forecasts from where the fit ended.
    The model file is never written.
    """
    from forecast import store
    from forecast.data import writing

    levels = shared.numbers("--quantiles", quantiles)
    streams.check_place(output)
    forecaster = store.load(model)
    if closures is not None:
        forecaster = replace(forecaster, clock=forecaster.clock.with_closures(closures))
    newest = _newest(talk, rows, forecaster, reading)
    if newest is not None and not fresh:
        shared.warn_of_rewritten_rows(talk, forecaster.rewritten(newest))
    result = forecaster.predict(newest, horizon, levels, fresh)
    kind = format_ or streams.format_of(output, get_args(Format), "csv")
    streams.emit(writing.render(result, kind, layout), output)


def _newest(
    talk: shared.Talk, rows: str | None, forecaster: "Forecaster", reading: shared.Reading
) -> "Panel | None":
    """Return the rows given, or None to forecast from the stored state."""
    if rows is None and streams.stdin_holds() != "data":
        return None
    panel = shared.read(talk, rows, layout=forecaster.layout, clock=forecaster.clock, **reading)
    return panel if len(panel) else None
