"""The command line: the commands, and the one place where errors become messages and exit codes.

0 good; 1 our bug; 2 usage; 3 data; 4 model file; 5 fit failed; 6 device; 7 missing optional
package; 8 gate not passed; 130 interrupted; 141 closed pipe; 143 terminated.
"""

import os
import signal
import sys
import warnings
from importlib import import_module
from types import FrameType
from typing import Annotated, NoReturn

import typer

from forecast import __version__
from forecast.cli import plain, streams
from forecast.errors import ForecastError, UsageError

COMPLETING = "_FORECAST_COMPLETE"
INTERRUPTED, CLOSED_PIPE, TERMINATED = 130, 141, 143
COMMANDS = {  # each a function in a module called so
    "fit": "Learn a model from rows and keep it in one file.",
    "predict": "Forecast what follows, from a model file.",
    "update": "Take in new rows and keep the state.",
    "follow": "Rows in, forecasts out, as they arrive.",
    "simulate": "Draw futures that may come.",
    "benchmark": "Models side by side on windows of the past.",
    "tune": "Find settings of a model by successive halving.",
    "check": "Say what is odd about a table, and what repairs it.",
    "inspect": "Say what a model file holds.",
}


def _version(wanted: bool) -> None:
    if wanted:
        print(f"forecast {__version__}")
        raise typer.Exit


def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Example:

    \b
    forecast fit load.csv                                    fit a GRU to a CSV file
    forecast predict load-gru.safetensors > tomorrow.csv     forecast what follows
    forecast benchmark load.csv --horizon 24 --windows 20    how good is each model?

    Turn CSV time series into forecasts with recurrent models (RNN, GRU, echo state network), and
    say honestly how good they are beside a Kalman filter and naive forecasts. Rows come from a
    file or a pipe; forecasts go to standard output, everything else to standard error.
    """


def application(only: str | None = None) -> typer.Typer:
    """Return the commands, or of them the one called `only`, so that no other is loaded."""
    app = typer.Typer(
        name="forecast",
        rich_markup_mode=None,
        context_settings={"help_option_names": list(plain.HELP), "max_content_width": 100},
    )
    app.callback()(about)
    for name, help_ in COMMANDS.items():
        if only in (None, name):
            module = import_module(f"forecast.cli.{name}")
            app.command(name, short_help=help_)(getattr(module, name))
    if only is None:
        from forecast.cli import datasets

        app.add_typer(datasets.app, name="datasets")
    return app


def _warn(message: Warning | str, *place: object, **more: object) -> None:
    """Say a library's warning as a sentence, without the place in the code."""
    print(f"Warning: {message}", file=sys.stderr)


class _Terminated(BaseException):
    """The process was asked to end; raised so that half-written files are removed."""


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    warnings.showwarning = _warn
    sys.exit(run(sys.argv[1:]))


def run(args: list[str]) -> int:
    """Run the command line with `args` and return its exit code."""
    try:
        return _run(args)
    except ForecastError as error:
        code, name, message, hint = error.exit_code, error.code, error.message, error.hint
        _trace(args)
    except typer.TyperException as error:
        code, name, message, hint = 2, "usage", *_usage(error)
        _trace(args)
    except OSError as error:
        code, name = UsageError.exit_code, UsageError.code
        place = error.filename if isinstance(error.filename, str) else "the output"
        message = f"{place} cannot be written: {(error.strerror or str(error)).lower()}"
        hint = "make room, or write elsewhere: `-o FILE`; nothing half written was left behind"
        _trace(args)
    except Exception as error:
        code, name, message = 1, "bug", f"{type(error).__name__}: {error}"
        hint = "this is a bug in forecast; `--debug` shows where it happened"
        _trace(args)
    _report(name, message, hint, as_json="--json-errors" in args)
    return code


def _run(args: list[str]) -> int:
    """Run the command; ends that are nobody's mistake become exit codes here."""
    only = args[0] if args and args[0] in COMMANDS and COMPLETING not in os.environ else None
    command = typer.main.get_command(application(only))
    plain.lighten(command)
    if COMPLETING in os.environ:  # a shell asks; it is answered, and the process ends
        command.main(args=[], prog_name="forecast")
    try:
        with command.make_context("forecast", list(args) or ["--help"]) as context:
            command.invoke(context)
        if sys.stdout is not None:
            sys.stdout.flush()
    except typer.Exit as end:
        return end.exit_code
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        return INTERRUPTED
    except _Terminated:
        return TERMINATED
    except BrokenPipeError:
        streams.discard_stdout()
        return CLOSED_PIPE
    return 0


def _usage(error: typer.TyperException) -> tuple[str, str]:
    """Return message and hint of an error in the arguments."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "forecast"
    return error.format_message().rstrip("."), f"`{path} --help`"


def _trace(args: list[str]) -> None:
    """Show the traceback of the error at hand when `--debug` asks for it."""
    if "--debug" in args:
        import traceback

        traceback.print_exc()


def _report(code: str, message: str, hint: str | None, as_json: bool) -> None:
    if as_json:
        import json

        record = {"code": code, "message": message, "hint": hint}
        print(json.dumps(record, ensure_ascii=False), file=sys.stderr)
        return
    print(f"Error: {message}", file=sys.stderr)
    if hint:
        print(f"\nHint: {hint}", file=sys.stderr)
