"""The series that results refer to: its headers in the order of its slices, and where its voxels lie."""

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
from vertherm.imaging.dicom.header import CT_IMAGE, MR_IMAGE, Header
from vertherm.imaging.dicom.planes import geometry, planes_of
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
_LONGEST = {"LO": 64, "SH": 16}


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """A series of single-frame slices.

    Args:
        slices: pydicom data sets without pixels, in the order of the grid's third axis.
        image: the volume that Vertherm reads from them (columns, rows, slices).
    """

    slices: tuple[Any, ...]
    image: Volume

    @property
    def first(self) -> Any:
        """The slice that patient and study are copied from."""
        return self.slices[0]

    @cached_property
    def uids(self) -> frozenset[str]:
        """Every UID that stands in the slices, at any depth."""
        return frozenset(uid for dataset in self.slices for uid in _uids(dataset))

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
        InputError: no such series of single frames, gantry tilt, blank or repeated UIDs, several studies.
    """
    image = (read_dicom_ct if modality == "CT" else read_dicom_mr)(Path(path), series_uid=series_uid)
    wanted_class = CT_IMAGE if modality == "CT" else MR_IMAGE
    with open_source(Path(path), siblings=Path(path).is_file()) as found:
        headers = [h for h in found.headers if str(h.get("SOPClassUID", "")) == wanted_class]
    uids = {str(h.get("SeriesInstanceUID", "")) for h in headers}
    wanted = series_uid or (next(iter(uids)) if len(uids) == 1 else None)
    group = [h for h in headers if str(h.get("SeriesInstanceUID", "")) == wanted]
    if not group:
        raise InputError(
            f"Results can only refer to a series of single {modality} slices.",
            where=str(path),
            got=f"{len(uids)} series of such slices",
            advice="name the series; multi-frame images cannot be referred to yet",
        )
    _whole(group, str(path))
    return SourceSeries(_ordered(group, image.grid, str(path), modality), image)


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


def _ordered(group: list[Header], grid: Grid, where: str, modality: str) -> tuple[Any, ...]:
    """One slice for each layer of the grid, by position."""
    slices = geometry(planes_of(group, modality))
    if slices.tilt_deg > 0:
        raise InputError(
            "Results cannot refer to a series with gantry tilt: its slices were moved when it was read.",
            where=where,
            got=f"{slices.tilt_deg:.1f} degrees",
            advice="reconstruct the series without tilt",
        )
    ras = slices.positions * (-1.0, -1.0, 1.0)
    layers = np.rint(np.round(grid.index(ras)[:, 2], 6)).astype(int)
    chosen: dict[int, Any] = {}
    for layer, header in zip(layers, group, strict=True):
        chosen.setdefault(int(layer), _complete(header.data))
    if sorted(chosen) != list(range(grid.shape[2])):
        raise InputError("The slices do not fill the volume that was read from them.", where=where)
    return tuple(chosen[k] for k in range(grid.shape[2]))


def _complete(dataset: Any) -> Any:
    """With what is required, and without texts that are too long for their kind: both would be copied into results."""
    with warnings.catch_warnings():
        # What is formally wrong in the source is put right here, not complained about.
        warnings.simplefilter("ignore", UserWarning)
        dataset.decode()
        dataset.SpecificCharacterSet = UTF8
        for element in dataset:
            most = _LONGEST.get(element.VR)
            if most is not None and isinstance(element.value, str) and len(element.value) > most:
                element.value = element.value[:most]
        for keyword in _EMPTY_IF_ABSENT:
            if keyword not in dataset:
                setattr(dataset, keyword, "")
        dataset.PatientName = str(dataset.PatientName)
        dataset.ReferringPhysicianName = str(dataset.ReferringPhysicianName)
    return dataset


def _uids(dataset: Any) -> Iterator[str]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _uids(item)
        elif element.VR == "UI":
            yield from (str(value) for value in (element.value if element.VM > 1 else [element.value]))
