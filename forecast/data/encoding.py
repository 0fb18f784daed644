"""From the bytes of a text to UTF-8 without a byte order mark."""

import codecs
import re

from forecast.data.wanted import Decision, Wanted, located
from forecast.errors import DataError, UsageError

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
          codecs.BOM_UTF16_BE: "utf-16"}  # fmt: skip
_SEQUENCE = re.compile(rb"[\xc3-\xf4][\x80-\xbf]{1,3}")  # as UTF-8 writes letters beyond ASCII
_LETTER_RUN = re.compile(rb"[\xb8-\xff]{3,}")  # letters beyond ASCII that make a word by themselves
_LETTER = re.compile(rb"[\xc0-\xff]")
_NOT_GREEK = re.compile(r"[ξΰθψζΞΘΨΖ\ufffd]|ς(?=\w)")  # where cp1251 has Russian's commonest
_MINUS = "\N{MINUS SIGN}".encode()
_MINUS_SIGN = re.compile(_MINUS + rb"(?=[\d.,])")  # as text programs set it before a number
LIKELY = 0.15

ASCII = "nothing but ASCII"


def to_utf8(name: str, data: bytearray, wanted: Wanted) -> tuple[bytearray, Decision]:
    """Return the text in UTF-8, and how its encoding was found.

    Raises DataError for NUL bytes, for bytes of no encoding, and for several encodings in one.
    """
    encoding, why = (wanted.encoding, "asked for") if wanted.encoding else _found(name, data)
    try:
        usual = codecs.lookup(encoding).name in ("utf-8", "ascii", "utf-8-sig")
        if usual and why != ASCII:
            _check(name, data)
        elif not usual:
            data = bytearray(data.decode(encoding).encode())
    except LookupError:
        raise UsageError(f"no encoding is called `{encoding}`",
                         hint="such as utf-8, utf-16, cp1252 or cp1253") from None  # fmt: skip
    except UnicodeDecodeError as error:
        raise located(name, f"{_byte(error)} is not {encoding}", _line_at(data, error.start),
                      hint="name the right one by `--encoding`") from error  # fmt: skip
    if data.startswith(codecs.BOM_UTF8):
        del data[:3]
    nul = data.find(b"\0")
    if nul >= 0:
        raise located(name, "a NUL byte: not a text file, or a damaged one", _line_at(data, nul),
                      hint=f"tr -d '\\000' < {name} > clean.csv")  # fmt: skip
    if why != ASCII and data.find(_MINUS) >= 0:
        data[:] = _MINUS_SIGN.sub(b"-", data)
    return data, Decision("" if usual else encoding, f"encoding {encoding}: {why}")


def _found(name: str, data: bytearray) -> tuple[str, str]:
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding, "the byte order mark says so"
    head = bytes(data[:1000])
    for encoding, even, odd in (("utf-16-le", 0, 1), ("utf-16-be", 1, 0)):
        if b"\0" not in head[even::2] and 2 * head[odd::2].count(0) > len(head[odd::2]) > 1:
            return encoding, "every other byte is zero"
    if data.isascii():
        return "utf-8", ASCII
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return _single_byte(name, data, error)
    return "utf-8", "every byte fits"


def _single_byte(name: str, data: bytearray, error: UnicodeDecodeError) -> tuple[str, str]:
    """Return which encoding of one byte a letter `data` is in; `error` is why it is not UTF-8."""
    if _SEQUENCE.search(data):
        raise _mixed(name, data, error)
    letters = len(_LETTER.findall(data))
    runs = b" ".join(_LETTER_RUN.findall(data))
    if 2 * len(runs) > max(letters, 1):
        greek = runs.decode("cp1253", "replace")
        if len(_NOT_GREEK.findall(greek)) > LIKELY * len(greek):
            raise located(
                name, f"{_byte(error)} is not UTF-8", _line_at(data, error.start),
                hint="name the encoding, such as `--encoding cp1251` or `--encoding cp1253`",
            )  # fmt: skip
        return "cp1253", "not UTF-8, and its words read as Greek"
    return "cp1252", "not UTF-8; single letters beyond ASCII, as in Western Europe"


def _mixed(name: str, data: bytearray, error: UnicodeDecodeError) -> DataError:
    return located(
        name, f"{_byte(error)} is not UTF-8, which other lines are in: mixed encodings",
        _line_at(data, error.start),
        hint="write every part in UTF-8 before joining them, or name one by `--encoding`",
    )  # fmt: skip


def _check(name: str, data: bytearray) -> None:
    if not data.isascii():
        data.decode()


def _byte(error: UnicodeDecodeError) -> str:
    return f"byte 0x{error.object[error.start]:02x}"


def _line_at(data: bytearray, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
