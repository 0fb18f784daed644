"""Which device a fit runs on; torch is imported only where a graphics driver could be found."""

import sys
from pathlib import Path

from forecast.errors import DeviceError


def resolve(name: str) -> str:
    """Return the torch name of the device called `name`: auto, cpu, mps, cuda or cuda:N.

    `auto` takes the first CUDA device there is, else the CPU. Raises DeviceError for one that is
    not there.
    """
    if name == "cpu" or (name == "auto" and not _may_have_cuda()):
        return "cpu"
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda:0" if count else "cpu"
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("there is no `mps` device here", hint="use `--device cpu`")
        return name
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number or "0").isdigit():
        raise DeviceError(f"no device is called `{name}`", hint="use auto, cpu, cuda or cuda:N")
    if int(number or 0) >= count:
        found = f"{count} CUDA device(s) found" if count else "no CUDA device found"
        raise DeviceError(
            f"`--device {name}`: {found} by torch {torch.__version__}",
            hint="use `--device cpu` or `--device auto`",
        )
    return f"cuda:{int(number or 0)}"


def _may_have_cuda() -> bool:
    """Whether a driver may be there; on Linux its absence shows without importing torch."""
    return sys.platform != "linux" or Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()
