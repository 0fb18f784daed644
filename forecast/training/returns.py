"""The torch twin of models/returns.py, and how far its median may leave the random walk.

Shapes: M members, B windows, C rows, H horizon, Q levels.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forecast.models.base import MEDIAN, Setting
from forecast.models.recurrent import context
from forecast.models.returns import DECAY, SMALLEST
from forecast.training import network
from forecast.training.network import Config, Parameters
from forecast.training.windows import Batch

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def rows(config: Config, setting: Setting) -> int:
    """Return the prices of a context: one more than its changes."""
    return context(config, setting) + 1


def initial(config: Config, setting: Setting, series: int) -> dict[str, NDArray[np.float32]]:
    """Draw the arrays of a net over `series` series."""
    arrays = network.initial(config, setting, series)
    return {name: array for name, array in arrays.items() if not name.startswith("mix")}


def forward(a: Parameters, batch: Batch, config: Config, setting: Setting) -> tuple[Tensor, Tensor]:
    """Return normalised quantiles (M, B, H, Q) and targets (M, B, H) of windows (M, B, ...)."""
    x, level, spread = window(batch.ring)
    out = network.net(a, x.to(a["W"].dtype), batch, config, setting)
    unit = spread.unsqueeze(-1) * torch.arange(1, setting.horizon + 1, device=x.device).sqrt()
    return out, ((batch.target - level.unsqueeze(-1)) / unit).float()


def window(ring: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return changes (..., C, 1), last value (...) and spread (...) of `ring` (..., C + 1)."""
    place = torch.arange(ring.shape[-1], device=ring.device).expand(ring.shape)
    place = place.masked_fill(ring.isnan(), 0).cummax(-1).values
    filled = ring.gather(-1, place)
    change = filled.diff(dim=-1).nan_to_num(0.0)
    age = torch.arange(change.shape[-1] - 1, -1, -1, device=ring.device, dtype=ring.dtype)
    weight = DECAY**age * (change != 0)
    spread = ((weight * change**2).sum(-1) / weight.sum(-1).clamp(min=1e-12)).sqrt()
    spread = spread.clamp(min=SMALLEST)
    x = (change / spread.unsqueeze(-1)).clamp(-10, 10)
    return x.unsqueeze(-1), filled[..., -1].nan_to_num(0.0), spread


def shrink(quantiles: Tensor, target: Tensor) -> float:
    """Return which share of the forecast change of price to keep, 0 without a clear gain.

    Clear: on held-back windows, quantiles (B, H, Q) and target (B, H), the absolute error falls by
    more than two standard errors.
    """
    middle = quantiles[..., MEDIAN]
    gains = [
        (target.abs() - (target - share * middle).abs()).nanmean(-1).nan_to_num()
        for share in SHARES
    ]
    best = max(range(len(SHARES)), key=lambda k: float(gains[k].mean()))
    error = float(gains[best].std()) / math.sqrt(len(target))
    return SHARES[best] if float(gains[best].mean()) > 2 * error else 0.0
