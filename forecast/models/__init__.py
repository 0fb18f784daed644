"""The registry: one line per family, by name, so that listing them imports nothing."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from forecast.data.roles import ROLES, Role
from forecast.errors import UsageError


@dataclass(frozen=True, slots=True)
class Family:
    """Where a family's parts live, as `module:name`."""

    name: str
    config: str
    model: str
    fit: str
    summary: str
    baseline: bool = False  # cheap, and always run in a benchmark
    prices_only: bool = False
    seeded: bool = False  # draws random numbers at the fit
    copies: bool = False  # forecasts past values, which a transform could only round
    logarithm: str = ""  # what its own likelihood gains by logarithms, if it is asked
    spreads: bool = False  # learns the quantiles of returns, on more of the past than is held back
    covariates: tuple[Role, ...] = ()  # which of them it uses; it never sees the others

    def load(self, part: str) -> Any:
        """Import and return `config`, `model` or `fit`."""
        module, name = getattr(self, part).split(":")
        return getattr(import_module(module), name)


_M, _T = "forecast.models", "forecast.training"

FAMILIES = {
    family.name: family
    for family in (
        Family("rnn", f"{_M}.recurrent:RNNConfig", f"{_M}.steadied:build",
               f"{_T}.recurrent:fit", "Elman network over the last days, quantile head",
               seeded=True, spreads=True, covariates=ROLES),
        Family("gru", f"{_M}.recurrent:GRUConfig", f"{_M}.steadied:build",
               f"{_T}.recurrent:fit", "gated recurrent unit over the last days, quantile head",
               seeded=True, spreads=True, covariates=ROLES),
        Family("esn", f"{_M}.esn:ESNConfig", f"{_M}.echoes:build",
               f"{_T}.reservoir:fit", "echo state network, ridge readout",
               seeded=True, spreads=True, covariates=ROLES),
        Family("kalman", f"{_M}.kalman:KalmanConfig", f"{_M}.kalman:Kalman",
               f"{_T}.kalman:fit", "structural state space by maximum likelihood",
               logarithm=f"{_T}.logarithm:gain", covariates=("known",)),
        Family("linear", f"{_M}.linear:LinearConfig", f"{_M}.linear:Linear",
               f"{_T}.linear:fit", "ridge on lags and calendar, direct", baseline=True,
               covariates=ROLES),
        Family("ensemble", f"{_M}.ensemble:EnsembleConfig", f"{_M}.ensemble:Ensemble",
               f"{_T}.ensemble:fit", "weighted average of gru, esn, linear and kalman",
               covariates=ROLES),
        Family("auto", f"{_M}.ensemble:AutoConfig", f"{_M}.ensemble:Ensemble",
               f"{_T}.auto:fit", "the best of these on held-back rows", covariates=ROLES),
        Family("naive", f"{_M}.naive:NaiveConfig", f"{_M}.naive:Naive",
               f"{_M}.naive:fit", "the last value (random walk)", baseline=True, copies=True),
        Family("snaive", f"{_M}.naive:SeasonalNaiveConfig", f"{_M}.naive:Naive",
               f"{_M}.naive:fit", "the value one season ago", baseline=True, copies=True),
        Family("snaive-week", f"{_M}.naive:WeeklyNaiveConfig", f"{_M}.naive:Naive",
               f"{_M}.naive:fit", "the value one week ago", baseline=True, copies=True),
        Family("drift", f"{_M}.naive:DriftConfig", f"{_M}.naive:Naive",
               f"{_M}.naive:fit", "the last value and the mean change", baseline=True, copies=True),
        Family("naive-ewma", f"{_M}.naive:EWMAConfig", f"{_M}.naive:Naive",
               f"{_M}.naive:fit", "random walk, exponentially weighted variance",
               baseline=True, prices_only=True),
    )
}  # fmt: skip


def family(name: str) -> Family:
    """Return the family called `name`; UsageError names the known ones."""
    if name not in FAMILIES:
        raise UsageError(f"no model is called `{name}`", hint=f"known: {', '.join(FAMILIES)}")
    return FAMILIES[name]
