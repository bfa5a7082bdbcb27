"""The result of a follow-up as DICOM objects beside the examination that was read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.followup.document import TargetExamination, Verification
from vertherm.followup.images import laid
from vertherm.followup.margin_shell import CLASSES
from vertherm.geometry.volume import Volume
from vertherm.imaging.nifti import read_nifti
from vertherm.report.dicom_set import Written, page_objects, without_overlap, write_set

if TYPE_CHECKING:
    from vertherm.imaging.dicom_objects.marks import Marks
    from vertherm.imaging.dicom_objects.segmentation import WrittenSegment
    from vertherm.imaging.dicom_objects.source import SourceSeries

Colour = tuple[int, int, int]
MARGIN_COLOURS = ((215, 48, 39), (253, 174, 97), (69, 117, 180))
"""Of the classes of the margin, as in the report."""
SAME_SHARE = 0.01
"""The examination is the one that was read where the median difference is below this share of its spread:
another scan of the same patient differs by its noise at least, which is more."""


def is_followup(folder: Path) -> bool:
    """True for the folder of ``vertherm verify``."""
    return (Path(folder) / "verify.json").is_file()


def write_followup_dicom(
    folder: Path,
    series: Path,
    output: Path,
    *,
    examination: str | None = None,
    series_uid: str | None = None,
    labelmap: bool = False,
    rtstruct: bool = False,
    progress: Progress = silent,
) -> list[dict[str, str]]:
    """Write what a follow-up found in one examination.

    Args:
        folder: of ``vertherm verify``.
        series: the DICOM series of the examination.
        output: folder for the objects and ``dicom.json``.
        examination: its name; needed where there are several.
        series_uid: which series, where there are several.
        labelmap: also a label map of the masks that do not overlap.
        rtstruct: also contours.
        progress: receives progress.

    Returns:
        One row an object, as :func:`vertherm.report.dicom.write_dicom`.

    Raises:
        InputError: no follow-up, no such examination, or another series than was read.
    """
    from vertherm.imaging.dicom_objects.source import source_series

    document = _document(Path(folder))
    name = _named(document, examination)
    rows = [(number, row) for number, row in enumerate(document.rows) if row.examination == name]
    progress("dicom", 0.0)
    source = source_series(Path(series), series_uid, modality=rows[0][1].modality)
    for _, row in rows:
        _same_scan(row, Path(folder), source)
    marks = _marks(document, name)
    objects = _objects(Path(folder), rows, source, marks, labelmap, rtstruct)
    return write_set(objects, Path(output), marks, progress)


def _document(folder: Path) -> Verification:
    from pydantic import ValidationError

    path = folder / "verify.json"
    try:
        return Verification.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(
            "The follow-up's document cannot be read.",
            where=str(path),
            got=error,
            expected="verify.json as `vertherm verify` of this version writes it",
            advice="run `vertherm verify` again",
        ) from error


def _named(document: Verification, examination: str | None) -> str:
    names = list(dict.fromkeys(row.examination for row in document.rows))
    if examination is None and len(names) == 1:
        return names[0]
    if examination in names:
        return str(examination)
    raise InputError(
        "There is no such examination." if examination else "Which examination?",
        where=document.title,
        got=repr(examination) if examination else "none named",
        expected=f"one of: {', '.join(names)}",
        advice="name it with --examination",
    )


def _same_scan(row: TargetExamination, folder: Path, source: SourceSeries) -> None:
    """The series must be the one that was read: by its frame, its grid, and what it shows."""
    frame = source.grid.frame
    if row.frame_uid and frame and row.frame_uid != frame:
        raise _another(row, source, f"frame of reference {frame}", row.frame_uid)
    if row.registration.matrix is None or "registered" not in row.files:
        return
    mask = _mask(folder, row, "lesion_followup")
    if not mask.grid.same_as(source.grid, 1e-2):
        raise _another(row, source, f"{source.grid.shape} voxels", f"{mask.grid.shape} voxels in the same places")
    seen = _read(folder, row.files["registered"])
    # The same image by the same transform: outside of it, and only there, nothing is known.
    given = laid(source.image, np.asarray(row.registration.matrix), seen.grid).data
    known = np.isfinite(given)
    away = float(np.median(np.abs(given[known] - seen.data[known]))) if known.any() else np.inf
    spread = float(np.std(seen.data[known])) if known.any() else 1.0
    if away > SAME_SHARE * max(spread, 1e-6):
        got = f"grey values that differ by {away:.3g} in the median, at a spread of {spread:.3g}"
        raise _another(row, source, got, "those that were read")


def _another(row: TargetExamination, source: SourceSeries, got: str, expected: str) -> InputError:
    return InputError(
        "This is not the series that the follow-up was read from.",
        where=f"{source.image.source}, examination {row.examination}",
        got=got,
        expected=expected,
        advice="give the series that the follow-up file names as this examination's image (not the native one)",
    )


def _read(folder: Path, name: str) -> Volume:
    path = folder / name
    if not path.is_file():
        raise InputError(
            "A file of the follow-up is gone.", where=str(path), got="nothing", advice="run `vertherm verify` again"
        )
    return read_nifti(path)


def _mask(folder: Path, row: TargetExamination, kind: str) -> Volume:
    return _read(folder, row.files[kind])


def _marks(document: Verification, examination: str) -> Marks:
    from vertherm.imaging.dicom_objects.marks import Marks, content_seed

    created = datetime.fromisoformat(document.provenance["created_utc"])
    seed = content_seed(document.model_dump_json(), examination)
    unverified = ("rules of the criteria of progression",)
    return Marks(document.title, created, document.synthetic, seed, unverified)


def _objects(
    folder: Path,
    rows: list[tuple[int, TargetExamination]],
    source: SourceSeries,
    marks: Marks,
    labelmap: bool,
    rtstruct: bool,
) -> Iterator[Written]:
    from vertherm.imaging.dicom_objects.report_sr import FOLLOWED, write_report
    from vertherm.imaging.dicom_objects.rtstruct import write_rtstruct
    from vertherm.imaging.dicom_objects.segmentation import write_segmentation
    from vertherm.report.dicom_followup_numbers import groups

    several = len(rows) > 1
    segments = [item for _, row in rows for item in _segments(folder, row, source, several)]
    segmentation = None
    what = "lesion, treated zone, cement, margin and what is new"
    if segments:
        segmentation = write_segmentation(source, segments, marks)
        yield Written("segments", what, segmentation)
        if labelmap:
            apart = without_overlap(segments, source)
            named = write_segmentation(source, apart, marks, what="label map", series_number=502, labelmap=True)
            yield Written("labelmap", "the same without what overlaps", named)
        if rtstruct:
            solid = [item for item in segments if not item.name.startswith("margin")]
            yield Written("contours", "the same as contours", write_rtstruct(source, solid, marks))
    places = {item.name: number for number, item in enumerate(segments, start=1)}
    numbers = [group for _, row in rows for group in groups(row, places, several)]
    report = write_report(source, numbers, marks, segmentation=segmentation, procedure=FOLLOWED)
    yield Written("measurements", "numbers", report)
    page = folder / "verify.html"
    if page.is_file():
        parts = {"", *(str(number) for number, _ in rows)}
        yield from page_objects([page.read_text("utf-8")], source, marks, wanted=parts.__contains__)


def segment_name(what: str, row: TargetExamination, several: bool) -> str:
    """Label of a segment: with the lesion's name where there are several lesions."""
    return f"{what}, {row.target}" if several else what


