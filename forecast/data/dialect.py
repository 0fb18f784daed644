"""From clean text to records with a known delimiter."""

import csv
import io
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from forecast.data import encoding, source, typed
from forecast.data.sheet import Place, Sheet, split
from forecast.data.source import Part, Source
from forecast.data.wanted import Decision, Wanted

DELIMITERS = ";\t|,"  # of two that cut alike, not the one that stands within numbers
SAMPLE_BYTES = 1 << 20
SAMPLE_RECORDS = 100
SAMPLE_CELLS = 200_000
MOST_COLUMNS = 100_000
PREAMBLE = 20  # lines that may stand above a table, of 1 KiB each
_COMMENT = re.compile(rb"(?m)^#[^\r\n]*")
_SEPARATOR = re.compile(rb"(?i)sep=(.)\r?\n")  # as spreadsheets write it


def open_sheet(origin: Source, wanted: Wanted | None = None) -> Sheet:
    """Return the table that `origin` holds; a table without any record has an empty sample.

    `origin` is whatever `source.parts` takes. Raises DataError when it cannot be read safely.
    """
    wanted = wanted or Wanted()
    parts = source.parts(origin)
    sheets = [_sheet(part, wanted) for part in parts]
    whole = sheets[0] if len(sheets) == 1 else _joined(sheets, str(origin))
    again = isinstance(origin, str | Path) and str(origin) != "-"
    return replace(whole, reopen=partial(open_sheet, origin, wanted) if again else None)


def _sheet(part: Part, wanted: Wanted) -> Sheet:
    name, data, kind = part.name, part.data, typed.kind(part.data)
    if kind == "Parquet":
        data = typed.from_parquet(name, data)
        decisions = [Decision("Parquet", "the file begins as Parquet does")]
    else:
        data, decision = encoding.to_utf8(name, data, wanted)
        decisions = [decision]
        kind = typed.kind(data)
        if kind == "JSON":
            data = typed.from_json(name, data)
            decisions += [Decision("JSON", "the file begins with a record of JSON")]
    if b"\r" in data and b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    given = "," if kind else wanted.delimiter
    if kind is None:
        given = _without_comments(data, decisions) or given
        _without_preamble(data, given, decisions)
    head = _head(data)
    delimiter = given or sniff(head)
    if kind is None:
        decisions.append(_delimited(delimiter, wanted, given))
    sheet = Sheet(name, data, delimiter, (), _end_of_first(data), tuple(decisions),
                  counted="row" if kind else "line")  # fmt: skip
    later = sheet.second == len(data) or data.find(b'"', sheet.second) >= 0
    if later and data.count(b'"') % 2:
        sheet.check_quotes()
    return replace(sheet, sample=_sample(sheet, head))


def _delimited(delimiter: str, wanted: Wanted, given: str | None) -> Decision:
    spoken = {"\t": "tab", ";": "semicolons", "|": "pipes", " ": "spaces"}.get(delimiter, "")
    why = "cuts the first records into the most cells"
    if given:
        why = "asked for" if wanted.delimiter else "the first line says so"
    return Decision(spoken, f"delimiter {delimiter!r}: {why}")


def _sample(sheet: Sheet, head: str) -> tuple[tuple[str, ...], ...]:
    """Return the first records. Raises DataError for too many columns."""
    sample: list[tuple[str, ...]] = []
    cells = 0
    for line, record in sheet.records(io.StringIO(head, newline="")):
        if len(record) > MOST_COLUMNS:
            raise sheet.located(
                f"{len(record):,} columns; {MOST_COLUMNS:,} at most are read", line,
                hint="write long tables, with a row for each series and timestamp",
            )  # fmt: skip
        sample.append(tuple(record))
        cells += len(record)
        if len(sample) == SAMPLE_RECORDS or (cells > SAMPLE_CELLS and len(sample) > 1):
            break
    return tuple(sample)


def _without_comments(data: bytearray, decisions: list[Decision]) -> str | None:
    """Blank the lines before the table that are none of it; return a delimiter named there.

    Further lines that begin with `#` go too, once one stood above the table.
    """
    named = _SEPARATOR.match(data)
    if named:
        delimiter = named[1].decode("latin-1")
        data[: named.end(1)] = b""
        return delimiter
    begin = _begin(data)
    if data[begin : begin + 1] != b"#" or _heads(data, begin):
        return None
    count = len(_COMMENT.findall(data))
    data[:] = _COMMENT.sub(b"", data)
    decisions.append(
        Decision(
            f"{count:,} comment line{'s' * (count > 1)}",
            "comments: lines that begin with `#`, as the first one does",
        )
    )
    return None


def _without_preamble(data: bytearray, given: str | None, decisions: list[Decision]) -> None:
    """Blank the lines above the header that fill fewer cells than it and the rows below it."""
    head = io.StringIO(bytes(data[: PREAMBLE << 10]).decode(errors="ignore")).readlines()
    head = head[: min(PREAMBLE + 2, len(head) - (len(data) > PREAMBLE << 10))]
    for delimiter in given or DELIMITERS:
        try:
            rows = list(split(io.StringIO("".join(head)), delimiter))
        except csv.Error:
            continue
        at = _header([cells for _, cells in rows])
        if at is None:
            continue
        end = sum(len(line.encode()) for line in head[: rows[at - 1][0]])
        data[:end] = b"\n" * bytes(data[:end]).count(b"\n")
        decisions.append(Decision(
            f"{at:,} line{'s' * (at > 1)} above the table left out",
            "the first lines fill fewer cells than the header and the rows below it",
        ))  # fmt: skip
        return


