"""Pixel data: they stay bit for bit, without anything hidden behind them."""

from __future__ import annotations

import math
import struct
from typing import Any

from vertherm.imaging.deidentify.elements import Refused

NEEDED = frozenset(
    [
        "BitsAllocated",
        "BitsStored",
        "Columns",
        "ContourData",
        "DoseGridScaling",
        "FrameOfReferenceTransformationMatrix",
        "GridFrameOffsetVector",
        "GridResolution",
        "HighBit",
        "ImageOrientationPatient",
        "ImagePositionPatient",
        "ImagerPixelSpacing",
        "NumberOfFrames",
        "PhotometricInterpretation",
        "PixelRepresentation",
        "PixelSpacing",
        "RealWorldValueIntercept",
        "RealWorldValueSlope",
        "RescaleIntercept",
        "RescaleSlope",
        "Rows",
        "SamplesPerPixel",
        "VectorGridData",
    ]
)
"""Attributes without which pixels or contours would lie elsewhere or mean something else: never replaced by a dummy."""
_BITS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"


def checked_pixels(element: Any, dataset: Any) -> Any:
    """The element with what lies behind the last pixel cut off.

    Args:
        element: PixelData, FloatPixelData, DoubleFloatPixelData or an offset table.
        dataset: the object that it belongs to, with its file meta information.

    Raises:
        Refused: fewer bytes than the header states, or encapsulated frames that are none.
    """
    from pydicom.dataelem import DataElement

    data = element.value
    if element.keyword.startswith("ExtendedOffset"):
        return element
    if not isinstance(data, bytes):
        raise Refused("The pixel data cannot be read.", element.keyword)
    if encapsulated(dataset):
        _fragments(data)
        return element
    expected = native_bytes(element.keyword, dataset)
    if len(data) < expected:
        raise Refused("The pixel data are shorter than the header states.", element.keyword)
    kept = data[:expected] + b"\0" * (expected % 2)
    made = DataElement(element.tag, element.VR, kept)
    return made if len(data) > len(kept) else element


def encapsulated(dataset: Any) -> bool:
    """True where pixels are compressed."""
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    return bool(syntax is not None and syntax.is_transfer_syntax and syntax.is_encapsulated)


def native_bytes(keyword: str, dataset: Any) -> int:
    """Bytes that uncompressed pixels take, before padding to an even number.

    Raises:
        Refused: the image's description is incomplete.
    """
    try:
        samples = int(dataset.get("SamplesPerPixel", 1))
        if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
            samples = 2
        count = int(dataset.Rows) * int(dataset.Columns) * samples * int(dataset.get("NumberOfFrames") or 1)
        return math.ceil(count * _BITS.get(keyword, int(dataset.get("BitsAllocated", 16))) / 8)
    except (AttributeError, TypeError, ValueError) as error:
        raise Refused("The description of the pixels is incomplete.", keyword) from error


def _fragments(data: bytes) -> None:
    at = 0
    while at < len(data):
        if data[at : at + 4] == _END and at + 8 == len(data):
            return
        if data[at : at + 4] != _ITEM or at + 8 > len(data):
            raise Refused("The compressed pixel data hold something that is no frame.", "PixelData")
        at += 8 + struct.unpack_from("<I", data, at + 4)[0]
    if at != len(data):
        raise Refused("The compressed pixel data end within a frame.", "PixelData")
