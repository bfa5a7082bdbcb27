"""The tables that decide: PS3.15 Table E.1-1, the attributes that may stay, types by IOD, and what is refused."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

EDITION = "2024b"
"""Edition of PS3.15 that Table E.1-1 was taken from."""
PRIVATE = "private"


@dataclass(frozen=True)
class Row:
    """One row of Table E.1-1.

    Args:
        tag: eight hexadecimal digits, ``50xxxxxx``, ``60xx3000``, ``60xx4000`` or ``private``.
        keyword: keyword of the attribute, "" for wildcards.
        vr: value representation in PS3.6, "" for wildcards.
        basic: action of the basic profile: D, Z, X, U or one of these by type, such as ``X/Z/D``.
        options: action by option (columns of the table), only where the standard gives one.
    """

    tag: str
    keyword: str
    vr: str
    basic: str
    options: dict[str, str]


@dataclass(frozen=True)
class Kept:
    """An attribute outside Table E.1-1 that may stay: how, and why."""

    keyword: str
    vr: str
    how: str
    reason: str


@dataclass(frozen=True)
class RefusedKind:
    """A kind of object that is written only with ``accept`` said."""

    what: str
    value: str
    accept: str
    reason: str


OPTIONS = (
    "safe_private",
    "uids",
    "device",
    "institution",
    "patient",
    "dates_full",
    "dates_modified",
    "descriptors",
    "structured",
    "graphics",
)
"""Columns of Table E.1-1 that belong to options."""


def _lines(name: str) -> list[str]:
    text = resources.files("vertherm.imaging.deidentify").joinpath("data", name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_lines(name)))


@functools.cache
def table() -> dict[str, Row]:
    """Table E.1-1 by tag (``ps315_e1_1.csv``)."""
    return {
        row["tag"]: Row(
            row["tag"],
            row["keyword"],
            row["vr"],
            row["basic"],
            {option: row[option] for option in OPTIONS if row[option]},
        )
        for row in _rows("ps315_e1_1.csv")
    }


@functools.cache
def row_of(tag: int) -> Row | None:
    """The row of Table E.1-1 for a tag, wildcards included; None where the standard lists none."""
    group, element = tag >> 16, tag & 0xFFFF
    if group % 2:
        return table()[PRIVATE]
    if 0x5000 <= group <= 0x50FF:
        return table()["50xxxxxx"]
    if 0x6000 <= group <= 0x60FF and element in (0x3000, 0x4000):
        return table()[f"60xx{element:04x}"]
    return table().get(f"{tag:08x}")


@functools.cache
def kept() -> dict[int, Kept]:
    """Attributes outside the table that may stay (``keep.csv``)."""
    return {
        int(row["tag"], 16): Kept(row["keyword"], row["vr"], row["how"], row["reason"]) for row in _rows("keep.csv")
    }


@functools.cache
def storage_classes() -> dict[str, str]:
    """IOD by storage class UID (``storage_classes.csv``)."""
    return {row["uid"]: row["iod"] for row in _rows("storage_classes.csv")}


@functools.cache
def _types() -> dict[tuple[str, str], list[tuple[str, frozenset[str]]]]:
    found: dict[tuple[str, str], list[tuple[str, frozenset[str]]]] = {}
    for row in _rows("types.csv"):
        found.setdefault((row["parent"], row["keyword"]), []).append((row["type"], frozenset(row["iods"].split())))
    return found


@functools.cache
def type_of(iod: str, parent: str, keyword: str) -> str:
    """Type of an attribute: "1" must hold a value, "2" may be empty, "3" may be absent.

    Args:
        iod: as in ``storage_classes.csv``.
        parent: keyword of the sequence that holds the attribute, "" for the object itself.
        keyword: keyword of the attribute.
    """
    for kind, iods in _types().get((parent, keyword), []):
        if iod in iods or "*" in iods:
            return kind
    return "3"


@functools.cache
def words() -> frozenset[str]:
    """Words that may stay in descriptors (``words.txt``), in lower case."""
    return frozenset(word for line in _lines("words.txt") for word in line.split())


@functools.cache
def standard_words() -> frozenset[str]:
    """Words of the standard that tell nothing of anybody (``standard_words.txt``)."""
    return frozenset(word for line in _lines("standard_words.txt") for word in line.split())


@functools.cache
def coding_schemes() -> frozenset[str]:
    """Designators of coding schemes that anybody may use (``coding_schemes.csv``)."""
    return frozenset(row["designator"] for row in _rows("coding_schemes.csv"))


@functools.cache
def safe_private() -> dict[tuple[int, str, int], str]:
    """VR by group, private creator and last byte of the element (``safe_private.csv``)."""
    return {
        (int(row["group"], 16), row["creator"], int(row["element"], 16)): row["vr"] for row in _rows("safe_private.csv")
    }


def registered(uid: str) -> bool:
    """True for a UID that PS3.6 registers (classes, transfer syntaxes and the like), which tells nothing of anybody."""
    from pydicom.uid import UID

    return bool(uid) and UID(uid).name != uid


@functools.cache
def refused_kinds() -> tuple[RefusedKind, ...]:
    """Kinds of objects that are refused unless accepted (``refused.csv``)."""
    return tuple(RefusedKind(row["what"], row["value"], row["accept"], row["reason"]) for row in _rows("refused.csv"))
