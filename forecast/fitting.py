"""Fit a forecaster: choose the transform, hold back windows, learn, calibrate, learn on all rows.

A model is fitted twice. The first fit leaves out the last rows of each series, chooses on them
(early stopping, ridge) and is calibrated on forecasts made there. The second learns from all rows
at the settings so chosen. Baselines, which choose nothing, are fitted alike.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import calibration, record, replay, skill
from forecast.calibration import Calibration
from forecast.data import covariates, sessions
from forecast.data.covariates import Coding
from forecast.data.holidays import HOLIDAY
from forecast.data.panel import Panel
from forecast.data.roles import ROLES
from forecast.errors import FitError
from forecast.forecaster import KEPT, Forecaster
from forecast.models import Family, family
from forecast.models.base import LEVELS, History, Model, Setting
from forecast.models.settings import configure
from forecast.training.run import InterruptedFit, Run
from forecast.transform import Transform, choose, scales

Floats = NDArray[np.float64]
HELD_CYCLES = (2, 18)  # longest seasons held back, at least and at most: weeks, on load
HELD_ROWS = (125, 500)  # rows, on a clock without a season
WINDOWS = 8000  # held-back windows times series, at most
PER_SERIES = 84
CUT = {"interrupted": True}  # what the record says of a training that a person ended
SAMPLE = 1000  # series whose windows are used when there are more


def fit(
    panel: Panel,
    model: str = "gru",
    horizon: int | None = None,
    *,
    transform: str = "auto",
    seed: int = 0,
    settings: dict[str, str] | None = None,
    run: Run | None = None,
) -> Forecaster:
    """Fit `model` to `panel` and return a forecaster that stands at its last rows.

    `horizon` is one season by default, 5 on trading days, 10 without a season. Raises UsageError
    for an unknown model or setting, FitError when the data do not carry the model. What covariates
    it uses, and which of them tell nothing, stands in the record.
    """
    kind, run = family(model), run or Run()
    config = configure(kind, settings or {})
    panel = panel.select(np.flatnonzero(panel.lengths > 0))
    shape = choose(panel, transform)
    if transform == "auto" and kind.copies and not shape.difference:
        shape = Transform("none", "values are copied as they are")
    horizon = horizon or default_horizon(panel)
    if shape.difference:  # changes have no season: the columns of the phases say so too
        panel = replace(panel, clock=panel.clock.with_seasons(()))
    given, panel = panel, _with_sessions(panel, kind, shape, run)
    coding = covariates.learn(panel.covariates, kind.covariates)
    setting = Setting(
        horizon=horizon,
        seasons=panel.clock.seasons,
        difference=shape.difference,
        year=_knows_the_year(panel),
        seed=seed,
        **{role: coding.names(role) for role in ROLES},
    )
    work = _Work(panel, shape, scales(panel), kind, setting, run, coding)
    _check_values(work)
    if transform == "auto" and kind.logarithm:
        work = work.shaped(config)
    fitted, adjustment, found = work.learn(config)
    fitted, coding = work.narrowed(fitted)
    facts = record.of_fit(given, work.transform, adjustment, coding) | found
    return work.standing(fitted, adjustment, coding, facts)


def _with_sessions(panel: Panel, kind: Family, shape: Transform, run: Run) -> Panel:
    """Return `panel` with what days of trading show in place of open, high, low and volume.

    Only a model of returns sees the market. Other transforms leave the columns as they came.
    """
    if shape.name != "log-diff" or not kind.covariates:
        return panel
    if said := sessions.told(panel):
        run.tell(said)
    if kind.spreads:
        return sessions.derive(panel)
    return sessions.without_market(sessions.derive(panel, sessions.recognised(panel)))


def default_horizon(panel: Panel) -> int:
    """Return one season, 5 on trading days, 10 on a clock without a season."""
    if panel.clock.seasons:
        return panel.clock.seasons[0]
    return 5 if panel.clock.kind == "trading" else 10


@dataclass(frozen=True, slots=True)
class _Work:
    """One fit: the panel as the model sees it."""

    panel: Panel
    transform: Transform
    scales: Floats
    kind: Family
    setting: Setting
    run: Run
    coding: Coding

    def shaped(self, config: Any) -> "_Work":
        """Return the same work, without logarithms if its own likelihood is against them.

        Beyond two standard errors, that is: they were proposed for a reason.
        """
        if self.transform.name != "log":
            return self
        held, plain = held_back(self.panel, self.setting), replace(self, transform=Transform())
        gain, error = self.kind.load("logarithm")(
            config, self.setting, self.history(held), plain.history(held)
        )
        if np.isnan(gain):
            return self
        chosen = plain if gain + 2 * error < 0 else self
        verb = "gain" if gain > 0 else "lose"
        reason = f"by likelihood: logarithms {verb} {abs(gain):.3f} a value (error {error:.3f})"
        return replace(chosen, transform=replace(chosen.transform, reason=reason))

    def learn(self, config: Any) -> tuple[Model, Calibration, dict[str, Any]]:
        """Fit with rows held back, calibrate on them, fit again on all; also say the skill.

        What is found says too whether a person ended the training: the model is the best so far.
        """
        held = held_back(self.panel, self.setting)
        learn, cut = self.kind.load("fit"), False
        try:
            first: Model = learn(config, self.setting, self.history(held), self.run)
        except InterruptedFit as end:
            first, cut = end.model, True
        if not held.any():
            return first, calibration.none(self.setting.horizon), CUT if cut else {}
        adjustment, found = self.judged(first, held)
        if cut:
            return first, adjustment, found | CUT
        again = replace(self.run, progress=_renamed(self.run.progress))
        try:
            final: Model = learn(first.config, self.setting, self.history(0 * held), again)
        except (InterruptedFit, KeyboardInterrupt):
            if not self.run.keep:
                raise
            return first, adjustment, found | CUT
        return final, adjustment, found

    def narrowed(self, model: Model) -> tuple[Model, Coding]:
        """Return the model and the coding without covariates of roles that no member uses."""
        roles = getattr(model, "roles", self.kind.covariates)
        if all(column.role in roles for column in self.coding.columns):
            return model, self.coding
        coding = covariates.learn(self.panel.covariates, roles)
        names: dict[str, Any] = {role: coding.names(role) for role in ROLES}
        setting = replace(self.setting, **names)
        narrow: Model = self.kind.load("model")(model.config, setting, model.arrays)
        return narrow, coding

    def standing(
        self, model: Model, adjustment: Calibration, coding: Coding, facts: dict[str, Any]
    ) -> Forecaster:
        """Return the forecaster of `model` standing at the last rows of the panel."""
        panel, number = self.panel, np.arange(len(self.panel))
        beside = replay.beside(coding, panel)
        return Forecaster(
            family=self.kind.name,
            model=model,
            clock=panel.clock,
            transform=self.transform,
            calibration=adjustment,
            ids=panel.ids,
            series=number,
            scales=self.scales,
            state=replay.absorb(
                model, model.start(number), panel, self.transform, self.scales, beside
            ),
            last=panel.ends,
            tail=replay.tails(panel, np.full((len(panel), KEPT), np.nan)),
            order=panel.order if len(panel.order) else number,
            record=facts,
            coding=coding,
            beside=beside[panel.offsets[1:] - 1],
            holidays=panel.holidays if HOLIDAY in coding.sources("known") else None,
        )

    def judged(self, model: Model, held: NDArray[np.int64]) -> tuple[Calibration, dict[str, Any]]:
        """Return the calibration, and on prices the skill, of forecasts over held-back rows."""
        prices, (quantiles, scale, truth) = self.setting.difference, self.replayed(model, held)
        new = min((self.setting.horizon, *self.setting.seasons[:1]))  # a season on, errors are new
        overlap = -(-new // self.stride(held))
        if prices and self.kind.spreads:  # one spell of the market would only bend them
            adjustment = calibration.none(self.setting.horizon)
        else:
            adjustment = calibration.learn(quantiles, scale, truth, overlap)
        if not prices or self.kind.copies or self.kind.prices_only:
            return adjustment, {}
        bar = family("naive-ewma")
        walk = bar.load("fit")(bar.load("config")(), self.setting, self.history(held), self.run)
        spread, unit, _ = self.replayed(walk, held)
        found = skill.measure(quantiles, spread, truth, unit, overlap)
        self.run.tell(f"{self.kind.name} on held-back rows: {found}")
        return adjustment, {"skill": found.record()}

    def history(self, held: NDArray[np.int64]) -> History:
        z = self.transform.forward(self.panel.values, np.repeat(self.scales, self.panel.lengths))
        beside = replay.beside(self.coding, self.panel)
        series = np.repeat(np.arange(len(self.panel)), self.panel.lengths)
        clock = self.panel.clock.of(self.panel.ids).at(series)
        phases = replay.sight(clock, self.panel.all_times(), beside)
        return History(z, phases, self.panel.offsets, held)

    def stride(self, held: NDArray[np.int64]) -> int:
        """Return the rows between forecasts over the held-back ones."""
        some = min(int((held > 0).sum()), SAMPLE)
        count = min(max(WINDOWS // some, 8), PER_SERIES)
        return max(int(held.max()) // count, 1)

    def replayed(self, model: Model, held: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Forecast over the held-back rows: quantiles (V, N, H, Q), scale, truth (V, N, H)."""
        horizon, stride = self.setting.horizon, self.stride(held)
        some = np.flatnonzero(held > 0)
        if len(some) > SAMPLE:
            some = some[np.linspace(0, len(some) - 1, SAMPLE).astype(int)]
        shape = (-(-int(held.max()) // stride), len(self.panel), horizon)
        quantiles, scale = np.zeros((*shape, len(LEVELS))), np.ones(shape)
        truth = np.full(shape, np.nan)
        for span in np.unique(held[some]):
            which = some[held[some] == span]
            part = self.panel.select(which)
            before = part.rows(np.zeros(len(part), np.int64), part.lengths - span)
            state = replay.absorb(
                model, model.start(which), before, self.transform, self.scales[which],
                replay.beside(self.coding, before),
            )  # fmt: skip
            z = self.transform.forward(part.values, np.repeat(self.scales[which], part.lengths))
            beside = replay.beside(self.coding, part)
            q, s, t = replay.windows(model, state, part, z, int(span), stride, beside)
            quantiles[: len(q), which], scale[: len(q), which] = q, s
            truth[: len(q), which] = t
        return quantiles, scale, truth


def _check_values(work: _Work) -> None:
    """Name the series that show no value at all; FitError where none shows one."""
    if not len(work.panel) or np.isnan(work.scales).all():
        raise FitError("there is no value to learn from")
    empty = [work.panel.ids[i] for i in np.flatnonzero(np.isnan(work.scales))]
    if empty:
        names = ", ".join(f"`{name}`" for name in empty[:5]) + ", ..." * (len(empty) > 5)
        which = "series has" if len(empty) == 1 else "series have"
        work.run.tell(f"{len(empty):,} {which} no value, and an empty forecast: {names}")


def held_back(panel: Panel, setting: Setting) -> NDArray[np.int64]:
    """Return how many last rows of each series are held back (N,); 0 where there are too few.

    A fifth where there are seasons, since the weeks before a cutoff say little about those half a
    year on; a tenth where there are none; never more than a quarter.
    """
    cycle, share = (setting.seasons[0], 5) if setting.seasons else (1, 10)
    unit, bounds = (setting.seasons[-1], HELD_CYCLES) if setting.seasons else (1, HELD_ROWS)
    least, most = max(bounds[0] * unit, 2 * setting.horizon), bounds[1] * unit
    wanted = np.clip(panel.lengths // share, least, most)
    held = np.minimum(wanted, panel.lengths // 4) // cycle * cycle
    return np.where(held >= max(setting.horizon, 4), held, 0)


def _knows_the_year(panel: Panel) -> bool:
    """Whether a typical series covers the year one and a half times."""
    if panel.clock.kind in ("index", "trading"):
        return False
    span = np.median(panel.ends - panel.starts)
    from forecast.data.clock import YEAR

    return bool(span >= 1.5 * YEAR)


def _renamed(progress: Any) -> Any:
    return lambda stage, done, note: progress(f"{stage}, all rows", done, note)
