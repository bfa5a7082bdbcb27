"""What an export says of itself: level, counts, hash of its data, and whether it is synthetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import SCHEMA_VERSION

FORMAT = "vertherm-registry"
SYNTHETIC = "SYNTHETIC: made up to test the software. No patient, no evidence."
LEVELS = {
    "none": "structure only, no records",
    "deidentified": "pseudonyms, dates shifted by patient, identifiers and free text left out",
    "full": "everything, identifiers and free text included: handle as patient data",
}


@dataclass(frozen=True)
class Manifest:
    """The description of one export.

    Args:
        level: one of :data:`LEVELS`.
        series: the series it is limited to, None for all.
        counts: rows by entity.
        data_sha256: hash of the exported records (``Records.sha256``), empty without records.
        synthetic: true where it holds synthetic series or patients; ``mixed`` tells whether real ones too.
        mixed: both synthetic and real series are in it.
        registry_id: where it comes from; empty where that would identify.
        made: day and time, UTC.
    """

    level: str
    series: str | None
    counts: dict[str, int]
    data_sha256: str
    synthetic: bool
    mixed: bool
    registry_id: str
    made: str

    def document(self) -> dict[str, Any]:
        """The manifest as JSON takes it."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "level": self.level,
            "level_means": LEVELS[self.level],
            "series": self.series or "all",
            "rows": self.counts,
            "data_sha256": self.data_sha256,
            "made": self.made,
        }
        if self.registry_id:
            document["registry_id"] = self.registry_id
        if self.mark:
            document = {"SYNTHETIC": self.mark, **document}
        return document

    @property
    def mark(self) -> str:
        """The words that mark synthetic data, empty where all is real."""
        if not self.synthetic:
            return ""
        return SYNTHETIC + (" Other series in this export are real." if self.mixed else "")


def make_manifest(records: Records, level: str, series: str | None, registry_id: str) -> Manifest:
    """The manifest of records at a level; a de-identified export does not name its registry."""
    marks = {row["synthetic"] for name in ("series", "patient") for row in records.dicts(name)}
    return Manifest(
        level=level,
        series=series,
        counts=records.counts(),
        data_sha256=records.sha256() if level != "none" else "",
        synthetic="yes" in marks,
        mixed=marks == {"yes", "no"},
        registry_id=registry_id if level == "full" else "",
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
