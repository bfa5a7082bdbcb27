"""RT structure sets: closed planar contours to masks on the CT's voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import LPS_RAS, FloatArray, Grid, Volume
from vertherm.imaging.anatomy import Side, cropped
from vertherm.imaging.dicom.header import STRUCTURE_SET, Header
from vertherm.imaging.dicom.polygon import filled
from vertherm.imaging.dicom.safe import LIMITS, Limits, read_dataset
from vertherm.imaging.dicom.segment import Segment, code_of, side_of

ON_PLANE_VOXELS = 0.05
"""A contour whose points lie this near to one plane of voxel centres is on that plane."""
_FLAT_VOXELS = 0.05
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR")


@dataclass(eq=False)
class _Roi:
    item: Header
    number: int
    name: str
    frame: str
    contours: list[FloatArray] = field(default_factory=list)
    other_kinds: dict[str, int] = field(default_factory=dict)
    observation: Header | None = None
    oblique: bool = False


def read_rtstruct(path: Path | str, ct: Volume, *, limits: Limits = LIMITS, where: str = "") -> tuple[Segment, ...]:
    """Masks of all regions of interest of a structure set on the CT's voxels.

    A voxel belongs to a region where its centre lies inside by the even-odd rule over all contours of its plane, so
    contours within contours are holes. Contours that lie between the CT's slices, or on every second one, stand for
    the half-distance to their neighbours on either side. Points and open contours enclose nothing; they and regions
    with contours oblique to the CT's planes are noted.

    Args:
        path: one RTSTRUCT file.
        ct: the CT; its planes must be parallel to the contours.
        limits: what the file may cost.
        where: name for messages, the path if left out.

    Raises:
        InputError: no RTSTRUCT, broken, another frame of reference than the CT's, a missing one with contours that are
            not on the CT's slices, nothing but oblique contours, or all of it outside the CT.
    """
    path = Path(path)
    where = where or str(path)
    header = Header(path, read_dataset(path, limits, where=where), where)
    if header.sop_class != STRUCTURE_SET:
        raise InputError("This is no structure set.", where=where, got=header.class_name, expected="an RTSTRUCT file")
    rois = _rois(header)
    segments = []
    for roi in rois:
        _same_frame(roi, ct.grid, where)
        segments.append(_segment(roi, ct.grid, where))
    _something_there(rois, segments, where)
    return tuple(segments)


def _something_there(rois: Sequence[_Roi], segments: Sequence[Segment], where: str) -> None:
    drawn = [roi for roi in rois if roi.contours]
    if drawn and all(roi.oblique for roi in drawn):
        raise InputError(
            "Contours are oblique to the planes of the CT.",
            where=where,
            got=f"{len(drawn)} region(s)",
            expected="contours parallel to the CT's slices",
            advice="export the contours on the planning CT, or as DICOM SEG",
        )
    if drawn and not any(s.mask.data.any() for s in segments):
        raise InputError(
            "No contour encloses a voxel of the CT.",
            where=where,
            got=f"{sum(len(roi.contours) for roi in drawn)} contour(s) in {len(drawn)} region(s)",
            expected="contours drawn on this CT",
            advice="give the structure set that was drawn on this CT",
        )


def _rois(header: Header) -> list[_Roi]:
    found = {}
    for item in header.items("StructureSetROISequence"):
        number = int(item.number("ROINumber") or 0)
        if number in found:
            raise InputError("Two regions of a structure set have one number.", where=header.where, got=number)
        found[number] = _Roi(item, number, item.text("ROIName"), item.uid("ReferencedFrameOfReferenceUID"))
    for item in header.items("RTROIObservationsSequence"):
        roi = found.get(int(item.number("ReferencedROINumber") or -1))
        if roi is not None:
            roi.observation = item
    for item in header.items("ROIContourSequence"):
        roi = found.get(int(item.number("ReferencedROINumber") or 0))
        if roi is None:
            raise InputError(
                "Contours of a structure set belong to no region.",
                where=header.where,
                got=f"region number {item.text('ReferencedROINumber') or 'missing'}",
                expected=f"one of: {', '.join(str(number) for number in found) or 'none listed'}",
                advice="export the structure set again",
            )
        for contour in item.items("ContourSequence"):
            _add(roi, contour)
    stated = header.uid("FrameOfReferenceUID")
    for roi in found.values():
        roi.frame = roi.frame or stated
    return list(found.values())


def _add(roi: _Roi, contour: Header) -> None:
    kind = contour.text("ContourGeometricType").upper()
    value = contour.get("ContourData", ())
    points = contour.numbers("ContourData", len(value) if hasattr(value, "__len__") else 1) if value != () else None
    if kind not in _CLOSED or points is None or points.size < 9:
        name = "contours of under 3 points" if kind in _CLOSED else kind or "contours without a type"
        roi.other_kinds[name] = roi.other_kinds.get(name, 0) + 1
        return
    if points.size % 3:
        raise InputError("A contour has an incomplete point.", where=contour.where, got=f"{points.size} numbers")
    roi.contours.append(points.reshape(-1, 3) @ LPS_RAS)


def _same_frame(roi: _Roi, grid: Grid, where: str) -> None:
    if roi.frame and grid.frame and roi.frame != grid.frame:
        raise InputError(
            "A structure set and the CT are in different frames of reference.",
            where=f"{where}, region '{roi.name}'",
            got=roi.frame,
            expected=grid.frame,
            advice="give the structure set drawn on this CT, or register the two first",
        )


def _segment(roi: _Roi, grid: Grid, where: str) -> Segment:
    notes = [f"{count} x {kind} left out" for kind, count in sorted(roi.other_kinds.items())]
    mask = np.zeros((1, 1, 1), bool)
    if roi.contours:
        mask = _mask(roi, grid, where, notes)
        if not mask.any():
            oblique = "its contours are oblique to the planes of the CT: left out"
            notes.append(oblique if roi.oblique else "its contours enclose no voxel of the CT")
    else:
        notes.append("no closed contours")
    seen = roi.observation
    sides = ("AnatomicRegionModifierSequence", "SegmentedPropertyTypeModifierCodeSequence")
    holders = () if seen is None else (*seen.items("RTROIIdentificationCodeSequence")[:1], seen)
    stated: list[Side] = [side_of(holder, sides) for holder in holders]
    return Segment(
        number=roi.number,
        label=roi.name or ("" if seen is None else seen.text("ROIObservationLabel")),
        description=roi.item.text("ROIDescription"),
        category=None if seen is None else code_of(seen, "SegmentedPropertyCategoryCodeSequence"),
        type=None if seen is None else code_of(seen, "RTROIIdentificationCodeSequence"),
        side=next(filter(None, stated), ""),
        kind="contours",
        algorithm=roi.item.text("ROIGenerationAlgorithm"),
        mask=cropped(mask, grid, where),
        notes=tuple(f"'{roi.name or roi.number}': {note}" for note in notes),
    )


def _mask(roi: _Roi, grid: Grid, where: str, notes: list[str]) -> NDArray[np.bool_]:
    contours = _distinct([grid.index(points) for points in roi.contours], notes)
    axis = _axis(contours)
    if axis is None:
        roi.oblique = True
        return np.zeros((1, 1, 1), bool)
    planes = np.array([points[:, axis].mean() for points in contours])
    off = np.abs(planes - np.rint(planes)) > ON_PLANE_VOXELS
    if not roi.frame and grid.frame and off.any():
        raise InputError(
            "A structure set does not say in which frame of reference it lies.",
            where=f"{where}, region '{roi.name}'",
            got=f"no frame of reference, and {int(off.sum())} contour(s) off the CT's slices",
            expected=grid.frame,
            advice="export it again from the program that drew it on this CT",
        )
    if not roi.frame and grid.frame:
        notes.append("no frame of reference stated: its contours lie on the CT's slices, so it is taken as drawn on it")
    if off.any():
        notes.append(f"{int(off.sum())} contour(s) lie between the CT's slices: each stands for what is nearest to it")
    across = [a for a in range(3) if a != axis]
    shape = (grid.shape[across[0]], grid.shape[across[1]])
    out = np.zeros(grid.shape, bool)
    view = np.moveaxis(out, axis, 0)
    for group, slices in _slices(planes, grid.shape[axis]):
        members = [contours[i][:, across] for i in group]
        view[slices] = filled(members, shape)
    return out


def _distinct(contours: Sequence[FloatArray], notes: list[str]) -> list[FloatArray]:
    """Without exact copies: by the even-odd rule a contour given twice would erase itself."""
    kept = {np.round(points, 6).tobytes(): points for points in contours}
    if len(kept) < len(contours):
        notes.append(f"{len(contours) - len(kept)} contour(s) given twice, used once")
    return list(kept.values())


def _axis(contours: Sequence[FloatArray]) -> int | None:
    """The axis of the CT's array that the contours stand on, None where they are oblique to all three."""
    spread = np.array([np.ptp(points, axis=0) for points in contours]).max(axis=0)
    flat = [axis for axis in (2, 1, 0) if spread[axis] <= 2 * _FLAT_VOXELS]
    return flat[0] if flat else None


