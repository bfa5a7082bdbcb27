"""One value: does it hold what identifies? Asked of what would stay, and again of what was written."""

from __future__ import annotations

import re
from typing import Any

from vertherm.imaging.deidentify.descriptors import TELLING
from vertherm.imaging.deidentify.elements import BYTES, TEXTS, values, written
from vertherm.imaging.deidentify.identifiers import LONGEST_MEASURE, Identifiers

BINARY = ("FD", "FL", "SL", "SV", "UL", "UV")
PEOPLE = re.compile(
    r"\b(?:[Dd]r|DR)\.|\b[Dd]r\s+[A-Z][a-z]|\b(?:[Pp]rof|PROF|Herr|HERR|Frau|FRAU|M[Rr][Ss]|M[Mm][Ee]|M[Ll]{2}[Ee]|S[Rr][Aa])\b"
    r"|(?i:hospital|klinik|krankenhaus|\bclinic\b|\bpraxis\b|universi|spital\b|ospedale|h[oô]pital)"
)
"""A title or a kind of house: a technical text that has one speaks of a person or a place."""
_SEPARATORS = re.compile(r"[-./]")
_LONG_NUMBER = re.compile(r"\d{6,}")


def identifying(vr: str, value: Any, identifiers: Identifiers) -> bool:
    """True where a value that its VR allows holds an identifying string, or looks as if it did."""
    if vr in ("DS", "IS"):
        return identifiers.is_number(written(value))
    if vr in BINARY:
        return binary_number(value, identifiers)
    if vr in TEXTS:
        text = str(value)
        return identifiers.inside(text) or bool(TELLING.search(text)) or bool(PEOPLE.search(text))
    if vr in ("CS", "AS"):
        # No defined term of the standard holds a long number.
        return identifiers.inside(str(value)) or bool(_LONG_NUMBER.search(_SEPARATORS.sub("", str(value))))
    if vr in BYTES:
        return isinstance(value, bytes) and identifiers.in_bytes(value)
    return False


def binary_number(value: Any, identifiers: Identifiers) -> bool:
    """True where a binary number is, as a whole, a number or date of the input that is too long for a measure."""
    if not isinstance(value, (int, float)) or abs(value) < 10**LONGEST_MEASURE or value != value // 1:
        return False
    return identifiers.is_exactly(str(abs(int(value))))


def split_over(element: Any, identifiers: Identifiers) -> bool:
    """True where the values of a text hold together what none of them holds alone."""
    if element.VR not in TEXTS or element.VM < 2:
        return False
    return identifiers.across([str(value) for value in values(element)])
