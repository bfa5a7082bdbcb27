"""Workbook out: a sheet an entity, the dictionary, and a first sheet that says what it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress
from vertherm.registry.exporting.manifest import Manifest
from vertherm.registry.exporting.write_csv import DICTIONARY_HEADING, dictionary_rows
from vertherm.registry.guard import guarded
from vertherm.registry.records import Records, Value
from vertherm.registry.schema.catalogue import ENTITIES
from vertherm.registry.schema.field import Entity, Kind

if TYPE_CHECKING:
    from openpyxl import Workbook

ABOUT, DICTIONARY = "about", "dictionary"
"""Sheets that hold no records."""
MOST_ROWS = 1_048_575
"""Rows of a sheet below its heading."""
PIECE = 16_000
"""Characters of one cell; longer texts run on in the columns NAME#2, NAME#3 ... (a cell takes 32,767)."""
_LISTED = 255
_TEMPLATE_ROWS = 5000


def write_xlsx(path: Path, records: Records, manifest: Manifest, progress: Progress) -> list[Path]:
    """Write the workbook.

    Raises:
        InputError: more rows of an entity than a sheet takes.
    """
    from openpyxl import Workbook

    for entity in ENTITIES:
        if len(records.rows(entity.name)) > MOST_ROWS:
            raise InputError(
                "A sheet of a workbook cannot hold so many rows.",
                where=entity.name,
                got=f"{len(records.rows(entity.name)):,} rows",
                expected=f"at most {MOST_ROWS:,}",
                advice="export one series, or export as CSV or JSON",
            )
    # Lists of codes need a workbook in memory; one for records is written as a stream.
    template = manifest.level == "none"
    book = Workbook(write_only=not template)
    if book.worksheets:
        book.remove(book.worksheets[0])
    _about(book, manifest)
    for place, entity in enumerate(ENTITIES):
        progress("write", place / len(ENTITIES))
        _sheet(book, entity, records, template)
    sheet = book.create_sheet(DICTIONARY)
    sheet.freeze_panes = "A2"
    for row in (DICTIONARY_HEADING, *dictionary_rows()):
        sheet.append([_string(sheet, text) for text in row])
    book.save(path)
    book.close()
    return [path]


def _about(book: Workbook, manifest: Manifest) -> None:
    sheet = book.create_sheet(ABOUT)
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 24, 90
    for name, value in manifest.document().items():
        if isinstance(value, dict):
            for entity, count in value.items():
                sheet.append([_string(sheet, f"rows: {entity}"), count])
        else:
            sheet.append([_string(sheet, name), value if isinstance(value, int) else _string(sheet, str(value))])


def _sheet(book: Workbook, entity: Entity, records: Records, template: bool) -> None:
    rows = records.rows(entity.name)
    sheet = book.create_sheet(entity.name)
    sheet.freeze_panes = "A2"
    pieces = _pieces(entity, rows)
    headings = [
        name if number == 0 else f"{name}#{number + 1}"
        for name in entity.columns
        for number in range(pieces.get(name, 1))
    ]
    if template:
        _offer_codes(sheet, entity)
    sheet.append(headings)
    for row in rows:
        cells: list[Any] = []
        for name, value in zip(entity.columns, row, strict=True):
            cells += _cells(sheet, value, pieces.get(name, 1))
        sheet.append(cells)


def _pieces(entity: Entity, rows: list[tuple[Value, ...]]) -> dict[str, int]:
    """Columns that a field needs, where its longest text does not fit one cell."""
    found = {}
    for place, item in enumerate(entity.fields):
        if item.max_length > PIECE:
            longest = max((len(str(row[place])) for row in rows if row[place] is not None), default=0)
            found[item.name] = max(1, -(-longest // PIECE))
    return found


def _cells(sheet: Any, value: Value, pieces: int) -> list[Any]:
    if isinstance(value, str):
        parts = [value[start : start + PIECE] for start in range(0, len(value), PIECE)]
        return [_string(sheet, guarded(part)) for part in parts] + [None] * (pieces - len(parts))
    if isinstance(value, float) and float(f"{value:.16g}") != value:
        return [_exact(sheet, value)] + [None] * (pieces - 1)
    return [value] + [None] * (pieces - 1)


def _exact(sheet: Any, value: float) -> Any:
    """A number with all its 17 digits: the library writes 16."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=repr(value))
    cell.data_type = "n"
    return cell


def _string(sheet: Any, text: str) -> Any:
    """A text cell that stays text, whatever it looks like; spaces and line ends included."""
    if not text.startswith(("=", "#")):
        return text
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type = "s"
    return cell


def _offer_codes(sheet: Any, entity: Entity) -> None:
    """Lists of codes to choose from, for a form that is filled by hand."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    for place, item in enumerate(entity.fields, start=1):
        if item.kind is not Kind.choice or item.vocabulary is None:
            continue
        listed = ",".join(item.vocabulary.codes)
        if len(listed) <= _LISTED:
            rule = DataValidation(type="list", formula1=f'"{listed}"', allow_blank=True, showErrorMessage=True)
            rule.add(f"{get_column_letter(place)}2:{get_column_letter(place)}{_TEMPLATE_ROWS}")
            sheet.add_data_validation(rule)
