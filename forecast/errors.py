"""The one exception tree; each branch carries the exit code the command line ends with."""


class ForecastError(Exception):
    """Say what went wrong and where; `hint` names the command or flag that cures it."""

    exit_code = 1
    code = "error"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ForecastError):
    """An option or argument that does not fit."""

    exit_code = 2
    code = "usage"


class DataError(ForecastError):
    """A table that cannot be read safely."""

    exit_code = 3
    code = "data"


class ModelFileError(ForecastError):
    """A model file that is damaged, foreign or newer than this version."""

    exit_code = 4
    code = "model-file"


class FitError(ForecastError):
    """A model that could not be fitted to these data."""

    exit_code = 5
    code = "fit"


class DeviceError(ForecastError):
    """A device that is not there."""

    exit_code = 6
    code = "device"


class MissingPackageError(ForecastError):
    """An optional package that is not installed or does not load."""

    exit_code = 7
    code = "missing-package"


class GateError(ForecastError):
    """A result that did not pass the gate the user set."""

    exit_code = 8
    code = "gate"
