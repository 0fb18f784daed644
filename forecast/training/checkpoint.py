"""Parameters saved during training, so that a fit that was cut short goes on where it stood.

One file a training: the fit with held-back rows and the fit on all rows each have their own, named
by a hash of everything that shapes it, so that a checkpoint is never taken up by another fit.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

KEY = "training"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`path` is the file of one training, or None to keep nothing."""

    path: Path | None
    resume: bool

    def save(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write `tensors` and the JSON-able `facts` under a temporary name, then rename."""
        if self.path is None:
            return
        from safetensors.torch import save

        data = save(
            {k: v.detach().cpu().contiguous() for k, v in tensors.items()}, {KEY: json.dumps(facts)}
        )
        partial = self.path.with_name(self.path.name + ".part")
        partial.write_bytes(data)
        os.replace(partial, self.path)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return what was saved, or None where there is nothing to go on from."""
        if self.path is None or not self.resume or not self.path.exists():
            return None
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads(file.metadata()[KEY])


def checkpoint(prefix: Path | None, resume: bool, *parts: Any) -> Checkpoint:
    """Return the checkpoint of the training that `parts` (configs, arrays) define."""
    if prefix is None:
        return Checkpoint(None, False)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return Checkpoint(prefix.with_name(f"{prefix.name}.{digest.hexdigest()[:12]}"), resume)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the moments and step counts of `optimiser` as named tensors."""
    return {
        f"optimiser.{k}.{name}": value
        for k, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put the moments and step counts in `tensors` back into `optimiser`."""
    whole = optimiser.state_dict()
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, k, field = name.split(".")
            whole["state"].setdefault(int(k), {})[field] = value
    optimiser.load_state_dict(whole)
