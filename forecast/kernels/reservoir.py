"""The reservoir recursion of `models/esn.py` in numba, and in torch for a device.

The places of the non-zero weights are fixed in number, the inputs are weighed where the states are
made, so that no drive travels through memory, and tanh is a quotient of polynomials good to single
precision (Eigen's), which a processor works out for many units at once. It does so only where a
division by zero raises nothing (`error_model`) and the function stands in the loop (`inline`).
Shapes: T rows, U inputs beside the bias, R units, K inputs per unit, N series.
"""

from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Singles = NDArray[np.float32]
UNROLLED = 8  # inputs per unit, the default


@njit(nogil=True, fastmath=True, error_model="numpy", inline="always")
def _tanh(x):  # type: ignore[no-untyped-def]
    x = min(max(x, np.float32(-7.9)), np.float32(7.9))
    q = x * x
    p = np.float32(-2.76076847742355e-16)
    p = p * q + np.float32(2.00018790482477e-13)
    p = p * q + np.float32(-8.60467152213735e-11)
    p = p * q + np.float32(5.12229709037114e-08)
    p = p * q + np.float32(1.48572235717979e-05)
    p = p * q + np.float32(6.37261928875436e-04)
    p = p * q + np.float32(4.89352455891786e-03)
    d = np.float32(1.19825839466702e-06)
    d = d * q + np.float32(1.18534705686654e-04)
    d = d * q + np.float32(2.26843463243900e-03)
    d = d * q + np.float32(4.89352518554385e-03)
    return x * p / d


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _hear(heard: Singles, inputs: Singles, W_in: Singles) -> None:
    """Add `inputs` (U + 1,) by `W_in` (U + 1, R) to `heard` (R,), four at a time."""
    U, R = W_in.shape
    fours = U - U % 4
    for k in range(0, fours, 4):
        u0, u1, u2, u3 = inputs[k], inputs[k + 1], inputs[k + 2], inputs[k + 3]
        w0, w1, w2, w3 = W_in[k], W_in[k + 1], W_in[k + 2], W_in[k + 3]
        for r in range(R):
            heard[r] += u0 * w0[r] + u1 * w1[r] + u2 * w2[r] + u3 * w3[r]
    for k in range(fours, U):
        u0, w0 = inputs[k], W_in[k]
        for r in range(R):
            heard[r] += u0 * w0[r]


def states(
    x: Singles, inputs: Singles, W_in: Singles, W: Singles, W_from: NDArray[np.int32], a: np.float32
) -> Singles:
    """Return the states (T, R) that follow `x` (R,) over `inputs` (T, U + 1), `a` the leak rate."""
    out = np.empty((len(inputs), len(W)), np.float32)  # NumPy asks for large pages, numba does not
    _states(x, inputs, W_in, W, W_from.view(np.uint32), a, out)  # no look at negative places
    return out


def cycle_states(x: Singles, inputs: Singles, W_in: Singles, w: Singles, a: np.float32) -> Singles:
    """Return the same (T, R) where unit `r` hears unit `r - 1` alone, with weight `w[r]`."""
    out = np.empty((len(inputs), len(w)), np.float32)
    _cycle_states(x, inputs, W_in, w, a, out)
    return out


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _states(
    x: Singles,
    inputs: Singles,
    W_in: Singles,
    W: Singles,
    places: NDArray[np.uint32],
    a: np.float32,
    out: Singles,
) -> None:
    R, K = W.shape
    heard = np.empty(R, np.float32)
    for t in range(len(inputs)):
        for r in range(R):
            total = np.float32(0)
            if K == UNROLLED:  # a count known to the compiler saves a third
                for k in range(UNROLLED):
                    total += W[r, k] * x[places[r, k]]
            else:
                for k in range(K):
                    total += W[r, k] * x[places[r, k]]
            heard[r] = total
        _hear(heard, inputs[t], W_in)
        for r in range(R):
            out[t, r] = (np.float32(1) - a) * x[r] + a * _tanh(heard[r])
        x = out[t]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _cycle_states(
    x: Singles, inputs: Singles, W_in: Singles, w: Singles, a: np.float32, out: Singles
) -> None:
    R = len(w)
    heard = np.empty(R, np.float32)
    for t in range(len(inputs)):
        heard[0] = w[0] * x[R - 1]
        for r in range(1, R):
            heard[r] = w[r] * x[r - 1]
        _hear(heard, inputs[t], W_in)
        for r in range(R):
            out[t, r] = (np.float32(1) - a) * x[r] + a * _tanh(heard[r])
        x = out[t]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def states_abreast(
    x: Singles, inputs: Singles, W_in: Singles, W: Singles, W_from: NDArray[np.int32], leak: Singles
) -> Singles:
    """Return the last states (R, L) of L series, from `x` over `inputs` (T, U + 1, L), U > 2.

    `leak` (T, L) is the leak rate, 0 where a state is to stay. Loops run along the series; states
    of the step and of the one before take turns in two places, which the cache holds.
    """
    (T, U, L), (R, K) = inputs.shape, W.shape
    places = W_from.view(np.uint32)
    out = np.empty((2, R, L), np.float32)
    heard = np.empty(L, np.float32)
    for t in range(T):
        u, now, a = inputs[t], out[t % 2], leak[t]
        for r in range(R):
            v0, v1, v2, v3 = W_in[0, r], W_in[1, r], W_in[2, r], W_in[3, r]
            for n in range(L):
                heard[n] = v0 * u[0, n] + v1 * u[1, n] + v2 * u[2, n] + v3 * u[3, n]
            for k in range(4, U):
                v0 = W_in[k, r]
                for n in range(L):
                    heard[n] += v0 * u[k, n]
            if K == UNROLLED:
                w0, w1, w2, w3 = W[r, 0], W[r, 1], W[r, 2], W[r, 3]
                w4, w5, w6, w7 = W[r, 4], W[r, 5], W[r, 6], W[r, 7]
                p0, p1, p2, p3 = places[r, 0], places[r, 1], places[r, 2], places[r, 3]
                p4, p5, p6, p7 = places[r, 4], places[r, 5], places[r, 6], places[r, 7]
                for n in range(L):
                    near = w0 * x[p0, n] + w1 * x[p1, n] + w2 * x[p2, n] + w3 * x[p3, n]
                    far = w4 * x[p4, n] + w5 * x[p5, n] + w6 * x[p6, n] + w7 * x[p7, n]
                    heard[n] += near + far
            else:
                for k in range(K):
                    w0, p0 = W[r, k], places[r, k]
                    for n in range(L):
                        heard[n] += w0 * x[p0, n]
            for n in range(L):
                now[r, n] = (np.float32(1) - a[n]) * x[r, n] + a[n] * _tanh(heard[n])
        x = now
    return x.copy()


def states_on_device(x: "Tensor", drive: "Tensor", W: "Tensor", leak: "Tensor") -> "Tensor":
    """Return the states (T, N, R) that follow `x` (N, R) under `drive` (T, N, R).

    `W` (R, R) is dense; `leak` (T, N, 1) is the leak rate, 0 where a state is to stay.
    """
    import torch

    out = torch.empty_like(drive)
    for t in range(len(drive)):
        x = torch.lerp(x, torch.tanh(torch.addmm(drive[t], x, W.T)), leak[t])
        out[t] = x
    return out