def _header(records: list[list[str]]) -> int | None:
    """Return which of the first records is a header below lines that are none, else None."""
    filled = [max((k + 1 for k, cell in enumerate(r) if cell.strip()), default=0) for r in records]
    for at in range(1, len(records) - 1):
        names, first = records[at : at + 2]
        if max(filled[:at]) < filled[at] == len(names) == len(first) and \
                {len(record) for record in records[at:]} == {len(names)} and \
                not any(map(_is_datum, names)) and any(map(_is_datum, first)):  # fmt: skip
            return at
    return None


def _heads(data: bytearray, begin: int) -> bool:
    """Say whether the line at `begin` is a header though it begins with `#`; then uncover it."""
    lines = bytes(data[begin : begin + SAMPLE_BYTES]).splitlines()[:2]
    if len(lines) < 2 or lines[1].startswith(b"#"):
        return False
    head = b"\n".join(lines).decode(errors="replace")
    cut = sniff(head)
    records = [cells for _, cells in split(io.StringIO(head), cut)]
    if len({len(cells) for cells in records}) > 1 or len(records[0]) < 2:
        return False
    if len(records) < 2 or not any(map(_is_datum, records[1])):
        return False
    data[begin : begin + 1] = b""
    return True


def _joined(sheets: list[Sheet], name: str) -> Sheet:
    """Return the parts of a table as one, with one header. Raises DataError if they differ."""
    first = next((sheet for sheet in sheets if sheet.sample), sheets[0])
    headed = not _is_data(first) or sheets[-1].sample[:1] == first.sample[:1]
    whole, lines = first.data, first.data.count(b"\n")
    places, used = [Place(first.name, 1, 0)], [first]
    for sheet in sheets:
        if sheet is first or not sheet.sample:
            continue
        _check_alike(first, sheet, headed)
        if not whole.endswith(b"\n"):
            whole += b"\n"
            lines += 1
        skipped = sheet.second if headed else 0
        above = sheet.data.count(b"\n", 0, skipped)
        places.append(Place(sheet.name, lines + 1, above))
        lines += sheet.data.count(b"\n") - above
        whole += memoryview(sheet.data)[skipped:]
        sheet.data.clear()
        used.append(sheet)
    decision = Decision(f"{len(used):,} parts", f"parts: {', '.join(s.name for s in used[:5])}"
                        + (" ..." if len(used) > 5 else ""))  # fmt: skip
    return replace(first, name=name, data=whole, places=tuple(places),
                   decisions=(decision, *first.decisions))  # fmt: skip


def _is_data(sheet: Sheet) -> bool:
    """Say whether the first record holds a number, as no header of a part does."""
    return any(map(_is_datum, sheet.sample[0][1:]))


def _is_datum(cell: str) -> bool:
    return re.fullmatch(r"[+-]?[\d.,:/-]*\d[\d.,]*([eE][+-]?\d+)?", cell.strip()) is not None


def _check_alike(first: Sheet, other: Sheet, headed: bool) -> None:
    one, two = first.sample[0], other.sample[0]
    if (one != two) if headed else (len(one) != len(two)):
        raise other.error(
            f"columns {', '.join(two[:8])}, unlike {', '.join(one[:8])} of {first.name}", 0,
            hint="the parts of one table have the same columns; read the others by themselves",
        )  # fmt: skip
    if first.delimiter != other.delimiter:
        raise other.error(f"delimiter {other.delimiter!r}, unlike {first.name}", 0,
                          hint="the parts of one table are written alike")  # fmt: skip


def sniff(head: str) -> str:
    """Return the delimiter that cuts the first records of `head` into the most cells."""
    found = {d: _fewest_cells(head, d) for d in DELIMITERS}
    return max(found, key=found.__getitem__) if max(found.values()) > 1 else ","


def _fewest_cells(head: str, delimiter: str) -> int:
    fewest = 0
    try:
        for number, (_, cells) in enumerate(split(io.StringIO(head), delimiter)):
            fewest = min(fewest, len(cells)) if number else len(cells)
            if number == 20 or fewest == 1:
                break
    except csv.Error:
        return 0
    return fewest


def _head(data: bytearray) -> str:
    """Return whole lines from the start of `data`, about SAMPLE_BYTES of them."""
    if len(data) <= SAMPLE_BYTES:
        return data.decode("utf-8")
    end = data.find(b"\n", SAMPLE_BYTES)
    return data[: end if end >= 0 else len(data)].decode("utf-8")


def _end_of_first(data: bytearray) -> int:
    """Return where the record after the first one begins; blank lines before it are skipped."""
    begin = end = _begin(data)
    while True:
        end = data.find(b"\n", end) + 1
        if end == 0:
            return len(data)
        if data.count(b'"', begin, end) % 2 == 0:
            return end


def _begin(data: bytearray) -> int:
    """Return where the first line that is not blank begins."""
    begin = 0
    while bytes(data[begin : begin + 1]) in (b"\r", b"\n"):
        begin += 1
    return begin
