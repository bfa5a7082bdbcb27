"""One registry: made, opened, written to in transactions, read as a whole."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import URL

from vertherm.core.errors import InputError
from vertherm.registry import reading, seal
from vertherm.registry.engine import MIN_POSTGRESQL, WRITE, address, default_url, make_engine, shown
from vertherm.registry.errors import translated
from vertherm.registry.key import make_key, need_key
from vertherm.registry.migrations import revision_of, upgrade
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import SCHEMA_VERSION
from vertherm.registry.schema.system import AUDIT, CONTEXT_TABLE, META, REVISION
from vertherm.registry.writer import Writer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Registry", "default_url"]

# Any number will do, as long as every writer asks for the same one.
_WRITER_LOCK = 0x56455254


class Registry:
    """An open registry; a context manager that closes it.

    Args:
        url: its address.
        engine: connections to it.
        registry_id: its name, the same for the life of the registry and its copies.
    """

    def __init__(self, url: URL, engine: sa.Engine, registry_id: str) -> None:
        self.url, self.engine, self.registry_id = shown(url), engine, registry_id
        self.address = url

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @staticmethod
    def create(url: str | None = None) -> Registry:
        """Make a registry, its tables, its name and its sealing key; bring one of an older version up to date.

        Raises:
            InputError: there is one already, the place cannot be written, or the database holds other tables.
        """
        target = address(url)
        if target.get_backend_name() == "sqlite":
            _make_file(Path(str(target.database)))
        engine = make_engine(target)
        try:
            with translated(shown(target)), engine.connect() as connection:
                _need_server(connection)
                if connection.dialect.name == "sqlite":
                    # Past SQLAlchemy, which would begin a transaction first. The setting stays with the file.
                    connection.connection.driver_connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[union-attr]
                writing = connection.execution_options(**{WRITE: True})
                with writing.begin():
                    registry_id = _set_up(writing, shown(target))
        except BaseException:
            engine.dispose()
            raise
        return Registry(target, engine, registry_id)

    @staticmethod
    def open(url: str | None = None) -> Registry:
        """Open a registry.

        Raises:
            InputError: there is none, or its schema is older or newer than this program's.
        """
        target = address(url)
        if target.get_backend_name() == "sqlite" and not Path(str(target.database)).is_file():
            raise _no_registry(shown(target))
        engine = make_engine(target)
        try:
            with translated(shown(target)), engine.connect() as connection:
                _need_server(connection)
                _need_revision(revision_of(connection), shown(target))
                registry_id = connection.execute(sa.select(META.c.value).where(META.c.name == "registry_id")).scalar()
                if not registry_id:
                    raise _no_registry(shown(target))
        except BaseException:
            engine.dispose()
            raise
        return Registry(target, engine, registry_id)

    @contextmanager
    def transaction(self, *, user: str, why: str) -> Iterator[Writer]:
        """All or nothing: what the block writes is audited with ``user`` and ``why``, sealed and committed together.

        Writers take turns; an exception in the block leaves the registry as it was.

        Raises:
            InputError: no user or reason, no key or the wrong one, or the database refused a row.
        """
        who = _said("user", user, 200)
        reason = _said("reason", why, 2000)
        key = need_key(self.registry_id)
        tx = uuid.uuid4().hex
        with translated(), self.engine.connect() as plain:
            connection = plain.execution_options(**{WRITE: True})
            with connection.begin():
                _take_turn(connection, who, reason, tx)
                previous = seal.need_chain(connection, key, self.registry_id)
                after = connection.execute(sa.select(sa.func.coalesce(sa.func.max(AUDIT.c.id), 0))).scalar_one()
                yield Writer(connection, who, reason, tx)
                seal.seal_rows(connection, key, self.registry_id, tx, previous, after)
                _clear_context(connection)

    def records(self, series: str | None = None) -> Records:
        """All data, or one series, of one moment, sorted by key.

        Raises:
            InputError: there is no such series.
        """
        with reading.snapshot(self.engine) as connection:
            return reading.read_records(connection, series)

    def frames(self, series: str | None = None) -> dict[str, pd.DataFrame]:
        """The same as DataFrames, one an entity; see `reading.read_frames` for the types.

        Raises:
            InputError: there is no such series.
        """
        with reading.snapshot(self.engine) as connection:
            return reading.read_frames(connection, series)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _make_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Patients' data: no other account of the machine needs to read them.
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise InputError(
            "The registry's file cannot be made.",
            where=str(path),
            got=str(error),
            advice="choose a folder you may write to with --db",
        ) from error


def _set_up(connection: sa.Connection, where: str) -> str:
    _lock(connection)
    found = revision_of(connection)
    if found == REVISION:
        raise InputError(
            "There is a registry here already.", where=where, advice="use it as it is, or choose another --db"
        )
    if found is not None:
        _need_older(found, where)
        upgrade(connection)
        _set_meta(connection, "schema_version", str(SCHEMA_VERSION))
        return str(connection.execute(sa.select(META.c.value).where(META.c.name == "registry_id")).scalar_one())
    if others := sa.inspect(connection).get_table_names():
        raise InputError(
            "The database holds something else.",
            where=where,
            got=", ".join(sorted(others)[:10]),
            expected="an empty database",
            advice="choose another --db",
        )
    upgrade(connection)
    registry_id = uuid.uuid4().hex
    values = {"registry_id": registry_id, "schema_version": str(SCHEMA_VERSION), "created_at": seal.utc_now()}
    connection.execute(META.insert(), [{"name": name, "value": value} for name, value in values.items()])
    seal.first_seal(connection, make_key(registry_id), registry_id)
    return registry_id


def _set_meta(connection: sa.Connection, name: str, value: str) -> None:
    connection.execute(META.update().where(META.c.name == name).values(value=value))


def _lock(connection: sa.Connection) -> None:
    # SQLite took its lock with BEGIN IMMEDIATE.
    if connection.dialect.name == "postgresql":
        # READ COMMITTED whatever the server's default: a writer must see what the one before it committed.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")


def _take_turn(connection: sa.Connection, who: str, why: str, tx: str) -> None:
    _lock(connection)
    if connection.dialect.name == "sqlite":
        sql = f"UPDATE {CONTEXT_TABLE} SET who = :who, why = :why, tx = :tx"
    else:
        sql = "SELECT " + ", ".join(f"set_config('vertherm.{name}', :{name}, true)" for name in ("who", "why", "tx"))
    connection.execute(sa.text(sql), {"who": who, "why": why, "tx": tx})


def _clear_context(connection: sa.Connection) -> None:
    # PostgreSQL forgets its settings with the transaction.
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"UPDATE {CONTEXT_TABLE} SET who = NULL, why = NULL, tx = NULL")


def _said(name: str, text: str, length: int) -> str:
    clean = text.strip()
    if not clean or len(clean) > length or "\x00" in clean:
        raise InputError(
            f"Every change needs a {name}.",
            got=repr(text[:80]),
            expected=f"1 to {length} characters",
            advice=f"give a {name}",
        )
    return clean


def _need_server(connection: sa.Connection) -> None:
    if connection.dialect.name != "postgresql":
        return
    version = connection.dialect.server_version_info or (0,)
    if int(version[0]) < MIN_POSTGRESQL:
        raise InputError(
            "This PostgreSQL server is too old.",
            got=".".join(map(str, version)),
            expected=f"{MIN_POSTGRESQL} or newer",
            advice="ask for a newer server, or use an SQLite file",
        )


def _no_registry(where: str) -> InputError:
    return InputError(
        "There is no registry here.",
        where=where,
        expected="a registry made by vertherm registry init",
        advice="correct --db, or make a registry there with: vertherm registry init --db ...",
    )


def _need_revision(found: str | None, where: str) -> None:
    if found == REVISION:
        return
    if found is None:
        raise _no_registry(where)
    _need_older(found, where)
    raise InputError(
        "The registry was made by an older version of Vertherm.",
        where=where,
        got=f"schema revision {found}",
        expected=REVISION,
        advice="make a backup, then run vertherm registry init on it: it changes the tables and keeps all data",
    )


def _need_older(found: str, where: str) -> None:
    from vertherm.registry.migrations import revisions

    if found not in revisions():
        raise InputError(
            "The registry was made by a newer version of Vertherm.",
            where=where,
            got=f"schema revision {found}",
            expected=REVISION,
            advice="install the newer version",
        )
