"""Open a folder, a file or a ZIP archive and list what DICOM is in it. Nothing that names a patient is listed."""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vertherm.core.errors import InputError
from vertherm.core.warnings import ImagingWarning
from vertherm.imaging.dicom.archive import is_zip, shown, unpack
from vertherm.imaging.dicom.header import SEGMENTATION, STRUCTURE_SET, Header
from vertherm.imaging.dicom.safe import LIMITS, Limits, is_dicom, read_header, too_large, unreadable

KEPT_BYTES = 2**20
"""Of one element of a header; larger ones hold nothing that describes an image."""


@dataclass(frozen=True)
class SeriesInfo:
    """One series: what it is, without anything that names the patient.

    Args:
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID.
        modality: as the files state it (CT, MR, SEG, RTSTRUCT, ...).
        sop_class: UID of the storage class.
        sop_class_name: its name.
        instances: number of files.
        frames: number of frames in all files.
        frame: FrameOfReferenceUID, "" where none is stated.
        description: SeriesDescription.
        transfer_syntaxes: UIDs.
    """

    study_uid: str
    series_uid: str
    modality: str
    sop_class: str
    sop_class_name: str
    instances: int
    frames: int
    frame: str
    description: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Source:
    """What was found in a place.

    Args:
        path: as the user gave it.
        headers: one a readable DICOM file.
        broken: files that should be DICOM and cannot be read, each with its error.
        others: number of other files.
        notes: what was left out and why.
    """

    path: Path
    headers: tuple[Header, ...]
    broken: tuple[InputError, ...]
    others: int
    notes: tuple[str, ...]

    def believed(self) -> tuple[Header, ...]:
        """All headers, where nothing is broken: a series with an unreadable slice must not pass as complete.

        Raises:
            InputError: a broken file, or no DICOM at all.
        """
        if self.broken:
            raise self.broken[0]
        if not self.headers:
            raise InputError(
                "There is no DICOM image here.",
                where=str(self.path),
                got=f"{self.others} other file(s)" if self.others else "an empty folder",
                expected="a folder or ZIP archive with the slices of a series",
                advice="check the folder, or give a NIfTI file",
            )
        return self.headers

    @property
    def series(self) -> tuple[SeriesInfo, ...]:
        """One row a series and storage class, ordered by modality and UID."""
        groups: dict[tuple[str, str, str], list[Header]] = defaultdict(list)
        for header in self.headers:
            groups[header.text("Modality"), header.series_uid, header.sop_class].append(header)
        return tuple(_info(group) for _, group in sorted(groups.items()))

    def of_class(self, *uids: str) -> tuple[Header, ...]:
        """Headers of these storage classes."""
        return tuple(h for h in self.headers if h.sop_class in uids)

    @property
    def segmentations(self) -> tuple[Header, ...]:
        """SEG files."""
        return self.of_class(*SEGMENTATION)

    @property
    def structure_sets(self) -> tuple[Header, ...]:
        """RTSTRUCT files."""
        return self.of_class(STRUCTURE_SET)


