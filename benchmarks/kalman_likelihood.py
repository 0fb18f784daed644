"""Whose optimum is higher: ours or statsmodels', judged by statsmodels' own `loglike`.

    python benchmarks/kalman_likelihood.py DATA --output benchmarks/results/kalman_likelihood.jsonl

Ten series, standardised, with the structure named beside each. Our search is on one side,
`UnobservedComponents.fit` from its own start on the other, both on the same system with the same
initial distribution; at most 3,000 last rows. One JSON row a series; `difference` is ours minus
theirs in units of log-likelihood, and the exit status is 1 where one is below -0.01.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import forecast.kernels.kalman  # noqa: F401 - loaded first, so that every search takes it
from forecast import provenance
from forecast.models.base import Setting
from forecast.models.kalman import KalmanConfig
from forecast.models.sight import sight
from forecast.training.structural import Stretch, guesses, search

MOST = 3000  # rows
WORST = -0.01
SERIES = [  # file, series, season: harmonics, AR(1)
    ("sunspots_monthly.csv", None, "none", True),
    ("exchange_rate.csv.gz", 0, "none", False),
    ("exchange_rate.csv.gz", 5, "none", True),
    ("sp500_20_daily_2000_2012.csv.gz", 0, "none", False),
    ("goog_daily.csv", None, "none", False),
    ("mackey_glass_t17.csv", None, "none", True),
    ("taylor.csv", None, "48:4", True),
    ("ercot_zones_2021.csv", 0, "24:4", True),
    ("sf_hospital_load.csv", None, "24:3", True),
    ("ecl_mean_hourly.csv", None, "24:4", True),
]


def main() -> int:
    """Print and write one row a series; return 1 where theirs is better."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    commit = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(commit, capture_output=True, text=True, cwd=Path(__file__).parent)
    rows = []
    for file, number, seasons, ar in SERIES:
        row = compare(*read(options.data / file, number), seasons, ar)
        rows.append({**row, "hardware": provenance.hardware(), "commit": done.stdout.strip()})
        print(json.dumps(rows[-1]), flush=True)
    if options.output:
        options.output.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return int(any(row["difference"] < WORST for row in rows))


def read(path: Path, number: int | None) -> tuple[str, np.ndarray]:
    """Return the name and the last rows of a series, standardised; logarithms where positive."""
    table = pd.read_csv(path)
    names = sorted(table.unique_id.unique())
    name = names[number or 0]
    y = table.loc[table.unique_id == name, "y"].to_numpy(float)[-MOST:]
    z = np.log(y) if y.min() > 0 else y
    return f"{path.name.split('.')[0]}: {name}", (z - np.nanmean(z)) / np.nanstd(z)


def compare(name: str, z: np.ndarray, seasons: str, ar: bool) -> dict[str, Any]:
    """Fit both and let statsmodels judge."""
    config = KalmanConfig(
        seasons=seasons, trend="none", ar="yes" if ar else "no", anomaly=0, smoothness=0.0,
        year=0, criterion="likelihood", starts=3, evaluations=4000,
    )  # fmt: skip
    structure = config.structure()
    t, lengths = np.arange(len(z)), [length for length, _ in structure.seasons]
    phases = np.stack([*(t % length / length for length in lengths), 0.0 * t], axis=1)
    seen = sight(structure, Setting(24, tuple(lengths)), phases)
    stretch = Stretch(structure, z, seen, phases, np.zeros(0, np.int64), 24)
    begin = time.perf_counter()
    found = search(config, stretch, guesses(config, structure), 3)
    assert found is not None
    ours = time.perf_counter() - begin
    model, own = system(structure.names, found.theta, stretch)
    begin = time.perf_counter()
    theirs = model.fit(disp=0, maxiter=500)
    seconds = {"ours": round(ours, 2), "statsmodels": round(time.perf_counter() - begin, 2)}
    values = {"ours": float(model.loglike(own)), "statsmodels": float(model.loglike(theirs.params))}
    return {
        "series": name, "rows": len(z), "structure": " + ".join(structure.names),
        "loglike": {k: round(v, 4) for k, v in values.items()},
        "difference": round(values["ours"] - values["statsmodels"], 4), "seconds": seconds,
    }  # fmt: skip


def system(names: tuple[str, ...], theta: np.ndarray, stretch: Stretch) -> tuple[Any, np.ndarray]:
    """Return statsmodels' model of the structure and our parameters in its terms.

    The level is exactly diffuse in both. The seasons begin at the variance we estimated; the
    observation noise's variance, concentrated out of our likelihood, follows from the innovations.
    """
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    from forecast.training.structural import innovations

    e, s = innovations(stretch, theta)
    v = float(np.mean(e**2 / s))
    value = dict(zip(names, theta, strict=True))
    seasons = stretch.structure.seasons
    waves = [{"period": length, "harmonics": count} for length, count in seasons]
    model = UnobservedComponents(
        stretch.z, "local level", autoregressive=1 if "ar" in names else None,
        freq_seasonal=waves or None, use_exact_diffuse=True,
    )  # fmt: skip
    own = {"sigma2.irregular": v, "sigma2.level": v * np.exp(value["level"])}
    for length, count in seasons:
        own[f"sigma2.freq_seasonal_{length}({count})"] = v * np.exp(value[f"season-{length}"])
    if "ar" in names:
        rho = 1.0 / (1.0 + np.exp(-value["ar-damping"]))
        own |= {"sigma2.ar": v * np.exp(value["ar"]), "ar.L1": rho}
    _begin(model, value, v)
    return model, np.array([own[name] for name in model.param_names])


def _begin(model: Any, value: dict[str, float], v: float) -> None:
    """Give the seasons our prior, at every evaluation; their AR stays stationary."""
    from statsmodels.tsa.statespace.initialization import Initialization

    priors = [v * np.exp(x) for name, x in value.items() if name.endswith("-prior")]
    if not priors:
        return
    m, ar = model.k_states, "ar" in value
    start, waves = Initialization(m), m - 1 - int(ar)
    start.set(0, "diffuse")
    start.set((1, 1 + waves), "known", constant=np.zeros(waves),
              stationary_cov=np.eye(waves) * priors[0])  # fmt: skip
    if ar:
        start.set(m - 1, "stationary")
    model.ssm.initialization = start
    model._initialization = lambda: start  # it would set its own before every evaluation


if __name__ == "__main__":
    sys.exit(main())
