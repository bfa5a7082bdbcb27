"""The result of a plan, a simulation or a cement prediction as DICOM objects beside the CT it was made on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.imaging.anatomy import on_grid
from vertherm.imaging.nifti import read_nifti
from vertherm.report.dicom_cement import CementPart, cement_groups, cement_part, cement_segments
from vertherm.report.dicom_set import Written, page_objects, without_overlap, write_set

if TYPE_CHECKING:
    from vertherm.followup.planned import Planned
    from vertherm.imaging.dicom_objects.marks import Marks
    from vertherm.imaging.dicom_objects.segmentation import WrittenSegment
    from vertherm.imaging.dicom_objects.source import SourceSeries

STRUCTURES = ("canal", "cord", "cauda", "dural sac", "root", "plexus")
"""Kinds of structure that go into the segmentation: what the limits are about, near the zone."""
UNVERIFIED_NAMED = 12


def write_dicom(
    folder: Path,
    ct: Path,
    output: Path,
    *,
    case_file: Path | None = None,
    series_uid: str | None = None,
    labelmap: bool = False,
    rtstruct: bool = False,
    progress: Progress = silent,
) -> list[dict[str, str]]:
    """Write everything that a plan, a simulation or a cement prediction found as DICOM.

    Args:
        folder: of ``vertherm plan``, ``simulate``, ``demo`` or ``cement``.
        ct: the DICOM series it was made on.
        output: folder for the objects and ``dicom.json``.
        case_file: where the folder does not hold the images.
        series_uid: which CT series, where there are several.
        labelmap: also a label map of the structures that do not overlap.
        rtstruct: also contours.
        progress: receives progress.

    Returns:
        One row an object: file, what, SOP class, SOP instance UID.

    Raises:
        InputError: no plan, another CT than it was made on, or a series that results cannot refer to.
    """
    from vertherm.followup.planned import load_planned
    from vertherm.imaging.dicom_objects.source import source_series

    folder = Path(folder)
    planned = load_planned(folder, case_file, progress)
    results = _results(folder)
    progress("dicom", 0.0)
    source = source_series(Path(ct), series_uid)
    _same_scan(planned, source)
    marks = _marks(results)
    objects = _objects(results, planned, source, marks, labelmap, rtstruct)
    return write_set(objects, Path(output), marks, progress)


@dataclass(frozen=True, eq=False)
class _Results:
    """What a folder holds: an assessment, a cement prediction, or both."""

    folder: Path
    assessment: dict[str, Any] | None
    cement: CementPart | None

    @property
    def documents(self) -> list[dict[str, Any]]:
        cement = None if self.cement is None else self.cement.document
        return [document for document in (self.assessment, cement) if document is not None]

    @property
    def pages(self) -> list[Path]:
        found = (
            [self.folder / "report.html"] if self.cement is None else [self.folder / "report.html", self.cement.page]
        )
        return [page for page in found if page.is_file()]


def _results(folder: Path) -> _Results:
    path = folder / "assessment.json"
    assessment = dict(json.loads(path.read_text("utf-8"))) if path.is_file() else None
    found = _Results(folder, assessment, cement_part(folder))
    if not found.documents:
        raise InputError(
            "The folder holds no prediction to write.",
            where=str(folder),
            got="no assessment.json and no cement.json",
            expected="the folder of a plan with a treatment, of a simulation, or of a cement prediction",
        )
    return found


def _same_scan(planned: Planned, source: SourceSeries) -> None:
    ours, theirs = planned.case.anatomy.ct.grid, source.grid
    if not ours.same_as(theirs, 1e-2) or (ours.frame and theirs.frame and ours.frame != theirs.frame):
        raise InputError(
            "This is not the CT that the plan was made on.",
            where=source.image.source,
            got=f"{theirs.shape} voxels in frame {theirs.frame or 'unknown'}",
            expected=f"{ours.shape} voxels in frame {ours.frame or 'unknown'}",
            advice="give the DICOM series that the case names",
        )


def _marks(results: _Results) -> Marks:
    from vertherm.imaging.dicom_objects.marks import Marks, content_seed

    documents = results.documents
    rows = [row for document in documents for row in document.get("assumptions", [])]
    unverified = list(dict.fromkeys(row["name"] for row in rows if not row.get("verified", False)))
    named = unverified[:UNVERIFIED_NAMED]
    if len(unverified) > len(named):
        named.append(f"and {len(unverified) - len(named)} more, see the report")
    created = datetime.fromisoformat(documents[0]["provenance"]["created_utc"])
    seed = content_seed(*(json.dumps(document, sort_keys=True) for document in documents))
    synthetic = any(document["synthetic"] for document in documents)
    return Marks(documents[0]["title"], created, synthetic, seed, tuple(named))


def _objects(
    results: _Results,
    planned: Planned,
    source: SourceSeries,
    marks: Marks,
    labelmap: bool,
    rtstruct: bool,
) -> Iterator[Written]:
    from vertherm.imaging.dicom_objects.report_sr import write_report
    from vertherm.imaging.dicom_objects.rtstruct import write_rtstruct
    from vertherm.imaging.dicom_objects.segmentation import write_segmentation
    from vertherm.report.dicom_numbers import groups

    segments = _segments(results, planned, source)
    segmentation = write_segmentation(source, segments, marks)
    yield Written("segments", "lesions, vertebrae, structures, zones, cement", segmentation)
    if labelmap:
        apart = without_overlap(segments, source)
        named = write_segmentation(source, apart, marks, what="label map", series_number=502, labelmap=True)
        yield Written("labelmap", "the same without what overlaps", named)
    if rtstruct:
        yield Written("contours", "the same as contours", write_rtstruct(source, segments, marks))
    places = {item.name: number for number, item in enumerate(segments, start=1)}
    numbers = [] if results.assessment is None else groups(results.assessment, places)
    if results.cement is not None:
        numbers += cement_groups(results.cement, places)
    yield Written("measurements", "numbers", write_report(source, numbers, marks, segmentation=segmentation))
    yield from _maps(results, source, marks)
    yield from page_objects([page.read_text("utf-8") for page in results.pages], source, marks)


def _segments(results: _Results, planned: Planned, source: SourceSeries) -> list[WrittenSegment]:
    from vertherm.imaging.dicom_objects import codes
    from vertherm.imaging.dicom_objects.segmentation import WrittenSegment

    anatomy = planned.case.anatomy
    found = [
        WrittenSegment(target.name, codes.LESION, target.mask, by_program=target.synthetic)
        for target in planned.case.targets
    ]
    levels = sorted({target.level for target in planned.case.targets})
    found += [
        WrittenSegment(f"vertebra {level}", codes.VERTEBRA, anatomy.vertebrae[level], by_program=False, method="label")
        for level in levels
        if level in anatomy.vertebrae
    ]
    found += [
        WrittenSegment(item.name, codes.STRUCTURE, item.mask, item.side, by_program=item.derived)
        for item in anatomy.structures
        if item.kind.value in STRUCTURES
    ]
    found += [WrittenSegment(zone.metric, codes.ZONE, zone.mask) for zone in planned.zones]
    if results.cement is not None:
        found += cement_segments(results.cement, source)
    return [item for item in found if on_grid(item.mask, source.grid).any()]


def _maps(results: _Results, source: SourceSeries, marks: Marks) -> Iterator[Written]:
    from vertherm.imaging.dicom_objects import parametric_map as pm

    fields = results.folder / "fields"
    wanted = [(fields / "peak_temperature_c.nii.gz", pm.TEMPERATURE), (fields / "cem43_min.nii.gz", pm.DOSE)]
    wanted += [(path, pm.PROBABILITY) for path in sorted(fields.glob("probability_*.nii.gz"))]
    if results.cement is not None:
        wanted += [(path, pm.CEMENT) for path in results.cement.files("cement_probability").values()]
    for number, (path, quantity) in enumerate((path, what) for path, what in wanted if path.is_file()):
        name = path.name.removesuffix(".nii.gz").removeprefix("SYNTHETIC_")
        what = name.replace("_", " ")
        field = read_nifti(path)
        written = pm.write_parametric_map(source, field, quantity, marks, what=what, series_number=601 + number)
        yield Written(name, quantity.words, written)
