"""What a model is: a frozen config, named arrays, and three verbs over a carried state.

Models see the transformed series `z` (scaled, logged or not), never the raw one, and know the
calendar only as phases. Covariates stand behind the phases in the same array, static ones first,
then known, then past: S + 1 + D + K + P columns for rows that are absorbed, without the past ones
for steps that are forecast. They are finite and of mean 0 and variance 1 over the training rows.
A model that has no use for covariates reads the first S + 1 columns. A state is a dict of arrays
whose leading axis is the series, so that states can be cut, joined and saved without knowing the
model.

Shapes: N series, T rows, H horizon, Q quantile levels, S seasons; D static, K known, P past
covariates.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
State = dict[str, NDArray[Any]]

LEVELS = (0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.975)
MEDIAN = LEVELS.index(0.5)
NORMAL = np.array([  # (Q,) of a standard normal, as `statistics`, slow to load, gives them
    -1.9599639845400538, -1.6448536269514726, -1.2815515655446008, -0.8416212335729142,
    -0.6744897501960817, -0.5244005127080407, -0.2533471031357998, 0.0, 0.2533471031357998,
    0.5244005127080407, 0.6744897501960817, 0.8416212335729144, 1.2815515655446008,
    1.6448536269514715, 1.9599639845400536,
])  # fmt: skip
COLD = -1  # the number of a series that was not there at the fit


@dataclass(frozen=True, slots=True)
class Setting:
    """What every model of a panel must know; filled in by the forecaster, saved with the config."""

    horizon: int
    seasons: tuple[int, ...] = ()  # steps, shortest first; phases come in the same order
    difference: bool = False  # prices: model the changes of z, forecast from its last value
    year: bool = False  # whether the history is long enough to learn the time of year
    seed: int = 0
    static: tuple[str, ...] = ()  # columns of covariates behind the phases, in this order
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()

    @property
    def columns(self) -> int:
        """Phases and covariates of a row that is absorbed, S + 1 + D + K + P."""
        return len(self.seasons) + 1 + len(self.static) + len(self.known) + len(self.past)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Quantiles of z over the horizon, and the scale in which its errors are counted."""

    quantiles: Floats  # (N, H, Q) at LEVELS; a model without a spread repeats its median
    scale: Floats  # (N, H) > 0, in units of z


class Model(Protocol):
    """A fitted model: what is saved, what serves `predict` and `update`."""

    config: Any
    setting: Setting
    arrays: Arrays

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state before any row of the series numbered `series` (N,), COLD if unknown."""
        ...

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry `state` over rows `z` (N, T), NaN where missing, at `phases` (N, T, columns)."""
        ...

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Forecast the steps at `phases` (N, H, all but the past ones) that follow the state."""
        ...


@dataclass(frozen=True, slots=True)
class History:
    """The rows a model learns from, flat as in a panel.

    The last `validation[i]` rows of series `i` are for choosing (early stopping, ridge), not for
    learning; all 0 when everything was chosen before.
    """

    z: Floats  # (T,) transformed, NaN where missing
    phases: Floats  # (T, S + 1 + D + K + P)
    offsets: NDArray[np.int64]  # (N + 1,)
    validation: NDArray[np.int64]  # (N,)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def rows(self) -> NDArray[np.int64]:
        """How many rows of each series may be learnt from (N,)."""
        return np.asarray(np.diff(self.offsets) - self.validation)

    def training(self, i: int) -> slice:
        """Return where the rows of series `i` lie that may be learnt from."""
        return slice(int(self.offsets[i]), int(self.offsets[i + 1] - self.validation[i]))

    def whole(self, i: int) -> slice:
        """Return where all rows of series `i` lie."""
        return slice(int(self.offsets[i]), int(self.offsets[i + 1]))


def gaussian(median: Floats, scale: Floats) -> Prediction:
    """Return normal quantiles around `median` (N, H) with standard deviation `scale` (N, H)."""
    return Prediction(median[..., None] + scale[..., None] * NORMAL, scale)


def known(values: Floats, series: NDArray[np.int64]) -> Floats:
    """Return one entry of `values` (fitted series, ...) per series; a COLD one gets the median."""
    if len(series) and series.min() != COLD:
        return values[series]
    cold = _median(values) if len(values) else values
    return np.where(_column(series == COLD, values), cold, values[np.maximum(series, 0)])


def _median(values: Floats) -> Floats:
    """Return the median (1, ...) of `values` (N, ...): np.median loads masked arrays, this none."""
    middle, rest = divmod(len(values) - 1, 2)
    both = np.sort(values, axis=0)[middle : middle + rest + 1]
    return np.asarray(both.mean(axis=0, keepdims=True))


def _column(mask: NDArray[np.bool_], values: Floats) -> NDArray[np.bool_]:
    return mask.reshape(-1, *[1] * (values.ndim - 1))


def push(ring: Floats, rows: Floats) -> Floats:
    """Return `ring` (N, C) with `rows` (N, T) pushed in at the end; still (N, C)."""
    size = ring.shape[1]
    if rows.shape[1] >= size:
        return rows[:, rows.shape[1] - size :].astype(ring.dtype, copy=True)
    return np.concatenate([ring[:, rows.shape[1] :], rows], axis=1)
