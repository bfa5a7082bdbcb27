"""Single values and files of measurements: numbers in range, tables with known columns, errors that name the place."""

from __future__ import annotations

import csv
import io
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vertherm.core.errors import InputError

RANGES = {
    "start_c": (0.0, 42.0, "degC"),
    "power_w": (0.1, 500.0, "W"),
    "time_s": (1.0, 7200.0, "s"),
    "short_mm": (2.0, 70.0, "mm"),
    "long_mm": (2.0, 85.0, "mm"),
    "sd_mm": (0.05, 50.0, "mm"),
    "sd_k": (0.05, 50.0, "K"),
    "n": (1.0, 10000.0, "ablations"),
    "r_mm": (0.2, 40.0, "mm"),
    "z_mm": (-35.0, 60.0, "mm"),
    "temperature_c": (-5.0, 250.0, "degC"),
}
"""Accepted range of every number; outside it a wrong unit is likelier than a measurement. Lengths: what the simulated
bench holds."""
UNIT_HINTS = {
    "short_mm": "lengths are in mm, not cm",
    "long_mm": "lengths are in mm, not cm",
    "time_s": "times are in seconds (zones may give time_min)",
    "start_c": "temperatures are in degC, not kelvin or Fahrenheit",
    "temperature_c": "temperatures are in degC, not kelvin or Fahrenheit",
    "r_mm": "distance from the antenna's axis, in mm",
    "z_mm": "distance from the tip towards the hub, in mm",
}


# ---- single values --------------------------------------------------------------------------------------------------
def checked(value: Any, key: str, where: str) -> float:
    """A finite number within the range of ``key`` (any finite number where the key has none).

    Raises:
        InputError: it is none.
    """
    low, high, unit = RANGES.get(key, (-math.inf, math.inf, ""))
    try:
        found = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        found = math.nan
    if not (math.isfinite(found) and low <= found <= high):
        raise InputError(
            "A measured number is unusable.",
            where=where,
            got=repr(value) if value is not None else "nothing",
            expected=f"a number of {low:g} to {high:g} {unit}" if unit else "a finite number",
            advice=UNIT_HINTS.get(key, ""),
        )
    return found


def from_zero(value: Any, where: str) -> float:
    """A time in s since power on, 0 included.

    Raises:
        InputError: it is none.
    """
    found = checked(value, "", where)
    if not 0 <= found <= RANGES["time_s"][1]:
        raise InputError(
            "A time is unusable.", where=where, got=found, expected=f"0 to {RANGES['time_s'][1]:g} s since power on"
        )
    return found


def truth(value: Any, where: str) -> bool:
    """A yes-or-no value of TOML or of a table.

    Raises:
        InputError: it is neither.
    """
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if str(value).strip().lower() in words:
        return words[str(value).strip().lower()]
    raise InputError("A yes-or-no value is unusable.", where=where, got=value, expected="true or false")


# ---- files ----------------------------------------------------------------------------------------------------------
def read_text(path: Path) -> str:
    """The file as text.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            "A measurements file cannot be read.",
            where=str(path),
            got=f"{type(error).__name__}: {reason}",
            expected="a UTF-8 text file",
        ) from error


def toml_document(path: Path) -> dict[str, Any]:
    """The file as TOML.

    Raises:
        InputError: it cannot be read or is none.
    """
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            "A measurements file is no TOML.",
            where=str(path),
            got=str(error),
            expected="a TOML file, or a .csv of zones",
        ) from error


def csv_rows(path: Path, allowed: Sequence[str], minimum: int = 1) -> list[tuple[str, dict[str, Any]]]:
    """Place ("file: line n") and cells of every row below the header.

    Raises:
        InputError: unreadable, an unknown column, a ragged line, fewer than ``minimum`` rows.
    """
    reader = csv.DictReader(io.StringIO(read_text(path)))
    names = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = names
    known(dict.fromkeys(names), allowed, str(path))
    rows = []
    for row in reader:
        place = f"{path.name}: line {reader.line_num}"
        if None in row or None in row.values():
            raise InputError(
                "A line has another number of cells than the header.", where=place, expected=f"{len(names)} cells"
            )
        if any(str(cell).strip() for cell in row.values()):
            rows.append((place, {key: cell.strip() for key, cell in row.items()}))
    if len(rows) < minimum:
        raise InputError(
            "A measurements table is empty." if not rows else "A measurements table is too short.",
            where=str(path),
            got=f"{len(rows)} rows",
            expected=f"at least {minimum} below a header of {', '.join(allowed)}",
        )
    return rows


def known(table: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    """Refuse keys that nobody reads.

    Raises:
        InputError: there are some.
    """
    unknown = [str(key) for key in table if key not in allowed]
    if unknown:
        raise InputError(
            "A measurements file has an unknown key.",
            where=where,
            got=", ".join(unknown),
            expected=", ".join(allowed),
            advice="a misspelt key would otherwise be ignored silently",
        )


def table(document: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    """A section of the document; empty where absent.

    Raises:
        InputError: it is no table.
    """
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise InputError(
            "A section is no table.", where=f"{path}: {key}", got=type(value).__name__, expected=f"[{key}]"
        )
    return value


def rows_of(document: Mapping[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    """A list of tables of the document; empty where absent.

    Raises:
        InputError: it is no list of tables.
    """
    value = document.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InputError("A section is no list of tables.", where=f"{path}: {key}", expected=f"[[{key}]]")
    return value


def needed(row: Mapping[str, Any], key: str, where: str) -> Any:
    """A value that must be there.

    Raises:
        InputError: it is not.
    """
    if row.get(key) in (None, ""):
        raise InputError("A measurement lacks a value.", where=f"{where}: {key}", got="nothing", expected="a file name")
    return row[key]
