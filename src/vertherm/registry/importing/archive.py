"""Zip archives: members are read in memory, after their declared sizes and names were looked at."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from vertherm.core.errors import InputError
from vertherm.registry.importing.problem import Problems
from vertherm.registry.importing.source import MOST_FILES

_ENCRYPTED = 0x1


def open_zip(path: Path, check: Callable[[int], None]) -> zipfile.ZipFile:
    """Open an archive whose declared content passes ``check`` (total uncompressed size in bytes).

    A member never yields more than it declares, so a declared size that is false cannot hurt either.

    Raises:
        InputError: no zip archive, damaged, too many members, or ``check`` refused.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(
            "The file is damaged or cut off: it is no complete zip archive.",
            where=str(path),
            got=str(error),
            expected="a zip archive (workbooks are zip archives too)",
            advice="copy or export it again",
        ) from error
    try:
        members = archive.infolist()
        if len(members) > MOST_FILES:
            raise InputError("The archive holds too many files.", where=str(path), got=len(members))
        check(sum(item.file_size for item in members))
    except InputError:
        archive.close()
        raise
    return archive


def zip_members(
    path: Path, problems: Problems, check: Callable[[int], None]
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names, without folders, and loaders of the files of an archive; bad names become problems."""
    with open_zip(path, check) as archive:
        for item in archive.infolist():
            place = PurePosixPath(item.filename)
            if item.is_dir() or not _harmless(item, path, problems):
                continue
            if place.name.startswith(".") or place.parts[0] == "__MACOSX":
                continue
            yield place.name, lambda item=item: _content(archive, item, path)  # type: ignore[misc]


def _harmless(item: zipfile.ZipInfo, path: Path, problems: Problems) -> bool:
    name, place = item.filename, PurePosixPath(item.filename)
    reason = ""
    if place.is_absolute() or ".." in place.parts or "\\" in item.orig_filename or ":" in name:
        reason = "a file in the archive has a path that leads out of it"
    elif stat.S_ISLNK(item.external_attr >> 16):
        reason = "a file in the archive is a link"
    elif item.flag_bits & _ENCRYPTED:
        reason = "a file in the archive is encrypted"
    elif len(place.parts) > 2:
        reason = "a file lies deeper than one folder"
    if reason:
        remedy = "make a new archive of the plain files"
        kind = "zip_encrypted" if "encrypted" in reason else "zip_path"
        problems.add(kind, reason, remedy, file=path.name, value=item.orig_filename)
    return not reason


def _content(archive: zipfile.ZipFile, item: zipfile.ZipInfo, path: Path) -> bytes:
    try:
        return archive.read(item)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise damaged_member(path, item.filename, error) from error
    except Exception as error:
        # zlib, lzma and bz2 raise errors of their own for damaged data.
        if type(error).__name__ in ("error", "LZMAError"):
            raise damaged_member(path, item.filename, error) from error
        raise


def damaged_member(path: Path, name: str, error: Exception) -> InputError:
    """The error for a member that cannot be unpacked."""
    return InputError(
        "A file in the archive cannot be unpacked.",
        where=f"{path} / {name}",
        got=str(error),
        advice="copy or export the archive again",
    )
