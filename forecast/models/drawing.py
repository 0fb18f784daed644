"""How a reservoir is drawn: from the seed, its spectral radius set exactly, and never trained.

Shapes: M reservoirs, R units, K inputs per unit, U inputs beside the bias.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.errors import FitError
from forecast.models.base import Arrays, Floats, Setting

if TYPE_CHECKING:
    from forecast.models.esn import ESNConfig

SMALLEST = 1e-6  # spectral radius of drawn weights that can still be scaled


def draw(config: "ESNConfig", setting: Setting, inputs: int) -> Arrays:
    """Draw `W`, `W_from` and `W_in` for `inputs` inputs, [1; u], from the setting's seed."""
    drawn = [
        reservoir(config, np.random.default_rng([setting.seed, m]))
        for m in range(config.reservoirs)
    ]
    scale = input_scales(config, setting, inputs)
    W_in = [
        np.random.default_rng([setting.seed, m, 1]).uniform(-1, 1, (inputs, config.units))
        for m in range(config.reservoirs)
    ]
    return {
        "W": np.stack([W for W, _ in drawn]).astype(np.float32),
        "W_from": np.stack([W_from for _, W_from in drawn]).astype(np.int32),
        "W_in": (np.stack(W_in) * scale[:, None]).astype(np.float32),
    }


def input_scales(config: "ESNConfig", setting: Setting, inputs: int) -> Floats:
    """Return the scale (U + 1,) of each of [1; u]."""
    scale = np.full(inputs, 0.3)
    values = 1 + len(setting.seasons)
    scale[1 : 1 + values] = config.input_scale
    if setting.seasons:
        scale[1 + values :][: 2 * min(2, setting.seasons[0] // 2)] = config.clock_scale
    return scale


def reservoir(config: "ESNConfig", rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Return weights and places (R, K) of a reservoir whose spectral radius is the config's.

    Every unit hears at least one, so the graph has a cycle and no draw is nilpotent. On a simple
    cycle (Rodan and Tino 2011) all weights are the radius. Raises FitError where the draw's own
    radius is too small to be scaled.
    """
    R, K = config.units, min(config.inputs_per_unit, config.units)
    if config.topology == "cycle":
        return np.full((R, 1), config.spectral_radius), (np.arange(R)[:, None] - 1) % R
    W_from = np.stack([rng.choice(R, K, replace=False) for _ in range(R)])
    W = rng.standard_normal((R, K))
    own = spectral_radius(W, W_from)
    if own < SMALLEST:
        raise FitError(
            f"spectral radius {config.spectral_radius:g} cannot be reached: the weights drawn for "
            f"{R:,} units that hear {K} each have the radius {own:.1g}",
            hint="draw others: `--seed 1`, or more of them: `--set inputs_per_unit=8`",
        )
    return W * (config.spectral_radius / own), W_from


def spectral_radius(W: Floats, W_from: NDArray[np.int64]) -> float:
    """Return the largest modulus of the eigenvalues of the matrix given by `W`, `W_from` (R, K)."""
    return float(np.abs(np.linalg.eigvals(matrix(W, W_from))).max())


def matrix(W: Floats, W_from: NDArray[np.int64]) -> Floats:
    """Return the dense (R, R) matrix with `W` (R, K) at columns `W_from` (R, K)."""
    dense = np.zeros((len(W), len(W)), W.dtype)
    np.add.at(dense, (np.arange(len(W))[:, None], W_from), W)
    return dense
