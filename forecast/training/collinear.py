"""Known covariates that follow from others: a filter shares among them what they explain.

Shapes: T rows, K columns.
"""

import numpy as np

from forecast.models.base import Floats

LEFT = 1e-4  # of a column's variance: others that leave less explain it
SHARE = 0.01  # of a column's deviation: what moves it by less is not named
MOST = 20_000  # rows that are looked at


def collinear(names: tuple[str, ...], columns: Floats) -> dict[str, tuple[str, ...]]:
    """Return each of `names` that is a linear combination of columns before it, and of which.

    `columns` (T, K) are finite. The texts of one column, `day=Mon`, `day=Tue`, always add up to
    one: they are not held against each other, and stand for their column, `day`.
    """
    rows = np.unique(np.linspace(0, max(len(columns) - 1, 0), min(len(columns), MOST)).astype(int))
    centred = columns[rows] - columns[rows].mean(axis=0, keepdims=True)
    size = np.sqrt(np.mean(centred**2, axis=0))
    out: dict[str, tuple[str, ...]] = {}
    for k, name in enumerate(names):
        others = [
            j
            for j in range(k)
            if size[j] > 0 and names[j] not in out and source(names[j]) != source(name)
        ]
        if not (size[k] > 0 and others):
            continue
        weight = np.linalg.lstsq(centred[:, others], centred[:, k], rcond=None)[0]
        left = centred[:, k] - centred[:, others] @ weight
        if np.mean(left**2) < LEFT * size[k] ** 2:
            large = np.abs(weight) * size[others] > SHARE * size[k]
            whole = [source(names[j]) for j, one in zip(others, large, strict=True) if one]
            out[name] = tuple(dict.fromkeys(whole))
    return out


def source(name: str) -> str:
    """Return the column as it came: texts stand behind an equals sign."""
    return name.partition("=")[0]
