"""`forecast follow`: rows in, forecasts out, for as long as the pipe lasts."""

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import time as now
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from forecast.cli import shared, streams
from forecast.cli.reading import Future, Lines, Reading
from forecast.errors import DataError, UsageError

if TYPE_CHECKING:
    from forecast.stream.follower import Follower
    from forecast.stream.keeper import Keeper

PIECE = 1 << 14  # bytes read at once: what a signal may have to wait for
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@shared.command
def follow(
    talk: shared.Talk,
    reading: Lines,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="File that `fit` wrote.")],
    horizon: Annotated[
        int, typer.Option(min=1, metavar="N", help="Steps ahead, at most as fitted.")
    ] = 1,
    quantiles: Annotated[
        str, typer.Option(metavar="LEVELS", help="Quantile levels in 0.025..0.975.")
    ] = "0.1,0.5,0.9",
    every: Annotated[
        int, typer.Option(min=1, metavar="K", help="Forecast after each K-th row of a series.")
    ] = 1,
    clock: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Forecast by the clock instead: 30s, 15m, 1h."),
    ] = None,
    format_: Annotated[
        Literal["csv", "tsv", "jsonl"], typer.Option("--format", "-f", help="How lines look.")
    ] = "csv",
    adapt: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="RATE", help="How fast intervals adapt; 0: not."),
    ] = 0.02,
    scores: Annotated[
        bool, typer.Option("--scores", help="Say rolling MASE and coverage every 1,000 rows.")
    ] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="The source begins again: skip what was seen.")
    ] = False,
    save_every: Annotated[
        str, typer.Option(metavar="TIME", help="How often the state is saved to MODEL.")
    ] = "1m",
    no_save: Annotated[bool, typer.Option("--no-save", help="Leave MODEL as it is.")] = False,
    future: Future = None,
) -> None:
    """Example:

    \b
    meter --csv | forecast follow load.safetensors | tee forecasts.csv
    tail -n 0 -F load.csv | forecast follow load.safetensors --horizon 24

    Read rows from standard input as they arrive, CSV or JSON lines of any number of series, and
    write a forecast after each, at once. `outside` says where the row fell: 1 above the 95 %
    interval forecast for it, -1 below, 0 inside. Intervals widen and narrow as the errors do.
    Lines that cannot be read, late rows and rows given twice are told, counted and skipped. The
    state is saved to MODEL every minute and at the end; a restart goes on from there.

    Covariates stand in the rows, those of steps to come in `--future` or in rows without a value.
    """
    period = None if clock is None else seconds("--clock", clock)
    saving = seconds("--save-every", save_every)
    levels = shared.numbers("--quantiles", quantiles)
    if streams.stdin_holds() == "terminal":
        talk.say("reading rows from the terminal; end with Ctrl-D")

    from forecast import store
    from forecast.claim import Claim
    from forecast.data.roles import ROLES
    from forecast.data.wanted import Wanted
    from forecast.stream.feed import Feed
    from forecast.stream.follower import Follower, Scores, Style
    from forecast.stream.keeper import Keeper
    from forecast.stream.state import Stream

    with ExitStack() as stack:
        claim = None if no_save else stack.enter_context(Claim(model))
        forecaster = reading.standing(store.load(model))
        known = None if future is None else Reading().ahead(talk, future, forecaster)
        stream = Stream(forecaster, horizon, levels, adapt, known)
        asked: dict[str, Any] = {role: forecaster.asked(role) for role in ROLES}
        wanted = Wanted(**reading.given, **asked)
        style = Style(format_, levels)
        follower = Follower(
            Feed(forecaster.clock, forecaster.layout, wanted), stream, style, _write, talk.say,
            every=0 if period else every, replayed=from_start,
        )  # fmt: skip
        follower.scores = Scores() if scores else None
        keeper = None if claim is None else Keeper(claim, saving)
        _write(style.header())
        ended = _Loop(talk, follower, keeper, period).run()
    if ended:
        raise typer.Exit(ended)


def seconds(flag: str, text: str) -> float:
    """Return how long `text` says, `30s`, `15m`, `1h`, `1d`; UsageError unless it is above 0."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    length = float(match[1]) * _UNITS[match[2] or "s"] if match else 0.0
    if length <= 0:
        raise UsageError(f"`{flag} {text}` is no length of time", hint=f"such as `{flag} 15m`")
    return length


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


@dataclass
class _Loop:
    """Waits for rows, signals and the clock."""

    talk: shared.Talk
    follower: "Follower"
    keeper: "Keeper | None"
    period: float | None
    ended: int = 0  # the exit code a signal asked for

    def run(self) -> int:
        """Follow standard input to its end, or until a signal; return the exit code."""
        with self._heard():
            try:
                self._follow()
                self._finish()
            finally:
                if self.keeper is not None:
                    self.keeper.join()
        return self.ended

    def _follow(self) -> None:
        from forecast.stream.lines import Lines

        source, lines = streams.stdin(), Lines()
        due = self._next_tick()
        while not self.ended:
            if streams.ready(source, self._wait(due)):
                piece = source.read(PIECE)
                if not piece:
                    self.follower.read(lines.end())
                    break
                self.follower.read(lines.cut(piece))
            if self.period is not None and now() >= due:
                self.follower.tick()
                due = self._next_tick()
            if self.keeper is not None and not self.keeper.wait:
                self._save(self.keeper)
        if self.period is not None:
            self.follower.tick()

    def _wait(self, due: float) -> float | None:
        waits = [due - now()] if self.period is not None else []
        if self.keeper is not None:
            waits.append(self.keeper.wait)
        return max(min(waits), 0.0) if waits else None

    def _next_tick(self) -> float:
        return 0.0 if self.period is None else (now() // self.period + 1) * self.period

    def _save(self, keeper: "Keeper") -> None:
        failure = keeper.failure()
        if failure is not None:
            self.talk.say(
                f"Warning: the state could not be saved: {failure.strerror}; trying again"
            )
        keeper.begin(self.follower.counts["row"], self.follower.stream.forecaster)

    def _finish(self) -> None:
        counts = self.follower.counts
        if self.follower.scores is not None and self.follower.scores.count:
            self.talk.say(self.follower.scores.spoken())
        self.talk.say(self.follower.summary())
        if counts["bad line"] and not counts["row"] and not counts["seen row"]:
            raise DataError(
                f"<stdin>: none of {counts['line']:,} lines could be read",
                hint="rows look like `unique_id,ds,y`, or like "
                '{"unique_id": "a", "ds": "2026-01-01T00:00:00", "y": 1}',
            )
        if self.keeper is not None and counts["row"]:
            self.keeper.finish(self.follower.stream.forecaster())

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Let a first signal end the loop between two pieces, a second one at once."""

        def hear(number: int, frame: Any) -> None:
            self.ended = 128 + number
            for kind, handler in before.items():
                signal.signal(kind, handler)

        before = {kind: signal.signal(kind, hear) for kind in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)
