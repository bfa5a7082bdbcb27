"""Bytes to text: UTF-8 only, with the row and column of what is not."""

from __future__ import annotations

from vertherm.registry.importing.problem import Problems

_BOM = b"\xef\xbb\xbf"
_SAVE = "save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8')"


def decode(data: bytes, file: str, problems: Problems, table: str = "") -> str | None:
    """Text of a file without its byte order mark; None where it is no UTF-8 text, with the problem added."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or _looks_wide(data):
        problems.add("encoding_utf16", "the file is written in UTF-16, not UTF-8", _SAVE, file=file, table=table, row=1)
        return None
    if b"\x00" in data:
        _bytes_not_text(data, file, table, problems)
        return None
    body = data.removeprefix(_BOM)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        row, column = position(body, error.start)
        byte = f"byte 0x{body[error.start]:02X}"
        problems.add(
            "encoding",
            f"the file is not UTF-8: {byte} at character {column} of line {row} (probably Latin-1 or Windows-1252)",
            _SAVE,
            file=file,
            table=table,
            row=row,
            column=f"character {column}",
            value=byte,
        )
        return None


def _bytes_not_text(data: bytes, file: str, table: str, problems: Problems) -> None:
    at = data.index(b"\x00")
    row, column = position(data, at)
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        reason, remedy = "this is a workbook or an archive, not a text file", "give it its own suffix (.xlsx, .zip)"
    elif data[:4096].count(b"\x00") > 8:
        reason, remedy = "this is a binary file, not a text file", "check that it is the right file"
    else:
        reason = f"a NUL byte at character {column} of line {row}"
        remedy = "the file is damaged or was written by faulty software; export it again"
    problems.add(
        "nul_byte" if reason.startswith("a NUL") else "binary",
        reason,
        remedy,
        file=file,
        table=table,
        row=row,
        column=f"character {column}",
    )


def _looks_wide(data: bytes) -> bool:
    """UTF-16 without its mark: every other byte of the first ones is NUL."""
    head = data[:64]
    return len(head) >= 8 and (not any(head[1::2]) or not any(head[0::2]))


def position(data: bytes, at: int) -> tuple[int, int]:
    """Line and character, from 1, of a byte."""
    start = data.rfind(b"\n", 0, at) + 1
    return data.count(b"\n", 0, at) + 1, len(data[start:at].decode("utf-8", "replace")) + 1
