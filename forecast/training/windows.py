"""Windows of a panel on the device: one flat tensor of rows, and an index into it.

Every series lies between C missing rows before and H missing rows after, so that a short one is a
window with gaps. A draw is made of integers only; nothing is copied but the rows of the batch.

Shapes: M members, B windows, C rows of context, H horizon, S seasons; D static, K known, L known
and past covariates.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forecast.models.base import History, Setting

COLD_SHARE = 0.1  # windows trained without the vector of their series


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows as the network takes them; `series` is the table's last row where cold."""

    ring: Tensor  # (..., C) float64
    phases: Tensor  # (..., S + 1 + D) of the first step ahead
    past: Tensor  # (..., C, L) covariates of the context
    known: Tensor  # (..., H, K) known covariates of the target
    target: Tensor  # (..., H) NaN where missing or not to be seen
    series: Tensor  # (...,)


class Windows:
    """Rows of `history` on `device`, cut into contexts of `rows` and targets of a horizon."""

    def __init__(self, history: History, rows: int, setting: Setting, device: str) -> None:
        """Lay the series out one after the other with missing rows between them."""
        horizon, lengths = setting.horizon, np.diff(history.offsets)
        room = lengths + rows + horizon
        self.rows, self.horizon, self.known = rows, horizon, len(setting.known)
        self.lengths, self.stops = lengths, lengths - history.validation
        self.begin = np.cumsum(room) - room + rows  # where the first row of each series lies
        z = np.full(int(room.sum()), np.nan)
        phases = np.zeros((int(room.sum()), history.phases.shape[1]), np.float32)
        place = np.arange(len(history.z)) + np.repeat(self.begin - history.offsets[:-1], lengths)
        z[place], phases[place] = history.z, history.phases
        first = len(setting.seasons) + 1 + len(setting.static)  # column of the covariates
        self.z = torch.from_numpy(z).to(device)
        self.phases, self.covariates = torch.from_numpy(phases).to(device).tensor_split([first], 1)
        self._begin = torch.from_numpy(self.begin).to(device)
        self._stop = torch.from_numpy(self.stops).to(device)
        self._ahead = torch.arange(-rows, horizon, device=device)

    def draw(
        self, rng: np.random.Generator, shape: tuple[int, ...], home: float, size: int
    ) -> Tensor:
        """Draw (series, rows seen) of windows in the training rows: (..., 2).

        A share `home` of them ends a multiple of `size` rows before the training rows end.
        """
        least = np.minimum(size, np.maximum(self.stops - 1, 1))
        most = np.maximum(self.stops - max(self.horizon // 2, 1), least)
        count = np.where(self.stops > 1, most - least + 1, 0)
        pick = rng.integers(0, count.sum(), shape)
        series = np.searchsorted(np.cumsum(count), pick, "right")
        seen = least[series] + pick - (np.cumsum(count) - count)[series]
        ends = self.stops[series] - self.horizon
        at_home = ends - np.maximum((ends - seen) // size, 0) * size
        use = (rng.random(shape) < home) & (at_home >= least[series])
        cold = rng.random(shape) < COLD_SHARE
        name = np.where(cold, len(self.lengths), series)
        return torch.from_numpy(np.stack([series, np.where(use, at_home, seen), name], axis=-1))

    def held_back(self, most: int) -> Tensor | None:
        """Return up to `most` windows whose targets are held-back rows: (B, 3); None without."""
        pairs: list[NDArray[np.int64]] = []
        held = self.lengths - self.stops
        usable = np.flatnonzero(held > 0)
        if not len(usable):
            return None
        each = max(most // len(usable), 1)
        for i in usable[np.linspace(0, len(usable) - 1, min(len(usable), most)).astype(int)]:
            last = max(self.lengths[i] - self.horizon, self.stops[i])
            seen = np.unique(np.linspace(self.stops[i], last, each).astype(np.int64))
            pairs.append(np.stack([np.full_like(seen, i), seen, np.full_like(seen, i)], axis=-1))
        return torch.from_numpy(np.concatenate(pairs))

    def batch(self, picks: Tensor, training: bool) -> Batch:
        """Gather the windows `picks` (..., 3); in training no held-back row is in the target."""
        picks = picks.to(self.z.device, non_blocking=True)
        series, seen, name = picks.unbind(-1)
        first = self._begin[series] + seen  # (...) place of the first step ahead
        place = first.unsqueeze(-1) + self._ahead  # (..., C + H)
        ring, target = self.z[place].tensor_split([self.rows], dim=-1)
        past, known = self.covariates[place].tensor_split([self.rows], dim=-2)
        if training:
            left = (self._stop[series] - seen).unsqueeze(-1)
            hidden = self._ahead[self.rows :] >= left
            target = target.masked_fill(hidden, float("nan"))
        # The phase of a first step beyond the last row is that of the row before, one step on;
        # such windows have no target, so any phase will do.
        return Batch(ring, self.phases[first], past, known[..., : self.known], target, name)
