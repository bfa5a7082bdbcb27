"""What a file holds before it is understood: text by column, with the place of every row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from vertherm.registry.importing.problem import Problems

FORMATS = ("csv", "zip", "xlsx", "json", "redcap")
"""Formats that can be read: a folder, zip or single file of CSV, a workbook, a JSON document, a REDCap records CSV."""


@dataclass
class RawTable:
    """One table as text.

    Args:
        entity: name of its entity.
        file: where it stands, for messages.
        columns: cells by heading, as many in each; an empty text is an empty cell.
        rows: number of each row as a person counts it.
        headings: heading as it stands in the file, by the name of the field, where the two differ.
    """

    entity: str
    file: str
    columns: dict[str, list[str]] = field(default_factory=dict)
    rows: Sequence[int] = ()
    headings: dict[str, str] = field(default_factory=dict)

    def heading(self, name: str) -> str:
        """The column's heading in the file."""
        return self.headings.get(name, name)


@dataclass
class RawTables:
    """All tables of one import, the problems met while reading, and notes on what was taken as meant."""

    source: str
    format: str
    tables: dict[str, RawTable] = field(default_factory=dict)
    problems: Problems = field(default_factory=Problems)
    notes: list[str] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    """Entities whose table is there but could not be read: nothing is said of rows that refer to them."""


class ColumnBuilder:
    """Gathers rows into columns, keeping every different text once: tables repeat themselves much."""

    BLOCK = 4096

    def __init__(self, headings: Sequence[str]) -> None:
        self.headings = headings
        self.columns: list[list[str]] = [[] for _ in headings]
        self._seen: list[dict[str, str]] = [{} for _ in headings]
        self._block: list[Sequence[str]] = []

    def add(self, row: Sequence[str]) -> None:
        """Add one row with a cell for every heading."""
        self._block.append(row)
        if len(self._block) >= self.BLOCK:
            self._turn()

    def _turn(self) -> None:
        for cells, column, seen in zip(zip(*self._block, strict=True), self.columns, self._seen, strict=True):
            once: Callable[[str, str], str] = seen.setdefault
            column.extend(map(once, cells, cells))
        self._block.clear()

    def finish(self) -> dict[str, list[str]]:
        """Columns by heading."""
        if self._block:
            self._turn()
        return dict(zip(self.headings, self.columns, strict=True))


def blank(row: Iterable[str]) -> bool:
    """True where no cell holds anything but spaces."""
    return not any(cell and not cell.isspace() for cell in row)
