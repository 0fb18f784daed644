"""How numbers are written: decimal point or comma, marks between thousands; and which are ruined.

Two readings compete: point for decimals with commas between thousands, and the reverse. A column
is read only by one that fits every cell.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.data import arrow
from forecast.data.wanted import Decision

MISSING = frozenset(("", "NaN", "nan", "NAN", "NA", "N/A", "n/a", "n/e", "#N/A", "<NA>", "null",
                     "NULL", "None", "-", "--", ".", "..", "?"))  # fmt: skip
_SPACES = "\u0020\u00a0\u202f\u2009'\u2019"  # marks between thousands that are no separator else
_GROUP = f"[{_SPACES}]"

_LIKE = re.compile(
    rf"[+-]?(\d[\d.,]*|[.,]\d+|\d{{1,3}}({_GROUP}\d{{3}})+([.,]\d*)?)([eE][+-]?\d+)?"
    r"|[+-]?inf(inity)?", re.IGNORECASE,
)  # fmt: skip
_UNIT = re.compile(r"([$€£¥]\s*[+-]?\d[\d.,]*|[+-]?\d[\d.,]*\s*[^\d\s.,:/+-][^\d]*)")
_DATE = re.compile(
    r"(?i)\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}[-. ]{1,2}[a-z]{3,4}|[a-z]{3}[-. ]\d\d"
)
_DOTTED = re.compile(r"^[+-]?\d{1,3}(\.\d{3}){2,}(\.\d+)?$")
FEW, SHARE, GAP = 5, 0.01, 100.0  # what it takes to call large integers among fractions ruined
GLANCE = 100_000  # values of a long column that are looked at first


@dataclass(frozen=True, slots=True)
class Style:
    """How numbers are written."""

    decimal: str  # "." or ","

    @property
    def thousands(self) -> str:
        """The mark that may stand between thousands."""
        return "," if self.decimal == "." else "."

    @property
    def pattern(self) -> str:
        """Regular expression of the numbers written so."""
        point, mark = re.escape(self.decimal), re.escape(self.thousands)
        grouped = rf"[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|\d{{1,3}}(?:{_GROUP}\d{{3}})+"
        return rf"^[+-]?(?:(?:{grouped}|\d+)(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?$|" \
               r"(?i:^[+-]?inf(?:inity)?$)"  # fmt: skip


POINT, COMMA = Style("."), Style(",")
_ONE_GROUP = r"^[+-]?[1-9]\d{{0,2}}{mark}\d{{3}}$"  # thousands to one reader, decimals to the other


def is_number(cell: str) -> bool:
    """Say whether `cell` is a number in any style, an infinite one included."""
    return _LIKE.fullmatch(cell.strip()) is not None


def is_missing(cell: str) -> bool:
    """Say whether `cell` stands for a missing value."""
    return cell.strip() in MISSING


def is_measure(cell: str) -> bool:
    """Say whether `cell` is a number with a unit, `12 kW`."""
    return _UNIT.fullmatch(cell.strip()) is not None


class BadNumberError(Exception):
    """Row `row` of column number `column` is wrong."""

    def __init__(self, column: int, row: int, message: str, hint: str) -> None:
        super().__init__(column, row, message, hint)
        self.column, self.row, self.message, self.hint = column, row, message, hint


def convert(
    columns: Sequence[Any], delimiter: str, decimal: str | None = None, known: str | None = None
) -> tuple[list[NDArray[np.float64]], Style, Decision]:
    """Return columns of text as numbers (R,) each, NaN where missing, and how they were read.

    `decimal` was asked for, `known` is how the model's data were written, for numbers that may be
    read both ways. Raises BadNumberError for the first cell that is not a number so written, and
    where nothing settles the reading.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = [pc.utf8_trim_whitespace(column) for column in columns]
    gone = pa.array(list(MISSING))
    cells = [pc.if_else(pc.is_in(c, gone), pa.scalar(None, pa.string()), c) for c in cells]
    if decimal:
        style, why = Style(decimal), "asked for"
    else:
        style, why = _decide(cells, delimiter, known)
    _check(cells, style)
    out = [arrow.floats(_cast(c, style)) for c in cells]
    if not decimal:
        check_ruins(out, style)
    what = "" if style == POINT else "decimal comma"
    if style == POINT and _any(cells, r"\d[, ]\d"):
        what = "commas between thousands" if _any(cells, r"\d,\d") else "spaces between thousands"
    return out, style, Decision(what, f"numbers with a decimal {_word(style)}: {why}")


def _word(style: Style) -> str:
    return "point" if style == POINT else "comma"


def _decide(cells: Sequence[Any], delimiter: str, known: str | None) -> tuple[Style, str]:
    """Return the style that fits every cell."""
    point, comma = (_find(cells, style.pattern, match=False) for style in (POINT, COMMA))
    if point is None and comma is None:
        return _settle(cells, delimiter, known)
    if point is None:
        return POINT, "every cell fits, and not all fit a comma"
    if comma is None:
        return COMMA, "every cell fits, and not all fit a point"
    ruined = _any(cells, _DOTTED.pattern) and _any(cells, r"^[+-]?\d*\.(\d{1,2}|\d{4,})$")
    return (COMMA if comma[1] > point[1] and not ruined else POINT), "it fits the first cells"


