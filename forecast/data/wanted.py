"""What the user says about a table, what the reader decides, and where it is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from forecast.data.roles import ROLES, Role
from forecast.errors import DataError, UsageError

Kind = Literal["long", "wide", "hours", "rows"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " "}
_DECIMALS = {"point": ".", "comma": ","}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user says about a table; each answer stands in for what is else found out.

    Attributes:
        id: column of series ids.
        time: column of timestamps.
        value: column of values; several of them make a wide table.
        input_layout: `long`, `wide`, `hours` (a day per row) or `rows` (a series per row).
        date_format: `day-first`, `month-first`, `year-first`, `integer`, `seconds`,
            `milliseconds`, or a pattern of strptime; `0-23` or `1-24` for a column of hours.
        decimal: `.` or `,`.
        delimiter: the character between cells.
        encoding: such as `cp1253`.
        timezone: zone of timestamps without one, and whose clock counts: `Europe/Berlin`; or the
            column that holds that of each series.
        season: season lengths in steps, instead of those the frequency suggests.
        closures: file of days to come on which trading rests.
        known: columns known in the future too, as a list or `temperature,wind`. Rows after the
            last value of a series that hold some become the panel's `future`.
        past: columns observed like the values, up to the cutoff.
        static: columns constant for each series.
        holidays: country whose public holidays are a known covariate, `DE` or `DE-BY`; or the
            column that names it for each series: that of the ids, or a static covariate.
        future: the table holds known covariates of steps to come, and no values.
    """

    id: str | None = None
    time: str | None = None
    value: str | None = None
    input_layout: str | None = None
    date_format: str | None = None
    decimal: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    timezone: str | None = None
    season: int | Sequence[int] | None = None
    closures: str | None = None
    known: str | Sequence[str] = ()
    past: str | Sequence[str] = ()
    static: str | Sequence[str] = ()
    holidays: str | None = None
    future: bool = False

    def __post_init__(self) -> None:
        """Refuse answers that nothing is called by, or that contradict each other: UsageError."""
        for role in ROLES:
            object.__setattr__(self, role, _names(role, getattr(self, role)))
        every = [name for _, name in self.beside]
        for role, name in self.beside:
            if every.count(name) > 1:
                raise UsageError(f"the covariate `{name}` is named twice", hint="give it one role")
            if name in (self.id, self.time, self.value):
                raise UsageError(
                    f"`--{role} {name}` names the column of ids, timestamps or values",
                    hint="a covariate is another column",
                )
        object.__setattr__(self, "delimiter", _DELIMITERS.get(self.delimiter or "", self.delimiter))
        object.__setattr__(self, "decimal", _DECIMALS.get(self.decimal or "", self.decimal))
        if self.input_layout not in (None, *KINDS):
            raise UsageError(
                f"no layout is called `{self.input_layout}`", hint=f"known: {', '.join(KINDS)}"
            )
        if self.decimal not in (None, ".", ","):
            raise UsageError(f"`--decimal {self.decimal}` is neither a point nor a comma",
                             hint="`--decimal point` or `--decimal comma`")  # fmt: skip
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise UsageError(f"`--delimiter {self.delimiter}` is not one character",
                             hint=f"a character, or one of {', '.join(_DELIMITERS)}")  # fmt: skip

    @property
    def beside(self) -> tuple[tuple[Role, str], ...]:
        """The covariates with their roles, in the order in which columns stand."""
        named = {"static": self.static, "known": self.known, "past": self.past}
        return tuple((role, name) for role in ROLES for name in named[role])

    @property
    def seasons(self) -> tuple[int, ...] | None:
        """The season lengths asked for; None: those of the frequency."""
        if self.season is None:
            return None
        return (self.season,) if isinstance(self.season, int) else tuple(self.season)


def _names(role: Role, given: str | Sequence[str]) -> tuple[str, ...]:
    """Return the columns that `given` names, `temperature,wind` or several."""
    names = tuple(name.strip() for name in given.split(",")) if isinstance(given, str) else given
    if not all(names):
        raise UsageError(f"`--{role} {given}` is not a list of columns",
                         hint=f"such as `--{role} temperature,wind`")  # fmt: skip
    return tuple(names)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, as part of the line that says it ("" where it is the usual), and why."""

    what: str
    why: str


def located(
    name: str, message: str, line: int | None = None, column: str | None = None,
    hint: str | None = None, counted: str = "line",
) -> DataError:  # fmt: skip
    """Return a DataError whose message begins with the file, the line and the column."""
    where = [name]
    if line is not None:
        where.append(f"{counted} {line:,}")
    if column is not None:
        where.append(f"column `{column if len(column) <= 80 else column[:77] + '...'}`")
    return DataError(f"{', '.join(where)}: {message}", hint=hint)
