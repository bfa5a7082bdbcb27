"""Read a CT, an MR or a label map from wherever a case file points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.checks import check_hu
from vertherm.imaging.nifti import is_nifti, read_nifti


def read_ct(path: Path | str, *, series_uid: str | None = None) -> Volume:
    """Planning CT as float32 HU from a NIfTI file, a DICOM folder, or one file of a DICOM series.

    Args:
        path: file or folder.
        series_uid: SeriesInstanceUID, needed where a folder holds several CT series.

    Raises:
        InputError: nothing readable there, not a CT, or voxels that are not Hounsfield units.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(
            "There is no CT here.", where=str(path), expected="a NIfTI file or a folder with a DICOM series"
        )
    if path.is_file() and is_nifti(path):
        raw = read_nifti(path)
        ct = raw.with_data(raw.data.astype(np.float32))
    else:
        from vertherm.imaging.dicom_ct import read_dicom_ct

        ct = read_dicom_ct(path, series_uid=series_uid)
    check_hu(ct)
    return ct


def read_mr(path: Path | str) -> Volume:
    """An MR as float32 on its own frame (NIfTI). It is shown beside the CT; nothing is computed from it.

    Raises:
        InputError: unreadable, or voxels that are not numbers.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(
            "The MR must be a NIfTI file, not a folder.",
            where=str(path),
            expected="NIfTI (.nii, .nii.gz)",
            advice="convert the DICOM series of the MR to NIfTI first",
        )
    raw = read_nifti(path)
    data = raw.data.astype(np.float32)
    if not np.isfinite(data).all():
        raise InputError("The MR holds voxels that are not numbers.", where=str(path), expected="finite values")
    return raw.with_data(data)


def read_labels(path: Path | str, ct: Volume) -> Volume:
    """A label map on the CT's grid (nearest neighbour where its own grid differs), integer codes.

    Raises:
        InputError: unreadable, not integers, or in another frame than the CT.
    """
    path = Path(path)
    if not is_nifti(path):
        raise InputError(
            "This label map is in a format that is not read yet.",
            where=str(path),
            expected="NIfTI (.nii, .nii.gz)",
            advice="convert a DICOM SEG or NRRD to NIfTI first",
        )
    raw = read_nifti(path)
    return on_ct_grid(raw.with_data(integer_codes(raw)), ct)


def integer_codes(labels: Volume) -> NDArray[np.uint16]:
    """Label values as uint16.

    Raises:
        InputError: values that are not integers from 0 to 65535.
    """
    data = labels.data
    whole = np.issubdtype(data.dtype, np.integer) or data.dtype == np.bool_
    if not whole and (not np.isfinite(data).all() or not np.array_equal(data, np.rint(data))):
        raise InputError(
            "A label map must hold whole numbers.",
            where=labels.source,
            got="fractional or non-finite values",
            expected="integer codes",
            advice="resample labels with nearest neighbour, not with linear interpolation",
        )
    if data.min() < 0 or data.max() > 65535:
        raise InputError(
            "A label map holds codes out of range.",
            where=labels.source,
            got=f"{data.min()}..{data.max()}",
            expected="0..65535",
        )
    return data.astype(np.uint16)


def on_ct_grid(labels: Volume, ct: Volume) -> Volume:
    """Labels on the CT's grid.

    Raises:
        InputError: another frame of reference, or labels that lie beside the CT.
    """
    check_same_frame(labels.grid, ct.grid, labels.source)
    if labels.grid.same_as(ct.grid):
        return Volume(labels.data, ct.grid, labels.source)
    # Codes as float32 would lose nothing below 2^24, but the nearest voxel needs no arithmetic at all.
    data = np.zeros(ct.grid.shape, labels.data.dtype)
    for i in range(ct.grid.shape[0]):
        j, k = np.meshgrid(np.arange(ct.grid.shape[1]), np.arange(ct.grid.shape[2]), indexing="ij")
        index = labels.grid.index(ct.grid.world(np.stack([np.full(j.shape, i), j, k], -1)))
        nearest = np.rint(np.round(index, 6)).astype(int)
        inside = ((nearest >= 0) & (nearest < labels.grid.shape)).all(-1)
        picked = nearest[inside]
        data[i][inside] = labels.data[picked[:, 0], picked[:, 1], picked[:, 2]]
    if labels.data.any() and not data.any():
        raise _elsewhere(labels, ct)
    return Volume(data, ct.grid, labels.source)


def check_same_frame(grid: Grid, ct: Grid, source: str) -> None:
    """Refuse a volume that belongs to another frame of reference than the CT.

    Raises:
        InputError: both state a frame and they differ, or the volumes do not overlap at all.
    """
    if grid.frame and ct.frame and grid.frame != ct.frame:
        raise InputError(
            "Labels and CT are in different frames of reference.",
            where=source,
            got=grid.frame,
            expected=ct.frame,
            advice="register the two first, or give the labels drawn on this CT",
        )
    (low, high), (ct_low, ct_high) = grid.bounds(), ct.bounds()
    if (np.minimum(high, ct_high) - np.maximum(low, ct_low) <= 0).any():
        raise InputError(
            "Labels and CT do not overlap: they are in different frames.",
            where=source,
            got=f"{np.round(low, 1).tolist()}..{np.round(high, 1).tolist()} mm RAS",
            expected=f"inside {np.round(ct_low, 1).tolist()}..{np.round(ct_high, 1).tolist()} mm RAS",
            advice="give the labels drawn on this CT, with its affine",
        )


def _elsewhere(labels: Volume, ct: Volume) -> InputError:
    points = labels.grid.world(np.argwhere(labels.data > 0))
    low, high = ct.grid.bounds()
    return InputError(
        "No labelled voxel lies inside the CT: labels and CT are in different frames.",
        where=labels.source,
        got=f"labels at {np.round(points.min(0), 1).tolist()}..{np.round(points.max(0), 1).tolist()} mm RAS",
        expected=f"inside {np.round(low, 1).tolist()}..{np.round(high, 1).tolist()} mm RAS",
        advice="give the labels drawn on this CT, with its affine",
    )
