"""Learn an RNN or a GRU: pinball loss, AdamW, one-cycle rate, clipping, early stopping.

Shapes: M members, B windows, H horizon, Q levels.
"""

import math
import time
from dataclasses import dataclass, fields, replace
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from forecast.errors import FitError
from forecast.models.base import LEVELS, MEDIAN, History, Setting
from forecast.models.recurrent import Recurrent, segment
from forecast.models.steadied import build
from forecast.training import network, returns
from forecast.training.budget import affordable, planned
from forecast.training.checkpoint import (
    Checkpoint,
    checkpoint,
    optimiser_tensors,
    restore_optimiser,
)
from forecast.training.network import Config, Parameters
from forecast.training.run import InterruptedFit, Run
from forecast.training.shown import shrink
from forecast.training.steadied import steadied
from forecast.training.windows import Windows

NEAR = 0.1  # share by which a loss may exceed the least: few weeks say little, annealing much
CHECKS = 24  # evaluations on held-back windows in one schedule
PROBE = 5  # updates whose time tells that of the others
HELD = 512  # held-back windows
FEW = 0.5  # share of targets with a value below which a person is told
WARM_UP = 0.15  # share of the schedule


def fit(config: Config, setting: Setting, history: History, run: Run) -> Recurrent:
    """Train the members together; the config returned says where the schedule was cut.

    Raises FitError for data without a window or a loss that is not finite, InterruptedFit when a
    person ends the training and wants what there is.
    """
    windows = _twin(setting).windows(config, setting, history, run.device)
    if windows.stops.max(initial=0) < 2:
        raise FitError("every series is too short to cut a window with a target from it")
    longest = int(windows.lengths.max())
    if setting.horizon >= longest:
        raise FitError(
            f"every series is too short: {setting.horizon} steps ahead cannot be learned from "
            f"{longest} rows",
            hint=f"`--horizon {max(longest // 4, 1)}`, or `--model kalman`, which needs no targets",
        )
    config = planned(config, setting, len(history), run)
    with torch.random.fork_rng():
        if run.minutes is not None and not config.stop:
            seconds = _Trainer(config, setting, windows, run).seconds()
            config = replace(config, updates=affordable(run, seconds))
        content = (getattr(history, field.name) for field in fields(history))
        kept = checkpoint(run.checkpoint, run.resume, config, setting, *content)
        trainer = _Trainer(config, setting, windows, run, kept)
        trainer.train()
    if trainer.interrupted:
        raise InterruptedFit(trainer.model())
    return trainer.model() if setting.difference else steadied(trainer.model(), history, run)


def _twin(setting: Setting) -> ModuleType:
    return returns if setting.difference else network


def _kept_of_median(quantiles: Tensor, target: Tensor, held: Tensor) -> float:
    """Return which share of the forecast change of price to keep, by held-back windows."""
    middle, truth = (t.cpu().numpy().astype(np.float64) for t in (quantiles[..., MEDIAN], target))
    return shrink(middle, truth, held[:, 1].cpu().numpy())


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
    """The update that stays so far, its held-back loss and its parameters."""

    stop: int
    loss: float
    parameters: Parameters


