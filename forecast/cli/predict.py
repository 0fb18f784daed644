"""`forecast predict`: forecast what follows, from a model file and the newest rows."""

from typing import Annotated, Literal, get_args

import typer

from forecast.cli import shared, streams
from forecast.cli.reading import Future, Rows
from forecast.errors import UsageError

Layout = Literal["quantiles", "nixtla", "long"]
Format = Literal["csv", "tsv", "json", "jsonl", "parquet", "markdown"]


@shared.command
def predict(
    talk: shared.Talk,
    reading: Rows,
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
    future: Future = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the stored state.")] = False,
    output: shared.Output = None,
) -> None:
    """Example:

    \b
    forecast predict load.safetensors > tomorrow.csv
    { head -1 load.csv; tail -n 1000 load.csv; } | forecast predict load.safetensors
    forecast predict load.safetensors newest.csv --future weather.csv

    Forecast the steps that follow the newest rows. Rows the model has seen are skipped, later
    ones are absorbed, a header is not needed. Without rows it forecasts from where the fit ended.
    What a model knows of the steps to come stands in `--future`, a row for each step (and series,
    where there is a column of ids), or in rows of ROWS after the last value. The model file is
    never written.
    """
    from forecast import store
    from forecast.data import writing

    levels = shared.numbers("--quantiles", quantiles)
    streams.check_place(output, model, rows, future)
    forecaster = reading.standing(store.load(model))
    if future == "-" and rows == "-":
        raise UsageError("both ROWS and `--future` are standard input", hint="name one as a file")
    if rows is None and future != "-" and streams.stdin_holds() == "data":
        rows = "-"
    newest = None if rows is None else reading.rows(talk, rows, forecaster)
    newest = newest if newest is not None and len(newest) else None
    if newest is not None and not fresh:
        shared.warn_of_rewritten_rows(talk, forecaster.rewritten(newest))
    given = None if future is None else reading.ahead(talk, future, forecaster)
    result = forecaster.predict(newest, horizon, levels, fresh, given)
    kind = format_ or streams.format_of(output, get_args(Format), "csv")
    with streams.opened(output) as stream:
        writing.write(result, stream, format=kind, layout=layout)
