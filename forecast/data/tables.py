"""Tables in and out: CSV to a panel, a forecast to CSV and its kin.

`read` is the one way in: text (dialect), columns (layout), cells, rows (grid), panel. The ways
out stand in `writing` and are offered here too.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.data import cells, columns, dialect, exchanges, header, records, zones
from forecast.data.beside import settled
from forecast.data.cells import Cells
from forecast.data.clock import Clock
from forecast.data.grid import arrange
from forecast.data.layout import Layout
from forecast.data.panel import Panel
from forecast.data.reader import Reader
from forecast.data.roles import ROLES
from forecast.data.rows import Rows
from forecast.data.sheet import Sheet
from forecast.data.source import Source
from forecast.data.wanted import Decision, Wanted, located
from forecast.data.writing import atomic, render, write, write_windows

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
    id: str | None = None,
    time: str | None = None,
    value: str | None = None,
    season: int | Sequence[int] | None = None,
    layout: Layout | None = None,
    clock: Clock | None = None,
    timezone: str | None = None,
    closures: str | None = None,
    input_layout: str | None = None,
    date_format: str | None = None,
    decimal: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    known: Sequence[str] = (),
    past: Sequence[str] = (),
    static: Sequence[str] = (),
    future: bool = False,
    mend: Callable[[Rows], Rows] | None = None,
) -> Panel:
    """Return the panel that a table holds; every option stands in for what is else found out.

    Args:
        source: path, folder, pattern of paths, `-` for standard input, binary stream or bytes;
            CSV and its kin, JSON lines or Parquet, packed by gzip, bzip2, xz, zstd or zip.
        id: column of series ids.
        time: column of timestamps.
        value: column of values; several of them make a wide table.
        season: season lengths in steps, instead of those the frequency suggests.
        layout: columns of a fitted model's data; rows then need no header.
        clock: the fitted model's clock, instead of the one the rows show; a table without any
            row is then an empty panel.
        timezone: zone of timestamps without one, and whose clock counts: `Europe/Berlin`.
        closures: file of days to come on which trading rests.
        input_layout: `long`, `wide`, `hours` (a day per row) or `rows` (a series per row).
        date_format: `day-first`, `month-first`, `year-first`, `integer`, `seconds`,
            `milliseconds`, or a pattern of strptime; `0-23` or `1-24` for a column of hours.
        decimal: `.` or `,`.
        delimiter: the character between cells.
        encoding: such as `cp1253`.
        known: columns known in the future too. Rows after the last value of a series that hold
            some become the panel's `future`.
        past: columns observed like the values, up to the cutoff.
        static: columns constant for each series.
        future: the table holds known covariates of steps to come, and no values.
        mend: what to do to the rows before they are put in order and checked.

    Raises:
        DataError: the table cannot be read safely; the message names file, line and column.
        UsageError: a column asked for is not there, or an option says what nothing is.
    """
    zone = None if timezone is None else zones.named(timezone)
    wanted = Wanted(
        id, time, value, input_layout, date_format, decimal, delimiter, encoding, zone,
        tuple((r, n) for r, names in zip(ROLES, (static, known, past), strict=True) for n in names),
        future,
    )  # fmt: skip
    sheet = dialect.open_sheet(source, wanted)
    found, why, headed = _layout(sheet, wanted, layout)
    if len(sheet.sample) == headed:
        if clock is None:
            raise sheet.error("a header and no row" if headed else "no row at all", hint=_NO_ROWS)
        return _empty(clock, sheet.name, found)
    index = clock is not None and clock.kind == "index"
    reader = Reader(sheet, found, sheet.second if headed else 0, headed, wanted, index)
    parsed = cells.parse(reader)
    rows = records.rows(parsed, reader)
    if mend is None:
        sheet.forget()
    panel = arrange(rows if mend is None else mend(rows), clock, zone)
    decisions = [*sheet.decisions, *why, *parsed.decisions]
    found = replace(found, dates=parsed.dates, decimal=parsed.decimal)
    notes = (f"{sheet.name}: {_how(parsed, found, decisions)}: {panel.notes[0]}", *panel.notes[1:])
    panel = replace(panel, layout=found, notes=notes, reasons=tuple(d.why for d in decisions))
    if panel.covariates is not None and not future:
        panel = settled(panel)
    if closures is not None:
        panel = replace(panel, clock=panel.clock.with_closures(closures))
    return _with_season(panel, season)


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


def from_frame(
    frame: "pd.DataFrame",
    *,
    id: str | None = None,
    time: str | None = None,
    value: str | None = None,
    season: int | Sequence[int] | None = None,
    timezone: str | None = None,
    known: Sequence[str] = (),
    past: Sequence[str] = (),
    static: Sequence[str] = (),
) -> Panel:
    """Return the panel that a data frame holds, read as its CSV would be.

    A named or dated index counts as columns. Raises DataError and UsageError as `read` does;
    line 2 is the frame's first row.
    """
    import pandas as pd

    if isinstance(frame.index, pd.DatetimeIndex) or frame.index.names[0] is not None:
        frame = frame.reset_index()
    kept = {str(kind.tz) for kind in frame.dtypes if isinstance(kind, pd.DatetimeTZDtype)}
    timezone = kept.pop() if timezone is None and len(kept) == 1 else timezone
    text = frame.to_csv(index=False, date_format=None).encode()
    panel = read(text, id=id, time=time, value=value, season=season, timezone=timezone,
                 known=known, past=past, static=static)  # fmt: skip
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


def _how(parsed: Cells, found: Layout, decisions: Sequence[Decision]) -> str:
    """Say which columns were taken for what, how they were read, and which were left."""
    spoken = found.spoken
    if parsed.times is None and found.kind != "rows":
        spoken += "; no time column, so rows are numbered"
    used = set(found.used)
    left = [name for k, name in enumerate(found.columns) if k not in used]
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


def _with_season(panel: Panel, season: int | Sequence[int] | None) -> Panel:
    if season is None:
        return panel
    lengths = (season,) if isinstance(season, int) else tuple(season)
    return replace(panel, clock=panel.clock.with_seasons(lengths))
