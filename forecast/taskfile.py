"""A task file: one TOML text that says everything about an evaluation, so that it can be repeated.

    name = "taylor"
    models = ["gru", "esn", "kalman"]
    horizon = 48
    windows = 28
    first_cutoff = "2000-07-30T23:30:00"

    [data]
    file = "taylor.csv"
    season = [48, 336]

    [set]
    "gru.units" = 64

Keys are the flags of `forecast benchmark`, with their defaults; those of `[data]` say where the
rows are and how they are read, covariates too: `known = ["temperature"]`.
"""

import json
import math
import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from forecast.data.roles import ROLES
from forecast.data.wanted import Wanted
from forecast.errors import DataError, UsageError
from forecast.metrics import DECILES
from forecast.results import Score

FOLDER = "FORECAST_DATA"  # environment variable: where to look for data beside the task file
CLOSE = 1e-9  # relative; scores this near are the same
WORDS = {int: "a whole number", str: "a text", float: "numbers such as 0.1", list: "a list"}
READING = {f.name for f in fields(Wanted)} - {"future"}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is evaluated and how; `data` is a file, `-` or None (standard input)."""

    models: tuple[str, ...]
    name: str = "data"
    data: str | None = None
    dataset: str | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    series: tuple[str, ...] = ()  # these only; empty: all
    horizon: int | None = None
    windows: int = 20
    stride: int | None = None
    first_cutoff: str | None = None
    refit: str | int = "never"
    span: str | int = "expanding"
    gap: int = 0
    seeds: int = 1
    seed: int = 0
    transform: str = "auto"
    settings: dict[str, str] = field(default_factory=dict)  # model.name to text
    peers: tuple[str, ...] = ()  # files of forecasts made elsewhere
    quantiles: tuple[float, ...] = DECILES  # columns of `--forecasts`
    metrics: tuple[str, ...] = ("mase", "rmsse", "wql", "cover80")  # compared with the record
    recorded: Path | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """What is read, the record too."""
        held = (self.data, *self.peers, None if self.recorded is None else str(self.recorded))
        return tuple(filter(None, held))


KEYS = {f.name for f in fields(Evaluation)} - {"data", "dataset", "reading", "series", "settings"}


def load(path: Path) -> Evaluation:
    """Read a task file; UsageError names what it does not know, DataError a file that is absent."""
    try:
        text = tomllib.loads(path.read_text())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}", hint="a task file is TOML") from error
    rows, changes = (_table(path, text, name) for name in ("data", "set"))
    _check(path, "", text, KEYS)
    _check(path, "data.", rows, {"file", "dataset", "series", *READING})
    _kinds(path, text)
    _lists(path, rows)
    for name in ("models", "quantiles", "metrics"):
        if name in text:
            text[name] = tuple(text[name])
    unknown = [name for name in text.get("metrics", ()) if name not in _metrics()]
    if unknown:
        raise UsageError(
            f"{path}: no metric is called `{unknown[0]}`", hint=f"known: {', '.join(_metrics())}"
        )
    file = rows.pop("file", None)
    if "models" not in text or (file is None) == (rows.get("dataset") is None):
        raise UsageError(
            f"{path}: `models` and one of `data.file` and `data.dataset` are needed",
            hint='models = ["gru"] and [data] file = "load.csv"',
        )
    text["peers"] = tuple(str(path.parent / each) for each in text.pop("peers", ()))
    held = text.pop("recorded", None)
    return Evaluation(
        data=None if file is None else str(_found(path, file)),
        dataset=rows.pop("dataset", None),
        series=tuple(rows.pop("series", ())),
        reading=rows,
        settings={name: str(value) for name, value in changes.items()},
        recorded=None if held is None else path.parent / held,
        **{"name": path.stem, **text},
    )


def _check(path: Path, table: str, given: dict[str, Any], known: set[str]) -> None:
    for name in given:
        if name not in known:
            raise UsageError(
                f"{path}: no key is called `{table}{name}`",
                hint=f"known: {', '.join(sorted(known))}",
            )


def _table(path: Path, text: dict[str, Any], name: str) -> dict[str, Any]:
    found = text.pop(name, {})
    if not isinstance(found, dict):
        raise UsageError(f"{path}: `{name}` is a table", hint=f"[{name}]")
    return found


def _kinds(path: Path, text: dict[str, Any]) -> None:
    """Refuse values of another type than the default's."""
    wanted = {"horizon": int, "stride": int, "windows": int, "gap": int, "seeds": int, "seed": int,
              "first_cutoff": str, "name": str, "transform": str, "recorded": str,
              "refit": (int, str), "span": (int, str)}  # fmt: skip
    for name, kind in wanted.items():
        _refuse(path, name, text.get(name), kind)
    several = {"models": str, "quantiles": float, "metrics": str, "peers": str}
    for name, kind in several.items():
        value = text.get(name, [])
        _refuse(path, name, value, list)
        for one in value:
            _refuse(path, name, one, kind)


