"""Whether two files with one SOPInstanceUID hold the same: element by element, and the pixels.

An archive may keep an instance in another transfer syntax and add notes of its own to it. Neither makes another
content. Where the syntaxes differ, the decoded pixels are compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vertherm.imaging.dicom.safe import read_dataset

_PIXELS = 0x7FE00010
# How and where an archive keeps the instance, not what it is: character set, coercion time, retrieve AE and URL,
# availability, padding at the end, offset tables of the encoding.
_NOT_CONTENT = frozenset(
    (0x00080005, 0x00080015, 0x00080054, 0x00080056, 0x00081190, 0xFFFCFFFC, 0x7FE00001, 0x7FE00002)
)


def differences(ours: Path, theirs: Path) -> tuple[str, ...]:
    """Names of the elements in which two DICOM files differ; never their values, which may identify a patient.

    Raises:
        InputError: one of them cannot be read.
    """
    from vertherm.imaging.dicom.safe import reading

    a, b = read_dataset(ours), read_dataset(theirs)
    with reading(f"{ours} against the archive's copy"):
        names = _unlike(a, b)
        if _PIXELS in a and _PIXELS in b and not _same_pixels(a, b, ours, theirs):
            names.append("PixelData")
    return tuple(names)


def _unlike(a: Any, b: Any) -> list[str]:
    """Elements other than the pixels that one has and the other has not, or not so."""
    names = []
    for tag in sorted(_content(a) | _content(b)):
        if tag == _PIXELS and tag in a and tag in b:
            continue
        if (tag in a) != (tag in b) or not _same(a[tag], b[tag]):
            names.append((a if tag in a else b)[tag].keyword or f"({tag.group:04x},{tag.element:04x})")
    return names


def _content(dataset: Any) -> set[Any]:
    return {tag for tag in dataset.keys() if tag not in _NOT_CONTENT and tag.element != 0}  # noqa: SIM118


def _same(a: Any, b: Any) -> bool:
    if a.VR == "SQ" or b.VR == "SQ":
        if a.VR != b.VR or len(a.value) != len(b.value):
            return False
        return not any(_unlike(*pair) for pair in zip(a.value, b.value, strict=True))
    if a.is_empty or b.is_empty:
        return bool(a.is_empty and b.is_empty)
    if isinstance(a.value, bytes) and isinstance(b.value, bytes):
        return a.value.rstrip(b"\0 ") == b.value.rstrip(b"\0 ")
    # NaN is a value here like any other; as text it equals itself.
    return bool(a.value == b.value) or str(a.value) == str(b.value)


def _same_pixels(a: Any, b: Any, ours: Path, theirs: Path) -> bool:
    from vertherm.imaging.dicom.pixels import Decoder

    syntaxes = [data.file_meta.get("TransferSyntaxUID") for data in (a, b)]
    raw, other = a[_PIXELS].value, b[_PIXELS].value
    if syntaxes[0] == syntaxes[1]:
        # One byte of padding may stand at the end, where the number of bytes is odd.
        return raw == other or (abs(len(raw) - len(other)) == 1 and raw[: len(other)] == other[: len(raw)])
    import numpy as np

    with Decoder() as decoder:
        return bool(np.array_equal(decoder.frames(a, str(ours)), decoder.frames(b, str(theirs))))
