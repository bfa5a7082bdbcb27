"""The cement of a plan, or a cement prediction of its own, as segments and groups of measurements."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertherm.geometry.volume import Volume
from vertherm.imaging.nifti import read_nifti
from vertherm.planning.cement.outputs import field_names

if TYPE_CHECKING:
    from vertherm.imaging.dicom_objects.report_sr import Group, Number
    from vertherm.imaging.dicom_objects.segmentation import WrittenSegment
    from vertherm.imaging.dicom_objects.source import SourceSeries

CEMENT_SHARE = 0.5
"""A voxel belongs to the cement from this share on."""


@dataclass(frozen=True, eq=False)
class CementPart:
    """A folder with ``cement.json``, and the document as it stands there."""

    folder: Path
    document: dict[str, Any]

    @property
    def page(self) -> Path:
        """The report."""
        return self.folder / "cement.html"

    def files(self, field: str) -> dict[str, Path]:
        """One file a target; those that were not written are left out."""
        mark = "SYNTHETIC_" if self.document["synthetic"] else ""
        names = field_names([row["target"] for row in self.document["targets"]])
        paths = {target: self.folder / "fields" / f"{mark}{name}_{field}.nii.gz" for target, name in names.items()}
        return {target: path for target, path in paths.items() if path.is_file()}


def cement_part(folder: Path) -> CementPart | None:
    """The cement of ``vertherm plan`` or ``vertherm cement``; None where there is none."""
    for place in (folder / "cement", folder):
        path = place / "cement.json"
        if path.is_file():
            return CementPart(place, dict(json.loads(path.read_text("utf-8"))))
    return None


def segment_name(target: str) -> str:
    """Label of a target's cement."""
    return f"cement {target}"


def cement_segments(part: CementPart, source: SourceSeries) -> list[WrittenSegment]:
    """Where each target's cement lies in the nominal case, or was measured."""
    from vertherm.imaging.dicom_objects import codes
    from vertherm.imaging.dicom_objects.segmentation import WrittenSegment

    measured = {row["target"] for row in part.document["targets"] if row["source"] == "measured"}
    found = []
    for target, path in part.files("cement_share").items():
        share = read_nifti(path)
        mask = Volume(share.data >= CEMENT_SHARE, replace(share.grid, frame=source.grid.frame), path.name)
        by_program = target not in measured
        found.append(WrittenSegment(segment_name(target), codes.CEMENT, mask, by_program=by_program))
    return found


def cement_groups(part: CementPart, segments: Mapping[str, int]) -> list[Group]:
    """Volumes, leakage, heat and strength of each target.

    Args:
        part: the cement.
        segments: number of each segment by its name.
    """
    from vertherm.imaging.dicom_objects.report_sr import Group

    document = part.document
    overall = (("cement status", document["status"]), ("cement", document["cement"]["label"]))
    found = [Group("cement verdict", (), overall)]
    for row in document["targets"]:
        name = segment_name(row["target"])
        words = (("status", row["status"]), ("source", row["source"]), ("vertebral level", row["level"]))
        found.append(Group(name, tuple(_fill(row["fill"])), words, segments.get(name)))
        found += [Group(f"{name}: {site['site']}", tuple(_site(site))) for site in row["sites"]]
        curing = row["curing"]
        for item in [] if curing is None else curing["structures"]:
            numbers = _banded("combined peak temperature", item["combined_peak_c"], "°C")
            numbers += _banded("combined CEM43", item["combined_cem43_min"], "min")
            limits = (
                ("status", item["status"]),
                ("warn limit", item["warn_words"]),
                ("stop limit", item["stop_words"]),
            )
            found.append(Group(f"{name}: {item['name']}", tuple(numbers), limits))
        strength = row["strength"]
        for state in [] if strength is None else strength["states"]:
            numbers = _banded("stiffness to that without lesion", state["stiffness_ratio"], "1")
            numbers += _banded("failure load to that without lesion", state["failure_ratio"], "1")
            found.append(Group(f"{name}: {state['state']}", tuple(numbers)))
    return found


def _banded(name: str, row: Mapping[str, float], unit: str, scale: float = 1.0) -> list[Number]:
    from vertherm.report.dicom_numbers import banded

    return banded(name, {key: scale * value for key, value in row.items() if isinstance(value, int | float)}, unit)


def _fill(row: Mapping[str, Any]) -> list[Number]:
    from vertherm.imaging.dicom_objects.report_sr import Number

    numbers = [Number("injected volume", row["injected_ml"], "ml")]
    numbers += _banded("volume in bone", row["in_bone_ml"], "ml") + _banded("volume leaked", row["leaked_ml"], "ml")
    numbers += _banded("lesion filled", row["lesion_share"], "%", 100.0)
    return numbers + _banded("body filled", row["body_share"], "%", 100.0)


def _site(row: Mapping[str, Any]) -> list[Number]:
    from vertherm.imaging.dicom_objects.report_sr import Number

    chance = row["probability"]
    parts = (("", "estimate"), (", low", "low"), (", high", "high"))
    numbers = [Number(f"probability of a leak{words}", 100.0 * chance[key], "%") for words, key in parts]
    if row["distance_mm"] is not None:
        numbers.append(Number("distance of the nominal fill", row["distance_mm"], "mm"))
    return numbers
