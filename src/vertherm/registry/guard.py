"""Cells that a spreadsheet would run as formulas: how they are marked on the way out and read on the way in."""

from __future__ import annotations

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""First characters that a spreadsheet takes for a formula; the wide forms count in East Asian settings."""
_GUARDED_STARTS = (*FORMULA_STARTS, "'")


def is_formula(text: str) -> bool:
    """True where a spreadsheet would run the text."""
    return text.startswith(FORMULA_STARTS)


def guarded(text: str) -> str:
    """Text with an apostrophe in front where it would run as a formula, or where it already begins with one."""
    return "'" + text if text.startswith(_GUARDED_STARTS) else text


def unguarded(text: str) -> str:
    """The text that :func:`guarded` marked; other texts, "'tis" for instance, stay as they are."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_GUARDED_STARTS) else text
