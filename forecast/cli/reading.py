"""The options that say how a table is read, and reading it: one home for every command."""

from dataclasses import dataclass, field, replace
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forecast.cli import streams
from forecast.cli.shared import Group, HelpNeededError, Talk, integers
from forecast.data.roles import ROLES
from forecast.errors import UsageError

if TYPE_CHECKING:
    from forecast.data.panel import Panel
    from forecast.forecaster import Forecaster

Data = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help="CSV or Parquet file; `-` or a pipe: standard input."),
]
Dataset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Use embedded data instead; see `forecast datasets list`."),
]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a command line says about a table: `given` are options of `tables.read`."""

    given: dict[str, Any] = field(default_factory=dict)
    explain: bool = False

    def panel(
        self, talk: Talk, data: str | None, dataset: str | None = None, **more: Any
    ) -> "Panel":
        """Return the panel that DATA, `--dataset` or standard input holds; say how it was read.

        `more` goes to `tables.read` too. With `--explain` the reason for each decision is said.
        Raises HelpNeededError when nothing is named at a terminal.
        """
        if dataset is not None and data is not None:
            raise UsageError(
                f"both `{data}` and `--dataset {dataset}` are given", hint="choose one"
            )
        if dataset is None and data is None and streams.stdin_holds() == "terminal":
            raise HelpNeededError
        options = self.given | more
        if dataset is not None:
            from forecast.data import datasets

            panel = datasets.load(dataset, **options)
        else:
            from forecast.data import tables

            panel = tables.read(streams.stdin() if data in (None, "-") else data, **options)
        for note in (*panel.notes, *(panel.reasons if self.explain else ())):
            talk.say(note)
        return panel

    def rows(self, talk: Talk, data: str | None, forecaster: "Forecaster", **more: Any) -> "Panel":
        """Return rows for `forecaster`, which need no header, as `panel` does."""
        known: dict[str, Any] = {role: forecaster.asked(role) for role in ROLES}
        known |= {"layout": forecaster.layout, "clock": forecaster.clock}
        known["calendar"] = forecaster.holidays
        return self.panel(talk, data, None, **known | more)

    def ahead(self, talk: Talk, table: str, forecaster: "Forecaster") -> "Panel | None":
        """Return the known covariates of steps to come; None for a model that uses none."""
        names = forecaster.asked("known")
        if not names:
            talk.say(f"Warning: {forecaster.family} makes no use of `--future {table}`")
            return None
        return self.rows(talk, table, forecaster, known=names, past=(), static=(), future=True)

    @property
    def words(self) -> list[str]:
        """The options as they would be typed."""
        return [
            f"--{name.replace('_', '-')} {quote(_typed(value))}"
            for name, value in self.given.items()
        ]

    def standing(self, forecaster: "Forecaster") -> "Forecaster":
        """Return `forecaster` with the closed days that the command line names."""
        path = self.given.get("closures")
        if path is None:
            return forecaster
        return replace(forecaster, clock=forecaster.clock.with_closures(path))


def _typed(value: Any) -> str:
    return value if isinstance(value, str) else ",".join(map(str, value)) or "none"


def _text(metavar: str, about: str, *flags: str) -> tuple[Any, None]:
    return Annotated[str | None, typer.Option(*flags, metavar=metavar, help=about)], None


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "season": _text("STEPS", "Season lengths in steps, `24,168`; default: by frequency."),
    "id_": _text("COLUMN", "Column of series ids.", "--id"),
    "time": _text("COLUMN", "Column of timestamps."),
    "value": _text("COLUMN", "Column of values."),
    "known": _text("COLUMNS", "Covariates known ahead too: `temperature,holiday`."),
    "past": _text("COLUMNS", "Covariates observed like the values."),
    "static": _text("COLUMNS", "Covariates constant for each series."),
    "holidays": _text("CODE", "Public holidays of a country, DE or DE-BY; or the column of codes."),
    "timezone": _text(
        "ZONE", "Whose clock: Europe/Berlin, +01:00, or the column of zones; default: none."
    ),
    "closures": _text("FILE", "Days to come on which trading rests, one date a line."),
    "input_layout": _text("NAME", "long, wide, hours (a day per row) or rows (a series per row)."),
    "date_format": _text("FORMAT", "day-first, month-first, seconds, %d/%m/%Y, ..."),
    "decimal": _text("MARK", "point or comma."),
    "delimiter": _text("MARK", "A character, or comma, semicolon, tab."),
    "encoding": _text("NAME", "utf-8, cp1252, cp1253, ..."),
    "explain": (
        Annotated[bool, typer.Option("--explain", help="Say why DATA is read as it is.")],
        False,
    ),
}
_OF_A_MODEL = ("season", "id_", "time", "value", "known", "past", "static", "holidays", "timezone")


def _gathered(explain: bool = False, season: str | None = None, **texts: str | None) -> Reading:
    given: dict[str, Any] = {} if season is None else {"season": integers("--season", season)}
    given |= {name.rstrip("_"): text for name, text in texts.items() if text is not None}
    return Reading(given, explain)


def _group(*left_out: str) -> Group:
    kept = {name: option for name, option in _OPTIONS.items() if name not in left_out}
    return Group(kept, _gathered)


Future = Annotated[
    str | None, typer.Option(metavar="FILE", help="Known covariates of the steps to come.")
]
Table = Annotated[Reading, _group()]  # of a table that is new to us
Rows = Annotated[Reading, _group(*_OF_A_MODEL)]  # of rows for a model, which knows its columns
Lines = Annotated[  # of rows as they arrive
    Reading,
    _group(
        "season",
        "known",
        "past",
        "static",
        "holidays",
        "timezone",
        "input_layout",
        "encoding",
        "explain",
    ),
]
