"""`forecast simulate`: sample paths, from a history or from none."""

import io
from typing import TYPE_CHECKING, Annotated

import typer

from forecast.cli import settings, shared, streams
from forecast.cli.reading import Future, Rows
from forecast.errors import UsageError

if TYPE_CHECKING:
    from forecast.data.clock import Clock


@shared.command
def simulate(
    talk: shared.Talk,
    reading: Rows,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="File that `fit` wrote.")],
    rows: Annotated[
        str | None,
        typer.Argument(metavar="ROWS", help="Newest rows; `-` or a pipe: standard input."),
    ] = None,
    paths: Annotated[int, typer.Option(min=1, metavar="N", help="Paths of each series.")] = 100,
    horizon: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Steps of a path, any number; default: as fitted."),
    ] = None,
    cold: Annotated[
        bool, typer.Option("--cold", help="Start from no history: the model left to itself.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="With --cold: first step; default: after the last row."),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="NAME=VALUE",
            help="With --cold: a static covariate of a series nobody has seen; again for each.",
        ),
    ] = None,
    future: Future = None,
    seed: shared.Seed = 0,
    output: shared.Output = None,
) -> None:
    """Example:

    \b
    forecast simulate load.safetensors --paths 1000 > paths.csv
    forecast simulate load.safetensors --cold --horizon 8760 --paths 1 > a-year.csv

    Draw futures that may come, `unique_id,path,ds,y`: the steps of a path belong together, and
    over many paths each step has the quantiles that `predict` gives. Paths start from the stored
    state, or after ROWS; beyond the fitted horizon a path goes on from itself. What a model knows
    of the steps to come stands in `--future`. The model file is never written.
    """
    from forecast import simulation, store
    from forecast.data import writing

    streams.check_place(output, model, rows, future)
    if cold and rows is not None:
        raise UsageError(f"both `--cold` and `{rows}` are given", hint="choose one")
    if start is not None and not cold:
        raise UsageError("`--start` goes with `--cold`", hint="a history says itself where it ends")
    if with_ and not cold:
        raise UsageError("`--with` goes with `--cold`", hint="rows say themselves what they are")
    static = settings.named("--with", with_ or [])
    forecaster = reading.standing(store.load(model))
    if cold:
        first = None if start is None else _moment(forecaster.clock, start)
        known = None if future is None else reading.ahead(talk, future, forecaster)
        result = simulation.simulate_cold(forecaster, paths, horizon, seed, first, static, known)
    else:
        piped = future != "-" and streams.stdin_holds() == "data"
        given = rows is not None or piped
        newest = reading.rows(talk, rows, forecaster) if given else None
        newest = newest if newest is not None and len(newest) else None
        known = None if future is None else reading.ahead(talk, future, forecaster)
        result = simulation.simulate(forecaster, paths, horizon, seed, newest, known)
    content = io.BytesIO()
    writing.write_windows(result.columns(), result.clock, content)
    streams.emit(content.getvalue(), output)


def _moment(clock: "Clock", text: str) -> int:
    """Return the time that `text` says on `clock`; UsageError where it says none."""
    from forecast.stream.feed import BadLineError, Feed

    try:
        found = Feed(clock, None).moment(text)
    except BadLineError:
        found = None
    if found is None:
        example = "2026-01-01T00:00:00" + ("Z" if clock.told else "")
        raise UsageError(f"`--start {text}` is no time", hint=f"such as {example}")
    return found
