"""The one real pass of a fitted filter through `filterpy`, which must agree with ours."""

import numpy as np

from forecast.errors import FitError
from forecast.models.base import Floats, State
from forecast.models.kalman import Kalman
from forecast.models.sight import look, sight
from forecast.models.structural import design

WORK = 1e9  # rows times states cubed, at most: about two seconds
AGREE = 1e-6  # of the state's standard deviation, and of its mean


def verify(model: Kalman, z: Floats, phases: Floats, series: int) -> None:
    """Run `filterpy.kalman.KalmanFilter` over the last rows of one series and compare.

    It begins at the first observation, where the diffuse level has become proper, and covers as
    many rows of `z` (T,) as cost a second or two. FitError when the states come apart.
    """
    m = model.structure.size
    rows = int(np.clip(WORK / m**3, 50, 20_000))
    z, phases = z[-rows:], phases[-rows:]
    there = np.flatnonzero(~np.isnan(z))
    if len(there) < 2:
        return
    first = int(there[0]) + 1
    begin = model.start(np.array([series]))
    begin = model.absorb(begin, z[None, :first], phases[None, :first])
    mean, cov = through_filterpy(model, begin, z[first:], phases[first:])
    ours = model.absorb(begin, z[None, first:], phases[None, first:])
    apart = np.abs(mean - ours["mean"][0]) / (np.sqrt(np.diag(cov)) + np.abs(mean) + 1e-300)
    spread = np.abs(cov - ours["cov"][0]).max() / np.abs(cov).max()
    if not max(float(apart.max()), float(spread)) < AGREE:
        raise FitError(
            "the Kalman filter and filterpy disagree: the fitted variances are near-singular",
            hint="try `--set criterion=likelihood`, or fewer harmonics by `--set seasons=24:6`",
        )


def through_filterpy(
    model: Kalman, state: State, z: Floats, phases: Floats
) -> tuple[Floats, Floats]:
    """Return mean (m,) and covariance (m, m) after `z` (T,), NaN as `update(None)`."""
    from filterpy.kalman import KalmanFilter

    dynamics = model.dynamics(state["series"])
    transition = np.diag(dynamics.rho[0])
    if dynamics.coupling[0]:
        transition[0, 1] = dynamics.coupling[0]
    kf = KalmanFilter(dim_x=len(transition), dim_z=1)
    kf.x, kf.P = state["mean"][0][:, None].copy(), state["cov"][0].copy()
    kf.F, kf.Q, kf.R = transition, np.diag(dynamics.q[0]), np.eye(1)
    structure = model.structure
    seen = look(design(structure), sight(structure, model.setting, phases))
    for value, h in zip(z, seen, strict=True):
        kf.predict()
        kf.H = h[None]
        kf.update(None if np.isnan(value) else np.array([value]))
    return kf.x[:, 0], kf.P
