"""Write small DICOM CT series by code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
FRAME = generate_uid()


def slice_file(
    path: Path,
    stored: np.ndarray,
    position: Any,
    *,
    series: str,
    orientation: Any = (1, 0, 0, 0, 1, 0),
    spacing: tuple[float, float] = (1.5, 2.0),
    number: int = 1,
    syntax: str = "plain",
    **elements: Any,
) -> None:
    """One CT slice; ``stored`` is uint16 (rows, columns); ``spacing`` is (between rows, between columns)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = elements.get("SOPClassUID", CT)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.FrameOfReferenceUID = series, generate_uid(), FRAME
    ds.PatientName, ds.PatientID, ds.InstanceNumber, ds.SliceThickness = "TEST", "TEST", number, 3
    ds.SeriesDescription = "made by code"
    ds.ImagePositionPatient = [f"{v:.6f}" for v in position]
    ds.ImageOrientationPatient = [f"{v:.10f}" for v in orientation]
    ds.PixelSpacing = list(spacing)
    ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
    for name, value in elements.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    ds.PixelData = np.ascontiguousarray(stored, dtype=np.uint16).tobytes()
    if syntax == "rle":
        ds.compress(RLELossless)
    elif syntax == "jpeg-ls":
        ds.compress(JPEGLSLossless)
    ds.save_as(path, enforce_file_format=True)
    if syntax in ("jpeg2000", "jpeg-lossless"):
        _by_gdcm(path, syntax)


def _by_gdcm(path: Path, syntax: str) -> None:
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    code = {
        "jpeg2000": gdcm.TransferSyntax.JPEG2000Lossless,
        "jpeg-lossless": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    }
    change.SetTransferSyntax(gdcm.TransferSyntax(code[syntax]))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID.is_compressed


def phantom_hu(count: int = 6, rows: int = 24, columns: int = 20, seed: int = 3) -> np.ndarray:
    """HU of (slice, row, column): noise with air, fat, bone; every voxel differs, so any mix-up shows."""
    hu = np.random.default_rng(seed).integers(-150, 800, (count, rows, columns)).astype(np.int32)
    hu[:, :3] = -1000
    return hu


def series(
    folder: Path,
    hu: np.ndarray,
    *,
    uid: str = "",
    first: Any = (-20.0, -30.0, 100.0),
    step: Any = (0, 0, 2.5),
    **more: Any,
) -> str:
    """A series from HU (slice, row, column); file names do not follow the positions."""
    folder.mkdir(parents=True, exist_ok=True)
    uid = uid or generate_uid()
    names = np.random.default_rng(1).permutation(len(hu))
    for k, image in enumerate(hu):
        position = np.asarray(first, float) + k * np.asarray(step, float)
        slice_file(folder / f"im{names[k]:03d}.dcm", image + 1024, position, series=uid, number=k + 1, **more)
    return uid
