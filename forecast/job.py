"""One model over all windows of a backtest: fit, replay, forecast, and keep what is done.

What is whole stands in a journal, so that a run that was ended goes on from its last fit. N series,
W windows, R rows (series, cutoff, step ahead), Q quantile levels.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import fitting, importance, in_sample
from forecast.data.panel import Panel
from forecast.errors import FitError, ForecastError, UsageError
from forecast.forecaster import Forecaster
from forecast.models import family
from forecast.models.base import LEVELS
from forecast.plan import Plan
from forecast.results import ModelRun, Task
from forecast.results.tally import blocks, let_go
from forecast.runfolder import Journal, Storage
from forecast.training.run import Run
from forecast.walk import Walk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Probe = Callable[[Walk, Forecaster, Floats], dict[str, Any]]

PROBES: dict[str, Probe] = {"importance": importance.measure, "in_sample": in_sample.measure}


@dataclass(frozen=True, slots=True)
class Work:
    """What all models of a backtest share."""

    panel: Panel
    plan: Plan
    task: Task
    options: dict[str, Any]
    resources: Run
    storage: Storage
    scale: Floats = field(default_factory=lambda: np.ones(0))  # (N,) of MASE
    probes: Mapping[str, Probe] = field(default_factory=dict)

    def runs(self, model: str) -> ModelRun:
        """Backtest one model, with every seed where it draws random numbers."""
        seeds = self.task.seeds if family(model).seeded else 1
        walk = Walk(self.panel, self.plan, self.task)
        first, *others = (Job(self, model, number, walk).run() for number in range(seeds))
        first.repeats = tuple(other for other in others if other.failed is None)
        return first


@dataclass(slots=True)
class Job:
    """One model with one seed over all windows."""

    work: Work
    model: str
    number: int
    walk: Walk  # without series that no fit can be made with
    began: float = field(default_factory=time.perf_counter)

    def run(self) -> ModelRun:
        """Return its forecasts, NaN throughout when it failed."""
        label = f"{self.model}-{self.number}"
        plan, storage = self.work.plan, self.work.storage
        journal = storage.journal(label)
        new = not journal.entries
        values = storage.array(
            label, (plan.size, 1 + len(LEVELS)), np.float64, keep=True, begun=not new
        )
        if new:
            _blank(values)
            journal.write(begun=True)
        journal.check(lambda window: values[plan.places(window)[2]])
        out = ModelRun(self.model, values[:, 0], values[:, 1:])
        try:
            self._replay(values, journal)
        except UsageError:  # nothing that other models are spared
            raise
        except ForecastError as error:
            _blank(values)
            journal.write(failed=error.message)
        return self._told(out, journal)

    def _told(self, out: ModelRun, journal: Journal) -> ModelRun:
        """Fill in what the journal says about the run."""
        failed, about = journal.find("failed"), journal.find("about")
        out.failed = failed["failed"] if failed else None
        out.fit_seconds = journal.total("fit_seconds")
        out.predict_seconds = journal.total("seconds")
        out.device = self.work.resources.device
        dropped = journal.find("dropped")
        out.dropped = dropped["dropped"] if dropped else {}
        out.probes = {name: journal.find(name)[name] for name in self.work.probes
                      if journal.find(name) is not None}  # fmt: skip
        if about is not None and out.failed is None:
            out.parameters = about["parameters"]
            out.config = about["config"]
            out.notes = tuple(about["about"])
        return out

    def _replay(self, values: Floats, journal: Journal) -> None:
        """Forecast every window that is not done yet, from the last fit there is."""
        if journal.find("failed") or journal.find("about"):
            return
        done, fitted = journal.find("window"), journal.find("fit")
        first = 0 if done is None else done["window"] + 1
        start = 0 if fitted is None else fitted["fit"]
        forecaster = None if fitted is None else journal.restore(start)
        dropped = journal.find("dropped")
        self.walk = replace(self.walk, dropped=frozenset(dropped["dropped"] if dropped else ()))
        for w in range(start, len(self.work.plan.counts)):
            began = time.perf_counter()
            if forecaster is None or (w > start and self._refits(w)):
                forecaster = self._fit(w, journal)
                journal.keep(forecaster, w, time.perf_counter() - began)
                began = time.perf_counter()
            elif w > start:
                forecaster = self.walk.carried(forecaster, w)
            if w == 0 and self.number == 0:
                self._probe(forecaster, journal)
                began = time.perf_counter()
            if w >= first:
                self.walk.forecast(forecaster, w, values)
                journal.done(
                    w, time.perf_counter() - began, lambda w: values[self.work.plan.places(w)[2]]
                )
                self._say(first, w)
        if forecaster is not None:
            self._describe(forecaster, journal)

    def _probe(self, forecaster: Forecaster, journal: Journal) -> None:
        """Look into the fit of the first window, once."""
        for name, probe in self.work.probes.items():
            if journal.find(name) is None:
                self.work.resources.progress(f"{self.model}: {name}", 0.0, "")
                journal.write(**{name: probe(self.walk, forecaster, self.work.scale)})

    def _refits(self, window: int) -> bool:
        refit = self.work.task.refit
        return refit is not None and window % refit == 0

    def _fit(self, window: int, journal: Journal) -> Forecaster:
        """Fit to the rows before a cutoff, without series that no fit can be made with."""
        known = self.walk.known(window)
        try:
            return self._fitted(known)
        except FitError as error:
            valued = np.flatnonzero([np.isfinite(known.series(i)).any() for i in range(len(known))])
            found = self._culprits(known, valued) if len(valued) > 1 else {}
            if not found or len(found) == len(valued):
                raise error
            self.walk = replace(self.walk, dropped=self.walk.dropped | set(found))
            before = journal.find("dropped")
            journal.write(dropped=(before["dropped"] if before else {}) | found)
            return self._fitted(self.walk.kept(known))

    def _culprits(self, known: Panel, series: Ints) -> dict[str, str]:
        """Return the series that no fit can be made with, and why, by halving."""
        try:
            self._fitted(known.select(series))
        except FitError as error:
            if len(series) == 1:
                return {known.ids[series[0]]: error.message}
            half = len(series) // 2
            return self._culprits(known, series[:half]) | self._culprits(known, series[half:])
        return {}

    def _fitted(self, known: Panel) -> Forecaster:
        options = {name: v for name, v in self.work.options.items() if name != "settings"}
        options["settings"] = self.work.options.get("settings", {}).get(self.model, {})
        options["seed"] = options.get("seed", 0) + self.number
        note = self.work.resources.progress
        run = replace(
            self.work.resources, progress=lambda s, d, n: note(f"{self.model}: {s}", d, n)
        )
        return fitting.fit(known, self.model, self.work.task.reach, run=run, **options)

    def _say(self, first: int, window: int) -> None:
        """Tell how far the windows are, and how long the rest of them will take."""
        total, done = len(self.work.plan.counts), window + 1
        pace = (time.perf_counter() - self.began) / (done - first)
        note = f"{pace * (total - done):,.0f} s left" if done < total else ""
        self.work.resources.progress(f"{self.model}: windows", done / total, note)

    def _describe(self, forecaster: Forecaster, journal: Journal) -> None:
        """Close the journal with what the fitted model is."""
        model, shape = forecaster.model, forecaster.transform
        journal.write(
            about=[f"{shape.name}: {shape.reason}"],
            parameters=sum(array.size for array in model.arrays.values()),
            config=asdict(model.config),
        )


def _blank(values: Floats) -> None:
    for part in blocks(len(values)):
        values[part] = np.nan
        let_go(values)
