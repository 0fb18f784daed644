"""Covariates: columns beside the values of a panel, as they came and as a model sees them.

As they came they are numbers, or texts of which each row has the place; NaN where missing. A model
sees columns of mean 0 and variance 1, one for each text, filled from the past alone.
T rows, N series, C columns as they came, E as a model sees them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from forecast.data.roles import ROLES, Role
from forecast.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST = 20  # texts of a column that are told apart, the most frequent; others count as none of them
WIDEST = 10.0  # standard deviations that a covariate may be away from its mean


@dataclass(frozen=True, slots=True)
class Column:
    """A covariate; `texts` are what its numbers stand for, None where they count.

    One that is `made_of` others, or of the values alone, has a unit of its own: a model sees it
    about its mean, but not in standard deviations.
    """

    name: str
    role: Role
    texts: tuple[str, ...] | None = None
    made_of: tuple[str, ...] | None = None

    @property
    def coded(self) -> tuple[str, ...]:
        """Names of the columns that a model sees; one is enough to tell two texts apart."""
        if self.texts is None:
            return (self.name,)
        told = self.texts[1:] if len(self.texts) == 2 else self.texts
        return tuple(f"{self.name}={text}" for text in told)

    def code(self, given: "Column", values: Floats) -> Floats:
        """Return `values` (...) of the column `given` as the columns (..., E) a model sees."""
        if self.texts is None and given.texts is None:
            return values[..., None]
        if self.texts is None or given.texts is None:
            ours, theirs = ("numbers", "texts")[:: 1 if self.texts is None else -1]
            raise DataError(f"`{self.name}` holds {theirs}; the model was fitted on {ours}",
                            hint="write it as in the data of the fit")  # fmt: skip
        place = {text: k for k, text in enumerate(given.texts)}
        told = self.texts[1:] if len(self.texts) == 2 else self.texts
        out = (values[..., None] == np.array([place.get(text, -1) for text in told])) * 1.0
        return np.asarray(np.where(np.isnan(values)[..., None], np.nan, out))


@dataclass(frozen=True, slots=True, eq=False)
class Covariates:
    """Columns of T rows: static ones first, then known, then past."""

    columns: tuple[Column, ...]
    values: Floats  # (T, C)

    def take(self, rows: Ints) -> "Covariates":
        """Return the rows numbered `rows`."""
        return Covariates(self.columns, self.values[rows])

    def spread(self, rows: Ints, count: int) -> "Covariates":
        """Return `count` rows that are missing but for these, which go to `rows`."""
        values = np.full((count, len(self.columns)), np.nan)
        values[rows] = self.values
        return Covariates(self.columns, values)

    def named(self, role: Role) -> tuple[str, ...]:
        """Return the names of the columns that play `role`."""
        return tuple(column.name for column in self.columns if column.role == role)

    def places(self, role: Role) -> Ints:
        """Return which columns play `role`."""
        return np.flatnonzero([column.role == role for column in self.columns])


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """How columns become those of a model; learned from the rows of a fit.

    `mean` and `weight` (E,) standardise; the weight of a column with one value only is 0.
    """

    columns: tuple[Column, ...] = ()
    mean: Floats = field(default_factory=lambda: np.zeros(0))
    weight: Floats = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.mean)

    def names(self, role: Role) -> tuple[str, ...]:
        """Return the names of the columns that a model sees, of one role."""
        return tuple(name for c in self.columns if c.role == role for name in c.coded)

    def sources(self, role: Role) -> tuple[str, ...]:
        """Return the names of the columns as they come in a table, of one role."""
        own = [c for c in self.columns if c.role == role]
        return tuple(name for c in own for name in ((c.name,) if c.made_of is None else c.made_of))

    def only(self, name: str) -> "Coding":
        """Return the coding of the column called `name`."""
        return self._part([column.name == name for column in self.columns])

    def without(self, name: str) -> "Coding":
        """Return the coding of all columns but that called `name`."""
        return self._part([column.name != name for column in self.columns])

    def _part(self, which: Sequence[bool]) -> "Coding":
        columns = tuple(c for c, kept in zip(self.columns, which, strict=True) if kept)
        sizes = np.array([len(column.coded) for column in self.columns], np.int64)
        each = np.repeat(np.array(which, np.bool_), sizes)
        return Coding(columns, self.mean[each], self.weight[each])

    @property
    def ahead(self) -> int:
        """How many of the E columns are there for steps ahead: static and known ones."""
        return len(self.names("static")) + len(self.names("known"))

    def to_come(self, last: Floats, known: Floats | None, horizon: int) -> Floats:
        """Return the static and the known columns (N, H, E) of steps after rows `last` (N, E).

        `known` (N, H, K); what is missing there is taken from the step before.
        """
        static, size = len(self.names("static")), self.ahead
        last = last[:, :size]
        out = np.repeat(last[:, None], horizon, axis=1)
        if size > static and known is not None:
            offsets = np.arange(len(last) + 1) * horizon
            flat = carried(known.reshape(-1, size - static), offsets, last[:, static:])
            out[..., static:] = flat.reshape(known.shape)
        return out

    def code(self, covariates: Covariates | None, roles: Sequence[Role] = ROLES) -> Floats:
        """Return the columns of `roles` as a model sees them (T, E), NaN where missing.

        Raises DataError for a column that is not there or holds something else than at the fit.
        """
        return self.seen(self.told(covariates, roles), roles)

    def seen(self, told: Floats, roles: Sequence[Role] = ROLES) -> Floats:
        """Return the columns of `roles` (..., E), a number each, as a model sees them."""
        kept = np.array([c.role in roles for c in self.columns for _ in c.coded], np.bool_)
        return np.asarray(np.clip((told - self.mean[kept]) * self.weight[kept], -WIDEST, WIDEST))

    def told(self, covariates: Covariates | None, roles: Sequence[Role] = ROLES) -> Floats:
        """Return the columns of `roles` (T, E), a number each, not yet standardised."""
        own = [column for column in self.columns if column.role in roles]
        given = {} if covariates is None else {c.name: k for k, c in enumerate(covariates.columns)}
        lacking = [column.name for column in own if column.name not in given]
        if lacking:
            raise DataError(
                f"no column `{lacking[0]}`, which the model was fitted with",
                hint=f"give rows with the columns {', '.join(c.name for c in own)}",
            )
        if covariates is None:
            return np.zeros((0, 0))
        parts = [np.zeros((*covariates.values.shape[:-1], 0))]
        for column in own:
            k = given[column.name]
            parts.append(column.code(covariates.columns[k], covariates.values[..., k]))
        return np.concatenate(parts, axis=-1)


def learn(covariates: Covariates | None, roles: Sequence[Role] = ROLES) -> Coding:
    """Return the coding of the columns that play one of `roles`, by all rows given."""
    if covariates is None:
        return Coding()
    columns = [
        _told(column, covariates.values[:, k])
        for k, column in enumerate(covariates.columns)
        if column.role in roles
    ]
    raw = Coding(tuple(sorted(columns, key=lambda column: ROLES.index(column.role))))
    values = raw.told(covariates)
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    off = np.where(known, values - mean, 0.0)
    deviation = np.sqrt(np.square(off).sum(axis=0) / count)
    varies = deviation > 1e-9 * np.abs(mean)
    own_unit = np.array([c.made_of is not None for c in raw.columns for _ in c.coded], np.bool_)
    weight = np.where(varies, 1 / np.where(varies & ~own_unit, deviation, 1.0), 0.0)
    return replace(raw, mean=mean, weight=weight)


def _told(column: Column, values: Floats) -> Column:
    """Return `column` with the texts that are told apart, sorted."""
    if column.texts is None:
        return column
    seen = values[~np.isnan(values)].astype(np.int64)
    count = np.bincount(seen, minlength=len(column.texts))
    usual = np.argsort(-count, kind="stable")[:MOST]
    return replace(column, texts=tuple(sorted(column.texts[k] for k in usual if count[k])))


def constant(coding: Coding) -> tuple[str, ...]:
    """Return the known and past columns that had one value only in the rows of the fit."""
    out, place = [], 0
    for column in coding.columns:
        size = len(column.coded)
        if column.role != "static" and not coding.weight[place : place + size].any():
            out.append(column.name)
        place += size
    return tuple(out)


def carried(values: Floats, offsets: Ints, before: Floats) -> Floats:
    """Return `values` (T, E) with what is missing taken from the row before, in the same series.

    `before` (N, E) stands before the first row of each.
    """
    gone = np.isnan(values)
    if not gone.any():
        return values
    lengths = np.diff(offsets)
    source = np.maximum.accumulate(np.where(gone, -1, np.arange(len(values))[:, None]), axis=0)
    own = source >= np.repeat(offsets[:-1], lengths)[:, None]
    found = np.take_along_axis(values, np.maximum(source, 0), axis=0)
    return np.where(own, found, np.repeat(before, lengths, axis=0))
