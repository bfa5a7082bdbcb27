"""The check as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from vertherm.core.progress import Progress, silent
from vertherm.registry.check.chain import Chain
from vertherm.registry.check.content import content
from vertherm.registry.check.heads import Head, frozen_heads, kept_heads, read_head
from vertherm.registry.check.replay import replay
from vertherm.registry.check.report import CheckReport, Findings
from vertherm.registry.check.structure import structure
from vertherm.registry.errors import translated
from vertherm.registry.key import find_key
from vertherm.registry.reading import snapshot
from vertherm.registry.schema.catalogue import SCHEMA_VERSION
from vertherm.registry.schema.system import META

if TYPE_CHECKING:
    from vertherm.registry.database import Registry


def check(registry: Registry, *, heads: Sequence[Path] = (), progress: Progress = silent) -> CheckReport:
    """Prove the registry, or say what is wrong with it; changes nothing and lets writers go on.

    Args:
        registry: an open registry.
        heads: exported heads; those kept beside the key and those of the freezes are compared as well.
        progress: receives progress.

    Raises:
        InputError: a head that is none or belongs elsewhere, a key that cannot be read, a database that fails.
    """
    from vertherm.registry import signature

    found = Findings()
    key = find_key(registry.registry_id)
    given = [read_head(path, registry.registry_id) for path in heads] + kept_heads(registry.registry_id)
    with translated():
        structure(registry.engine, found)
        with snapshot(registry.engine) as connection:
            if connection.dialect.name == "sqlite":
                # Large sorts go to disk here; writers keep theirs in memory.
                connection.exec_driver_sql("PRAGMA temp_store = FILE")
            known = _heads(given, frozen_heads(connection, registry.registry_id))
            chain = Chain(registry.registry_id, key, known, found)
            chain.walk(connection, progress)
            replay(connection, found, progress)
            content(connection, found, progress)
            _schema_version(connection, found)
            for item in signature.findings(registry, connection):
                found.add(item.kind, item.where, item.what)
    last = chain.last
    head = Head(registry.registry_id, last.seal_no, last.mac, chain.sealed, last.at) if last else None
    return CheckReport(found.all(), chain.seals, chain.rows, head, len(known), key is not None)


def _heads(given: list[Head], frozen: list[Head]) -> list[Head]:
    """The same head may be in a file, beside the key and in a freeze: once is enough."""
    once: dict[tuple[int, str], Head] = {}
    for head in [*given, *frozen]:
        once.setdefault((head.seal_no, head.mac), head)
    return list(once.values())


def _schema_version(connection: sa.Connection, found: Findings) -> None:
    version = connection.execute(sa.select(META.c.value).where(META.c.name == "schema_version")).scalar()
    if version != str(SCHEMA_VERSION):
        found.add("schema", "meta schema_version", f"It says {version}, but this program's schema is {SCHEMA_VERSION}.")
