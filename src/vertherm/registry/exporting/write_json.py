"""JSON out: one document, written row by row so that large registries need little memory."""

from __future__ import annotations

import json
from pathlib import Path

from vertherm.core.progress import Progress
from vertherm.registry.exporting.manifest import Manifest
from vertherm.registry.guard import guarded
from vertherm.registry.records import Records, plain
from vertherm.registry.schema.catalogue import ENTITIES


def write_json_document(path: Path, records: Records, manifest: Manifest, progress: Progress) -> list[Path]:
    """Write the document; empty fields and empty tables are left out, texts carry the same guard as in the tables."""
    head = json.dumps(manifest.document(), ensure_ascii=False, indent=1)
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
    filled = [entity for entity in ENTITIES if records.rows(entity.name)]
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(head.rstrip().removesuffix("}").rstrip() + ',\n "tables": {')
        for place, entity in enumerate(filled):
            progress("write", place / len(filled))
            stream.write(("," if place else "") + f'\n  "{entity.name}": [')
            for number, row in enumerate(records.rows(entity.name)):
                item = {
                    name: guarded(value) if isinstance(value, str) else plain(value)
                    for name, value in zip(entity.columns, row, strict=True)
                    if value is not None
                }
                stream.write(("," if number else "") + "\n   " + encode(item))
            stream.write("\n  ]")
        stream.write("\n }\n}\n")
    return [path]
