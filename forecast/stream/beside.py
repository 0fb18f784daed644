"""The covariates of a stream: those of its rows, and what is known of the steps to come.

What is known of a step may come from a table, as a row without a value before the row itself, or,
as holidays do, from the calendar. On prices some are made of the columns that come, and of the
moves of the market. n series, H steps ahead; E covariates as a model sees them, static ones first,
then K known, then past ones.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.data import sessions
from forecast.data.covariates import Column, Covariates
from forecast.data.holidays import HOLIDAY, Holidays, days
from forecast.data.panel import Panel
from forecast.data.records import EVERY
from forecast.data.roles import ROLES
from forecast.forecaster import Forecaster
from forecast.stream.market import Market

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Cells = tuple[float | str, ...]  # of a row, in the order of `Beside.columns`


class Beside:
    """How the covariates of a model are coded, and what is known, by series and time."""

    def __init__(self, forecaster: Forecaster, future: Panel | None = None) -> None:
        self.coding, self.clock = forecaster.coding, forecaster.clock
        self._holidays = forecaster.holidays
        own = {column.name: column for column in self.coding.columns}
        self.columns = tuple(own.get(name, Column(name, role)) for role in ROLES
                             for name in forecaster.asked(role))  # fmt: skip
        self._made = [c.name for c in self.coding.columns if c.made_of]
        self.market = Market(self.coding)
        self.lacking = 0  # values that steps ahead lacked since this was last looked at
        first = len(self.coding.names("static"))
        self._known = slice(first, self.coding.ahead)
        self._holiday, self._moves = (self._place(name) for name in (HOLIDAY, sessions.MARKET))
        self._holiday = None if self._holidays is None else self._holiday
        self._free = {code: frozenset(each) for code, each in self._holidays.days.items()} \
            if self._holidays else {}  # fmt: skip
        self._own = dict(self._holidays.own) if self._holidays else {}
        self._steps: dict[str, dict[int, Floats]] = {}
        for i, name in enumerate(future.ids if future is not None else ()):
            assert future is not None
            rows = self._coded(future, i)
            for time, row in zip(future.row_times(i).tolist(), rows, strict=True):
                self._lay(name, time, row)

    def __len__(self) -> int:
        return len(self.coding)

    @property
    def holidays(self) -> Holidays | None:
        """What is known of holidays, with the places that rows told of new series."""
        return self._holidays and replace(self._holidays, own=dict(self._own))

    def code(
        self, names: Sequence[str], cells: Sequence[Cells], values: Floats | None = None,
        previous: Floats | None = None,
    ) -> Floats:  # fmt: skip
        """Return rows of cells, numbers or texts, as a model sees them (n, E); NaN if missing.

        What is made of columns needs the `values` (n,) of the rows and the `previous` ones too.
        """
        columns, coded = [], np.full((len(cells), len(self.columns)), np.nan)
        for k, column in enumerate(self.columns):
            given = [row[k] for row in cells]
            if self._holidays and column.name == self._holidays.column:
                self._own |= {n: str(c) for n, c in zip(names, given, strict=True) if c}
            if column.texts is not None:
                texts = tuple(sorted({str(cell) for cell in given} - {""}))
                place = {text: float(i) for i, text in enumerate(texts)} | {"": np.nan}
                given, column = [place[str(cell)] for cell in given], replace(column, texts=texts)
            coded[:, k] = given
            columns.append(column)
        rows = Covariates(tuple(columns), coded)
        if self._made and values is not None:
            rows = self._made_of(rows, values, previous)
        return self.coding.code(self._completed(rows))

    def _made_of(self, rows: Covariates, values: Floats, previous: Floats | None) -> Covariates:
        """Return `rows` with what days of trading show in place of the columns it is made of."""
        n = len(values)
        panel = Panel(tuple(map(str, range(n))), values, np.arange(n + 1), np.zeros(n, np.int64),
                      self.clock, np.zeros(n, np.int64), covariates=rows)  # fmt: skip
        made = sessions.derive(panel, self._made, previous).covariates
        assert made is not None
        return made

    def _completed(self, rows: Covariates) -> Covariates:
        """Return `rows` with the columns that no row tells, missing."""
        here = {column.name for column in rows.columns}
        more = tuple(column for column in self.coding.columns if column.name not in here)
        blank = np.full((len(rows.values), len(more)), np.nan)
        return Covariates((*rows.columns, *more), np.append(rows.values, blank, axis=1))

    def foretells(self, cells: Cells) -> bool:
        """Say whether a row without a value tells what is known of its step."""
        told = zip(self.columns, cells, strict=False)
        return any(column.role == "known" and _given(column, cell) for column, cell in told)

    def expect(self, name: str, time: int, cells: Cells) -> None:
        """Keep what a row tells of a step to come."""
        self._lay(name, time, self.code([name], [cells])[0, self._known])

    def expected(self, name: str) -> int:
        """Return of how many steps of a series something is known."""
        return len(self._steps.get(name, ()))

    def moved(self, rows: Floats, times: Times, values: Floats, previous: Floats) -> None:
        """Write the moves of the market into `rows` (n, E), if the model watches them."""
        if self.market.watched:
            rows[:, self._moves] = self.market.take(times, values, previous)

    def of_rows(
        self, names: Sequence[str], times: Times, before: Floats, given: Floats | None = None
    ) -> Floats:
        """Return the covariates (n, E) of a row of each series, and forget what was known of it.

        What is not `given` is as it was foretold, else as in the row `before` (n, E).
        """
        out = np.full_like(before, np.nan) if given is None else given.copy()
        for k, (name, time) in enumerate(zip(names, times.tolist(), strict=True)):
            told, own = self._told(name, time), out[k, self._known]
            if told is not None:
                out[k, self._known] = np.where(np.isnan(own), told, own)
            self._steps.get(name, {}).pop(time, None)
        if self._holiday is not None:
            out[:, self._holiday] = self._flags(names, times[:, None])[:, 0]
        return np.where(np.isnan(out), before, out)

    def ahead(self, names: Sequence[str], times: Times, last: Floats) -> Floats:
        """Return the static and the known covariates (n, H, static + K) of the steps `times`.

        `last` (n, E) are those of the last rows. What is not known is taken from the step before,
        and counted as lacking.
        """
        size = self._known.stop
        if self._known.start == size:
            return np.repeat(last[:, None, :size], times.shape[1], axis=1)
        out = np.full((*times.shape, size), np.nan)
        out[..., : self._known.start] = last[:, None, : self._known.start]
        for k, name in enumerate(names):
            for h, time in enumerate(times[k].tolist()):
                told = self._told(name, time)
                if told is not None:
                    out[k, h, self._known] = told
        if self._holiday is not None:
            out[..., self._holiday] = self._flags(names, times)
        self.lacking += int(np.isnan(out[..., self._known]).sum())
        for h in range(times.shape[1]):
            before = out[:, h - 1] if h else last[:, :size]
            out[:, h] = np.where(np.isnan(out[:, h]), before, out[:, h])
        return out

    def _place(self, name: str) -> int | None:
        """Return which of the columns a model sees is called `name`, None without it."""
        names = [coded for column in self.coding.columns for coded in column.coded]
        return names.index(name) if name in names else None

    def _flags(self, names: Sequence[str], times: Times) -> Floats:
        """Return the covariate of holidays (n, H) as a model sees it, NaN where none is known."""
        assert self._holidays is not None and self._holiday is not None
        day, out = days(self.clock.of(names), times), np.full(times.shape, np.nan)
        for k, name in enumerate(names):
            free = self._free.get(self._holidays.place or self._own.get(name, name))
            if free is not None:
                out[k] = [d in free if d <= self._holidays.until else np.nan for d in day[k]]
        at = self._holiday
        return np.asarray((out - self.coding.mean[at]) * self.coding.weight[at])

    def _coded(self, future: Panel, i: int) -> Floats:
        """Return what a table knows of the steps of its series `i` (rows, K)."""
        rows, given = slice(*future.offsets[i : i + 2]), future.covariates
        assert given is not None
        return self.coding.code(self._completed(given), ("known",))[rows]

    def _told(self, name: str, time: int) -> Floats | None:
        own, every = self._steps.get(name, {}).get(time), self._steps.get(EVERY, {}).get(time)
        if own is None or every is None:
            return every if own is None else own
        return np.where(np.isnan(own), every, own)

    def _lay(self, name: str, time: int, row: Floats) -> None:
        steps = self._steps.setdefault(name, {})
        old = steps.get(time)
        steps[time] = row if old is None else np.where(np.isnan(row), old, row)


def _given(column: Column, cell: float | str) -> bool:
    return cell == cell if column.texts is None else cell != ""
