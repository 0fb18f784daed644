"""Lines in, forecasts out: what `follow` does between a read and a write.

Rows are gathered until a series comes again or no more have arrived; then they are absorbed in
one go, forecast, and written. So one series costs a call per row, and a thousand interleaved ones
a call per thousand.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.data.lines import DIGITS, quoted
from forecast.models.base import MEDIAN
from forecast.stream.feed import BadLineError, Feed, Reading
from forecast.stream.placing import Place
from forecast.stream.state import Stream

Floats = NDArray[np.float64]
KEYS = ("unique_id", "cutoff", "y", "outside", "ds", "mean")
TOLD = 5  # events of a kind that are told; then the 10th, the 100th, ...
WINDOW = 1000  # rows that rolling scores look back on
SKIPPED = ("bad line", "late row", "duplicate row", "row off the clock", "row too far ahead")
_WRITTEN = f"{{:.{DIGITS}g}}".format
_FATES = {"late": "late row", "duplicate": "duplicate row", "odd": "row off the clock",
          "far": "row too far ahead"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """How forecasts are written: `csv`, `tsv` or `jsonl`, a column per quantile level."""

    format: str
    levels: tuple[float, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return (*KEYS, *(f"{level:g}" for level in self.levels))

    def header(self) -> str:
        """Return the line of names; nothing for JSON."""
        return "" if self.format == "jsonl" else self._joined(self.names)

    def line(self, name: str, cells: list[str], texts: tuple[int, ...] = (1, 4)) -> str:
        """Return a line of the series `name`; `cells` are the others, empty where missing."""
        if self.format != "jsonl":
            return self._joined([quoted(name, self._separator), *cells])
        values = [json.dumps(name, ensure_ascii=False)]
        values += [f'"{c}"' if k in texts else c or "null" for k, c in enumerate(cells, 1)]
        pairs = zip(self.names, values, strict=True)
        return "{" + ", ".join(f'"{key}": {value}' for key, value in pairs) + "}\n"

    @property
    def _separator(self) -> str:
        return "\t" if self.format == "tsv" else ","

    def _joined(self, cells: Iterable[str]) -> str:
        return self._separator.join(cells) + "\n"


class Scores:
    """Rolling scores of one-step forecasts over the last WINDOW rows that had one."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, float, bool, bool]] = deque(maxlen=WINDOW)
        self.count = 0

    def add(self, y: float, quantiles: Floats, copied: float) -> None:
        """Count a row `y` with its quantiles (Q,) and the value a naive forecast would copy."""
        inside = [bool(quantiles[k] <= y <= quantiles[-1 - k]) for k in (0, 2)]
        self._rows.append((abs(y - quantiles[MEDIAN]), abs(y - copied), *inside))
        self.count += 1

    def spoken(self) -> str:
        """Say MASE and coverage."""
        error, copied, wide, narrow = np.array(self._rows, np.float64).T
        both = ~np.isnan(copied)
        base = float(copied[both].sum())
        mase = f"{float(error[both].sum()) / base:.3f}" if base > 0 else "unknown"
        return (
            f"last {len(error):,} of {self.count:,} rows: MASE {mase}, "
            f"{100 * wide.mean():.1f} % in the 95 % interval, {100 * narrow.mean():.1f} % in the "
            "80 % interval"
        )


