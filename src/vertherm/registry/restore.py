"""Restore of a backup into an empty database of either kind: all of it, or nothing."""

from __future__ import annotations

import hmac
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL

from vertherm.core.errors import InputError
from vertherm.core.files import atomic_path
from vertherm.core.progress import Progress, silent
from vertherm.registry import bulk
from vertherm.registry.backup_file import Manifest, Part, damaged, lines, newer, opened, read_manifest, verify_parts
from vertherm.registry.engine import WRITE, address, execute_literal, make_engine, shown
from vertherm.registry.errors import translated
from vertherm.registry.key import find_key, key_path
from vertherm.registry.migrations import revisions, upgrade
from vertherm.registry.schema.catalogue import SCHEMA_VERSION
from vertherm.registry.schema.system import CONTEXT_TABLE

_OWN_TABLES = {"alembic_version", CONTEXT_TABLE}
"""Tables that the database makes anew and no backup holds."""


@dataclass(frozen=True)
class RestoreReport:
    """What was restored.

    Args:
        url: where it is now, without the password.
        manifest: what the backup said of itself.
        verified_with_key: the registry's key was at hand and confirmed the backup.
        key_path: where the key of this registry is looked for; without it nothing can be written.
    """

    url: str
    manifest: Manifest
    verified_with_key: bool
    key_path: Path

    @property
    def counts(self) -> dict[str, int]:
        """Rows by table, empty tables left out."""
        return {part.table: part.rows for part in self.manifest.parts if part.rows}


def restore(
    path: Path, url: str | None = None, *, allow_unsigned: bool = False, progress: Progress = silent
) -> RestoreReport:
    """Restore a backup into an empty or not yet existing database, SQLite or PostgreSQL whatever it came from.

    Every count and hash is compared before the first row is loaded; everything happens in one transaction (and for
    SQLite in a file beside the target), so a failure or a kill leaves no registry there. The registry keeps its name
    and its chain of seals. Run ``registry check`` afterwards.

    Args:
        path: the backup.
        url: the target; None: the user's own registry.
        allow_unsigned: with the key at hand, accept a backup that was made without it.
        progress: receives progress.

    Raises:
        InputError: a damaged, changed or newer backup, a target that holds something, or a database that fails.
    """
    path, target = Path(path), address(url)
    with opened(path) as archive:
        manifest, mac = read_manifest(archive, path)
        if manifest.schema_version > SCHEMA_VERSION or manifest.revision not in revisions():
            got = f"schema {manifest.schema_version}, revision {manifest.revision}"
            raise newer(path, got, f"schema up to {SCHEMA_VERSION}, revision {', '.join(revisions())}")
        confirmed = _confirmed(path, manifest, mac, allow_unsigned)
        verify_parts(archive, path, manifest, progress)
        job = _Job(path, archive, manifest, progress)
        if target.get_backend_name() == "sqlite":
            _into_file(job, target)
        else:
            job.run(target)
    return RestoreReport(shown(target), manifest, confirmed, key_path(manifest.registry_id))


def _confirmed(path: Path, manifest: Manifest, mac: str, allow_unsigned: bool) -> bool:
    key = find_key(manifest.registry_id)
    if key is None:
        return False
    if not mac and allow_unsigned:
        return False
    if not mac:
        raise InputError(
            "This backup is not signed by the registry's key; nothing was restored.",
            where=str(path),
            expected="a backup made on a machine that has the key",
            advice="if it was made without the key: --allow-unsigned, and vertherm registry check afterwards",
        )
    if not hmac.compare_digest(manifest.mac(key), mac):
        raise damaged(path, "the registry's key does not confirm the manifest", "manifest.json")
    return True


def _into_file(job: _Job, target: URL) -> None:
    path = Path(str(target.database))
    if path.is_file():
        engine = make_engine(target)
        try:
            with translated(shown(target)), engine.connect() as connection:
                need_empty(connection, shown(target))
        finally:
            engine.dispose()
    # What is there was found empty just now.
    with atomic_path(path, replace_database=True) as draft:
        draft.touch(mode=0o600)
        try:
            job.run(target.set(database=str(draft)))
        finally:
            for suffix in ("-journal", "-wal", "-shm"):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def need_empty(connection: sa.Connection, where: str) -> None:
    """A restore never overwrites.

    Raises:
        InputError: the database holds tables.
    """
    if found := sorted(sa.inspect(connection).get_table_names()):
        raise InputError(
            "The target is not empty; nothing was restored.",
            where=where,
            got=f"{len(found)} tables: {', '.join(found[:5])}{', ...' if len(found) > 5 else ''}",
            expected="an empty database, or a file that does not exist yet",
            advice="restore into a new database and compare the two, or move the old one away first",
        )


