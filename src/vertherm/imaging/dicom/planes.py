"""Planes of a series: one a single-frame file, many an enhanced multi-frame file, with what places and scales each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import FloatArray
from vertherm.imaging.dicom.geometry import Slices
from vertherm.imaging.dicom.header import ENHANCED, Header
from vertherm.imaging.dicom.pixels import Decoder

_GROUPS = (
    ("PlanePositionSequence", "ImagePositionPatient"),
    ("PlaneOrientationSequence", "ImageOrientationPatient"),
    ("PixelMeasuresSequence", "PixelSpacing"),
    ("PixelValueTransformationSequence", "RescaleSlope"),
    ("PixelValueTransformationSequence", "RescaleIntercept"),
    ("PixelValueTransformationSequence", "RescaleType"),
)
_FRAME_TYPES = ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence")


@dataclass(frozen=True, eq=False)
class Plane:
    """One image plane: its file and frame, LPS position of the first pixel's centre, directions, spacing, rescale.

    Args:
        header: file.
        frame: number of the frame in the file, from 0.
        position: (3,) LPS mm.
        orientation: (6,) unit vectors along a row and along a column.
        spacing: (2,) mm between rows, between columns.
        slope: rescale slope.
        intercept: rescale intercept.
    """

    header: Header
    frame: int
    position: FloatArray
    orientation: FloatArray
    spacing: FloatArray
    slope: float
    intercept: float


class Pixels:
    """Stored values of planes; keeps the last file, so that a multi-frame file is decoded once."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._last: tuple[Header, NDArray[Any]] | None = None

    def raw(self, plane: Plane) -> NDArray[Any]:
        """Stored values, (row, column).

        Raises:
            InputError: unreadable, or another size than the header says.
        """
        header = plane.header
        if self._last is None or self._last[0] is not header:
            self._last = header, self._decoder.file(header.path, where=header.where)
        frames = self._last[1]
        wanted = (int(header.number("Rows") or 0), int(header.number("Columns") or 0))
        if plane.frame >= len(frames) or frames.shape[1:] != wanted:
            raise InputError("A slice has another size than its header says.", where=header.where, got=frames.shape)
        return frames[plane.frame]


def planes_of(headers: Sequence[Header], modality: str) -> list[Plane]:
    """All planes of the files of a series; localizers are left out.

    Args:
        headers: files of one series.
        modality: CT (rescale is then required, in HU) or MR.

    Raises:
        InputError: something that places or scales a slice is absent or impossible.
    """
    return [plane for header in headers for plane in _planes(header, modality)]


def is_localizer(types: str) -> bool:
    """True for an ImageType (values joined by a backslash) of a scout."""
    return "LOCALIZER" in types.upper().split("\\")


def _planes(header: Header, modality: str) -> Iterator[Plane]:
    if header.sop_class not in ENHANCED:
        yield _plane(header, 0, {name: header for _, name in _GROUPS}, modality)
        return
    shared = header.items("SharedFunctionalGroupsSequence")[:1]
    frames = header.items("PerFrameFunctionalGroupsSequence")
    stated = int(header.number("NumberOfFrames") or 1)
    if len(frames) != stated:
        raise InputError(
            "A multi-frame file does not place all its frames.",
            where=header.where,
            got=f"{len(frames)} item(s) of per-frame functional groups",
            expected=f"{stated}",
            advice="export the series again",
        )
    for frame, own in enumerate(frames):
        groups = (own, *shared)
        types = [item.text("FrameType") for group in groups for name in _FRAME_TYPES for item in group.items(name)]
        if any(is_localizer(text) for text in types):
            continue
        yield _plane(header, frame, {name: _group(groups, group, name, header) for group, name in _GROUPS}, modality)


def _group(groups: tuple[Header, ...], sequence: str, keyword: str, header: Header) -> Header:
    """The functional group that holds an element: the frame's own before the shared one (PS3.3 C.7.6.16.1.1)."""
    found = [item for group in groups for item in group.items(sequence)[:1] if item.get(keyword) is not None]
    return found[0] if found else header


