"""What a day of trading shows beside its close: range, gap overnight, volume, the market.

    range   log(high / low)                    from the row alone                             (1)
    gap     log |log(open / close before)|     where the close lies between low and high      (2)
    volume  log(volume)                                                                       (3)
    market  log mean |log(close / close before)| over the series that traded at that time     (4)

Prices are levels: as they came they would say when, not how wild. These are ratios, so neither a
split nor a currency changes them, and each is known when the close is. Parkinson (1980) and Garman
and Klass (1980) measure spreads by ranges. NaN where something is missing, a range or a volume is
not positive, or an open is of another kind of price than the close (adjusted, or not).

Shapes: T rows, N series, C columns.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import Times
from forecast.data.covariates import Column, Covariates
from forecast.data.panel import Panel
from forecast.errors import DataError

Floats = NDArray[np.float64]

RANGE, GAP, VOLUME, MARKET = "log high/low", "log overnight gap", "log volume", "log market move"
SOURCES = {RANGE: ("high", "low"), GAP: ("open",), VOLUME: ("volume",)}
ENOUGH = 5  # series that make a market
LEAST = 1e-4  # of a change or a gap: a smaller one is counted as this
SAME = 1e-3  # share by which a close may lie beyond low and high, for rounding


def recognised(panel: Panel) -> dict[str, tuple[str, ...]]:
    """Return which of (1) to (3) the past covariates of a panel give, and their own names."""
    own = _own(panel)
    return {
        name: tuple(own[source] for source in sources)
        for name, sources in SOURCES.items()
        if all(source in own for source in sources)
    }


def told(panel: Panel) -> str:
    """Say what is made of the columns of a panel, empty where nothing is."""
    made = {RANGE: "the day's range", GAP: "the gap overnight", VOLUME: "its change"}
    found = recognised(panel)
    said = [f"{' and '.join(columns)} as {made[name]}" for name, columns in found.items()]
    said += [f"{name} not at all, as one end is no range" for name in _lone(panel, found)]
    return f"prices: {', '.join(said)}" if said else ""


def derive(
    panel: Panel, names: Collection[str] | None = None, previous: Floats | None = None
) -> Panel:
    """Return `panel` with (1) to (4) in place of the columns they are made of.

    `names` are those that are wanted, by default all that the panel gives; (4) takes several
    series. `previous` (N,) are the values before the first rows, NaN where there is none. What is
    there already is left as it is. Raises DataError where one cannot be made.
    """
    columns = () if panel.covariates is None else panel.covariates.columns
    here = {column.name for column in columns}
    found = recognised(panel)
    if names is None:
        names = [*found, *([MARKET] if is_market(panel) else [])]
    wanted = [name for name in (*SOURCES, MARKET) if name in names and name not in here]
    _check(wanted, found, panel)
    gone = {own for name in wanted for own in found.get(name, ())} | set(_lone(panel, found))
    if not wanted and not gone:
        return panel
    before = _before(panel, previous)
    made = {
        Column(name, "past", made_of=found.get(name, ())): _MADE[name](panel, before, found)
        for name in wanted
    }
    return _with(panel, made, gone)


def without_market(panel: Panel) -> Panel:
    """Return `panel` without (4)."""
    if panel.covariates is None or MARKET not in {c.name for c in panel.covariates.columns}:
        return panel
    return _with(panel, {}, {MARKET})


def is_market(panel: Panel) -> bool:
    """Whether a panel has enough series for (4)."""
    return bool(np.count_nonzero(panel.lengths > 1) >= ENOUGH)


def _own(panel: Panel) -> dict[str, str]:
    """Return the past columns of numbers, by their names in small letters."""
    columns = () if panel.covariates is None else panel.covariates.columns
    return {c.name.lower(): c.name for c in columns if c.role == "past" and c.texts is None}


def _lone(panel: Panel, found: dict[str, tuple[str, ...]]) -> list[str]:
    """Return high or low where the other one is not there."""
    own = _own(panel)
    return [own[name] for name in ("high", "low") if name in own and RANGE not in found]


def _check(wanted: list[str], found: dict[str, tuple[str, ...]], panel: Panel) -> None:
    for name in wanted:
        if name in SOURCES and name not in found:
            columns = ", ".join(f"`{source}`" for source in SOURCES[name])
            raise DataError(
                f"{panel.source}: no column {columns}, which the model was fitted with",
                hint="give rows with the columns of the fit",
            )


def _with(panel: Panel, made: dict[Column, Floats], gone: set[str]) -> Panel:
    """Return `panel` with the columns `made` behind its own, less those that are `gone`."""
    old = panel.covariates or Covariates((), np.zeros((len(panel.values), 0)))
    kept = [k for k, column in enumerate(old.columns) if column.name not in gone]
    columns = [old.columns[k] for k in kept]
    columns += made
    if not columns:
        return replace(panel, covariates=None)
    values = np.column_stack([old.values[:, kept], *made.values()])
    return replace(panel, covariates=Covariates(tuple(columns), values))


def _before(panel: Panel, previous: Floats | None) -> Floats:
    """Return the last value before each row (T,), of the same series."""
    y = panel.values
    place = np.maximum.accumulate(np.where(np.isnan(y), -1, np.arange(len(y))))
    place = np.concatenate([[-1], place])[: len(y)]
    own = place >= np.repeat(panel.offsets[:-1], panel.lengths)
    start = np.full(len(panel), np.nan) if previous is None else previous
    first = np.repeat(start, panel.lengths)
    return np.where(own, y[np.maximum(place, 0)] if len(y) else y, first)


def _column(panel: Panel, name: str) -> Floats:
    """Return a column (T,) of positive numbers, NaN elsewhere."""
    assert panel.covariates is not None
    place = [c.name for c in panel.covariates.columns].index(name)
    values = panel.covariates.values[:, place]
    return np.where((values > 0) & np.isfinite(values), values, np.nan)


def _range(panel: Panel, before: Floats, found: dict[str, tuple[str, ...]]) -> Floats:
    high, low = (_column(panel, name) for name in found[RANGE])
    width = np.log(high / low)
    return np.log(np.where(width > 0, width, np.nan))  # (1), a logarithm as the others


def _gap(panel: Panel, before: Floats, found: dict[str, tuple[str, ...]]) -> Floats:
    opened = _column(panel, found[GAP][0])
    if RANGE in found:
        high, low = (_column(panel, name) for name in found[RANGE])
        y = panel.values
        opened = np.where((y < low * (1 - SAME)) | (y > high * (1 + SAME)), np.nan, opened)
    return np.log(np.maximum(moves(opened, before), LEAST))  # (2)


def _volume(panel: Panel, before: Floats, found: dict[str, tuple[str, ...]]) -> Floats:
    return np.log(_column(panel, found[VOLUME][0]))  # (3)


def _market(panel: Panel, before: Floats, found: dict[str, tuple[str, ...]]) -> Floats:
    return market(panel.all_times(), panel.values, before)


def market(times: Times, values: Floats, before: Floats) -> Floats:
    """Return (4) (T,) of `values` (T,) at `times` that follow `before` (T,)."""
    size = moves(values, before)
    _, at = np.unique(times, return_inverse=True)
    seen = ~np.isnan(size)
    count = np.bincount(at[seen], minlength=at.max(initial=-1) + 1)
    total = np.bincount(at[seen], size[seen], len(count))
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return np.log(np.maximum(mean, LEAST))[at]  # (4)


def moves(values: Floats, before: Floats) -> Floats:
    """Return the absolute log returns (T,) of `values` after `before`, NaN where there is none."""
    y, last = (np.where(x > 0, x, np.nan) for x in (values, before))
    return np.asarray(np.abs(np.log(y / last)))


_MADE = {RANGE: _range, GAP: _gap, VOLUME: _volume, MARKET: _market}
