"""Work in threads: what it gives is that of one thread, and it ends soon after an error."""

import threading
import time

import numpy as np
import pytest

from forecast.kernels import threads
from forecast.models.base import History, Setting
from forecast.models.esn import ESNConfig
from forecast.models.linear import LinearConfig
from forecast.training import linear, reservoir
from forecast.training.run import Run

SETTING = Setting(horizon=3, seasons=(4, 12))
FITS = {
    "linear": lambda history: linear.fit(LinearConfig(pull=1e-2), SETTING, history, Run()),
    "esn": lambda history: reservoir.fit(ESNConfig(units=20, pull=1e-2), SETTING, history, Run()),
}


def test_work_in_threads_ends_soon_after_an_error(monkeypatch):
    """Ctrl-C meets a search of many seconds; what runs beside it must not be waited for."""
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    steps, started = [], threading.Event()

    def work(i):
        if i == 0:
            started.wait(30)
            raise KeyboardInterrupt
        started.set()
        for k in range(3000):
            threads.go_on()
            steps.append(k)
            time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        threads.in_threads(work, 5)
    assert len(steps) < 2000
    threads.in_threads(lambda i: threads.go_on(), 2)  # the next work begins anew


def test_what_is_made_ahead_is_one_for_each_thread_and_comes_in_order(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    begun: list[int] = []

    def work(i):
        begun.append(i)
        time.sleep(0.01 * (3 - i % 3))  # the first of each three ends last
        return i * i

    made = threads.in_order(work, 8)
    assert [next(made) for _ in range(3)] == [0, 1, 4]
    assert sorted(begun) == [0, 1, 2]
    assert list(made) == [9, 16, 25, 36, 49]
    assert list(threads.in_order(work, 0)) == []


@pytest.mark.parametrize("name", FITS)
def test_a_fit_is_the_same_in_any_number_of_threads(name, monkeypatch):
    rng = np.random.default_rng(0)
    lengths = [400, 250, 60, 400, 330]  # the third is too short for a readout of its own
    t = np.arange(sum(lengths))
    z = np.sin(t * np.pi / 2) + np.cos(t * np.pi / 6) + 0.1 * rng.normal(size=len(t))
    z[rng.random(len(z)) < 0.02] = np.nan
    phases = np.stack([t % 4 / 4, t % 12 / 12, np.zeros(len(t))], axis=-1)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    history = History(z, phases, offsets, np.array([40, 40, 0, 40, 40]))
    fits = []
    for count in ("1", "4"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", count)
        fits.append(FITS[name](history))
    assert fits[0].config == fits[1].config
    assert len(fits[0].arrays["readouts"]) > 2
    for key, array in fits[0].arrays.items():
        assert np.array_equal(array, fits[1].arrays[key]), key
