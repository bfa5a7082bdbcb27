"""Reading the registry: as typed records, or as tables of columns for statistics. Always one consistent moment."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.registry.errors import translate, translated
from vertherm.registry.frames import typed
from vertherm.registry.records import Records, Row
from vertherm.registry.schema.catalogue import ENTITIES
from vertherm.registry.schema.field import Entity, Kind

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees one moment, whatever others write meanwhile."""
    with translated(), engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection


def read_records(connection: sa.Connection, series: str | None = None) -> Records:
    """All rows, or those of one series, sorted by key.

    Raises:
        InputError: there is no such series.
    """
    _need_series(connection, series)
    return Records({entity.name: _rows(connection, entity, series) for entity in ENTITIES})


def read_frames(connection: sa.Connection, series: str | None = None) -> dict[str, pd.DataFrame]:
    """The same content as one DataFrame an entity.

    Columns in the catalogue's order: required whole numbers int64, other numbers float64 with NaN, dates
    datetime64[ns] with NaT, texts and codes object with None.

    Raises:
        InputError: there is no such series.
    """
    _need_series(connection, series)
    read = _frame_sqlite if connection.dialect.name == "sqlite" else _frame_postgresql
    return {entity.name: read(connection, entity, series) for entity in ENTITIES}


def row_decoder(entity: Entity, dialect: str) -> Callable[[Any], Row]:
    """A function from a driver's row to typed values; SQLite keeps dates as text."""
    places = {n for n, field in enumerate(entity.fields) if field.kind is Kind.date}
    if dialect != "sqlite" or not places:
        return tuple
    return lambda row: tuple(
        date.fromisoformat(value) if n in places and value is not None else value for n, value in enumerate(row)
    )


def _need_series(connection: sa.Connection, series: str | None) -> None:
    if series is None:
        return
    known = list(connection.execute(sa.text("SELECT series FROM series ORDER BY series")).scalars())
    if series not in known:
        raise InputError(
            "There is no such series in the registry.",
            got=series,
            expected=", ".join(known) or "the registry holds no series yet",
            advice="choose one of them, or leave --series out",
        )


def _query(entity: Entity, series: str | None, dialect: str) -> str:
    names = ", ".join(f'"{name}"' for name in entity.columns)
    where = ""
    if series is not None:
        where = " WHERE series = :series"
        if "series" not in entity.columns:
            where = " WHERE patient_key IN (SELECT patient_key FROM patient WHERE series = :series)"
    # Texts in the order of their bytes: PostgreSQL's default follows the server's language.
    order = ", ".join(
        f'"{name}" COLLATE "C"' if dialect == "postgresql" and entity.by_name[name].kind in _TEXTS else f'"{name}"'
        for name in entity.key
    )
    return f"SELECT {names} FROM {entity.name}{where} ORDER BY {order}"


_TEXTS = (Kind.text, Kind.choice)


@contextmanager
def _cursor(connection: sa.Connection) -> Iterator[Any]:
    """The driver's own cursor: SQLAlchemy's row objects would double the time on millions of rows."""
    cursor: Any = connection.connection.cursor()
    driver: Any = connection.dialect.dbapi
    try:
        yield cursor
    except driver.Error as error:
        raise translate(error) from error
    finally:
        cursor.close()


def _raw(connection: sa.Connection, entity: Entity, series: str | None) -> list[Any]:
    dialect = connection.dialect.name
    with _cursor(connection) as cursor:
        cursor.execute(*_bound(_query(entity, series, dialect), series, dialect))
        return list(cursor.fetchall())


def _bound(sql: str, series: str | None, dialect: str) -> tuple[Any, ...]:
    if series is None:
        return (sql,)
    return (sql, {"series": series}) if dialect == "sqlite" else (sql.replace(":series", "%s"), (series,))


def _rows(connection: sa.Connection, entity: Entity, series: str | None) -> list[Row]:
    return list(map(row_decoder(entity, connection.dialect.name), _raw(connection, entity, series)))


def _frame_sqlite(connection: sa.Connection, entity: Entity, series: str | None) -> pd.DataFrame:
    import pandas as pd

    rows = _raw(connection, entity, series)
    return typed(entity.name, pd.DataFrame.from_records(rows, columns=list(entity.columns)))


def _frame_postgresql(connection: sa.Connection, entity: Entity, series: str | None) -> pd.DataFrame:
    # COPY as CSV and the C reader: the driver makes a Python object of every value, which takes several times longer.
    import pandas as pd

    sql = _query(entity, series, "postgresql").replace(":series", "'" + str(series).replace("'", "''") + "'")
    stream = io.BytesIO()
    with _cursor(connection) as cursor:
        cursor.execute(f"COPY ({sql}) TO STDOUT WITH (FORMAT csv, HEADER, ENCODING 'UTF8')", stream=stream)
    stream.seek(0)
    kinds: Any = {field.name: "float64" if field.kind in _NUMBERS else "object" for field in entity.fields}
    found = pd.read_csv(
        stream, dtype=kinds, keep_default_na=False, na_values=[""], encoding="utf-8", float_precision="round_trip"
    )
    return typed(entity.name, found)


_NUMBERS = (Kind.integer, Kind.number)