@contextmanager
def open_source(path: Path | str, *, limits: Limits = LIMITS, siblings: bool = False) -> Iterator[Source]:
    """Open a folder (with its subfolders), a ZIP archive or one file, for as long as the ``with`` block lasts.

    Links that lead out of the folder, pipes, devices and hidden files are not opened. The archive is unpacked into a
    private temporary folder that goes at the end of the block.

    Args:
        path: folder, archive or file.
        limits: what it may cost.
        siblings: a single file stands for its series: files of the same series beside it are read too.

    Raises:
        InputError: nothing there, or more than the limits allow.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(
            "There is nothing here.", where=shown(str(path)), expected="a folder, a ZIP archive or a DICOM file"
        )
    if is_zip(path):
        with tempfile.TemporaryDirectory(prefix="vertherm-") as folder:
            files, notes = unpack(path, Path(folder), limits)
            if notes:
                warnings.warn(f"{path}: {'; '.join(notes)}", ImagingWarning, stacklevel=3)
            others = sum(int(n.split()[0]) for n in notes if n.endswith("not DICOM"))
            yield _scanned(path, files, limits, notes, others=others)
        return
    if path.is_dir():
        files, notes = _files(path, limits)
        yield _scanned(path, files, limits, notes)
        return
    if not siblings:
        yield _scanned(path, [(path, "")], limits, [], wanted=path)
        return
    beside = sorted(p for p in path.parent.iterdir() if p.is_file())
    yield _of_its_series(_scanned(path, [(p, "") for p in beside], limits, [], wanted=path), path)


def _files(folder: Path, limits: Limits) -> tuple[list[tuple[Path, str]], list[str]]:
    """Regular files below a folder, links that stay inside it included, sorted by path."""
    root = folder.resolve()
    found: list[Path] = []
    outside = special = 0
    for place, _, names in os.walk(folder, followlinks=False):
        for name in names:
            file = Path(place, name)
            if file.is_symlink():
                inside = file.is_file() and file.resolve().is_relative_to(root)
                outside += not inside
                found += [file] if inside else []
            elif stat.S_ISREG(file.lstat().st_mode):
                found.append(file)
            else:
                special += 1
        if len(found) > limits.files:
            raise too_large(str(folder), "The number of files", f"more than {limits.files}", limits.files)
    notes = [f"{outside} link(s) that lead out of the folder or nowhere: not followed"] if outside else []
    notes += [f"{special} pipe(s), socket(s) or device(s): not opened"] if special else []
    return [(file, "") for file in sorted(found)], notes


def _scanned(
    path: Path,
    files: Sequence[tuple[Path, str]],
    limits: Limits,
    notes: list[str],
    *,
    wanted: Path | None = None,
    others: int = 0,
) -> Source:
    headers: list[Header] = []
    broken: list[InputError] = []
    archives = 0
    for file, where in files:
        where = where or shown(str(file))
        if file.name.startswith(".") or file.name.upper() == "DICOMDIR":
            continue
        try:
            header = _header(file, where, limits, file == wanted)
        except InputError as error:
            broken.append(error)
            continue
        if header is None:
            others += 1
            archives += is_zip(file)
        else:
            headers.append(header)
    if archives:
        notes = [*notes, f"{archives} ZIP archive(s) within the folder: not opened"]
    return Source(path, tuple(headers), tuple(broken), others, tuple(notes))


def _light(dataset: Any) -> Any:
    """Without private blobs and the like: nobody reads them here, and a folder of them would fill the memory."""
    for tag in list(dataset.keys()):
        value = dataset.get_item(tag).value
        if isinstance(value, bytes) and len(value) > KEPT_BYTES:
            del dataset[tag]
    return dataset


def _header(file: Path, where: str, limits: Limits, wanted: bool) -> Header | None:
    if not is_dicom(file):
        # Other files may lie beside a series, but one named like a slice must be one: an end slice that is cut to
        # nothing would otherwise vanish without a trace.
        if wanted or file.suffix.lower() in (".dcm", ".ima"):
            raise unreadable(where, ValueError("it does not begin as DICOM"))
        return None
    header = Header(file, _light(read_header(file, limits, where=where)), where)
    if not header.sop_class:
        raise unreadable(where, EOFError("the file ends within its header"))
    return header


def _of_its_series(found: Source, path: Path) -> Source:
    own = next((h for h in found.headers if h.path == path), None)
    uid = own.series_uid if own else None
    headers = tuple(h for h in found.headers if h.series_uid == uid)
    return Source(path, headers, found.broken, found.others, found.notes)


def _info(group: list[Header]) -> SeriesInfo:
    first = group[0]
    return SeriesInfo(
        study_uid=first.uid("StudyInstanceUID"),
        series_uid=first.series_uid,
        modality=first.text("Modality") or "unknown",
        sop_class=first.sop_class,
        sop_class_name=first.class_name,
        instances=len(group),
        frames=sum(int(h.number("NumberOfFrames") or 1) for h in group),
        frame=_frame(first),
        description=shown(first.text("SeriesDescription") or first.text("StructureSetLabel")),
        transfer_syntaxes=tuple(sorted({h.syntax for h in group})),
    )


def _frame(header: Header) -> str:
    """Frame of reference; a structure set states it in its own sequence."""
    own = header.uid("FrameOfReferenceUID")
    if own:
        return own
    frames = {item.uid("FrameOfReferenceUID") for item in header.items("ReferencedFrameOfReferenceSequence")}
    frames |= {item.uid("ReferencedFrameOfReferenceUID") for item in header.items("StructureSetROISequence")}
    return frames.pop() if len(frames) == 1 else ""
