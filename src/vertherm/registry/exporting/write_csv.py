"""CSV out: a folder with one file an entity, the dictionary of all fields and the manifest."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from vertherm.core.progress import Progress
from vertherm.registry.exporting.cells import text_rows
from vertherm.registry.exporting.manifest import Manifest
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import ENTITIES
from vertherm.registry.schema.field import Field

DICTIONARY_HEADING = (
    "table",
    "field",
    "label",
    "type",
    "unit",
    "required",
    "key",
    "low",
    "high",
    "codes",
    "identifier",
    "help",
)
MANIFEST = "manifest.json"
SYNTHETIC_FILE = "SYNTHETIC.txt"


def write_csv(folder: Path, records: Records, manifest: Manifest, progress: Progress) -> list[Path]:
    """Write the files into an existing folder; every entity has one, with a heading even where it has no rows."""
    written = []
    for place, entity in enumerate(ENTITIES):
        progress("write", place / len(ENTITIES))
        path = folder / f"{entity.name}.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(entity.columns)
            writer.writerows(text_rows(records, entity.name))
        written.append(path)
    dictionary = folder / "dictionary.csv"
    with dictionary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(DICTIONARY_HEADING)
        writer.writerows(dictionary_rows())
    return [*written, dictionary, *write_manifest(folder, manifest)]


def write_manifest(folder: Path, manifest: Manifest) -> list[Path]:
    """The manifest, and beside synthetic data a file whose name says so."""
    path = folder / MANIFEST
    path.write_text(json.dumps(manifest.document(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    if not manifest.mark:
        return [path]
    mark = folder / SYNTHETIC_FILE
    mark.write_text(manifest.mark + "\n", "utf-8")
    return [path, mark]


def dictionary_rows() -> list[tuple[str, ...]]:
    """One row a field, in the order of :data:`DICTIONARY_HEADING`."""
    return [
        (
            entity.name,
            item.name,
            item.label,
            item.kind.value,
            item.unit,
            _mark(item.required),
            _mark(item.name in entity.key),
            _limit(item.low),
            _limit(item.high),
            _codes(item),
            _mark(item.identifier or item.free_text),
            item.help,
        )
        for entity in ENTITIES
        for item in entity.fields
    ]


def _mark(value: bool) -> str:
    return "yes" if value else ""


def _limit(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _codes(item: Field) -> str:
    if item.vocabulary is None:
        return ""
    labels = item.vocabulary.labels
    return " | ".join(f"{code}, {labels[code]}" for code in item.vocabulary.codes)
