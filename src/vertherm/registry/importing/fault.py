"""Why one cell cannot be taken, and the marks that a cell can leave instead of a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What is wrong with a cell and what to do; ``kind`` is short and stable."""

    kind: str
    reason: str
    remedy: str


class CellError(Exception):
    """A cell that cannot be taken."""

    def __init__(self, kind: str, reason: str, remedy: str) -> None:
        self.fault = Fault(kind, reason, remedy)
        super().__init__(reason)


@dataclass(frozen=True)
class MissingCode:
    """A numeric code in a number field that says why there is no value; ``reason`` is the code of the vocabulary."""

    reason: str
