"""Write small DICOM files by code: CT and MR series, enhanced multi-frame files, SEG, RTSTRUCT, archives."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
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


ENHANCED = {"CT": "1.2.840.10008.5.1.4.1.1.2.1", "MR": "1.2.840.10008.5.1.4.1.1.4.1"}


def blank(path: Path, sop_class: str, modality: str) -> FileDataset:
    """A file with its identity and nothing else."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    ds.Modality, ds.SeriesInstanceUID, ds.StudyInstanceUID = modality, generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID, ds.SeriesDescription = "TEST", "TEST", "made by code"
    ds.FrameOfReferenceUID = FRAME
    return ds


def group(**elements: Any) -> Dataset:
    """A data set with these elements."""
    ds = Dataset()
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def enhanced_file(
    path: Path,
    stored: np.ndarray,
    positions: Any,
    *,
    modality: str = "CT",
    spacing: tuple[float, float] = (1.5, 2.0),
    orientation: Any = (1, 0, 0, 0, 1, 0),
    rescale: tuple[float, float] | None = (1.0, -1024.0),
    **elements: Any,
) -> None:
    """A multi-frame file; ``stored`` is uint16 (frame, row, column), one position a frame."""
    ds = blank(path, ENHANCED[modality], modality)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.NumberOfFrames, ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    shared = group(
        PlaneOrientationSequence=Sequence([group(ImageOrientationPatient=list(orientation))]),
        PixelMeasuresSequence=Sequence([group(PixelSpacing=list(spacing), SliceThickness=2.5)]),
    )
    if rescale is not None:
        item = group(RescaleSlope=rescale[0], RescaleIntercept=rescale[1], RescaleType="HU")
        shared.PixelValueTransformationSequence = Sequence([item])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    ds.PerFrameFunctionalGroupsSequence = Sequence(
        [group(PlanePositionSequence=Sequence([group(ImagePositionPatient=list(p))])) for p in positions]
    )
    for name, value in elements.items():
        setattr(ds, name, value)
    ds.PixelData = np.ascontiguousarray(stored, np.uint16).tobytes()
    ds.save_as(path, enforce_file_format=True)


def seg_file(
    path: Path,
    files: list[Path],
    masks: np.ndarray,
    names: list[str],
    *,
    kind: str = "BINARY",
    codes: list[Any] | None = None,
    **elements: Any,
) -> None:
    """A SEG written by highdicom; ``masks`` is (slice, row, column, segment), slices in the order of ``files``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on the short names in the files made here
        written = _segmentation(files, masks, names, kind, codes)
    for name, value in elements.items():
        if value is None:
            delattr(written, name)
        else:
            setattr(written, name, value)
    written.save_as(path)


def _segmentation(files: list[Path], masks: np.ndarray, names: list[str], kind: str, codes: list[Any] | None) -> Any:
    import highdicom
    from pydicom.sr.codedict import codes as terms

    described = [
        highdicom.seg.SegmentDescription(
            segment_number=n,
            segment_label=name,
            segmented_property_category=terms.SCT.AnatomicalStructure,
            segmented_property_type=codes[n - 1] if codes else terms.SCT.Vertebra,
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for n, name in enumerate(names, start=1)
    ]
    return highdicom.seg.Segmentation(
        source_images=[_study_of(pydicom.dcmread(file)) for file in files],
        pixel_array=masks,
        segmentation_type=kind,
        segment_descriptions=described,
        series_instance_uid=generate_uid(),
        series_number=300,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="made by code",
        manufacturer_model_name="made by code",
        software_versions="1",
        device_serial_number="1",
    )


def _study_of(image: Any) -> Any:
    """The image with the elements that highdicom copies, and one study for all slices."""
    for name in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"):
        if name not in image:
            setattr(image, name, "")
    image.StudyInstanceUID = image.SeriesInstanceUID[:-2]
    return image


def rtstruct_file(
    path: Path,
    rois: dict[str, list[np.ndarray]],
    *,
    frame: str = FRAME,
    kind: str = "CLOSED_PLANAR",
    **elements: Any,
) -> None:
    """An RTSTRUCT; contours are (n, 3) points in LPS mm by name of their region."""
    ds = blank(path, "1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT")
    del ds.FrameOfReferenceUID
    ds.StructureSetLabel = "made by code"
    ds.StructureSetROISequence = Sequence(
        [
            group(ROINumber=n, ROIName=name, ReferencedFrameOfReferenceUID=frame, ROIGenerationAlgorithm="MANUAL")
            for n, name in enumerate(rois, start=1)
        ]
    )
    ds.ROIContourSequence = Sequence(
        [
            group(
                ReferencedROINumber=n,
                ContourSequence=Sequence(
                    [
                        group(
                            ContourGeometricType=kind,
                            NumberOfContourPoints=len(points),
                            ContourData=[f"{v:.6f}"[:16] for v in np.ravel(points)],
                        )
                        for points in contours
                    ]
                ),
            )
            for n, contours in enumerate(rois.values(), start=1)
        ]
    )
    for name, value in elements.items():
        setattr(ds, name, value)
    ds.save_as(path, enforce_file_format=True)
