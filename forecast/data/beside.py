"""What is done to the covariates of a table once its rows are in order.

Static ones must be constant, what is known of steps to come is set apart, holes are counted.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.data.covariates import Covariates, carried
from forecast.data.panel import Panel
from forecast.data.rows import Rows
from forecast.errors import DataError

Ints = NDArray[np.int64]


def check_static(rows: Rows, back: Ints | None) -> None:
    """Raise DataError where a static covariate changes within a series; `back` is where rows were.

    Rows are sorted by series.
    """
    if rows.covariates is None:
        return
    bounds = np.searchsorted(rows.codes, np.arange(len(rows.ids) + 1))
    for k in rows.covariates.places("static"):
        values = rows.covariates.values[:, [k]]
        filled = carried(values, bounds, np.full((len(rows.ids), 1), np.nan))[:, 0]
        moved = (np.diff(filled) != 0) & ~np.isnan(filled[:-1]) & (np.diff(rows.codes) == 0)
        if moved.any():
            row = int(moved.argmax()) + 1
            name = rows.covariates.columns[k].name
            raise rows.origin.error(
                f"the static covariate changes within series `{rows.ids[rows.codes[row]]}`",
                row if back is None else int(back[row]), name,
                f"a covariate that changes is `--known {name}` or `--past {name}`",
            )  # fmt: skip


def settled(panel: Panel) -> Panel:
    """Return `panel` up to the last value of each series, with what is known after that apart.

    Rows after the last value are set apart where they hold a known covariate. Raises DataError
    for a covariate without any value.
    """
    covariates = panel.covariates
    assert covariates is not None
    empty = np.isnan(covariates.values).all(axis=0)
    if empty.any():
        column = covariates.columns[int(empty.argmax())]
        raise DataError(
            f"{panel.source}, column `{column.name}`: the {column.role} covariate has no value",
            hint=f"leave it out, or fill the column `{column.name}`",
        )
    panel = replace(panel, covariates=_static_everywhere(covariates, panel.offsets))
    end = _ends(panel)
    apart = bool((end < panel.lengths).any())
    future = panel.rows(end, panel.lengths) if apart else None
    past = panel.rows(np.zeros_like(end), end) if apart else panel
    notes = [*past.notes, *_holes(past)]
    if future is not None:
        most = int(future.lengths.max())
        notes.append(
            f"rows after the last value, at most {most:,} of a series, are taken as what is known "
            "of steps to come"
        )
    return replace(past, future=future, notes=tuple(notes))


def _static_everywhere(covariates: Covariates, offsets: Ints) -> Covariates:
    """Return the covariates with static ones in every row of their series."""
    places = covariates.places("static")
    if not len(places):
        return covariates
    values = covariates.values.copy()
    start = np.full((len(offsets) - 1, len(places)), np.nan)
    values[:, places] = carried(values[:, places], offsets, start)
    last = values[np.maximum(offsets[1:] - 1, 0)][:, places]
    values[:, places] = np.repeat(last, np.diff(offsets), axis=0)
    return replace(covariates, values=values)


def _ends(panel: Panel) -> Ints:
    """Return how many rows of each series there are up to its last value, or all (N,).

    All of them where the rows after that hold no known covariate either.
    """
    assert panel.covariates is not None
    places = panel.covariates.places("known")
    given = ~np.all(np.isnan(panel.covariates.values[:, places]), axis=1)
    value = _last(~np.isnan(panel.values), panel.offsets)
    return np.where(_last(given, panel.offsets) > value, value, panel.lengths)


def _last(mask: NDArray[np.bool_], offsets: Ints) -> Ints:
    """Return how many rows of each series there are up to its last one in `mask` (N,)."""
    place = np.maximum.accumulate(np.where(mask, np.arange(len(mask)), -1))
    place = np.append(place, -1)[np.maximum(offsets[1:], 1) - 1]
    return np.asarray(np.maximum(place + 1 - offsets[:-1], 0) * (np.diff(offsets) > 0), np.int64)


def _holes(panel: Panel) -> list[str]:
    assert panel.covariates is not None
    gone = np.isnan(panel.covariates.values).sum(axis=0)
    return [
        f"{column.role} `{column.name}`: {count:,} of {len(panel.values):,} rows without a value, "
        "each taken as the one before"
        for column, count in zip(panel.covariates.columns, gone, strict=True)
        if count and column.role != "static"
    ]
