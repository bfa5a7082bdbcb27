"""NIfTI files in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.core.files import atomic_path
from vertherm.geometry.volume import Grid, Volume

_UNIT_MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}


def is_nifti(path: Path) -> bool:
    """True for names that end in .nii or .nii.gz."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def read_nifti(path: Path) -> Volume:
    """Read a 3-D NIfTI file with its scaling applied; the frame is "" because the format has none.

    Raises:
        InputError: unreadable, truncated, not three-dimensional, or without a stated orientation.
    """
    import nibabel

    path = Path(path)
    if not path.is_file():
        raise InputError("There is no such image file.", where=str(path), expected="a .nii or .nii.gz file")
    try:
        image: Any = nibabel.load(path)
        data = np.asanyarray(image.dataobj)
        affine = np.array(image.affine, dtype=np.float64)
        units = image.header.get_xyzt_units()[0]
        coded = int(image.header["qform_code"]) > 0 or int(image.header["sform_code"]) > 0
    except Exception as error:  # nibabel, gzip, zlib and the OS each raise their own
        raise InputError(
            "This image file cannot be read.",
            where=str(path),
            got=f"{type(error).__name__}: {error}",
            expected="a complete NIfTI file",
            advice="copy or export the file again",
        ) from error
    if not coded:
        raise InputError(
            "This NIfTI file does not say how it is oriented.",
            where=str(path),
            got="qform_code 0, sform_code 0",
            expected="an affine from the scanner",
            advice="export again from DICOM; left and right cannot be guessed",
        )
    affine[:3] *= _UNIT_MM.get(units, 1.0)
    data = _three_dimensional(data, path)
    return Volume(data, Grid((data.shape[0], data.shape[1], data.shape[2]), affine), str(path))


def _three_dimensional(data: NDArray[Any], path: Path) -> NDArray[Any]:
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim != 3 or min(data.shape) < 1 or data.dtype.names is not None:
        raise InputError(
            "This image is not one three-dimensional volume.",
            where=str(path),
            got=f"shape {data.shape}",
            expected="3-D",
        )
    return data


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume atomically (``.nii`` or ``.nii.gz``); bool becomes uint8, float64 float32; RAS mm affine.

    Raises:
        InputError: the file cannot be written, or its name is no NIfTI name.
    """
    import nibabel

    path = Path(path)
    if not is_nifti(path):
        raise InputError("This is no name for a NIfTI file.", got=path.name, expected="something.nii.gz")
    data = volume.data
    if data.dtype == np.bool_:
        data = data.astype(np.uint8)
    elif data.dtype == np.float64:
        data = data.astype(np.float32)
    elif data.dtype == np.int64:
        data = data.astype(np.int32)
    image: Any = nibabel.Nifti1Image(data, volume.grid.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(volume.grid.affine, code=1)
    image.set_qform(volume.grid.affine, code=1)
    with atomic_path(path) as temporary:
        nibabel.save(image, temporary)
