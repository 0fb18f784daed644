"""Text to values without a validator for each option.

typer builds one for every option of a command, by pydantic, whose import alone takes longer than a
forecast. What our options need (text, numbers in a range, a word out of several, flags, lists of
these) is converted here. A typer that keeps its converters elsewhere is left as it is.
"""

from typing import Any

import typer

HELP = ("-h", "--help")
_WORDS = {int: "an integer", float: "a number"}


def lighten(command: Any) -> None:
    """Let `command` and those below it convert their options here."""
    names = typer.Context(command, help_option_names=list(HELP))
    for parameter in (*command.params, command.get_help_option(names)):
        kind = getattr(parameter, "type_descriptor", None)
        if kind is not None and getattr(parameter, "_runtime_param", ...) is None and _simple(kind):
            parameter._runtime_param = _Plain(kind)
    for below in getattr(command, "commands", {}).values():
        lighten(below)


def _simple(kind: Any) -> bool:
    return kind.is_choice or kind.annotation in (str, int, float, bool, list[str])


class _Plain:
    """Converts what stands for one option."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return `value` as its option declares it; typer.BadParameter where it cannot be."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        if several:
            return [self._one(each, param, ctx) for each in value]
        return self._one(value, param, ctx)

    def _one(self, value: Any, param: Any, ctx: Any) -> Any:
        kind = self._kind
        if kind.is_choice:
            if value in kind.choices:
                return value
            wrong = f"`{value}` is none of {', '.join(map(str, kind.choices))}"
            raise typer.BadParameter(wrong, ctx=ctx, param=param)
        if kind.annotation not in _WORDS:
            return value
        try:
            number = kind.annotation(value)
        except ValueError:
            wrong = f"`{value}` is not {_WORDS[kind.annotation]}"
            raise typer.BadParameter(wrong, ctx=ctx, param=param) from None
        least, most = kind.parameter_info.min, kind.parameter_info.max
        if (least is not None and not number >= least) or (most is not None and not number <= most):
            span = f"at least {least}" if most is None else f"in {least}..{most}"
            raise typer.BadParameter(f"{value} is not {span}", ctx=ctx, param=param)
        return number
