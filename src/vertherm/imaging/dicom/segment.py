"""One segment of a SEG or RTSTRUCT: what it is called, what it is coded as, and its mask."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import Side, cropped, extent, on_grid, subgrid
from vertherm.imaging.dicom.header import Header
from vertherm.imaging.orient import axis_codes, reoriented

ALIGNED_VOXELS = 0.05
"""Grids whose voxels lie this near to each other are one lattice: positions are written with few decimals."""
_LEFT = ("7771000", "G-A101")
_RIGHT = ("24028007", "G-A100")

Kind = Literal["binary", "fractional", "labelmap", "contours"]


@dataclass(frozen=True)
class Code:
    """A coded term: value, coding scheme, meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment.

    Args:
        number: segment number (SEG) or ROI number (RTSTRUCT).
        label: as the author named it.
        description: free text, "".
        category: segmented property category.
        type: segmented property type.
        side: patient's side by a coded modifier, "" where none is given.
        kind: how it was stored.
        algorithm: type and name of the algorithm, "".
        mask: bool, cropped to its extent, in the file's frame; on the voxels of the grid asked for where one was.
        fraction: 0..1, float32, on the mask's grid; only for fractional segments.
        notes: what a reader should know of this segment.
    """

    number: int
    label: str
    description: str
    category: Code | None
    type: Code | None
    side: Side
    kind: Kind
    algorithm: str
    mask: Volume
    fraction: Volume | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Label, or the coded type, or the number."""
        return self.label or (self.type.meaning if self.type else "") or f"segment {self.number}"

    @property
    def volume_ml(self) -> float:
        """Volume of the mask in millilitres."""
        return float(np.count_nonzero(self.mask.data)) * self.mask.grid.voxel_volume_ml


def code_of(holder: Header, sequence: str) -> Code | None:
    """The first item of a code sequence, None where there is none."""
    for item in holder.items(sequence)[:1]:
        value = item.text("CodeValue") or item.text("LongCodeValue") or item.text("URNCodeValue")
        return Code(value, item.text("CodingSchemeDesignator"), item.text("CodeMeaning"))
    return None


def side_of(holder: Header, sequences: tuple[str, ...]) -> Side:
    """Patient's side by the modifiers of a coded term."""
    for sequence in sequences:
        code = code_of(holder, sequence)
        if code is not None and code.value in _LEFT:
            return "left"
        if code is not None and code.value in _RIGHT:
            return "right"
    return ""


def placed(segment: Segment, grid: Grid) -> Segment:
    """The segment with its mask on the voxels of ``grid``; what lies outside is cut off and noted."""
    mask = onto(segment.mask, grid)
    before, after = segment.volume_ml, float(np.count_nonzero(mask.data)) * grid.voxel_volume_ml
    notes = segment.notes
    if before > 0 and after < 0.98 * before - grid.voxel_volume_ml and _reaches_out(segment.mask, grid):
        notes = (*notes, f"'{segment.name}': {100 * (1 - after / before):.0f} % of it lies outside the CT")
    fraction = segment.fraction
    if fraction is not None:
        sampled = fraction.resampled(mask.grid, order=0, outside=0.0)
        fraction = sampled.with_data(sampled.data.astype(np.float32))
    return replace(segment, mask=mask, fraction=fraction, notes=notes)


def onto(mask: Volume, grid: Grid) -> Volume:
    """A bool mask on the voxels of another grid of its frame, cropped; the nearest voxel where the lattices differ."""
    source = mask.source
    turned = reoriented(mask, axis_codes(grid))
    shift = lattice_shift(turned.grid, grid)
    if shift is not None:
        lower = np.maximum(shift, 0)
        upper = np.minimum(shift + np.array(turned.data.shape), grid.shape)
        if (upper <= lower).any():
            return cropped(np.zeros((1, 1, 1), bool), grid, source)
        part = turned.data[tuple(slice(a - s, b - s) for a, b, s in zip(lower, upper, shift, strict=True))]
        window = tuple(slice(int(a), int(b)) for a, b in zip(lower, upper, strict=True))
        return _cropped_within(part, subgrid(grid, (window[0], window[1], window[2])), source)
    return _nearest(turned, grid)


