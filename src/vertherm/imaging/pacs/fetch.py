"""Bring a series from an archive: complete, within limits, or not at all."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from vertherm.core.errors import InputError
from vertherm.core.files import atomic_folder
from vertherm.core.progress import Progress, silent
from vertherm.imaging.pacs.archive import Archive, limits_of
from vertherm.imaging.pacs.connect import retry_of
from vertherm.imaging.pacs.errors import ArchiveError
from vertherm.imaging.pacs.retry import Retry


@dataclass(frozen=True)
class Fetched:
    """A series that was brought: its files, named ``<SOPInstanceUID>.dcm``."""

    study_uid: str
    series_uid: str
    files: tuple[Path, ...]


def fetch(
    archive: Archive,
    study_uid: str,
    series_uid: str,
    folder: Path,
    *,
    retry: Retry | None = None,
    progress: Progress = silent,
) -> Fetched:
    """Bring a series into a new or empty folder; a failure leaves nothing there.

    Args:
        archive: where from.
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID.
        folder: where to; must not hold anything yet, because two series in one folder are no series.
        retry: repeats; left out: as the archive's settings say.
        progress: told before and after.

    Raises:
        InputError: the folder holds something, or a UID is none.
        ArchiveError: the series is not there, comes incomplete or wrong, or is larger than the settings allow.
    """
    _need_empty(folder)
    retry = retry or retry_of(archive.settings)
    progress("retrieve", 0.0)
    listed = _listed(archive, study_uid, series_uid, retry)
    with atomic_folder(folder) as temporary:

        def attempt() -> tuple[Path, ...]:
            shutil.rmtree(temporary)
            temporary.mkdir()
            return archive.retrieve(study_uid, series_uid, temporary, limits_of(archive.settings))

        files = retry(attempt)
        _need_complete(archive, files, listed)
    progress("retrieve", 1.0)
    return Fetched(study_uid, series_uid, tuple(sorted(folder / path.name for path in files)))


def _need_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("The output folder is not empty.", where=str(folder), advice="choose a new folder")


def _listed(archive: Archive, study_uid: str, series_uid: str, retry: Retry) -> set[str]:
    found = {row.sop_uid for row in retry(lambda: archive.find_instances(study_uid, series_uid))}
    if not found:
        raise ArchiveError(
            "The archive does not hold this series.", where=archive.settings.name, got=series_uid,
            advice="`vertherm dicom find` lists what it holds",
        )  # fmt: skip
    return found


def _need_complete(archive: Archive, files: tuple[Path, ...], listed: set[str]) -> None:
    if {path.stem for path in files} != listed:
        raise ArchiveError(
            "The series came incomplete.",
            where=archive.settings.name,
            got=f"{len(files)} instances",
            expected=f"the {len(listed)} that the archive lists",
            advice="try again; it may be still arriving",
        )
