"""REDCap in: the flat records CSV with raw codes, longitudinal or not, with repeating instruments or not.

A row fills the form that ``redcap_repeat_instrument`` names; without a name it fills every form of which it holds a
value. In a folder the project's data dictionary is read too: variables that are not ours are then known for what they
are and left out, with a note. Without it an unknown variable is a problem, since it may be a misspelt one.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

from vertherm.core.errors import InputError
from vertherm.registry.importing.raw import ColumnBuilder, RawTable, RawTables, blank
from vertherm.registry.importing.read_csv import cells_of, csv_problem, find_separator, fitted, ragged_problem
from vertherm.registry.importing.source import read_bytes
from vertherm.registry.importing.text import decode
from vertherm.registry.redcap.dictionary import DictionaryCheck, check_dictionary
from vertherm.registry.redcap.layout import FORMS
from vertherm.registry.redcap.names import (
    EVENT,
    RECORD_ID,
    REPEAT_FORM,
    REPEAT_NUMBER,
    SYSTEM_COLUMNS,
    all_variables,
    fields_of,
    status_variable,
)
from vertherm.registry.schema.catalogue import BY_NAME
from vertherm.registry.schema.field import Kind

RECORDS, DICTIONARY = "records.csv", "dictionary.csv"
_LABELS = {"record id", "event name", "repeat instrument", "repeat instance"}
_RAW = "in REDCap choose 'CSV / Microsoft Excel (raw data)', not labels"


def read_redcap(path: Path) -> RawTables:
    """Read a records CSV, or a folder with records.csv and, if it is there, dictionary.csv.

    Raises:
        InputError: a folder without records.csv.
    """
    raw = RawTables(str(path), "redcap")
    theirs = DictionaryCheck((), (), ())
    if path.is_dir():
        if not (path / RECORDS).is_file():
            raise InputError(
                "The folder holds no REDCap records.",
                where=str(path),
                expected=RECORDS,
                advice="name the records export records.csv, or give the file itself",
            )
        if (path / DICTIONARY).is_file():
            theirs = _dictionary(path / DICTIONARY, raw)
        path = path / RECORDS
    text = decode(read_bytes(path), path.name, raw.problems)
    if text is None:
        return raw
    reader = _Reader(raw, path.name, theirs)
    number = 0
    try:
        for number, row in enumerate(cells_of(text, find_separator(text)), start=1):
            if not blank(row) and not reader.take(number, row):
                return raw
    except csv.Error as error:
        csv_problem(raw.problems, path.name, "", number + 1, str(error))
        return raw
    reader.finish()
    return raw


def _dictionary(path: Path, raw: RawTables) -> DictionaryCheck:
    text = decode(read_bytes(path), path.name, raw.problems)
    rows: list[dict[str, str]] = []
    if text is not None:
        try:
            heading, *cells = [row for row in cells_of(text, find_separator(text)) if not blank(row)]
            rows = [dict(zip(heading, row, strict=False)) for row in cells]
        except (csv.Error, ValueError) as error:
            csv_problem(raw.problems, path.name, "", 1, str(error))
    found = check_dictionary(rows, path.name, raw.problems)
    if found.added:
        names = ", ".join(found.added[:10]) + (", ..." if len(found.added) > 10 else "")
        raw.notes.append(f"{path.name}: {len(found.added)} variables of the project are not imported: {names}")
    if found.lacking and rows:
        raw.notes.append(f"{path.name}: the project lacks {len(found.lacking)} of our variables; they stay empty")
    return found


class _Form:
    """Rows of one form while they are gathered."""

    def __init__(self, name: str, heading: Sequence[str]) -> None:
        self.entity = BY_NAME[name]
        variables = [item for item in fields_of(name) if item in heading]
        self.places = [heading.index(item) for item in variables]
        self._get = itemgetter(*self.places) if len(self.places) > 1 else None
        self.builder = ColumnBuilder([RECORD_ID, *variables])
        self.headings = {self.entity.key[0]: RECORD_ID, **{fields_of(name)[item]: item for item in variables}}
        self.rows: list[int] = []
        # The number of an instance serves as the number of the row where that was left empty.
        last = self.entity.by_name[self.entity.key[-1]]
        number = self.headings.get(last.name, "") if len(self.entity.key) == 2 and last.kind is Kind.integer else ""
        self.number_place = variables.index(number) if number in variables else -1

    def cells(self, row: list[str]) -> tuple[str, ...]:
        """Cells of this form in a row."""
        return self._get(row) if self._get else tuple(row[place] for place in self.places)

    def add(self, record: str, cells: tuple[str, ...], instance: str, number: int) -> None:
        """Add one row of this form."""
        if self.number_place >= 0 and instance and not cells[self.number_place].strip():
            cells = (*cells[: self.number_place], instance, *cells[self.number_place + 1 :])
        self.builder.add((record, *cells))
        self.rows.append(number)


class _Reader:
    """Turns rows of the flat file into tables."""

    def __init__(self, raw: RawTables, file: str, theirs: DictionaryCheck) -> None:
        self.raw, self.file, self.theirs = raw, file, theirs
        self.heading: list[str] = []
        self.forms: dict[str, _Form] = {}

    def take(self, number: int, row: list[str]) -> bool:
        """Take one row; False where nothing after it can be understood."""
        if not self.heading:
            return self._set_heading(number, row)
        full = fitted(row, len(self.heading))
        if full is None:
            ragged_problem(self.raw.problems, self.file, "", number, len(row), len(self.heading))
        else:
            self._row(number, full)
        return True

    def _set_heading(self, number: int, row: list[str]) -> bool:
        heading = [cell.strip().lower() for cell in row]
        if RECORD_ID not in heading:
            labels = _LABELS.intersection(heading)
            self.raw.problems.add(
                "redcap_labels" if labels else "no_heading",
                "this is an export with labels instead of variable names" if labels else "no column record_id",
                _RAW if labels else "give a records export of the project made from our dictionary",
                file=self.file,
                row=number,
                value=", ".join(row[:6]),
            )
            return False
        twice = sorted({name for name in heading if heading.count(name) > 1})
        for name in twice:
            self.raw.problems.add(
                "duplicate_heading",
                "two columns have the same heading",
                "keep one of them",
                file=self.file,
                row=number,
                column=name,
            )
        self._unknown(heading, number)
        self.heading = heading
        self.places = {name: heading.index(name) for name in (EVENT, REPEAT_FORM, REPEAT_NUMBER) if name in heading}
        self.record_place = heading.index(RECORD_ID)
        for form in FORMS:
            if any(item in heading for item in fields_of(form.name)):
                self.forms[form.name] = _Form(form.name, heading)
        inside = {place for form in self.forms.values() for place in form.places}
        self.other_places = [place for place in range(len(heading)) if place not in inside]
        return not twice

    def _unknown(self, heading: list[str], number: int) -> None:
        ours = all_variables()
        known = {RECORD_ID, EVENT, REPEAT_FORM, REPEAT_NUMBER, *SYSTEM_COLUMNS, *ours, *self.theirs.added}
        known |= {status_variable(form.name) for form in FORMS}
        known |= {status_variable(form) for form in self.theirs.added_forms}
        for name in heading:
            # A checkbox of theirs has a column a choice: name___code.
            if not name or name in known or name.split("___")[0] in known or name.endswith("_timestamp"):
                continue
            near = difflib.get_close_matches(name, ours, n=1)
            self.raw.problems.add(
                "unknown_column",
                "not a variable of our dictionary",
                (f"rename it to {near[0]}, or " if near else "")
                + "import the folder with the project's dictionary.csv: then its own variables are left out",
                file=self.file,
                row=number,
                column=name,
            )

    def _cell(self, row: list[str], name: str) -> str:
        place = self.places.get(name)
        return row[place].strip() if place is not None else ""

    def _row(self, number: int, row: list[str]) -> None:
        record, instrument = row[self.record_place], self._cell(row, REPEAT_FORM).lower()
        instance = self._cell(row, REPEAT_NUMBER)
        if not instrument:
            for form in self.forms.values():
                cells = form.cells(row)
                if not blank(cells):
                    form.add(record, cells, instance, number)
            return
        chosen = self.forms.get(instrument)
        if chosen is None:
            self._not_ours(instrument, number)
            return
        cells = chosen.cells(row)
        chosen.add(record, cells, instance, number)
        # Counting empty cells is quick; where they fall is looked at only if something lies outside the form.
        if len(row) - row.count("") > len(cells) - cells.count("") + self._others(row):
            self._strays(chosen, number, row)

    def _others(self, row: list[str]) -> int:
        """Number of filled cells that belong to no form of ours."""
        return sum(1 for place in self.other_places if row[place])

    def _strays(self, chosen: _Form, number: int, row: list[str]) -> None:
        """Values in variables of another form than the row is of."""
        for name, form in self.forms.items():
            if form is chosen or blank(form.cells(row)):
                continue
            place = next(place for place in form.places if row[place].strip())
            self.raw.problems.add(
                "redcap_stray",
                f"the row is of form {chosen.entity.name}, but fills a variable of form {name}",
                "move the value to a row of its own form",
                file=self.file,
                table=chosen.entity.name,
                row=number,
                column=self.heading[place],
                value=row[place],
            )

    def _not_ours(self, instrument: str, number: int) -> None:
        if instrument in self.theirs.added_forms:
            return
        labels = any(instrument == form.label.lower() for form in FORMS) and instrument not in BY_NAME
        self.raw.problems.add(
            "redcap_labels" if labels else "unknown_table",
            "the label of a form, not its name" if labels else "not a form of our dictionary",
            _RAW if labels else "use a form of the dictionary that we export",
            file=self.file,
            row=number,
            column=REPEAT_FORM,
            value=instrument,
        )

    def finish(self) -> None:
        """Hand over the tables."""
        if not self.heading:
            self.raw.problems.add("empty_file", "the file is empty", "export it again", file=self.file)
        for name, form in self.forms.items():
            if form.rows:
                self.raw.tables[name] = RawTable(name, self.file, form.builder.finish(), form.rows, form.headings)
