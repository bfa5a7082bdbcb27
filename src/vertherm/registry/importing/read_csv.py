"""CSV in: a folder with one file an entity, a zip of it, or one file named after its entity."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from vertherm.registry.importing.archive import zip_members
from vertherm.registry.importing.problem import Problems
from vertherm.registry.importing.raw import ColumnBuilder, RawTable, RawTables, blank
from vertherm.registry.importing.source import check_size, folder_files, read_bytes
from vertherm.registry.importing.text import decode
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES

COMPANIONS = ("manifest.json", "dictionary.csv")
"""Files that exports put beside the tables."""
_LARGEST_CELL = 6_000_000
_SEPARATORS = (",", ";", "\t")
_SEPARATOR_NAMES = {";": "semicolons", "\t": "tabs"}


def read_csv(path: Path, max_mb: float) -> RawTables:
    """Read a folder, a zip or one CSV file; what is wrong is in ``problems``, nothing is raised for content."""
    raw = RawTables(str(path), "csv")
    if path.is_dir():
        for item in folder_files(path):
            _take(raw, item.name, lambda item=item: read_bytes(item))
    elif path.suffix.lower() == ".zip":
        raw.format = "zip"
        for name, load in zip_members(path, raw.problems, lambda size: check_size(size, max_mb, str(path))):
            _take(raw, name, load)
    else:
        _one(raw, path)
    if not raw.tables and not raw.unreadable and not len(raw.problems):
        raw.problems.add(
            "no_tables",
            "no table of the registry is in it",
            f"name the files after their tables: {', '.join(f'{entity.name}.csv' for entity in ENTITIES[:4])}, ...",
            file=str(path),
        )
    return raw


def _one(raw: RawTables, path: Path) -> None:
    if _entity_name(path.name) is None:
        _unknown_table(raw.problems, path.name, path.stem)
        return
    _take(raw, path.name, lambda: read_bytes(path))


def _entity_name(name: str) -> str | None:
    stem = PurePosixPath(name).stem.strip().lower()
    return stem if stem in BY_NAME else None


def _take(raw: RawTables, name: str, load: object) -> None:
    assert callable(load)
    entity = _entity_name(name)
    if name in COMPANIONS or not name.lower().endswith((".csv", ".tsv", ".txt")):
        return
    if entity is None:
        if name.lower().endswith(".csv"):
            _unknown_table(raw.problems, name, PurePosixPath(name).stem)
        return
    if entity in raw.tables or entity in raw.unreadable:
        raw.problems.add("table_twice", "a second file for the same table", "keep one of them", file=name, table=entity)
        return
    table = read_table(load(), name, entity, raw)
    if table is None:
        raw.unreadable.add(entity)
    else:
        raw.tables[entity] = table


def _unknown_table(problems: Problems, file: str, stem: str) -> None:
    near = difflib.get_close_matches(stem.lower(), BY_NAME, n=1)
    problems.add(
        "unknown_table",
        "the registry has no table of this name",
        f"rename it to {near[0]}" if near else f"use one of {', '.join(BY_NAME)}, or take it out",
        file=file,
        value=stem,
    )


def read_table(data: bytes, file: str, entity: str, raw: RawTables) -> RawTable | None:
    """One CSV file; None where it cannot be read at all, with the problems added."""
    text = decode(data, file, raw.problems, entity)
    if text is None:
        return None
    if not text.strip():
        raw.problems.add(
            "empty_file", "the file is empty", "take it out, or give it a heading", file=file, table=entity
        )
        return None
    separator = find_separator(text)
    if separator in _SEPARATOR_NAMES:
        raw.notes.append(f"{file}: columns are separated by {_SEPARATOR_NAMES[separator]}; read as such")
    return read_rows(cells_of(text, separator), file, entity, raw.problems)


def find_separator(text: str) -> str:
    """The separator that the heading uses most: comma, semicolon or tab."""
    heading = text.lstrip("\r\n").split("\n", 1)[0]
    return max(_SEPARATORS, key=lambda sign: (heading.count(sign), -_SEPARATORS.index(sign)))


def cells_of(text: str, separator: str) -> Iterator[list[str]]:
    """Rows of cells, quotes read strictly.

    Raises:
        csv.Error: a quote that is not closed, or text behind a closing quote.
    """
    before = csv.field_size_limit(_LARGEST_CELL)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    finally:
        csv.field_size_limit(before)


def read_rows(rows: Iterator[list[str]], file: str, entity: str, problems: Problems) -> RawTable | None:
    """A table from rows of cells, the first being the heading; None where there is no usable heading."""
    number = 0
    builder: ColumnBuilder | None = None
    numbers: list[int] = []
    try:
        for number, row in enumerate(rows, start=1):
            if blank(row):
                continue
            if builder is None:
                headings = [cell.strip() for cell in row]
                if not check_headings(headings, file, entity, number, problems):
                    return None
                builder = ColumnBuilder(headings)
                continue
            full = fitted(row, len(builder.headings))
            if full is None:
                ragged_problem(problems, file, entity, number, len(row), len(builder.headings))
                continue
            builder.add(full)
            numbers.append(number)
    except csv.Error as error:
        csv_problem(problems, file, entity, number + 1, str(error))
        return None
    if builder is None:
        problems.add("empty_file", "the file has no rows", "give it a heading", file=file, table=entity)
        return None
    return RawTable(entity, file, builder.finish(), numbers)


def fitted(row: list[str], width: int) -> list[str] | None:
    """The row with as many cells as the heading, where what is too much is empty; otherwise None."""
    if len(row) == width:
        return row
    return row[:width] if len(row) > width and blank(row[width:]) else None


def check_headings(headings: list[str], file: str, entity: str, row: int, problems: Problems) -> bool:
    """False, with the problem added, where this is no heading or one stands twice."""
    known = set(BY_NAME[entity].columns)
    lowered = [name.lower() for name in headings if name]
    if not known.intersection(lowered):
        problems.add(
            "no_heading",
            "the first row is no heading: none of its cells is a column of this table",
            f"put the names of the columns into the first row: {', '.join(BY_NAME[entity].columns[:5])}, ...",
            file=file,
            table=entity,
            row=row,
            value=", ".join(headings),
        )
        return False
    twice = sorted({name for name in lowered if lowered.count(name) > 1})
    for name in twice:
        problems.add(
            "duplicate_heading",
            "two columns have the same heading",
            "keep one of them",
            file=file,
            table=entity,
            row=row,
            column=name,
        )
    return not twice


def ragged_problem(problems: Problems, file: str, entity: str, row: int, cells: int, width: int) -> None:
    """Report a row with more or fewer cells than the heading."""
    problems.add(
        "ragged_row",
        f"the row has {cells} cells, the heading has {width}",
        "give it a cell for every column; put text that holds the separator into double quotes",
        file=file,
        table=entity,
        row=row,
        value=f"{cells} cells",
    )


def csv_problem(problems: Problems, file: str, entity: str, row: int, error: str) -> None:
    """Report a file that stops being CSV in a row."""
    if "unexpected end" in error:
        reason, remedy = "a double quote is opened and never closed", "close it, or write it twice inside a quoted cell"
    elif "field larger" in error:
        reason, remedy = "a cell is longer than any field may be", "look for a double quote that is not closed"
    else:
        reason, remedy = f"this is not proper CSV ({error})", "write double quotes inside a quoted cell twice"
    kind = "unclosed_quote" if "unexpected end" in error else "bad_csv"
    problems.add(kind, reason, remedy, file=file, table=entity, row=row)
