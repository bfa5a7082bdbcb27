"""``deidentified.json``: what was done and with which options, without anything that identifies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertherm.core.files import write_json
from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.tables import EDITION

if TYPE_CHECKING:
    from vertherm.imaging.deidentify.run import Outcome

HEAD_NOTE = (
    "images of the head or neck: a face may be recognised in the volume; this program removes no faces (the option to "
    "clean recognizable visual features is not claimed)"
)
PIXEL_NOTE = "pixels were not searched for burnt-in text: look at some images of every series before they leave"
UID_NOTE = "UIDs were retained: many hold the date, the time and the serial number of the device"


def document(outcome: Outcome, profile: Profile) -> dict[str, Any]:
    """The report as a document: counts, options, refusals by number. No path, no value of the input."""
    notes = [PIXEL_NOTE]
    if outcome.heads:
        notes.append(f"{outcome.heads} {HEAD_NOTE}")
    if "uids" in profile.retain:
        notes.append(UID_NOTE)
    return {
        "schema_version": 1,
        "profile": f"PS3.15 {EDITION} Basic Application Level Confidentiality Profile",
        "options": {
            "dates": profile.dates,
            "retain": sorted(profile.retain),
            "clean_descriptors": profile.descriptors,
            "clean_structured_content": profile.structured,
            "clean_graphics": profile.graphics,
            "accepted": sorted(profile.accept),
        },
        "codes": [{"value": value, "scheme": "DCM", "meaning": meaning} for value, meaning in profile.codes()],
        "patients": len(outcome.patients),
        "studies": len(outcome.studies),
        "series": len(outcome.series),
        "instances": len(set(outcome.written.values())),
        "duplicates": outcome.duplicates,
        "accepted_objects": dict(sorted(outcome.accepted.items())),
        "actions": dict(sorted(outcome.actions.items())),
        "refused": [
            {"file_number": row.number, "reason": row.reason, "attribute": row.tag, "accept": row.accept}
            for row in outcome.refused
        ],
        "not_dicom": outcome.others,
        "notes": notes,
    }


def write_report(path: Path, outcome: Outcome, profile: Profile) -> None:
    """Write ``deidentified.json``."""
    write_json(path, document(outcome, profile))
