"""The series that results refer to: its headers, which of them shows each layer, and where its voxels lie."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.dicom.header import CT_IMAGE, ENHANCED, MR_IMAGE, Header
from vertherm.imaging.dicom.planes import Plane, geometry, planes_of
from vertherm.imaging.dicom.series import read_dicom_ct, read_dicom_mr
from vertherm.imaging.dicom.source import open_source

UTF8 = "ISO_IR 192"
"""Names of patients come in any alphabet, and our texts hold degree signs."""
_EMPTY_IF_ABSENT = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Required, but may be empty (type 2): de-identified series often lack them."""
_LONGEST = {"LO": 64, "SH": 16, "DS": 16}


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """A series of single-frame slices, or one multi-frame file.

    Args:
        files: pydicom data sets without pixels: slices in the order of the grid's third axis, or the one file.
        image: the volume that Vertherm reads from them (columns, rows, slices).
        planes: of a multi-frame file, where each layer of the grid lies in it; empty for slices.
    """

    files: tuple[Any, ...]
    image: Volume
    planes: tuple[Plane, ...] = ()

    @property
    def first(self) -> Any:
        """The file that patient and study are copied from."""
        return self.files[0]

    @cached_property
    def uids(self) -> frozenset[str]:
        """Every UID that stands in the files, at any depth."""
        return frozenset(uid for dataset in self.files for uid in _uids(dataset))

    def layer(self, number: int) -> tuple[Any, int | None]:
        """File of a layer of the grid, and its frame there, from 1; None for a slice of its own."""
        if self.planes:
            return self.first, self.planes[number].frame + 1
        return self.files[number], None

    @property
    def grid(self) -> Grid:
        """Of the volume."""
        return self.image.grid

    def frames(self, mask: Volume) -> Any:
        """A mask on this grid as frames (slice, row, column), bool.

        Raises:
            InputError: the mask lies on another grid.
        """
        if not mask.grid.same_as(self.grid):
            raise InputError("A mask does not lie on the grid of its source series.", where=mask.source)
        return np.ascontiguousarray(mask.data.astype(bool).transpose(2, 1, 0))


def source_series(path: Path, series_uid: str | None = None, *, modality: str = "CT") -> SourceSeries:
    """Read the headers that results refer to.

    Args:
        path: DICOM folder, ZIP or one file of the series.
        series_uid: which series, needed where there are several.
        modality: "CT" or "MR".

    Raises:
        InputError: no such series, several multi-frame files, gantry tilt, blank or repeated UIDs, several studies.
    """
    image = (read_dicom_ct if modality == "CT" else read_dicom_mr)(Path(path), series_uid=series_uid)
    with open_source(Path(path), siblings=Path(path).is_file()) as found:
        headers = [h for h in found.headers if _is_image(h, modality)]
    uids = {str(h.get("SeriesInstanceUID", "")) for h in headers}
    wanted = series_uid or (next(iter(uids)) if len(uids) == 1 else None)
    group = [h for h in headers if str(h.get("SeriesInstanceUID", "")) == wanted]
    several = sum(h.sop_class in ENHANCED for h in group)
    if not group or (several and len(group) > 1):
        raise InputError(
            f"Results can only refer to one series of {modality} slices or to one multi-frame file.",
            where=str(path),
            got=f"{len(uids)} series" + (f", {several} multi-frame files in the one named" if several else ""),
            advice="name the series; join several multi-frame files or export single slices",
        )
    _whole(group, str(path))
    return _arranged(group, image, str(path), modality)


def _is_image(header: Header, modality: str) -> bool:
    single = CT_IMAGE if modality == "CT" else MR_IMAGE
    return header.sop_class == single or ENHANCED.get(header.sop_class) == modality


def _whole(group: list[Header], where: str) -> None:
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        values = {str(h.get(keyword, "")) for h in group}
        if len(values) != 1 or "" in values:
            raise InputError(
                f"The slices do not share one {keyword}.", where=where, got=f"{len(values)} values", expected="one"
            )
    uids = [str(h.get("SOPInstanceUID", "")) for h in group]
    if len(set(uids)) < len(uids) or "" in uids:
        raise InputError(
            "Slices without a UID of their own cannot be referred to.",
            where=where,
            got=f"{len(set(uids))} different SOPInstanceUIDs for {len(uids)} slices",
            advice="export the series again",
        )


def _arranged(group: list[Header], image: Volume, where: str, modality: str) -> SourceSeries:
    """One plane for each layer of the grid, by position."""
    planes = planes_of(group, modality)
    slices = geometry(planes)
    if slices.tilt_deg > 0:
        raise InputError(
            "Results cannot refer to a series with gantry tilt: its slices were moved when it was read.",
            where=where,
            got=f"{slices.tilt_deg:.1f} degrees",
            advice="reconstruct the series without tilt",
        )
    ras = slices.positions * (-1.0, -1.0, 1.0)
    layers = np.rint(np.round(image.grid.index(ras)[:, 2], 6)).astype(int)
    chosen: dict[int, Plane] = {}
    for layer, plane in zip(layers, planes, strict=True):
        chosen.setdefault(int(layer), plane)
    if sorted(chosen) != list(range(image.grid.shape[2])):
        raise InputError("The slices do not fill the volume that was read from them.", where=where)
    ordered = tuple(chosen[k] for k in range(image.grid.shape[2]))
    if group[0].sop_class in ENHANCED:
        return SourceSeries((_complete(group[0].data),), image, ordered)
    return SourceSeries(tuple(_complete(plane.header.data) for plane in ordered), image)


def _complete(dataset: Any) -> Any:
    """With what is required, and without what is too long for its kind: both would be copied into results."""
    with warnings.catch_warnings():
        # What is formally wrong in the source is put right here, not complained about.
        warnings.simplefilter("ignore", UserWarning)
        dataset.decode()
        dataset.SpecificCharacterSet = UTF8
        for element in dataset:
            most = _LONGEST.get(element.VR)
            if most is not None and isinstance(element.value, str) and len(element.value) > most:
                element.value = element.value[:most]
        dataset.walk(_short_numbers)
        for keyword in _EMPTY_IF_ABSENT:
            if keyword not in dataset:
                setattr(dataset, keyword, "")
        dataset.PatientName = str(dataset.PatientName)
        dataset.ReferringPhysicianName = str(dataset.ReferringPhysicianName)
    return dataset


def _short_numbers(_: Any, element: Any) -> None:
    """A decimal string holds 16 characters; many programs write more."""
    from pydicom.valuerep import DSfloat

    if element.VR != "DS" or element.value is None:
        return
    values = element.value if element.VM > 1 else [element.value]
    if any(len(str(value)) > _LONGEST["DS"] for value in values):
        short = [DSfloat(float(value), auto_format=True) for value in values]
        element.value = short if len(short) > 1 else short[0]


def _uids(dataset: Any) -> Iterator[str]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _uids(item)
        elif element.VR == "UI":
            yield from (str(value) for value in (element.value if element.VM > 1 else [element.value]))