class Follower:
    """Reads lines with `feed`, moves `stream`, and gives text to `write`, remarks to `say`.

    With `every` k a series is forecast after each k-th of its rows; with 0 only by `tick`.
    `replayed` expects the source to begin again: rows seen before are then no late ones.
    """

    def __init__(
        self,
        feed: Feed,
        stream: Stream,
        style: Style,
        write: Callable[[str], None],
        say: Callable[[str], None],
        every: int = 1,
        replayed: bool = False,
    ) -> None:
        self.feed, self.stream, self.style = feed, stream, style
        self._write, self._say = write, say
        self._every, self._replayed = every, replayed
        self.counts: Counter[str] = Counter()
        self.scores: Scores | None = None
        self._told: Counter[str] = Counter()
        self._since: Counter[int] = Counter()  # rows of a series since its last forecast
        self._fell: dict[int, float] = {}  # where the last row of a series fell, for `tick`
        self._moved: set[int] = set()

    def read(self, lines: Iterable[bytes]) -> None:
        """Take lines, forecast and write."""
        batch: dict[int, tuple[Place, Reading]] = {}
        for line in lines:
            self.counts["line"] += 1
            try:
                readings = self.feed.read(line)
            except BadLineError as error:
                self._skip("bad line", f"line {self.counts['line']:,}: {error}")
                continue
            for reading in readings:
                number = self.stream.series.number(reading.name)
                if number is None and (zone := self.feed.zones.get(reading.name)):
                    self.stream.settle(reading.name, zone)
                if number in batch:
                    self._flush(batch)
                    batch = {}
                if reading.value != reading.value and self._foretells(reading):
                    continue
                place = self.stream.place(reading.name, reading.time, reading.second)
                if self._admits(place):
                    batch[place.series] = place, reading
        self._flush(batch)

    def tick(self) -> None:
        """Forecast every series that has had a row since the last time."""
        waiting = [i for i in sorted(self._since) if self.stream.series.started(i)]
        if waiting:
            rows = [self.stream.series.last(i) for i in waiting]
            self._forecast(waiting, [y for _, y in rows], [self._fell[i] for i in waiting])
        self._since.clear()

    def summary(self) -> str:
        """Say what was read and what was skipped."""
        counts = self.counts
        parts = [f"{counts['row']:,} rows of {len(self._moved):,} series"]
        parts += [f"{counts[kind]:,} {kind.replace('row', 'rows').replace('line', 'lines')} skipped"
                  for kind in SKIPPED if counts[kind]]  # fmt: skip
        if counts["foretold row"]:
            parts.append(f"{counts['foretold row']:,} rows of what is known ahead")
        if counts["absent row"]:
            parts.append(f"{counts['absent row']:,} absent rows taken as missing")
        if counts["seen row"]:
            parts.append(f"{counts['seen row']:,} rows seen before")
        return "; ".join(parts)

    def _foretells(self, reading: Reading) -> bool:
        """Take a row without a value for what is known of its step, if it is that."""
        told = self.stream.foretold(reading.name, reading.time, reading.second, reading.beside)
        if told == "known":
            self.counts["foretold row"] += 1
        elif told == "late" and self._replayed:
            self.counts["seen row"] += 1
        elif told is not None and reading.time is not None:
            clock = self.stream.clock.label
            why = {"late": "behind the last row", "odd": f"off the clock, {clock}",
                   "far": "beyond 10 contexts ahead"}[told]  # fmt: skip
            when = self._spoken(reading.name, reading.time)
            self._skip(_FATES[told], f"series `{reading.name}`: {when} is {why}: skipped")
        return told is not None

    def _admits(self, place: Place) -> bool:
        """Count a row, say what is odd about it, and return whether it is to be absorbed."""
        name, fate = self.stream.series.ids[place.series], place.fate
        if fate in _FATES:
            if self._replayed and fate != "odd" and place.series not in self._moved:
                self.counts["seen row"] += 1
                return False
            when = self._spoken(name, place.time)
            self._skip(_FATES[fate], f"series `{name}`: {when} is {self._why(fate, place.series)}")
            return False
        if fate == "reset":
            self._tell("reset", f"series `{name}` starts anew at {self._spoken(name, place.time)}, "
                       "after a gap beyond 10 contexts")  # fmt: skip
        if fate == "restored":
            self._tell("restored", f"series `{name}` goes on at {self._spoken(name, place.time)}: "
                       "the jump ahead before was a false timestamp")  # fmt: skip
        self.counts["absent row"] += place.hole
        return True

    def _why(self, fate: str, series: int) -> str:
        if fate == "odd":
            return f"off the clock, {self.stream.clock.label}: skipped"
        last = self._spoken(self.stream.series.ids[series], self.stream.series.last(series)[0])
        return "there already: skipped" if fate == "duplicate" else f"before {last}: skipped"

    def _flush(self, batch: dict[int, tuple[Place, Reading]]) -> None:
        if not batch:
            return
        places = [place for place, _ in batch.values()]
        values = np.array([reading.value for _, reading in batch.values()])
        if self.scores is not None:
            self._score(self.scores, places, values)
        fell = self.stream.take(places, values, [reading.beside for _, reading in batch.values()])
        due = []
        for k, place in enumerate(places):
            i = place.series
            self._since[i] += 1
            self._fell[i] = float(fell[k])
            self._moved.add(i)
            if self._every and self._since[i] >= self._every and self.stream.series.started(i):
                due.append(k)
                del self._since[i]
        self.counts["row"] += len(places)
        if due:
            self._forecast([places[k].series for k in due], values[due], fell[due])

    def _score(self, scores: Scores, places: list[Place], values: Floats) -> None:
        for place, y in zip(places, values.tolist(), strict=True):
            quantiles = self.stream.expected(place)
            if quantiles is not None and y == y:
                scores.add(y, quantiles, self.stream.series.season_ago(place.series))
                if scores.count % WINDOW == 0:
                    self._say(scores.spoken())

    def _forecast(self, series: list[int], values: Iterable[float], fell: Iterable[float]) -> None:
        ahead = self.stream.forecast(series)
        if self.stream.beside.lacking:
            self._lack(self.stream.series.ids[series[0]])
        cutoffs = np.array([self.stream.series.last(i)[0] for i in series], np.int64)
        stamps = self.stream.write(series, np.concatenate([cutoffs[:, None], ahead.times], axis=1))
        numbers = np.concatenate([ahead.mean[:, :, None], ahead.quantiles], axis=2).tolist()
        out = []
        for k, (i, y, side) in enumerate(zip(series, values, fell, strict=True)):
            cutoff, *times = stamps[k].tolist()
            shown = [cutoff, _number(y), "" if side != side else f"{side:.0f}"]
            for time, row in zip(times, numbers[k], strict=True):
                cells = [*shown, time, *map(_number, row)]
                out.append(self.style.line(self.stream.series.ids[i], cells))
        self._write("".join(out))

    def _lack(self, name: str) -> None:
        """Say that covariates of the steps ahead were not known, as far as is known."""
        self.stream.beside.lacking = 0
        names = ", ".join(self.stream.beside.coding.sources("known"))
        self._tell(
            "lacking",
            f"series `{name}`: {names} of the steps ahead are not all given, and "
            "taken to stay; give them by `--future FILE`, or as rows without a value",
        )

    def _skip(self, kind: str, message: str) -> None:
        self.counts[kind] += 1
        self._tell(kind, message)

    def _tell(self, kind: str, message: str) -> None:
        """Say an event unless there were many of its kind."""
        self._told[kind] += 1
        count = self._told[kind]
        if count <= TOLD or str(count).strip("0") == "1":
            self._say(message if count <= TOLD else f"{message} ({count:,} so far)")

    def _spoken(self, name: str, time: int) -> str:
        return str(self.stream.clock.of((name,)).write(np.array([time], np.int64))[0])


def _number(value: float) -> str:
    return "" if value != value else _WRITTEN(value)
