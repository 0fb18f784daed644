"""A sheet with its layout: the columns in use, parsed at once or as text."""

from dataclasses import dataclass
from typing import Any

from forecast.data.layout import Layout
from forecast.data.numbers import MISSING, is_missing
from forecast.data.sheet import Sheet
from forecast.data.wanted import Wanted
from forecast.data.zones import Zone
from forecast.errors import DataError

BLOCK = 1 << 22  # bytes parsed at once; a record must fit


@dataclass(frozen=True, slots=True)
class Reader:
    """Where the cells of a table are, and what was asked about them."""

    sheet: Sheet
    layout: Layout
    body: int  # byte at which the records begin
    first: int  # number of the first of them
    wanted: Wanted
    index: bool = False  # the model's clock counts integers
    zone: Zone | None = None  # whose clock counts; several are those of the records (R,)

    def error(
        self, message: str, row: int, place: int | None, hint: str | None = None
    ) -> DataError:
        """Return the error about the cell of record `row` in the column at `place`."""
        column = None if place is None else self.layout.columns[place]
        return self.sheet.error(message, row + self.first, column, hint)

    def table(self, types: dict[int, Any]) -> dict[int, Any]:
        """Return the columns of `types` as pyarrow arrays by their places."""
        import pyarrow as pa
        from pyarrow import csv

        sheet = self.sheet
        quoted = sheet.data.find(b'"', self.body) >= 0  # then cells may span lines: far slower
        named = {str(k): kind for k, kind in types.items()}
        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(sheet.data).slice(self.body)),
            read_options=csv.ReadOptions(
                column_names=[str(k) for k in range(len(self.layout.columns))],
                block_size=max(BLOCK, 64 * self.body),
            ),
            parse_options=csv.ParseOptions(
                delimiter=sheet.delimiter, quote_char='"' if quoted else False,
                newlines_in_values=quoted,
            ),
            convert_options=csv.ConvertOptions(
                column_types=named, include_columns=list(named), null_values=list(MISSING),
                timestamp_parsers=[csv.ISO8601],
            ),
        )  # fmt: skip
        return dict(zip(types, table.columns, strict=True))

    def column(self, place: int) -> list[str]:
        """Return what the first rows hold in the column at `place`, without what is missing."""
        rows = self.sheet.sample[self.first :]
        return [row[place] for row in rows if place < len(row) and not is_missing(row[place])]

    def text(self) -> dict[int, Any]:
        """Return the used columns as text. Raises DataError where lines differ in width."""
        import pyarrow as pa

        text = pa.dictionary(pa.int32(), pa.string())
        types = dict.fromkeys(self.layout.used, text)
        return self._regular(types | dict.fromkeys(self.layout.numbers, pa.string()))

    def words(self, place: int) -> Any:
        """Return the column at `place`, which may be in no other use, as `text` does."""
        import pyarrow as pa

        return self._regular({place: pa.dictionary(pa.int32(), pa.string())})[place]

    def _regular(self, types: dict[int, Any]) -> dict[int, Any]:
        import pyarrow as pa

        try:
            return self.table(types)
        except pa.ArrowInvalid as error:
            self._check_widths()
            raise self.sheet.error(
                f"not a regular table: {error}", hint="is it a CSV file?"
            ) from error

    def _check_widths(self) -> None:
        expected = len(self.layout.columns)
        for line, cells in self.sheet.records():
            if len(cells) != expected:
                raise self.sheet.located(
                    f"{len(cells)} cells, where {expected} columns are expected",
                    line,
                    hint="quote cells that hold the delimiter, complete the line, or leave it out",
                )
