"""What a follow-up leaves behind besides its page: the document, and masks to look at, edit and give back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from vertherm.followup.document import Verification
from vertherm.followup.images import carried
from vertherm.followup.verify import Followup, Visit
from vertherm.geometry.volume import Volume
from vertherm.imaging.nifti import write_nifti


def write_followup(followup: Followup, document: Verification, folder: Path) -> None:
    """Write ``verify.json``, ``masks/`` and ``registered/`` into a folder that exists.

    masks: zone and cement of every examination twice: ``..._planning`` in the planning frame on the comparison's grid,
    ``..._followup`` on the examination's own grid, where it can be edited and named in the follow-up file.
    registered: every examination on the comparison's grid of each lesion.
    """
    (folder / "verify.json").write_text(document.model_dump_json(indent=2) + "\n", "utf-8")
    (folder / "calibration.json").write_text(json.dumps(document.calibration, indent=2) + "\n", "utf-8")
    for name in ("masks", "registered"):
        (folder / name).mkdir()
    for visit in followup.visits:
        _write(visit, folder)


def _write(visit: Visit, folder: Path) -> None:
    seen = visit.examined
    if seen.image is None:
        return
    stem = f"{_safe(visit.target.name)}_{_safe(seen.scan.entry.name)}"
    write_nifti(seen.image, folder / "registered" / f"{stem}.nii.gz")
    parts = {
        "zone": None if seen.seen_zone is None else seen.seen_zone.mask,
        "cement": None if seen.cement is None else seen.cement.mask,
    }
    matrix = np.asarray(seen.registration.transform)
    for name, mask in parts.items():
        if mask is None:
            continue
        own = Volume(mask.data.astype(np.uint8), mask.grid, mask.source)
        write_nifti(own, folder / "masks" / f"{stem}_{name}_planning.nii.gz")
        write_nifti(carried(mask, matrix, seen.scan.image), folder / "masks" / f"{stem}_{name}_followup.nii.gz")


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
