"""Workbooks in: a sheet an entity; values only, dates as dates or as text."""

from __future__ import annotations

import difflib
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import ParseError

from vertherm.core.errors import InputError
from vertherm.registry.guard import unguarded
from vertherm.registry.importing.archive import open_zip
from vertherm.registry.importing.problem import Problems
from vertherm.registry.importing.raw import ColumnBuilder, RawTable, RawTables, blank
from vertherm.registry.importing.read_csv import check_headings
from vertherm.registry.importing.source import check_size
from vertherm.registry.schema.catalogue import BY_NAME

COMPANIONS = ("about", "dictionary", "manifest", "readme")
"""Sheets that hold no records."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PIECE = re.compile(r"(.+)#(\d{1,4})")
_MOST_COLUMNS = 2000
_DAMAGE = (ParseError, zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, EOFError, AttributeError)


def read_xlsx(path: Path, max_mb: float) -> RawTables:
    """Read a workbook; macros, links and charts are not looked at.

    Raises:
        InputError: encrypted, an old .xls, damaged, cut off, or larger than ``max_mb`` when unpacked.
    """
    raw = RawTables(str(path), "xlsx")
    _need_workbook(path, max_mb)
    try:
        # Opened here, so that it is closed whatever goes wrong while the library reads it.
        with path.open("rb") as stream:
            book = _load(stream)
            for sheet in book.worksheets:
                _take(raw, sheet, path.name)
            book.close()
    except InputError:
        raise
    except Exception as error:
        if not _of_damage(error):
            raise
        raise _damaged(path, error) from error
    if not raw.tables and not raw.unreadable and not len(raw.problems):
        raw.problems.add(
            "no_tables",
            "no sheet holds records",
            "name the sheets after the tables: patient, lesion, ...",
            file=path.name,
        )
    return raw


def _of_damage(error: Exception) -> bool:
    """True for what the library and those below it raise on damaged workbooks; other errors are ours."""
    if isinstance(error, _DAMAGE):
        return True
    # zlib's own error, and those of the XML parsers, have no common base.
    return type(error).__name__ == "error" or type(error).__module__.startswith(("defusedxml", "lxml", "openpyxl"))


def _load(stream: IO[bytes]) -> Any:
    import warnings

    from openpyxl import load_workbook

    with warnings.catch_warnings():
        # openpyxl tells of extensions and styles it leaves out; none of them holds a value.
        warnings.simplefilter("ignore")
        return load_workbook(stream, read_only=True, data_only=False, keep_vba=False, keep_links=False)


def _need_workbook(path: Path, max_mb: float) -> None:
    with path.open("rb") as stream:
        head = stream.read(8)
    if head == _OLE:
        raise InputError(
            "This is an encrypted workbook or one in the old .xls format.",
            where=str(path),
            expected="a workbook (.xlsx) without a password",
            advice="open it, take the password off and save it as .xlsx",
        )
    with open_zip(path, lambda size: check_size(size, max_mb, f"{path} (unpacked)")) as archive:
        names = set(archive.namelist())
        if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
            raise InputError(
                "This zip archive is no workbook.", where=str(path), advice="for a zip of CSV files name the format zip"
            )


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        "The workbook is damaged and cannot be read.",
        where=str(path),
        got=f"{type(error).__name__}: {str(error)[:200]}",
        advice="open it in a spreadsheet, save it again as .xlsx, or export it as CSV",
    )


def _take(raw: RawTables, sheet: Any, file: str) -> None:
    name = str(sheet.title).strip().lower()
    if name in COMPANIONS:
        return
    if not hasattr(sheet, "iter_rows"):
        return  # a chart
    if name not in BY_NAME:
        _unknown_sheet(raw.problems, sheet, name, file)
        return
    # The size that a sheet declares may be wrong or vast; what matters is what it holds.
    sheet.reset_dimensions()
    table = _read(sheet, name, file, raw)
    if table is None:
        raw.unreadable.add(name)
    else:
        raw.tables[name] = table


def _unknown_sheet(problems: Problems, sheet: Any, name: str, file: str) -> None:
    sheet.reset_dimensions()
    first = next(sheet.iter_rows(max_row=1, values_only=True), ())
    if not any(cell is not None for cell in first):
        return  # an empty sheet, as spreadsheets add them
    near = difflib.get_close_matches(name, BY_NAME, n=1)
    problems.add(
        "unknown_table",
        "the registry has no table of the name of this sheet",
        f"rename it to {near[0]}" if near else f"use one of {', '.join(BY_NAME)}, or delete the sheet",
        file=file,
        value=sheet.title,
    )


def _read(sheet: Any, entity: str, file: str, raw: RawTables) -> RawTable | None:
    builder: ColumnBuilder | None = None
    numbers: list[int] = []
    width = 0
    for number, cells in _rows(sheet, entity, file, raw.problems):
        if blank(cells):
            continue
        if builder is None:
            headings = _trimmed([cell.strip() for cell in cells])
            if not check_headings(headings, file, entity, number, raw.problems):
                return None
            builder, width = ColumnBuilder(headings), len(headings)
            continue
        if not blank(cells[width:]):
            raw.problems.add(
                "ragged_row",
                "a cell with a value lies beyond the last heading",
                "give its column a heading, or clear it",
                file=file,
                table=entity,
                row=number,
                value=next(cell for cell in cells[width:] if cell.strip()),
            )
            continue
        builder.add(cells[:width] + [""] * (width - len(cells)))
        numbers.append(number)
    if builder is None:
        raw.problems.add("empty_file", "the sheet is empty", "delete it, or give it a heading", file=file, table=entity)
        return None
    return RawTable(entity, file, _joined(builder.finish()), numbers)


def _trimmed(headings: list[str]) -> list[str]:
    while headings and not headings[-1]:
        headings.pop()
    return headings


def _joined(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Put texts together that run on in the columns NAME#2, NAME#3 ..."""
    pieces: dict[str, list[tuple[int, str]]] = {}
    for heading in columns:
        match = _PIECE.fullmatch(heading)
        if match and match[1] in columns:
            pieces.setdefault(match[1], []).append((int(match[2]), heading))
    for name, parts in pieces.items():
        stacks = [columns.pop(heading) for _, heading in sorted(parts)]
        columns[name] = [
            # The first piece keeps its guard for the cell's own reading.
            "".join((first, *(unguarded(piece) for piece in rest)))
            for first, *rest in zip(columns[name], *stacks, strict=True)
        ]
    return columns


def _rows(sheet: Any, entity: str, file: str, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(sheet.iter_rows(), start=1):
        texts = []
        for place, cell in enumerate(row[:_MOST_COLUMNS]):
            kind = cell.data_type
            if kind in ("f", "e"):
                texts.append(_not_a_value(cell, kind, entity, file, number, place, problems))
            else:
                texts.append(cell_text(cell.value))
        yield number, texts


def _not_a_value(cell: Any, kind: str, entity: str, file: str, number: int, place: int, problems: Problems) -> str:
    from openpyxl.utils import get_column_letter

    formula = kind == "f"
    problems.add(
        "formula_cell" if formula else "error_cell",
        "the cell holds a formula, not a value" if formula else "the cell holds an error of the spreadsheet",
        "copy the column and paste it as values" if formula else "clear or correct it",
        file=file,
        table=entity,
        row=number,
        column=get_column_letter(place + 1),
        value=getattr(cell.value, "text", cell.value),
    )
    return ""


def cell_text(value: object) -> str:
    """A value of a workbook as text: days without midnight, whole numbers without a point."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        at_midnight = value.time() == time(0)
        return value.date().isoformat() if at_midnight else value.isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    return str(value)
