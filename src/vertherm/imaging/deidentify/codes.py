"""Coded entries: a code of a public scheme says nothing about a place or a person, a local one may."""

from __future__ import annotations

import functools
import re
from typing import Any

from vertherm.imaging.deidentify.descriptors import cleaned
from vertherm.imaging.deidentify.elements import REMOVED
from vertherm.imaging.deidentify.identifiers import Identifiers
from vertherm.imaging.deidentify.tables import coding_schemes

VALUES = ("CodeValue", "LongCodeValue", "URNCodeValue")
_SAFE = re.compile(r"[A-Za-z0-9.\-_/%\[\]{}*'()+:]{1,64}")


@functools.cache
def meanings() -> dict[tuple[str, str], str]:
    """Meaning by scheme and code, as pydicom's dictionaries of PS3.16 have them."""
    from pydicom.sr import _concepts_dict

    concepts: Any = _concepts_dict.concepts
    return {
        (str(scheme), str(code)): str(entry[0])
        for scheme, keywords in concepts.items()
        for codes in keywords.values()
        for code, entry in codes.items()
    }


def is_coded(item: Any) -> bool:
    """True for a coded entry (PS3.3 Table 8.8-1)."""
    return any(name in item for name in VALUES) or "CodeMeaning" in item


def coded(item: Any, identifiers: Identifiers) -> dict[str, str]:
    """What may stay of a coded entry.

    Returns:
        Values by keyword; none where the entry must go.
    """
    scheme = _text(item, "CodingSchemeDesignator")
    value = next((_text(item, name) for name in VALUES if name in item), "")
    if scheme not in coding_schemes() or not _SAFE.fullmatch(value) or identifiers.inside(value):
        return {}
    known = meanings().get((scheme, value))
    # A number of a public scheme may be long; one that no dictionary knows must at least not look like a date.
    if known is None and scheme != "UCUM" and re.search(r"\d{4}[-./]\d", value):
        return {}
    given = _text(item, "CodeMeaning")
    meaning = (
        given if known is not None and given.casefold() == known.casefold() else known or cleaned(given, identifiers)
    )
    if identifiers.inside(meaning):
        meaning = ""
    name = "CodeValue" if len(value) <= 16 else "LongCodeValue"
    made = {name: value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning[:64] or REMOVED}
    version = _text(item, "CodingSchemeVersion")
    if re.fullmatch(r"[\d.v]{1,8}(?:_\d{8})?", version) and not identifiers.inside(version):
        made["CodingSchemeVersion"] = version
    return made


def _text(item: Any, name: str) -> str:
    value = item.get(name, "")
    return value.strip() if isinstance(value, str) else ""
