"""`forecast update`: take in new rows and keep the state they lead to."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forecast.cli import shared, streams
from forecast.cli.reading import Rows

if TYPE_CHECKING:
    from forecast.data.panel import Panel
    from forecast.forecaster import Forecaster


@shared.command
def update(
    talk: shared.Talk,
    reading: Rows,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="File that `fit` wrote.")],
    rows: Annotated[
        str | None,
        typer.Argument(metavar="ROWS", help="Newest rows; `-` or a pipe: standard input."),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Default: MODEL itself.")
    ] = None,
) -> None:
    """Example:

    \b
    forecast update load.safetensors today.csv
    tail -n 24 load.csv | forecast update load.safetensors

    Take the newest rows into a model's state, so that `predict` goes on from there. Rows it has
    seen are skipped; series it does not know are added and start cold. The cost does not depend
    on how much came before, and nothing is learnt anew. The file is replaced in one step; only
    one process at a time may write it.
    """
    from forecast import store
    from forecast.claim import Claim

    streams.check_place(output, rows)
    elsewhere = output is not None and Path(output).resolve() != Path(model).resolve()
    with ExitStack() as stack:
        claim = None if elsewhere else stack.enter_context(Claim(model))
        before = reading.standing(store.load(model))
        panel = reading.rows(talk, rows, before)
        if len(panel):
            shared.warn_of_rewritten_rows(talk, before.rewritten(panel))
        after = before.update(panel) if len(panel) else before
        if claim is None:
            store.save(after, str(output))
        elif len(panel):
            claim.save(after)
    talk.say(_summary(before, after, panel, output or model))


def _summary(before: "Forecaster", after: "Forecaster", panel: "Panel", target: str) -> str:
    """Say how many rows were new, which series were added, and where the model now stands."""
    if not len(panel):
        return f"{target}: no rows, nothing to do"
    import numpy as np

    from forecast import replay

    place = {name: i for i, name in enumerate(before.ids)}
    last = [before.last[place[name]] if name in place else replay.NEVER for name in panel.ids]
    rows = replace(panel, clock=before.clock)
    new = int((rows.lengths - replay.seen(rows, np.array(last, np.int64))).sum())
    added = len(after.ids) - len(before.ids)
    parts = [f"{new:,} of {len(panel.values):,} rows were new"]
    if added:
        parts.append(f"{added:,} series added, cold")
    if len(after.ids):
        parts.append(f"stands at {after.clock.write(after.last.max(keepdims=True))[0]}")
    return f"{target}: " + "; ".join(parts)
