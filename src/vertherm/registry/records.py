"""Rows of the registry outside a database: what imports deliver, exports take and generators make."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES, content_version

Value: TypeAlias = str | int | float | date | None
Row: TypeAlias = tuple[Value, ...]


@dataclass
class Records:
    """Typed rows by entity; every row is a tuple in the order of ``Entity.columns``, None where nothing is known."""

    tables: dict[str, list[Row]] = field(default_factory=dict)

    def rows(self, entity: str) -> list[Row]:
        """Rows of an entity, an empty list where there are none."""
        return self.tables.get(entity, [])

    def dicts(self, entity: str) -> Iterator[dict[str, Value]]:
        """Rows of an entity as dictionaries."""
        columns = BY_NAME[entity].columns
        for row in self.rows(entity):
            yield dict(zip(columns, row, strict=True))

    def add(self, entity: str, **values: Value) -> None:
        """Add one row; fields that are not named stay empty.

        Raises:
            KeyError: a name that the entity does not have.
        """
        columns = BY_NAME[entity].columns
        unknown = set(values) - set(columns)
        if unknown:
            raise KeyError(f"{entity} has no {', '.join(sorted(unknown))}")
        self.tables.setdefault(entity, []).append(tuple(values.get(name) for name in columns))

    def key(self, entity: str, row: Row) -> Row:
        """Primary key of a row."""
        return row[: len(BY_NAME[entity].key)]

    def counts(self) -> dict[str, int]:
        """Number of rows by entity, empty ones left out."""
        return {entity.name: len(self.rows(entity.name)) for entity in ENTITIES if self.rows(entity.name)}

    def sha256(self) -> str:
        """Hash of the content: the same for the same rows in any order and from any database."""
        digest = hashlib.sha256(f"vertherm-registry {content_version(self.counts())}\n".encode())
        for entity in ENTITIES:
            for line in sorted(canonical(entity.name, row) for row in self.rows(entity.name)):
                digest.update(line.encode())
                digest.update(b"\n")
        return digest.hexdigest()


def canonical(entity: str, row: Iterable[Value]) -> str:
    """One row as a line of JSON that is the same wherever the row was stored."""
    columns = BY_NAME[entity].columns
    filled = {name: plain(value) for name, value in zip(columns, row, strict=True) if value is not None}
    return json.dumps([entity, filled], ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def plain(value: Value) -> str | int | float | None:
    """A value as JSON takes it: dates as ISO text, whole floats as integers, so that 7.0 and 7 hash alike."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
