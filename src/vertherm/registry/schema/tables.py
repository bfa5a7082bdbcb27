"""SQLAlchemy tables of the catalogue: types, keys, foreign keys and constraints that the database itself enforces."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import SchemaItem

from vertherm.registry.schema.catalogue import ENTITIES
from vertherm.registry.schema.field import Entity, Field, Kind

METADATA = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _type(field: Field) -> sa.types.TypeEngine[Any]:
    if field.kind is Kind.integer:
        return sa.Integer()
    if field.kind is Kind.number:
        return sa.Double()
    if field.kind is Kind.date:
        return sa.Date()
    if field.kind is Kind.choice:
        assert field.vocabulary is not None
        return sa.String(max(len(code) for code in field.vocabulary.codes))
    return sa.String(field.max_length) if field.max_length <= 4000 else sa.Text()


def field_condition(field: Field) -> str:
    """The SQL condition on one field alone, empty where its type says all."""
    if field.kind is Kind.choice:
        assert field.vocabulary is not None
        return f"{field.name} IN (" + ", ".join(f"'{code}'" for code in field.vocabulary.codes) + ")"
    name = field.name
    if field.kind is Kind.number:
        return f"{name} BETWEEN {field.low:g} AND {field.high:g}"
    if field.kind is Kind.integer:
        # SQLite would store 3.5 in an integer column.
        return f"{name} BETWEEN {field.low:g} AND {field.high:g} AND {name} = CAST({name} AS INTEGER)"
    if field.kind is Kind.date:
        return f"{name} IS NULL OR ({_calendar_day(name)})"
    return f"length({field.name}) BETWEEN 1 AND {field.max_length}"


def _calendar_day(name: str) -> str:
    """SQLite keeps dates as text and would take anything, its date() even the 31st of February."""
    text = f"CAST({name} AS TEXT)"
    year, month, day = (
        f"CAST(substr({text}, {start}, {length}) AS INTEGER)" for start, length in ((1, 4), (6, 2), (9, 2))
    )
    leap = f"{year} % 4 = 0 AND ({year} % 100 <> 0 OR {year} % 400 = 0)"
    last = f"CASE WHEN {month} IN (4, 6, 9, 11) THEN 30 WHEN {month} <> 2 THEN 31 WHEN {leap} THEN 29 ELSE 28 END"
    shape = f"coalesce(CAST(date({name}) AS TEXT) = {text}, 1 = 0) AND length({text}) = 10"
    return f"{shape} AND {text} BETWEEN '1900-01-01' AND '2199-12-31' AND {day} <= {last}"


def _table(entity: Entity) -> sa.Table:
    parts: list[SchemaItem] = [
        sa.Column(
            field.name,
            _type(field),
            nullable=not field.required,
            primary_key=field.name in entity.key,
            autoincrement=False,
        )
        for field in entity.fields
    ]
    parts += [sa.CheckConstraint(field_condition(field), name=field.name) for field in entity.fields]
    parts += [sa.CheckConstraint(check.sql, name=check.name) for check in entity.checks]
    parts += [sa.UniqueConstraint(*names) for names in entity.unique]
    for reference in entity.references:
        target = METADATA.tables[reference.entity]
        parts.append(
            sa.ForeignKeyConstraint(
                reference.fields, [f"{reference.entity}.{column.name}" for column in target.primary_key.columns]
            )
        )
    return sa.Table(entity.name, METADATA, *parts)


TABLES: dict[str, sa.Table] = {}
for _entity in ENTITIES:
    TABLES[_entity.name] = _table(_entity)