class _Trainer:
    """The parameters on their device, and all that changes them."""

    def __init__(
        self,
        config: Config,
        setting: Setting,
        windows: Windows,
        run: Run,
        kept: Checkpoint | None = None,
    ) -> None:
        self.config, self.setting, self.windows, self.run = config, setting, windows, run
        self.kept = kept or Checkpoint(None, False)
        self.interrupted = False
        torch.manual_seed(setting.seed)
        start = self.twin.initial(config, setting, len(windows.lengths))
        self.parameters: Parameters = {
            name: torch.tensor(array, device=run.device, requires_grad=True)
            for name, array in start.items()
        }
        self.optimiser = torch.optim.AdamW(
            self.parameters.values(), lr=config.rate, weight_decay=config.weight_decay,
            foreach=True,
        )  # fmt: skip
        self.rng = np.random.default_rng(setting.seed + 1)
        self.best = _Best(config.stop or config.updates, math.inf, self.copy())
        self.least = math.inf  # held-back loss

    @property
    def twin(self) -> ModuleType:
        """The equations in torch."""
        return _twin(self.setting)

    def train(self) -> None:
        """Find the last update whose held-back loss is near the least, and the parameters there.

        An interruption ends the training early once there is something to return.
        """
        try:
            self._train(self.config.stop or self.config.updates)
        except KeyboardInterrupt:
            if self.best.loss == math.inf or not self.run.keep:
                raise
            self.interrupted = True

    def _train(self, last: int) -> None:
        # On prices the held-back rows are one spell of the market: they say nothing about a stop.
        held = None if self.setting.difference else self.windows.held_back(HELD)
        if held is not None and self.windows.batch(held, training=False).target.isnan().all():
            held = None
        every = max(self.config.updates // CHECKS, 1)
        for begin in range(self.restore(), last, every):
            done = min(begin + every, last)
            seen = self.updates(begin, done - begin)
            loss = self.held_loss(held) if held is not None else -done  # the last is the best
            self.least = min(self.least, loss)
            if loss <= self.least + NEAR * abs(self.least):
                self.best = _Best(done, loss, self.copy())
            self.save(done)
            note = f"loss {seen:.4f}" + (f", held back {loss:.4f}" if held is not None else "")
            self.run.progress("training", done / last, note)

    def model(self) -> Recurrent:
        """Return the best of this training as it is saved and served."""
        best, config = self.best, replace(self.config, stop=self.best.stop)
        if self.setting.difference and config.shrink < 0:
            held = self.windows.held_back(8 * HELD)
            out = None if held is None else self.held_out(best.parameters, held)
            share = 0.0 if held is None or out is None else _kept_of_median(*out, held)
            config = replace(config, shrink=share)
        arrays = {name: tensor.cpu().numpy() for name, tensor in best.parameters.items()}
        zero = np.zeros_like(arrays["embedding"][:, :1])
        arrays["embedding"] = np.concatenate([arrays["embedding"], zero], axis=1)
        if isinstance(self.windows, returns.ReturnWindows):
            returns.finish(arrays, self.windows)
        return build(config, self.setting, arrays)

    def seconds(self) -> float:
        """Return how long an update takes; the parameters are of no use afterwards."""
        self.updates(0, 2)
        began = time.perf_counter()
        self.updates(2, PROBE)
        return (time.perf_counter() - began) / PROBE

    def save(self, done: int) -> None:
        """Save all that the next updates depend on."""
        best = self.best
        tensors = {f"now.{k}": v for k, v in self.parameters.items()}
        tensors |= {f"best.{k}": v for k, v in best.parameters.items()}
        tensors |= optimiser_tensors(self.optimiser) | {"random": torch.get_rng_state()}
        if self.run.device.startswith("cuda"):
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.run.device)
        state = self.rng.bit_generator.state
        facts = {"done": done, "stop": best.stop, "loss": best.loss, "least": self.least,
                 "draws": state}  # fmt: skip
        self.kept.save(tensors, facts)

    def restore(self) -> int:
        """Go back to what a checkpoint saved; return how many updates were done by then."""
        saved = self.kept.load()
        if saved is None:
            return 0
        tensors, facts = saved
        for name, parameter in self.parameters.items():
            parameter.data.copy_(tensors[f"now.{name}"])
            self.best.parameters[name] = tensors[f"best.{name}"].to(parameter.device)
        restore_optimiser(self.optimiser, tensors)
        torch.set_rng_state(tensors["random"])
        if "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.run.device)
        self.rng.bit_generator.state = facts["draws"]
        self.best.stop, self.best.loss, self.least = facts["stop"], facts["loss"], facts["least"]
        return int(facts["done"])

    def updates(self, begin: int, count: int) -> float:
        """Make `count` updates from update `begin` on; return their mean loss.

        Raises FitError at the first one whose loss is not finite.
        """
        config = self.config
        size = segment(config, self.setting)
        shape = (count, config.members, config.batch)
        picks = self.windows.draw(self.rng, shape, config.home, size).to(self.windows.z.device)
        levels = torch.tensor(LEVELS, device=self.windows.z.device)
        losses, seen = [], torch.zeros((), device=self.windows.z.device)
        for k in range(count):
            for group in self.optimiser.param_groups:
                group["lr"] = rate(config, begin + k)
            batch = self.windows.batch(picks[k], training=True)
            out, target = self.twin.forward(self.parameters, batch, config, self.setting)
            loss = pinball(out, target, levels).sum()
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            limit = config.clip * math.sqrt(config.members)
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), limit)
            self.optimiser.step()
            losses.append(loss.detach())
            seen += (~target.isnan()).float().mean()
        self.check_seen(float(seen) / count, begin)
        return self.checked(torch.stack(losses) / config.members, begin)

    def check_seen(self, share: float, begin: int) -> None:
        """Raise FitError when no target was there to learn from, tell when there were few.

        A loss over masked targets alone is 0: the best there is, and of a dead net.
        """
        if share == 0:
            raise FitError(
                "no window drawn for training has a value in its target",
                hint="`forecast check DATA` shows where the values are missing",
            )
        if begin == 0 and share < FEW:
            self.run.tell(f"only {share:.0%} of the targets have a value to learn from")

    def checked(self, losses: Tensor, begin: int) -> float:
        """Return the mean of the `losses` since update `begin`; FitError unless all are finite."""
        finite = losses.isfinite()
        if not bool(finite.all()) or not all(
            bool(p.isfinite().all()) for p in self.parameters.values()
        ):
            step = begin + int(finite.long().cumprod(0).sum()) + 1
            raise FitError(
                f"the loss is no longer finite at update {step:,} of {self.config.updates:,} "
                f"(learning rate {rate(self.config, step - 1):.2g})",
                hint=f"learn more slowly: `--set rate={self.config.rate / 3:.2g}`",
            )
        return float(losses.mean())

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
