"""The torch twin of models/recurrent.py: the same equations, the same names, with gradients.

All members are trained as one batch: every parameter leads with the member axis M, every product
is a batched one. Shapes: M members, B windows, J segments, P steps, H horizon, Q levels.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forecast.models.base import LEVELS, MEDIAN, NORMAL, History, Setting
from forecast.models.inputs import DAYS, HARMONICS, SMALLEST, YEAR_HARMONICS, input_sizes
from forecast.models.linear import FOLLOW
from forecast.models.recurrent import GRUConfig, RNNConfig, context, level_rows, segment
from forecast.training.windows import Batch, Windows

Config = GRUConfig | RNNConfig
Parameters = dict[str, Tensor]
FIRST_DIRECT = 0.2  # weight of the rows of the context in the head, beside other inputs
HIDDEN_DATES = 0.3  # share of days without their vector
FIRST_SPREAD = 0.3  # of the quantiles before training, in spreads of the window


def windows(config: Config, setting: Setting, history: History, device: str) -> Windows:
    """Return the windows that `forward` takes."""
    rows = segment(config, setting) * context(config, setting)
    return Windows(history, rows, setting, device)


def initial(config: Config, setting: Setting, series: int) -> dict[str, NDArray[np.float32]]:
    """Draw the arrays of a net over `series` series; a relu net's U is the identity."""
    rng = np.random.default_rng(setting.seed)
    size, count = segment(config, setting), context(config, setting)
    width = config.embedding if series > 1 else 0
    inputs, features = (n + width for n in input_sizes(size, setting))
    load = not setting.difference
    dates = config.dates if load and series > 1 and setting.year else 0
    direct = load and (config.direct == "yes" or (config.direct == "auto" and series == 1))
    features += config.units + dates + direct * size * count
    gates = 3 if config.cell == "gru" else 1
    m, r, days = config.members, config.units, -(-setting.horizon // size)
    outputs = setting.horizon * len(LEVELS)

    def uniform(fan: int, *shape: int) -> NDArray[np.float64]:
        return rng.uniform(-1, 1, (m, *shape)) / math.sqrt(fan)

    arrays = {
        "W": uniform(inputs, inputs, gates * r),
        "U": np.concatenate([orthogonal(rng, m, r) for _ in range(gates)], axis=-1),
        "b": np.zeros((m, gates * r)),
        "V": uniform(features, features, config.head) * math.sqrt(3),
        "d": np.zeros((m, config.head)),
        "head": uniform(config.head, config.head, outputs) * 0.1,
        "head_bias": np.tile(_first_quantiles(), setting.horizon) + np.zeros((m, outputs)),
        "embedding": rng.normal(0, 0.1, (m, series, width)),
    }
    if dates:
        arrays["dates"] = np.zeros((m, DAYS, dates))
    if direct:
        arrays["V"][:, -size * count :] *= FIRST_DIRECT
        arrays["direct"] = np.tile(_first_direct(size * count, setting), (m, 1, 1))
    if config.cell == "gru":
        arrays["c"] = np.zeros((m, r))
    elif config.activation == "relu":
        arrays["U"] = np.tile(np.eye(r), (m, 1, 1))
    arrays["mix"] = uniform(config.head, config.head, days * count) * 0.1
    first = np.zeros(days * count) if direct else _first_mix(count, days, size, setting)
    arrays["mix_bias"] = np.tile(first, (m, 1))
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def orthogonal(rng: np.random.Generator, members: int, size: int) -> NDArray[np.float64]:
    """Draw orthogonal matrices (M, size, size)."""
    return np.linalg.qr(rng.normal(size=(members, size, size)))[0]


def _first_quantiles() -> NDArray[np.float64]:
    """Return the raw outputs (Q,) whose quantiles are normal with spread FIRST_SPREAD."""
    gaps = FIRST_SPREAD * np.abs(np.diff(NORMAL))
    raw = np.log(np.expm1(gaps))
    return np.concatenate([raw[:MEDIAN], [0.0], raw[MEDIAN:]])


def _first_mix(count: int, days: int, size: int, setting: Setting) -> NDArray[np.float64]:
    """Return the mix (D J,) before training: half one longest season ago, half the last day."""
    cycle = max(setting.seasons[-1] // size, 1) if setting.seasons else 1
    mix = np.zeros((days, count))
    for d in range(days):
        back = cycle - d % cycle
        mix[d, max(count - back, 0)] += 0.5
        mix[d, -1] += 0.5
    return mix.ravel()


def _first_direct(rows: int, setting: Setting) -> NDArray[np.float64]:
    """Return the direct path (C, H) before training: what `linear` starts from."""
    first = np.zeros((rows, setting.horizon))
    cycle = min(setting.seasons[-1] if setting.seasons else 1, rows)
    for h in range(setting.horizon):
        first[rows - cycle + h % cycle, h] = 1.0
    if len(setting.seasons) > 1 and rows >= cycle + setting.seasons[0]:
        day = setting.seasons[0]
        first[-day:] += FOLLOW / day
        first[rows - cycle - day : rows - cycle] -= FOLLOW / day
    return first


def forward(a: Parameters, batch: Batch, config: Config, setting: Setting) -> tuple[Tensor, Tensor]:
    """Return normalised quantiles (M, B, H, Q) and targets (M, B, H) of windows (M, B, ...)."""
    size, recent = segment(config, setting), level_rows(config, setting)
    x, level, spread = window(batch.ring, size, recent)
    out = net(a, x.to(a["W"].dtype), batch, config, setting)
    return out, ((batch.target - level.unsqueeze(-1)) / spread.unsqueeze(-1)).float()


def window(ring: Tensor, size: int, recent: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return x (..., J, P), level (...) and spread (...) of `ring` (..., C), by (1)."""
    seen = ~ring.isnan()
    values = ring.nan_to_num(0.0)
    near = seen[..., -recent:]
    level = torch.where(near.any(-1), _mean(values[..., -recent:], near), _mean(values, seen))
    centred = torch.where(seen, values - level.unsqueeze(-1), 0.0)
    spread = _mean(centred**2, seen).clamp(min=SMALLEST**2).sqrt()
    x = (centred / spread.unsqueeze(-1)).unflatten(-1, (-1, size))
    mask = seen.unflatten(-1, (-1, size))
    usual = x.sum(-2) / mask.sum(-2).clamp(min=1)
    return torch.where(mask, x, usual.unsqueeze(-2)), level, spread


def _mean(values: Tensor, seen: Tensor) -> Tensor:
    return values.sum(-1) / seen.sum(-1).clamp(min=1)


def calendar(phases: Tensor, setting: Setting) -> Tensor:
    """Return sines and cosines (..., K) of `phases` (..., S + 1)."""
    waves = [(k, n + 1) for k in range(len(setting.seasons)) for n in range(HARMONICS[min(k, 1)])]
    if setting.year:
        waves += [(len(setting.seasons), n + 1) for n in range(YEAR_HARMONICS)]
    if not waves:
        return phases[..., :0]
    angle = 2 * math.pi * torch.stack([n * phases[..., k] for k, n in waves], dim=-1)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def inputs(x: Tensor, batch: Batch, setting: Setting) -> tuple[Tensor, Tensor]:
    """Return what the cell (..., J, I) and the head (..., F) read, as models/inputs.py does."""
    seasons = len(setting.seasons) + 1
    first, static = batch.phases.tensor_split([seasons], dim=-1)
    count, size = x.shape[-2:]
    before = _phases_before(first, setting, size, count)
    rows = batch.past[..., -count * size :, :].unflatten(-2, (count, size)).flatten(-2)
    each = static.unsqueeze(-2).expand(*x.shape[:-1], -1)
    u = [x, calendar(before, setting), rows, each]
    f = [x[..., -1, :], calendar(first, setting), rows[..., -1, :], batch.known.flatten(-2), static]
    return torch.cat(u, dim=-1), torch.cat(f, dim=-1)


def net(a: Parameters, x: Tensor, batch: Batch, config: Config, setting: Setting) -> Tensor:
    """Return normalised quantiles (M, B, H, Q) of windows x (M, B, J, P)."""
    members, count = x.shape[0], x.shape[2]
    e = vectors(a["embedding"], batch.series)  # (M, B, E)
    u, f = inputs(x, batch, setting)
    u = torch.cat([u, e.unsqueeze(2).expand(-1, -1, count, -1)], dim=-1)
    w = torch.baddbmm(a["b"].unsqueeze(1), u.flatten(1, 2), a["W"])  # (M, B J, gates R)
    h = x.new_zeros(members, x.shape[1], a["U"].shape[1])
    for step in w.unflatten(1, (-1, count)).unbind(2):
        h = cell(a, step, h, config)
    seen = [h, f, e]
    if "dates" in a:
        seen.append(_dates(a, batch.phases[..., len(setting.seasons)]))
    if "direct" in a:
        seen.append(x.flatten(2))
    f = torch.cat(seen, dim=-1)
    g = torch.baddbmm(a["d"].unsqueeze(1), f, a["V"]).relu()  # (7)
    return _quantiles(a, g, x, setting)


def _quantiles(a: Parameters, g: Tensor, x: Tensor, setting: Setting) -> Tensor:
    raw = torch.baddbmm(a["head_bias"].unsqueeze(1), g, a["head"])
    raw = raw.unflatten(-1, (setting.horizon, len(LEVELS)))
    middle = raw[..., MEDIAN]
    if "mix" in a:
        weight = torch.baddbmm(a["mix_bias"].unsqueeze(1), g, a["mix"])
        weight = weight.unflatten(-1, (-1, x.shape[2]))  # (M, B, D, J)
        middle = middle + (weight @ x).flatten(2)[..., : setting.horizon]  # (8)
    if "direct" in a:
        middle = middle + x.flatten(2) @ a["direct"]
    gaps = torch.nn.functional.softplus(raw, threshold=50)
    up = gaps[..., MEDIAN + 1 :].cumsum(-1)
    down = gaps[..., :MEDIAN].flip(-1).cumsum(-1).flip(-1)
    middle = middle.unsqueeze(-1)
    return torch.cat([middle - down, middle, middle + up], dim=-1)


def cell(a: Parameters, w: Tensor, h: Tensor, config: Config) -> Tensor:
    """Return the next state (M, B, R); `w` is W u + b."""
    if config.cell == "rnn":
        s = torch.baddbmm(w, h, a["U"])  # (3)
        return s.tanh() if config.activation == "tanh" else s.relu()
    size = h.shape[-1]
    v = h @ a["U"]
    r, z = (w[..., : 2 * size] + v[..., : 2 * size]).sigmoid().chunk(2, dim=-1)  # (4), (5)
    new = (w[..., 2 * size :] + r * (v[..., 2 * size :] + a["c"].unsqueeze(1))).tanh()
    return new + z * (h - new)  # (6)


def _dates(a: Parameters, phase: Tensor) -> Tensor:
    """Return the vectors (M, B, D) of the days at `phase` (M, B) of the year.

    In training some are hidden, so that the net knows an ordinary day too.
    """
    day = (phase.double() * (DAYS - 1 + 0.2425)).long()
    vectors = a["dates"].gather(1, day.unsqueeze(-1).expand(-1, -1, a["dates"].shape[-1]))
    if not a["W"].requires_grad:
        return vectors
    return vectors * (torch.rand_like(phase) > HIDDEN_DATES).unsqueeze(-1)


def vectors(table: Tensor, series: Tensor) -> Tensor:
    """Return the learned vectors (M, B, E) of `series` (M, B); zero past the last."""
    members, _, width = table.shape
    rows = torch.cat([table, table.new_zeros(members, 1, width)], dim=1)
    which = series.expand(members, -1).unsqueeze(-1).expand(-1, -1, width)
    return rows.gather(1, which)


def _phases_before(target: Tensor, setting: Setting, size: int, count: int) -> Tensor:
    back = size * torch.arange(count, 0, -1, device=target.device, dtype=target.dtype)
    out = target.unsqueeze(-2).repeat(*[1] * (target.dim() - 1), count, 1)
    for k, season in enumerate(setting.seasons):
        out[..., k] = torch.remainder(out[..., k] - back / season, 1.0)
    return out