@dataclass(frozen=True)
class _Job:
    """A verified backup on its way into a database."""

    path: Path
    archive: zipfile.ZipFile
    manifest: Manifest
    progress: Progress

    def run(self, target: URL) -> None:
        engine = make_engine(target)
        try:
            with translated(shown(target)), engine.connect() as connection:
                writing = connection.execution_options(**{WRITE: True})
                with writing.begin():
                    need_empty(writing, shown(target))
                    upgrade(writing, self.manifest.revision)
                    with _without_triggers(writing):
                        self._load(writing)
                if connection.dialect.name == "sqlite":
                    # As `Registry.create` sets it; not possible inside a transaction.
                    connection.connection.driver_connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[union-attr]
        finally:
            engine.dispose()

    def _load(self, connection: sa.Connection) -> None:
        parts = self.manifest.parts
        present = set(sa.inspect(connection).get_table_names()) - _OWN_TABLES
        if odd := sorted(present ^ {part.table for part in parts}):
            raise damaged(self.path, f"tables do not fit revision {self.manifest.revision}: {', '.join(odd)}")
        for number, part in enumerate(parts):
            self._load_part(connection, part)
            self.progress("restore", (number + 1) / len(parts))
        self._compare_head(connection)

    def _load_part(self, connection: sa.Connection, part: Part) -> None:
        table = sa.Table(part.table, sa.MetaData(), autoload_with=connection, resolve_fks=False)
        by_name = {column.name: column for column in table.columns}
        if sorted(by_name) != sorted(part.columns):
            raise damaged(self.path, f"columns do not fit revision {self.manifest.revision}", part.name)
        ordered = sa.table(part.table, *(sa.column(name) for name in part.columns))
        try:
            with self.archive.open(part.name) as stream:
                rows = bulk.load(connection, ordered, lines(stream))
        except ValueError as error:
            raise damaged(self.path, str(error), part.name) from error
        found = connection.execute(sa.select(sa.func.count()).select_from(ordered)).scalar_one()
        if not rows == found == part.rows:
            raise damaged(self.path, f"{found} rows arrived where the manifest says {part.rows}", part.name)
        _continue_numbers(connection, table)

    def _compare_head(self, connection: sa.Connection) -> None:
        name = connection.execute(sa.text("SELECT value FROM meta WHERE name = 'registry_id'")).scalar()
        seal = connection.execute(sa.text("SELECT seal_no, mac FROM seal ORDER BY seal_no DESC LIMIT 1")).first()
        head = (0, "") if seal is None else (seal.seal_no, seal.mac)
        if name != self.manifest.registry_id or head != (self.manifest.head_seal_no, self.manifest.head_mac):
            raise damaged(self.path, "name of the registry or last seal differ from the manifest", "manifest.json")


@contextmanager
def _without_triggers(connection: sa.Connection) -> Iterator[None]:
    """The rows were audited and guarded when they were written first; afterwards the same triggers stand again."""
    if connection.dialect.name == "postgresql":
        quote = connection.dialect.identifier_preparer.quote
        tables = [quote(name) for name in sa.inspect(connection).get_table_names()]
        for table in tables:
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in tables:
            connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        return
    query = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid")
    triggers = list(connection.execute(query))
    for trigger in triggers:
        execute_literal(connection, f'DROP TRIGGER "{trigger.name}"')
    yield
    for trigger in triggers:
        execute_literal(connection, trigger.sql)


def _continue_numbers(connection: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL count on from the highest number; SQLite does so by itself."""
    key = list(table.primary_key.columns)
    if connection.dialect.name != "postgresql" or len(key) != 1:
        return
    names = {"table": table.name, "column": key[0].name}
    sequence = connection.execute(sa.text("SELECT pg_get_serial_sequence(:table, :column)"), names).scalar()
    highest = connection.execute(sa.select(sa.func.max(key[0]))).scalar()
    if sequence and highest is not None:
        connection.execute(sa.text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest})
