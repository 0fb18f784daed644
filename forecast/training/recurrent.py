"""Learn an RNN or a GRU: pinball loss, AdamW, one-cycle rate, clipping, early stopping.

Shapes: M members, B windows, H horizon, Q levels.
"""

import math
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from forecast.errors import FitError
from forecast.models.base import LEVELS, History, Setting
from forecast.models.recurrent import Recurrent, segment, sized
from forecast.models.returns import build
from forecast.training import network, returns
from forecast.training.checkpoint import (
    Checkpoint,
    checkpoint,
    optimiser_tensors,
    restore_optimiser,
)
from forecast.training.network import Config, Parameters
from forecast.training.run import Run
from forecast.training.windows import Windows

CHECKS = 24  # evaluations on held-back windows in one schedule
HELD = 512  # held-back windows
WARM_UP = 0.15  # share of the schedule


def fit(config: Config, setting: Setting, history: History, run: Run) -> Recurrent:
    """Train the members together; the config returned says where the schedule was cut."""
    config, twin = sized(config, setting), _twin(setting)
    windows = twin.windows(config, setting, history, run.device)
    if windows.stops.max(initial=0) < 2:
        raise FitError("every series is too short to cut a window with a target from it")
    start = twin.initial(config, setting, len(history))
    parameters = {
        name: torch.tensor(array, device=run.device, requires_grad=True)
        for name, array in start.items()
    }
    identity = (config, setting, history.z, history.phases, history.offsets, history.validation)
    saved = checkpoint(run.checkpoint, run.resume, *identity)
    trainer = _Trainer(config, setting, windows, run, parameters, saved)
    with torch.random.fork_rng():
        torch.manual_seed(setting.seed)
        stop, best = trainer.train()
    found = replace(config, stop=stop)
    if setting.difference and config.shrink < 0:
        held = windows.held_back(8 * HELD)
        kept = 0.0 if held is None else returns.shrink(*trainer.held_out(best, held), held)
        found = replace(found, shrink=kept)
    arrays = {name: tensor.cpu().numpy() for name, tensor in best.items()}
    zero = np.zeros_like(arrays["embedding"][:, :1])
    arrays["embedding"] = np.concatenate([arrays["embedding"], zero], axis=1)
    if setting.difference:
        returns.finish(arrays, windows)
    return build(found, setting, arrays)


def _twin(setting: Setting) -> ModuleType:
    return returns if setting.difference else network


def rate(config: Config, step: int) -> float:
    """Return the learning rate at update `step`: up linearly, down by a half cosine."""
    share = (step + 1) / config.updates
    if share < WARM_UP:
        return config.rate * share / WARM_UP
    return config.rate * 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP)))


def pinball(quantiles: Tensor, target: Tensor, levels: Tensor) -> Tensor:
    """Return the pinball loss per member (M,), missing targets left out."""
    error = target.unsqueeze(-1) - quantiles
    loss = torch.maximum(levels * error, (levels - 1) * error).mean(-1)  # (M, B, H)
    seen = ~target.isnan()
    total = torch.where(seen, loss, 0.0).sum((1, 2))
    return total / seen.sum((1, 2)).clamp(min=1)


@dataclass(slots=True)
class _Best:
    """The least held-back loss so far, and the parameters at that update."""

    stop: int
    loss: float
    parameters: Parameters


