"""What the user says about a table, what the reader decides, and where it is wrong."""

from dataclasses import dataclass
from typing import Literal, get_args

from forecast.data.roles import Role
from forecast.errors import DataError, UsageError

Kind = Literal["long", "wide", "hours", "rows"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " "}
_DECIMALS = {"point": ".", "comma": ","}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Answers the user gave to what the reader would otherwise decide."""

    id: str | None = None
    time: str | None = None
    value: str | None = None
    layout: str | None = None  # a Kind
    date_format: str | None = None  # a name such as `day-first`, or a pattern of strptime
    decimal: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    timezone: str | None = None
    beside: tuple[tuple[Role, str], ...] = ()  # covariates, by name
    future: bool = False  # the table holds known covariates of steps to come, and no values

    def __post_init__(self) -> None:
        for role, name in self.beside:
            if [other for _, other in self.beside].count(name) > 1:
                raise UsageError(f"the covariate `{name}` is named twice", hint="give it one role")
            if name in (self.id, self.time, self.value):
                raise UsageError(
                    f"`--{role} {name}` names the column of ids, timestamps or values",
                    hint="a covariate is another column",
                )
        object.__setattr__(self, "delimiter", _DELIMITERS.get(self.delimiter or "", self.delimiter))
        object.__setattr__(self, "decimal", _DECIMALS.get(self.decimal or "", self.decimal))
        if self.layout not in (None, *KINDS):
            raise UsageError(
                f"no layout is called `{self.layout}`", hint=f"known: {', '.join(KINDS)}"
            )
        if self.decimal not in (None, ".", ","):
            raise UsageError(f"`--decimal {self.decimal}` is neither a point nor a comma",
                             hint="`--decimal point` or `--decimal comma`")  # fmt: skip
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise UsageError(f"`--delimiter {self.delimiter}` is not one character",
                             hint=f"a character, or one of {', '.join(_DELIMITERS)}")  # fmt: skip


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
