"""Public holidays as a known covariate of each series, by the day on its clock.

The package `holidays` is asked once, when a table is read for a fit, for many years ahead. The
days are kept with the model, so that a forecast needs neither the package nor a file of the days
to come. N series, T rows, H steps to come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import DAY, YEAR, Clock, Times
from forecast.data.covariates import Column, Covariates
from forecast.errors import DataError, MissingPackageError, UsageError

if TYPE_CHECKING:
    from forecast.data.panel import Panel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOLIDAY = "holiday"  # what the covariate is called
IDS = "unique_id"  # stands for the column of ids, whatever that is called
AHEAD = 30  # years after the last row of a fit
EPOCH = date(1970, 1, 1)
WIDE = 1 << 32  # more than there are days


@dataclass(frozen=True, slots=True)
class Holidays:
    """Public holidays of the places in which series lie, in days since 1970-01-01.

    All series lie in `place`; without one each lies where `own` says, which a `column` told, or
    in the place that its id names. `until` is the last day up to which `days` are known.
    """

    days: Mapping[str, Sequence[int]]  # of each place
    until: int
    place: str | None = None
    column: str | None = None  # static covariate that names the place of a series
    own: Mapping[str, str] = field(default_factory=dict)  # by series id

    def places(self, ids: Sequence[str]) -> Ints:
        """Return in which of the places each series lies (N,), DataError for one in none."""
        number = {code: k for k, code in enumerate(self.days)}
        out = np.array([number.get(self._code(name), -1) for name in ids], np.int64)
        if (out < 0).any():
            name = ids[int((out < 0).argmax())]
            known = ", ".join(list(self.days)[:20])
            raise DataError(
                f"series `{name}`: the holidays where it lies are not known to the model",
                hint=f"it knows those of {known}; fit it anew with this series",
            )
        return out

    def free(self, places: Ints, days: Ints) -> Floats:
        """Return 1 where a day is a holiday in its place, else 0, as `days` (...) are.

        Raises DataError for a day after the last one of which that is known.
        """
        if days.size and int(days.max()) > self.until:
            last = np.datetime64(self.until, "D")
            raise DataError(f"holidays are known up to {last}, and a step is later",
                            hint="fit the model anew, with newer rows")  # fmt: skip
        holidays = np.concatenate(
            [WIDE * k + np.asarray(each, np.int64) for k, each in enumerate(self.days.values())]
        )
        return np.isin(WIDE * places + days, holidays).astype(np.float64)

    def _code(self, name: str) -> str:
        return self.place or self.own.get(name, name)

    def joined(self, other: "Holidays | None") -> "Holidays":
        """Return these, with the places of the series of `other` too."""
        return replace(self, own={**self.own, **other.own}) if other else self

    def forget(self) -> "Holidays":
        """Return these without the id of any series."""
        return replace(self, own={})


def beside(panel: "Panel", asked: "str | Holidays") -> "Panel":
    """Return `panel` with the known covariate `holiday`.

    `asked` is the code of a country, also with a part of it (`DE`, `DE-BY`), or the column that
    holds the code of each series: that of the ids, or a static covariate; or what a fitted model
    knows. Raises DataError for an unknown code and a clock that does not tell days apart,
    UsageError for another column, MissingPackageError without the package `holidays`.
    """
    clock = panel.clock
    if clock.kind not in ("fixed", "trading") or (clock.kind == "fixed" and clock.step > DAY):
        raise DataError(f"{panel.source}: holidays are days, and the rows are {clock.label}",
                        hint="leave `--holidays` out")  # fmt: skip
    found = _learned(panel, asked) if isinstance(asked, str) else _extended(panel, asked)
    ahead = panel.future
    return replace(
        panel, holidays=found, covariates=_with_flags(panel, found),
        future=ahead and replace(ahead, holidays=found, covariates=_with_flags(ahead, found)),
    )  # fmt: skip


def days(clock: Clock, times: Times) -> Ints:
    """Return the days of `times` on the wall clock, or on those it is of, since 1970-01-01."""
    return np.asarray(clock.local(times) // DAY, np.int64)


def _with_flags(panel: "Panel", known: Holidays) -> Covariates:
    """Return the covariates of `panel` with `holiday` as the last of the known ones."""
    series = np.repeat(np.arange(len(panel)), panel.lengths)
    clock = panel.clock.of(panel.ids).at(series)
    flags = known.free(known.places(panel.ids)[series], days(clock, panel.all_times()))
    given = panel.covariates or Covariates((), np.zeros((len(flags), 0)))
    if any(column.name == HOLIDAY for column in given.columns):
        raise UsageError(f"there is a covariate `{HOLIDAY}` beside `--holidays`",
                         hint="leave one of them out")  # fmt: skip
    at = sum(column.role != "past" for column in given.columns)
    columns = (*given.columns[:at], Column(HOLIDAY, "known"), *given.columns[at:])
    return Covariates(columns, np.insert(given.values, at, flags, axis=1))


def _learned(panel: "Panel", asked: str) -> Holidays:
    """Return the holidays of the places that `asked` names, for the years of `panel` and ahead."""
    layout = panel.layout
    columns = layout.columns if layout else ()
    by_id = asked == IDS or (layout and layout.id is not None and asked == columns[layout.id])
    own = _by_column(panel, asked)
    if not by_id and own is None and asked in columns:
        raise UsageError(
            f"`--holidays {asked}` is neither the column of ids nor a static covariate",
            hint=f"`--static {asked} --holidays {asked}`",
        )
    place = None if by_id or own is not None else asked
    codes = [place] if place else sorted(set(panel.ids if by_id else own.values() if own else ()))
    first, last = (1970 + int(t // YEAR) for t in (panel.starts.min(), panel.ends.max()))
    found = {code: _asked(panel, code, first - 1, last + AHEAD) for code in codes}
    until = int(np.datetime64(f"{last + AHEAD}-12-31", "D").astype(np.int64))
    return Holidays(found, until, place, asked if own is not None else None, own or {})


def _by_column(panel: "Panel", name: str) -> dict[str, str] | None:
    """Return what the static covariate `name` holds by series id; None where there is none."""
    for k, column in enumerate(panel.covariates.columns if panel.covariates else ()):
        if column.name != name or column.role != "static" or column.texts is None:
            continue
        assert panel.covariates is not None
        some = panel.lengths > 0
        codes = panel.covariates.values[panel.offsets[:-1][some], k]
        ids = [i for i, kept in zip(panel.ids, some, strict=True) if kept]
        if np.isnan(codes).any():
            raise DataError(
                f"{panel.source}, column `{name}`: series `{ids[int(np.isnan(codes).argmax())]}` "
                "names no place", hint="fill that column in every series",
            )  # fmt: skip
        return {i: column.texts[int(code)] for i, code in zip(ids, codes, strict=True)}
    return None


def _extended(panel: "Panel", known: Holidays) -> Holidays:
    """Return `known` with the places of the series of `panel`, where a column says them."""
    if known.place or not known.column:
        return known
    return replace(known, own={**known.own, **(_by_column(panel, known.column) or {})})


def _asked(panel: "Panel", code: str, first: int, last: int) -> tuple[int, ...]:
    """Return the holidays of a place in the years `first`..`last`, sorted."""
    try:
        import holidays
    except ImportError as error:
        raise MissingPackageError(
            "`--holidays` needs the package `holidays`",
            hint="`pip install 'recurrent-forecast[holidays]'`",
        ) from error
    country, _, part = code.partition("-")
    try:
        found = holidays.country_holidays(country, part or None, years=range(first, last + 1))
    except (NotImplementedError, ValueError) as error:
        raise _unknown(panel, code, holidays.list_supported_countries()) from error
    return tuple(sorted((day - EPOCH).days for day in found))


def _unknown(panel: "Panel", code: str, known: Mapping[str, Sequence[str]]) -> DataError:
    """Return the error about `code` that names those near it."""
    from difflib import get_close_matches

    country, _, part = code.partition("-")
    parts = [f"{country}-{each}" for each in known.get(country, ())]
    if part and country in known:
        near = parts[:12] or [country]
    else:
        near = get_close_matches(code.upper(), known, n=5, cutoff=0.5) or ["DE", "FR", "GB", "US"]
    return DataError(f"{panel.source}: no holidays are known of `{code}`",
                     hint=f"codes near it: {', '.join(near)}; a part of one: DE-BY")  # fmt: skip
