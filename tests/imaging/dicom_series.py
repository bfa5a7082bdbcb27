"""Write a volume as a DICOM series of single slices, as a scanner would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.uid import generate_uid

from tests.imaging.dicom_maker import enhanced_file, slice_file
from vertherm.geometry.volume import Volume

MR = "1.2.840.10008.5.1.4.1.1.4"


def write_series(volume: Volume, folder: Path, *, modality: str = "CT", **elements: Any) -> Path:
    """One file a slice; whole HU (or grey values) are kept, fractions are rounded."""
    folder.mkdir(parents=True)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.affine
    spacing = volume.grid.spacing_mm
    orientation = np.concatenate([affine[:3, 0] / spacing[0], affine[:3, 1] / spacing[1]])
    common: dict[str, Any] = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}
    if modality == "MR":
        common |= {"SOPClassUID": MR, "Modality": "MR", "RescaleIntercept": 0, "RescaleType": None}
    series = generate_uid()
    for k in range(volume.grid.shape[2]):
        stored = np.rint(volume.data[:, :, k].T) + (0 if modality == "MR" else 1024)
        slice_file(
            folder / f"{k:03d}.dcm",
            np.clip(stored, 0, 65535).astype(np.uint16),
            affine[:3, 3] + k * affine[:3, 2],
            series=series,
            orientation=orientation,
            spacing=(float(spacing[1]), float(spacing[0])),
            number=k + 1,
            SliceThickness=float(spacing[2]),
            **(common | elements),
        )
    return folder


def write_frames(volume: Volume, folder: Path, *, modality: str = "MR") -> Path:
    """The same as one multi-frame file, last layer first."""
    folder.mkdir(parents=True)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.affine
    spacing = volume.grid.spacing_mm
    layers = np.arange(volume.grid.shape[2])[::-1]
    shift = 0 if modality == "MR" else 1024
    enhanced_file(
        folder / "all.dcm",
        np.clip(np.rint(volume.data.transpose(2, 1, 0)[layers]) + shift, 0, 65535).astype(np.uint16),
        (affine[:3, 3] + layers[:, None] * affine[:3, 2]).tolist(),
        modality=modality,
        spacing=(float(spacing[1]), float(spacing[0])),
        orientation=np.concatenate([affine[:3, 0] / spacing[0], affine[:3, 1] / spacing[1]]).tolist(),
        rescale=(1.0, -float(shift)),
    )
    return folder
