"""Ridge regression from sums of products, accumulated in float64 block by block.

    W = (G + n ridge D)^-1 C,   G = sum f f',  C = sum f y',  D the features' penalties     (1)

With s = D^-1/2 and s G s = Q diag(w) Q', one eigendecomposition gives W for every ridge,

    W = s Q diag(1 / (w + n ridge)) Q' s C                                                  (2)

and the error on other rows follows from their sums alone,

    sum |y - W'f|^2 = yy - 2 tr(W'C) + tr(W'G W)                                            (3)

Where no other rows are held back, generalised cross-validation judges a ridge by its own rows,

    n sum |y - W'f|^2 / (n - t)^2,  t = sum w / (w + n ridge)                               (4)

t the degrees of freedom (Golub, Heath, Wahba 1979); it takes rows for independent, which those of a
series are not, so held-back rows come first. A readout drawn to another, W0, is (2) for the rows
y - W0'f, added to W0.
Shapes: B rows, P features, H targets.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from forecast.kernels.threads import in_order
from forecast.models.base import Arrays, Floats

T = TypeVar("T")

RIDGES = tuple(10.0 ** (k / 2) for k in range(-14, 3))
STRONG = tuple(10.0 ** (k / 2) for k in range(-4, 9))  # on prices, where little can be learnt
PULLS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e6)  # the last: the shared readout alone
ROOM = 1e9  # bytes of sums kept between the two uses of them
FREE = 0.02  # share of the rows that a fit must leave free to be judged by them
SLACK = 1.003  # the strongest ridge within this factor of the least error is taken


@dataclass(slots=True)
class Sums:
    """Sums of products of features and targets."""

    G: Floats  # (P, P)
    C: Floats  # (P, H)
    yy: Floats  # (H,)
    rows: float = 0.0

    @classmethod
    def none(cls, features: int, targets: int) -> "Sums":
        """Return sums over no rows."""
        return cls(np.zeros((features, features)), np.zeros((features, targets)), np.zeros(targets))

    def add(self, features: Floats, targets: Floats) -> None:
        """Add rows `features` (B, P) with `targets` (B, H)."""
        self.G += features.T @ features
        self.C += features.T @ targets
        self.yy += np.square(targets).sum(axis=0)
        self.rows += len(features)

    def join(self, other: "Sums") -> None:
        """Add the sums over other rows."""
        self.G += other.G
        self.C += other.C
        self.yy += other.yy
        self.rows += other.rows

    def squares(self, W: Floats) -> Floats:
        """Return (3) (H,), the squared errors of readout `W` (P, H) on these rows."""
        squares = self.yy + (W * (self.G @ W - 2 * self.C)).sum(axis=0)
        return np.asarray(np.maximum(squares, 0.0))

    def about(self, W: Floats) -> "Sums":
        """Return the sums of the same features with the targets less what `W` (P, H) says."""
        return Sums(self.G, self.C - self.G @ W, self.squares(W), self.rows)


class Path:
    """The ridge path (2) of some sums; features with an infinite penalty stay out."""

    def __init__(self, sums: Sums, penalties: Floats) -> None:
        self.sums, self.shrink = sums, 1 / np.sqrt(penalties)  # (P,)
        self.kept = np.flatnonzero(self.shrink)
        s = self.shrink[self.kept]
        self.w, self.Q = np.linalg.eigh(s[:, None] * sums.G[np.ix_(self.kept, self.kept)] * s)
        self.w = np.maximum(self.w, 0.0)
        self.own = self.Q.T @ (s[:, None] * sums.C[self.kept])  # what every ridge shares

    def at(self, ridge: float, C: Floats | None = None) -> Floats:
        """Return the readout (P, H) at `ridge` > 0, to the sums' targets or to others."""
        s = self.shrink[self.kept]
        inner = self.own if C is None else self.Q.T @ (s[:, None] * C[self.kept])
        inner = inner / (self.w + max(self.sums.rows, 1.0) * ridge)[:, None]
        W = np.zeros((len(self.shrink), inner.shape[1]))
        W[self.kept] = s[:, None] * (self.Q @ inner)
        return W

    def generalised(self, ridge: float) -> float:
        """Return (4) at `ridge`, summed over the targets; infinite where hardly a row is free."""
        n = max(self.sums.rows, 1.0)
        share = n * ridge / (self.w + n * ridge)  # of each direction that is left unexplained
        free = n - len(share) + float(share.sum())
        if free < FREE * n:
            return np.inf
        seen = self.w > self.w.max() * 1e-14
        along = np.square(self.own[seen]).sum(axis=1) / self.w[seen]
        rest = max(float(self.sums.yy.sum() - along.sum()), 0.0)
        return n * (rest + float((share[seen] ** 2 * along).sum())) / free**2


def errors_along(
    pairs: Iterable[tuple[Path, Sums]], ridges: tuple[float, ...]
) -> NDArray[np.float64]:
    """Return the error on held-back rows at each ridge, summed over series.

    Each series counts alike: its squared error is taken in units of its targets' size.
    """
    total = np.zeros(len(ridges))
    for path, held in pairs:
        size = max(float(held.yy.sum()), 1e-300)
        total += [float(held.squares(path.at(ridge)).sum()) / size for ridge in ridges]
    return total


def strongest(errors: NDArray[np.float64]) -> int:
    """Return the place of the last of `errors`, in order of rising ridge, within the slack."""
    return int(np.flatnonzero(errors <= errors.min() * SLACK)[-1])


