"""Intervals that widen and narrow as the errors do.

Each series keeps the quantiles last forecast for its next row; when the row comes, the interval of
each pair of levels p, 1 - p learns from it:

    w_p <- w_p + rate (1{y outside its interval} - 2p)                                        (1)
    q_p' = m + exp(w_p) (q_p - m)                            m the median; then made ordered  (2)

so that in the long run the share outside comes to 2p, however the series drifts: summed over T
rows (1) says that share = 2p + (w_T - w_0) / (rate T), and w is bounded. It is the step of Gibbs
and Candes (2021), "Adaptive conformal inference under distribution shift", taken on the logarithm
of the width, as in Angelopoulos, Candes, Tibshirani (2023), "Conformal PID control". What step 1
teaches widens all steps alike: (2) is `calibration.widen`.

Shapes: n series, Q levels, P = (Q - 1) / 2 pairs of levels.
"""

import numpy as np
from numpy.typing import NDArray

from forecast.models.base import LEVELS, MEDIAN

Floats = NDArray[np.float64]
RATE = 0.02  # of (1)
WIDEST = 3.0  # |w| at most: 20 times as wide, or as narrow
OUTER = 2 * np.array(LEVELS[:MEDIAN])  # (P,) share outside each interval


def learn(widths: Floats, quantiles: Floats, y: Floats, rate: float) -> tuple[Floats, Floats]:
    """Return the widths (n, P) after rows `y` (n,) by (1), and where each row fell (n,).

    `quantiles` (n, Q) were forecast for the rows. -1 is below the 95 % interval, 1 above, 0 inside.
    """
    below = y[:, None] < quantiles[:, :MEDIAN]
    above = y[:, None] > quantiles[:, :MEDIAN:-1]
    moved = widths + rate * ((below | above) - OUTER)  # (1)
    moved = np.minimum(np.maximum(moved, -WIDEST), WIDEST)
    return moved, np.asarray(above[:, 0] * 1.0 - below[:, 0])