@dataclass(slots=True)
class _Trainer:
    config: Config
    setting: Setting
    windows: Windows
    run: Run
    parameters: Parameters
    kept: Checkpoint

    @property
    def twin(self) -> ModuleType:
        """The equations in torch."""
        return _twin(self.setting)

    def train(self) -> tuple[int, Parameters]:
        """Return the update at which the held-back loss was least, and the parameters there."""
        config = self.config
        optimiser = torch.optim.AdamW(
            self.parameters.values(), lr=config.rate, weight_decay=config.weight_decay,
            foreach=True,
        )  # fmt: skip
        rng = np.random.default_rng(self.setting.seed + 1)
        # On prices the held-back rows are one spell of the market: they say nothing about a stop.
        held = None if self.setting.difference else self.windows.held_back(HELD)
        last = config.stop or config.updates
        every = max(config.updates // CHECKS, 1)
        best = _Best(last, math.inf, self.copy())
        for begin in range(self.restore(optimiser, rng, best), last, every):
            done = min(begin + every, last)
            self.updates(optimiser, rng, begin, done - begin)
            self.check_finite(done)
            loss = self.held_loss(held) if held is not None else -done  # the last is the best
            if loss < best.loss:
                best.stop, best.loss, best.parameters = done, loss, self.copy()
            self.save(optimiser, rng, best, done)
            note = f"held-back loss {loss:.4f}" if held is not None else ""
            self.run.progress("training", done / last, note)
        return best.stop, best.parameters

    def save(
        self, optimiser: torch.optim.Optimizer, rng: np.random.Generator, best: _Best, done: int
    ) -> None:
        """Save all that the next updates depend on."""
        tensors = {f"now.{k}": v for k, v in self.parameters.items()}
        tensors |= {f"best.{k}": v for k, v in best.parameters.items()}
        tensors |= optimiser_tensors(optimiser) | {"dropout": torch.get_rng_state()}
        if self.run.device.startswith("cuda"):
            tensors["dropout.cuda"] = torch.cuda.get_rng_state(self.run.device)
        state = rng.bit_generator.state
        facts = {"done": done, "stop": best.stop, "loss": best.loss, "draws": state}
        self.kept.save(tensors, facts)

    def restore(
        self, optimiser: torch.optim.Optimizer, rng: np.random.Generator, best: _Best
    ) -> int:
        """Go back to what a checkpoint saved; return how many updates were done by then."""
        saved = self.kept.load()
        if saved is None:
            return 0
        tensors, facts = saved
        for name, parameter in self.parameters.items():
            parameter.data.copy_(tensors[f"now.{name}"])
            best.parameters[name] = tensors[f"best.{name}"].to(parameter.device)
        restore_optimiser(optimiser, tensors)
        torch.set_rng_state(tensors["dropout"])
        if "dropout.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["dropout.cuda"], self.run.device)
        rng.bit_generator.state = facts["draws"]
        best.stop, best.loss = facts["stop"], facts["loss"]
        return int(facts["done"])

    def updates(
        self, optimiser: torch.optim.Optimizer, rng: np.random.Generator, begin: int, count: int
    ) -> None:
        config = self.config
        size = segment(config, self.setting)
        shape = (count, config.members, config.batch)
        picks = self.windows.draw(rng, shape, config.home, size).to(self.windows.z.device)
        levels = torch.tensor(LEVELS, device=self.windows.z.device)
        for k in range(count):
            for group in optimiser.param_groups:
                group["lr"] = rate(config, begin + k)
            batch = self.windows.batch(picks[k], training=True)
            out, target = self.twin.forward(self.parameters, batch, config, self.setting)
            loss = pinball(out, target, levels).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            limit = config.clip * math.sqrt(config.members)
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), limit)
            optimiser.step()

    def check_finite(self, step: int) -> None:
        finite = all(bool(p.isfinite().all()) for p in self.parameters.values())
        if not finite:
            raise FitError(
                f"the parameters are no longer finite at update {step} "
                f"(learning rate {rate(self.config, step - 1):.2g})",
                hint=f"`--set rate={self.config.rate / 3:.2g}`",
            )

    def copy(self) -> Parameters:
        return {name: p.detach().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    def held_out(self, parameters: Parameters, held: Tensor) -> tuple[Tensor, Tensor]:
        """Return quantiles (B, H, Q) averaged over members, and targets (B, H)."""
        picks = held.unsqueeze(0).expand(self.config.members, -1, -1)
        batch = self.windows.batch(picks, training=False)
        out, target = self.twin.forward(parameters, batch, self.config, self.setting)
        return out.mean(0), target[0]

    def held_loss(self, held: Tensor) -> float:
        out, target = self.held_out(self.copy(), held)
        levels = torch.tensor(LEVELS, device=out.device)
        return float(pinball(out.unsqueeze(0), target.unsqueeze(0), levels))
