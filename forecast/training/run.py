"""What a fit may use and whom it tells: device, checkpoint file, progress."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[str, float, str], None]  # stage, share done in [0, 1], note
Tell = Callable[[str], None]  # a sentence


def silent(stage: str, done: float, note: str) -> None:
    """Tell nobody."""


def untold(sentence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Run:
    """`device` is a torch device name that exists (`cpu`, `cuda:0`)."""

    device: str = "cpu"
    progress: Progress = silent
    checkpoint: Path | None = None  # where parameters are saved during training
    resume: bool = False
    tell: Tell = untold  # what was decided: a sentence each


def memory() -> float:
    """Return the machine's memory in bytes; infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
