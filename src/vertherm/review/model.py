"""What a review is: sections of text, tables and figures as plain data, so that every renderer shows the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None
"""A value as JSON takes it; unknown numbers are None, never NaN."""

SYNTHETIC_MARK = "SYNTHETIC"
SYNTHETIC_NOTICE = (
    "SYNTHETIC. The patients of this series were made by a program to test the software. They never lived; "
    "nothing here is evidence about any treatment."
)
RESEARCH_NOTICE = (
    "Research use only. Not a medical device. Numbers come from the registry as it was entered; "
    "a person must check them before anything is published or decided."
)


@dataclass(frozen=True)
class Cell:
    """One cell: what a person reads, and the unrounded numbers behind it by name."""

    text: str
    values: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """One column: a key for machines, a label for people."""

    key: str
    label: str


@dataclass(frozen=True)
class Row:
    """One row; ``group`` is the heading under which it stands, empty where there is none."""

    cells: tuple[Cell, ...]
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        id: short name, unique in the review; part of its file name.
        title: caption.
        unit: unit of analysis (patient, lesion, procedure...), said in the caption.
        columns: the first one holds the row headings.
        rows: rows in reading order; rows of one group stand together.
        notes: footnotes, among them why something is not estimable.
        wide: needs a landscape page.
        number: position among the tables, set when the review is put together.
    """

    id: str
    title: str
    unit: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    wide: bool = False
    number: int = 0

    def __post_init__(self) -> None:
        keys = [column.key for column in self.columns]
        # "data" and "group" lead every CSV file.
        if len({*keys, "data", "group"}) != len(keys) + 2 or any(len(row.cells) != len(keys) for row in self.rows):
            raise ValueError(f"table {self.id}: column keys repeat, are reserved, or do not fit the rows")

    @property
    def caption(self) -> str:
        """Title with number and unit of analysis."""
        return f"Table {self.number}. {self.title} Unit of analysis: {self.unit}."

    def groups(self) -> list[tuple[str, list[Row]]]:
        """Consecutive rows of the same group together."""
        found: list[tuple[str, list[Row]]] = []
        for row in self.rows:
            if not found or found[-1][0] != row.group:
                found.append((row.group, []))
            found[-1][1].append(row)
        return found


@dataclass(frozen=True)
class Figure:
    """A figure: vector and pixels, text alternative, caption."""

    id: str
    title: str
    alt: str
    svg: str
    png: bytes
    width_in: float
    height_in: float
    notes: tuple[str, ...] = ()
    number: int = 0

    @property
    def caption(self) -> str:
        """Title with number, then the notes."""
        return " ".join([f"Figure {self.number}. {self.title}", *self.notes])


@dataclass(frozen=True)
class Text:
    """A paragraph or a list; ``kind`` is 'text', 'warning', 'points' or 'numbered'; ``id`` lets others point at it."""

    lines: tuple[str, ...]
    kind: str = "text"
    id: str = ""


Block: TypeAlias = Text | Table | Figure


