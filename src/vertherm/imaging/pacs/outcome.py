"""What became of each file that was to be sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

State = Literal["stored", "already there", "refused", "failed", "would be stored"]
STATES: tuple[State, ...] = ("stored", "already there", "refused", "failed", "would be stored")


@dataclass(frozen=True)
class Row:
    """One file.

    Args:
        path: the file.
        sop_uid: its SOPInstanceUID, empty where it could not be read.
        state: ``stored`` and ``already there`` were confirmed by the archive; ``refused``: other content lies there
            under the same UID; ``would be stored`` in a dry run only.
        reason: why refused or failed.
    """

    path: Path
    sop_uid: str
    state: State
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """All files of one sending, in the order they were given."""

    archive: str
    rows: tuple[Row, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of files by state."""
        found = Counter(row.state for row in self.rows)
        return {state: found[state] for state in STATES}

    @property
    def complete(self) -> bool:
        """True where every file lies in the archive, or would in a dry run."""
        return not (self.counts["refused"] or self.counts["failed"])

    def document(self) -> dict[str, Any]:
        """The outcome as JSON; file names and UIDs, no names of patients."""
        rows = [
            {"file": str(row.path), "sop_instance_uid": row.sop_uid, "state": row.state, "reason": row.reason}
            for row in self.rows
        ]
        return {"schema_version": 1, "archive": self.archive, "counts": self.counts, "instances": rows}
