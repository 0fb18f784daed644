"""A fitted forecaster <-> one safetensors file.

The tensors are the model's arrays, the state and the calibration; everything else is one JSON
text in the header, with the SHA-256 over the tensors and the rest of that text. Loading builds
dataclasses from checked values and never runs code from the file.
"""

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast import soundness
from forecast.calibration import Calibration
from forecast.data.clock import Clock
from forecast.data.covariates import Coding, Column
from forecast.data.holidays import Holidays
from forecast.data.writing import atomic
from forecast.errors import ModelFileError
from forecast.forecaster import Forecaster
from forecast.models import FAMILIES
from forecast.models.base import LEVELS, Setting
from forecast.provenance import versions
from forecast.transform import Transform

FORMAT = 4  # 2: covariates; 3: holidays; 4: a time zone per series
CODED = ("mean", "weight")  # arrays of a coding of covariates
KEY = "forecast"
LARGEST = 8 << 30  # bytes of a model file

Tensors = dict[str, NDArray[Any]]


def save(forecaster: Forecaster, path: str | Path, state: bool = True) -> None:
    """Write `forecaster` to `path` under a temporary name, then rename.

    Without `state` the file holds neither ids nor last rows, only what was learnt.
    """
    with atomic(path) as temporary:
        temporary.write_bytes(dumps(forecaster if state else forecaster.forget()))


def dumps(forecaster: Forecaster) -> bytes:
    """Return the bytes of the model file; the same forecaster gives the same bytes."""
    from safetensors.numpy import save as pack

    tensors: Tensors = {
        "calibration.shifts": forecaster.calibration.shifts,
        "series": forecaster.series,
        "scales": forecaster.scales,
        "last": forecaster.last,
        "tail": forecaster.tail,
        "order": forecaster.order,
    }
    if forecaster.calibration.correlation is not None:
        tensors["calibration.correlation"] = forecaster.calibration.correlation
    if forecaster.widths is not None:
        tensors["widths"] = forecaster.widths
    if len(forecaster.coding):
        tensors |= {f"covariates.{name}": getattr(forecaster.coding, name) for name in CODED}
        tensors["beside"] = forecaster.beside
    tensors |= {f"model.{name}": array for name, array in forecaster.model.arrays.items()}
    tensors |= {f"state.{name}": array for name, array in forecaster.state.items()}
    tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    meta = {
        "format": FORMAT if forecaster.clock.told else 3 if forecaster.holidays else 2,
        "family": forecaster.family,
        "config": asdict(forecaster.model.config),
        "setting": asdict(forecaster.model.setting),
        "clock": _of_clock(forecaster.clock),
        "transform": asdict(forecaster.transform),
        "levels": LEVELS,
        "calibration windows": forecaster.calibration.windows,
        "ids": forecaster.ids,
        "covariates": [asdict(column) for column in forecaster.coding.columns],
        **({"holidays": asdict(forecaster.holidays)} if forecaster.holidays else {}),
        "record": {k: v for k, v in forecaster.record.items() if k != "versions"},
        "versions": forecaster.record.get("versions") or versions(),
    }
    meta["sha256"] = _digest(tensors, meta)
    return pack(tensors, {KEY: json.dumps(meta, sort_keys=True)})


def _of_clock(clock: Clock) -> dict[str, Any]:
    """Return the fields of a clock; the zones of series only where they differ."""
    left_out = ("along",) if clock.told else ("along", "told", "own")
    return {name: value for name, value in asdict(clock).items() if name not in left_out}


def load(path: str | Path) -> Forecaster:
    """Read a forecaster; ModelFileError when the file is damaged, foreign or newer."""
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise ModelFileError(f"{path}: larger than any model file ({LARGEST >> 30} GiB)")
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"{path}: {error.strerror or error}", hint="make one: `forecast fit DATA -o MODEL`"
        ) from error
    return loads(data, str(path))


def loads(data: bytes, name: str = "model") -> Forecaster:
    """Read a forecaster from bytes; `name` stands for the file in errors."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    try:
        size = int.from_bytes(data[:8], "little")
        if len(data) < 8 or size > len(data) - 8:
            raise ValueError("it is cut short or not a safetensors file")
        header = json.loads(data[8 : 8 + size])
        meta = json.loads(header.get("__metadata__", {}).get(KEY, "null"))
        if meta is None:
            raise ValueError("it is a safetensors file of something else")
        if meta["format"] > FORMAT:
            raise ModelFileError(
                f"{name}: format {meta['format']} is newer than this version reads ({FORMAT})",
                hint="upgrade: `pip install -U recurrent-forecast`",
            )
        tensors = unpack(data)
        if meta["sha256"] != _digest(tensors, {k: v for k, v in meta.items() if k != "sha256"}):
            raise ValueError("its checksum does not match: the file is damaged")
        return _sound(meta, tensors)
    except (ValueError, KeyError, TypeError, AttributeError, SafetensorError, RecursionError) as e:
        why = f"it holds no {e}" if isinstance(e, KeyError) else e
        raise ModelFileError(
            f"{name}: not a model file of this version of forecast: {why}",
            hint="fit it anew: `forecast fit DATA`",
        ) from e


def _sound(meta: dict[str, Any], tensors: Tensors) -> Forecaster:
    """Build a forecaster and try it; ValueError whatever may be wrong with it."""
    try:
        with np.errstate(all="ignore"):
            forecaster = _build(meta, tensors)
            soundness.check(forecaster)
    except Exception as error:  # nothing else than the file can have caused it
        raise ValueError(str(error) or type(error).__name__) from error
    return forecaster


def _build(meta: dict[str, Any], tensors: Tensors) -> Forecaster:
    kind = FAMILIES[meta["family"]]
    arrays = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    state = {k.removeprefix("state."): v for k, v in tensors.items() if k.startswith("state.")}
    if tuple(meta["levels"]) != LEVELS:
        raise ValueError("it carries other quantile levels")
    model = kind.load("model")(
        _filled(type(kind.load("config")()), meta["config"]),
        _filled(Setting, meta["setting"]),
        arrays,
    )
    columns = tuple(_filled(Column, column) for column in meta.get("covariates", ()))
    coding = Coding(columns, *(tensors[f"covariates.{name}"] for name in CODED)) if columns else \
        Coding()  # fmt: skip
    return Forecaster(
        family=kind.name,
        model=model,
        clock=_filled(Clock, meta["clock"]),
        transform=_filled(Transform, meta["transform"]),
        calibration=Calibration(
            tensors["calibration.shifts"],
            meta["calibration windows"],
            tensors.get("calibration.correlation"),
        ),
        ids=tuple(meta["ids"]),
        series=tensors["series"],
        scales=tensors["scales"],
        state=state,
        last=tensors["last"],
        tail=tensors["tail"],
        order=tensors["order"],
        record={**meta["record"], "versions": meta["versions"]},
        widths=tensors.get("widths"),
        coding=coding,
        beside=tensors.get("beside", np.zeros((len(meta["ids"]), 0))),
        holidays=_filled(Holidays, meta["holidays"]) if "holidays" in meta else None,
    )


def _filled(kind: Any, values: dict[str, Any]) -> Any:
    """Build a dataclass from JSON, lists back to tuples, unknown fields refused."""
    unknown = set(values) - {f.name for f in fields(kind)}
    if unknown:
        raise ValueError(f"unknown field `{sorted(unknown)[0]}` in its {kind.__name__}")
    return kind(**{name: _tuples(value) for name, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _digest(tensors: Tensors, meta: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
