"""Reading an import, whatever its format."""

from __future__ import annotations

from pathlib import Path

from vertherm.core.errors import InputError
from vertherm.registry.importing.raw import FORMATS, RawTables
from vertherm.registry.importing.source import detect_format, open_source

MAX_MB = 500.0
"""Largest input, and largest content of an archive, in megabytes, unless told otherwise."""


def read(
    path: Path | str,
    format: str | None = None,  # noqa: A002
    *,
    max_mb: float = MAX_MB,
) -> RawTables:
    """Read a file or folder as text; what is wrong inside is in ``problems``.

    Args:
        path: file or folder.
        format: one of ``raw.FORMATS``; found from the content where it is None.
        max_mb: larger inputs are refused before they are read.

    Raises:
        InputError: not there, too large, damaged as a whole, encrypted, or an unknown format.
    """
    source = open_source(Path(path), max_mb)
    chosen = format or detect_format(source)
    if chosen in ("csv", "zip"):
        from vertherm.registry.importing.read_csv import read_csv

        return read_csv(source, max_mb)
    if source.is_dir() and chosen in ("xlsx", "json"):
        raise InputError(
            "A file is needed here, not a folder.",
            where=str(source),
            got=f"a folder with --format {chosen}",
            expected=f"one {chosen} file",
            advice="name the file, or leave --format away for a folder of CSV tables",
        )
    if chosen == "xlsx":
        from vertherm.registry.importing.read_xlsx import read_xlsx

        return read_xlsx(source, max_mb)
    if chosen == "json":
        from vertherm.registry.importing.read_json import read_json

        return read_json(source)
    if chosen == "redcap":
        from vertherm.registry.importing.read_redcap import read_redcap

        return read_redcap(source)
    raise InputError("There is no such import format.", got=repr(chosen), expected=", ".join(FORMATS))
