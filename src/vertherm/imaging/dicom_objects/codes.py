"""Coded terms of what is written: SNOMED where pydicom's dictionary has the term, else our own scheme: no guesses."""

from __future__ import annotations

import re
from typing import Any

from vertherm.imaging.anatomy import Side
from vertherm.imaging.dicom_objects.marks import SCHEME
from vertherm.imaging.tables import rows

LESION, VERTEBRA, STRUCTURE, ZONE, CEMENT = "lesion", "vertebra", "structure", "zone", "cement"
MARGIN, FINDING = "margin", "finding"
_ABNORMAL = (LESION, FINDING)
_RESULT = (ZONE, CEMENT, MARGIN)


def category(kind: str) -> Any:
    """Segmented property category of a kind of segment."""
    from pydicom.sr.codedict import codes

    if kind in _ABNORMAL:
        return codes.SCT.MorphologicallyAbnormalStructure
    return own("result", "Result of a treatment") if kind in _RESULT else codes.SCT.AnatomicalStructure


def property_type(kind: str, name: str) -> Any:
    """Segmented property type.

    Args:
        kind: lesion, vertebra, structure, zone, cement, margin or finding.
        name: as Vertherm names it ("vertebra L3", "root L3 left", "isotherm_60").
    """
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    if kind == LESION:
        return codes.SCT.Neoplasm
    if kind in (VERTEBRA, STRUCTURE):
        for row in rows("vocabulary_dicom.csv"):
            terms = str(row["terms"] or "").split("|")
            if row["name"] == name and terms[0]:
                return Code(terms[0], "SCT", name)
    return own(name, name)


def own(value: str, meaning: str) -> Any:
    """A term of our own scheme; code values hold 16 characters at most, and differ where the values do."""
    from pydicom.sr.coding import Code

    short = re.sub(r"[^A-Z0-9]+", "_", value.upper()).strip("_")
    whole = short == value.upper().replace(" ", "_") and 0 < len(short) <= 16
    return Code(short if whole else _shortened(short, value), SCHEME, meaning[:64])


def _shortened(text: str, value: str) -> str:
    """With a hash of the value: signs and other alphabets leave nothing, or the same, of different values."""
    import zlib

    return f"{text[:9] or 'TERM'}_{zlib.crc32(value.encode()) & 0xFFFFFF:06X}"


def laterality(side: Side) -> Any | None:
    """Coded side; None where there is none."""
    from pydicom.sr.codedict import codes

    return {"left": codes.SCT.Left, "right": codes.SCT.Right}.get(side)
