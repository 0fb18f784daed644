"""How timestamps are written: the form that reads every cell. U distinct texts."""

import re
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from forecast.data import arrow, dates
from forecast.data.clock import DAY, SECOND, Times, Unit
from forecast.data.dates import Form, Read, Stamps
from forecast.errors import UsageError

_CLOCK = (
    r"(?P<H>\d{1,2})(?:[:.h]?(?P<M>\d\d)(?:[:.]?(?P<S>\d\d)(?:[.,](?P<f>\d+))?)?)?"
    r"(?: ?(?P<p>[AaPp])\.?[Mm]\.?)?(?: ?(?P<z>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?"
)
UNTIL = " [-\N{EN DASH}] "  # between the ends of a span, which counts by its beginning
_UNTIL = rf"(?: \([A-Z]{{2,5}}\))?(?:{UNTIL}\d[^,;]*)?"
_TIME = rf"(?:(?:[T:_]|,? +){_CLOCK}{_UNTIL})?"
_NAME = r"(?P<b>[A-Za-z]{3,9})"
_YEAR = r"(?:(?P<Y>\d{4})|(?P<y>\d\d))"
_WEEKDAY = r"(?:[A-Za-z]{3,9},? )?"


FORMS = (
    Form("year-first", rf"(?P<Y>\d{{4}})[-/](?P<m>\d{{1,2}})(?:[-/](?P<d>\d{{1,2}}){_TIME})?"),
    Form("year-first", rf"(?P<Y>\d{{4}})\.(?P<m>\d{{1,2}})\.(?P<d>\d{{1,2}}){_TIME}"),
    Form("year-first", r"(?P<Y>\d{4})(?P<m>\d\d)(?:(?P<d>\d\d)(?:[T _:-]?(?P<H>\d\d)"
         r"(?::?(?P<M>\d\d)(?::?(?P<S>\d\d))?)?(?P<z>Z|[+-]\d\d(?::?\d\d)?)?)?)?"),
    Form("day-first", rf"(?P<d>\d{{1,2}})[-/.](?P<m>\d{{1,2}})[-/.]{_YEAR}{_TIME}"),
    Form("month-first", rf"(?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}})[-/.]{_YEAR}{_TIME}"),
    Form("year-first", rf"(?P<y>\d\d)[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_TIME}"),
    Form("day-first", rf"{_WEEKDAY}(?P<d>\d{{1,2}})[-/. ]?{_NAME}\.?[-/., ]?{_YEAR}{_TIME}"),
    Form("month-first", rf"{_WEEKDAY}{_NAME}\.? (?P<d>\d{{1,2}}),? (?P<Y>\d{{4}}){_TIME}"),
    Form("month-first", r"(?P<m>\d{1,2})[-/](?P<Y>\d{4})"),
    Form("month-first", rf"{_NAME}\.?[-/. ]{_YEAR}"),
    Form("year-first", r"(?P<Y>\d{4})M(?P<m>\d\d?)"),
    Form("year-first", r"(?P<Y>\d{4})[- ]?Q(?P<q>[1-4])"),
    Form("year-first", r"(?P<Y>\d{4})-?W(?P<W>\d\d)(?:-?(?P<u>[1-7]))?"),
)  # fmt: skip
_DIGITS = FORMS[2]  # the one form that an integer fits
LONGEST = 60  # characters of a timestamp
EPOCHS = {"seconds": SECOND, "milliseconds": 1000, "microseconds": 1, "nanoseconds": 0}
_LENGTHS = {9: "seconds", 10: "seconds", 13: "milliseconds", 16: "microseconds", 19: "nanoseconds"}
NAMES = ("day-first", "month-first", "year-first", "integer", *EPOCHS)
_STRPTIME = {
    "%Y": r"(?P<Y>\d{4})", "%y": r"(?P<y>\d\d)", "%m": r"(?P<m>\d{1,2})", "%d": r"(?P<d>\d{1,2})",
    "%b": _NAME, "%B": _NAME, "%H": r"(?P<H>\d{1,2})", "%I": r"(?P<H>\d{1,2})",
    "%M": r"(?P<M>\d{1,2})", "%S": r"(?P<S>\d{1,2})", "%f": r"(?P<f>\d{1,9})",
    "%p": r"(?P<p>[AaPp])\.?[Mm]\.?", "%z": r"(?P<z>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)",
    "%a": "[A-Za-z]+", "%A": "[A-Za-z]+", "%%": "%", "%e": r" ?(?P<d>\d{1,2})",
    "%T": r"(?P<H>\d{1,2}):(?P<M>\d\d):(?P<S>\d\d)", "%F": r"(?P<Y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)",
}  # fmt: skip


