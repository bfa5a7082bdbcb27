"""Where a registry lives and how it is reached: addresses, connections, the settings that keep data safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from vertherm.core.errors import InputError

BUSY_S = 120
"""How long a writer waits for another one before it gives up, s."""
WRITE = "vertherm_write"
"""Execution option of a connection whose transactions write: on SQLite they take the write lock at once."""
MIN_POSTGRESQL = 15
_SQLITE_SETTINGS = (
    f"busy_timeout = {BUSY_S * 1000}",
    "foreign_keys = ON",
    "synchronous = FULL",
    # Measured: with the default cache of 2 MB every row of a large import opens a temporary file, ten times slower.
    "cache_size = -64000",
    "temp_store = MEMORY",
)


def default_url() -> str:
    """The registry of this user: an SQLite file in the user's data folder."""
    return f"sqlite:///{Path(platformdirs.user_data_dir('vertherm', appauthor=False)) / 'registry.db'}"


def address(url: str | None) -> URL:
    """The address as SQLAlchemy takes it; a plain path means an SQLite file, None the user's own registry.

    Raises:
        InputError: neither SQLite nor PostgreSQL, a folder, a server without a user, or no address at all.
    """
    text = url or default_url()
    if "://" not in text:
        text = f"sqlite:///{text}"
    try:
        made = make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise _bad_address(text) from error
    backend = made.get_backend_name()
    if backend in ("postgres", "postgresql"):
        if not made.username:
            raise _bad_address(made.render_as_string(hide_password=True))
        return made.set(drivername="postgresql+pg8000")
    if backend != "sqlite" or not made.database or made.database == ":memory:":
        raise _bad_address(made.render_as_string(hide_password=True))
    path = Path(made.database).expanduser()
    if path.is_dir():
        raise InputError(
            "This is a folder, no registry.",
            where=str(path),
            expected="the file of a registry",
            advice=f"name the file in it, for instance --db {path / 'registry.db'}",
        )
    return made.set(drivername="sqlite", database=str(path))


def _bad_address(text: str) -> InputError:
    return InputError(
        "This is no address of a registry.",
        got=text,
        expected="sqlite:///FOLDER/registry.db, a path of a file, or postgresql://USER:PASSWORD@HOST/DATABASE",
        advice="correct --db, or leave it out for the registry in your data folder",
    )


def shown(url: URL) -> str:
    """The address as a person may see it, without the password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.render_as_string(hide_password=True).replace("+pg8000", "")


def make_engine(url: URL) -> sa.Engine:
    """An engine whose transactions are what they seem.

    Raises:
        InputError: the PostgreSQL driver is not installed.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    try:
        # One connection a writer: waiting for the advisory lock happens in the server, not in the pool.
        engine = sa.create_engine(url, pool_size=5, max_overflow=100, pool_timeout=BUSY_S, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise InputError(
            "The PostgreSQL driver is not installed.",
            expected="pg8000",
            advice="pip install 'vertherm[postgres]', or use an SQLite file",
        ) from error

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # The constraints read dates as text; a server may be set to another way of writing them.
        cursor = connection.cursor()
        cursor.execute("SET datestyle = 'ISO, YMD'")
        cursor.close()
        connection.commit()

    return engine


def _sqlite_engine(url: URL) -> sa.Engine:
    # A connection costs well under a millisecond; a pool would only make threads wait for one another.
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args={"timeout": BUSY_S})

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # The driver's own transactions begin late and end at DDL; ours are explicit.
        connection.isolation_level = None
        for setting in _SQLITE_SETTINGS:
            connection.execute(f"PRAGMA {setting}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get(WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def execute_literal(connection: sa.Connection, sql: str) -> None:
    """Run SQL without parameters as it stands; without any, neither driver looks at ``%`` or ``:``."""
    connection.exec_driver_sql(sql)