def lattice_shift(grid: Grid, other: Grid) -> NDArray[np.intp] | None:
    """Index of ``grid``'s first voxel on ``other`` where both are one lattice with the same axes; else None."""
    corners = np.array(list(itertools.product(*((0, n - 1) for n in grid.shape))))
    on_other = other.index(grid.world(corners))
    shift = np.rint(on_other[0]).astype(np.intp)
    return shift if bool(np.abs(on_other - corners - shift).max() <= ALIGNED_VOXELS) else None


def _nearest(mask: Volume, grid: Grid) -> Volume:
    ends = np.array(list(itertools.product(*((-0.5, n - 0.5) for n in mask.grid.shape))))
    reach = grid.index(mask.grid.world(ends))
    lower = np.maximum(np.floor(reach.min(0)).astype(int), 0)
    upper = np.minimum(np.ceil(reach.max(0)).astype(int) + 1, grid.shape)
    if (upper <= lower).any():
        return cropped(np.zeros((1, 1, 1), bool), grid, mask.source)
    window = tuple(slice(int(a), int(b)) for a, b in zip(lower, upper, strict=True))
    part = subgrid(grid, (window[0], window[1], window[2]))
    data = np.zeros(part.shape, bool)
    j, k = np.meshgrid(np.arange(part.shape[1]), np.arange(part.shape[2]), indexing="ij")
    for i in range(part.shape[0]):
        index = mask.grid.index(part.world(np.stack([np.full(j.shape, i), j, k], -1)))
        nearest = np.rint(np.round(index, 6)).astype(int)
        inside = ((nearest >= 0) & (nearest < mask.grid.shape)).all(-1)
        at = nearest[inside]
        data[i][inside] = mask.data[at[:, 0], at[:, 1], at[:, 2]]
    return _cropped_within(data, part, mask.source)


def _cropped_within(data: NDArray[np.bool_], grid: Grid, source: str) -> Volume:
    return cropped(data, grid, source, margin=0) if extent(data) is not None else cropped(data, grid, source)


def _reaches_out(mask: Volume, grid: Grid) -> bool:
    window = extent(mask.data)
    if window is None:
        return False
    corners = np.array(list(itertools.product(*((s.start, s.stop - 1) for s in window))))
    return not bool(grid.contains(mask.grid.world(corners)).all())


def none_beside(segments: tuple[Segment, ...], found: tuple[Segment, ...], grid: Grid, where: str) -> None:
    """Refuse where segments hold voxels, but none of them lies on the grid.

    Args:
        segments: in their own place.
        found: the same, on ``grid``.
        grid: the CT's.
        where: for the message.

    Raises:
        InputError: nothing of the segments lies inside the CT.
    """
    if any(s.mask.data.any() for s in segments) and not any(s.mask.data.any() for s in found):
        low, high = grid.bounds()
        raise InputError(
            "No voxel of any segment lies inside the CT.",
            where=where,
            got=f"{len(segments)} segment(s) elsewhere",
            expected=f"inside {np.round(low, 1).tolist()}..{np.round(high, 1).tolist()} mm RAS",
            advice="give the segmentation that was drawn on this CT",
        )


@dataclass(frozen=True, eq=False)
class SegmentedVolume(Volume):
    """Segments on the CT's voxels as a label map whose values are the segments' numbers.

    One value a voxel cannot hold overlapping segments: the last one stands there. Ask ``segments`` where that matters.

    Args:
        segments: each with its own mask, on the voxels of ``grid``.
    """

    segments: tuple[Segment, ...] = ()


def label_map(segments: tuple[Segment, ...], grid: Grid, source: str) -> SegmentedVolume:
    """Segments as one label map, uint16 of ``grid.shape``.

    Raises:
        InputError: a number that is no label value.
    """
    data = np.zeros(grid.shape, np.uint16)
    for segment in segments:
        if not 0 < segment.number < 65536:
            raise InputError(
                "The number of a segment is out of range.", where=source, got=segment.number, expected="1..65535"
            )
        data[on_grid(segment.mask, grid)] = segment.number
    return SegmentedVolume(data, grid, source, segments)
