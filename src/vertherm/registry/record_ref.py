"""What a lock or a signature speaks of: one record of a patient, or everything of the patient."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.registry import triggers_postgresql, triggers_sqlite
from vertherm.registry.records import Row, Value, canonical, plain
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES
from vertherm.registry.schema.field import Entity, Kind
from vertherm.registry.schema.tables import TABLES
from vertherm.registry.triggers import Shape

EVERYTHING = "*"
"""Stands for every table in place of an entity."""


@dataclass(frozen=True)
class RecordRef:
    """Name of one record, or of a whole patient (``entity`` is ``*`` and ``record_key`` empty)."""

    patient_key: str
    entity: str = EVERYTHING
    record_key: str = ""

    @property
    def whole_patient(self) -> bool:
        """True where it names everything of the patient."""
        return self.entity == EVERYTHING

    def __str__(self) -> str:
        return f"patient {self.patient_key}" if self.whole_patient else f"{self.entity} {self.record_key}"


def record_ref(patient_key: str, entity: str = EVERYTHING, record_key: str = "") -> RecordRef:
    """Name of a record from what a person writes; the patient's part of the key may be left out.

    Args:
        patient_key: the patient.
        entity: table, ``*`` for everything of the patient.
        record_key: key of the record, its parts joined by ``|``: ``P1|2`` or just ``2`` for lesion 2 of P1.

    Raises:
        InputError: no such table, or a key that does not fit it.
    """
    if entity == EVERYTHING:
        if record_key:
            raise _bad_key(f"{patient_key}, {record_key}", "no record key with *: it means everything of the patient")
        return RecordRef(patient_key)
    known = BY_NAME.get(entity)
    if known is None or not known.of_patient:
        tables = ", ".join(item.name for item in ENTITIES if item.of_patient)
        raise InputError("This table holds no records of a patient.", got=entity, expected=f"* or one of {tables}")
    parts = record_key.split("|", len(known.key) - 1) if record_key else []
    if len(parts) == len(known.key) - 1:
        parts = [patient_key, *parts]
    if len(parts) != len(known.key) or parts[0] != patient_key:
        raise _bad_key(f"{entity} {record_key!r} of {patient_key}", "|".join(known.key))
    return RecordRef(patient_key, entity, "|".join(str(plain(value)) for value in _values(known, parts)))


def resolve(connection: sa.Connection, ref: RecordRef) -> RecordRef:
    """The same record under the text by which the database itself names it.

    The two differ only where a key holds a number of more than 15 digits.

    Raises:
        InputError: there is no such record.
    """
    if ref.whole_patient:
        table = TABLES["patient"]
        found = connection.execute(
            sa.select(table.c.patient_key).where(table.c.patient_key == ref.patient_key)
        ).scalar()
        named = ref if found else None
    else:
        entity, table = BY_NAME[ref.entity], TABLES[ref.entity]
        values = _values(entity, ref.record_key.split("|", len(entity.key) - 1))
        same = sa.and_(*(table.c[name] == value for name, value in zip(entity.key, values, strict=True)))
        text = _key_text(connection, entity)
        query = sa.select(text).where(table.c.patient_key == ref.patient_key, sa.or_(same, text == ref.record_key))
        key = connection.execute(query).scalar()
        named = RecordRef(ref.patient_key, ref.entity, key) if key else None
    if named is None:
        raise InputError(
            "There is no such record.",
            got=str(ref),
            expected="a record of this registry",
            advice="check the key; vertherm registry history lists the records of a patient",
        )
    return named


def lines(connection: sa.Connection, ref: RecordRef) -> list[str]:
    """Canonical lines of the rows that a resolved ``ref`` names, sorted; empty where there is no such record."""
    if ref.whole_patient:
        return patient_lines(connection, [ref.patient_key]).get(ref.patient_key, [])
    entity, table = BY_NAME[ref.entity], TABLES[ref.entity]
    query = sa.select(table).where(
        table.c.patient_key == ref.patient_key, _key_text(connection, entity) == ref.record_key
    )
    return [canonical(ref.entity, tuple(row)) for row in connection.execute(query)]


def _key_text(connection: sa.Connection, entity: Entity) -> sa.ColumnElement[str]:
    """The expression by which the triggers name a record in audit and locks."""
    module = triggers_sqlite if connection.dialect.name == "sqlite" else triggers_postgresql
    real = frozenset(name for name in entity.key if entity.by_name[name].kind is Kind.number)
    shape = Shape(entity.name, entity.columns, entity.key, real, entity.date)
    return sa.literal_column(module.record_key(shape, entity.name), sa.String())


def patient_lines(connection: sa.Connection, patients: Collection[str]) -> dict[str, list[str]]:
    """Canonical lines of everything of each of ``patients``, sorted; a patient without rows is left out."""
    found: dict[str, list[str]] = {}
    for entity, row in _patient_rows(connection, patients):
        found.setdefault(str(row[0]), []).append(canonical(entity, row))
    return {patient: sorted(rows) for patient, rows in found.items()}


def content_sha256(rows: Collection[str]) -> str:
    """SHA-256 of canonical lines, each ended by a line feed."""
    return hashlib.sha256("".join(line + "\n" for line in rows).encode()).hexdigest()


def _patient_rows(connection: sa.Connection, patients: Collection[str]) -> Iterator[tuple[str, Row]]:
    for entity in ENTITIES:
        if entity.of_patient:
            table = TABLES[entity.name]
            for row in connection.execute(sa.select(table).where(table.c.patient_key.in_(patients))):
                yield entity.name, tuple(row)


def _values(entity: Entity, parts: list[str]) -> list[Value]:
    made: list[Value] = []
    for name, part in zip(entity.key, parts, strict=True):
        kind = entity.by_name[name].kind
        try:
            made.append(int(part) if kind is Kind.integer else float(part) if kind is Kind.number else part)
        except ValueError as error:
            raise _bad_key(f"{entity.name}: {'|'.join(parts)}", f"{'|'.join(entity.key)}, {name} a number") from error
    return made


def _bad_key(got: str, expected: str) -> InputError:
    return InputError(
        "This key does not name a record.", got=got, expected=expected, advice="join the parts of the key by |"
    )
