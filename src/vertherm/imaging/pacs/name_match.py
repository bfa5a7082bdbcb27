"""Search by name in archives that do not decode an address.

Orthanc 1.10.1 with version 1.7 of its DICOMweb plugin compares ``M%C3%BCller`` letter by letter. A wider question of
plain letters and wildcards, and a comparison here, finds those names all the same.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from unicodedata import normalize


def widened(pattern: str) -> str:
    """The pattern with everything that an address must encode replaced by ``*``."""
    return re.sub(r"\*{2,}", "*", re.sub(r"[^A-Za-z0-9*?._~-]+", "*", pattern))


def matches(pattern: str, name: str) -> bool:
    """Whether a name, or one of its groups (alphabetic, ideographic, phonetic), has the pattern, in either case."""
    wanted = _plain(pattern).replace("[", "[[]")
    return any(fnmatchcase(_plain(group), wanted) for group in (name, *name.split("=")))


def _plain(text: str) -> str:
    return normalize("NFC", text).casefold().rstrip("^ ")