def _refuse(path: Path, name: str, value: Any, kind: Any) -> None:
    """Raise UsageError for a value of another kind than wanted; None is none."""
    if value is None or (isinstance(value, kind) and not isinstance(value, bool)):
        return
    names = " or ".join(WORDS[k] for k in (kind if isinstance(kind, tuple) else (kind,)))
    raise UsageError(f"{path}: `{name}` takes {names}, not {json.dumps(value, default=str)}")


def _lists(path: Path, rows: dict[str, Any]) -> None:
    """Refuse keys of `[data]` that are neither texts nor, where several may stand, lists."""
    several: dict[str, type] = {"season": int, "series": str} | {role: str for role in ROLES}
    for name, value in rows.items():
        kind = several.get(name, str)
        for one in value if isinstance(value, list) and name in several else [value]:
            _refuse(path, f"data.{name}", one, kind)


def _metrics() -> list[str]:
    return [f.name for f in fields(Score) if f.type is float]


def _found(path: Path, file: str) -> Path:
    """Return where the data are: beside the task file, or in the folder the environment names."""
    places = [
        path.parent / file,
        *([Path(os.environ[FOLDER]) / file] if FOLDER in os.environ else []),
    ]
    for place in places:
        if place.exists() or any(place.parent.glob(place.name)):  # parts of one table
            return place
    raise DataError(
        f"{path}: its data `{file}` are neither beside it nor in ${FOLDER}",
        hint=f"{FOLDER}=FOLDER forecast benchmark {path}",
    )


def compared(
    held: dict[str, Any], found: dict[str, Any], metrics: tuple[str, ...]
) -> tuple[bool, list[str]]:
    """Return whether a rerun gave what the record holds, and sentences that say what differs.

    Both are documents as `--format json` writes them. Scores of models in both are compared.
    """
    said, facts = [], (held["facts"], found["facts"])
    same = facts[0]["fingerprint"] == facts[1]["fingerprint"]
    said.append(f"The data are {'those' if same else 'not those'} of the record.")
    old, new = (fact["versions"] for fact in facts)
    moved = [f"{k} {new.get(k, 'absent')} (recorded {old.get(k, 'absent')})"
             for k in sorted({*old, *new}) if old.get(k) != new.get(k)]  # fmt: skip
    said.append(f"Versions differ: {', '.join(moved)}." if moved else "The versions are the same.")
    before = {score["model"]: score for score in held["scores"]}
    pairs = [(s["model"], key, s.get(key), before[s["model"]].get(key))
             for s in found["scores"] if s["model"] in before for key in metrics]  # fmt: skip
    off = [pair for pair in pairs if not _near(*pair[2:])]
    for model, key, value, past in off[:10]:
        said.append(f"{model}: {key} is {value}, recorded {past}.")
    said.append(
        f"{len(off)} of {len(pairs)} scores differ."
        if off
        else f"All {len(pairs)} scores are the same."
    )
    return same and not off, said


def _near(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=CLOSE)
