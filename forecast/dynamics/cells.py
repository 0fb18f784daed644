"""Recurrent cells in float64, each with its step and its Jacobian.

    x[t] = F(x[t-1], w[t]),  w[t] what the input adds inside the cell                       (1)
    J[t] = dx[t] / dx[t-1]                                                                  (2)

Shapes: R units, D numbers that enter a cell (R, or 3 R for the GRU).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forecast.models.base import Floats


class Cell(Protocol):
    """A recurrent cell in float64."""

    @property
    def units(self) -> int:
        """Return R."""
        ...

    def step(self, w: Floats, x: Floats) -> Floats:
        """Return the next state (R,) from the input `w` (D,) and the state `x` (R,)."""
        ...

    def jacobian(self, w: Floats, x: Floats) -> Floats:
        """Return (2) (R, R) at `w` (D,) and `x` (R,)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Leaky:
    """x' = (1 - a) x + a f(w + A x): a reservoir, or with a = 1 an Elman network."""

    A: Floats  # (R, R)
    leak: float = 1.0
    activation: str = "tanh"  # or relu, linear

    @property
    def units(self) -> int:
        """Return R."""
        return len(self.A)

    def step(self, w: Floats, x: Floats) -> Floats:
        """Return the next state (R,)."""
        s = w + self.A @ x
        shapes: dict[str, Callable[[Floats], Floats]] = {
            "tanh": np.tanh, "relu": lambda v: np.maximum(v, 0.0), "linear": lambda v: v,
        }  # fmt: skip
        return np.asarray((1 - self.leak) * x + self.leak * shapes[self.activation](s))

    def jacobian(self, w: Floats, x: Floats) -> Floats:
        """Return (1 - a) I + a diag(f') A (R, R)."""
        s = w + self.A @ x
        slopes = {"tanh": 1 - np.tanh(s) ** 2, "relu": (s > 0) * 1.0, "linear": np.ones_like(s)}
        J = self.leak * slopes[self.activation][:, None] * self.A
        J[np.diag_indices_from(J)] += 1 - self.leak
        return np.asarray(J)


@dataclass(frozen=True, slots=True, eq=False)
class Gated:
    """The GRU cell of `models/recurrent.py`, (4) to (6) there."""

    U: Floats  # (R, 3 R): reset, update, candidate
    c: Floats  # (R,)

    @property
    def units(self) -> int:
        """Return R."""
        return len(self.U)

    def step(self, w: Floats, x: Floats) -> Floats:
        """Return the next state (R,)."""
        _, z, new, _ = self._gates(w, x)
        return z * x + (1 - z) * new

    def jacobian(self, w: Floats, x: Floats) -> Floats:
        """Return diag(z) + diag(x - n) dz/dx + diag(1 - z) dn/dx (R, R), n the candidate."""
        r, z, new, heard = self._gates(w, x)
        U_r, U_z, U_n = np.split(self.U.T, 3)  # each (R, R), rows are units
        dz = (z * (1 - z))[:, None] * U_z
        dr = (r * (1 - r))[:, None] * U_r
        dn = (1 - new**2)[:, None] * (r[:, None] * U_n + heard[:, None] * dr)
        J = (x - new)[:, None] * dz + (1 - z)[:, None] * dn
        J[np.diag_indices_from(J)] += z
        return np.asarray(J)

    def _gates(self, w: Floats, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        w_r, w_z, w_n = np.split(w, 3)
        v_r, v_z, v_n = np.split(x @ self.U, 3)
        r, z = _logistic(w_r + v_r), _logistic(w_z + v_z)
        heard = v_n + self.c
        return r, z, np.tanh(w_n + r * heard), heard


def _logistic(x: Floats) -> Floats:
    return np.asarray(0.5 * (np.tanh(0.5 * x) + 1))
