"""The torch twin of models/returns.py: its windows, its net, and how far its median may go.

Shapes: M members, B windows, T rows of all series, C rows of context, F inputs, H steps learnt.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from forecast.models import returns as model
from forecast.models.base import LEVELS, MEDIAN, NORMAL, Arrays, Floats, History, Setting
from forecast.significance import diebold_mariano
from forecast.training import network
from forecast.training.network import Config, Parameters
from forecast.training.windows import Batch, Windows

ALPHA = 0.05
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
CELLS = 2_000_000  # values carried together through the variances


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
        size = len(self.z)
        u = np.zeros((size, model.inputs(setting)), np.float32)
        last, spread = np.zeros(size), np.ones(size)
        for which in _chunks(history):
            rows = self._walk(config, history, which)
            for k, i in enumerate(which):
                place = slice(self.begin[i], self.begin[i] + self.lengths[i])
                own = slice(rows.u.shape[1] - self.lengths[i], None)
                u[place], spread[place] = rows.u[k, own], rows.spread[k, own]
                last[place] = np.nan_to_num(rows.last[k, own])
        self.u = torch.from_numpy(u).to(device)
        self.last, self.spread = (torch.from_numpy(x).to(device) for x in (last, spread))
        self.root = torch.arange(1, far.horizon + 1, device=device).sqrt()

    def _walk(self, config: Config, history: History, which: NDArray[np.int64]) -> model.Rows:
        longest = int(self.lengths[which].max())
        z = np.full((len(which), longest), np.nan)
        phases = np.zeros((*z.shape, history.phases.shape[1]))
        for k, i in enumerate(which):
            z[k, longest - self.lengths[i] :] = history.z[history.whole(i)]
            phases[k, longest - self.lengths[i] :] = history.phases[history.whole(i)]
        begin = model.start(self.variance[which], which, config, self.setting)
        return model.walk(begin, z, phases, self.setting)[1]

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
        days = torch.remainder(plain.phases[..., s - 1] - self.phases[now, s - 1], 1.0) * model.YEAR
        closed = (days - 1).clamp(0, model.CLOSED).log1p().unsqueeze(-1)
        known = plain.known[..., : self.setting.horizon, :].flatten(-2)
        return torch.cat([closed, plain.phases[..., s:], known], dim=-1)


def _chunks(history: History) -> list[NDArray[np.int64]]:
    """Return the series by about equal length, so many at once as CELLS allow."""
    lengths = np.diff(history.offsets)
    ranked = np.argsort(-lengths, kind="stable")
    ranked = ranked[lengths[ranked] > 0]
    out, at = [], 0
    while at < len(ranked):
        stop = at + max(CELLS // int(lengths[ranked[at]]), 1)
        out.append(ranked[at:stop])
        at = stop
    return out


def variances(history: History) -> Floats:
    """Return the mean square of the changes in the training rows of each series (N,)."""
    found = np.full(len(history), np.nan)
    for i in range(len(history)):
        z = history.z[history.training(i)]
        change = np.diff(z[~np.isnan(z)])
        if len(change):
            found[i] = np.mean(change**2)
    typical = np.nanmedian(found) if not np.isnan(found).all() else 0.0
    return np.maximum(np.where(np.isnan(found), typical, found), model.SMALLEST**2)


def windows(config: Config, setting: Setting, history: History, device: str) -> ReturnWindows:
    """Return the windows that `forward` takes."""
    return ReturnWindows(config, setting, history, device)


def initial(config: Config, setting: Setting, series: int) -> dict[str, NDArray[np.float32]]:
    """Draw the arrays of a net over `series` series, whose quantiles are those of naive-ewma."""
    rng = np.random.default_rng(setting.seed)
    m, r, width = config.members, config.units, config.embedding if series > 1 else 0
    gates, rows = 3 if config.cell == "gru" else 1, model.inputs(setting)
    reads, features = rows + width, r + rows + model.ahead(setting) + width
    outputs = model.reach(setting) * (len(LEVELS) + 1)

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
    """Return the raw outputs (Q + 1,) whose quantiles are those of a standard normal."""
    raw = np.log(np.expm1(np.abs(np.diff(NORMAL))))
    return np.concatenate([[0.0], raw[:MEDIAN], [0.0], raw[MEDIAN:]])


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
        h = network.cell(a, step, h, config)  # (5)
    f = torch.cat([h, u[:, :, -1], coming, e], dim=-1)
    g = torch.baddbmm(a["d"].unsqueeze(1), f, a["V"]).relu()  # (6)
    g = network.dropped(g, config, a)
    raw = torch.baddbmm(a["bias"].unsqueeze(1), g, a["head"]) + f @ a["skip"]  # (7)
    raw = raw.unflatten(-1, (model.reach(setting), len(LEVELS) + 1))
    wide = raw[..., :1].clamp(-model.FAR, model.FAR).exp()
    gaps = softplus(raw[..., 1:], threshold=50)
    up = gaps[..., MEDIAN + 1 :].cumsum(-1)
    down = gaps[..., :MEDIAN].flip(-1).cumsum(-1).flip(-1)
    shape = torch.cat([-down, torch.zeros_like(wide), up], dim=-1)
    out: Tensor = raw[..., 1 + MEDIAN, None] + wide * shape  # (8)
    return out


def shrink(quantiles: Tensor, target: Tensor, picks: Tensor) -> float:
    """Return which share of the forecast change of price to keep, 0 without a clear gain.

    On held-back windows, quantiles (B, H, Q), target (B, H), picks (B, 3): the absolute error,
    averaged over series, must fall over the cutoffs by Diebold and Mariano's test at ALPHA.
    """
    middle, steps = quantiles[..., MEDIAN], quantiles.shape[1]
    cutoffs, at = np.unique(picks[:, 1].cpu().numpy(), return_inverse=True)

    def losses(share: float) -> NDArray[np.float64]:
        error = (target - share * middle).abs().nanmean(-1).cpu().numpy().astype(np.float64)
        seen = np.isfinite(error)
        count = np.bincount(at[seen], minlength=len(cutoffs))
        total = np.bincount(at[seen], error[seen], minlength=len(cutoffs))
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    walk = losses(0.0)
    best = min(SHARES, key=lambda share: float(np.nan_to_num(losses(share)).sum()))
    gap = int(np.median(np.diff(cutoffs))) if len(cutoffs) > 1 else 1
    verdict = diebold_mariano(losses(best), walk, overlap=-(-steps // gap))
    return best if verdict.difference < 0 and verdict.p < ALPHA else 0.0
