"""The triggers in the words of PostgreSQL: one function a table and purpose."""

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

_NOW = "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
_WHO = "coalesce(nullif(current_setting('vertherm.who', true), ''), 'direct SQL (' || session_user || ')')"
_WHY = "nullif(current_setting('vertherm.why', true), '')"
_TX = "nullif(current_setting('vertherm.tx', true), '')"
_SAME = "IS NOT DISTINCT FROM"


def statements(tables: Sequence[Shape], schema: str) -> Iterator[str]:
    """DDL of all trigger functions and triggers; ``schema`` holds the tables, quoted where it needs to be."""
    for statement in _statements(tables):
        # The search path is pinned: a table named audit in a user's own schema must not catch the rows.
        yield statement.replace("@path@", f"SET search_path = {schema}, pg_temp", 1)


def _statements(tables: Sequence[Shape]) -> Iterator[str]:
    for table in tables:
        yield from _audit(table)
        yield from _guards(table)
    yield from _death([table for table in tables if table.date])
    yield from _append_only()
    yield from _signatures(next(table for table in tables if table.name == "signature"))


def record_key(table: Shape, row: str) -> str:
    """SQL of the text that names a record; floats by way of numeric, which keeps 15 digits as SQLite writes them."""
    return " || '|' || ".join(
        f"{row}.{name}::numeric::text" if name in table.real else f"{row}.{name}::text" for name in table.key
    )


def _function(name: str, body: str) -> str:
    return (
        f"CREATE FUNCTION {PREFIX}{name}() RETURNS trigger LANGUAGE plpgsql @path@ AS $body$\nBEGIN\n{body}\nEND $body$"
    )


def _trigger(name: str, table: str, when: str, each: str = "ROW", function: str = "") -> str:
    return (
        f'CREATE TRIGGER {PREFIX}{name} {when} ON "{table}" FOR EACH {each} '
        f"EXECUTE FUNCTION {PREFIX}{function or name}()"
    )


def _raise(message: str, table: str, key: str) -> str:
    return f"RAISE EXCEPTION '{message} {table} %', {key} USING ERRCODE = 'integrity_constraint_violation';"


def _audit(table: Shape) -> Iterator[str]:
    insert = 'INSERT INTO audit (at, who, why, tx, entity, record_key, action, "old", "new") VALUES '

    def values(action: str, row: str, old: str, new: str) -> str:
        return f"({_NOW}, {_WHO}, {_WHY}, {_TX}, '{table.name}', {record_key(table, row)}, '{action}', {old}, {new});"

    old, new = "json_strip_nulls(row_to_json(OLD))::text", "json_strip_nulls(row_to_json(NEW))::text"
    name = f"{table.name}_audit"
    yield _function(
        name,
        f"IF TG_OP = 'INSERT' THEN {insert}{values('I', 'NEW', 'NULL', new)}\n"
        f"ELSIF TG_OP = 'UPDATE' THEN {insert}{values('U', 'NEW', old, new)}\n"
        f"ELSE {insert}{values('D', 'OLD', old, 'NULL')}\nEND IF;\nRETURN NULL;",
    )
    yield _trigger(name, table.name, "AFTER INSERT OR UPDATE OR DELETE")
    yield _function(f"{table.name}_truncate", _raise(APPEND_ONLY, table.name, "'TRUNCATE'"))
    yield _trigger(f"{table.name}_truncate", table.name, "BEFORE TRUNCATE", "STATEMENT")


def _guards(table: Shape) -> Iterator[str]:
    body = []
    key = record_key(table, "OLD")
    body.append(
        f"IF TG_OP = 'UPDATE' THEN IF NOT ({same('OLD', 'NEW', table.key, _SAME)}) THEN "
        f"{_raise(KEY_CHANGED, table.name, key)} END IF; END IF;"
    )
    if table.lockable:
        body += [
            f"IF TG_OP {test} THEN IF EXISTS (SELECT 1 FROM record_lock l WHERE l.patient_key = {row}.patient_key "
            f"AND (l.entity = '*' OR (l.entity = '{table.name}' AND l.record_key = {record_key(table, row)}))) THEN "
            f"{_raise(LOCKED, table.name, record_key(table, row))} END IF; END IF;"
            for test, row in (("= 'INSERT'", "NEW"), ("<> 'INSERT'", "OLD"))
        ]
    if table.date:
        body.append(
            "IF TG_OP <> 'DELETE' THEN IF EXISTS (SELECT 1 FROM death d WHERE d.patient_key = NEW.patient_key "
            f'AND d.date < NEW."{table.date}") THEN '
            f"{_raise(AFTER_DEATH, table.name, record_key(table, 'NEW'))} END IF; END IF;"
        )
    body.append("IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;\nRETURN NEW;")
    yield _function(f"{table.name}_guard", "\n".join(body))
    yield _trigger(f"{table.name}_guard", table.name, "BEFORE INSERT OR UPDATE OR DELETE")


def _death(dated: Sequence[Shape]) -> Iterator[str]:
    tests = "\n".join(
        f'IF EXISTS (SELECT 1 FROM "{table.name}" t WHERE t.patient_key = NEW.patient_key '
        f'AND t."{table.date}" > NEW.date) THEN {_raise(BEFORE_EVENT, table.name, "NEW.patient_key")} END IF;'
        for table in dated
    )
    yield _function("death_order", f"{tests}\nRETURN NEW;")
    yield _trigger("death_order", "death", "BEFORE INSERT OR UPDATE")


def _append_only() -> Iterator[str]:
    message = f"'{APPEND_ONLY} ' || TG_TABLE_NAME"
    yield _function("keep", f"RAISE EXCEPTION '%', {message} USING ERRCODE = 'integrity_constraint_violation';")
    for table in APPEND_ONLY_TABLES:
        yield _trigger(f"{table}_keep", table, "BEFORE UPDATE OR DELETE", function="keep")
    for table in ("audit", "seal", "meta"):
        yield _trigger(f"{table}_keep_all", table, "BEFORE TRUNCATE", "STATEMENT", function="keep")
    yield _function(
        "meta_keep",
        f"IF OLD.name = 'registry_id' THEN {_raise(APPEND_ONLY, 'meta', 'OLD.name')} END IF;\n"
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;\nRETURN NEW;",
    )
    yield _trigger("meta_keep", "meta", "BEFORE UPDATE OR DELETE")


def _signatures(signature: Shape) -> Iterator[str]:
    kept = tuple(name for name in signature.columns if name not in VOIDED)
    voids = f"OLD.voided_at IS NULL AND NEW.voided_at IS NOT NULL AND {same('OLD', 'NEW', kept, _SAME)}"
    yield _function(
        "signature_keep",
        f"IF TG_OP = 'UPDATE' THEN IF {voids} THEN RETURN NEW; END IF; END IF;\n"
        f"{_raise(APPEND_ONLY, 'signature', 'OLD.signature_no')}",
    )
    yield _trigger("signature_keep", "signature", "BEFORE UPDATE OR DELETE")
    yield _trigger("record_lock_keep", "record_lock", "BEFORE UPDATE", function="keep")
    yield _function(
        "record_lock_void",
        f"UPDATE signature SET voided_at = {_NOW}, voided_by = {_WHO}, "
        f"voided_why = coalesce({_WHY}, 'the lock was removed') WHERE patient_key = OLD.patient_key "
        "AND entity = OLD.entity AND record_key = OLD.record_key AND voided_at IS NULL;\nRETURN NULL;",
    )
    yield _trigger("record_lock_void", "record_lock", "AFTER DELETE")
