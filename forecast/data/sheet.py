"""A table as text, cut into records, that can say on which line each stands."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.data.wanted import Decision, located
from forecast.errors import DataError


@dataclass(frozen=True, slots=True)
class Place:
    """Where the lines of a part begin within the whole text."""

    name: str
    first: int  # line of the whole text, from 1
    skipped: int  # lines of the part before that


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as text; a record is a line, or several where a quoted cell spans them."""

    name: str
    data: bytearray  # UTF-8 without a byte order mark
    delimiter: str
    sample: tuple[tuple[str, ...], ...]  # the first records, of any header too
    second: int  # where the second record begins in `data`
    decisions: tuple[Decision, ...] = ()
    places: tuple[Place, ...] = ()  # one for each part
    counted: str = "line"  # "row" where the file has no lines
    reopen: Callable[[], "Sheet"] | None = None  # reads the text again

    def records(self, text: io.TextIOBase | None = None) -> Iterator[tuple[int, list[str]]]:
        """Yield the line on which each record ends, from 1, and its cells."""
        line = 0
        try:
            for line, cells in split(text or self._text(), self.delimiter):
                yield line, cells
        except csv.Error as error:
            raise self.located(
                f"not a table: {error}", line + 1, hint="is it a CSV file?"
            ) from error

    def check_quotes(self) -> None:
        """Raise DataError where a quoted cell does not end."""
        line = 0
        try:
            for record in split(self._text(), self.delimiter, strict=True):
                line = record[0]
        except csv.Error as error:
            raise self.located(
                f"a quoted cell does not end ({error})",
                line + 1,
                hint='close the quote, or write a quote in a cell as `""`',
            ) from error

    def _text(self) -> io.TextIOBase:
        return io.TextIOWrapper(io.BytesIO(self.data), "utf-8", newline="")

    def line(self, record: int) -> int:
        """Return the line of the record numbered `record` from 0, blank lines not counted."""
        if not self.data and self.reopen is not None:
            return self.reopen().line(record)
        for number, (line, _) in enumerate(self.records()):
            if number == record:
                return line
        raise IndexError(record)

    def lines(self, records: NDArray[np.int64]) -> list[int]:
        """Return the lines of the records numbered `records`, each counted within its part."""
        if not len(records):
            return []
        if b'"' in self.data:
            last, wanted = int(records.max()), set(records.tolist())
            ends = {n: line for n, (line, _) in zip(range(last + 1), self.records(), strict=False)
                    if n in wanted}  # fmt: skip
            found = np.array([ends[int(n)] for n in records], np.int64)
        else:
            text = np.frombuffer(self.data, np.uint8)
            end = np.append(np.flatnonzero(text == ord("\n")), len(text))
            size = np.diff(end, prepend=-1) - 1
            blank = (size == 0) | ((size == 1) & (text[end - 1] == ord("\r")))
            found = np.flatnonzero(~blank)[records] + 1
        if not self.places:
            return [int(line) for line in found]
        part = np.searchsorted([p.first for p in self.places], found, side="right") - 1
        moved = np.array([p.skipped + 1 - p.first for p in self.places])
        return [int(line) for line in found + moved[part]]

    def forget(self) -> None:
        """Let go of a text that can be read again, should an error have to name its line."""
        if self.reopen is not None:
            with suppress(BufferError):  # pyarrow may still hold a view of it
                self.data.clear()

    def error(
        self,
        message: str,
        record: int | None = None,
        column: str | None = None,
        hint: str | None = None,
    ) -> DataError:
        """Return the error that says what is wrong and where."""
        line = None if record is None else self.line(record)
        return self.located(message, line, column, hint)

    def located(
        self, message: str, line: int | None, column: str | None = None, hint: str | None = None
    ) -> DataError:
        """Return the error about a line of the whole text, counted within its own part."""
        name = self.name
        if line is not None and self.places:
            place = [p for p in self.places if p.first <= line][-1]
            name, line = place.name, line - place.first + 1 + place.skipped
        if line is not None and self.counted == "row":
            line = line - 1 or None
        return located(name, message, line, column, hint, self.counted)


def split(
    text: io.TextIOBase, delimiter: str, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each record of `text` ends, from 1, and its cells; no blank ones."""
    reader = csv.reader(text, delimiter=delimiter, strict=strict)
    for cells in reader:
        if cells:
            yield reader.line_num, cells
