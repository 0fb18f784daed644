"""Successive halving: many candidates for little work, the better for more.

    rung k = 0 .. K:  n[k] = max(n / 3^k, 2) candidates, W / 3^(K - k) units of work each      (1)

Jamieson, Talwalkar (2016), "Non-stochastic best arm identification and hyperparameter
optimization". The default settings are a candidate of every rung, so that what wins has beaten
them at full work W.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

import numpy as np

from forecast.errors import FitError, UsageError
from forecast.models import Family
from forecast.models.settings import configure, written
from forecast.models.spaces import SPACES, Space
from forecast.results import Task
from forecast.training.run import Tell, untold

ETA = 3  # of the candidates of a rung one goes on
RUNGS = 3  # at most
FITS = 10  # whose work the default budget pays
ANY = Task(1)  # stands for the windows until the data are known

Settings = dict[str, str]


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate at one rung; without scores when it `failed`."""

    rung: int
    candidate: int  # 0: the default settings
    work: int
    settings: Settings
    mase: float | None = None
    wql: float | None = None
    failed: str | None = None

    @property
    def loss(self) -> float:
        """MASE, infinite without one."""
        return float("inf") if self.mase is None else self.mase


@dataclass(frozen=True, slots=True)
class Search:
    """All that a search depends on, its data apart. `fixed` settings hold for all candidates."""

    kind: Family
    budget: int | None = None  # units of work; None: that of FITS fits
    seed: int = 0
    transform: str = "auto"
    fixed: Settings = field(default_factory=dict)
    task: Task = ANY

    def __post_init__(self) -> None:
        """Refuse a family without a space, settings it does not know, too small a budget."""
        if self.kind.name not in SPACES:
            raise UsageError(
                f"there is nothing to tune in {self.kind.name}", hint=f"--model {'|'.join(SPACES)}"
            )
        configure(self.kind, self.fixed)
        self.rungs()

    @property
    def space(self) -> Space:
        """The family's space without the settings that are fixed."""
        whole = SPACES[self.kind.name]
        free = {k: v for k, v in whole.choices.items() if k not in self.fixed}
        return replace(whole, choices=free)

    @property
    def work(self) -> int:
        """W, the work of one whole fit."""
        return self._own_work or self.space.whole

    @property
    def _own_work(self) -> int:
        """What the config says of it; 0 when it leaves it open."""
        name = self.space.work
        return int(getattr(configure(self.kind, self.fixed), name)) if name else 1

    def whole(self, trial: Trial) -> Settings:
        """Return the settings of a whole fit of the candidate of `trial`."""
        spent = {} if self._own_work else {self.space.work: str(self.work)}
        return {**self.fixed, **trial.settings, **spent}

    def rungs(self) -> list[tuple[int, int]]:
        """Return (1): how many candidates at how much work each; UsageError when none fit."""
        budget = FITS * self.work if self.budget is None else self.budget
        works = [w for k in range(RUNGS) if (w := self.work // ETA**k) >= 1][::-1]
        most = prod(len(values) for values in self.space.choices.values())
        found = None
        for n in range(2, most + 1):
            rungs = [(max(-(-n // ETA**k), 2), work) for k, work in enumerate(works)]
            if sum(count * work for count, work in rungs) > budget:
                break
            found = rungs
        if found is None:
            least = sum(2 * work for work in works)
            raise UsageError(
                f"a budget of {budget:,} is too small for two candidates"
                if most > 1
                else "every setting that could be tuned is fixed",
                hint=f"--budget {least} is the least" if most > 1 else "leave one `--set` out",
            )
        return found

    def candidates(self) -> list[Settings]:
        """Return as many candidates as the first rung takes, drawn without repetition.

        The first changes nothing; the others differ from it.
        """
        names = list(self.space.choices)
        plain = configure(self.kind, self.fixed)
        default = tuple(written(getattr(plain, name)) for name in names)
        every = [c for c in product(*self.space.choices.values()) if c != default]
        count = min(self.rungs()[0][0] - 1, len(every))
        picks = np.random.default_rng(self.seed).choice(len(every), count, replace=False)
        drawn = [dict(zip(names, every[k], strict=True)) for k in picks]
        changed = [{k: v for k, v in c.items() if v != default[names.index(k)]} for c in drawn]
        return [{}, *changed]


Judge = Callable[[Trial], Trial]  # given one without scores


def halve(search: Search, judge: Judge, tell: Tell = untold) -> list[Trial]:
    """Return all trials in the order in which they were judged; tell what each rung found."""
    alive, trials = dict(enumerate(search.candidates())), list[Trial]()
    for rung, (count, work) in enumerate(search.rungs()):
        if rung:
            last = sorted((t for t in trials if t.rung == rung - 1), key=rank)
            kept = [t.candidate for t in last if t.candidate][: count - 1]
            alive = {k: alive[k] for k in (0, *kept)}
        trials += [judge(Trial(rung, k, work, alive[k])) for k in sorted(alive)]
        tell(said(search, rung, trials[-len(alive) :]))
    return trials


def best(trials: list[Trial]) -> Trial:
    """Return the trial of the last rung with the least loss; FitError when all failed."""
    final = [t for t in trials if t.rung == trials[-1].rung]
    found = min(final, key=rank)
    if found.failed is not None:
        raise FitError(f"no candidate could be fitted: {found.failed}")
    return found


def said(search: Search, rung: int, trials: list[Trial]) -> str:
    """Say in a sentence how the candidates of a rung did."""
    found, plain = min(trials, key=rank), trials[0]
    done = [f"best MASE {t.loss:.4g}" for t in [found] if t.failed is None]
    done += [f"the default {plain.loss:.4g}" for t in [plain] if t.failed is None]
    unit = search.space.work if plain.work > 1 else search.space.work.removesuffix("s")
    spent = f" for {plain.work:,} {unit} each" if unit else ""
    head = f"rung {rung + 1} of {len(search.rungs())}: {len(trials)} candidates{spent}"
    return ": ".join([head, ", ".join(done) or "all failed"])


def rank(trial: Trial) -> tuple[float, int, int]:
    """Return what orders trials: the loss, then how few settings were changed."""
    return trial.loss, len(trial.settings), trial.candidate