_ISO = re.compile(
    r"\d{4}-\d\d(?P<D>-\d\d([T ]\d\d(?P<m>:?\d\d(?P<s>:?\d\d(?P<us>\.\d+)?)?)?"
    r"(?P<zone>Z|[+-]\d\d(:?\d\d)?)?)?)?"
)


class BadStampError(Exception):
    """Text number `place` is wrong."""

    def __init__(self, place: int, message: str, hint: str) -> None:
        super().__init__(place, message, hint)
        self.place, self.message, self.hint = place, message, hint


def is_stamp(cell: str) -> bool:
    """Say whether `cell` is a timestamp in some form; bare digits are none."""
    cell = cell.strip()
    if not any(map(str.isdigit, cell)):
        return False
    return iso_form(cell) is not None or (len(cell) <= LONGEST and any(
        re.fullmatch(form.pattern, cell) for form in FORMS if form is not _DIGITS
    )) or re.fullmatch(r"\d{8}[T _-]\d{4,6}Z?", cell) is not None  # fmt: skip


def iso_form(cell: str) -> tuple[Unit, bool] | None:
    """Return the unit of a timestamp of ISO 8601 and whether it has a zone; None for others."""
    match = _ISO.fullmatch(cell.strip())
    if match is None:
        return None
    unit: Unit
    digits = len(match["us"] or ".") - 1
    if digits:
        unit = "ms" if digits <= 3 else "us"
    elif match["s"]:
        unit = "s"
    elif match["D"]:
        unit = "m" if len(cell.strip()) > 10 else "D"
    else:
        unit = "M"
    return unit, match["zone"] is not None


def integers_mean(cells: Sequence[str]) -> str:
    """Return what a column of integers that stands for time holds: `date`, an epoch or `integer`.

    Dates are written without marks, `20130301`, and all of them are dates; epochs are counted
    from 1970 and have the digits of the years 1973 to 2286.
    """
    lengths = {len(cell.strip().lstrip("+-")) for cell in cells}
    if len(lengths) != 1 or not cells:
        return "integer"
    length = lengths.pop()
    if length in (6, 8, 10, 12, 14):
        import pyarrow as pa

        got = dates.read(pa.array([cell.strip() for cell in cells]), _DIGITS)
        years = got.times.astype("M8[us]").astype("M8[Y]").astype(int) + 1970
        if got.ok.all() and years.min() >= 1800 and years.max() <= 2200:
            return "date"
    return _LENGTHS.get(length, "integer")


def of_format(asked: str) -> tuple[Form, ...]:
    """Return the forms that `--date-format` names. Raises UsageError for an unknown one."""
    if asked in ("day-first", "month-first", "year-first"):
        return tuple(form for form in FORMS if form.name == asked)
    if "%" not in asked:
        raise UsageError(f"`--date-format {asked}` is unknown",
                         hint=f"{', '.join(NAMES)}, or a pattern such as %d/%m/%Y")  # fmt: skip
    pieces = re.split(r"(%.)", asked)
    unknown = [p for p in pieces if p.startswith("%") and p not in _STRPTIME]
    if unknown:
        raise UsageError(f"`{unknown[0]}` in `--date-format {asked}` is unknown",
                         hint=f"known: {' '.join(_STRPTIME)}")  # fmt: skip
    pattern = "".join(_STRPTIME.get(piece, re.escape(piece)) for piece in pieces)
    return (Form(asked, pattern),)


def parse(texts: Any, asked: str | None = None, known: str | None = None) -> tuple[Read, str]:
    """Return the times of distinct `texts` (U,), an arrow array, and why they are read so.

    `asked` is a `--date-format`; `known` is the name of the form of the model's data, for dates
    that several fit. Raises BadStampError for the first that none fits, and where several fit.
    """
    forms = of_format(asked) if asked else FORMS
    likely = [form for form in forms if _may_fit(texts, form)] or list(forms[:1])
    found = [dates.read(texts, form) for form in likely]
    fitting = [read for read in found if read.ok.all()]
    if not fitting:
        best = max(found, key=lambda read: int(read.ok.sum()))
        raise _misfit(texts, best, found)
    distinct = [r for k, r in enumerate(fitting)
                if not any(np.array_equal(r.times, q.times) for q in fitting[:k])]  # fmt: skip
    read, why = _settle(texts, distinct, known)
    if read.mixed is not None:
        raise BadStampError(
            read.mixed, f"`{texts[read.mixed].as_py()}` is unlike the first ones: some timestamps "
            "have a zone, some have none", "write all of them with a zone, or none",
        )  # fmt: skip
    others = [r.form.name for r in found if not r.ok.all() and r.form.name != read.form.name]
    if others and not why:
        why = f"every date fits, and not all are {others[0]}"
    return read, "asked for" if asked else why or "every one fits"


