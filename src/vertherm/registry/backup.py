"""Backup of a whole registry into one file: data, audit, seals, locks, signatures, freezes.

The sealing key is not in it. Without the key a restored registry can be read, reviewed and exported, and ``check`` can
still follow the audit; but nothing can be written to it, and nobody can prove that its seals are genuine. So the key
needs a copy of its own, kept apart from the backups.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from vertherm import __version__
from vertherm.core.files import atomic_path
from vertherm.core.progress import Progress, silent
from vertherm.registry import bulk
from vertherm.registry.backup_file import MANIFEST, Manifest, Part
from vertherm.registry.key import find_key
from vertherm.registry.migrations import revision_of
from vertherm.registry.reading import snapshot
from vertherm.registry.schema.catalogue import SCHEMA_VERSION
from vertherm.registry.schema.system import REVISION
from vertherm.registry.schema.tables import METADATA
from vertherm.registry.seal import last_seal, utc_now

if TYPE_CHECKING:
    from vertherm.registry.database import Registry

_LEVEL = 4
"""Compression; 9 takes three times as long for a few per cent."""


@dataclass(frozen=True)
class BackupReport:
    """What was written: the file, rows by table, and whether the registry's key vouches for it."""

    path: Path
    manifest: Manifest
    signed: bool

    @property
    def counts(self) -> dict[str, int]:
        """Rows by table, empty tables left out."""
        return {part.table: part.rows for part in self.manifest.parts if part.rows}


def backup(registry: Registry, path: Path, *, progress: Progress = silent) -> BackupReport:
    """Write everything of one moment into one ZIP; writers may go on meanwhile.

    The file is readable by its owner alone and replaces an older one of the same name only when it is complete. With
    the registry's key at hand the manifest is signed by it, and a restore on a machine with the key accepts nothing
    else; without the key the backup is made all the same, and ``signed`` is False.

    Args:
        registry: an open registry.
        path: the file.
        progress: receives progress.

    Raises:
        InputError: the file cannot be written, or the database fails.
    """
    path = Path(path)
    with atomic_path(path) as draft:
        draft.touch(mode=0o600)
        with snapshot(registry.engine) as connection:
            manifest = _write(connection, registry, draft, progress)
        with draft.open("rb") as stream:
            os.fsync(stream.fileno())
    return BackupReport(path, manifest, find_key(registry.registry_id) is not None)


def _write(connection: sa.Connection, registry: Registry, draft: Path, progress: Progress) -> Manifest:
    head = last_seal(connection)
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        tables = METADATA.sorted_tables
        parts = []
        for number, table in enumerate(tables):
            parts.append(_write_part(connection, table, archive))
            progress("backup", (number + 1) / len(tables))
        manifest = Manifest(
            registry_id=registry.registry_id,
            schema_version=SCHEMA_VERSION,
            revision=revision_of(connection) or REVISION,
            made_at=utc_now(),
            made_by=f"vertherm {__version__}",
            dialect=registry.dialect,
            head_seal_no=head.seal_no if head else 0,
            head_mac=head.mac if head else "",
            parts=tuple(parts),
        )
        key = find_key(registry.registry_id)
        document: dict[str, Any] = {**manifest.document(), "mac": manifest.mac(key) if key else None}
        archive.writestr(MANIFEST, json.dumps(document, indent=1, ensure_ascii=False))
    return manifest


def _write_part(connection: sa.Connection, table: sa.Table, archive: zipfile.ZipFile) -> Part:
    digest = hashlib.sha256()
    columns = tuple(column.name for column in table.columns)
    name = Part(table.name, columns, 0, "").name
    with archive.open(name, "w", force_zip64=True) as stream:

        def sink(block: bytes) -> None:
            digest.update(block)
            stream.write(block)

        rows = bulk.dump(connection, table, sink)
    return Part(table.name, columns, rows, digest.hexdigest())
