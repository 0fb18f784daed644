"""What a forecaster remembers of its fit: the rows it saw, and what was decided about them."""

import hashlib
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from forecast.calibration import Calibration
from forecast.data import covariates
from forecast.data.covariates import Coding
from forecast.data.layout import Layout
from forecast.data.panel import Panel
from forecast.data.roles import ROLES
from forecast.transform import Transform


def of_fit(
    panel: Panel, transform: Transform, adjustment: Calibration, coding: Coding
) -> dict[str, Any]:
    """Return what is known about a fit; the layout without the covariates that are not used."""
    first, last = panel.starts.min(keepdims=True), panel.ends.max(keepdims=True)
    return {
        "series": len(panel),
        "rows": len(panel.values),
        "first": str(panel.clock.write(first)[0]),
        "last": str(panel.clock.write(last)[0]),
        "frequency": panel.clock.label,
        "transform": transform.reason,
        "calibration windows": adjustment.windows,
        "fingerprint": fingerprint(panel),
        "layout": asdict(_used(panel.layout, coding)) if panel.layout else None,
        **_beside(panel, coding),
    }


def _used(layout: Layout, coding: Coding) -> Layout:
    used = {name for role in ROLES for name in coding.sources(role)}
    beside = tuple(each for each in layout.beside if layout.columns[each[1]] in used)
    return replace(layout, beside=beside)


def _beside(panel: Panel, coding: Coding) -> dict[str, Any]:
    """Return which covariates are used, which are not, and which tell nothing; {} without any."""
    if panel.covariates is None:
        return {}
    used = [name for role in ROLES for name in coding.sources(role)]
    every = [column.name for column in panel.covariates.columns]
    return {
        "covariates": {
            "used": used,
            "not used": [name for name in every if name not in used],
            "constant": list(covariates.constant(coding)),
        }
    }


def fingerprint(panel: Panel) -> str:
    """Return the SHA-256 of ids, timestamps, values and covariates, as hexadecimal."""
    digest = hashlib.sha256("\0".join(panel.ids).encode())
    for array in (panel.offsets, panel.all_times(), panel.values):
        digest.update(np.ascontiguousarray(array).tobytes())
    if panel.covariates is not None:
        digest.update(repr(panel.covariates.columns).encode())
        digest.update(np.ascontiguousarray(panel.covariates.values).tobytes())
    return digest.hexdigest()
