"""Read every file of a folder and say as what, or why not; tidy ones are compared with pandas.

    python benchmarks/read.py DATA --output benchmarks/results/read.md

One line a file: layout, series, rows, frequency, span, missing values and absent rows, or the
refusal with its cure. `unique_id,ds,y` files are read by pandas too: same series, stamps, values.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from forecast.data import tables
from forecast.data.panel import Panel
from forecast.errors import ForecastError

COLUMNS = ("file", "layout", "series", "rows", "frequency", "zone", "first", "last", "missing",
           "absent", "pandas")  # fmt: skip
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"


def main() -> None:
    """Print the table, and write it to `--output`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    paths = sorted(p for p in options.folder.rglob("*") if p.is_file() and p.suffix != ".md")
    read, refused = [], []
    for path in paths:
        name = str(path.relative_to(options.folder))
        try:
            read.append(f"| {name} | {' | '.join(line(path))} |")
        except ForecastError as error:
            message = error.message.replace(str(path), name)
            refused.append(f"| {name} | {message} | {error.hint} |")
    text = HEAD + "\n".join(read) + "\n\n| refused | why | cure |\n|---|---|---|\n"
    text += "\n".join(refused) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text)


def line(path: Path) -> list[str]:
    """Return what a file is read as."""
    panel = tables.read(path)
    assert panel.layout is not None
    absent = next((n.split(": ")[1] for n in panel.notes if n.startswith("absent rows")), "0")
    missing = int(np.isnan(panel.values).sum()) - int(absent.replace(",", ""))
    first, last = (str(panel.clock.write(np.array([t]))[0]) for t in
                   (panel.starts.min(), panel.ends.max()))  # fmt: skip
    given = len(panel.values) - int(absent.replace(",", ""))
    clock = [panel.clock.label, panel.clock.place or "", first, last]
    counts = [f"{missing:,}", absent, beside(path, panel)]
    return [panel.layout.kind, f"{len(panel):,}", f"{given:,}", *clock, *counts]


def beside(path: Path, panel: Panel) -> str:
    """Say whether pandas reads the same from a tidy file."""
    frame = pd.read_csv(path, dtype={"unique_id": str}, nrows=None, comment="#")
    if list(frame.columns[:3]) != ["unique_id", "ds", "y"]:
        return ""
    if panel.clock.kind != "index":
        frame["ds"] = pd.to_datetime(frame["ds"]).dt.as_unit("us")
        if frame["ds"].dt.tz is not None:
            frame["ds"] = frame["ds"].dt.tz_convert("UTC").dt.tz_localize(None)
    ours = pd.DataFrame({
        "unique_id": np.repeat(np.array(panel.ids, object), panel.lengths),
        "ds": panel.all_times() if panel.clock.kind == "index"
        else panel.all_times().astype("M8[us]"),
        "y": panel.values,
    })  # fmt: skip
    both = frame.merge(ours, "left", ["unique_id", "ds"], suffixes=("", "_ours"))
    same = len(both) == len(frame) and np.array_equal(both["y"], both["y_ours"], equal_nan=True)
    rest = ours["y"].notna().sum() == frame["y"].notna().sum()
    return "same" if same and rest else "DIFFERENT"


if __name__ == "__main__":
    main()
