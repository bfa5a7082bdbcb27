"""From an open DICOM source to NIfTI files: one image, one mask a segment, and an index."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

from vertherm.core.errors import InputError
from vertherm.core.files import atomic_folder
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import on_grid
from vertherm.imaging.dicom.header import CT_IMAGE, ENHANCED, MR_IMAGE
from vertherm.imaging.dicom.rtstruct import read_rtstruct
from vertherm.imaging.dicom.segment import Segment
from vertherm.imaging.dicom.segmentation import read_segmentation
from vertherm.imaging.dicom.series import read_series
from vertherm.imaging.dicom.source import Source
from vertherm.imaging.labels import meaning
from vertherm.imaging.nifti import write_nifti


def convert(source: Source, folder: Path, series_uid: str | None = None) -> dict[str, Any]:
    """Write the CT or MR of a source, and the segments of every SEG and RTSTRUCT that lies in its frame, as NIfTI.

    Args:
        source: open.
        folder: for ``ct.nii.gz`` or ``mr.nii.gz``, ``segments/*.nii.gz`` and ``index.json``.
        series_uid: which image series, needed where there are several.

    Returns:
        What ``index.json`` says.

    Raises:
        InputError: no image or several, a broken one, or a folder that cannot be written.
    """
    modality = _modality(source, series_uid)
    image = read_series(source, modality, series_uid)
    segments, notes = _segments(source, image)
    name = f"{modality.lower()}.nii.gz"
    with atomic_folder(folder, owned=("segments", "ct.nii.gz", "mr.nii.gz", "index.json")) as target:
        write_nifti(image, target / name)
        written = [_written(segment, number, image, target) for number, segment in enumerate(segments, start=1)]
        index = {
            "schema_version": 1,
            "modality": modality,
            "file": name,
            "frame": image.grid.frame,
            "shape": list(image.grid.shape),
            "affine_ras_mm": image.grid.affine.tolist(),
            "segments": written,
            "notes": notes,
        }
        (target / "index.json").write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return index


def _modality(source: Source, series_uid: str | None) -> str:
    found = {
        "CT" if header.sop_class == CT_IMAGE else "MR" if header.sop_class == MR_IMAGE else ENHANCED[header.sop_class]
        for header in source.headers
        if header.sop_class in (CT_IMAGE, MR_IMAGE, *ENHANCED) and series_uid in (None, header.series_uid)
    }
    if len(found) == 2:
        listed = "; ".join(f"{s.modality} {s.series_uid}" for s in source.series if s.modality in found)
        raise InputError(
            "There are CT and MR here.",
            where=str(source.path),
            got=listed,
            expected="one series",
            advice="name one with --series",
        )
    return found.pop() if found else "CT"


def _segments(source: Source, image: Volume) -> tuple[list[Segment], list[str]]:
    segments: list[Segment] = []
    notes: list[str] = []
    for header in (*source.segmentations, *source.structure_sets):
        try:
            if header in source.segmentations:
                segments += read_segmentation(header.path, image.grid, where=header.where)
            else:
                segments += read_rtstruct(header.path, image, where=header.where)
        except InputError as error:
            # One that belongs to another series must not keep the user from this one.
            notes.append(f"left out {header.where}: {error.what} {error.got}".strip())
    return segments, notes


def _written(segment: Segment, number: int, image: Volume, folder: Path) -> dict[str, Any]:
    name = ""
    if segment.mask.data.any():
        name = f"segments/{number:03d}_{file_name(segment.name)}.nii.gz"
        (folder / "segments").mkdir(exist_ok=True)
        write_nifti(Volume(on_grid(segment.mask, image.grid), image.grid), folder / name)
    entry, reason = meaning(segment)
    return {
        "file": name,
        "number": segment.number,
        "label": segment.name,
        "description": segment.description,
        "kind": segment.kind,
        "category": None if segment.category is None else vars(segment.category),
        "type": None if segment.type is None else vars(segment.type),
        "side": segment.side,
        "algorithm": segment.algorithm,
        "volume_ml": segment.volume_ml,
        "structure": None if entry is None else entry.name,
        "reason": "" if entry is not None else reason,
        "notes": list(segment.notes),
    }


def file_name(label: str) -> str:
    """A label as part of a file name: ASCII letters, digits and hyphens, at most 40 of them."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[:40] or "segment"
