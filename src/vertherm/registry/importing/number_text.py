"""Numbers as text: only what has one reading is taken, every common misspelling gets its own message."""

from __future__ import annotations

import math
import re

from vertherm.clinical.vocabularies import MISSING_NUMBERS
from vertherm.registry.importing.fault import CellError, MissingCode
from vertherm.registry.schema.field import Field, Kind

_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_DIGITS = 17
"""Significant decimal digits that a stored number keeps."""
REASONS = {str(number): reason for reason, number in MISSING_NUMBERS.items()}
"""Reason by the text of its numeric code."""
_NO_VALUE = {"na", "n/a", "n.a.", "nan", "none", "null", "nil", "-", "--", "?", ".", "unknown", "missing", "k.a."}
_WRONG = (
    (
        r"[+-]?\d{1,3}(?:(?:\.\d{3})+,\d*|(?:,\d{3})+(?:\.\d+)?|(?:[ '’\u00a0\u202f]\d{3})+(?:[.,]\d+)?)",
        "thousands_separator",
        "a number with a thousands separator has more than one reading",
        "write it without separators, with a point before decimals",
    ),
    (
        r"[+-]?\d*,\d+",
        "decimal_comma",
        "a decimal comma",
        "write a point before decimals: {point}",
    ),
    (r"[+-]?\d[\d_]*_[\d_]*(?:\.\d*)?", "underscore", "an underscore in a number", "write digits only"),
    (r"[+-]?0[xXbBoO][0-9a-fA-F]+", "not_decimal", "a hexadecimal, octal or binary number", "write it in decimals"),
    (r"[+-]?(?:inf|infinity|nan)", "not_finite", "not a finite number", "leave the cell empty where nothing is known"),
    (r"[<>≤≥~].*", "inexact", "a limit or an estimate, not a number", "give a number, or leave it empty"),
    (r"[+-]?[\d.]+\s*[^\d\s.,].*", "unit_in_number", "a number with something behind it", "write the number alone"),
)
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, reason, remedy) for pattern, kind, reason, remedy in _WRONG
)


def parse_number(text: str, field: Field) -> int | float | MissingCode:
    """The number in a cell, within the limits of its field.

    A number that is one of the missing-data codes (-999 ...) and lies outside the limits is returned as that code
    where the field has a partner for reasons.

    Raises:
        CellError: no number, more than one reading, out of range, not whole.
    """
    if not _PLAIN.fullmatch(text):
        raise _misspelt(text)
    value = float(text)
    if not math.isfinite(value):
        raise CellError("not_finite", "larger than any number that can be kept", "check the number")
    if _significant(text) > _DIGITS or len(text) > 40:
        raise CellError("too_many_digits", f"more than {_DIGITS} digits cannot be kept", "round the number")
    assert field.low is not None
    assert field.high is not None
    if not field.low <= value <= field.high:
        return _out_of_range(value, field)
    if field.kind is Kind.integer:
        if not value.is_integer():
            raise CellError("not_whole", "a whole number is needed", "round it only if that is what was recorded")
        return int(value)
    return value + 0.0  # -0.0 becomes 0.0


def _out_of_range(value: float, field: Field) -> MissingCode:
    reason = REASONS.get(f"{value:g}")
    if reason and field.missing:
        return MissingCode(reason)
    if reason:
        raise CellError(
            "missing_code",
            f"{value:g} is the code of a missing value ({reason}), and this field takes none",
            "leave the cell empty",
        )
    unit = f" {field.unit}" if field.unit else ""
    raise CellError(
        "out_of_range",
        f"outside {field.low:g} to {field.high:g}{unit}",
        "check the number and its unit" + (f" ({field.unit})" if field.unit else ""),
    )


def _significant(text: str) -> int:
    digits = re.sub(r"[eE].*", "", text).lstrip("+-").replace(".", "").lstrip("0")
    return len(digits.rstrip("0"))


def _misspelt(text: str) -> CellError:
    if text.lower() in _NO_VALUE:
        return CellError(
            "placeholder",
            "a sign for 'nothing', not a number",
            "leave the cell empty; where the table has a column for the reason, name it there",
        )
    if re.match(r"[+-]?\d{1,4}[-./]\d{1,2}[-./]\d{1,4}", text):
        return CellError("date_in_number", "a date where a number belongs", "format the cell as a number")
    for pattern, kind, reason, remedy in _PATTERNS:
        if pattern.fullmatch(text):
            return CellError(kind, reason, remedy.format(point=text.replace(",", ".")))
    return CellError("not_a_number", "not a number", "write it in digits")
