"""Dynamics against cases with a known answer, finite differences and torch's own derivatives."""

import json
from functools import cache

import numpy as np
import pytest

from forecast import cli, dynamics, fitting, store
from forecast.data.clock import HOUR, Clock
from forecast.data.panel import Panel, assemble
from forecast.dynamics.cells import Gated, Leaky
from forecast.dynamics.driven import _given, _networks, _reservoirs
from forecast.dynamics.measures import (
    System,
    forgetting,
    gradients,
    half_life,
    lyapunov,
    measure,
    memory,
    singular_values,
    spectral_radius,
    trajectory,
)
from forecast.errors import DataError, UsageError
from forecast.forecaster import Forecaster

LAGS = (1, 2, 5, 20)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def orthogonal(size: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(rng(seed).normal(size=(size, size)))[0]


def linear(A: np.ndarray, steps: int = 400, leak: float = 1.0) -> System:
    drive = rng(1).normal(size=(steps, len(A)))
    return System(Leaky(A, leak, "linear"), A, drive, rng(2).normal(size=len(A)))


def shrink(rate: float, system: System) -> None:
    """Every measure of a map that shrinks all directions by `rate` a step."""
    states = trajectory(system.cell, system.drive)
    assert lyapunov(system, states, rng()) == pytest.approx(np.log(rate))
    halving = np.log(0.5) / np.log(rate)
    assert half_life(forgetting(system, rng())) == pytest.approx(halving, rel=1e-4)
    np.testing.assert_allclose(gradients(system, states, LAGS), np.log(rate) * np.array(LAGS))
    np.testing.assert_allclose(singular_values(system, states), rate)


def test_an_orthogonal_matrix_shrinks_by_its_factor():
    A = 0.9 * orthogonal(12)
    shrink(0.9, linear(A))
    assert spectral_radius(A) == pytest.approx(0.9)


def test_a_leak_alone_shrinks_by_what_it_keeps():
    shrink(0.7, linear(np.zeros((5, 5)), leak=0.3))


def test_an_orthogonal_matrix_neither_forgets_nor_amplifies():
    system = linear(orthogonal(6), steps=300)
    states = trajectory(system.cell, system.drive)
    assert lyapunov(system, states, rng()) == pytest.approx(0.0, abs=1e-12)
    assert half_life(forgetting(system, rng())) == np.inf


def test_a_scalar_map_has_the_exponent_of_its_mean_slope():
    # x' = tanh(a x) has slope a at 0, where it stays without input: chaos is impossible, but the
    # fixed point 0 repels for a > 1.
    cell = Leaky(np.array([[1.7]]))
    system = System(cell, cell.A, np.zeros((100, 1)), np.ones(1))
    assert lyapunov(system, np.zeros((101, 1)), rng()) == pytest.approx(np.log(1.7))
    driven = System(cell, cell.A, rng(3).normal(size=(300, 1)), np.ones(1))
    states = trajectory(cell, driven.drive)
    slopes = 1.7 * (1 - states[1:, 0] ** 2)
    expected = np.log(slopes[30:]).mean()
    assert lyapunov(driven, states, rng()) == pytest.approx(expected)


def test_a_stretching_map_explodes():
    system = linear(np.diag([1.2, 0.5]), steps=200)
    states = trajectory(system.cell, system.drive)
    assert lyapunov(system, states, rng()) == pytest.approx(np.log(1.2), abs=1e-3)
    assert half_life(forgetting(system, rng())) == np.inf
    np.testing.assert_allclose(gradients(system, states, LAGS), np.log(1.2) * np.array(LAGS))
    np.testing.assert_allclose(singular_values(system, states), [1.2, 0.5])


def test_a_dead_map_has_no_memory():
    system = linear(np.zeros((3, 3)), steps=50)
    states = trajectory(system.cell, system.drive)
    assert lyapunov(system, states, rng()) == -np.inf
    assert memory(system, rng())[0] == pytest.approx(1.0, abs=1e-6)  # the newest input alone
    assert memory(system, rng()).sum() == pytest.approx(1.0, abs=0.1)
    assert half_life(forgetting(system, rng())) <= 1.0


def test_a_linear_reservoir_remembers_as_many_inputs_as_it_has_units():
    # Jaeger (2002), proposition 2; a cycle keeps each input for one round, then adds the next.
    size = 15
    A = 0.8 * np.roll(np.eye(size), 1, axis=0)
    pulse = np.zeros(size)
    pulse[0] = 1.0
    system = System(Leaky(A, activation="linear"), A, np.zeros((50, size)), pulse)
    terms = memory(system, rng())
    assert terms.sum() == pytest.approx(size, abs=0.2)
    assert (terms[:size] > 0.9).all()


def gru(size: int = 5, seed: int = 0) -> Gated:
    draw = rng(seed)
    return Gated(draw.normal(size=(size, 3 * size)), draw.normal(size=size))


CELLS = {
    "tanh": Leaky(rng(4).normal(size=(5, 5)), 0.4),
    "relu": Leaky(rng(5).normal(size=(5, 5)), activation="relu"),
    "gru": gru(),
}


@pytest.mark.parametrize("name", CELLS)
def test_the_jacobian_equals_finite_differences(name):
    cell = CELLS[name]
    w, x = rng(6).normal(size=15 if name == "gru" else 5), rng(7).uniform(-1, 1, 5)
    step = 1e-6
    columns = [
        (cell.step(w, x + step * e) - cell.step(w, x - step * e)) / (2 * step) for e in np.eye(5)
    ]
    np.testing.assert_allclose(cell.jacobian(w, x), np.stack(columns, axis=1), atol=1e-8)


def test_the_gru_cell_is_torchs_with_its_derivative():
    torch = pytest.importorskip("torch")
    cell, w, x = gru(), rng(8).normal(size=15), rng(9).uniform(-1, 1, 5)
    theirs = torch.nn.GRUCell(1, 5).double()
    with torch.no_grad():
        theirs.weight_ih.zero_()
        theirs.weight_hh.copy_(torch.from_numpy(cell.U.T.copy()))
        theirs.bias_ih.copy_(torch.from_numpy(w))
        theirs.bias_hh.zero_()
        theirs.bias_hh[10:] = torch.from_numpy(cell.c)

    def run(h):
        return theirs(torch.zeros(1, 1, dtype=torch.float64), h[None])[0]

    h = torch.from_numpy(x)
    np.testing.assert_allclose(cell.step(w, x), run(h).detach().numpy(), atol=1e-12)
    jacobian = torch.autograd.functional.jacobian(run, h).numpy()
    np.testing.assert_allclose(cell.jacobian(w, x), jacobian, atol=1e-12)


def test_the_gradient_norm_is_that_of_the_whole_run():
    """dx[t] / dx[0] by finite differences through 20 steps, not by the chain rule."""
    cell = CELLS["tanh"]
    drive, x = rng(10).normal(size=(20, 5)), rng(11).uniform(-1, 1, 5)
    states = trajectory(cell, drive, x)
    step = 1e-6
    ends = [
        (trajectory(cell, drive, x + step * e)[-1] - trajectory(cell, drive, x - step * e)[-1])
        / (2 * step)
        for e in np.eye(5)
    ]
    system = System(cell, cell.A, drive, np.ones(5))
    found = gradients(system, states, (1, 20))
    assert np.exp(found[-1]) == pytest.approx(np.linalg.norm(np.stack(ends), 2), rel=1e-6)


def test_members_are_averaged():
    one, two = linear(0.9 * orthogonal(4)), linear(0.5 * orthogonal(4, 1))
    found = measure([one, two])
    assert found.spectral_radius == pytest.approx(0.7)
    assert found.lyapunov == pytest.approx((np.log(0.9) + np.log(0.5)) / 2)
    np.testing.assert_allclose(found.singular_values, 0.7)
    assert (found.members, found.units, found.steps) == (2, 4, 400)


def load(rows: int = 700) -> Panel:
    t = np.arange(rows)
    y = 100 + 30 * np.sin(2 * np.pi * t / 24) + rng(0).normal(size=rows)
    return assemble(["load"], [y], [0], Clock("fixed", step=HOUR, seasons=(24, 168)))


SMALL = {
    "esn": {"units": "20", "reservoirs": "2", "leak_rate": "0.5", "spectral_radius": "0.8"},
    "rnn": {"units": "6", "members": "2", "updates": "5", "stop": "5"},
    "gru": {"units": "6", "members": "2", "updates": "5", "stop": "5"},
}


@cache
def fitted(name: str) -> Forecaster:
    return fitting.fit(load(), name, 24, settings=SMALL.get(name, {}))


@pytest.mark.parametrize("name", SMALL)
def test_a_fitted_model_is_measured_along_rows_and_along_what_it_keeps(name):
    for rows in (load(), None):
        found = dynamics.inspect(fitted(name), rows)
        assert found.members == 2
        assert np.isfinite(found.gradients).all() and np.isfinite(found.lyapunov)
    assert found.rows_per_step == (1 if name == "esn" else 24)


def test_the_reservoir_is_driven_by_what_it_hears():
    forecaster = fitted("esn")
    systems = _reservoirs(forecaster.model, *_given(forecaster, load()))
    for m, system in enumerate(systems):
        reached = trajectory(system.cell, system.drive)[-1]
        np.testing.assert_allclose(reached, forecaster.state["x"][0, m], atol=1e-5)
        assert spectral_radius(system.weights) == pytest.approx(0.8, rel=1e-5)


@pytest.mark.parametrize("name", ["rnn", "gru"])
def test_the_network_steps_as_it_does_when_it_forecasts(name):
    model = fitted(name).model
    (system, _) = _networks(model, *_given(fitted(name), load()))
    x = rng().uniform(-1, 1, (1, 1, 6))
    w = system.drive[-1]
    theirs = model._step(np.tile(w.astype(np.float32), (2, 1, 1)), np.tile(x, (2, 1, 1)))
    np.testing.assert_allclose(system.cell.step(w, x[0, 0]), theirs[0, 0], atol=1e-6)


@pytest.mark.parametrize("name", SMALL)
def test_prices_are_measured_by_their_changes(name):
    y = 50 * np.exp(np.cumsum(rng(12).normal(0, 0.01, 300)))
    panel = assemble(["stock"], [y], [0], Clock("index"))
    forecaster = fitting.fit(panel, name, 1, transform="log-diff", settings=SMALL[name])
    for rows in (panel, None):
        found = dynamics.inspect(forecaster, rows)
        assert found.rows_per_step == 1 and np.isfinite(found.lyapunov)


def test_other_models_and_too_few_rows_are_refused_by_name():
    with pytest.raises(UsageError, match="naive has no recurrent state"):
        dynamics.inspect(fitted("naive"))
    with pytest.raises(DataError, match="too few"):
        dynamics.inspect(fitted("esn"), load(5))
    with pytest.raises(DataError, match="keeps no rows"):
        dynamics.inspect(fitted("esn").forget())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    store.save(fitted("esn"), tmp_path / "load.safetensors")
    t = load().all_times() / HOUR
    lines = [f"{int(s)},{v:.3f}" for s, v in zip(t, load().values, strict=True)]
    (tmp_path / "load.csv").write_text("\n".join(["ds,load", *lines]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_inspect_says_each_measure_and_what_it_means(folder, capfd):
    assert cli.run(["inspect", "load.safetensors", "--dynamics", "--report", "d.html"]) == 0
    said = capfd.readouterr()
    for name in ("spectral radius", "Lyapunov", "half-life", "memory capacity", "gradient",
                 "singular values"):  # fmt: skip
        assert name in said.out
    assert "d.html" in said.err
    page = (folder / "d.html").read_text()
    assert page.count("<svg xmlns") == 4 and "nan" not in page


def test_inspect_gives_programs_numbers(folder, capfd):
    command = ["inspect", "load.safetensors", "--dynamics", "--format", "json"]
    assert cli.run(command) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["spectral_radius"] == pytest.approx(0.8, rel=1e-5)
    assert len(found["gradients"]) == len(found["lags"])


def test_inspect_refuses_what_does_not_go_together(folder, capfd):
    assert cli.run(["inspect", "load.safetensors", "load.csv"]) == 2
    assert "add `--dynamics`" in capfd.readouterr().err
    store.save(fitted("naive"), folder / "naive.safetensors")
    assert cli.run(["inspect", "naive.safetensors", "--dynamics"]) == 2
    assert "no recurrent state" in capfd.readouterr().err
