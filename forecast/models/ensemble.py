"""Several models as one: their quantiles averaged, their states carried side by side.

    q = sum_m w[m] q_m,  scale = sum_m w[m] scale_m,  w[m] >= 0, sum_m w[m] = 1             (1)

Averaging quantiles, not probabilities, keeps the shape of the members' distributions (Lichtendahl,
Grushka-Cockayne, Winkler (2013), "Is it better to average probabilities or quantiles?"). Arrays
and state are the members' own under their names: `gru.W`, `linear.ring`. A member sees the
covariates of the roles that its family uses, as if it stood alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.data.roles import ROLES, Role
from forecast.errors import UsageError
from forecast.models import family
from forecast.models.base import Arrays, Floats, Model, Prediction, Setting, State
from forecast.models.settings import configure

Ints = NDArray[np.int64]

WHOLE = ("ensemble", "auto")  # families that are no members


@dataclass(frozen=True, slots=True)
class EnsembleConfig:
    """Who takes part, and how much each counts."""

    members: tuple[str, ...] = ("gru", "esn", "linear", "kalman")  # models that are averaged
    weights: tuple[float, ...] = ()  # of the members; none: learned on the validation rows
    settings: tuple[str, ...] = ()  # of the members, as in gru.updates=300

    def __post_init__(self) -> None:
        """Refuse what cannot be averaged: ValueError, or UsageError for a member's setting."""
        if not self.members or len(set(self.members)) < len(self.members):
            raise ValueError("members must be models, each named once")
        if set(self.members) & set(WHOLE):
            raise ValueError(f"members cannot be {' or '.join(WHOLE)}")
        if self.weights and len(self.weights) != len(self.members):
            raise ValueError(f"{len(self.weights)} weights for {len(self.members)} members")
        if self.weights and not (min(self.weights) >= 0 and 0 < sum(self.weights) < np.inf):
            raise ValueError("weights must not be negative, and not all of them 0")
        self.configs()

    def configs(self) -> dict[str, Any]:
        """Return the config of each member."""
        found: dict[str, dict[str, str]] = {name: {} for name in self.members}
        for text in self.settings:
            name, _, value = text.partition("=")
            member, _, setting = name.partition(".")
            if member not in found:
                raise UsageError(
                    f"setting `{text}`: `{member}` is not a member",
                    hint=f"members: {', '.join(self.members)}",
                )
            found[member][setting] = value
        return {name: configure(family(name), own) for name, own in found.items()}


@dataclass(frozen=True, slots=True)
class AutoConfig(EnsembleConfig):
    """The best of the members, their ensemble and naive forecasts on the validation rows."""

    naive: tuple[str, ...] = ("snaive", "snaive-week", "naive", "drift", "naive-ewma")  # to beat
    validation: dict[str, float] = field(default_factory=dict)  # losses over the first naive's


class Ensemble:
    """A fitted ensemble. `arrays` are those of the members, `NAME.ARRAY`."""

    def __init__(self, config: EnsembleConfig, setting: Setting, arrays: Arrays) -> None:
        self.config, self.setting, self.arrays = config, setting, arrays
        self.parts: dict[str, Model] = {}
        self.sights: dict[str, Ints] = {}  # which columns behind the phases a member sees
        for name, own in config.configs().items():
            narrow, self.sights[name] = narrowed(setting, family(name).covariates)
            self.parts[name] = family(name).load("model")(own, narrow, below(arrays, name))

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles of covariates that some member uses."""
        used = {role for name in self.parts for role in family(name).covariates}
        return tuple(role for role in ROLES if role in used)

    def start(self, series: NDArray[np.int64]) -> State:
        """Return the state of every member before any row of `series` (N,)."""
        return together({name: part.start(series) for name, part in self.parts.items()})

    def absorb(self, state: State, z: Floats, phases: Floats) -> State:
        """Carry the state of every member over rows `z` (N, T)."""
        return together(
            {
                name: part.absorb(below(state, name), z, seen(phases, self.sights[name]))
                for name, part in self.parts.items()
            }
        )

    def predict(self, state: State, phases: Floats) -> Prediction:
        """Average the members' forecasts of the steps at `phases` by (1)."""
        each = [
            part.predict(below(state, name), seen(phases, self.sights[name]))
            for name, part in self.parts.items()
        ]
        weights = normalised(self.config.weights or np.ones(len(each)))
        return Prediction(
            np.tensordot(weights, [p.quantiles for p in each], 1),
            np.tensordot(weights, [p.scale for p in each], 1),
        )


def narrowed(setting: Setting, roles: Sequence[Role]) -> tuple[Setting, Ints]:
    """Return what a member that uses `roles` is told of `setting`, and which columns it sees."""
    first, kept = len(setting.seasons) + 1, {}
    columns = [np.arange(first)]
    for role in ROLES:
        names: tuple[str, ...] = getattr(setting, role)
        kept[role] = names if role in roles else ()
        columns.append(first + np.arange(len(kept[role])))
        first += len(names)
    narrow = replace(setting, static=kept["static"], known=kept["known"], past=kept["past"])
    return narrow, np.concatenate(columns)


def seen(phases: Floats, columns: Ints) -> Floats:
    """Return the `columns` of `phases` (..., S + 1 + E); past ones are absent from steps ahead."""
    width = phases.shape[-1]
    if len(columns) == width:
        return phases
    return np.ascontiguousarray(phases[..., columns[columns < width]])


def normalised(weights: Any) -> Floats:
    """Return `weights` (M,) divided by their sum."""
    values = np.asarray(weights, np.float64)
    return np.asarray(values / values.sum())


def together(parts: dict[str, dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return named arrays of several models as one dict, `NAME.ARRAY`."""
    return {
        f"{name}.{key}": array for name, arrays in parts.items() for key, array in arrays.items()
    }


def below(arrays: dict[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of the model `name` out of those of several."""
    prefix = f"{name}."
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
