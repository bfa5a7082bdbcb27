"""DICOM segmentations (SEG): binary, fractional and label map, each segment by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import Side, cropped, extent, subgrid
from vertherm.imaging.dicom.header import SEGMENTATION, Header
from vertherm.imaging.dicom.pixels import Decoder
from vertherm.imaging.dicom.safe import LIMITS, Limits, read_dataset, reading, too_large
from vertherm.imaging.dicom.segment import Kind, Segment, code_of, lattice_shift, none_beside, placed, side_of
from vertherm.imaging.orient import axis_codes, reoriented

THRESHOLD = 0.5
_LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NO_FRAME = "2.25.0"
_SIDES = ("SegmentedPropertyTypeModifierCodeSequence", "AnatomicRegionModifierSequence")


def read_segmentation(
    path: Path | str, grid: Grid | None = None, *, limits: Limits = LIMITS, where: str = ""
) -> tuple[Segment, ...]:
    """All segments of a SEG file; overlapping segments stay separate.

    Args:
        path: one SEG file.
        grid: the CT's; masks are then on its voxels (nearest where the lattices differ) and the frame of reference is
            checked against it.
        limits: what the file may cost.
        where: name for messages, the path if left out.

    Returns:
        Segments in the order of their numbers, masks cropped, world RAS mm.

    Raises:
        InputError: no SEG, broken, no regular stack, another frame of reference than the CT's, or no frame of reference
            and a geometry that does not agree with the CT.
    """
    path = Path(path)
    where = where or str(path)
    dataset = read_dataset(path, limits, where=where)
    header = Header(path, dataset, where)
    if header.sop_class not in SEGMENTATION:
        raise InputError("This is no DICOM segmentation.", where=where, got=header.class_name, expected="a SEG file")
    with Decoder(limits) as decoder:
        decoder.make_native(dataset, where)
    frame = header.uid("FrameOfReferenceUID")
    with reading(where):
        if not frame:
            dataset.FrameOfReferenceUID = _NO_FRAME  # highdicom places nothing without one
        segments = _segments(dataset, header, frame, limits)
    if grid is None:
        return segments
    return on_ct(segments, grid, where)


def on_ct(segments: tuple[Segment, ...], grid: Grid, where: str) -> tuple[Segment, ...]:
    """Segments on the CT's voxels, after their frame of reference has been checked.

    Raises:
        InputError: another frame of reference, a missing one with a geometry that does not agree, or all of it outside.
    """
    from vertherm.imaging.read import check_same_frame

    notes: tuple[str, ...] = ()
    for segment in segments[:1]:
        if not segment.mask.grid.frame and not _agrees(segment.mask.grid, grid):
            raise InputError(
                "A segmentation does not say in which frame of reference it lies.",
                where=where,
                got="no FrameOfReferenceUID, and voxels that are not those of the CT",
                expected=grid.frame or "a frame of reference",
                advice="export it again from the program that drew it on this CT",
            )
        if not segment.mask.grid.frame:
            notes = ("no frame of reference stated: its voxels are those of the CT, so it is taken as drawn on it",)
    for segment in segments:
        if segment.mask.data.any():
            check_same_frame(segment.mask.grid, grid, where)
    found = tuple(placed(segment, grid) for segment in segments)
    none_beside(segments, found, grid, where)
    if notes and found:
        found = (replace(found[0], notes=(*found[0].notes, *notes)), *found[1:])
    return found


def _agrees(grid: Grid, ct: Grid) -> bool:
    turned = reoriented(Volume(np.zeros(grid.shape, bool), grid), axis_codes(ct)).grid
    shift = lattice_shift(turned, ct)
    return shift is not None and bool((shift >= 0).all() and (shift + turned.shape <= ct.shape).all())


def _segments(dataset: Any, header: Header, frame: str, limits: Limits) -> tuple[Segment, ...]:
    from highdicom.seg import Segmentation

    opened: Any = Segmentation.from_dataset(dataset, copy=False)
    place = opened.get_volume_geometry(allow_missing_positions=True)
    if place is None:
        raise InputError(
            "The frames of a segmentation are no regular stack of parallel planes.",
            where=header.where,
            advice="export it again on the planning CT; a tilted gantry must be corrected first",
        )
    voxels = int(np.prod([int(n) for n in place.spatial_shape], dtype=object))
    if 4 * voxels > limits.pixel_bytes:
        raise too_large(header.where, "A segmentation", f"{voxels} voxels", f"{limits.pixel_bytes // 4} voxels")
    kind: Kind = _kind(header)
    items = {int(item.number("SegmentNumber") or 0): item for item in header.items("SegmentSequence")}
    found = []
    for number, item in sorted(items.items()):
        if number == 0 and kind == "labelmap":
            continue  # the background
        values = opened.get_volume(segment_numbers=[number], allow_missing_positions=True)
        data = np.asarray(values.array)[..., 0]
        found.append(_segment(number, item, kind, data, np.asarray(values.affine, float), frame, header.where))
    return tuple(found)


def _kind(header: Header) -> Kind:
    stated = header.text("SegmentationType").upper()
    kinds: dict[str, Kind] = {"BINARY": "binary", "FRACTIONAL": "fractional", "LABELMAP": "labelmap"}
    if stated not in kinds:
        raise InputError(
            "The type of a segmentation is unknown.",
            where=header.where,
            got=stated or "none",
            expected=", ".join(kinds),
        )
    return kinds[stated]


def _segment(
    number: int, item: Header, kind: Kind, data: NDArray[Any], lps: NDArray[np.float64], frame: str, where: str
) -> Segment:
    """One segment from highdicom's array (slice, row, column) and its LPS affine."""
    affine = (_LPS_RAS @ lps)[:, [2, 1, 0, 3]]
    values = data.transpose(2, 1, 0)
    shape = (values.shape[0], values.shape[1], values.shape[2])
    grid = Grid(shape, affine, frame)
    mask = cropped(np.asarray(values > 0), grid, where)
    fraction, notes = None, []
    if kind == "fractional":
        window = extent(np.asarray(values > 0), 1) or (slice(0, 1), slice(0, 1), slice(0, 1))
        field = Volume(np.ascontiguousarray(values[window], np.float32), subgrid(grid, window), where)
        mask = Volume(field.data >= THRESHOLD, field.grid, where)
        fraction = field
        notes.append(f"fractional segment: its mask holds what is at least {THRESHOLD:g}")
    if not mask.data.any():
        notes.append("an empty segment")
    algorithm = " ".join(filter(None, (item.text("SegmentAlgorithmType"), item.text("SegmentAlgorithmName"))))
    return Segment(
        number=number,
        label=item.text("SegmentLabel"),
        description=item.text("SegmentDescription"),
        category=code_of(item, "SegmentedPropertyCategoryCodeSequence"),
        type=code_of(item, "SegmentedPropertyTypeCodeSequence"),
        side=_side(item),
        kind=kind,
        algorithm=algorithm,
        mask=mask,
        fraction=fraction,
        notes=tuple(f"'{item.text('SegmentLabel') or number}': {note}" for note in notes),
    )


def _side(item: Header) -> Side:
    types = item.items("SegmentedPropertyTypeCodeSequence")[:1]
    regions = item.items("AnatomicRegionSequence")[:1]
    for holder in (*types, *regions, item):
        side = side_of(holder, _SIDES)
        if side:
            return side
    return ""
