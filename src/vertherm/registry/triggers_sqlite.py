"""The triggers in the words of SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vertherm.registry.triggers import (
    AFTER_DEATH,
    APPEND_ONLY,
    APPEND_ONLY_TABLES,
    BEFORE_EVENT,
    KEY_CHANGED,
    LOCKED,
    PREFIX,
    VOIDED,
    Shape,
    same,
)

_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
_WHO = "coalesce((SELECT who FROM audit_context), 'direct SQL')"


def statements(tables: Sequence[Shape]) -> Iterator[str]:
    """DDL of all triggers."""
    yield (
        "CREATE TABLE IF NOT EXISTS audit_context "
        "(id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), who TEXT, why TEXT, tx TEXT)"
    )
    yield "INSERT OR IGNORE INTO audit_context (id) VALUES (1)"
    for table in tables:
        yield from _audit(table)
        if table.lockable:
            yield from _locks(table)
    yield from _death([table for table in tables if table.date])
    yield from _append_only()
    yield from _signatures(next(table for table in tables if table.name == "signature"))


def record_key(table: Shape, row: str) -> str:
    """SQL of the text that names a record; floats with 15 digits."""
    return " || '|' || ".join(
        f"printf('%.15g', {row}.{name})" if name in table.real else f"CAST({row}.{name} AS TEXT)" for name in table.key
    )


def _content(table: Shape, row: str) -> str:
    # A merge patch drops nulls: most fields of most rows are empty.
    pairs = ", ".join(f"'{name}', {row}.\"{name}\"" for name in table.columns)
    return f"json_patch('{{}}', json_object({pairs}))"


def _audit(table: Shape) -> Iterator[str]:
    for event, action, row in (("INSERT", "I", "NEW"), ("UPDATE", "U", "NEW"), ("DELETE", "D", "OLD")):
        old = "NULL" if action == "I" else _content(table, "OLD")
        new = "NULL" if action == "D" else _content(table, "NEW")
        yield (
            f'CREATE TRIGGER {PREFIX}{table.name}_audit_{event.lower()} AFTER {event} ON "{table.name}" BEGIN '
            'INSERT INTO audit (at, who, why, tx, entity, record_key, action, "old", "new") '
            f"SELECT {_NOW}, coalesce(c.who, 'direct SQL'), c.why, c.tx, '{table.name}', {record_key(table, row)}, "
            f"'{action}', {old}, {new} FROM (SELECT 1) LEFT JOIN audit_context c ON c.id = 1; END"
        )
    yield _guard(table.name, "key", "UPDATE", f"NOT ({same('OLD', 'NEW', table.key, 'IS')})", KEY_CHANGED)


def _guard(table: str, name: str, event: str, condition: str, message: str) -> str:
    when = f"WHEN {condition} " if condition else ""
    return (
        f'CREATE TRIGGER {PREFIX}{table}_{name}_{event.lower()} BEFORE {event} ON "{table}" {when}'
        f"BEGIN SELECT RAISE(ABORT, '{message} {table}'); END"
    )


def _locks(table: Shape) -> Iterator[str]:
    for event, row in (("INSERT", "NEW"), ("UPDATE", "OLD"), ("DELETE", "OLD")):
        condition = (
            f"EXISTS (SELECT 1 FROM record_lock l WHERE l.patient_key = {row}.patient_key AND (l.entity = '*' "
            f"OR (l.entity = '{table.name}' AND l.record_key = {record_key(table, row)})))"
        )
        yield _guard(table.name, "lock", event, condition, LOCKED)


def _death(dated: Sequence[Shape]) -> Iterator[str]:
    for table in dated:
        condition = (
            f'EXISTS (SELECT 1 FROM death d WHERE d.patient_key = NEW.patient_key AND d.date < NEW."{table.date}")'
        )
        for event in ("INSERT", "UPDATE"):
            yield _guard(table.name, "death", event, condition, AFTER_DEATH)
    later = " OR ".join(
        f'EXISTS (SELECT 1 FROM "{table.name}" t WHERE t.patient_key = NEW.patient_key AND t."{table.date}" > NEW.date)'
        for table in dated
    )
    for event in ("INSERT", "UPDATE"):
        yield _guard("death", "death", event, later, BEFORE_EVENT)


def _append_only() -> Iterator[str]:
    for table in APPEND_ONLY_TABLES:
        for event in ("UPDATE", "DELETE"):
            yield _guard(table, "keep", event, "", APPEND_ONLY)
    # INSERT OR REPLACE deletes without firing the trigger on deletion.
    for table, key in (("audit", "id"), ("seal", "seal_no"), ("freeze", "freeze_no"), ("signature", "signature_no")):
        condition = f'EXISTS (SELECT 1 FROM "{table}" t WHERE t.{key} = NEW.{key})'
        yield _guard(table, "keep", "INSERT", condition, APPEND_ONLY)
    for event in ("UPDATE", "DELETE"):
        yield _guard("meta", "keep", event, "OLD.name = 'registry_id'", APPEND_ONLY)


def _signatures(signature: Shape) -> Iterator[str]:
    kept = tuple(name for name in signature.columns if name not in VOIDED)
    voids = f"OLD.voided_at IS NULL AND NEW.voided_at IS NOT NULL AND {same('OLD', 'NEW', kept, 'IS')}"
    yield _guard("signature", "keep", "UPDATE", f"NOT ({voids})", APPEND_ONLY)
    yield _guard("signature", "keep", "DELETE", "", APPEND_ONLY)
    yield _guard("record_lock", "keep", "UPDATE", "", APPEND_ONLY)
    yield (
        f"CREATE TRIGGER {PREFIX}record_lock_void AFTER DELETE ON record_lock BEGIN "
        f"UPDATE signature SET voided_at = {_NOW}, voided_by = {_WHO}, "
        "voided_why = coalesce((SELECT why FROM audit_context), 'the lock was removed') "
        "WHERE patient_key = OLD.patient_key AND entity = OLD.entity AND record_key = OLD.record_key "
        "AND voided_at IS NULL; END"
    )
