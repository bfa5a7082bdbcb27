"""Fields of a cement prediction as NIfTI, for other viewers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vertherm.geometry.volume import Volume
from vertherm.imaging.nifti import write_nifti
from vertherm.planning.cement.result import CementResult


def write_cement_fields(result: CementResult, folder: Path) -> None:
    """One file a field and target; names say what and in which unit.

    Cells without a value hold 0; of the volume at arrival, cells that cement never reaches hold -1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = "SYNTHETIC_" if result.document.synthetic else ""
    names = field_names([item.target for item in result.fields])
    for item in result.fields:
        named: dict[str, Volume | None] = {
            "cement_share": item.fill,
            "cement_probability": item.probability,
            "arrival_ml": item.arrival_ml,
            "curing_peak_c": item.curing_peak_c,
            "combined_cem43_min": item.curing_cem43_min,
            **{f"strain_{state.replace(' ', '_')}": volume for state, volume in item.strain.items()},
        }
        for name, volume in named.items():
            if volume is not None:
                nothing = -1.0 if name == "arrival_ml" else 0.0
                data = np.where(np.isfinite(volume.data), volume.data, nothing).astype(np.float32)
                write_nifti(volume.with_data(data), folder / f"{mark}{names[item.target]}_{name}.nii.gz")
        write_nifti(
            item.sites.with_data(item.sites.data.astype(np.uint8)), folder / f"{mark}{names[item.target]}_sites.nii.gz"
        )


def field_names(targets: list[str]) -> dict[str, str]:
    """A part of a file name for each target; names that look alike in it are numbered."""
    found: dict[str, str] = {}
    for name in targets:
        plain, number = _plain(name), 1
        while plain in found.values():
            number += 1
            plain = f"{_plain(name)}_{number}"
        found[name] = plain
    return found


def _plain(name: str) -> str:
    """A target's name as part of a file name."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
