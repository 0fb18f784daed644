"""The protocol of a backtest: which cutoffs, how far ahead, on which rows, fitted how often."""

from dataclasses import dataclass

from forecast.errors import UsageError

MOST = 10**9  # of anything that is counted


@dataclass(frozen=True, slots=True)
class Task:
    """What is forecast: `windows` cutoffs `stride` steps apart, `horizon` steps from each.

    `stride` defaults to the horizon. With `first_cutoff`, a clock time, the windows start there;
    without it they are the last ones of each series. `refit` fits anew every so many windows
    (None: once). A fit sees all rows up to its cutoff, or with `span` only the last so many.
    `gap` steps after each cutoff are neither known nor judged: step 1 is the first one after it.
    `seeds` fits are made of every model that draws random numbers.
    """

    horizon: int
    windows: int = 1
    stride: int | None = None
    first_cutoff: int | None = None
    refit: int | None = None
    span: int | None = None
    gap: int = 0
    seeds: int = 1

    def __post_init__(self) -> None:
        """Refuse counts below one, and those no data could have."""
        for name in ("horizon", "windows", "stride", "refit", "span", "seeds"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}", hint=f"--{name} must be at least 1")
            if value is not None and value > MOST:
                raise UsageError(f"{name} is {value}", hint=f"--{name} must be at most {MOST:,}")
        if not 0 <= self.gap <= MOST:
            raise UsageError(f"gap is {self.gap}", hint=f"--gap must be in 0..{MOST:,}")

    @property
    def step(self) -> int:
        """Steps between cutoffs."""
        return self.horizon if self.stride is None else self.stride

    @property
    def reach(self) -> int:
        """Steps from a cutoff to the last step judged."""
        return self.gap + self.horizon
