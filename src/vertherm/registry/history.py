"""History of a patient's records: who changed what, when, from what to what, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.registry.schema.catalogue import BY_NAME

if TYPE_CHECKING:
    from vertherm.registry.database import Registry

ACTIONS = {"I": "entered", "U": "changed", "D": "deleted"}
"""What a person reads for an action of the audit."""


@dataclass(frozen=True)
class FieldChange:
    """Old and new value of one field; None where it was or is empty."""

    field: str
    old: str | int | float | None
    new: str | int | float | None

    def __str__(self) -> str:
        old, new = ("(empty)" if value is None else value for value in (self.old, self.new))
        return f"{self.field}: {old} -> {new}"


@dataclass(frozen=True)
class Change:
    """One audited change of one record.

    Args:
        number: number of the audit row; changes are in this order.
        at: time, UTC, ISO 8601.
        who, why: as given by whoever made the change; a change by direct SQL says so in ``who``.
        tx: transaction; changes with the same one were made together. None for direct SQL.
        entity: table.
        record_key: key of the record, its parts joined by ``|``.
        action: ``entered``, ``changed`` or ``deleted``.
        fields: what changed; of a new or deleted record every field that was filled.
    """

    number: int
    at: str
    who: str
    why: str
    tx: str | None
    entity: str
    record_key: str
    action: str
    fields: tuple[FieldChange, ...]

    def __str__(self) -> str:
        why = f" ({self.why})" if self.why else ""
        head = f"{self.at}  {self.who} {self.action} {self.entity} {self.record_key}{why}"
        return "\n".join([head, *(f"    {item}" for item in self.fields)])


def history(registry: Registry, patient_key: str, entity: str | None = None) -> list[Change]:
    """Every change of a patient's records, locks and signatures in the order in which they were made.

    Args:
        registry: an open registry.
        patient_key: the patient.
        entity: one table only, ``record_lock`` and ``signature`` included; None: all.

    Raises:
        InputError: a table that has no records of patients, or a patient whom the audit does not know.
    """
    if entity is not None and entity not in ("record_lock", "signature"):
        known = BY_NAME.get(entity)
        if known is None or not known.of_patient:
            raise InputError(
                "This table holds no records of a patient.",
                where="history",
                got=entity,
                expected=", ".join(name for name, item in BY_NAME.items() if item.of_patient),
            )
    with registry.engine.connect() as connection:
        found = [_change(row) for row in _rows(connection, patient_key, entity)]
    if not found and entity is None:
        raise InputError(
            "The audit knows no such patient.",
            where="patient",
            got=patient_key,
            expected="the key of a patient who is or was in this registry",
            advice="check the key, capitals and dashes included, and --db",
        )
    return found


def _rows(connection: sa.Connection, patient_key: str, entity: str | None) -> Iterator[sa.Row[Any]]:
    from vertherm.registry.schema.system import AUDIT, SIGNATURE

    key = AUDIT.c.record_key
    below = patient_key + "|"
    of_patient = sa.and_(
        AUDIT.c.entity.in_([*(name for name, item in BY_NAME.items() if item.of_patient), "record_lock"]),
        sa.or_(key == patient_key, sa.func.substr(key, 1, len(below)) == below),
    )
    # A signature is keyed by its number alone; rows of the table are never deleted, so it is found by what it signs.
    signed = sa.select(sa.cast(SIGNATURE.c.signature_no, sa.Text)).where(SIGNATURE.c.patient_key == patient_key)
    of_signature = sa.and_(AUDIT.c.entity == "signature", key.in_(signed))
    query = sa.select(AUDIT).where(sa.or_(of_patient, of_signature)).order_by(AUDIT.c.id)
    if entity is not None:
        query = query.where(AUDIT.c.entity == entity)
    yield from connection.execute(query)


def _change(row: sa.Row[Any]) -> Change:
    old: dict[str, Any] = json.loads(row.old) if row.old else {}
    new: dict[str, Any] = json.loads(row.new) if row.new else {}
    fields = tuple(
        FieldChange(name, old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    )
    return Change(
        row.id, row.at, row.who, row.why or "", row.tx, row.entity, row.record_key, ACTIONS[row.action], fields
    )
