"""Writing within one transaction: many rows at a time, nothing that the database did not confirm."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from itertools import islice
from math import isfinite
from typing import Any

import sqlalchemy as sa

from vertherm.core.errors import InputError
from vertherm.registry.errors import allowed, too_long, translate
from vertherm.registry.records import Row, Value
from vertherm.registry.schema.catalogue import BY_NAME
from vertherm.registry.schema.field import Entity, Field, Kind

BLOCK = 1000
"""Rows that go to the database at once."""


class Writer:
    """Writes rows of the catalogue's entities; made by `Registry.transaction`.

    Args:
        connection: inside the transaction; also for the registry's own tables.
        user: who writes.
        why: the reason.
        tx: name of the transaction in the audit.
    """

    def __init__(self, connection: sa.Connection, user: str, why: str, tx: str) -> None:
        self.connection, self.user, self.why, self.tx = connection, user, why, tx

    def insert(self, entity: str, rows: Iterable[Row]) -> int:
        """Add rows (tuples in the order of ``Entity.columns``) after those they refer to; returns their number.

        Raises:
            InputError: a constraint, a lock or a date after death; names the row.
        """
        known = _entity(entity)
        names = ", ".join(f'"{name}"' for name in known.columns)
        if self.connection.dialect.name == "sqlite":
            sql = f"INSERT INTO {known.name} ({names}) VALUES ({', '.join('?' * len(known.columns))})"
        else:
            sql = f"INSERT INTO {known.name} ({names}) SELECT {names} FROM {_recordset(known)}"
        return self._write(known, known.columns, sql, rows)

    def update(self, entity: str, rows: Iterable[Row]) -> int:
        """Replace whole rows by their key; returns their number.

        Raises:
            InputError: a row that is not there, a constraint, a lock or a date after death; names the row.
        """
        known = _entity(entity)
        values = [name for name in known.columns if name not in known.key]
        if self.connection.dialect.name == "sqlite":
            # ?N is a column's place in the row, so rows need no rearranging.
            place = {name: f"?{n}" for n, name in enumerate(known.columns, start=1)}
            assigned = ", ".join(f'"{name}" = {place[name]}' for name in values)
            same = " AND ".join(f'"{name}" = {place[name]}' for name in known.key)
            sql = f"UPDATE {known.name} SET {assigned} WHERE {same}"
        else:
            assigned = ", ".join(f'"{name}" = r."{name}"' for name in values)
            same = " AND ".join(f't."{name}" = r."{name}"' for name in known.key)
            sql = f"UPDATE {known.name} t SET {assigned} FROM {_recordset(known)} r WHERE {same}"
        return self._write(known, known.columns, sql, rows)

    def delete(self, entity: str, keys: Iterable[Row]) -> int:
        """Delete rows by their keys, those that refer to others first; returns their number.

        Raises:
            InputError: a row that is not there, one that others refer to, or a lock; names the row.
        """
        known = _entity(entity)
        if self.connection.dialect.name == "sqlite":
            sql = f"DELETE FROM {known.name} WHERE " + " AND ".join(f'"{name}" = ?' for name in known.key)
        else:
            same = " AND ".join(f't."{name}" = r."{name}"' for name in known.key)
            sql = f"DELETE FROM {known.name} t USING {_recordset(known)} r WHERE {same}"
        return self._write(known, known.key, sql, keys)

    def _write(self, entity: Entity, columns: tuple[str, ...], sql: str, rows: Iterable[Row]) -> int:
        total = 0
        for block in blocks(storable(entity, columns, rows), BLOCK):
            # Inside a savepoint: when the block fails, its rows are tried one by one to name the one that is wrong.
            savepoint = self.connection.begin_nested()
            try:
                done = self._send(columns, sql, block)
            except sa.exc.DBAPIError as error:
                if error.connection_invalidated:
                    raise translate(error) from error
                savepoint.rollback()
                raise self._first_wrong(entity, columns, sql, block, error) from error
            savepoint.commit()
            if done != len(block):
                raise self._first_absent(entity, block)
            total += done
        return total

    def _send(self, columns: tuple[str, ...], sql: str, block: list[Row]) -> int:
        if self.connection.dialect.name == "sqlite":
            return self.connection.exec_driver_sql(sql, block).rowcount
        named = [{name: v for name, v in zip(columns, row, strict=True) if v is not None} for row in block]
        return self.connection.execute(sa.text(sql), {"rows": json.dumps(named, ensure_ascii=False)}).rowcount

    def _first_wrong(
        self, entity: Entity, columns: tuple[str, ...], sql: str, block: list[Row], error: Exception
    ) -> InputError:
        for row in block:
            savepoint = self.connection.begin_nested()
            try:
                self._send(columns, sql, [row])
                savepoint.commit()
            except sa.exc.DBAPIError as found:
                savepoint.rollback()
                # PostgreSQL does not name the column of a text that is too long.
                refused = too_long(entity, dict(zip(columns, row, strict=True)), _name(entity, row))
                return refused or translate(found, _name(entity, row))
        return translate(error, entity.name)

    def _first_absent(self, entity: Entity, block: list[Row]) -> InputError:
        same = " AND ".join(f'"{name}" = :{name}' for name in entity.key)
        query = sa.text(f"SELECT count(*) FROM {entity.name} WHERE {same}")
        for row in block:
            key = dict(zip(entity.key, row, strict=False))
            if not self.connection.execute(query, key).scalar():
                break
        return InputError(
            "There is no such record.",
            where=_name(entity, row),
            expected="the key of a record that exists",
            advice="check the key; new records are inserted, not updated",
        )


def blocks(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Rows in lists of at most ``size``."""
    source = iter(rows)
    while block := list(islice(source, size)):
        yield block


