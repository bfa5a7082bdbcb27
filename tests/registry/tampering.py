"""What an intruder with the database but without the key can do: SQL past the application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tests.servers.cohort import cohort
from vertherm.registry.database import Registry
from vertherm.registry.engine import WRITE
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES


def fill(registry: Registry, records: Records | None = None, *, why: str = "first entry") -> Records:
    """Write records (three patients unless others are given) in one transaction."""
    records = records or cohort(3)
    with registry.transaction(user="anna", why=why) as writer:
        for entity in ENTITIES:
            writer.insert(entity.name, records.rows(entity.name))
    return records


def change_pain(registry: Registry, vas: float, *, patient: str = "P000001", user: str = "berta") -> None:
    """One honest change: the pain of a patient's first visit."""
    with registry.transaction(user=user, why=f"correction to {vas}") as writer:
        columns = BY_NAME["visit"].columns
        table = sa.table("visit", *map(sa.column, columns))
        row = writer.connection.execute(sa.select(table).where(table.c.patient_key == patient, table.c.visit_no == 1))
        values = dict(zip(columns, row.one(), strict=True)) | {"vas": vas}
        if isinstance(values["date"], str):
            from datetime import date

            values["date"] = date.fromisoformat(values["date"])
        writer.update("visit", [tuple(values.values())])


@contextmanager
def direct(registry: Registry) -> Iterator[sa.Connection]:
    """A connection that commits at the end; triggers and constraints stand."""
    with registry.engine.connect() as connection:
        writing = connection.execution_options(**{WRITE: True})
        with writing.begin():
            yield writing


@contextmanager
def unguarded(registry: Registry) -> Iterator[sa.Connection]:
    """The same without triggers; afterwards they stand again as if nothing had happened."""
    with direct(registry) as connection:
        if registry.dialect == "postgresql":
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            yield connection
            return
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in found:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in found:
            connection.exec_driver_sql(sql)


def sql(registry: Registry, *statements: str) -> None:
    """Run statements with the triggers in place."""
    with direct(registry) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def hidden_sql(registry: Registry, *statements: str) -> None:
    """Run statements with the triggers switched off."""
    with unguarded(registry) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def scalar(registry: Registry, statement: str) -> object:
    """One value."""
    with registry.engine.connect() as connection:
        return connection.exec_driver_sql(statement).scalar()
