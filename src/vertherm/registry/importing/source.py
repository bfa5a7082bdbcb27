"""The file or folder that is imported: is it there, is it what it says, is it not too large."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vertherm.core.errors import InputError
from vertherm.registry.importing.raw import FORMATS
from vertherm.registry.redcap.names import RECORD_ID

MEGABYTE = 1_000_000
MOST_FILES = 1000
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"


def open_source(path: Path, max_mb: float) -> Path:
    """The path, once it is known to be a file or folder of at most ``max_mb`` megabytes; nothing is read.

    Raises:
        InputError: not there, a loop of links, neither file nor folder, empty, or too large.
    """
    status = _status(path)
    if stat.S_ISDIR(status.st_mode):
        size = sum(_status(item).st_size for item in folder_files(path))
    elif stat.S_ISREG(status.st_mode):
        size = status.st_size
        if size == 0:
            raise InputError("The file is empty.", where=str(path), advice="export it again")
    else:
        raise InputError("This is neither a file nor a folder.", where=str(path), advice="give a file or a folder")
    check_size(size, max_mb, str(path))
    return path


def check_size(size: int, max_mb: float, where: str) -> None:
    """Refuse what is larger than ``max_mb`` megabytes.

    Raises:
        InputError: too large.
    """
    if size > max_mb * MEGABYTE:
        raise InputError(
            "The input is too large to be read.",
            where=where,
            got=f"{size / MEGABYTE:,.0f} MB",
            expected=f"at most {max_mb:g} MB",
            advice="check that this is the right file; if it is, raise the limit (max_mb) or import in parts",
        )


def folder_files(folder: Path) -> list[Path]:
    """Regular files of a folder, hidden ones left out, in order of their names.

    Raises:
        InputError: too many files, or a link that leads nowhere.
    """
    found: list[Path] = []
    for item in sorted(folder.iterdir()):
        if item.name.startswith("."):
            continue
        if stat.S_ISREG(_status(item).st_mode):
            found.append(item)
        if len(found) > MOST_FILES:
            raise InputError("The folder holds too many files.", where=str(folder), advice="give a folder of tables")
    return found


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError as error:
        what = "This link leads nowhere." if path.is_symlink() else "There is no such file or folder."
        raise InputError(what, where=str(path), advice="check the path") from error
    except (OSError, RuntimeError, ValueError) as error:
        # A loop of links, a part of the path that is no folder, a NUL in the name, no permission.
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            "The path cannot be followed.", where=repr(str(path)), got=reason, advice="check it"
        ) from error


def read_bytes(path: Path) -> bytes:
    """Content of a file.

    Raises:
        InputError: the operating system refused.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("The file cannot be read.", where=str(path), got=error.strerror or error) from error


def detect_format(path: Path) -> str:
    """Format of a file or folder by its content, and by its name where that does not tell.

    Raises:
        InputError: none of the formats.
    """
    if path.is_dir():
        names = {item.name for item in folder_files(path)}
        return "redcap" if "records.csv" in names and "dictionary.csv" in names else "csv"
    suffix = path.suffix.lower()
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head.startswith(_ZIP):
        return "xlsx" if suffix in (".xlsx", ".xlsm") else "zip"
    if head.startswith(_OLE):
        return "xlsx"
    if suffix == ".json" or head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return "json"
    if suffix in (".xlsx", ".xlsm", ".zip"):
        return "xlsx" if suffix != ".zip" else "zip"
    if suffix in (".csv", ".txt", ".tsv"):
        first = head.lstrip(b"\xef\xbb\xbf").lstrip(b'"')
        return "redcap" if first.startswith(RECORD_ID.encode()) else "csv"
    raise InputError(
        "The format of this file is not known.",
        where=str(path),
        got=path.suffix or "no suffix",
        expected="one of " + ", ".join(FORMATS),
        advice="name the format",
    )
