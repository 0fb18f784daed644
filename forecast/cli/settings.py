"""Models and their settings on the command line: `--model`, `--set`, `--list-settings`."""

import inspect
import re
from dataclasses import fields

from forecast.cli.shared import suggest
from forecast.errors import UsageError
from forecast.models import FAMILIES, Family

_COMMENT = re.compile(r"^\s+(\w+)\s*:.*?#\s*(.+?)\s*$", re.MULTILINE)


def pick(name: str) -> Family:
    """Return the family called `name`; UsageError suggests the nearest one."""
    if name not in FAMILIES:
        raise UsageError(f"no model is called `{name}`", hint=suggest(name, list(FAMILIES)))
    return FAMILIES[name]


def pick_all(names: str) -> list[str]:
    """Return the names in `gru,esn`, each once; UsageError for an unknown one."""
    return list(dict.fromkeys(pick(name.strip()).name for name in names.split(",")))


def pairs(texts: list[str]) -> dict[str, str]:
    """Return the `name=value` of `--set` as a dict, names as fields are written."""
    return {name.replace("-", "_"): value for name, value in named("--set", texts).items()}


def named(flag: str, texts: list[str]) -> dict[str, str]:
    """Return `name=value` texts as a dict; the last one of a name counts."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"`{flag} {text}` has no value", hint=f"write `{flag} name=value`")
        found[name.strip()] = value.strip()
    return found


def listing(family: Family) -> str:
    """Return a table of the settings of `family`: name, default, what it is."""
    from forecast.models.settings import written

    config = family.load("config")
    notes = _comments(config)
    rows = [(f.name, written(getattr(config(), f.name)), notes.get(f.name, ""))
            for f in fields(config)]  # fmt: skip
    first, second = (max((len(row[k]) for row in rows), default=0) for k in (0, 1))
    return "".join(f"{a:<{first}}  {b:<{second}}  {c}".rstrip() + "\n" for a, b, c in rows)


def _comments(config: type) -> dict[str, str]:
    """Return the comment at the end of each field's line, inherited fields included."""
    found: dict[str, str] = {}
    for kind in reversed(config.__mro__[:-1]):
        found |= dict(_COMMENT.findall(inspect.getsource(kind)))
    return found
