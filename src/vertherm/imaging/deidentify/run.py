"""A folder of DICOM objects de-identified: all that can be, as one consistent set, or nothing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vertherm.core.errors import InputError, VerthermError
from vertherm.core.files import atomic_folder
from vertherm.core.progress import Progress, silent
from vertherm.imaging.deidentify.cleaner import Cleaner
from vertherm.imaging.deidentify.elements import Refused
from vertherm.imaging.deidentify.identifiers import Identifiers
from vertherm.imaging.deidentify.marks import file_meta, mark, set_characters
from vertherm.imaging.deidentify.profile import Profile
from vertherm.imaging.deidentify.pseudonyms import Pseudonyms
from vertherm.imaging.deidentify.refusals import check_kind, iod_of, shows_head
from vertherm.imaging.deidentify.report import write_report
from vertherm.imaging.deidentify.sweep import sweep
from vertherm.imaging.dicom.safe import is_dicom, read_dataset, read_header, reading

_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True)
class Refusal:
    """A file that was not written.

    Args:
        path: the file; never part of the report, because names of files tell names of patients.
        number: place of the file in the sorted input, from 1.
        reason: why, without anything of the file's content.
        tag: the attribute to blame, "" for the file as a whole.
        accept: the word that would accept it, "" where nothing would.
    """

    path: Path
    number: int
    reason: str
    tag: str = ""
    accept: str = ""


@dataclass
class Outcome:
    """What became of an input."""

    written: dict[Path, Path] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    patients: set[str] = field(default_factory=set)
    studies: set[str] = field(default_factory=set)
    series: set[str] = field(default_factory=set)
    actions: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    heads: int = 0
    others: int = 0


def deidentify(
    source: Path,
    output: Path,
    key: bytes,
    profile: Profile | None = None,
    *,
    patients: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Outcome:
    """De-identify a file or all files below a folder.

    The output holds ``<pseudonym>/<study>/<series>/<instance>.dcm``, named by new UIDs, and ``deidentified.json``.
    References between the objects of one input, and of any other input with the same key, still match.

    Args:
        source: file or folder; it is not changed.
        output: new or empty folder, neither in the source nor around it.
        key: the same key gives the same pseudonyms, UIDs and shifts.
        profile: what is asked for; the basic profile with shifted dates and cleaned descriptors if left out.
        patients: patient's key in the registry by PatientID, so that records and images carry one pseudonym.
        progress: receives progress.

    Returns:
        What was written, and what was refused and why.

    Raises:
        InputError: nothing to write, an output that is not free, or an unsuitable key.
    """
    profile = profile or Profile()
    names = Pseudonyms(key, patients)
    check_folders(source, output)
    files, others = dicom_files(source)
    run = _Run(profile, names, progress, Outcome(others=others))
    run.collect(files)
    with atomic_folder(output) as folder:
        run.write(files, folder)
        if not run.outcome.written:
            raise _nothing(run.outcome)
        write_report(folder / "deidentified.json", run.outcome, profile)
    run.outcome.written = {given: output / made.relative_to(folder) for given, made in run.outcome.written.items()}
    progress("de-identify", 1.0)
    return run.outcome


def check_folders(source: Path, output: Path) -> None:
    """Refuse an output that would mix with something else.

    Raises:
        InputError: the source is missing, or the output lies in it, around it, or is not empty.
    """
    if not source.exists():
        raise InputError("There is no such source.", where=str(source), expected="a DICOM file, or a folder with some")
    given, made = source.resolve(), output.resolve()
    root = given if given.is_dir() else given.parent
    if made == root or root in made.parents or made in root.parents:
        raise InputError(
            "The output would mix with the source.",
            where=str(output),
            expected="a folder outside the source",
            advice="choose another -o",
        )
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(
            "The output is not empty.", where=str(output), expected="a new or empty folder", advice="choose another -o"
        )


def dicom_files(source: Path) -> tuple[list[Path], int]:
    """The DICOM files below a folder, sorted, and the number of other files. Links to elsewhere are not followed."""
    if source.is_file():
        return [source], 0
    below = [Path(folder) / name for folder, _, names in os.walk(source) for name in names]
    files = sorted(path for path in below if not path.is_symlink() and is_dicom(path))
    return files, len(below) - len(files)


def _nothing(outcome: Outcome) -> InputError:
    first = outcome.refused[0] if outcome.refused else None
    if first is None:
        return InputError("There is no DICOM file to de-identify.", expected="DICOM files")
    return InputError(
        "Every object was refused; nothing was written.",
        where=str(first.path),
        got=f"{first.reason} {first.tag}".strip(),
        advice=f"--accept {first.accept} writes such objects, and says so in them" if first.accept else "",
    )


@dataclass
class _Run:
    profile: Profile
    names: Pseudonyms
    progress: Progress
    outcome: Outcome
    identifiers: Identifiers = field(init=False)

    def __post_init__(self) -> None:
        self.identifiers = Identifiers(self.profile)

    def collect(self, files: list[Path]) -> None:
        """First pass: what identifies anybody in the whole input."""
        for number, path in enumerate(files):
            self.progress("collect", number / max(len(files), 1))
            try:
                header = read_header(path)
                with reading(str(path)):
                    self.identifiers.collect(header)
                    self.identifiers.collect(getattr(header, "file_meta", {}) or {})
            except VerthermError:
                continue  # the second pass reports it
        self.progress("collect", 1.0)

    def write(self, files: list[Path], folder: Path) -> None:
        """Second pass: clean, write, look again."""
        for number, path in enumerate(files, 1):
            self.progress("de-identify", (number - 1) / max(len(files), 1))
            try:
                with reading(str(path)):
                    self._one(path, folder)
            except Refused as error:
                self.outcome.refused.append(Refusal(path, number, error.reason, error.tag, error.accept))
            except InputError as error:
                # Its other parts may quote the file.
                self.outcome.refused.append(Refusal(path, number, error.what))

    def _one(self, path: Path, folder: Path) -> None:
        dataset = read_dataset(path)
        if str(dataset.get("SOPClassUID", "")) == "" and _is_directory(dataset):
            raise Refused("A DICOMDIR lists files by name; the output needs none.", "MediaStorageSOPClassUID")
        iod = iod_of(dataset)
        accepted = check_kind(dataset, iod, self.profile)
        self.identifiers.collect(dataset)
        pseudonym, back = self.names.patient(patient_of(dataset))
        cleaner = Cleaner(self.profile, self.names, self.identifiers, pseudonym, back)
        cleaned, made = cleaner.clean(dataset, iod)
        _need_uids(cleaned)
        if self._document(dataset, cleaned, accepted):
            made.counts["document accepted"] += 1
        before = str(dataset.get("LongitudinalTemporalInformationModified") or "")
        made.values.update(mark(cleaned, self.profile, pseudonym, accepted, before=before))
        set_characters(cleaned)
        target = folder / pseudonym / cleaned.StudyInstanceUID / cleaned.SeriesInstanceUID
        self._save(cleaned, dataset, target / f"{cleaned.SOPInstanceUID}.dcm", made.values, accepted)
        self._count(path, target / f"{cleaned.SOPInstanceUID}.dcm", cleaned, made.counts, pseudonym)
        self.outcome.accepted.update(accepted)
        self.outcome.heads += shows_head(dataset)

    def _document(self, dataset: Any, cleaned: Any, accepted: set[str]) -> bool:
        if "documents" in accepted and "EncapsulatedDocument" in dataset:
            cleaned.EncapsulatedDocument = dataset.EncapsulatedDocument
            return True
        return False

    def _save(self, cleaned: Any, dataset: Any, target: Path, made: set[str], accepted: set[str]) -> None:
        import pydicom

        partial = target.with_name("partial")
        target.parent.mkdir(parents=True, exist_ok=True)
        cleaned.file_meta = file_meta(cleaned, syntax_of(dataset))
        cleaned.preamble = b"\0" * 128
        try:
            pydicom.dcmwrite(partial, cleaned, enforce_file_format=True)
            sweep(partial, self.identifiers, made, document_accepted="documents" in accepted)
            if target.exists():
                if target.read_bytes() != partial.read_bytes():
                    raise Refused("Another object of this input has the same SOPInstanceUID.", "SOPInstanceUID")
                self.outcome.duplicates += 1
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
            for place in (target.parent, target.parent.parent, target.parent.parent.parent):
                if not any(place.iterdir()):
                    place.rmdir()

    def _count(self, path: Path, target: Path, cleaned: Any, counts: Counter[str], pseudonym: str) -> None:
        self.outcome.written[path] = target
        self.outcome.actions.update(counts)
        self.outcome.patients.add(pseudonym)
        self.outcome.studies.add(str(cleaned.StudyInstanceUID))
        self.outcome.series.add(str(cleaned.SeriesInstanceUID))


def patient_of(dataset: Any) -> str:
    """What tells one patient from another: PatientID, or else the name, or else the study."""
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        text = str(dataset.get(keyword) or "").strip()
        if text:
            return text
    return ""


def syntax_of(dataset: Any) -> str:
    """Transfer syntax of an object; for files without file meta information the one it was read by."""
    found = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if found:
        return str(found)
    implicit, little = dataset.original_encoding
    return "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"


def _is_directory(dataset: Any) -> bool:
    return str(getattr(getattr(dataset, "file_meta", None), "MediaStorageSOPClassUID", "")) == _DIRECTORY


def _need_uids(cleaned: Any) -> None:
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not cleaned.get(keyword):
            raise Refused("An object without its UIDs cannot be placed.", keyword)
