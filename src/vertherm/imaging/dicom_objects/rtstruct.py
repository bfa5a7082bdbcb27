"""Masks as contours: an RT Structure Set, for stations that do not read segmentations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vertherm.geometry.volume import LPS_RAS, FloatArray, Volume
from vertherm.imaging.anatomy import on_grid
from vertherm.imaging.dicom_objects.instance import new_instance
from vertherm.imaging.dicom_objects.marks import Marks, content_seed, finished, quietly
from vertherm.imaging.dicom_objects.segmentation import COLOURS, WrittenSegment
from vertherm.imaging.dicom_objects.source import SourceSeries

RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"
LEAST_POINTS = 3


@quietly
def write_rtstruct(
    source: SourceSeries,
    segments: Sequence[WrittenSegment],
    marks: Marks,
    *,
    what: str = "contours",
    series_number: int = 701,
) -> Any:
    """Contours of masks on every slice of the source: half-way between voxels inside and outside.

    A hole is a contour of its own within its outer one (even-odd rule).

    Args:
        source: series that the contours lie on.
        segments: what to write.
        marks: of the results.
        what: name of the object within the set.
        series_number: of the new series.
    """
    masks = [on_grid(item.mask, source.grid) for item in segments]
    seed = content_seed(marks.seed, *(s.name for s in segments), *(np.packbits(mask).tobytes() for mask in masks))
    new = new_instance(
        source, marks, what, sop_class=RT_STRUCTURE_SET, modality="RTSTRUCT", series_number=series_number, content=seed
    )
    new.StructureSetLabel = marks.description(what, 16)
    new.StructureSetDescription = marks.words()[:1024]
    new.StructureSetDate, new.StructureSetTime = new.ContentDate, new.ContentTime
    del new.ContentDate, new.ContentTime
    new.ApprovalStatus = "UNAPPROVED"
    new.OperatorsName = ""
    new.PositionReferenceIndicator = ""
    new.FrameOfReferenceUID = source.first.FrameOfReferenceUID
    new.ReferencedFrameOfReferenceSequence = [_frame(source)]
    new.StructureSetROISequence, new.ROIContourSequence, new.RTROIObservationsSequence = [], [], []
    for number, (item, mask) in enumerate(zip(segments, masks, strict=True), start=1):
        new.StructureSetROISequence.append(_roi(number, item, source))
        new.ROIContourSequence.append(_contours(number, item, Volume(mask, source.grid, item.name), source))
        new.RTROIObservationsSequence.append(_observation(number, item))
    return finished(new, marks, what, source.uids)


def _item(**values: Any) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _reference(dataset: Any, frame: int | None = None) -> Any:
    item = _item(ReferencedSOPClassUID=dataset.SOPClassUID, ReferencedSOPInstanceUID=dataset.SOPInstanceUID)
    if frame is not None:
        item.ReferencedFrameNumber = frame
    return item


def _frame(source: SourceSeries) -> Any:
    series = _item(
        SeriesInstanceUID=source.first.SeriesInstanceUID,
        ContourImageSequence=[_reference(dataset) for dataset in source.files],
    )
    study = _item(
        ReferencedSOPClassUID=_STUDY_MANAGEMENT,
        ReferencedSOPInstanceUID=source.first.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=source.first.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _roi(number: int, item: WrittenSegment, source: SourceSeries) -> Any:
    return _item(
        ROINumber=number,
        ReferencedFrameOfReferenceUID=source.first.FrameOfReferenceUID,
        ROIName=item.name[:64],
        ROIGenerationAlgorithm="AUTOMATIC" if item.by_program else "MANUAL",
    )


def _observation(number: int, item: WrittenSegment) -> Any:
    kind = "GTV" if item.kind == "lesion" else "ORGAN" if item.kind in ("structure", "vertebra") else ""
    return _item(
        ObservationNumber=number,
        ReferencedROINumber=number,
        ROIObservationLabel=item.name[:16],
        RTROIInterpretedType=kind,
        ROIInterpreter="",
    )


def _contours(number: int, item: WrittenSegment, mask: Volume, source: SourceSeries) -> Any:
    found = []
    for layer in np.flatnonzero(mask.data.any(axis=(0, 1))):
        for points in outlines(mask, int(layer)):
            found.append(
                _item(
                    ContourImageSequence=[_reference(*source.layer(int(layer)))],
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=len(points),
                    ContourData=[_short(value) for value in points.ravel()],
                )
            )
    row = _item(ROIDisplayColor=list(COLOURS.get(item.kind, (200, 200, 200))), ReferencedROINumber=number)
    if found:
        row.ContourSequence = found
    return row


def outlines(mask: Volume, layer: int) -> list[FloatArray]:
    """Closed outlines of one layer of a mask, LPS mm, (n, 3) each, the first point not repeated."""
    from skimage.measure import find_contours

    image = np.pad(mask.data[:, :, layer].astype(np.float64), 1)
    found = []
    for line in find_contours(image, 0.5):
        index = np.column_stack([line[:-1] - 1.0, np.full(len(line) - 1, float(layer))])
        if len(index) >= LEAST_POINTS:
            found.append(mask.grid.world(index) @ LPS_RAS.T)
    return found


def _short(value: float) -> Any:
    """A decimal string of at most 16 characters."""
    from pydicom.valuerep import DSfloat

    return DSfloat(round(float(value), 4), auto_format=True)
