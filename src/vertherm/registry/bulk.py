"""Whole tables out of and into a database as lines of JSON, in bounded memory and the same on both dialects.

A line is one row: a JSON array in the order of the table's columns, dates as ISO text. PostgreSQL writes the lines
itself and streams them by COPY, because a Python driver that builds millions of rows takes many times longer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from vertherm.registry.errors import translate

Sink = Callable[[bytes], object]
_BLOCK = 1 << 18
_ROWS = 2000
# JSON text never holds raw control characters, so with these as quote and delimiter COPY leaves every line as it is.
_COPY_OUT = (
    "COPY ({query}) TO STDOUT WITH (FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01', ESCAPE E'\\x01', ENCODING 'UTF8')"
)
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def dump(connection: sa.Connection, table: sa.Table, sink: Sink) -> int:
    """Write every row of a table to ``sink`` in the order of its key; the number of rows.

    Raises:
        InputError: the database failed, or holds a value that is neither number nor text.
    """
    counter = _Lines(sink)
    with _said(connection, table):
        if connection.dialect.name == "postgresql":
            _copy_out(connection, table, counter)
        else:
            _select_out(connection, table, counter)
    counter.flush()
    return counter.lines


def load(connection: sa.Connection, table: sa.TableClause, lines: Iterable[bytes]) -> int:
    """Insert rows from lines as :func:`dump` writes them; the number of rows.

    After an error the connection may be unusable and its transaction lost: nothing of it must be kept.

    Raises:
        ValueError: a line that is no row of this table.
        InputError: the database refused a row.
    """
    counted = _Parsed(lines, len(table.columns))
    with _said(connection, table):
        if connection.dialect.name == "postgresql":
            _copy_in(connection, table, counted)
        else:
            marks = ", ".join("?" * len(table.columns))
            names = ", ".join(_quoted(connection, table))
            statement = f"INSERT INTO {_name(connection, table)} ({names}) VALUES ({marks})"
            _driver(connection).executemany(statement, counted)
    return counted.rows


@contextmanager
def _said(connection: sa.Connection, table: sa.TableClause) -> Iterator[None]:
    """Errors of the driver as those of the registry: its own cursor goes past SQLAlchemy."""
    assert connection.dialect.dbapi is not None
    try:
        yield
    except connection.dialect.dbapi.Error as error:
        raise translate(error, _name(connection, table)) from error


class _Lines:
    """Gathers what a database streams into blocks, and counts the lines."""

    def __init__(self, sink: Sink) -> None:
        self.sink, self.lines = sink, 0
        self.block = bytearray()

    def write(self, data: bytes) -> int:
        self.block += data
        self.lines += data.count(b"\n")
        if len(self.block) >= _BLOCK:
            self.flush()
        return len(data)

    def flush(self) -> None:
        if self.block:
            self.sink(bytes(self.block))
            self.block.clear()


class _Parsed:
    """Rows of lines, counted as they are taken."""

    def __init__(self, lines: Iterable[bytes], columns: int) -> None:
        self.lines, self.columns, self.rows = lines, columns, 0

    def __iter__(self) -> Iterator[list[Any]]:
        for line in self.lines:
            row = json.loads(line)
            if not isinstance(row, list) or len(row) != self.columns:
                raise ValueError(f"row {self.rows + 1} does not have {self.columns} values")
            self.rows += 1
            yield row


def _quoted(connection: sa.Connection, table: sa.TableClause) -> list[str]:
    return [connection.dialect.identifier_preparer.quote(column.name) for column in table.columns]


def _name(connection: sa.Connection, table: sa.TableClause) -> str:
    return connection.dialect.identifier_preparer.quote(str(table.description))


def _ordered(connection: sa.Connection, table: sa.Table, selected: str) -> str:
    quote = connection.dialect.identifier_preparer.quote
    order = ", ".join(quote(column.name) for column in table.primary_key.columns)
    return f"SELECT {selected} FROM {_name(connection, table)}" + (f" ORDER BY {order}" if order else "")


def _driver(connection: sa.Connection) -> Any:
    """Cursor of the driver itself, inside the transaction of ``connection``."""
    raw = connection.connection.driver_connection
    assert raw is not None
    return raw.cursor()


def _select_out(connection: sa.Connection, table: sa.Table, out: _Lines) -> None:
    cursor = _driver(connection)
    cursor.execute(_ordered(connection, table, ", ".join(_quoted(connection, table))))
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
    while rows := cursor.fetchmany(_ROWS):
        out.write("".join(encode(row) + "\n" for row in rows).encode())


def _copy_out(connection: sa.Connection, table: sa.Table, out: _Lines) -> None:
    arrays = f"json_build_array({', '.join(_quoted(connection, table))})"
    _driver(connection).execute(_COPY_OUT.format(query=_ordered(connection, table, arrays)), stream=out)


def _copy_in(connection: sa.Connection, table: sa.TableClause, rows: Iterable[list[Any]]) -> None:
    names = ", ".join(_quoted(connection, table))
    statement = f"COPY {_name(connection, table)} ({names}) FROM STDIN WITH (ENCODING 'UTF8')"
    try:
        _driver(connection).execute(statement, stream=_copy_blocks(rows))
    except ValueError:
        # The server still waits for rows: this conversation cannot go on, and with it ends the transaction.
        connection.invalidate()
        raise


def _copy_blocks(rows: Iterable[list[Any]]) -> Iterator[bytes]:
    block: list[str] = []
    for row in rows:
        block.append("\t".join(map(_copy_text, row)))
        if len(block) == _ROWS:
            yield ("\n".join(block) + "\n").encode()
            block.clear()
    if block:
        yield ("\n".join(block) + "\n").encode()


def _copy_text(value: Any) -> str:
    if value is None:
        return "\\N"
    return value.translate(_ESCAPES) if isinstance(value, str) else repr(value)
