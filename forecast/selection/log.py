"""The trials of a search in a file, as they end, so that one that was cut short goes on."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from forecast.data.writing import atomic
from forecast.errors import UsageError
from forecast.selection.halving import Trial


class Log:
    """Trials in a file, one search a file; nothing is kept without a path."""

    def __init__(self, path: Path | None, identity: dict[str, Any]) -> None:
        self.path, self.identity = path, identity
        self.trials: list[Trial] = []

    def load(self) -> None:
        """Take the trials of the file, if there is one; UsageError when it is of another search."""
        if self.path is None or not self.path.exists():
            return
        try:
            kept = json.loads(self.path.read_text())
            trials = [Trial(**trial) for trial in kept["trials"]]
            theirs = dict(kept["search"])
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise UsageError(
                f"{self.path}: no trials of a search: {error}", hint="start anew without --resume"
            ) from error
        for name, ours in self.identity.items():
            if theirs.get(name) != ours:
                raise UsageError(
                    f"{self.path}: trials of another search: {name} differs",
                    hint="start anew without --resume",
                )
        self.trials = trials

    def find(self, trial: Trial) -> Trial | None:
        """Return the judged trial that `trial` would become, if it is known."""
        place = trial.rung, trial.candidate
        return next((t for t in self.trials if (t.rung, t.candidate) == place), None)

    def add(self, trial: Trial) -> None:
        """Keep `trial`; the file is whole at every moment."""
        self.trials.append(trial)
        if self.path is not None:
            found = {"search": self.identity, "trials": [asdict(t) for t in self.trials]}
            with atomic(self.path) as temporary:
                temporary.write_text(json.dumps(found, indent=1))
