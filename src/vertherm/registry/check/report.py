"""What a check found, and how much of it is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from vertherm.registry.check.heads import Head
from vertherm.registry.finding import Finding

MOST = 100
"""Findings of one kind that are told one by one; a table rewritten by hand has thousands, and all say the same."""


@dataclass(frozen=True)
class CheckReport:
    """Result of `check`.

    Args:
        findings: what is wrong; empty where all is well.
        seals: seals read.
        audit_rows: audit rows read.
        head: last seal, None where the chain has none.
        heads: exported heads that were compared.
        verified_with_key: the seals were tested with the key; without it a forged chain cannot be told from a true one.
    """

    findings: tuple[Finding, ...]
    seals: int
    audit_rows: int
    head: Head | None
    heads: int
    verified_with_key: bool

    @property
    def ok(self) -> bool:
        """True where nothing was found."""
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return {**asdict(self), "findings": [asdict(item) for item in self.findings], "ok": self.ok}


@dataclass
class Findings:
    """Collects findings in bounded memory."""

    kept: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, where: str, what: str) -> None:
        """Take one finding; beyond `MOST` of a kind only the number goes on."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= MOST:
            self.kept.append(Finding(kind, where, what))

    def all(self) -> tuple[Finding, ...]:
        """All that was kept, with a line for what was not."""
        more = [
            Finding(kind, "", f"{number - MOST} more of this kind.")
            for kind, number in self.counts.items()
            if number > MOST
        ]
        return (*self.kept, *more)