def _settle(texts: Any, fitting: Sequence[Read], known: str | None) -> tuple[Read, str]:
    """Return which of the readings holds, and why if it is not the only one."""
    if len(fitting) == 1:
        return fitting[0], ""
    for read in fitting:
        if read.form.name == known:
            return read, "as in the data of the fit"
    if re.match(r"\d{1,2}\.\d{1,2}\.", texts[0].as_py()):
        return fitting[0], "dates with dots begin with the day"
    flags = dict.fromkeys(f"`--date-format {read.form.name}`" for read in fitting)
    place = int((fitting[0].times != fitting[1].times).argmax())
    days = [str(read.times[place].astype("M8[us]").astype("M8[D]")) for read in fitting]
    raise BadStampError(
        place, f"`{texts[place].as_py()}` may be {' or '.join(days)}, and no row settles it",
        f"say which: {' or '.join(flags)}",
    )  # fmt: skip


def _may_fit(texts: Any, form: Form) -> bool:
    return any(re.fullmatch(form.pattern, texts[k].as_py()) for k in range(min(3, len(texts))))


def _misfit(texts: Any, best: Read, found: Sequence[Read]) -> BadStampError:
    """Return the error for the first text that the best form does not read."""
    place = int((~best.ok).argmax())
    cell = texts[place].as_py()
    either = np.any([read.ok for read in found], axis=0)
    if either.all():
        return BadStampError(
            place, f"`{cell}` is not a {best.form.name} date as others are: two date formats in "
            "one table", "write all dates alike, best as 2013-03-01T17:30:00",
        )  # fmt: skip
    if cell == "":
        return BadStampError(place, "no timestamp", "write one in every row")
    cell = cell if len(cell) <= 40 else cell[:37] + "..."
    hint = "write timestamps as 2013-03-01 or 2013-03-01T17:30:00, all alike"
    if re.search(r"\d ?[A-Z]{3,5}$", cell):
        hint = "leave the letters of the zone out, and name it: `--timezone Europe/Berlin`"
    elif not best.ok.any():
        hint += "; or say how they are: `--date-format %d/%m/%Y`"
    return BadStampError(place, f"`{cell}` is not a timestamp{_like(best)}", hint)


def _like(best: Read) -> str:
    if not best.ok.any():
        return ""
    return f" of the form of the first ones, {best.form.name}"


def integers(texts: Any) -> Times:
    """Return `texts` as integers. Raises BadStampError for the first that is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    fits = pc.match_substring_regex(texts, r"^[+-]?\d{1,18}(\.0*)?$")
    bad = pc.index(fits, pa.scalar(False)).as_py()
    if bad >= 0:
        cell = texts[bad].as_py()
        raise BadStampError(
            bad, f"`{cell}` is not a timestamp: the first one is an integer" if cell else
            "no timestamp", "write timestamps as 2013-03-01 or 2013-03-01T17:30:00, all alike",
        )  # fmt: skip
    whole = pc.cast(pc.replace_substring_regex(texts, r"^\+|\..*$", ""), pa.int64())
    return arrow.integers(pa.chunked_array([whole]))


def epoch(times: Times, name: str) -> tuple[Times, Stamps]:
    """Return epochs as microseconds, and how the moments are written from now on: in UTC."""
    size = EPOCHS[name]
    unit: Unit = {"seconds": "s", "milliseconds": "ms"}.get(name, "us")  # type: ignore[assignment]
    return times * size if size else times // 1000, Stamps(False, unit, "UTC")


PIECE = 1 << 16  # times looked at in one go
_UNITS: tuple[Unit, ...] = get_args(Unit)
_SIZES = {"D": DAY, "m": 60 * SECOND, "s": SECOND, "ms": 1000}


def refine(stamps: Stamps, times: Times) -> Stamps:
    """Return `stamps` with a unit in which every one of `times` can be written."""
    if stamps.index:
        return stamps
    unit = stamps.unit
    for finer in _UNITS[_UNITS.index(unit) + 1 :]:
        exact = _first_days(times) if unit == "M" else _multiples(times, _SIZES[unit])
        if exact:
            break
        unit = finer
    return Stamps(False, unit, stamps.zone)


def _multiples(times: Times, size: int) -> bool:
    """Say whether all times are multiples of `size`; a division by one number is a fast one."""
    parts = (times[begin : begin + PIECE] for begin in range(0, len(times), PIECE))
    return all(np.array_equal(part // size * size, part) for part in parts)


def _first_days(times: Times) -> bool:
    return bool(np.all(times.astype("M8[us]").astype("M8[M]").astype("M8[us]").astype(np.int64)
                       == times))  # fmt: skip
