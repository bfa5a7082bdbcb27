"""UIDs and other texts of data sets that come from outside."""

from __future__ import annotations

import re
import warnings
from typing import Any

from vertherm.core.errors import InputError
from vertherm.imaging.pacs.errors import ArchiveError

# PS3.5 section 9: digits and dots, at most 64; nothing else ever becomes part of a path or an address.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def is_uid(text: str) -> bool:
    """True for a text of the form of a DICOM UID (leading zeros, which some devices write, are let pass)."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def need_uid(text: str, what: str) -> str:
    """``text``.

    Raises:
        InputError: it is no UID.
    """
    if not is_uid(text):
        raise InputError(f"This is no {what}.", got=repr(text[:80]), expected="digits and dots, at most 64")
    return text


def text_of(dataset: Any, keyword: str) -> str:
    """An element as text, empty where it is missing or unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            value = dataset.get(keyword)
            return "" if value is None else str(value).strip("\0 ")
    except Exception:  # pydicom raises many kinds on values that break their rules
        return ""


def need_answered_uids(*uids: str) -> None:
    """Refuse an answer whose UIDs are none.

    Raises:
        ArchiveError: an empty or malformed UID.
    """
    for uid in uids:
        if not is_uid(uid):
            raise ArchiveError(
                "The archive's answer holds a UID that is none.", got=repr(uid[:80]), expected="digits and dots"
            )
