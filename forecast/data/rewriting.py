"""A panel as a table again: every step a row, or the steps to come to be filled in.

T rows, N series, H steps to come.
"""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from forecast.data import arrow, lines
from forecast.data.clock import OFFSETS, Clock
from forecast.data.covariates import Covariates
from forecast.data.panel import Panel
from forecast.errors import UsageError

Ints = NDArray[np.int64]
Columns = dict[str, lines.Column]


def write(panel: Panel, out: BinaryIO) -> None:
    """Write `unique_id,ds,y` and the covariates, series in the input's order, numbers in full.

    Time zones that a column told stand in that column again. What is known of steps to come stands
    after the last row of each series, without a value.
    """
    parts = [panel, *([panel.future] if panel.future is not None else [])]
    codes = np.concatenate([np.repeat(np.arange(len(p)), p.lengths) for p in parts])
    times = np.concatenate([part.all_times() for part in parts])
    rank = np.argsort(panel.order) if len(panel.order) else np.arange(len(panel))
    place = np.empty_like(rank)
    place[rank] = np.arange(len(rank))
    order = np.lexsort((times, place[codes]))
    columns: Columns = {
        "unique_id": (codes[order], panel.ids),
        "ds": times[order],
        "y": np.concatenate([part.values for part in parts])[order],
    }
    if panel.clock.told not in ("", OFFSETS):
        columns[panel.clock.told] = codes[order], [panel.clock.own[name] for name in panel.ids]
    given = [part.covariates for part in parts if part.covariates is not None]
    if given:
        whole = Covariates(given[0].columns, np.concatenate([each.values for each in given]))
        columns |= dict(_beside(whole.take(order)))
    _put(columns, panel.clock, out)


def template(panel: Panel, steps: int, out: BinaryIO) -> int:
    """Write the `steps` that follow each series, known covariates empty or as they are known.

    Columns are called as in the table that `panel` was read from; a table without ids gives its
    covariates to all series alike, so each step comes once. Returns how many rows there are.
    Raises UsageError for a panel without known covariates.
    """
    if not panel.known:
        raise UsageError(
            "no column is named that must be known ahead, so there is nothing to fill in",
            hint="name them: `--known temperature,holiday`",
        )
    order = panel.order if len(panel.order) else np.arange(len(panel))
    times = panel.clock.ahead(panel.ends[order], steps)
    layout = panel.layout
    shared = layout is not None and layout.id is None
    codes = np.repeat(order, steps)
    given = _known_ahead(panel, order, times)
    flat = times.ravel()
    if shared:
        flat, first = np.unique(flat, return_index=True)
        given = given.take(first)
    columns: Columns = {}
    if not shared:
        columns["unique_id"] = codes, panel.ids
    columns["ds"] = flat
    columns |= dict(_beside(given))
    places = {"unique_id": layout.id, "ds": layout.time} if layout else {}
    called = {n: layout.columns[k] for n, k in places.items() if layout and k is not None}
    _put(columns, panel.clock, out, called)
    return len(flat)


def _known_ahead(panel: Panel, order: Ints, times: Ints) -> Covariates:
    """Return the known covariates (N H, K) of the steps `times` (N, H), NaN where not known."""
    assert panel.covariates is not None
    names = [column.name for column in panel.covariates.columns]
    places = np.array([names.index(name) for name in panel.known], np.int64)
    out = np.full((*times.shape, len(places)), np.nan)
    ahead = panel.future
    if ahead is not None and ahead.covariates is not None:
        for n, i in enumerate(order):
            found, at, row = np.intersect1d(times[n], ahead.row_times(int(i)), return_indices=True)
            if len(found):
                values = ahead.covariates.values[ahead.offsets[i] + row]
                out[n, at] = values[:, places]
    columns = tuple(panel.covariates.columns[k] for k in places)
    return Covariates(columns, out.reshape(-1, len(places)))


def _beside(covariates: Covariates) -> Iterator[tuple[str, lines.Column]]:
    """Yield the name and the cells of each covariate, texts as texts."""
    for k, column in enumerate(covariates.columns):
        values = covariates.values[:, k]
        if column.texts is None:
            yield column.name, values
        else:
            places = np.where(np.isnan(values), len(column.texts), values)
            yield column.name, (places.astype(np.int64), (*column.texts, ""))


def _put(
    columns: Columns, clock: Clock, out: BinaryIO, called: Mapping[str, str] | None = None
) -> None:
    """Write `columns` as CSV; `called` are names to write instead of their keys."""
    import pyarrow.compute as pc

    def escape(cell: str) -> str:
        return lines.quoted(cell, ",")

    def cells(name: str, column: lines.Column, own: Clock) -> Any:
        if isinstance(column, tuple) or name in lines.TIMES:
            return lines.text(name, column, own, escape)
        numbers = pc.cast(arrow.array(np.asarray(column)), "string")
        return pc.coalesce(numbers, arrow.repeated("", len(numbers)))

    header = [escape((called or {}).get(name, name)) for name in columns]
    out.write((",".join(header) + "\n").encode())
    for part in lines.parts(columns):
        own = lines.bound(part, clock)
        lines.put(out, [cells(name, column, own) for name, column in part.items()], "", ",", "\n")
