"""Which column is what: found by name, then by what it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from forecast.data.finder import Finder
from forecast.data.header import (
    CALENDAR,
    VALUE_NAMES,
    generated,
)
from forecast.data.layout import (
    MANY,
    Layout,
    named_beside,
    remembered,
    run_of,
    whole_day,
)
from forecast.data.numbers import is_measure, is_number
from forecast.data.sheet import Sheet
from forecast.data.wanted import Decision, Wanted


def recognise(
    sheet: Sheet, wanted: Wanted, known: Layout | None = None, headed: bool = True
) -> tuple[Layout, list[Decision]]:
    """Return the layout of a table, and why it is that.

    Names the user gave count first, then those a fitted model knows, then the usual spellings,
    then what the columns hold. Raises UsageError for a column that is not there, DataError when
    no column can hold the values or several may.
    """
    names = generated(len(sheet.sample[0]))
    if headed:
        given = (name.strip() for name in sheet.sample[0])
        names = tuple(name or stand_in for name, stand_in in zip(given, names, strict=True))
    wanted = remembered(wanted, known, names)
    finder = Finder(sheet, names, int(headed))
    beside = named_beside(wanted, known, names, finder.cells, sheet)
    apart = [names.index(wanted.timezone)] if wanted.timezone in names else []
    finder = replace(finder, beside=(*(place for _, place, _ in beside), *apart))
    why: list[Decision] = []
    layout = replace(finder.timed(wanted), beside=beside)
    layout = replace(layout, id=finder.id(wanted, layout))
    if known is not None:
        layout = replace(layout, dates=known.dates, decimal=known.decimal)
    if wanted.future:
        return layout, [Decision("", "known covariates of steps to come; no values are needed")]
    sequence = _sequence(finder, layout, wanted)
    if sequence is not None and beside:
        raise sheet.error(
            f"covariates beside the layout {sequence.kind}", 0,
            hint="write a long table, a row per timestamp; or say `--input-layout long`",
        )  # fmt: skip
    if sequence is not None:
        layout = sequence
        why.append(
            Decision(
                "",
                f"layout {layout.kind}: its columns are named in sequence"
                if wanted.input_layout is None
                else f"layout {layout.kind}: asked for",
            )
        )
    else:
        layout = _valued(finder, layout, wanted, known)
        why.append(Decision("", f"layout {layout.kind}: " + _grounds(layout, wanted)))
    _check_names(finder, layout)
    return layout, why


def _grounds(layout: Layout, wanted: Wanted) -> str:
    if wanted.input_layout:
        return "asked for"
    if layout.kind == "wide":
        return "no column of ids, and several of numbers: each is a series"
    return "one column of values" + (", and one of ids" if layout.id is not None else "")


def _sequence(finder: Finder, layout: Layout, wanted: Wanted) -> Layout | None:
    """Return the layout if the values of a day or of a series stand in one row, else None."""
    if wanted.input_layout in ("long", "wide") or wanted.value is not None:
        return None
    free = finder.free(layout.id, *layout.timed)
    run = whole_day(finder.names, free)
    if wanted.input_layout == "hours" or (run and layout.timed and wanted.input_layout is None):
        return replace(layout, kind="hours", values=run or _numbers(finder, layout))
    if layout.timed and wanted.input_layout is None:
        return None
    texts = [k for k in free if _is_text(finder, k)]
    run = run_of(finder.names, [k for k in free if k not in texts])
    id_ = layout.id if layout.id is not None else next(iter(texts), None)
    if wanted.input_layout != "rows":
        cells = [] if id_ is None else finder.cells(id_)
        if len(run) < MANY or id_ is None or len(set(cells)) < len(cells):
            return None
    elif not run:
        run = _numbers(finder, replace(layout, id=id_))
    if not any(is_number(cell) for k in run for cell in finder.cells(k)):
        return None
    return replace(layout, kind="rows", id=id_, values=run, time=None, parts=())


def _valued(finder: Finder, layout: Layout, wanted: Wanted, known: Layout | None) -> Layout:
    """Return the layout with its columns of values."""
    taken = (layout.id, *layout.timed)
    value = finder.find(wanted.value, VALUE_NAMES, taken)
    if value is not None and wanted.input_layout != "wide":
        return replace(layout, values=(value,))
    if known is not None and len(known.values) > 1 and set(known.value_names) <= set(finder.names):
        values = tuple(finder.names.index(name) for name in known.value_names)
        return replace(layout, values=values, kind=known.kind)
    values = _numeric(finder, layout)
    return replace(layout, values=values, kind="wide" if layout.id is None else "long")


def _numeric(finder: Finder, layout: Layout) -> tuple[int, ...]:
    """Return the columns that hold numbers or nothing, apart from ids and timestamps."""
    free = finder.free(layout.id, *layout.timed)
    dated = [k for k in free if _is_calendar(finder, k)] if layout.timed else []
    cells = {k: finder.cells(k) for k in free}
    found = [k for k in free if k not in dated and all(map(is_number, cells[k]))]
    if not any(cells[k] for k in found):
        raise _no_numbers(finder, {k: cells[k] for k in free if k not in dated})
    if layout.id is None and (layout.timed or not finder.first):
        return tuple(found)
    found = [k for k in found if cells[k]]
    if len(found) > 1:
        why = "beside the ids" if layout.timed else "and none the timestamps"
        raise finder.sheet.error(
            f"{len(found)} columns may hold the values {why}: "
            + ", ".join(f"`{finder.names[k]}`" for k in found[:8]), 0,
            hint=f"name them: `--time COLUMN`, `--value {finder.names[found[-1]]}`",
        )  # fmt: skip
    return tuple(found)


def _check_names(finder: Finder, layout: Layout) -> None:
    """Raise DataError where two series of a wide table would be called the same."""
    seen: set[str] = set()
    for name in layout.value_names if layout.kind in ("long", "wide") else ():
        if name in seen:
            raise finder.sheet.error("several columns are called so", 0, name,
                                   hint="rename them apart")  # fmt: skip
        seen.add(name)


def _numbers(finder: Finder, layout: Layout) -> tuple[int, ...]:
    """Return the columns that mostly hold numbers, apart from ids and timestamps."""
    free = finder.free(layout.id, *layout.timed)
    return tuple(k for k in free if finder.cells(k) and not _is_text(finder, k))


def _is_text(finder: Finder, k: int) -> bool:
    cells = finder.cells(k)
    return 2 * sum(map(is_number, cells)) < len(cells)


def _is_calendar(finder: Finder, k: int) -> bool:
    """Say whether a column restates the timestamp: its weekday, its year, the row's number."""
    unnamed = finder.first and not finder.sheet.sample[0][k].strip()
    return finder.counts(k) if unnamed else finder.names[k].lower() in CALENDAR


def _no_numbers(finder: Finder, cells: Mapping[int, Sequence[str]]) -> Exception:
    for k, texts in cells.items():
        if texts and all(is_measure(text) for text in texts):
            row = next(r for r, record in enumerate(finder.sheet.sample[finder.first :])
                       if k < len(record) and record[k] == texts[0])  # fmt: skip
            return finder.sheet.error(
                f"`{texts[0]}` is not a number: it carries a unit", row + finder.first,
                finder.names[k], hint="write the number alone, units elsewhere",
            )  # fmt: skip
    columns = ", ".join(f"`{name}`" for name in finder.names[:8])
    return finder.sheet.error(
        f"no numeric column among {columns}" + (" ..." if len(finder.names) > 8 else ""), 0,
        hint="values are numbers; name their column with `--value`",
    )  # fmt: skip
