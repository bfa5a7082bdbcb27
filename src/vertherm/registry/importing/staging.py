"""A private SQLite database in which an import is laid beside what the registry holds, before anything is written.

Rules are SQL: those of the catalogue run here exactly as the registry's database will enforce them, and rules across
rows are joins over keys, so that no rule is quadratic. Rows of the import carry their number in ``_row``; rows that are
in the registry already, and that the import does not replace, have none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import date
from types import TracebackType
from typing import Any

from vertherm.registry.importing.typed import TypedTable
from vertherm.registry.records import Records, Row
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES
from vertherm.registry.schema.field import Entity, Kind

_LONG = 5000
"""Texts longer than this stay out: no rule reads them."""


class Staging:
    """The tables of one import and of the registry, side by side; a context manager."""

    def __init__(self) -> None:
        # An empty name is a temporary file: what does not fit the cache goes to the disk and vanishes at the end.
        self._connection = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -131072", "temp_store = MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")
        for entity in ENTITIES:
            columns = ", ".join(f'"{item.name}" {_affinity(item.kind)}' for item in entity.fields)
            self._connection.execute(f'CREATE TABLE "{entity.name}" (_row INTEGER, {columns})')

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def load(self, tables: dict[str, TypedTable], existing: Records | None) -> None:
        """Fill the tables: every row of the import, and of ``existing`` what the import does not replace."""
        for entity in ENTITIES:
            table = tables.get(entity.name)
            if table is not None:
                self._insert(entity, range(len(table)), table.rows())
            # The index serves the joins of all rules.
            self._connection.execute(f'CREATE INDEX "key_{entity.name}" ON "{entity.name}" ({_names(entity.key)})')
            rows = existing.rows(entity.name) if existing is not None else []
            if rows:
                self._insert(entity, None, rows)
                if table is not None:
                    self._drop_replaced(entity)
        self._connection.execute("ANALYZE")

    def _insert(self, entity: Entity, numbers: Iterable[int] | None, rows: Iterable[Row]) -> None:
        marks = ", ".join("?" * (len(entity.fields) + 1))
        plain = self._plain(entity, rows)
        lines = (
            ((None, *row) for row in plain)
            if numbers is None
            else ((number, *row) for number, row in zip(numbers, plain, strict=True))
        )
        self._connection.execute("BEGIN")
        self._connection.executemany(f'INSERT INTO "{entity.name}" VALUES ({marks})', lines)
        self._connection.execute("COMMIT")

    @staticmethod
    def _plain(entity: Entity, rows: Iterable[Row]) -> Iterator[tuple[Any, ...]]:
        """Rows with dates as ISO text and without the longest texts."""
        iso: dict[Any, Any] = _Iso()
        places = {place for place, item in enumerate(entity.fields) if item.kind is Kind.date}
        long = {place for place, item in enumerate(entity.fields) if item.max_length > _LONG}
        if not places and not long:
            yield from rows
            return
        for row in rows:
            yield tuple(
                iso[value] if place in places else None if place in long else value for place, value in enumerate(row)
            )

    def _drop_replaced(self, entity: Entity) -> None:
        same = " AND ".join(f'new."{name}" = old."{name}"' for name in entity.key)
        self._connection.execute(
            f'DELETE FROM "{entity.name}" AS old WHERE old._row IS NULL AND EXISTS '
            f'(SELECT 1 FROM "{entity.name}" AS new WHERE {same} AND new._row IS NOT NULL)'
        )

    def execute(self, sql: str, rows: Iterable[tuple[Any, ...]] | None = None) -> None:
        """Run a statement, once or for each of ``rows``."""
        if rows is None:
            self._connection.execute(sql)
        else:
            self._connection.executemany(sql, rows)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self._connection.execute(sql).fetchall()


class _Iso(dict[Any, Any]):
    def __missing__(self, value: Any) -> Any:
        self[value] = text = value.isoformat() if isinstance(value, date) else value
        return text


def _affinity(kind: Kind) -> str:
    return {Kind.integer: "INTEGER", Kind.number: "REAL"}.get(kind, "TEXT")


def _names(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def entities_with(*names: str) -> list[Entity]:
    """Entities that have all of these fields."""
    return [entity for entity in BY_NAME.values() if set(names) <= set(entity.columns)]
