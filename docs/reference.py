"""Write docs/commands.md from the commands themselves: `python docs/reference.py`."""

import re
import sys
from pathlib import Path
from typing import Any

import typer

from forecast.cli import application

PAGE = Path(__file__).with_name("commands.md")
HEAD = "# Commands\n\nEvery command with its options, as `--help` shows them.\n"


def page() -> str:
    """Return the page: a section for each command, a line for each option."""
    parts = [HEAD]
    for name, command in walk("forecast", typer.main.get_command(application())):
        parts += [f"\n## {name}\n\n", about(command), "\n"]
        parts += [f"- {line(option)}\n" for option in command.params]
    return "".join(parts)


def walk(name: str, command: Any) -> list[tuple[str, Any]]:
    """Return a command and all below it, with their names."""
    below = getattr(command, "commands", {})
    found = [] if below and name != "forecast" else [(name, command)]
    return found + [pair for part, each in below.items() for pair in walk(f"{name} {part}", each)]


def about(command: Any) -> str:
    """Return the help of a command, its example as code."""
    text = re.sub(r"^Example:\s*\n+\x08\n", "", command.help or "")
    example, _, rest = text.partition("\n\n")
    code = "".join(f"    {row.strip()}\n" for row in example.splitlines())
    return f"{code}\n{rest.strip()}\n"


def line(option: Any) -> str:
    """Return an argument or an option with its help."""
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if option.param_type_name == "argument":
        names = f"`{option.metavar or option.name}`"
    return f"{names}: {option.help}"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stderr.write(f"{PAGE} written\n")
