"""Reservoir states and sums of products in torch on a device; the CPU only cuts the windows.

Series go together, block by block, so that one step of the recursion is one matrix product.
Shapes: N series of a group, B rows of a block, P plain features, R units, H horizon.
"""

from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forecast.kernels.reservoir import states_on_device
from forecast.models.base import Floats, History
from forecast.models.drawing import matrix
from forecast.models.esn import ESN
from forecast.training.blocks import Block, blocks
from forecast.training.linear import direct
from forecast.training.reservoir import prior
from forecast.training.ridge import Sums

ROOM = 4e9  # bytes of sums held on the device


class DeviceSums:
    """The sums of reservoir `m` over each series; those of a group are made at once."""

    def __init__(self, model: ESN, history: History, m: int, device: str) -> None:
        self.model, self.history, self.device = model, history, torch.device(device)
        features, targets = prior(model).shape
        self.width = features + targets
        self.targets = targets
        self.group = max(int(ROOM / (16 * self.width**2)), 1)
        self.made: dict[int, tuple[Sums, Sums]] = {}
        arrays = model.arrays
        self.W = self._put(matrix(arrays["W"][m], arrays["W_from"][m]))
        self.W_in = self._put(arrays["W_in"][m])

    def __call__(self, i: int) -> tuple[Sums, Sums]:
        """Return the training and the held-back sums of series `i`."""
        if i not in self.made:
            first = i // self.group * self.group
            which = range(first, min(first + self.group, len(self.history)))
            self.made = dict(zip(which, self._make(which), strict=True))
        return self.made[i]

    def _make(self, which: range) -> list[tuple[Sums, Sums]]:
        """Return the sums of series `which`: products of [features; targets] with themselves."""
        washout = self.model.config.skipped
        streams = [blocks(self.model, self.history, i, washout) for i in which]
        products = torch.zeros(
            len(which), 2, self.width, self.width, dtype=torch.float64, device=self.device
        )
        rows = np.zeros((len(which), 2))
        x = torch.zeros(len(which), self.model.config.units, device=self.device)
        for group in zip_longest(*streams):
            states = self._states(x, list(group))
            x = states[-1]
            for n, block in enumerate(group):
                if block is not None:
                    rows[n] += block.learn.sum(), block.hold.sum()
                    self._add(products[n], block, states[: len(block.moved), n])
        return [self._split(p, r) for p, r in zip(products.cpu().numpy(), rows, strict=True)]

    def _states(self, x: Tensor, group: list[Block | None]) -> Tensor:
        """Return the states (B, N, R); series that have ended or not begun stay as they are."""
        longest = max(len(block.moved) for block in group if block is not None)
        inputs = np.zeros((longest, len(group), len(self.W_in)), np.float32)
        moved = np.zeros((longest, len(group), 1), np.float32)
        for n, block in enumerate(group):
            if block is not None:
                inputs[: len(block.moved), n] = self.model.inputs(block.centred, block.phases)
                moved[: len(block.moved), n, 0] = block.moved
        drive = self._put(inputs) @ self.W_in
        leak = self.model.config.leak_rate * self._put(moved)
        return states_on_device(x, drive, self.W, leak)

    def _add(self, products: Tensor, block: Block, states: Tensor) -> None:
        plain = direct(self.model, block)
        both = torch.cat([self._put(plain), states.double(), self._put(block.targets)], dim=1)
        for k, mask in enumerate((block.learn, block.hold)):
            some = both * self._put(mask.astype(np.float64))[:, None]
            products[k].addmm_(some.T, some)

    def _split(self, products: Floats, rows: Floats) -> tuple[Sums, Sums]:
        cut = self.width - self.targets
        train, held = (
            Sums(p[:cut, :cut], p[:cut, cut:], np.diag(p[cut:, cut:]).copy(), float(r))
            for p, r in zip(products, rows, strict=True)
        )
        return train, held

    def _put(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, non_blocking=True)