def _plane(header: Header, frame: int, of: dict[str, Header], modality: str) -> Plane:
    position = of["ImagePositionPatient"].numbers("ImagePositionPatient", 3)
    orientation = of["ImageOrientationPatient"].numbers("ImageOrientationPatient", 6)
    spacing = of["PixelSpacing"].numbers("PixelSpacing", 2)
    slope, intercept = of["RescaleSlope"].number("RescaleSlope"), of["RescaleIntercept"].number("RescaleIntercept")
    stated = {
        "Rows": header.number("Rows"),
        "Columns": header.number("Columns"),
        "PixelSpacing": spacing,
        "ImagePositionPatient": position,
        "ImageOrientationPatient": orientation,
        **({"RescaleSlope": slope, "RescaleIntercept": intercept} if modality == "CT" else {}),
    }
    absent = [name for name, value in stated.items() if value is None]
    if absent:
        raise InputError(
            f"{'A CT' if modality == 'CT' else 'An MR'} slice lacks what places or scales it.",
            where=header.where,
            got=f"no {', '.join(absent)}",
        )
    if modality == "CT":
        _hounsfield(of["RescaleType"])
    if int(header.number("SamplesPerPixel") or 1) != 1:
        raise InputError(f"This series is a colour image, not {modality}.", where=header.where)
    assert position is not None
    assert orientation is not None
    assert spacing is not None
    _possible(orientation, spacing, header)
    return Plane(
        header,
        frame,
        position,
        orientation,
        spacing,
        1.0 if slope is None else slope,
        0.0 if intercept is None else intercept,
    )


def _hounsfield(holder: Header) -> None:
    unit = (holder.text("RescaleType") or "HU").strip().upper()
    if unit not in ("HU", "US", "HU_MOD"):
        raise InputError("This series is not in Hounsfield units.", where=holder.where, got=unit, expected="HU")


def _possible(orientation: FloatArray, spacing: FloatArray, header: Header) -> None:
    row, column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    right = abs(float(row @ column)) < 1e-2 and max(abs(n - 1) for n in lengths) < 1e-2
    if not right or (spacing <= 0).any() or spacing.max() > 100:
        raise InputError(
            "The geometry of a slice is impossible.",
            where=header.where,
            got=f"orientation {orientation.tolist()}, spacing {spacing.tolist()} mm",
            expected="two perpendicular unit vectors and a positive spacing",
            advice="export the series again",
        )


def consistent(planes: Sequence[Plane], where: str) -> None:
    """Refuse planes that are not one stack.

    Raises:
        InputError: different matrix, spacing, orientation or frame of reference.
    """
    values = {
        "Rows": [np.atleast_1d(p.header.number("Rows") or 0) for p in planes],
        "Columns": [np.atleast_1d(p.header.number("Columns") or 0) for p in planes],
        "PixelSpacing": [p.spacing for p in planes],
        "ImageOrientationPatient": [p.orientation for p in planes],
    }
    for name, found in values.items():
        table = np.array(found, float)
        if np.abs(table - table[0]).max() > 1e-3:
            raise InputError(
                "The slices of this series do not fit each other.",
                where=where,
                got=f"different {name}: {sorted({str(row.tolist()) for row in table})[:4]}",
                expected="one value for all slices",
                advice="export the axial series alone, without scouts and reformats",
            )
    frames = sorted({p.header.uid("FrameOfReferenceUID") for p in planes})
    if len(frames) > 1:
        raise InputError("One series lies in several frames of reference.", where=where, got=", ".join(frames))


def geometry(planes: Sequence[Plane]) -> Slices:
    """Where the planes lie, in the order given."""
    first = planes[0]
    row, column = first.orientation[:3], first.orientation[3:]
    return Slices(
        positions=np.array([p.position for p in planes]),
        row=row / np.linalg.norm(row),
        column=column / np.linalg.norm(column),
        spacing=(float(first.spacing[1]), float(first.spacing[0])),
        order=tuple(range(len(planes))),
    )
