"""Where a backtest keeps its forecasts: in memory, in a file where they are many, or in a folder.

In a run folder (`benchmark --run DIR`) every run of a model has three files: its forecasts
`gru-0.npy` (R, 1 + Q), its last fit, and a journal with one line for each fit and each window that
is whole. A killed run reads the journal, loads the fit, carries it over the rows window by window
as before, and goes on to the same bytes.
"""

import json
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import store
from forecast.data.writing import atomic
from forecast.errors import ModelFileError, UsageError
from forecast.forecaster import Forecaster

LARGE = 32 << 20  # bytes; a larger array becomes the map of a file
FORMAT = 1
OTHER = "--run another folder"

Array = NDArray[Any]


@dataclass(slots=True, eq=False)
class Storage:
    """Arrays of a backtest; `folder` None keeps nothing."""

    folder: Path | None = None

    def array(
        self, name: str, shape: tuple[int, ...], kind: Any, keep: bool = False, begun: bool = False
    ) -> Array:
        """Return an array called `name`; with `keep`, the one the run folder holds.

        Raises UsageError for one that is damaged, or was `begun` and is gone.
        """
        if keep and self.folder is not None:
            path = self.folder / f"{name}.npy"
            if begun and not path.exists():
                raise UsageError(f"{path} is gone, which the run has written", hint=OTHER)
            return _mapped(path, shape, kind)
        if int(np.prod(shape)) * np.dtype(kind).itemsize < LARGE:
            return np.empty(shape, kind)
        with tempfile.TemporaryFile(prefix="forecast-") as file:  # gone when nothing maps it
            return np.memmap(file, np.dtype(kind), "w+", shape=shape)

    def journal(self, name: str) -> "Journal":
        """Return the journal of one run of a model; without a folder it remembers nothing."""
        return Journal(None if self.folder is None else self.folder / name)


def opened(folder: Path | None, about: dict[str, Any]) -> Storage:
    """Return the storage in `folder`, made when it is not there.

    Raises UsageError when it holds a run that differs in `about`: task, data, versions, settings.
    """
    if folder is None:
        return Storage()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder", hint=OTHER)
    folder.mkdir(parents=True, exist_ok=True)
    sheet, wanted = folder / "run.json", json.loads(json.dumps({"format": FORMAT, **about}))
    if sheet.exists():
        with _whole(sheet):
            held = _object(json.loads(sheet.read_text()))
        _compare(folder, held, wanted)
    elif any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and holds no run", hint=OTHER)
    else:
        with atomic(sheet) as path:
            path.write_text(json.dumps(wanted, indent=2) + "\n")
    return Storage(folder)


def _compare(folder: Path, held: dict[str, Any], wanted: dict[str, Any]) -> None:
    for key in sorted({*held, *wanted}):
        ours, theirs = wanted.get(key), held.get(key)
        if ours == theirs:
            continue
        if isinstance(ours, dict) and isinstance(theirs, dict):
            key, ours, theirs = next(
                (f"{key}: {k}", ours.get(k), theirs.get(k))
                for k in sorted({*ours, *theirs})
                if ours.get(k) != theirs.get(k)
            )
        raise UsageError(
            f"{folder} holds another run: {key} is {theirs} there, {ours} here",
            hint=OTHER,
        )


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turn what a damaged file raises into UsageError."""
    try:
        yield
    except (ValueError, KeyError, EOFError, UnicodeDecodeError, ModelFileError) as error:
        raise UsageError(f"{path} is damaged: {error}", hint=OTHER) from error


def checksum(values: Array) -> int:
    """Return a number that differs when a bit of `values` does."""
    return zlib.crc32(np.ascontiguousarray(values).data)


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found


def _mapped(path: Path, shape: tuple[int, ...], kind: Any) -> Array:
    """Return the array in a file, made full of zeros when it is not there."""
    if not path.exists():
        _make(path, shape, np.dtype(kind))
    with _whole(path):
        found: Array = np.load(path, mmap_mode="r+", allow_pickle=False)
        if found.shape != shape or found.dtype != kind:
            raise ValueError(f"it holds {found.dtype} {found.shape}, not {np.dtype(kind)} {shape}")
    return found


def _make(path: Path, shape: tuple[int, ...], kind: np.dtype[Any]) -> None:
    with atomic(path) as temporary, temporary.open("wb") as file:
        shell = {"descr": np.lib.format.dtype_to_descr(kind),
                 "fortran_order": False, "shape": shape}  # fmt: skip
        np.lib.format.write_array_header_2_0(file, shell)
        file.truncate(file.tell() + int(np.prod(shape)) * kind.itemsize)


@dataclass(slots=True)
class Journal:
    """What one run of a model has done; `stem` is its path without an ending."""

    stem: Path | None
    entries: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read the whole lines there are, and cut off a line that was being written."""
        if self.stem is None or not self._path.exists():
            return
        text = self._path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if len(whole) < len(text):
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        with _whole(self._path):
            self.entries = [_object(json.loads(line)) for line in whole.splitlines()]

    @property
    def _path(self) -> Path:
        return Path(f"{self.stem}.jsonl")

    def write(self, **entry: Any) -> None:
        """Add one line, whole or not at all."""
        self.entries.append(entry)
        if self.stem is not None:
            with self._path.open("ab") as file:
                file.write(json.dumps(entry).encode() + b"\n")

    def find(self, key: str) -> Any:
        """Return the last entry with `key`, None when there is none."""
        return next((e for e in reversed(self.entries) if key in e), None)

    def total(self, key: str) -> float:
        """Return the sum of a number over all entries."""
        return float(sum(entry.get(key, 0.0) for entry in self.entries))

    def keep(self, forecaster: Forecaster, window: int, seconds: float) -> None:
        """Save the fit of `window`, and only then forget the one before."""
        if self.stem is not None:
            store.save(forecaster, self._fit(window))
        old = self.find("fit")
        self.write(fit=window, fit_seconds=seconds)
        if old is not None and self.stem is not None and old["fit"] != window:
            with suppress(FileNotFoundError):
                self._fit(old["fit"]).unlink()

    def restore(self, window: int) -> Forecaster:
        """Return the fit of `window`; UsageError when its file is not what was saved."""
        with _whole(self._fit(window)):
            return store.load(self._fit(window))

    def done(self, window: int, seconds: float, forecasts: Callable[[int], Array]) -> None:
        """Write that a window is whole, with a checksum of its forecasts where they are kept."""
        kept = {} if self.stem is None else {"sum": checksum(forecasts(window))}
        self.write(window=window, seconds=seconds, **kept)

    def check(self, forecasts: Callable[[int], Array]) -> None:
        """Raise UsageError unless the forecasts of every window that is done are those written.

        Those of a model that failed are none.
        """
        for entry in self.entries if self.find("failed") is None else ():
            if "sum" in entry and checksum(forecasts(entry["window"])) != entry["sum"]:
                raise UsageError(
                    f"{self.stem}.npy is damaged: the forecasts of window {entry['window']} are "
                    "not those written there",
                    hint=OTHER,
                )

    def _fit(self, window: int) -> Path:
        return Path(f"{self.stem}-{window}.safetensors")
