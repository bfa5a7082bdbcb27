"""The one reader for DICOM files of unknown origin: sizes and depth are bounded before anything is believed.

pydicom trusts a file: it asks for as many bytes as an element states, inflates a deflated file whole, and follows
nested sequences as deep as they go. Every file that comes from outside therefore passes here first.
"""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vertherm.core.errors import InputError, VerthermError

MIB, GIB = 2**20, 2**30
DEFLATED = "1.2.840.10008.1.2.1.99"
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_SHORT = b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split()
_UNDEFINED = 0xFFFFFFFF
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)


@dataclass(frozen=True)
class Limits:
    """How much a source of unknown origin may cost. The defaults are ours: ten times what a large study needs.

    Args:
        files: files in a folder.
        members: members of an archive.
        member_bytes: one member, unpacked.
        total_bytes: all members, unpacked.
        ratio: unpacked to packed size of an archive, asked once ``ratio_free_bytes`` are unpacked.
        ratio_free_bytes: unpacked bytes for which no ratio is asked (sparse masks compress a thousandfold).
        file_bytes: one DICOM file.
        inflated_bytes: one deflated DICOM file, inflated.
        pixel_bytes: decoded pixels of one DICOM file.
        side: rows or columns of an image.
        pixel_ratio: decoded to encoded size of compressed pixels, asked once ``ratio_free_bytes`` are decoded.
        depth: sequences within sequences.
        reads: pieces that a parser may ask of one file; every element costs one or two.
        sequence_bytes: all sequences of one file.
        codec_s: seconds that a codec may take for one frame.
    """

    files: int = 100_000
    members: int = 50_000
    member_bytes: int = 4 * GIB
    total_bytes: int = 16 * GIB
    ratio: float = 100.0
    ratio_free_bytes: int = 256 * MIB
    file_bytes: int = 4 * GIB
    inflated_bytes: int = 512 * MIB
    pixel_bytes: int = 4 * GIB
    side: int = 8192
    pixel_ratio: float = 1000.0
    depth: int = 32
    reads: int = 4_000_000
    sequence_bytes: int = 128 * MIB
    codec_s: float = 60.0


LIMITS = Limits()


def is_dicom(path: Path) -> bool:
    """True for a regular file that begins as DICOM, with or without the preamble of PS3.10."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as stream:
            return begins_as_dicom(stream.read(132))
    except OSError:
        return False


def begins_as_dicom(head: bytes) -> bool:
    """True where the first 132 bytes of a file are those of DICOM; old files have no preamble and begin in group 8."""
    return head[128:132] == b"DICM" or _without_preamble(head)


def _without_preamble(head: bytes) -> bool:
    if head[128:132] == b"DICM" or len(head) < 16:
        return False
    group, element, length = struct.unpack("<HHI", head[:8])
    if group not in (0x0002, 0x0008) or element > 0x0018 or (element == 0 and b"\4\0" not in (head[4:6], head[6:8])):
        return False
    return head[4:6] in _SHORT or head[4:6] in _LONG or length <= 256


def read_header(path: Path, limits: Limits = LIMITS, *, where: str = "") -> Any:
    """A file's elements before its pixels, as a pydicom ``FileDataset``.

    Args:
        path: the file.
        limits: what it may cost.
        where: name for messages, the path if left out.

    Raises:
        InputError: no DICOM, broken, nested too deep, or larger than ``limits`` allow.
    """
    return _load(Path(path), limits, where or str(path), stop=True)


def read_dataset(path: Path, limits: Limits = LIMITS, *, where: str = "") -> Any:
    """A whole file as a pydicom ``FileDataset``; pixels stay encoded (see :mod:`pixels`).

    Raises:
        InputError: as :func:`read_header`.
    """
    return _load(Path(path), limits, where or str(path), stop=False)


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn whatever a parser raises on a broken file into one :class:`InputError` that names it.

    pydicom's remarks on elements that break formal rules of the standard are left out: real scanners write many.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    except VerthermError:
        raise
    except Exception as error:  # pydicom, highdicom and the codecs raise many kinds, RecursionError among them
        raise unreadable(where, error) from error


def unreadable(where: str, error: Exception) -> InputError:
    """The error of a DICOM file that cannot be read."""
    text = str(error).splitlines()[0][:200] if str(error) else ""
    return InputError(
        "A DICOM file cannot be read.",
        where=where,
        got=f"{type(error).__name__}: {text}",
        expected="a complete DICOM file",
        advice="copy or export the series again",
    )


def too_large(where: str, what: str, got: object, limit: object) -> InputError:
    """The error of something that would cost more than the limits allow."""
    return InputError(
        f"{what} is larger than is believed of a medical image.",
        where=where,
        got=got,
        expected=f"at most {limit}",
        advice="check where the file comes from",
    )


def _load(path: Path, limits: Limits, where: str, *, stop: bool) -> Any:
    import pydicom

    with reading(where):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError("This is no regular file.", where=where, expected="a DICOM file")
        if status.st_size > limits.file_bytes:
            raise too_large(where, "A DICOM file", f"{status.st_size} bytes", f"{limits.file_bytes} bytes")
        with path.open("rb") as stream:
            head = stream.read(MIB)
            offset, syntax = _meta(head)
            stream.seek(0)
            if syntax == DEFLATED:
                dataset: Any = _inflated(stream, offset, limits, where, stop)
            else:
                bounded: Any = _Bounded(stream, status.st_size, limits.reads)
                dataset = pydicom.dcmread(bounded, stop_before_pixels=stop, force=_without_preamble(head))
        if not dataset:
            raise EOFError("the file ends within its header")
        _bounded_depth(dataset, limits, where)
    return dataset


class _Bounded:
    """A stream that gives no more bytes than the file has left, and not endlessly many small pieces.

    A stated length may be a lie; zeros read as one empty element every eight bytes.
    """

    def __init__(self, stream: BinaryIO, size: int, reads: int) -> None:
        self._stream, self._size, self._reads = stream, size, reads

    def read(self, count: int = -1) -> bytes:
        self._reads -= 1
        if self._reads < 0:
            raise ValueError("more elements than are believed of a medical image")
        left = max(self._size - self._stream.tell(), 0)
        return self._stream.read(left if count is None or count < 0 else min(count, left))

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _meta(head: bytes) -> tuple[int, str]:
    """End of the file meta information (group 2, explicit VR little endian) and its transfer syntax."""
    at, syntax = 132, ""
    if head[128:132] != b"DICM":
        return 0, ""
    while at + 12 <= len(head) and head[at : at + 2] == b"\x02\x00":
        (element,) = struct.unpack_from("<H", head, at + 2)
        if head[at + 4 : at + 6] in _LONG:
            (length,) = struct.unpack_from("<I", head, at + 8)
            value = at + 12
        else:
            (length,) = struct.unpack_from("<H", head, at + 6)
            value = at + 8
        if element == 0x0010:
            syntax = head[value : value + length].rstrip(b"\0 ").decode("ascii", "replace")
        at = value + length
    return at, syntax


def _inflated(stream: BinaryIO, offset: int, limits: Limits, where: str, stop: bool) -> Any:
    """A deflated file (PS3.5 A.5), inflated with a limit before a parser sees it."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.filereader import read_dataset as parse
    from pydicom.uid import ExplicitVRLittleEndian

    prefix, packed = stream.read(offset), stream.read()
    _inflates_to(packed, limits.inflated_bytes, where)
    plain = zlib.decompress(packed, -zlib.MAX_WBITS)
    bounded: Any = _Bounded(io.BytesIO(plain), len(plain), limits.reads)
    body: Any = parse(bounded, False, True, stop_when=_at_pixels if stop else None)
    meta = FileMetaDataset(parse(io.BytesIO(prefix[132:]), False, True))
    # What is in memory is no longer deflated, and writers and codecs go by this element.
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return FileDataset(where, body, prefix[:128], meta, False, True)


