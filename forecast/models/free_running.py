"""Free running: a network that hears its own forecasts, one step at a time.

    z[T+k] = level[T+k-1] + spread f[T+k-1] W_1    W_1: the readout of one step ahead        (1)

where f is what the network shows after it has absorbed z[T+1..T+k-1] as if they were observed
(Jaeger and Haas 2004). A run that leaves the range the readout has learnt from by more than
any value may, or is no number, has diverged: it says nothing, and the direct forecast stands in.

Shapes: N series, H horizon.
"""

import warnings
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import Floats, State

FARTHEST = 8.0  # spreads from the level at the cutoff; beyond, a run has diverged


class Network(Protocol):
    """What runs free."""

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry `state` over rows `z` (N, T)."""
        ...

    def next(self, state: State, phases: Floats) -> Floats:
        """Return (1) (N,), the value at `phases` (N, columns) that follows `state`."""
        ...

    def reach(self, state: State) -> tuple[Floats, Floats]:
        """Return the level and the spread (N,) at the cutoff."""
        ...


def run(network: Network, state: State, phases: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return z (N, H) at `phases` (N, H, columns), and which runs (N,) have diverged."""
    level, spread = network.reach(state)
    z: Floats = np.empty((len(phases), phases.shape[1]))
    with np.errstate(all="ignore"):
        for k in range(z.shape[1]):
            z[:, k] = network.next(state, phases[:, k])
            lost = ~(np.abs(z[:, k] - level) <= FARTHEST * spread)
            z[lost, k] = np.nan
            state = network.absorb(state, z[:, k : k + 1], phases[:, k : k + 1])
    return z, np.asarray(np.isnan(z).any(axis=1))


def say(diverged: NDArray[np.bool_]) -> None:
    """Warn of runs that have diverged."""
    if diverged.any():
        warnings.warn(
            f"free running left the range of the data in {int(diverged.sum()):,} of "
            f"{len(diverged):,} forecasts: these are direct ones",
            stacklevel=2,
        )
