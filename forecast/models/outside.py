"""What a direct readout sees of covariates: those of the steps ahead, and the recent ones.

    g[t] = [static; known x and x^2 at t+1..t+H; known and past x over the last season]     (1)

Squares are what heating and cooling ask for. Rows before the first are at the mean, 0.
Shapes: N series, T rows, B rows of a block, H horizon, D static, K known, P past covariates,
R recent rows kept, F features.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forecast.models.base import Floats, Setting, State

RECENT = 24  # rows looked back on where there is no season
PLACES = 12  # of them that are features


def next_step(setting: Setting) -> Setting:
    """Return `setting` for a readout that sees what is known of the next step alone."""
    return replace(setting, horizon=1)


@dataclass(frozen=True, slots=True)
class Outside:
    """The covariates of a setting; without any it has no feature and keeps no state."""

    setting: Setting

    def __len__(self) -> int:
        setting = self.setting
        D, K, P = (len(names) for names in (setting.static, setting.known, setting.past))
        if not D + K + P:
            return 0
        return D + 2 * K * setting.horizon + len(self.places) * (K + P)

    @property
    def rows(self) -> int:
        """How many recent rows are kept, R."""
        return self.setting.seasons[0] if self.setting.seasons else RECENT

    @property
    def places(self) -> NDArray[np.int64]:
        """Which of the recent rows are features, 0 the newest."""
        return np.arange(0, self.rows, -(-self.rows // PLACES))

    def start(self, count: int) -> State:
        """Return the state of `count` series before any row."""
        moving = len(self.setting.known) + len(self.setting.past)
        return {"recent": np.zeros((count, self.rows, moving))} if moving else {}

    def absorb(self, state: State, phases: Floats) -> State:
        """Return what becomes of `state` over rows at `phases` (N, T, S + 1 + D + K + P)."""
        if "recent" not in state:
            return {}
        rows = phases[..., self._first + len(self.setting.static) :]
        joined = np.concatenate([state["recent"], rows], axis=1)
        return {"recent": joined[:, joined.shape[1] - self.rows :].copy()}

    def features(self, recent: Floats, ahead: Floats) -> Floats:
        """Return (1) (B, F) for `recent` (B, R, K + P) and `ahead` (B, H, D + K)."""
        D = len(self.setting.static)
        known = ahead[..., D:].reshape(len(ahead), -1)
        back = recent[:, ::-1][:, self.places].reshape(len(ahead), -1)
        return np.concatenate([ahead[:, 0, :D], known, np.square(known), back], axis=1)

    def seen(self, state: State, phases: Floats) -> Floats:
        """Return (1) (N, F) after `state`, for steps at `phases` (N, H, S + 1 + D + K)."""
        if not len(self):
            return np.zeros((len(phases), 0))
        recent = state.get("recent", np.zeros((len(phases), self.rows, 0)))
        return self.features(recent, phases[:, : self.setting.horizon, self._first :])

    def along(self, phases: Floats) -> tuple[Floats, Floats]:
        """Return views of the recent rows (T, R, K + P) and those ahead (T, H, D + K) of a series.

        `phases` (T, S + 1 + D + K + P) are of its rows; beyond the last nothing is known, 0.
        """
        D, K = len(self.setting.static), len(self.setting.known)
        last = self._first + D + K + len(self.setting.past)
        own, H = phases[:, self._first : last], self.setting.horizon
        before = np.concatenate([np.zeros((self.rows - 1, own.shape[1] - D)), own[:, D:]])
        after = np.concatenate([own[1:, : D + K], np.zeros((H, D + K))])
        recent = sliding_window_view(before, self.rows, axis=0).transpose(0, 2, 1)
        ahead = sliding_window_view(after, H, axis=0).transpose(0, 2, 1)
        return recent, ahead

    @property
    def _first(self) -> int:
        return len(self.setting.seasons) + 1