def _inflates_to(packed: bytes, allowed: int, where: str) -> None:
    """Inflate once without keeping anything: only then is it known what a deflated file needs."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    for start in range(0, len(packed), MIB):
        part = packed[start : start + MIB]
        while part and not inflater.eof:
            total += len(inflater.decompress(part, MIB))
            part = inflater.unconsumed_tail
            if total > allowed:
                raise too_large(where, "A deflated DICOM file", "more when inflated", f"{allowed} bytes")
    total += len(inflater.flush(MIB))
    if not inflater.eof:
        raise EOFError("the deflated data end too early")


def _at_pixels(tag: Any, _vr: str | None, _length: int) -> bool:
    return int(tag) in _PIXELS


def _bounded_depth(dataset: Any, limits: Limits, where: str) -> None:
    """Walk all sequences without recursion; refuse what is too deep, and elements longer than the file."""
    waiting: list[tuple[Any, int]] = [(dataset, 0)]
    held = 0
    while waiting:
        level, depth = waiting.pop()
        if depth > limits.depth:
            raise InputError(
                "The sequences of a DICOM file are nested too deep.",
                where=where,
                got=f"more than {limits.depth} levels",
                expected=f"at most {limits.depth}",
                advice="check where the file comes from",
            )
        for tag in list(level.keys()):
            raw = level.get_item(tag)
            _complete(raw)
            if not _is_sequence(raw, tag):
                continue
            held += len(raw.value) if depth == 0 and isinstance(raw.value, bytes) else 0
            if held > limits.sequence_bytes:
                raise too_large(where, "A DICOM file's sequences", f"{held} bytes", f"{limits.sequence_bytes} bytes")
            if level[tag].VR == "SQ":
                waiting += [(item, depth + 1) for item in level[tag].value or ()]


def _complete(raw: Any) -> None:
    length, value = getattr(raw, "length", None), getattr(raw, "value", None)
    if length is None or length == _UNDEFINED or not isinstance(value, bytes):
        return
    if len(value) < length:
        raise EOFError(f"element {raw.tag} states {length} bytes, the file has {len(value)}")


def _is_sequence(raw: Any, tag: Any) -> bool:
    from pydicom.datadict import dictionary_VR

    if raw.VR == "SQ":
        return True
    if raw.VR is not None and raw.VR != "UN":
        return False
    try:
        return bool(dictionary_VR(tag) == "SQ")
    except KeyError:
        return False
