"""Which column of a stream's lines is what, found out once for all lines alike."""

from collections.abc import Sequence

from forecast.data import columns, header
from forecast.data.layout import Layout
from forecast.data.numbers import is_number
from forecast.data.sheet import Sheet
from forecast.data.wanted import Wanted
from forecast.errors import UsageError


class Columns:
    """A layout, and what is asked of it at every line."""

    __slots__ = ("beside", "layout", "names", "stream", "time", "width")

    def __init__(self, layout: Layout, wanted: Wanted) -> None:
        self.layout, self.width = layout, len(layout.columns)
        self.time = next(iter(layout.timed), None)
        self.names = layout.value_names
        self.stream = layout.kind in ("long", "wide")
        found = {layout.columns[k]: (layout.columns[k], k, text) for _, k, text in layout.beside}
        lacking = [name for _, name in wanted.beside if name not in found]
        if lacking:
            raise UsageError(f"no column `{lacking[0]}`, which the model was fitted with")
        self.beside = [found[name] for _, name in wanted.beside]  # name, place, whether text

    def dated(self, cells: Sequence[str]) -> bool:
        """Say whether a timestamp stands where one belongs, as far as a glance tells."""
        return self.time is None or any(map(str.isdigit, cells[self.time]))

    def named_by(self, cells: Sequence[str]) -> bool:
        """Say whether a later line is a header: it names what has a name here, and no number."""
        used = {self.layout.columns[k].lower() for k in self.layout.used}
        usual = used | set(header.TIME_NAMES) | set(header.VALUE_NAMES)
        named = sum(cell.strip().lower() in usual for cell in cells)
        return named >= min(2, len(self.layout.used)) and not any(map(is_number, cells))


def recognised(
    records: list[list[str]], wanted: Wanted, known: Layout | None, headed: bool
) -> Columns:
    """Return the columns of `records`, a header if `headed` and a row.

    Raises what `columns.recognise` does.
    """
    if headed and known is not None:
        names = [name.strip() for name in records[0]]
        if {known.columns[k] for k in known.used} <= set(names):
            return Columns(_moved(known, names), wanted)
    found, _ = columns.recognise(sheet(records), wanted, known, headed)
    return Columns(found, wanted)


def _moved(known: Layout, names: list[str]) -> Layout:
    """Return the layout of the fit with its columns where `names` has them."""
    place = {name: k for k, name in enumerate(names)}

    def at(k: int | None) -> int | None:
        return None if k is None else place[known.columns[k]]

    return Layout(
        tuple(names), tuple(place[name] for name in known.value_names), at(known.id),
        at(known.time), known.kind, tuple((role, place[known.columns[k]])
        for role, k in known.parts), known.dates, known.decimal,
        tuple((role, place[known.columns[k]], text) for role, k, text in known.beside),
    )  # fmt: skip


def sheet(records: list[list[str]]) -> Sheet:
    """Return `records` as a table."""
    return Sheet(
        "<stdin>", bytearray(text_of(records).encode()), ",", tuple(map(tuple, records)), 0
    )


def text_of(records: list[list[str]]) -> str:
    """Return `records` as CSV."""
    quoted = (",".join('"' + c.replace('"', '""') + '"' for c in r) for r in records)
    return "\n".join(quoted) + "\n"
