"""Read a CT, an MR or a label map from wherever a case file points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import on_grid
from vertherm.imaging.checks import check_hu
from vertherm.imaging.dicom.archive import is_zip
from vertherm.imaging.dicom.safe import is_dicom
from vertherm.imaging.nifti import is_nifti, read_nifti

if TYPE_CHECKING:
    from vertherm.imaging.dicom.segment import Segment


def read_ct(path: Path | str, *, series_uid: str | None = None) -> Volume:
    """Planning CT as float32 HU from a NIfTI file, a DICOM folder or ZIP archive, or one file of a DICOM series.

    Args:
        path: file or folder.
        series_uid: SeriesInstanceUID, needed where a folder holds several CT series.

    Raises:
        InputError: nothing readable there, not a CT, or voxels that are not Hounsfield units.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(
            "There is no CT here.",
            where=str(path),
            expected="a NIfTI file, or a folder or ZIP archive with a DICOM series",
        )
    if path.is_file() and is_nifti(path):
        raw = read_nifti(path)
        ct = raw.with_data(raw.data.astype(np.float32))
    else:
        from vertherm.imaging.dicom.series import read_dicom_ct

        ct = read_dicom_ct(path, series_uid=series_uid)
    check_hu(ct)
    return ct


def read_mr(path: Path | str, *, series_uid: str | None = None) -> Volume:
    """An MR as float32 on its own frame, from NIfTI or DICOM (folder, ZIP archive, one file of the series).

    It is shown beside the CT; nothing is computed from it.

    Raises:
        InputError: unreadable, or voxels that are not numbers.
    """
    path = Path(path)
    if path.is_file() and not is_nifti(path) and not (is_dicom(path) or is_zip(path)):
        raise InputError(
            "This MR is in a format that is not read.",
            where=str(path),
            expected="NIfTI (.nii, .nii.gz), a folder or ZIP archive with a DICOM series",
        )
    if path.exists() and not is_nifti(path):
        from vertherm.imaging.dicom.series import read_dicom_mr

        raw = read_dicom_mr(path, series_uid=series_uid)
    else:
        raw = read_nifti(path)
    data = raw.data.astype(np.float32)
    if not np.isfinite(data).all():
        raise InputError("The MR holds voxels that are not numbers.", where=str(path), expected="finite values")
    return raw.with_data(data)


def read_labels(path: Path | str, ct: Volume) -> Volume:
    """A label map on the CT's grid (nearest neighbour where its own grid differs), integer codes.

    From a DICOM SEG or RTSTRUCT the map's values are the segments' numbers, and it is a
    :class:`~vertherm.imaging.dicom.segment.SegmentedVolume` that carries each segment with its words and its own mask.

    Raises:
        InputError: unreadable, not integers, or in another frame than the CT.
    """
    path = Path(path)
    if is_nifti(path):
        raw = read_nifti(path)
        return on_ct_grid(raw.with_data(integer_codes(raw)), ct)
    from vertherm.imaging.dicom.segment import label_map

    return label_map(read_segments(path, ct), ct.grid, str(path))


def read_segments(path: Path | str, ct: Volume) -> tuple[Segment, ...]:
    """Segments of the one DICOM SEG or RTSTRUCT in a file, folder or ZIP archive, on the CT's voxels.

    Raises:
        InputError: none or several there, unreadable, or in another frame than the CT.
    """
    path = Path(path)
    if not (path.is_dir() or is_dicom(path) or is_zip(path)):
        raise InputError(
            "This label map is in a format that is not read yet.",
            where=str(path),
            expected="NIfTI (.nii, .nii.gz), DICOM SEG or RTSTRUCT",
            advice="convert it to NIfTI first, or check the path",
        )
    from vertherm.imaging.dicom.rtstruct import read_rtstruct
    from vertherm.imaging.dicom.segmentation import read_segmentation
    from vertherm.imaging.dicom.source import open_source

    with open_source(path) as source:
        source.believed()
        found = (*source.segmentations, *source.structure_sets)
        if len(found) != 1:
            raise InputError(
                "There are several segmentations here." if found else "There is no DICOM segmentation here.",
                where=str(path),
                got="; ".join(sorted(header.where for header in found)) or f"{len(source.headers)} other DICOM file(s)",
                expected="one SEG or RTSTRUCT file",
                advice="name the file",
            )
        header = found[0]
        if source.structure_sets:
            return read_rtstruct(header.path, ct, where=header.where)
        return read_segmentation(header.path, ct.grid, where=header.where)


def read_mask(path: Path | str, ct: Volume, label: int | str | None = None) -> Volume:
    """One mask on the CT's voxels, bool, from NIfTI, DICOM SEG or RTSTRUCT.

    Args:
        path: label map, SEG or RTSTRUCT.
        ct: the CT it belongs to.
        label: value in the map or number of the segment; or the segment's label text (upper and lower case are one).
            Left out: any value above 0; a SEG or RTSTRUCT must then hold one segment only.

    Raises:
        InputError: unreadable, in another frame than the CT, no such label, or several segments and none named.
    """
    path = Path(path)
    if is_nifti(path):
        if isinstance(label, str):
            raise InputError(
                "A NIfTI mask has numbers, no label texts.", where=str(path), got=repr(label), expected="a number"
            )
        labels = read_labels(path, ct)
        data = labels.data > 0 if label is None else labels.data == label
        return Volume(data, ct.grid, str(path))
    segments = read_segments(path, ct)
    known = "; ".join(f"{s.number}: {s.name}" for s in segments)
    if isinstance(label, str):
        wanted = " ".join(label.casefold().split())
        chosen = [s for s in segments if " ".join(s.name.casefold().split()) == wanted]
    else:
        chosen = [s for s in segments if label is None or s.number == label]
    if len(chosen) != 1:
        raise InputError(
            "There are several such segments; name one." if chosen else "There is no such segment.",
            where=str(path),
            got="no label" if label is None else repr(label),
            expected=f"one of {known}" if known else "a segmentation with segments",
            advice="give its number as label",
        )
    return Volume(on_grid(chosen[0].mask, ct.grid), ct.grid, str(path))


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
