"""Label vocabularies: what the numbers of a label map mean (data files, one a vocabulary)."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources

from vertherm.clinical.levels import Level
from vertherm.core.errors import InputError
from vertherm.imaging.anatomy import Side, StructureKind
from vertherm.imaging.tables import rows


@dataclass(frozen=True)
class Entry:
    """Meaning of one label value.

    Args:
        name: structure name as a person reads it.
        tissue: name in the materials table ("vertebra": bone by HU).
        kind: structure kind; None where the label only helps (body, arch, endplate).
        role: vertebra, body, arch, endplate, disc, canal, sac, metal, structure or tissue.
        level: vertebra, where the label belongs to one.
        side: patient's side as the label says it.
        note: what stands in for what.
    """

    name: str
    tissue: str
    kind: StructureKind | None
    role: str
    level: Level | None
    side: Side
    note: str


@dataclass(frozen=True)
class Vocabulary:
    """All label values of a vocabulary."""

    name: str
    entries: dict[int, Entry]


def vocabulary_names() -> tuple[str, ...]:
    """Known vocabularies."""
    folder = resources.files("vertherm.imaging").joinpath("data")
    found = (item.name for item in folder.iterdir())
    return tuple(sorted(n[len("vocabulary_") : -len(".csv")] for n in found if n.startswith("vocabulary_")))


SEGMENT_WORDS = "dicom"
"""The vocabulary of segments that carry words instead of numbers."""


@functools.cache
def vocabulary(name: str) -> Vocabulary:
    """The vocabulary of that name.

    Raises:
        InputError: unknown; the message lists the known ones.
    """
    if name not in vocabulary_names():
        raise InputError(
            "This label vocabulary is unknown.",
            got=repr(name),
            expected=f"one of: {', '.join(vocabulary_names())}",
            advice="name the vocabulary whose numbers the label map uses",
        )
    entries = {}
    for row in rows(f"vocabulary_{name}.csv"):
        side: Side = "left" if row["side"] == "left" else "right" if row["side"] == "right" else ""
        entries[int(row["code"])] = Entry(
            name=row["name"],
            tissue=row["tissue"],
            kind=StructureKind(row["kind"]) if row["kind"] else None,
            role=row["role"],
            level=Level(row["level"]) if row["level"] else None,
            side=side,
            note=row["note"] or "",
        )
    return Vocabulary(name, entries)


@dataclass(frozen=True)
class SegmentWords:
    """What labels and coded terms of segments mean.

    Args:
        labels: (words without the side, side) to code in the vocabulary "dicom".
        terms: (SNOMED CT code, side) to code.
    """

    labels: dict[tuple[str, Side], int]
    terms: dict[tuple[str, Side], int]


@functools.cache
def segment_words() -> SegmentWords:
    """The table of words (``data/vocabulary_dicom.csv``)."""
    labels: dict[tuple[str, Side], int] = {}
    terms: dict[tuple[str, Side], int] = {}
    for row in rows(f"vocabulary_{SEGMENT_WORDS}.csv"):
        side: Side = "left" if row["side"] == "left" else "right" if row["side"] == "right" else ""
        labels.update({(text, side): int(row["code"]) for text in row["labels"].split("|")})
        terms.update({(term, side): int(row["code"]) for term in row["terms"].split("|") if term})
    return SegmentWords(labels, terms)


def normalised(label: str) -> tuple[str, Side]:
    """A label as lower-case words without the side, and the side: "Kidney_L" is ("kidney", "left").

    Levels take their usual form: "TH12" and "D12" are "t12".
    """
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", label)
    tokens = [_level(token) for token in re.split(r"[\s_\-.,:;/\\()\[\]]+", text.casefold()) if token]
    found: Side = ""
    sides: dict[str, Side] = {"left": "left", "lt": "left", "l": "left", "right": "right", "rt": "right", "r": "right"}
    rest = [token for token in tokens if token not in sides]
    named = {sides[token] for token in tokens if token in sides}
    if len(named) == 1:
        found = named.pop()
    elif named:
        rest = tokens  # both sides in one label: nothing is known of such a word
    return " ".join(rest), found


def _level(token: str) -> str:
    match = re.fullmatch(r"(?:th|d|t)0?(\d{1,2})", token)
    if match:
        return f"t{match[1]}"
    match = re.fullmatch(r"([cls])0?(\d)", token)
    return f"{match[1]}{match[2]}" if match else token


def segment_code(label: str, terms: tuple[tuple[str, str], ...], side: Side) -> tuple[int | None, str]:
    """What a segment means by its label and its coded terms.

    Args:
        label: segment label or name of the region of interest.
        terms: (scheme, value) of its type, SNOMED CT ("SCT", "99SCT") or the older "SRT".
        side: patient's side by a coded modifier.

    Returns:
        Code in the vocabulary "dicom" or None, and why it is None ("" otherwise).
    """
    words = segment_words()
    text, own = normalised(label)
    if own and side and own != side:
        return None, f"its label says {own}, its coded modifier {side}"
    known: Side = own or side
    by_label = words.labels.get((text, known), words.labels.get((text, "")) if not known else None)
    found = {
        code
        for term in (_snomed(scheme, value) for scheme, value in terms)
        for code in (words.terms.get((term, known)), words.terms.get((term, "")))
        if code is not None
    }
    by_term = min(found) if len(found) == 1 else None
    if by_label is not None and by_term is not None and by_label != by_term:
        entries = vocabulary(SEGMENT_WORDS).entries
        levels = {entries[by_label].level, entries[by_term].level} - {None}
        if len(levels) > 1:
            return None, f"its label says {entries[by_label].name}, its coded term {entries[by_term].name}"
        return by_label, ""
    chosen = by_label if by_label is not None else by_term
    if chosen is None and not known and (text, "left") in words.labels:
        return None, "its side is not stated"
    return chosen, "" if chosen is not None else "nothing is known of its label or its coded term"


def _snomed(scheme: str, value: str) -> str:
    """SNOMED CT code of an older SRT code; any other value unchanged."""
    if scheme in ("SRT", "SNM3", "99SDM"):
        from pydicom.sr._snomed_dict import mapping

        return str(mapping["SRT"].get(value, ""))
    return value if scheme in ("SCT", "99SCT") else ""
