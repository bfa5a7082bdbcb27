"""Every rule of the catalogue against every row: SQLite lets anybody switch constraints off, PostgreSQL a superuser."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import sqlalchemy as sa

from vertherm.core.progress import Progress
from vertherm.registry.check.report import Findings
from vertherm.registry.check.stream import stream
from vertherm.registry.schema.catalogue import BY_NAME, DATED, ENTITIES
from vertherm.registry.schema.field import Entity
from vertherm.registry.schema.tables import field_condition

_TOLERANCE_MG, _TOLERANCE = 0.5, 0.01
"""As on import: an equivalent differs from its doses where it is off by more than half a milligram and 1 %."""


def content(connection: sa.Connection, found: Findings, progress: Progress) -> None:
    """Test rules on rows, references, dates after death and derived values."""
    if connection.dialect.name == "sqlite":
        _file(connection, found)
    for number, entity in enumerate(ENTITIES):
        _rules(connection, entity, found)
        _references(connection, entity, found)
        progress("rules", (number + 1) / len(ENTITIES))
    for entity in DATED:
        condition = f'EXISTS (SELECT 1 FROM death d WHERE d.patient_key = t.patient_key AND d.date < t."{entity.date}")'
        _tell(connection, entity, condition, "The date lies after the patient's death", found)
    _equivalents(connection, found)


def _file(connection: sa.Connection, found: Findings) -> None:
    for (line,) in connection.exec_driver_sql("PRAGMA quick_check(20)").fetchall():
        if line != "ok":
            found.add("file", "database file", f"SQLite finds the file damaged: {line}.")


def _conditions(entity: Entity) -> Iterator[tuple[str, str]]:
    for field in entity.fields:
        if field.required:
            yield f'"{field.name}" IS NOT NULL', f"{field.label} is missing"
        yield field_condition(field), f"{field.label} has a value that is not allowed"
    for check in entity.checks:
        yield check.sql, check.reason[:1].upper() + check.reason[1:]


def _rules(connection: sa.Connection, entity: Entity, found: Findings) -> None:
    rules = list(_conditions(entity))
    counts = ", ".join(f"count(*) FILTER (WHERE NOT ({sql}))" for sql, _ in rules)
    broken = connection.exec_driver_sql(f'SELECT {counts} FROM "{entity.name}"').one()
    for (sql, reason), number in zip(rules, broken, strict=True):
        if number:
            _tell(connection, entity, f"NOT ({sql})", reason, found)


def _references(connection: sa.Connection, entity: Entity, found: Findings) -> None:
    for reference in entity.references:
        target = BY_NAME[reference.entity]
        filled = " AND ".join(f't."{name}" IS NOT NULL' for name in reference.fields)
        pairs = zip(target.key, reference.fields, strict=True)
        same = " AND ".join(f'p."{theirs}" = t."{ours}"' for theirs, ours in pairs)
        condition = f'{filled} AND NOT EXISTS (SELECT 1 FROM "{target.name}" p WHERE {same})'
        _tell(connection, entity, condition, f"It belongs to a {target.label.lower()} that does not exist", found)


def _tell(connection: sa.Connection, entity: Entity, condition: str, reason: str, found: Findings) -> None:
    key = ", ".join(f't."{name}"' for name in entity.key)
    for row in stream(connection, _literal(f'SELECT {key} FROM "{entity.name}" t WHERE {condition}')):
        name = "|".join(map(str, row))
        found.add("rule", f"{entity.name} {name}", f"{reason}: the database's own rules were circumvented.")


def _literal(sql: str) -> sa.TextClause:
    return sa.text(sql.replace(":", "\\:"))


def _equivalents(connection: sa.Connection, found: Findings) -> None:
    from vertherm.clinical import opioids
    from vertherm.registry.importing.derive import equivalent

    sql = (
        "SELECT v.patient_key, v.visit_no, v.omeq_mg_day, v.omeq_table, o.drug, o.route, o.dose, o.unit "
        "FROM opioid_dose o JOIN visit v ON v.patient_key = o.patient_key AND v.visit_no = o.visit_no "
        "WHERE v.omeq_mg_day IS NOT NULL ORDER BY v.patient_key, v.visit_no"
    )
    for (patient, visit, total, table), rows in groupby(stream(connection, sql), key=lambda row: tuple(row[:4])):
        doses = [(row.drug, row.route, row.dose, row.unit) for row in rows]
        made = equivalent(doses, table) if table in opioids.VERSIONS else None
        if made is not None and abs(total - made) > max(_TOLERANCE_MG, _TOLERANCE * made):
            what = f"Oral morphine equivalent {total:g} mg/day, but the doses of the visit make {made:g} by {table}."
            found.add("derived value", f"visit {patient}|{visit}", what)
