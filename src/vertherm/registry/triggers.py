"""Triggers: they write the audit, keep it append-only, hold locks, and let nothing happen after death.

They are made from the tables as the database has them, so a migration that changes a table calls `install` again at its
end. Their messages begin with ``vertherm:`` and a word that `registry.errors` turns into a sentence for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from vertherm.registry.engine import execute_literal

PREFIX = "vt_"
"""Every trigger and trigger function begins so."""
LOCKED, AFTER_DEATH, BEFORE_EVENT, APPEND_ONLY, KEY_CHANGED = (
    "vertherm:locked",
    "vertherm:after_death",
    "vertherm:death_before",
    "vertherm:append_only",
    "vertherm:key_changed",
)
APPEND_ONLY_TABLES = ("audit", "seal", "freeze")
_UNAUDITED = {"meta", "audit", "seal", "alembic_version", "audit_context"}
_OWN = {"record_lock", "signature", "freeze"}
VOIDED = ("voided_at", "voided_by", "voided_why")


@dataclass(frozen=True)
class Shape:
    """One audited table as the database has it.

    Args:
        name: table name.
        columns: its columns in order.
        key: columns of the primary key.
        real: key columns of floating-point type.
        date: the column that may not lie after the patient's death, empty where there is none.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    real: frozenset[str]
    date: str

    @property
    def lockable(self) -> bool:
        """True where its rows belong to a patient and can be locked."""
        return self.name not in _OWN and self.key[0] == "patient_key"


def shapes(connection: sa.Connection, dated: Mapping[str, str]) -> list[Shape]:
    """Shapes of all audited tables, by name."""
    inspector = sa.inspect(connection)
    made = []
    for name in sorted(set(inspector.get_table_names()) - _UNAUDITED):
        columns = inspector.get_columns(name)
        key = tuple(inspector.get_pk_constraint(name)["constrained_columns"])
        real = frozenset(column["name"] for column in columns if isinstance(column["type"], sa.Float))
        made.append(Shape(name, tuple(column["name"] for column in columns), key, real, dated.get(name, "")))
    return made


def install(connection: sa.Connection, dated: Mapping[str, str]) -> None:
    """Put the triggers on every table, in place of those that are there.

    Args:
        connection: inside a transaction of the caller.
        dated: for each table whose rows may not lie after death, the column with their date.
    """
    from vertherm.registry import triggers_postgresql, triggers_sqlite

    remove(connection)
    made = shapes(connection, dated)
    if connection.dialect.name == "sqlite":
        statements = triggers_sqlite.statements(made)
    else:
        schema = connection.execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
        statements = triggers_postgresql.statements(made, schema)
    for statement in statements:
        execute_literal(connection, statement)


def remove(connection: sa.Connection) -> None:
    """Take the triggers away, as a restore does before it writes rows that were audited already."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars()
        for name in [name for name in found if name.startswith(PREFIX)]:
            execute_literal(connection, f"DROP TRIGGER {name}")
        return
    found = connection.execute(
        sa.text(
            "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
            "WHERE n.nspname = current_schema() AND p.proname LIKE 'vt\\_%'"
        )
    ).scalars()
    for name in list(found):
        execute_literal(connection, f"DROP FUNCTION {name}() CASCADE")


def same(left: str, right: str, columns: tuple[str, ...], operator: str) -> str:
    """SQL: all ``columns`` are equal in two rows; ``operator`` is the dialect's null-safe one."""
    return " AND ".join(f'{left}."{name}" {operator} {right}."{name}"' for name in columns)
