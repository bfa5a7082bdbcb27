"""Progress as a small protocol: the library reports, the command line draws."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives progress; ``step`` names the work, ``done`` runs from 0 to 1."""

    def __call__(self, step: str, done: float) -> None:
        """Report that ``step`` has reached the share ``done``."""


def silent(step: str, done: float) -> None:
    """Ignore progress."""
