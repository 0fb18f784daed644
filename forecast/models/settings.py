"""The settings of a family as text: read into its config, and written from one.

configure(kind, changed(config)) == config
"""

from dataclasses import fields, replace
from typing import Any, get_type_hints

from forecast.errors import UsageError
from forecast.models import Family

TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def configure(kind: Family, settings: dict[str, str]) -> Any:
    """Return the family's config with `settings` (name to text) read into its fields.

    A name with a dot, `gru.units`, is a setting of a member and goes to the field `settings` of a
    config that has one. Raises UsageError for an unknown name or a value that does not fit.
    """
    config = kind.load("config")()
    known = {f.name: get_type_hints(type(config))[f.name] for f in fields(config)}
    values: dict[str, Any] = {}
    for name, text in settings.items():
        if "." in name and "settings" in known:
            values["settings"] = (*values.get("settings", ()), f"{name}={text}")
        else:
            values[name] = _value(kind, name, text, known)
    try:
        return replace(config, **values)
    except ValueError as error:
        raise UsageError(str(error), hint=f"`forecast fit --list-settings {kind.name}`") from error


def changed(config: Any) -> dict[str, str]:
    """Return the fields of `config` that differ from its defaults, as `configure` reads them."""
    plain = type(config)()
    return {
        f.name: written(getattr(config, f.name))
        for f in fields(config)
        if getattr(config, f.name) != getattr(plain, f.name)
    }


def written(value: Any) -> str:
    """Return `value` as `--set` takes it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(kind: Family, name: str, text: str, known: dict[str, Any]) -> Any:
    if name not in known:
        from difflib import get_close_matches

        near = get_close_matches(name, known, 1)
        raise UsageError(
            f"{kind.name} has no setting `{name}`" + (f"; `{near[0]}`?" if near else ""),
            hint=f"`forecast fit --list-settings {kind.name}` lists them",
        )
    return _parse(name, text, known[name])


def _parse(name: str, text: str, kind: Any) -> Any:
    try:
        if kind is bool:
            return TRUTHS[text.lower()]
        if kind in (int, float):
            return kind(text)
        if kind is str:
            return text
        if getattr(kind, "__origin__", None) is tuple:
            return tuple(kind.__args__[0](part) for part in text.split(",") if part)
        if text in getattr(kind, "__args__", ()):
            return text
        raise ValueError
    except (ValueError, KeyError) as error:
        what = " or ".join(map(str, getattr(kind, "__args__", ()))) or kind.__name__
        raise UsageError(f"setting `{name}` takes {what}, not `{text}`") from error