def storable(entity: Entity, columns: tuple[str, ...], rows: Iterable[Row]) -> Iterator[Row]:
    """Rows as both drivers take them: dates as ISO text, whole numbers whole, no NaN, no numpy types.

    Raises:
        InputError: a value of a type that the field does not have, or a row of the wrong length; names the row.
    """
    fields = [entity.by_name[name] for name in columns]
    convert: list[Callable[[Any], Value]] = [_CONVERT[field.kind] for field in fields]
    for row in rows:
        try:
            yield tuple(None if value is None else to(value) for value, to in zip(row, convert, strict=True))
        except (ValueError, TypeError) as error:
            raise _refused(entity, fields, row) from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or "\x00" in value:
        raise ValueError
    value.encode()  # half a surrogate pair cannot be stored
    return str(value)


def _number(value: Any) -> float:
    if isinstance(value, (bool, str)) or not isfinite(value):
        raise ValueError
    return float(value)


def _integer(value: Any) -> int:
    if type(value) is int:
        return value
    number = _number(value)
    if not number.is_integer():
        raise ValueError
    return int(number)


def _date(value: Any) -> str:
    if type(value) is date:
        return value.isoformat()
    if isinstance(value, datetime) and (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0):
        return value.date().isoformat()
    raise ValueError


_CONVERT: dict[Kind, Callable[[Any], Value]] = {
    Kind.text: _text,
    Kind.choice: _text,
    Kind.integer: _integer,
    Kind.number: _number,
    Kind.date: _date,
}


def _refused(entity: Entity, fields: list[Field], row: Row) -> InputError:
    for field, value in zip(fields, row, strict=False):
        try:
            if value is not None:
                _CONVERT[field.kind](value)
        except (ValueError, TypeError):
            return InputError(
                f"{entity.label}: {field.label} has a value that is not allowed.",
                where=f"{_name(entity, row)}, {field.name}",
                got=repr(value)[:200],
                expected=allowed(field),
                advice="correct the value, or leave the field empty (None) where nothing is known",
            )
    return InputError(
        f"{entity.label}: a row has the wrong number of values.",
        where=_name(entity, row),
        got=len(row),
        expected=f"{len(fields)}: {', '.join(field.name for field in fields)}",
    )


def _entity(name: str) -> Entity:
    if name not in BY_NAME:
        raise InputError("There is no such table.", got=name, expected=", ".join(BY_NAME))
    return BY_NAME[name]


def _recordset(entity: Entity) -> str:
    return f"json_populate_recordset(NULL\\:\\:{entity.name}, CAST(:rows AS json))"


def _name(entity: Entity, row: Row) -> str:
    return f"{entity.name} " + ", ".join(
        f"{name} {value}" for name, value in zip(entity.key, row, strict=False) if value is not None
    )
