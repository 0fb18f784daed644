"""Tables in and out: CSV to a panel, a forecast to CSV and its kin.

`read` is the one way in: text (dialect), columns (layout), cells, rows (grid), panel. The ways
out stand in `writing` and are offered here too.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data import (
    arrow,
    cells,
    columns,
    dialect,
    exchanges,
    header,
    holidays,
    plain,
    records,
    zones,
)
from forecast.data.beside import settled
from forecast.data.cells import Cells
from forecast.data.clock import Clock
from forecast.data.grid import arrange
from forecast.data.holidays import Holidays
from forecast.data.layout import Layout
from forecast.data.panel import Panel
from forecast.data.reader import Reader
from forecast.data.rows import Rows
from forecast.data.sheet import Sheet
from forecast.data.source import Source
from forecast.data.wanted import Decision, Wanted, located
from forecast.data.writing import atomic, render, write, write_windows
from forecast.data.zones import Zone, Zones
from forecast.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "atomic",
    "check_calendar",
    "check_fittable",
    "from_frame",
    "read",
    "render",
    "write",
    "write_windows",
]

_NO_ROWS = "the table needs a header and rows, `unique_id,ds,y`"


def read(
    source: Source,
    *,
    layout: Layout | None = None,
    clock: Clock | None = None,
    calendar: Holidays | None = None,
    mend: Callable[[Rows, str | None], Rows] | None = None,
    **answers: Any,
) -> Panel:
    """Return the panel that a table holds.

    Args:
        source: path, folder, pattern of paths, `-` for standard input, binary stream or bytes;
            CSV and its kin, JSON lines or Parquet, packed by gzip, bzip2, xz, zstd or zip.
        layout: columns of a fitted model's data; rows then need no header.
        clock: the fitted model's clock, instead of the one the rows show; a table without any
            row is then an empty panel.
        calendar: the holidays that the fitted model knows.
        mend: what to do to the rows before they are put in order and checked; it is told the
            zone that is asked for.
        answers: fields of `Wanted`, each in place of what is else found out: `timezone`, `known`.

    Raises:
        DataError: the table cannot be read safely; the message names file, line and column.
        UsageError: a column asked for is not there, or an option says what nothing is.
    """
    wanted = Wanted(**answers)
    if clock is not None and clock.told:
        wanted = replace(wanted, timezone=clock.told)
    sheet = dialect.open_sheet(source, wanted)
    found, why, headed = _layout(sheet, wanted, layout)
    if len(sheet.sample) == headed:
        if clock is None:
            raise sheet.error("a header and no row" if headed else "no row at all", hint=_NO_ROWS)
        return _empty(clock, sheet.name, found)
    index = clock is not None and clock.kind == "index"
    reader = Reader(sheet, found, sheet.second if headed else 0, headed, wanted, index)
    reader = replace(reader, zone=_zone(reader, clock))
    zone = None if isinstance(reader.zone, Zones) else reader.zone
    parsed = cells.parse(reader)
    rows = records.rows(parsed, reader)
    if mend is None:
        sheet.forget()
    panel = arrange(rows if mend is None else mend(rows, zone), clock, zone)
    decisions = [*sheet.decisions, *why, *parsed.decisions]
    found = replace(found, dates=parsed.dates, decimal=parsed.decimal)
    notes = (
        f"{sheet.name}: {_how(parsed, found, decisions, wanted)}: {panel.notes[0]}",
        *panel.notes[1:],
    )
    panel = replace(panel, layout=found, notes=notes, reasons=tuple(d.why for d in decisions))
    return _finished(panel, wanted, calendar)


def _finished(panel: Panel, wanted: Wanted, calendar: Holidays | None) -> Panel:
    """Return `panel` with what is known ahead set apart, holidays, closed days and seasons."""
    if panel.covariates is not None and not wanted.future:
        panel = settled(panel)
    if not wanted.future and (asked := calendar or wanted.holidays):
        panel = holidays.beside(panel, asked)
    if wanted.closures is not None:
        panel = replace(panel, clock=panel.clock.with_closures(wanted.closures))
    if wanted.seasons is not None:
        panel = replace(panel, clock=panel.clock.with_seasons(wanted.seasons), seen=False)
    return panel


def check_calendar(panel: Panel) -> None:
    """Raise DataError where the series of a panel of trading days are of two exchanges."""
    two = exchanges.find(panel)
    if two is not None:
        raise located(
            panel.source,
            str(two),
            hint="fit each exchange by itself, from a file of its own; `forecast check DATA` "
            "lists the series of the second",
        )


def check_fittable(panel: Panel) -> None:
    """Raise DataError unless some series has two values or more, and all keep one calendar."""
    check_calendar(panel)
    known = np.concatenate([[0], np.cumsum(~np.isnan(panel.values))])
    most = int(np.diff(known[panel.offsets]).max(initial=0))
    if most > 1:
        return
    if not known[-1]:
        wrong = "every value is missing" if len(panel.values) else "no row at all"
    else:
        wrong = "one row" if len(panel) == 1 else "no series with more than one value"
    column = panel.layout.value_names[0] if panel.layout else None
    raise located(
        panel.source,
        f"{wrong}: too few to learn from",
        2,
        column,
        hint="give a longer history; `forecast predict MODEL` reads single rows",
    )


def from_frame(frame: "pd.DataFrame", **answers: Any) -> Panel:
    """Return the panel that a data frame holds, read as its CSV would be.

    A named or dated index counts as columns. `answers` are fields of `Wanted`. Raises DataError
    and UsageError as `read` does; line 2 is the frame's first row.
    """
    import pandas as pd

    if isinstance(frame.index, pd.DatetimeIndex) or frame.index.names[0] is not None:
        frame = frame.reset_index()
    kept = {str(kind.tz) for kind in frame.dtypes if isinstance(kind, pd.DatetimeTZDtype)}
    if answers.get("timezone") is None and len(kept) == 1:
        answers["timezone"] = kept.pop()
    panel = read(frame.to_csv(index=False, date_format=None).encode(), **answers)
    return replace(panel, source="data frame")


def _layout(
    sheet: Sheet, wanted: Wanted, known: Layout | None
) -> tuple[Layout, list[Decision], int]:
    """Return the layout, why it is that, and how many of the first records are a header."""
    if not sheet.sample:
        if known is None:
            raise sheet.located("the file is empty", 1, hint=_NO_ROWS)
        return known, [], 0
    if not header.headless(sheet, known):
        return *columns.recognise(sheet, wanted, known), 1
    if known is None:
        found, why = columns.recognise(sheet, wanted, headed=False)
        return found, [Decision("no header", "the first line holds data"), *why], 0
    if len(sheet.sample[0]) != len(known.columns):
        raise sheet.error(
            f"{len(sheet.sample[0])} cells and no header; the model was fitted on "
            f"{len(known.columns)} columns", 0,
            hint=f"give the columns {', '.join(known.columns)}, or a header",
        )  # fmt: skip
    return known, [Decision("", "no header: columns as in the data of the fit")], 0


def _zone(reader: Reader, clock: Clock | None) -> Zone | None:
    """Return the time zone that is asked for by its name, or those of the column that holds them.

    Several are those of the records (R,). A fitted model's zone stands, unless a column tells it.
    Raises DataError for a cell that names none.
    """
    asked, columns = reader.wanted.timezone, reader.layout.columns
    if clock is not None and not clock.told:
        return clock.zone
    if asked is None or (asked not in columns and clock is not None):
        return None
    if asked not in columns:
        return _named(asked)
    place = columns.index(asked)
    names, codes = arrow.categories(plain.words(reader, place))
    found: list[str] = []
    for k, name in enumerate(names):
        try:
            found.append(zones.named(name))
        except UsageError as error:
            row = int(np.argmax(codes == k))
            raise reader.error(error.message, row, place, "name one in every row") from None
    each = Zones.listed(found)
    return each.at(codes) if len(each.names) > 1 or clock is not None else each.names[0]


def _named(asked: str) -> str:
    try:
        return zones.named(asked)
    except UsageError as error:
        raise UsageError(f"{error.message}, and no column", hint=error.hint) from None


def _how(parsed: Cells, found: Layout, decisions: Sequence[Decision], wanted: Wanted) -> str:
    """Say which columns were taken for what, how they were read, and which were left."""
    spoken = found.spoken
    if parsed.times is None and found.kind != "rows":
        spoken += "; no time column, so rows are numbered"
    used = set(found.used)
    left = [name for k, name in enumerate(found.columns)
            if k not in used and name != wanted.timezone]  # fmt: skip
    if left:
        more = f" and {len(left) - 5:,} more" if len(left) > 6 else ""
        spoken += f"; ignored {', '.join(left[: 5 if more else 6])}{more}"
    said = [decision.what for decision in decisions if decision.what]
    return "; ".join([spoken, *said])


def _empty(clock: Clock, name: str, found: Layout) -> Panel:
    none = np.zeros(0, np.int64)
    times = None if clock.complete else none
    return Panel((), np.zeros(0), np.zeros(1, np.int64), none, clock, times,
                 notes=(f"{name}: no rows",), source=name, layout=found)  # fmt: skip
