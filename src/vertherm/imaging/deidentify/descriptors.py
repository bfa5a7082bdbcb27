"""Descriptors cleaned: a word stays only if it is a term of radiology and no part of an identifying string."""

from __future__ import annotations

import re

from vertherm.imaging.deidentify.identifiers import Identifiers
from vertherm.imaging.deidentify.spelling import fold
from vertherm.imaging.deidentify.tables import words

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-z]*\.?"
TELLING = re.compile(
    r"\d{4}\s*[-./]\s*\d{1,2}\s*[-./]\s*\d{1,2}|\d{1,2}\s*[-./]\s*\d{1,2}\s*[-./]\s*\d{4}"  # a date in digits
    r"|\d{2}\s*[-./]\s*\d{2}\s*[-./]\s*\d{2}"  # a date with a short year; 4.1.6 is a version
    rf"|\b\d{{1,4}}(?:st|nd|rd|th|\.)?\s*{_MONTH}\s*\d*|\b{_MONTH},?\s*\d+"  # a date with its month's name
    r"|\S+@\S+|https?://\S*|www\.\S*"  # an address
    r"|\d+(?:\.\d+){4,}"  # a UID
    r"|\+?\d[\d ()/-]{5,}\d"  # a telephone number, or a number long enough for a record
    r"|\S*\^\S*",  # a person's name as DICOM writes it
    re.IGNORECASE,
)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)?[^\W\d_]*|[^\W\d_]+\d*[^\W_]*")
_LEVEL = re.compile(r"c[1-7]|th?(?:[1-9]|1[0-2])|d(?:[1-9]|1[0-2])|l[1-6]|s[1-5]")
_MEASURE = re.compile(r"\d{1,3}(?:[.,]\d{1,2})?(mm|cm|ml|s|ms|kv|ma|t|hz|min|deg|w)")
_NUMBER = re.compile(r"\d{1,3}(?:[.,]\d{1,2})?")
_UNITS = frozenset(["mm", "cm", "ml", "s", "sec", "ms", "kv", "ma", "t", "hz", "min", "deg", "w"])


def cleaned(text: str, identifiers: Identifiers) -> str:
    """What may stay of a descriptor, "" where nothing may."""
    plain = TELLING.sub(" ", text)
    tokens = _TOKEN.findall(plain)
    stay = []
    for place, token in enumerate(tokens):
        following = fold(tokens[place + 1]) if place + 1 < len(tokens) else ""
        if _may_stay(fold(token), following) and not identifiers.word(token):
            stay.append(token)
    left = " ".join(stay)
    if identifiers.inside(left) or not any(letter.isalpha() for letter in left):
        return ""
    return left


def _may_stay(token: str, following: str) -> bool:
    if token in words() or _LEVEL.fullmatch(token) or _MEASURE.fullmatch(token):
        return True
    return bool(_NUMBER.fullmatch(token)) and following in _UNITS
