"""What a forecaster returns: means and quantiles of the steps that follow each series."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.data.clock import Clock, Times

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """N series, H steps ahead, Q quantile levels; series in the order of the input."""

    ids: tuple[str, ...]
    times: Times  # (N, H)
    mean: NDArray[np.float64]  # (N, H) the expectation
    quantiles: NDArray[np.float64]  # (N, H, Q), never decreasing
    levels: tuple[float, ...]
    clock: Clock
    model: str

    def to_frame(self) -> "pd.DataFrame":
        """Return one row per series and step: `unique_id, ds, mean` and a column per level."""
        import pandas as pd

        _, horizon = self.mean.shape
        ds = self.times.ravel()
        if self.clock.kind != "index":
            ds = ds.astype("M8[us]")
        columns = {
            "unique_id": np.repeat(np.array(self.ids, object), horizon),
            "ds": ds,
            "mean": self.mean.ravel(),
        }
        for k, level in enumerate(self.levels):
            columns[f"{level:g}"] = self.quantiles[:, :, k].ravel()
        frame = pd.DataFrame(columns)
        if self.clock.zone is not None:
            frame["ds"] = frame["ds"].dt.tz_localize("UTC").dt.tz_convert(self.clock.zone)
        return frame
