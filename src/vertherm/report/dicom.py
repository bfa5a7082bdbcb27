"""The result of a plan or a simulation as DICOM objects beside the CT it was made on."""

from __future__ import annotations

import base64
import io
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.core.files import atomic_folder, write_json
from vertherm.core.progress import Progress, silent
from vertherm.core.warnings import ImagingWarning
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import on_grid
from vertherm.imaging.nifti import read_nifti

if TYPE_CHECKING:
    from vertherm.followup.planned import Planned
    from vertherm.imaging.dicom_objects.marks import Marks
    from vertherm.imaging.dicom_objects.segmentation import WrittenSegment
    from vertherm.imaging.dicom_objects.source import SourceSeries

STRUCTURES = ("canal", "cord", "cauda", "dural sac", "root", "plexus")
"""Kinds of structure that go into the segmentation: what the limits are about, near the zone."""
UNVERIFIED_NAMED = 12
CEMENT_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Written:
    """One object: name of its file, what it is, its data set."""

    name: str
    what: str
    dataset: Any


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
    """Write everything that a plan or a simulation found as DICOM.

    Args:
        folder: of ``vertherm plan``, ``simulate`` or ``demo``.
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

    planned = load_planned(Path(folder), case_file, progress)
    assessment = _assessment(Path(folder))
    progress("dicom", 0.0)
    source = source_series(Path(ct), series_uid)
    _same_scan(planned, source)
    marks = _marks(assessment)
    rows = []
    with atomic_folder(Path(output), owned=("dicom.json",)) as temporary:
        for written in _objects(Path(folder), planned, assessment, source, marks, labelmap, rtstruct):
            written.dataset.save_as(temporary / f"{written.name}.dcm", enforce_file_format=True)
            rows.append(_row(written))
            progress("dicom", min(0.95, 0.1 * len(rows)))
        write_json(temporary / "dicom.json", {"schema_version": 1, "synthetic": marks.synthetic, "objects": rows})
    progress("dicom", 1.0)
    return rows


def _row(written: Written) -> dict[str, str]:
    return {
        "file": f"{written.name}.dcm",
        "what": written.what,
        "sop_class_uid": str(written.dataset.SOPClassUID),
        "sop_instance_uid": str(written.dataset.SOPInstanceUID),
        "series_instance_uid": str(written.dataset.SeriesInstanceUID),
    }


def _assessment(folder: Path) -> dict[str, Any]:
    path = folder / "assessment.json"
    if not path.is_file():
        raise InputError(
            "The folder holds no prediction to write.",
            where=str(folder),
            got="no assessment.json",
            expected="the folder of a plan with a treatment, or of a simulation",
        )
    return dict(json.loads(path.read_text("utf-8")))


def _same_scan(planned: Planned, source: SourceSeries) -> None:
    ours, theirs = planned.case.anatomy.ct.grid, source.grid
    if not ours.same_as(theirs, 1e-2) or (ours.frame and theirs.frame and ours.frame != theirs.frame):
        raise InputError(
            "This is not the CT that the plan was made on.",
            where=source.ct.source,
            got=f"{theirs.shape} voxels in frame {theirs.frame or 'unknown'}",
            expected=f"{ours.shape} voxels in frame {ours.frame or 'unknown'}",
            advice="give the DICOM series that the case names",
        )


def _marks(assessment: dict[str, Any]) -> Marks:
    from vertherm.imaging.dicom_objects.marks import Marks, content_seed

    unverified = [row["name"] for row in assessment.get("assumptions", []) if not row.get("verified", True)]
    named = unverified[:UNVERIFIED_NAMED]
    if len(unverified) > len(named):
        named.append(f"and {len(unverified) - len(named)} more, see the report")
    created = datetime.fromisoformat(assessment["provenance"]["created_utc"])
    seed = content_seed(json.dumps(assessment, sort_keys=True))
    return Marks(assessment["title"], created, bool(assessment["synthetic"]), seed, tuple(named))


def _objects(
    folder: Path,
    planned: Planned,
    assessment: dict[str, Any],
    source: SourceSeries,
    marks: Marks,
    labelmap: bool,
    rtstruct: bool,
) -> Iterator[Written]:
    from vertherm.imaging.dicom_objects.report_sr import write_report
    from vertherm.imaging.dicom_objects.rtstruct import write_rtstruct
    from vertherm.imaging.dicom_objects.segmentation import write_segmentation
    from vertherm.report.dicom_numbers import groups

    segments = _segments(folder, planned, source)
    segmentation = write_segmentation(source, segments, marks)
    yield Written("segments", "lesions, vertebrae, structures, zones, cement", segmentation)
    if labelmap:
        apart = _without_overlap(segments, source)
        named = write_segmentation(source, apart, marks, what="label map", series_number=502, labelmap=True)
        yield Written("labelmap", "the same without what overlaps", named)
    if rtstruct:
        yield Written("contours", "the same as contours", write_rtstruct(source, segments, marks))
    numbers = groups(assessment, {item.name: number for number, item in enumerate(segments, start=1)})
    yield Written("measurements", "numbers", write_report(source, numbers, marks, segmentation=segmentation))
    yield from _maps(folder, source, marks)
    yield from _pages(folder, source, marks)


def _segments(folder: Path, planned: Planned, source: SourceSeries) -> list[WrittenSegment]:
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
    found += [WrittenSegment(name, codes.CEMENT, mask) for name, mask in _cement(folder, source)]
    return [item for item in found if on_grid(item.mask, source.grid).any()]


def _cement(folder: Path, source: SourceSeries) -> list[tuple[str, Volume]]:
    found = []
    for path in sorted((folder / "cement" / "fields").glob("*cement_share.nii.gz")):
        share = read_nifti(path)
        grid = replace(share.grid, frame=source.grid.frame)
        name = path.name.removeprefix("SYNTHETIC_").removesuffix("_cement_share.nii.gz")
        found.append((f"cement {name}", Volume(share.data >= CEMENT_SHARE, grid, path.name)))
    return found


def _without_overlap(segments: list[WrittenSegment], source: SourceSeries) -> list[WrittenSegment]:
    """As many segments as fit beside each other, in their order."""
    taken = np.zeros(source.grid.shape, bool)
    kept = []
    for item in segments:
        mask = on_grid(item.mask, source.grid)
        if not (mask & taken).any():
            taken |= mask
            kept.append(item)
    return kept


def _maps(folder: Path, source: SourceSeries, marks: Marks) -> Iterator[Written]:
    from vertherm.imaging.dicom_objects import parametric_map as pm

    wanted = [("peak_temperature_c", pm.TEMPERATURE), ("cem43_min", pm.DOSE)]
    shares = sorted((folder / "fields").glob("probability_*.nii.gz"))
    wanted += [(path.name.removesuffix(".nii.gz"), pm.PROBABILITY) for path in shares]
    for number, (name, quantity) in enumerate(wanted):
        path = folder / "fields" / f"{name}.nii.gz"
        if path.is_file():
            field = read_nifti(path)
            what = name.replace("_", " ")
            written = pm.write_parametric_map(source, field, quantity, marks, what=what, series_number=601 + number)
            yield Written(name, quantity.words, written)


def _pages(folder: Path, source: SourceSeries, marks: Marks) -> Iterator[Written]:
    """Key pictures and the PDF of the report."""
    from vertherm.imaging.dicom_objects.documents import write_pdf, write_picture

    page = folder / "report.html"
    if not page.is_file():
        return
    text = page.read_text("utf-8")
    for number, (title, pixels) in enumerate(key_pictures(text), start=1):
        picture = write_picture(source, pixels, title, marks, what="key pictures", number=number)
        yield Written(f"picture_{number:02d}", title, picture)
    content = _pdf(text)
    if content is not None:
        yield Written("report", "report", write_pdf(source, content, "report", marks))


def key_pictures(page: str) -> list[tuple[str, NDArray[np.uint8]]]:
    """Title and RGB pixels of the pixel pictures of a report, in its order."""
    from html import unescape

    from PIL import Image

    found = []
    for match in re.finditer(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]*)"', page):
        with Image.open(io.BytesIO(base64.b64decode(match.group(1)))) as image:
            found.append((unescape(match.group(2)), np.asarray(image.convert("RGB"), np.uint8)))
    return found


def _pdf(page: str) -> bytes | None:
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:
        warnings.warn(f"the report is left out: WeasyPrint cannot be used ({error})", ImagingWarning, stacklevel=2)
        return None
    # Embedded pictures only: the page may name nothing outside itself, and no file of this machine.
    fetcher = URLFetcher(allowed_protocols={"data"}, fail_on_errors=True)
    return bytes(HTML(string=page, url_fetcher=fetcher).write_pdf())
