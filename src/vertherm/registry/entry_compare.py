"""Double data entry: the same records typed twice, compared cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertherm.registry.records import Records, Row, plain
from vertherm.registry.schema.catalogue import ENTITIES
from vertherm.registry.schema.field import Entity

if TYPE_CHECKING:
    from vertherm.registry.database import Registry

ABSENT = "(no such row)"
"""What stands for a row that only one of the two has."""


@dataclass(frozen=True)
class Difference:
    """One cell, or one whole row, in which two entries differ.

    Args:
        entity: table.
        record_key: key of the row, its parts joined by ``|``.
        field: column; empty where only one entry has the row.
        first: value of the first entry, None where it is empty, ``ABSENT`` where the row is not there.
        second: value of the second entry, likewise.
    """

    entity: str
    record_key: str
    field: str
    first: str | int | float | None
    second: str | int | float | None

    def __str__(self) -> str:
        place = f"{self.entity} {self.record_key}" + (f", {self.field}" if self.field else "")
        first, second = ("(empty)" if value is None else value for value in (self.first, self.second))
        return f"{place}: {first} | {second}"


@dataclass(frozen=True)
class EntryComparison:
    """What two entries have in common and where they differ.

    Args:
        rows: rows that both have.
        cells: cells compared, key fields left out; a cell that is empty in both is not counted.
        differences: all of them, ordered by table, key and column.
    """

    rows: int
    cells: int
    differences: tuple[Difference, ...]

    @property
    def different_cells(self) -> int:
        """Cells that differ, in rows that both have."""
        return sum(1 for item in self.differences if item.field)

    @property
    def error_rate(self) -> float | None:
        """Share of cells that differ; None where there was nothing to compare."""
        return self.different_cells / self.cells if self.cells else None


def compare(first: Records, second: Records) -> EntryComparison:
    """Compare two entries of the same records.

    Numbers are compared exactly and 7 equals 7.0; two empty cells agree.
    """
    rows = cells = 0
    differences: list[Difference] = []
    for entity in ENTITIES:
        ones, others = _by_key(entity, first), _by_key(entity, second)
        for key in sorted(ones.keys() | others.keys(), key=_sortable):
            one, other = ones.get(key), others.get(key)
            name = "|".join(str(plain(part)) for part in key)
            if one is None or other is None:
                sides = (ABSENT, "(row)") if one is None else ("(row)", ABSENT)
                differences.append(Difference(entity.name, name, "", *sides))
                continue
            rows += 1
            for column, a, b in _cells(entity, one, other):
                cells += 1
                if a != b:
                    differences.append(Difference(entity.name, name, column, a, b))
    return EntryComparison(rows, cells, tuple(differences))


def compare_files(
    first: Path, second: Path, exchange: str | None = None, *, registry: Registry | None = None
) -> EntryComparison:
    """Compare two files (or folders) in an exchange format; nothing is imported.

    Both are read and checked as an import would; a total that one of them leaves empty is computed before.

    Args:
        first, second: what an import takes.
        exchange: format of both, as an import names it; found from the content where it is None.
        registry: holds records to which the rows refer; None: the files hold everything they refer to.

    Raises:
        ImportProblems: one of the two could not be imported; names every problem.
        InputError: one of the two cannot be read.
    """
    return compare(*(_read(path, exchange, registry) for path in (first, second)))


def _read(path: Path, exchange: str | None, registry: Registry | None) -> Records:
    from vertherm.registry.importing.importer import check_raw
    from vertherm.registry.importing.problem import ImportProblems
    from vertherm.registry.importing.reader import read
    from vertherm.registry.importing.validator import validate

    raw = read(path, exchange)
    if registry is not None:
        return check_raw(registry, raw, today=date.today(), update=True)[0]
    records, problems = validate(raw, today=date.today())
    if problems:
        raise ImportProblems(problems, raw.source)
    return records


def _cells(entity: Entity, one: Row, other: Row) -> Iterator[tuple[str, Any, Any]]:
    for column, a, b in zip(entity.columns, map(plain, one), map(plain, other), strict=True):
        if column not in entity.key and not (a is None and b is None):
            yield column, a, b


def _by_key(entity: Entity, records: Records) -> dict[Row, Row]:
    found: dict[Row, Row] = {}
    for row in records.rows(entity.name):
        found[tuple(plain(part) for part in records.key(entity.name, row))] = row
    return found


def _sortable(key: Row) -> tuple[tuple[bool, Any], ...]:
    """Numbers before texts, so that lesion 10 comes after lesion 9 and mixed keys still have an order."""
    return tuple((isinstance(part, str), part) for part in key)