def _segments(folder: Path, row: TargetExamination, source: SourceSeries, several: bool) -> list[WrittenSegment]:
    from vertherm.imaging.dicom_objects import codes
    from vertherm.imaging.dicom_objects.segmentation import WrittenSegment

    def listed(what: str, kind: str, mask: Volume, *, given: bool = False, colour: Colour | None = None) -> None:
        here = Volume(mask.data > 0, source.grid, mask.source)
        if here.data.any():
            name = segment_name(what, row, several)
            found.append(WrittenSegment(name, kind, here, by_program=not given, colour=colour))

    found: list[WrittenSegment] = []
    if "lesion_followup" in row.files:
        listed("lesion as planned", codes.LESION, _mask(folder, row, "lesion_followup"))
    if row.zone is not None:
        listed("treated zone", codes.ZONE, _mask(folder, row, "zone_followup"), given=row.zone.given)
    if row.cement is not None:
        listed("cement", codes.CEMENT, _mask(folder, row, "cement_followup"), given=row.cement.given)
    if row.margin is not None and "margin_followup" in row.files:
        shell = _mask(folder, row, "margin_followup")
        words = CLASSES[0], f"0 to {row.margin.goal_mm:g} mm", f"{row.margin.goal_mm:g} mm or more"
        for number, (text, colour) in enumerate(zip(words, MARGIN_COLOURS, strict=True), start=1):
            listed(f"margin {text}", codes.MARGIN, shell.with_data(shell.data == number), colour=colour)
    if row.findings:
        numbered = _mask(folder, row, "findings_followup")
        for number, item in enumerate(row.findings, start=1):
            what = f"{number}: {item.kind} {item.place}"
            listed(what, codes.FINDING, numbered.with_data(numbered.data == number))
    return found
