"""A table from PatientID to the registry's key of the patient."""

from __future__ import annotations

import csv
from pathlib import Path

from vertherm.core.errors import InputError

COLUMNS = ("patient_id", "patient_key")


def load_patients(path: Path) -> dict[str, str]:
    """Patient's key in the registry by PatientID, from a CSV file with the columns ``patient_id`` and ``patient_key``.

    Raises:
        InputError: no such file, other columns, an empty cell, or a PatientID with two keys.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError("The table of patients cannot be read.", where=str(path), got=type(error).__name__) from error
    known: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        given, key = ((row.get(name) or "").strip() for name in COLUMNS)
        if not given or not key:
            raise InputError(
                "A patient lacks a number or a key.",
                where=f"{path}, line {number}",
                expected=f"the columns {' and '.join(COLUMNS)}, both filled",
            )
        if known.setdefault(given, key) != key:
            raise InputError("A patient's number has two keys.", where=f"{path}, line {number}")
    return known
