"""Label vocabularies: what the numbers of a label map mean (data files, one a vocabulary)."""

from __future__ import annotations

import functools
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
