"""The recipes of docs/recipes.md with the real tools; those not installed are skipped."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from forecast import store
from forecast.data import tables
from forecast.fitting import fit


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("recipes")
    hours = np.arange(600)
    values = 100 + 20 * np.sin(hours * np.pi / 12) + np.random.default_rng(0).normal(size=600)
    stamps = np.datetime64("2024-01-01T00:00:00") + hours * np.timedelta64(1, "h")
    lines = [f"a,{s},{v!r}\n" for s, v in zip(stamps, values.tolist(), strict=True)]
    head = "unique_id,ds,y\n"
    panel = tables.read((head + "".join(lines[:500])).encode())
    store.save(fit(panel, "snaive", 24), place / "m")
    (place / "new.csv").write_text(head + "".join(lines[500:]))
    tool = place / "forecast"
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m forecast "$@"\n')
    tool.chmod(0o755)
    return place


SHOWN = "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 forecast --show-completion"
RECIPES = [
    ("jq", "forecast predict m -f jsonl | jq -c '{t: .ds, low: .\"0.1\"}' | wc -l", "24"),
    ("jq", "forecast follow m --no-save -q -f jsonl < new.csv | jq -c 'select(.outside == 0)'"
     " | head -1 | jq .unique_id", '"a"'),
    ("awk", "forecast predict m | awk -F, 'NR > 1 { n += ($3 > 0) } END { print n }'", "24"),
    ("awk", "forecast simulate m --paths 5 | awk -F, 'NR > 1 { s[$2] += $4 } END { for (p in s)"
     " n++; print n }'", "5"),
    ("head", "forecast simulate m --paths 3000 | head -1", "unique_id,path,ds,y"),
    ("tee", "forecast predict m | tee t.csv | wc -l; wc -l < t.csv", "25\n25"),
    ("sh", "forecast update m -q < /dev/null && forecast predict m -q < /dev/null | wc -l", "25"),
    ("mlr", "forecast predict m | mlr --icsv --ojson count | tr -dc 0-9", "24"),
    ("duckdb", "forecast predict m -f parquet -o t.parquet && duckdb -csv -noheader -c"
     " \"select count(*) from 't.parquet'\"", "24"),
    ("gnuplot", "forecast predict m > t.csv && gnuplot -e \"set datafile separator ',';"
     " set term dumb; plot 't.csv' skip 1 using 0:3\" | grep -c '[^ ]' > /dev/null; echo $?", "0"),
    ("bash", SHOWN + " bash > c; bash -c '. ./c; COMP_WORDS=(forecast fo); COMP_CWORD=1;"
     " _forecast_completion forecast; echo $COMPREPLY'", "follow"),
    ("fish", SHOWN + " fish > c; fish -c '. ./c; complete -C \"forecast fo\"' | cut -f1", "follow"),
    ("zsh", SHOWN + " zsh > c; zsh -fc 'autoload -Uz compinit; compinit -u -d ./z; . ./c;"
     " echo $_comps[forecast]'", "_forecast_completion"),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "line", "want"), RECIPES)
def test_recipe(folder, tool, line, want):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
                          stdin=subprocess.DEVNULL, check=False)  # fmt: skip
    assert done.stdout.split() == want.split(), done.stderr
    assert "Traceback" not in done.stderr