def solve(sums: Sums, penalties: Floats, ridge: float) -> Floats:
    """Return (1) (P, H), solved as it stands; the penalties are finite."""
    s = 1 / np.sqrt(penalties)
    A = s[:, None] * sums.G * s
    A[np.diag_indices_from(A)] += max(sums.rows, 1.0) * ridge
    return np.asarray(s[:, None] * np.linalg.solve(A, s[:, None] * sums.C))


def inverse(sums: Sums, penalties: Floats, ridge: float) -> Floats:
    """Return (G + n ridge D)^-1 (P, P), from which a readout learns on row by row."""
    s = 1 / np.sqrt(penalties)
    w, Q = np.linalg.eigh(s[:, None] * sums.G * s)
    root = s[:, None] * Q / np.sqrt(np.maximum(w, 0.0) + max(sums.rows, 1.0) * ridge)
    return np.asarray(root @ root.T)


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """N regressions on the same features, one for each series."""

    sums: Callable[[int], tuple[Sums, Sums]]  # number of a series -> training, held-back sums
    count: int  # N
    sample: tuple[int, ...]  # series with held-back rows, on which `pull` is chosen
    penalties: Floats  # (P,)
    prior: Floats  # (P, H) the readout to shrink to
    ridges: tuple[float, ...] = RIDGES  # to choose from
    solve: Callable[[Sums, Floats, float], Floats] = solve
    inverses: bool = False  # whether the inverses of the sums are wanted too
    threads: bool = True  # whether the sums of several series may be made at once

    def each(self, work: Callable[[int], T]) -> Iterator[T]:
        """Yield what `work` gives for the number of each series, in order."""
        return in_order(work, self.count) if self.threads else map(work, range(self.count))


@dataclass(frozen=True, slots=True, eq=False)
class Readouts:
    """What was learnt: the arrays of a readout, and the strengths it took."""

    arrays: Arrays  # readouts (K, P, H), which (N + 1,), scale (N + 1, H); inverse (K, P, P)
    ridge: float
    pull: float


def readouts(problem: Problem, ridge: float, pull: float) -> Readouts:
    """Solve all regressions; a strength of 0 is chosen on the held-back rows.

    `ridge` shrinks the shared readout to the prior; `pull` draws that of a series with more rows
    than features to the shared one. The other series use the shared one.
    """
    features, targets = problem.prior.shape
    shared, held = Sums.none(features, targets), Sums.none(features, targets)
    kept: dict[int, tuple[Sums, Sums]] = {}
    for i, pair in enumerate(problem.each(problem.sums)):
        shared.join(pair[0])
        held.join(pair[1])
        if problem.count * features**2 * 16 < ROOM:
            kept[i] = pair
    again = kept.__getitem__ if kept else problem.sums
    about = shared.about(problem.prior)
    ridge = ridge or _best_ridge(problem, about, held.about(problem.prior))
    base = problem.prior + problem.solve(about, problem.penalties, ridge)
    if problem.count > 1:
        pull = pull or _best_pull(problem, again, base)
    arrays, own = _solved(problem, again, shared, base, pull)
    if problem.inverses:
        parts = [(shared, ridge), *((again(i)[0], pull) for i in own)]
        arrays["inverse"] = np.stack([inverse(s, problem.penalties, r) for s, r in parts])
    return Readouts(arrays, ridge, pull)


def _best_ridge(problem: Problem, shared: Sums, held: Sums) -> float:
    if not shared.rows:
        return problem.ridges[len(problem.ridges) // 2]
    path = Path(shared, problem.penalties)
    if held.rows:
        errors = errors_along([(path, held)], problem.ridges)
    else:
        errors = np.array([path.generalised(ridge) for ridge in problem.ridges])
    return problem.ridges[strongest(errors)]


def _best_pull(problem: Problem, again: Callable[[int], tuple[Sums, Sums]], base: Floats) -> float:
    pairs = []
    for i in problem.sample:
        train, held = again(i)
        if train.rows > len(base) and held.rows:
            pairs.append((Path(train.about(base), problem.penalties), held.about(base)))
    return PULLS[strongest(errors_along(pairs, PULLS))] if pairs else PULLS[len(PULLS) // 2]


def _solved(
    problem: Problem,
    again: Callable[[int], tuple[Sums, Sums]],
    shared: Sums,
    base: Floats,
    pull: float,
) -> tuple[Arrays, list[int]]:
    """Return the arrays of a readout, `base` first, then the series' own, and whose they are."""
    typical = _rms(shared, base, np.ones(base.shape[1]))

    def one(i: int) -> tuple[Floats | None, Floats]:
        train, _ = again(i)
        if train.rows <= len(base) or pull >= PULLS[-1]:
            return None, _rms(train, base, typical)
        W = base + problem.solve(train.about(base), problem.penalties, pull)
        return W, _rms(train, W, typical)

    solved, which = [base], np.zeros(problem.count + 1, np.int64)
    scale = np.tile(typical, (problem.count + 1, 1))
    for i, (W, scale[i]) in enumerate(problem.each(one) if problem.count > 1 else ()):
        if W is not None:
            which[i] = len(solved)
            solved.append(W)
    arrays = {"readouts": np.stack(solved), "which": which, "scale": scale}
    return arrays, np.flatnonzero(which).tolist()


def _rms(sums: Sums, W: Floats, otherwise: Floats) -> Floats:
    return np.sqrt(sums.squares(W) / sums.rows) if sums.rows else otherwise
