"""What the registry holds of the patients and series that an import speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from vertherm.registry.importing.raw import RawTables
from vertherm.registry.reading import read_records
from vertherm.registry.records import Records, Row
from vertherm.registry.schema.catalogue import ENTITIES
from vertherm.registry.schema.field import Entity
from vertherm.registry.schema.tables import TABLES

_AT_ONCE = 500
_ALL_FROM = 5000
"""Number of patients from which reading everything is faster than asking for each."""


def patients_in(raw: RawTables) -> set[str]:
    """Patients that the tables of an import name."""
    found: set[str] = set()
    for table in raw.tables.values():
        for heading, cells in table.columns.items():
            if heading.strip().lower() == "patient_key" or table.headings.get("patient_key") == heading:
                found.update(cells)
    return {text.strip() for text in found} - {""}


def patients_of(records: Records) -> set[str]:
    """Patients that records name."""
    return {str(row[0]) for entity in ENTITIES if entity.of_patient for row in records.rows(entity.name)}


def existing_records(connection: sa.Connection, patients: Iterable[str]) -> Records:
    """All series, windows and statements, and every row of the patients named.

    Patients whose keys differ from those only in capitals are taken too, so that look-alikes are found.
    """
    wanted = {patient.lower() for patient in patients}
    if len(wanted) > _ALL_FROM:
        return read_records(connection)
    known = connection.execute(sa.select(TABLES["patient"].c.patient_key)).scalars()
    keys = sorted(key for key in known if key.lower() in wanted)
    return Records({entity.name: list(_rows(connection, entity, keys)) for entity in ENTITIES})


def _rows(connection: sa.Connection, entity: Entity, keys: list[str]) -> Iterator[Row]:
    table = TABLES[entity.name]
    if not entity.of_patient:
        yield from (tuple(row) for row in connection.execute(sa.select(table)))
        return
    for start in range(0, len(keys), _AT_ONCE):
        condition = table.c.patient_key.in_(keys[start : start + _AT_ONCE])
        yield from (tuple(row) for row in connection.execute(sa.select(table).where(condition)))
