"""What a fit may use and whom it tells: device, files to go on from, progress."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Progress = Callable[[str, float, str], None]  # stage, share done in [0, 1], note
Effort = Literal["quick", "default", "thorough"]
Tell = Callable[[str], None]  # a sentence


def silent(stage: str, done: float, note: str) -> None:
    """Tell nobody."""


def untold(sentence: str) -> None:
    """Tell nobody."""


class InterruptedFit(Exception):  # noqa: N818
    """A person ended the training; `model` is the best so far."""

    def __init__(self, model: Any) -> None:
        super().__init__("interrupted")
        self.model = model


@dataclass(frozen=True, slots=True)
class Run:
    """`device` is a torch device name that exists (`cpu`, `cuda:0`)."""

    device: str = "cpu"
    progress: Progress = silent
    checkpoint: Path | None = None  # where parameters are saved during training
    resume: bool = False
    effort: Effort = "default"  # of families whose work can be chosen
    minutes: float | None = None  # what their training may take, instead of counted work
    keep: bool = False  # whether a person who ends the training gets the best so far
    tell: Tell = untold  # what was decided: a sentence each
    folder: Path | None = None  # where a backtest keeps what it has done, to go on from there


def memory() -> float:
    """Return the machine's memory in bytes; infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
