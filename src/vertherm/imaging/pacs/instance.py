"""Files to be sent: which instance each one is."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vertherm.core.errors import InputError
from vertherm.imaging.dicom.safe import is_dicom, read_header, reading
from vertherm.imaging.pacs.uids import is_uid, text_of


@dataclass(frozen=True)
class Instance:
    """One DICOM file: its UIDs, transfer syntax and size in bytes."""

    path: Path
    sop_uid: str
    sop_class: str
    study_uid: str
    series_uid: str
    syntax: str
    size: int


def files_of(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The given files, and the DICOM files in the given folders at any depth, sorted, each once.

    Raises:
        InputError: a path does not exist, or there is no DICOM file at all.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise InputError("There is nothing here to send.", where=str(path), expected="a DICOM file or a folder")
        if not path.is_dir():
            found[path] = None
            continue
        # Links are not followed: they may lead out of the folder, or in circles.
        inside = (item for item in sorted(path.rglob("*")) if stat.S_ISREG(item.lstat().st_mode))
        found.update((item, None) for item in inside if is_dicom(item))
    if not found:
        raise InputError("There is no DICOM file here.", where=", ".join(map(str, paths)))
    return tuple(found)


def read_instance(path: Path) -> Instance:
    """Which instance a file is.

    Raises:
        InputError: no DICOM file with its preamble and header (PS3.10), or UIDs that are missing, wrong or contradict.
    """
    from pydicom.filereader import read_file_meta_info

    with path.open("rb") as stream:
        if stream.read(132)[128:] != b"DICM":
            raise InputError(
                "The file has no DICOM header.", where=str(path), expected="128 bytes of preamble, then DICM",
                advice="save it again as a DICOM file; an archive would keep it in a form that nobody can read",
            )  # fmt: skip
    header = read_header(path)
    with reading(str(path)):
        # The header of a deflated file no longer states its syntax: it was inflated to be read.
        meta = read_file_meta_info(path)
    instance = Instance(
        path, text_of(header, "SOPInstanceUID"), text_of(header, "SOPClassUID"), text_of(header, "StudyInstanceUID"),
        text_of(header, "SeriesInstanceUID"), text_of(meta, "TransferSyntaxUID"), path.stat().st_size,
    )  # fmt: skip
    uids = {
        "SOPInstanceUID": instance.sop_uid,
        "SOPClassUID": instance.sop_class,
        "StudyInstanceUID": instance.study_uid,
        "SeriesInstanceUID": instance.series_uid,
        "TransferSyntaxUID": instance.syntax,
    }
    if wrong := [name for name, uid in uids.items() if not is_uid(uid)]:
        raise InputError("UIDs are missing or wrong.", where=str(path), got=", ".join(wrong), expected="valid UIDs")
    stated = text_of(meta, "MediaStorageSOPInstanceUID")
    if stated != instance.sop_uid:
        raise InputError(
            "The file's header and its data set name different instances.",
            where=str(path), got=stated or "none", expected=instance.sop_uid, advice="save it again as a DICOM file",
        )  # fmt: skip
    return instance
