"""From what is wanted to a benchmark: read, run, audit, compare with a record."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.cli import settings, shared, streams
from forecast.cli.reading import Reading
from forecast.errors import DataError, FitError, GateError, UsageError

if TYPE_CHECKING:
    from forecast.data.clock import Clock
    from forecast.data.panel import Panel
    from forecast.results import Benchmark, ModelRun, Task
    from forecast.taskfile import Evaluation

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FLAGS = ("models", "horizon", "windows", "stride", "first_cutoff", "refit", "span", "gap", "seeds",
         "seed", "transform", "settings")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Work:
    """An evaluation whose data were read."""

    wanted: "Evaluation"
    panel: "Panel"
    task: "Task"
    names: list[str]
    options: dict[str, Any]
    device: str


def of_file(path: Path, flags: "Evaluation", given: shared.Given) -> "Evaluation":
    """Return the evaluation of a task file, changed by the flags that are `given` beside it.

    What is read with it and peers are added. With other flags than `--models` its record says
    nothing of the scores, and is left out.
    """
    from forecast.taskfile import load

    held = load(path)
    if "dataset" in given:
        raise UsageError(f"both `{path}` and `--dataset` are given", hint="choose one")
    told = {"set_": "settings"}
    names = {told.get(name, name): flag for name, flag in given.items()}
    changed = {name: flag for name, flag in names.items() if name in FLAGS}
    added = ["--peers"] * bool(flags.peers) + [f"--{name}" for name in flags.reading]
    if "record" in given and (changed or added):
        raise UsageError(
            f"a record is of what {path} says, and `{[*changed.values(), *added][0]}` changes it",
            hint="write it into the task file, or leave `--record` out",
        )
    same = changed.keys() <= {"models"} and not flags.reading
    return replace(
        held,
        recorded=held.recorded if same else None,
        **{name: getattr(flags, name) for name in changed if name != "settings"},
        reading=held.reading | flags.reading,
        settings=held.settings | flags.settings,
        peers=(*held.peers, *flags.peers),
    )


def prepare(talk: shared.Talk, reading: Reading, wanted: "Evaluation", device: str) -> Work:
    """Read the data and check what is wanted of them."""
    from forecast.data.tables import check_calendar
    from forecast.quantiles import check_levels

    names = settings.pick_all(",".join(wanted.models))
    options = {
        "transform": wanted.transform,
        "seed": wanted.seed,
        "settings": by_model(wanted.settings),
    }
    check_levels(wanted.quantiles)
    panel = reading.panel(talk, wanted.data, wanted.dataset)
    panel = _selected(panel, wanted.series)
    check_calendar(panel)
    return Work(wanted, panel, _task(panel, wanted), names, options, device)


def _selected(panel: "Panel", series: tuple[str, ...]) -> "Panel":
    if not series:
        return panel
    absent = [name for name in series if name not in panel.ids]
    if absent:
        raise DataError(
            f"{panel.source}: there is no series `{absent[0]}`",
            hint=f"such as {', '.join(panel.ids[:3])}",
        )
    return panel.select([i for i, name in enumerate(panel.ids) if name in series])


def by_model(pairs: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return settings `model.name` to text as settings by model."""
    found: dict[str, dict[str, str]] = {}
    for name, value in pairs.items():
        model, dot, field = name.partition(".")
        if not dot:
            raise UsageError(
                f"`--set {name}={value}` names no model", hint=f"such as `--set gru.{name}={value}`"
            )
        found.setdefault(settings.pick(model).name, {})[field] = value
    return found


def _task(panel: "Panel", wanted: "Evaluation") -> "Task":
    from forecast.fitting import default_horizon
    from forecast.results import Task

    first = wanted.first_cutoff
    return Task(
        default_horizon(panel) if wanted.horizon is None else wanted.horizon,
        wanted.windows,
        wanted.stride,
        None if first is None else time_of(first, panel.clock),
        _count("--refit", wanted.refit, {"never": None, "every": 1}),
        _count("--span", wanted.span, {"expanding": None}),
        wanted.gap,
        wanted.seeds,
    )


def _count(flag: str, given: str | int, named: dict[str, int | None]) -> int | None:
    """Return the count that a word or a number stands for."""
    if given in named:
        return named[str(given)]
    text = str(given)
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(
            f"`{flag} {text}` is no count", hint=f"{', '.join(named)} or a number from 1"
        )
    return int(text)


def time_of(text: str, clock: "Clock") -> int:
    """Return the time that `text` names on `clock`; without a zone it is in the data's own."""
    try:
        if clock.kind == "index":
            return int(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"`--first-cutoff {text}` is no timestamp of the data",
            hint="write an integer step" if clock.kind == "index" else "write 2014-12-31T23:00:00",
        ) from None
    if moment.tzinfo is None:
        if clock.told:
            raise UsageError(f"`--first-cutoff {text}` has no zone, and the series keep several",
                             hint=f"give it an offset, such as {text}Z")  # fmt: skip
        local = round((moment.replace(tzinfo=UTC) - EPOCH) / timedelta(microseconds=1))
        return clock.moment(local)
    if clock.zone is None:
        raise UsageError(f"`--first-cutoff {text}` has a zone, the data have none",
                         hint="leave the zone out")  # fmt: skip
    return round((moment - EPOCH) / timedelta(microseconds=1))