def _settle(cells: Sequence[Any], delimiter: str, known: str | None) -> tuple[Style, str]:
    """Return the style of numbers that both styles fit."""
    place = _find(cells, _ONE_GROUP.format(mark="[.,]"))
    if place is None:
        return POINT, "no cell has a mark that could be one"
    if known:
        return Style(known), "as in the data of the fit, and some may be read both ways"
    cell = cells[place[0]][place[1]].as_py()
    if delimiter == ",":
        return (
            POINT,
            "commas are the delimiter"
            if "." in cell
            else "beside commas as delimiter, quoted ones stand between groups of three digits",
        )
    if "." in cell and delimiter == "\t":
        return POINT, "no comma stands in any number"
    raise BadNumberError(
        *place, f"`{cell}` may be {cell.replace(',', '.')} or {re.sub('[.,]', '', cell)}, "
        "and no other cell settles it",
        "say which: `--decimal point` or `--decimal comma`",
    )  # fmt: skip


def _any(cells: Sequence[Any], pattern: str) -> bool:
    return _find(cells, pattern) is not None


def _find(cells: Sequence[Any], pattern: str, match: bool = True) -> tuple[int, int] | None:
    """Return column and row of the first cell that matches, or does not; None without any."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for k, column in enumerate(cells):
        fits = pc.match_substring_regex(column, pattern)
        row = pc.index(fits, pa.scalar(match)).as_py()
        if row >= 0:
            found.append((k, row))
    return min(found, key=lambda place: place[1], default=None)


def _check(cells: Sequence[Any], style: Style) -> None:
    place = _find(cells, style.pattern, match=False)
    if place is None:
        return
    column, row = place
    cell = cells[column][row].as_py()
    plural = "decimal points" if style == POINT else "decimal commas"
    wrong, hint = (
        "is not a number",
        "correct the cell, or leave it empty where the value is missing",
    )
    if _DOTTED.fullmatch(cell):
        wrong = "has several points among numbers with a decimal point: ruined by a program that " \
                "took the points for marks between thousands"  # fmt: skip
        hint = "export the table again, from the source; the numbers cannot be restored"
    elif _DATE.fullmatch(cell):
        wrong = "is a date, not a number: a spreadsheet may have taken the number for one"
        hint = "export the table again without opening it in a spreadsheet"
    elif _UNIT.fullmatch(cell):
        wrong, hint = (
            "is not a number: it carries a unit",
            "write the number alone, units elsewhere",
        )
    elif is_number(cell):
        wrong = f"is not a number, for others have {plural}"
        hint = "write all numbers alike, or say how: `--decimal point` or `--decimal comma`"
    raise BadNumberError(column, row, f"`{_short(cell)}` {wrong}", hint)


def _short(cell: str) -> str:
    return cell if len(cell) <= 40 else cell[:37] + "..."


def _cast(column: Any, style: Style) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    marks = f"[{re.escape(style.thousands)}{_SPACES}]"
    if pc.any(pc.match_substring_regex(column, marks)).as_py():
        column = pc.replace_substring_regex(column, marks, "")
    if style == COMMA:
        column = pc.replace_substring(column, ",", ".")
    return pc.cast(column, pa.float64())


def check_ruins(columns: Sequence[NDArray[np.float64]], style: Style = POINT) -> None:
    """Raise BadNumberError for a column in which fractions lost their point: 0.71, 713, 0.7.

    That is how a program of another locale leaves numbers of three decimals. Many integers stand
    a hundred times beyond every fraction, nothing between, all in their range when divided by
    1000; and no fraction of three decimals is left.
    """
    for k, values in enumerate(columns):
        if len(values) > GLANCE and not _may_be_ruined(values[:: len(values) // GLANCE]):
            continue
        size = np.abs(values[~np.isnan(values)])
        broken = _distinct(size[size != np.rint(size)])
        if len(broken) < FEW or np.any(_three_decimals(broken)):
            continue
        top = float(broken[-1])
        large = size > GAP * top
        if large.sum() <= SHARE * len(values) or np.any((size > top) & ~large):
            continue
        if len(_distinct(size[large])) >= FEW and size.max() <= 1000 * top:
            row = int((np.nan_to_num(np.abs(values)) > GAP * top).argmax())
            raise BadNumberError(
                k, row, f"{values[row]:,.0f} stands among fractions below {top:g}, as where a "
                f"program of another locale lost the decimal {_word(style)}",
                f"export the table again; if it is right, say so: `--decimal {_word(style)}`",
            )  # fmt: skip


def _distinct(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what np.unique does, which loads the masked arrays."""
    values = np.sort(values)
    first = np.append(np.ones(min(len(values), 1), np.bool_), values[1:] != values[:-1])
    return np.asarray(values[first])


def _three_decimals(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which values have three decimals, neither more nor fewer."""
    return np.asarray((np.round(values, 3) == values) & (np.round(values, 2) != values))


def _may_be_ruined(some: NDArray[np.float64]) -> bool:
    """Say whether a few values of a long column have so many far above its fractions."""
    known = np.abs(some[~np.isnan(some)])
    broken = known[known != np.rint(known)]
    return bool(len(broken) and (known > GAP * broken.max()).sum() > SHARE / 2 * len(some))
