"""The torch twin of models/returns.py: its windows and its net.

Shapes: M members, B windows, T rows of all series, C rows of context, F inputs, H steps learnt.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from forecast.models import moves
from forecast.models import returns as model
from forecast.models.base import MEDIAN, NORMAL, Arrays, History, Setting
from forecast.models.moves import Moves
from forecast.training import network
from forecast.training.network import Config, Parameters
from forecast.training.shown import shown, variances
from forecast.training.windows import Batch, Windows


@dataclass(frozen=True, slots=True)
class ReturnBatch(Batch):
    """Windows as the net takes them; targets are in spreads times the root of the step."""

    u: Tensor  # (..., C, F)
    coming: Tensor  # (..., G) known of the steps ahead


class ReturnWindows(Windows):
    """Windows whose rows are those that `Returns` carries along."""

    def __init__(self, config: Config, setting: Setting, history: History, device: str) -> None:
        """Carry the variances over all rows once; a window is then a slice."""
        far = replace(setting, horizon=model.reach(setting))
        super().__init__(history, model.context(config), far, device)
        self.setting, self.variance = setting, variances(history)
        u, last, spread = shown(setting, history, self.variance)
        place = np.arange(len(history.z)) + np.repeat(
            self.begin - history.offsets[:-1], self.lengths
        )
        size = len(self.z)
        self.u = torch.zeros((size, u.shape[1]))
        self.last, self.spread = torch.zeros(size).double(), torch.ones(size).double()
        for flat, rows in ((self.u, u), (self.last, last), (self.spread, spread)):
            flat[place] = torch.from_numpy(rows)
        self.u, self.last, self.spread = (
            flat.to(device) for flat in (self.u, self.last, self.spread)
        )
        self.root = torch.arange(1, far.horizon + 1, device=device).sqrt()

    def batch(self, picks: Tensor, training: bool) -> ReturnBatch:
        """Gather the windows `picks` (..., 3); in training no held-back row is in the target."""
        plain = super().batch(picks, training)
        series, seen, _ = picks.to(self.z.device).unbind(-1)
        now = self._begin[series] + seen - 1  # (...) the last row seen
        u = self.u[now.unsqueeze(-1) + self._ahead[: self.rows] + 1]
        unit = self.spread[now].unsqueeze(-1) * self.root
        target = ((plain.target - self.last[now].unsqueeze(-1)) / unit).float()
        coming = self._coming(now, plain)
        return ReturnBatch(
            plain.ring, plain.phases, plain.past, plain.known, target, plain.series, u, coming
        )

    def _coming(self, now: Tensor, plain: Batch) -> Tensor:
        """Return what `model.coming` does of the steps after the rows `now` (...)."""
        s = len(self.setting.seasons) + 1
        days = torch.remainder(plain.phases[..., s - 1] - self.phases[now, s - 1], 1.0) * moves.YEAR
        closed = (days - 1).clamp(0, moves.CLOSED).log1p().unsqueeze(-1)
        known = plain.known[..., : self.setting.horizon, :].flatten(-2)
        return torch.cat([closed, plain.phases[..., s:], known], dim=-1)


def windows(config: Config, setting: Setting, history: History, device: str) -> ReturnWindows:
    """Return the windows that `forward` takes."""
    return ReturnWindows(config, setting, history, device)


def initial(config: Config, setting: Setting, series: int) -> dict[str, NDArray[np.float32]]:
    """Draw the arrays of a net over `series` series, whose quantiles are those of naive-ewma."""
    rng = np.random.default_rng(setting.seed)
    m, r, width = config.members, config.units, config.embedding if series > 1 else 0
    gates, rows = 3 if config.cell == "gru" else 1, Moves(setting, 1.0).inputs
    reads, features = rows + width, r + rows + moves.ahead(setting) + width
    outputs = model.reach(setting) * model.OUTPUTS

    def uniform(fan: int, *shape: int) -> NDArray[np.float64]:
        return rng.uniform(-1, 1, (m, *shape)) / math.sqrt(fan)

    arrays = {
        "W": uniform(reads, reads, gates * r),
        "U": np.concatenate([network.orthogonal(rng, m, r) for _ in range(gates)], axis=-1),
        "b": np.zeros((m, gates * r)),
        "V": uniform(features, features, config.head) * math.sqrt(3),
        "d": np.zeros((m, config.head)),
        "head": np.zeros((m, config.head, outputs)),
        "skip": np.zeros((m, features, outputs)),
        "bias": np.tile(_normal(), model.reach(setting)) + np.zeros((m, outputs)),
        "embedding": rng.normal(0, 0.1, (m, series, width)),
    }
    if config.cell == "gru":
        arrays["c"] = np.zeros((m, r))
    elif config.activation == "relu":
        arrays["U"] = np.tile(np.eye(r), (m, 1, 1))
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def _normal() -> NDArray[np.float64]:
    """Return the raw outputs whose quantiles are those of a standard normal."""
    return np.concatenate([[0.0, 0.0], np.log(np.expm1(np.diff(NORMAL[MEDIAN:])))])


def finish(arrays: Arrays, windows: ReturnWindows) -> None:
    """Add to `arrays` what is measured, not learnt."""
    arrays["variance"] = windows.variance


def forward(
    a: Parameters, batch: ReturnBatch, config: Config, setting: Setting
) -> tuple[Tensor, Tensor]:
    """Return quantiles (M, B, H, Q) in spreads, and the batch's targets (M, B, H)."""
    return net(a, batch.u, batch.coming, batch.series, config, setting), batch.target


def net(
    a: Parameters, u: Tensor, coming: Tensor, series: Tensor, config: Config, setting: Setting
) -> Tensor:
    """Return quantiles (M, B, H, Q) of windows u (M, B, C, F), with the whole median m."""
    members, count = u.shape[0], u.shape[2]
    e = network.vectors(a["embedding"], series)  # (M, B, E)
    reads = torch.cat([u, e.unsqueeze(2).expand(-1, -1, count, -1)], -1)
    w = torch.baddbmm(a["b"].unsqueeze(1), reads.flatten(1, 2), a["W"])  # (M, B C, gates R)
    h = u.new_zeros(members, u.shape[1], a["U"].shape[1])
    for step in w.unflatten(1, (-1, count)).unbind(2):
        h = network.cell(a, step, h, config)  # (1)
    f = torch.cat([h, u[:, :, -1], coming, e], dim=-1)
    g = torch.baddbmm(a["d"].unsqueeze(1), f, a["V"]).relu()  # (2)
    raw = torch.baddbmm(a["bias"].unsqueeze(1), g, a["head"]) + f @ a["skip"]  # (3)
    raw = raw.unflatten(-1, (model.reach(setting), model.OUTPUTS))
    wide = raw[..., :1].clamp(-moves.FAR, moves.FAR).exp()
    up = softplus(raw[..., 2:], threshold=50).cumsum(-1)
    shape = torch.cat([-up.flip(-1), torch.zeros_like(wide), up], dim=-1)
    out: Tensor = raw[..., 1, None] + wide * shape  # (4)
    return out
