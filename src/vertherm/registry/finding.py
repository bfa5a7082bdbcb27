"""A finding of ``registry check``: something that is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong with a registry.

    Args:
        kind: class of the finding, one word or two in lower case (``"chain"``, ``"signature"``, ``"live data"``).
        where: table and record, or number of the row.
        what: one sentence a person understands.
    """

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.what}"
