"""What is known of the steps to come: found by series and timestamp, complete or refused.

N series, H horizon, K known covariates as a model sees them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import Clock, Times
from forecast.data.covariates import Coding, Column, Covariates
from forecast.data.holidays import HOLIDAY, Holidays, days
from forecast.data.panel import Panel
from forecast.data.records import EVERY
from forecast.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NAMED = 5  # rows that an error names


def known(
    coding: Coding, tables: Sequence[Panel], ids: Sequence[str], times: Times, clock: Clock,
    holidays: Holidays | None = None,
) -> Floats:  # fmt: skip
    """Return the known covariates (N, H, K) of the steps `times` (N, H) of the series `ids`.

    A table without ids serves every series; where several hold a step, the last one counts.
    Those that `holidays` tell are asked of no table. Raises DataError that names the rows that no
    table holds, or whose cells are empty.
    """
    if holidays is not None:
        free = holidays.free(holidays.places(ids)[:, None], days(clock.of(ids), times))
        flags = Covariates((Column(HOLIDAY, "known"),), free[..., None])
        rest = known(coding.without(HOLIDAY), tables, ids, times, clock)
        own = coding.only(HOLIDAY).code(flags, ("known",))
        return np.insert(rest, [coding.names("known").index(HOLIDAY)], own, axis=-1)
    out = np.full((*times.shape, len(coding.names("known"))), np.nan)
    if not out.size:
        return out
    for table in tables:
        values = coding.code(table.covariates, ("known",))
        place = {name: i for i, name in enumerate(table.ids)}
        for n, name in enumerate(ids):
            i = place.get(name, place.get(EVERY, -1))
            if i >= 0:
                _lay(out[n], times[n], table.row_times(i), values[table.offsets[i] :])
    if np.isnan(out).any():
        raise _incomplete(coding, out, ids, clock.of(ids).write(times))
    return out


def came(coding: Coding, panel: Panel, series: Ints, counts: Ints, horizon: int) -> Floats | None:
    """Return the known covariates (N, H, K) as they came after the first `counts` rows (N,).

    NaN beyond the last row; None for a panel without covariates.
    """
    if panel.covariates is None:
        return None
    step = counts[:, None] + np.arange(horizon)
    inside = step < panel.lengths[series, None]
    place = np.where(inside, panel.offsets[series, None] + step, -1)
    given = coding.code(panel.covariates.take(place), ("known",))
    return np.where(inside[..., None], given, np.nan)


def _lay(out: Floats, times: Times, given: Times, values: Floats) -> None:
    """Write the `values` of rows at `given` into `out` (H, K), the steps `times` (H,)."""
    if not len(given):
        return
    at = np.minimum(np.searchsorted(given, times), len(given) - 1)
    found = np.where((given[at] == times)[:, None], values[at], np.nan)
    out[:] = np.where(np.isnan(found), out, found)


def _incomplete(
    coding: Coding, out: Floats, ids: Sequence[str], times: NDArray[np.str_]
) -> DataError:
    columns = [c.name for c in coding.columns if c.role == "known" for _ in c.coded]
    gone = np.isnan(out)
    lacking = list(dict.fromkeys(columns[k] for k in np.flatnonzero(gone.any(axis=(0, 1)))))
    rows = gone.any(axis=2)
    where = [f"{ids[n]} {times[n, h]}" for n, h in np.argwhere(rows)[:NAMED]]
    more = f" and {int(rows.sum()) - NAMED:,} more" if rows.sum() > NAMED else ""
    names = ",".join(dict.fromkeys(columns))
    return DataError(
        f"known {', '.join(f'`{name}`' for name in lacking)}: {int(rows.sum()):,} of "
        f"{rows.size:,} steps to come lack a value: {', '.join(where)}{more}",
        hint=f"give them by `--future FILE`; `forecast check DATA --known {names} "
        f"--future-template {rows.shape[1]} -o FILE` writes the rows to fill in",
    )