@dataclass(frozen=True)
class Section:
    """A section: id, title, blocks in reading order; ``number`` is set when the review is put together."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    number: int = 0

    @property
    def wide(self) -> bool:
        """True where a table of it needs landscape pages."""
        return any(isinstance(block, Table) and block.wide for block in self.blocks)


@dataclass(frozen=True)
class Review:
    """The whole review.

    Args:
        series: key of the series.
        title: title of the series.
        synthetic: True where the series was made up by a program.
        sections: sections in reading order, numbered.
        provenance: hashes, versions, options, timings.
    """

    series: str
    title: str
    synthetic: bool
    sections: tuple[Section, ...]
    provenance: Mapping[str, object]

    @property
    def heading(self) -> str:
        """Title of the document, marked where the series is synthetic."""
        mark = f"{SYNTHETIC_MARK} – " if self.synthetic else ""
        return f"{mark}Review of the series: {self.title}"

    def blocks(self) -> Iterator[Block]:
        """All blocks in reading order."""
        for section in self.sections:
            yield from section.blocks

    def tables(self) -> list[Table]:
        """All tables in reading order."""
        return [block for block in self.blocks() if isinstance(block, Table)]

    def figures(self) -> list[Figure]:
        """All figures in reading order."""
        return [block for block in self.blocks() if isinstance(block, Figure)]

    def table(self, name: str) -> Table:
        """The table with this id.

        Raises:
            KeyError: there is none.
        """
        for table in self.tables():
            if table.id == name:
                return table
        raise KeyError(name)

    def row(self, table: str, heading: str, group: str | None = None) -> dict[str, Cell]:
        """Cells by column key of the row whose first cell reads ``heading`` (in ``group``, where given).

        Raises:
            KeyError: there is no such row.
        """
        found = self.table(table)
        for row in found.rows:
            if row.cells[0].text == heading and group in (None, row.group):
                return {column.key: cell for column, cell in zip(found.columns, row.cells, strict=True)}
        raise KeyError(f"{table}: {heading}")


def text(*lines: str, name: str = "") -> Text:
    """A paragraph of these sentences; ``name`` is its id."""
    return Text((" ".join(line for line in lines if line),), id=name)


def warning(*lines: str) -> Text:
    """A paragraph that must not be overlooked."""
    return Text((" ".join(line for line in lines if line),), "warning")


def points(lines: Iterable[str], name: str = "") -> Text:
    """A list; ``name`` is its id."""
    return Text(tuple(lines), "points", name)


def numbered_points(lines: Iterable[str]) -> Text:
    """A list numbered from 1."""
    return Text(tuple(lines), "numbered")


def columns(*pairs: tuple[str, str]) -> tuple[Column, ...]:
    """Columns from pairs of key and label."""
    return tuple(Column(key, label) for key, label in pairs)


def row(*cells: Cell | str, group: str = "") -> Row:
    """A row; plain texts become cells without numbers."""
    return Row(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells), group)


def numbered(sections: Iterable[Section]) -> tuple[Section, ...]:
    """The same sections with sections, tables and figures numbered in order, and ``[[id]]`` in texts resolved."""
    counted = _count(sections)
    known = dict(_names(counted))
    return tuple(replace(part, blocks=tuple(_resolve(block, known) for block in part.blocks)) for part in counted)


def _count(sections: Iterable[Section]) -> list[Section]:
    tables = figures = 0
    result = []
    for place, section in enumerate(sections, start=1):
        blocks: list[Block] = []
        for block in section.blocks:
            if isinstance(block, Table):
                tables += 1
                blocks.append(replace(block, number=tables))
            elif isinstance(block, Figure):
                figures += 1
                blocks.append(replace(block, number=figures))
            else:
                blocks.append(block)
        result.append(replace(section, number=place, blocks=tuple(blocks)))
    return result


def names(sections: Iterable[Section]) -> set[str]:
    """Ids of all sections, tables, figures and named texts."""
    return {key for section in sections for key in (section.id, *(block.id for block in section.blocks)) if key}


def _names(sections: Iterable[Section]) -> Iterator[tuple[str, str]]:
    for section in sections:
        yield section.id, f"section {section.number}"
        for block in section.blocks:
            if isinstance(block, Table):
                yield block.id, f"Table {block.number}"
            elif isinstance(block, Figure):
                yield block.id, f"Figure {block.number}"
            elif block.id:
                yield block.id, f"section {section.number}"


def _resolve(block: Block, known: Mapping[str, str]) -> Block:
    def said(line: str) -> str:
        for key, name in known.items() if "[[" in line else ():
            line = line.replace(f"[[{key}]]", name)
        return line

    if isinstance(block, Text):
        return replace(block, lines=tuple(map(said, block.lines)))
    if isinstance(block, Figure):
        return replace(block, notes=tuple(map(said, block.notes)))
    rows = tuple(
        replace(item, cells=tuple(replace(c, text=said(c.text)) if "[[" in c.text else c for c in item.cells))
        for item in block.rows
    )
    return replace(block, rows=rows, notes=tuple(map(said, block.notes)))