def run(
    talk: shared.Talk, work: Work, rival: str | None, folder: Path | None, probes: list[str]
) -> "Benchmark":
    """Backtest the models, the `rival` of the gate among them, and take the peers' forecasts in."""
    from forecast import backtest
    from forecast.models import FAMILIES
    from forecast.peers import joined, read
    from forecast.training.device import resolve
    from forecast.training.run import Run

    paths = work.wanted.peers
    ours = rival is not None and (not paths or rival in FAMILIES)
    names = [*work.names, settings.pick(str(rival)).name] if ours else work.names
    peers: list[tuple[Path, list[ModelRun]]] = []
    if paths:  # before anything long is computed
        rows = backtest.run(work.panel, work.task, ["naive"], baselines=False)
        peers = [(Path(path), read(Path(path), rows)) for path in paths]
        joined(rows, peers)  # whose names must differ
    with talk.progress() as progress:
        resources = Run(
            device=resolve(work.device), progress=progress, tell=_once(talk), folder=folder
        )
        found = backtest.run(
            work.panel, work.task, names, options=work.options, resources=resources, probes=probes
        )
    found.name = work.wanted.name
    if found.prices and work.panel.clock.seasons and work.wanted.transform == "auto":
        talk.say("Taken for prices, near a random walk and without a season; `--transform none` "
                 "decides otherwise")  # fmt: skip
    return _beside(talk, found, peers) if peers else found


def _beside(
    talk: shared.Talk, found: "Benchmark", peers: "list[tuple[Path, list[ModelRun]]]"
) -> "Benchmark":
    """Return `found` with the runs of peers; say what is odd about them."""
    from forecast.peers import joined

    found = joined(found, peers)
    for name, peer in found.runs.items():
        if peer.device == "elsewhere":
            gone, every = found.score(name).missing, found.score(name).rows
            lacks = [f"{gone:,} of {every:,} rows have no forecast"] if gone else []
            for said in (*lacks, *peer.notes):
                talk.say(f"Warning: {name}: {said}")
    return found


def _once(talk: shared.Talk) -> Callable[[str], None]:
    """Return what says a sentence once, though every model's fit has it to say."""
    said: set[str] = set()

    def tell(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            talk.say(sentence)

    return tell


def audit(talk: shared.Talk, work: Work) -> None:
    """Look for leaks; GateError names the first of each experiment."""
    from forecast import audit as auditing
    from forecast.training.device import resolve
    from forecast.training.run import Run

    with talk.progress() as progress:
        resources = Run(device=resolve(work.device), progress=progress)
        leaks = auditing.audit(
            work.panel, work.task, work.names, options=work.options, resources=resources
        )
    if leaks:
        raise GateError(
            "; ".join(map(str, leaks)), hint="these scores prove nothing: mend the model"
        )
    count = 2 * len(auditing.EXPERIMENTS)
    talk.say(
        f"No leak: {count} experiments each with {', '.join(work.names)} agree to the last bit."
    )


def columns(result: "Benchmark", levels: tuple[float, ...]) -> Iterator[dict[str, Any]]:
    """Yield all forecasts as columns, one model after the other, failed ones left out."""
    import numpy as np

    from forecast.quantiles import interpolate

    for name, first in result.runs.items():
        if first.failed is not None:
            continue
        for number, run in enumerate((first, *first.repeats)):
            label = name if number == 0 else f"{name} (seed {number})"
            mean, quantiles = result.filled(run, slice(None))
            found: dict[str, Any] = {
                "model": (np.zeros(len(mean), np.int64), [label]),
                "unique_id": (np.asarray(result.series, np.int64), result.ids),
                "cutoff": np.asarray(result.cutoff),
                "ds": np.asarray(result.ds),
                "y": np.asarray(result.y),
                "mean": mean,
            }
            numbers = interpolate(quantiles, levels)
            yield found | {f"{level:g}": numbers[:, k] for k, level in enumerate(levels)}


def conclude(
    talk: shared.Talk, work: Work, result: "Benchmark", record: bool, keep_going: bool
) -> None:
    """Write or compare the record of a task file; FitError when a model asked for failed."""
    from forecast import provenance
    from forecast.report import data
    from forecast.taskfile import compared

    path = work.wanted.recorded
    if record and path is None:
        raise UsageError("there is no record to write",
                         hint='name one in the task file: recorded = "results.json"')  # fmt: skip
    if record and path is not None:
        result.facts["commit"] = provenance.commit()
        streams.emit(data.to_json(result).encode(), str(path))
        talk.say(f"Recorded: {path}")
    elif path is not None and path.exists():
        held, found = json.loads(path.read_text()), data.document(result)
        talk.say("\n".join(compared(held, found, work.wanted.metrics)[1]))
    failed = [result.runs[n] for n in work.names if result.runs[n].failed or result.runs[n].dropped]
    if failed and not keep_going:
        said = [f"{run.name}: {run.failed}" for run in failed if run.failed]
        said += [f"{run.name} on series `{name}`: {why}"
                 for run in failed for name, why in run.dropped.items()]  # fmt: skip
        raise FitError("; ".join(said), hint="the others are scored; `--keep-going` ends well")
