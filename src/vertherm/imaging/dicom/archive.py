"""Unpack a ZIP archive of unknown origin: members get numbers for names, and every size is bounded as it is written."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path, PureWindowsPath

from vertherm.core.errors import InputError
from vertherm.imaging.dicom.safe import MIB, Limits, begins_as_dicom, too_large

_END, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x07"
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_OTHER_ARCHIVES = (b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh", b"\xfd7zXZ\x00")
_DIRECTORY_BYTES_A_MEMBER = 512
_CHUNK = MIB


def is_zip(path: Path) -> bool:
    """True for a regular file that begins as a ZIP archive."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as stream:
            return stream.read(4) in _MAGIC
    except OSError:
        return False


def unpack(archive: Path, folder: Path, limits: Limits) -> tuple[list[tuple[Path, str]], list[str]]:
    """Write the DICOM members of an archive into ``folder`` as ``000001.dcm`` and so on.

    A member's name is never used as a path, so neither absolute names nor ".." lead anywhere; links, encrypted members
    and archives within the archive are left out.

    Args:
        archive: ZIP file.
        folder: private, empty.
        limits: number, sizes and ratio of the members.

    Returns:
        The files with their names for messages, and notes on what was left out.

    Raises:
        InputError: no readable archive, or one that unpacks to more than the limits allow.
    """
    where = str(archive)
    try:
        packed = archive.stat().st_size
        _bounded_directory(archive, packed, limits, where)
        with zipfile.ZipFile(archive) as opened:
            members = [info for info in opened.infolist() if not info.is_dir()]
            if len(members) > limits.members:
                raise too_large(where, "The number of members", len(members), limits.members)
            return _Unpacking(opened, packed, folder, limits, where).all(members)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, RuntimeError, ValueError) as error:
        raise InputError(
            "An archive cannot be unpacked.",
            where=where,
            got=f"{type(error).__name__}: {error}"[:200],
            expected="a complete ZIP archive",
            advice="download or pack it again, or unpack it yourself and give the folder",
        ) from error


def _bounded_directory(archive: Path, packed: int, limits: Limits, where: str) -> None:
    """Refuse a huge list of members before it is read into memory."""
    with archive.open("rb") as stream:
        start = max(packed - 65557 - 76, 0)
        stream.seek(start)
        tail = stream.read()
    at = tail.rfind(_END)
    if at < 0:
        return  # zipfile says that this is no archive
    (size,) = struct.unpack_from("<I", tail, at + 12)
    if tail[max(at - 20, 0) : at].startswith(_LOCATOR64):
        # zipfile believes this record whatever the other one says.
        size = max(size, struct.unpack_from("<Q", tail, at - 76 + 40)[0] if at >= 76 else packed)
    elif size == 0xFFFFFFFF:
        size = packed
    allowed = limits.members * _DIRECTORY_BYTES_A_MEMBER
    if min(size, packed) > allowed:
        raise too_large(where, "The list of members", f"{size} bytes", f"{allowed} bytes")


class _Unpacking:
    """The state of unpacking one archive: what was written, what was left out."""

    def __init__(self, opened: zipfile.ZipFile, packed: int, folder: Path, limits: Limits, where: str) -> None:
        self._opened, self._packed, self._folder = opened, packed, folder
        self._limits, self._where = limits, where
        self._written = 0
        self._left_out: dict[str, int] = {}

    def all(self, members: list[zipfile.ZipInfo]) -> tuple[list[tuple[Path, str]], list[str]]:
        files = []
        for number, info in enumerate(members, start=1):
            reason = _refusal(info)
            path = self._folder / f"{number:06d}.dcm"
            reason = reason or self._write(info, path)
            if reason:
                self._left_out[reason] = self._left_out.get(reason, 0) + 1
            else:
                files.append((path, f"{self._where}: {shown(info.filename)}"))
        notes = [f"{count} member(s) left out: {reason}" for reason, count in sorted(self._left_out.items())]
        odd = sum(_leads_elsewhere(info.filename) for info in members)
        if odd:
            notes.append(f"{odd} member(s) have names that lead out of the archive; names are not used")
        return files, notes

    def _write(self, info: zipfile.ZipInfo, path: Path) -> str:
        """Write one member; returns why it was not written, or ""."""
        with self._opened.open(info) as source:
            head = source.read(132)
            named_dicom = info.filename.lower().endswith((".dcm", ".ima"))
            if head[:4] in _MAGIC or head.startswith(_OTHER_ARCHIVES):
                return "archives within the archive"
            hidden = info.filename.replace("\\", "/").rsplit("/", 1)[-1].startswith((".", "DICOMDIR"))
            if hidden or not (begins_as_dicom(head) or named_dicom):
                return "not DICOM"
            with path.open("xb") as target:
                member = 0
                while head:
                    member += len(head)
                    self._written += len(head)
                    self._check(member)
                    target.write(head)
                    head = source.read(_CHUNK)
        return ""

    def _check(self, member: int) -> None:
        limits = self._limits
        if member > limits.member_bytes:
            raise too_large(self._where, "A member", f"more than {member} bytes", f"{limits.member_bytes} bytes")
        if self._written > limits.total_bytes:
            got = f"more than {self._written} bytes"
            raise too_large(self._where, "The unpacked archive", got, f"{limits.total_bytes} bytes")
        if self._written > max(limits.ratio_free_bytes, limits.ratio * self._packed):
            got = f"{self._written / max(self._packed, 1):.0f} times its packed size"
            raise too_large(self._where, "The unpacked archive", got, f"{limits.ratio:g} times")


def _refusal(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & 0x1:
        return "encrypted"
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "links or devices"
    # Other methods need gigabytes of memory for a dictionary that the member itself states.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "packed by another method than deflate"
    return ""


def _leads_elsewhere(name: str) -> bool:
    path = PureWindowsPath(name)
    return ".." in path.parts or bool(path.drive) or name.startswith(("/", "\\"))


def shown(name: str) -> str:
    """A member's or a file's name made safe for a message: one line, printable, not endless."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return text if len(text) <= 120 else f"{text[:60]}...{text[-57:]}"