def _slices(planes: FloatArray, count: int) -> list[tuple[list[int], list[int]]]:
    """Contours of each plane, and the slices that plane stands for (half-open, so that no slice is counted twice)."""
    order = np.argsort(planes, kind="stable")
    groups: list[list[int]] = []
    for i in order:
        if groups and planes[i] - planes[groups[-1][0]] <= 2 * ON_PLANE_VOXELS:
            groups[-1].append(int(i))
        else:
            groups.append([int(i)])
    heights = np.array([planes[group].mean() for group in groups])
    heights = np.where(np.abs(heights - np.rint(heights)) <= ON_PLANE_VOXELS, np.rint(heights), heights)
    usual = float(np.median(np.diff(heights))) if len(heights) > 1 else 1.0
    half = max(usual, 1.0) / 2
    found: list[tuple[list[int], list[int]]] = [(group, []) for group in groups]
    low, high = max(int(np.floor(heights[0] - half)), 0), min(int(np.ceil(heights[-1] + half)), count - 1)
    for k in range(low, high + 1):
        distance = k - heights
        fits = np.flatnonzero((distance >= -half - 1e-9) & (distance < half - 1e-9))
        if fits.size:
            found[int(fits[np.argmin(np.abs(distance[fits]))])][1].append(k)
    return [(group, slices) for group, slices in found if slices]
