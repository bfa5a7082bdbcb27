"""What a compressed frame says of its own size, read before any codec does.

A codec allocates what the codestream states, not what Rows and Columns state: a few bytes can ask for gigabytes.
Markers from ISO/IEC 10918-1 (JPEG), 14495-1 (JPEG-LS) and 15444-1 (JPEG 2000).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from vertherm.core.errors import InputError

_FRAME_MARKERS = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7))
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
_J2K = b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  "
MAX_TILES = 65535


@dataclass(frozen=True)
class Stated:
    """What a codestream states: family ("jpeg", "jpeg-ls", "jpeg 2000"), rows, columns, components, bits a sample."""

    family: str
    rows: int
    columns: int
    components: int
    bits: int


def stated(frame: bytes, where: str) -> Stated:
    """Size that one compressed frame states.

    Raises:
        InputError: no such codestream, or one that ends before it states a size.
    """
    try:
        if frame[:12].startswith(_JP2):
            start = frame.find(_J2K, 0, 4096)
            if start >= 0:
                return _jpeg2000(frame, start, where)
        if frame.startswith(_J2K):
            return _jpeg2000(frame, 0, where)
        if frame.startswith(b"\xff\xd8"):
            return _jpeg(frame, where)
    except struct.error:
        pass
    raise _unknown(frame, where)


def _unknown(frame: bytes, where: str) -> InputError:
    return InputError(
        "A compressed frame does not begin as one.",
        where=where,
        got=frame[:8].hex(" ") or "nothing",
        expected="a JPEG, JPEG-LS or JPEG 2000 codestream that states its size",
        advice="the transfer syntax is wrong or the file is damaged: export the series again",
    )


def _jpeg2000(frame: bytes, start: int, where: str) -> Stated:
    x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0, components = struct.unpack_from(">8IH", frame, start + 8)
    (depth,) = struct.unpack_from(">B", frame, start + 42)
    if not (x1 > x0 and y1 > y0 and tile_x and tile_y and tile_x0 <= x0 and tile_y0 <= y0):
        raise _unknown(frame, where)
    tiles = -(-(x1 - tile_x0) // tile_x) * -(-(y1 - tile_y0) // tile_y)
    if tiles > MAX_TILES:
        raise InputError(
            "A JPEG 2000 frame has more tiles than it may.", where=where, got=tiles, expected=f"at most {MAX_TILES}"
        )
    return Stated("jpeg 2000", y1 - y0, x1 - x0, components, (depth & 0x7F) + 1)


def _jpeg(frame: bytes, where: str) -> Stated:
    at, found = 2, None
    while at + 4 <= len(frame):
        if frame[at] != 0xFF:
            break
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _BARE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", frame, at + 2)
        if marker in _FRAME_MARKERS:
            bits, rows, columns, components = struct.unpack_from(">BHHB", frame, at + 4)
            # A second frame header could undo what the first one promised.
            if found is not None:
                raise _unknown(frame, where)
            found = Stated("jpeg-ls" if marker == 0xF7 else "jpeg", rows, columns, components, bits)
        if marker == 0xDA:
            break
        at += 2 + length
    if found is None:
        raise _unknown(frame, where)
    return found
