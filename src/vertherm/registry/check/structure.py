"""Tables, constraints and triggers against those that the migrations of this program make.

What ought to be there is made anew, by the same migrations: on SQLite in memory, on PostgreSQL in a schema of its own
inside a transaction that is rolled back. Nothing has to be stored that an intruder could adjust.
"""

from __future__ import annotations

import re
import uuid
from typing import TypeAlias

import sqlalchemy as sa

from vertherm.registry.check.report import Findings
from vertherm.registry.errors import translate
from vertherm.registry.migrations import upgrade

Objects: TypeAlias = dict[tuple[str, str], str]
"""Definition of every object by kind and name."""

_SQLITE = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND substr(name, 1, 7) <> 'sqlite_'"
)
_POSTGRESQL = """
SELECT 'column', c.relname || '.' || a.attname,
       format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = {schema} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint', c.relname || '.' || o.conname,
       pg_get_constraintdef(o.oid) || CASE WHEN o.convalidated THEN '' ELSE ' NOT VALID' END
  FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid WHERE o.connamespace = {schema} AND o.contype <> 't'
UNION ALL
SELECT 'trigger', c.relname || '.' || t.tgname, pg_get_triggerdef(t.oid) || ' enabled ' || t.tgenabled::text
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = {schema} AND NOT t.tgisinternal
UNION ALL
SELECT 'foreign key trigger', c.relname || '.' || o.conname || '.' || t.tgtype, 'enabled ' || t.tgenabled::text
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_constraint o ON o.oid = t.tgconstraint
 WHERE c.relnamespace = {schema} AND t.tgisinternal
UNION ALL
SELECT 'function', p.proname, p.prosrc || coalesce(array_to_string(p.proconfig, ','), '') || p.prosecdef::text
  FROM pg_proc p WHERE p.pronamespace = {schema} AND p.proname LIKE 'vt\\_%'
UNION ALL
SELECT 'rule', c.relname || '.' || r.rulename, pg_get_ruledef(r.oid)
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE c.relnamespace = {schema} AND c.relkind = 'r'
UNION ALL
SELECT 'row security', c.relname, c.relrowsecurity::text
  FROM pg_class c WHERE c.relnamespace = {schema} AND c.relkind = 'r' AND c.relrowsecurity
"""
_ACTIVE = ("trigger", "rule", "row security")
"""Kinds that must not be there unless the migrations made them; a table or index more does no harm."""


_WANTED: dict[tuple[object, ...], Objects] = {}
"""What this program's migrations make, by kind and version of the server; it cannot change while the program runs."""


def structure(engine: sa.Engine, found: Findings) -> None:
    """Compare the structure of a registry with what it ought to be."""
    with engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        there = _sqlite_objects(connection) if sqlite else _postgresql_objects(connection, _schema(connection))
        version = (connection.dialect.name, connection.dialect.server_version_info)
        try:
            if version not in _WANTED:
                _WANTED[version] = _wanted_sqlite() if sqlite else _wanted_postgresql(connection)
        except sa.exc.DBAPIError as error:
            found.add(
                "not checked",
                "tables, constraints and triggers",
                "They could not be compared with what they ought to be: making a temporary schema was refused "
                f"({translate(error).got}). Run the check as the owner of the database.",
            )
            return
    _compare(there, _WANTED[version], found)


def _wanted_sqlite() -> Objects:
    memory = sa.create_engine("sqlite://")
    try:
        with memory.connect() as connection:
            upgrade(connection)
            return _sqlite_objects(connection)
    finally:
        memory.dispose()


def _wanted_postgresql(connection: sa.Connection) -> Objects:
    name = f"vertherm_check_{uuid.uuid4().hex[:12]}"
    try:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
        connection.exec_driver_sql(f"SET LOCAL search_path = {name}")
        upgrade(connection)
        return _postgresql_objects(connection, name)
    finally:
        connection.rollback()


def _schema(connection: sa.Connection) -> str:
    return str(connection.execute(sa.text("SELECT current_schema()")).scalar_one())


def _compare(there: Objects, wanted: Objects, found: Findings) -> None:
    for (kind, name), definition in wanted.items():
        if (kind, name) not in there:
            found.add("structure", f"{kind} {name}", f"The {kind} is missing: somebody removed it.")
        elif there[kind, name] != definition:
            found.add("structure", f"{kind} {name}", f"The {kind} is not what the migrations made: it was changed.")
    for kind, name in there.keys() - wanted.keys():
        if kind in _ACTIVE:
            found.add("structure", f"{kind} {name}", f"The {kind} does not belong to the registry: somebody added it.")


def _sqlite_objects(connection: sa.Connection) -> Objects:
    rows = connection.exec_driver_sql(_SQLITE).fetchall()
    return {(row[0], row[1]): re.sub(r"\s+", " ", f"{row[2]} {row[3]}") for row in rows}


def _postgresql_objects(connection: sa.Connection, schema: str) -> Objects:
    query = sa.text("SELECT oid FROM pg_namespace WHERE nspname = :name")
    oid = connection.execute(query, {"name": schema}).scalar_one()
    rows = connection.exec_driver_sql(_POSTGRESQL.format(schema=oid)).fetchall()
    # Names of the schema stand in definitions: both sides lose them.
    quoted = connection.dialect.identifier_preparer.quote(schema)
    return {(row[0], row[1]): row[2].replace(f"{quoted}.", "").replace(quoted, "@") for row in rows}
