"""The leak audit: every model passes, a planted leak is caught, and the command says so."""

from dataclasses import replace

import numpy as np
import pytest

from forecast import audit
from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.covariates import Column, Covariates
from forecast.data.panel import assemble
from forecast.job import Job
from forecast.models import FAMILIES
from forecast.plan import plan_windows
from forecast.results import Task
from forecast.walk import Walk

SMALL = {
    "esn": {"units": "10"},
    "rnn": {"units": "4", "updates": "3", "members": "1"},
    "gru": {"units": "4", "updates": "3", "members": "1"},
    "ensemble": {"members": "linear,esn", "settings": "esn.units=10"},
    "auto": {"members": "linear,esn", "settings": "esn.units=10"},
}


def load():
    rng = np.random.default_rng(0)
    wave = 50 + 10 * np.sin(np.arange(130) * np.pi / 2)
    arrays = [wave[:n] + rng.normal(size=n) for n in (130, 120)]
    return assemble(["a", "b"], arrays, [0, 0], Clock("fixed", step=HOUR, seasons=(4, 8)))


def prices():
    rng = np.random.default_rng(1)
    walk = 50 * np.exp(0.01 * rng.normal(size=(2, 150)).cumsum(axis=1))
    days = np.arange(210)
    days = days[(days + 3) % 7 < 5][:150]
    clock = Clock("trading", unit="D")
    return replace(assemble(["a", "b"], list(walk), [0, 0], clock), times=np.tile(days, 2) * DAY)


@pytest.mark.parametrize("model", FAMILIES)
def test_every_model_passes(model):
    panel = prices() if FAMILIES[model].prices_only else load()
    task = Task(3, windows=2, stride=4, gap=1)
    assert audit.audit(panel, task, [model], options={"settings": SMALL}) == []


def covered():
    panel = load()
    values = np.random.default_rng(2).normal(size=(len(panel.values), 2))
    return replace(
        panel, covariates=Covariates((Column("k", "known"), Column("p", "past")), values)
    )


@pytest.mark.parametrize("model", ["linear", "gru"])
def test_past_covariates_are_noise_too(model):
    task = Task(3, windows=2, stride=4, gap=1)
    assert audit.audit(covered(), task, [model], options={"settings": SMALL}) == []
    panel, plan = covered(), plan_windows(covered(), task)
    moved = np.flatnonzero((audit.noised(panel, plan).covariates.values
                            != panel.covariates.values).any(axis=0))  # fmt: skip
    assert moved.tolist() == [1]


def test_a_fit_that_saw_too_much_is_caught(monkeypatch):
    real = Job._fitted

    def leaky(self, known):
        return replace(real(self, known), scales=real(self, self.work.panel).scales * 1.001)

    monkeypatch.setattr(Job, "_fitted", leaky)
    task = Task(3, windows=2, stride=4)
    found = audit.audit(load(), task, ["esn"], options={"settings": SMALL})
    assert [leak.experiment for leak in found] == ["noise, frozen fit", "noise, refit"]
    assert "cutoff 1970-01-0" in str(found[0])
    assert "step 1, " in found[0].where


def test_a_state_carried_one_row_too_far_is_caught(monkeypatch):
    def leaky(self, window):
        counts = self.plan.counts
        return self.panel.rows(counts[window - 1], counts[window] + 1)

    monkeypatch.setattr(Walk, "since", leaky)
    found = audit.audit(load(), Task(3, windows=2, stride=4), ["naive"])
    assert [leak.experiment for leak in found] == ["noise, frozen fit"]
