"""Masks as a DICOM Segmentation that refers to its source series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vertherm import __version__
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import Side, on_grid
from vertherm.imaging.dicom_objects import codes
from vertherm.imaging.dicom_objects.marks import Marks, content_seed, equipment, finished, quietly
from vertherm.imaging.dicom_objects.source import SourceSeries

COLOURS = {
    codes.LESION: (255, 79, 216),
    codes.VERTEBRA: (217, 194, 156),
    codes.STRUCTURE: (86, 180, 233),
    codes.ZONE: (240, 228, 66),
    codes.CEMENT: (255, 176, 0),
    codes.FINDING: (213, 94, 0),
}


@dataclass(frozen=True, eq=False)
class WrittenSegment:
    """One segment to write.

    Args:
        name: as Vertherm names it; becomes the segment's label, by which it is found again.
        kind: lesion, vertebra, structure, zone, cement, margin or finding (see ``codes``).
        mask: bool, any grid of the series' frame.
        side: patient's side.
        by_program: True where a program made the mask, False where a person drew it.
        method: name of the algorithm, where there was one.
        colour: RGB; None: that of its kind.
    """

    name: str
    kind: str
    mask: Volume
    side: Side = ""
    by_program: bool = True
    method: str = "Vertherm"
    colour: tuple[int, int, int] | None = None


@quietly
def write_segmentation(
    source: SourceSeries,
    segments: Sequence[WrittenSegment],
    marks: Marks,
    *,
    what: str = "segments",
    series_number: int = 501,
    labelmap: bool = False,
) -> Any:
    """Segments as one object; they may overlap (not in a label map).

    Args:
        source: the series that the masks belong to.
        segments: what to write; empty masks are refused.
        marks: of the results.
        what: name of the object within the set.
        series_number: of the new series.
        labelmap: one number a voxel; many viewers cannot show it yet.

    Returns:
        A pydicom data set.

    Raises:
        InputError: no segment, an empty mask, or overlapping segments in a label map.
    """
    import highdicom as hd

    if not segments:
        raise InputError("There is no segment to write.", where=what)
    masks = [on_grid(item.mask, source.grid) for item in segments]
    for item, mask in zip(segments, masks, strict=True):
        if not mask.any():
            raise InputError("A segment holds no voxel of the series.", where=item.name, advice="leave it out")
    pixels = np.stack([source.frames(Volume(mask, source.grid, "")) for mask in masks], axis=-1).astype(np.uint8)
    if labelmap and (pixels.sum(axis=-1) > 1).any():
        raise InputError("Overlapping segments cannot be one label map.", where=what, advice="write them as binary")
    seed = content_seed(marks.seed, what, str(labelmap), *(s.name for s in segments), pixels.tobytes())
    numbered = [_described(number, item, marks) for number, item in enumerate(segments, start=1)]
    array = (
        (pixels * np.arange(1, len(segments) + 1, dtype=np.uint8)).sum(axis=-1, dtype=np.uint8) if labelmap else pixels
    )
    kind = hd.seg.SegmentationTypeValues.LABELMAP if labelmap else hd.seg.SegmentationTypeValues.BINARY
    dataset = hd.seg.Segmentation(
        source_images=list(source.files),
        pixel_array=array,
        **_places(source),
        segmentation_type=kind,
        segment_descriptions=numbered,
        series_instance_uid=marks.uid(what, "series"),
        series_number=series_number,
        sop_instance_uid=marks.uid(what, seed),
        instance_number=1,
        content_label="RESEARCH",
        content_description=marks.description(what),
        **equipment(),
    )
    return finished(dataset, marks, what, source.uids)


def _places(source: SourceSeries) -> dict[str, Any]:
    """Where the frames lie; slices say it themselves. Rounded: a number may be 16 characters long."""
    import highdicom as hd

    if not source.planes:
        return {}
    first = source.planes[0]
    between = float(round(source.grid.spacing_mm[2], 6))
    return {
        "plane_positions": [
            hd.PlanePositionSequence("PATIENT", plane.position.round(6).tolist()) for plane in source.planes
        ],
        "plane_orientation": hd.PlaneOrientationSequence("PATIENT", first.orientation.round(8).tolist()),
        "pixel_measures": hd.PixelMeasuresSequence(
            pixel_spacing=first.spacing.round(6).tolist(), slice_thickness=between, spacing_between_slices=between
        ),
    }


def _described(number: int, item: WrittenSegment, marks: Marks) -> Any:
    import highdicom as hd

    algorithm = None
    if item.by_program:
        algorithm = hd.AlgorithmIdentificationSequence(
            name=item.method, version=__version__, family=codes.own("physics model", "Computed by a model")
        )
    dataset = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=item.name[:64],
        segmented_property_category=codes.category(item.kind),
        segmented_property_type=codes.property_type(item.kind, item.name),
        algorithm_type="AUTOMATIC" if item.by_program else "MANUAL",
        algorithm_identification=algorithm,
        tracking_uid=marks.uid("segment", item.name),
        tracking_id=item.name[:64],
        display_color=hd.color.CIELabColor.from_rgb(*(item.colour or COLOURS.get(item.kind, (200, 200, 200)))),
    )
    side = codes.laterality(item.side)
    if side is not None:
        modified = dataset.SegmentedPropertyTypeCodeSequence[0]
        modified.SegmentedPropertyTypeModifierCodeSequence = [hd.sr.CodedConcept.from_code(side)]
    return dataset
