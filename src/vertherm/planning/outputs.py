"""Fields as NIfTI in the CT's frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vertherm.geometry.volume import Volume
from vertherm.imaging.nifti import write_nifti
from vertherm.planning.scene import Scene


def write_fields(scene: Scene, folder: Path) -> None:
    """Write the nominal fields, the lesions and every zone with its envelopes into ``folder``.

    peak_temperature_c, cem43_min, omega: float32 on the heat grid (RAS-aligned, the CT's world).
    zone_<metric>.nii.gz: 3 in the zone of every member, 2 in the nominal zone, 1 in the zone of some member,
    0 elsewhere.
    probability_<metric>.nii.gz, where samples were run: share of the samples whose zone holds the cell, 0 to 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {"peak_c": "peak_temperature_c", "cem43_min": "cem43_min", "omega": "arrhenius_omega"}
    written: set[str] = set()
    for zone in scene.zones:
        name = names[zone.quantity]
        if name not in written:
            written.add(name)
            write_nifti(zone.nominal, folder / f"{name}.nii.gz")
        parts = [volume.data >= zone.level for volume in (zone.largest, zone.nominal, zone.smallest)]
        classes = np.where(parts[2], 3, np.where(parts[1], 2, np.where(parts[0], 1, 0))).astype(np.uint8)
        write_nifti(Volume(classes, zone.nominal.grid), folder / f"zone_{zone.metric}.nii.gz")
    for field in scene.probabilities:
        write_nifti(field.share, folder / f"probability_{field.metric}.nii.gz")
    for name, mask in scene.lesions.items():
        safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
        write_nifti(Volume(mask.data.astype(np.uint8), mask.grid), folder / f"lesion_{safe}.nii.gz")
