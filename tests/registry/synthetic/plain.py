"""Records in a plain SQLite database with all constraints of the catalogue, and as DataFrames."""

from __future__ import annotations

from datetime import date

import pandas as pd
import sqlalchemy as sa

from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES
from vertherm.registry.schema.field import Kind
from vertherm.registry.schema.tables import METADATA


def insert(records: Records) -> dict[str, int]:
    """Insert everything, keys, foreign keys and checks on; rows by table as the database counts them."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        METADATA.create_all(connection)
        raw = connection.connection.driver_connection
        assert raw is not None
        counts = {}
        for entity in ENTITIES:
            marks = ", ".join("?" * len(entity.columns))
            rows = [[_stored(value) for value in row] for row in records.rows(entity.name)]
            raw.executemany(f"INSERT INTO {entity.name} ({', '.join(entity.columns)}) VALUES ({marks})", rows)
            counts[entity.name] = connection.exec_driver_sql(f"SELECT count(*) FROM {entity.name}").scalar_one()
    engine.dispose()
    return counts


def _stored(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def frames(records: Records) -> dict[str, pd.DataFrame]:
    """Every table as a DataFrame with dates as datetime64[ns], as the registry gives them."""
    out = {}
    for entity in ENTITIES:
        table = pd.DataFrame(records.rows(entity.name), columns=list(entity.columns))
        for field in BY_NAME[entity.name].fields:
            if field.kind is Kind.date:
                table[field.name] = pd.to_datetime(table[field.name])
        out[entity.name] = table
    return out
