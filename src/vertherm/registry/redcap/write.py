"""REDCap out: dictionary, arms, events, mapping, repeating forms, and the records in the flat longitudinal form."""

from __future__ import annotations

import csv
import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path

from vertherm.core.progress import Progress
from vertherm.registry.exporting.cells import text_rows
from vertherm.registry.exporting.manifest import Manifest
from vertherm.registry.exporting.write_csv import write_manifest
from vertherm.registry.records import Records
from vertherm.registry.redcap.dictionary import COLUMNS, dictionary
from vertherm.registry.redcap.layout import (
    EVENT_OF,
    FORMS,
    arms_table,
    events_table,
    mapping_table,
    repeating_table,
    repeats,
)
from vertherm.registry.redcap.names import EVENT, RECORD_ID, REPEAT_FORM, REPEAT_NUMBER, status_variable, variable
from vertherm.registry.schema.field import Entity

_COMPLETE = "2"
"""REDCap's code of a form that is complete."""


def write_redcap(folder: Path, records: Records, manifest: Manifest, progress: Progress) -> list[Path]:
    """Write the files of a project into an existing folder."""
    tables: dict[str, Iterable[Iterable[str]]] = {
        "dictionary.csv": [COLUMNS, *(row.values() for row in dictionary())],
        "arms.csv": arms_table(),
        "events.csv": events_table(),
        "form_event_mapping.csv": mapping_table(),
        "repeating_forms.csv": repeating_table(),
        "records.csv": _records(records, progress),
    }
    written = []
    for name, rows in tables.items():
        path = folder / name
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rows)
        written.append(path)
    return [*written, *write_manifest(folder, manifest)]


def heading() -> list[str]:
    """Columns of the records."""
    columns = [RECORD_ID, EVENT, REPEAT_FORM, REPEAT_NUMBER]
    for form in FORMS:
        columns += [variable(form, name) for name in form.columns if name != form.key[0]]
        columns.append(status_variable(form.name))
    return columns


def _records(records: Records, progress: Progress) -> Iterator[list[str]]:
    """Heading and rows, record by record and form by form, as REDCap orders them."""
    yield heading()
    before, width = 0, len(heading()) - 4
    streams = []
    for order, form in enumerate(FORMS):
        size = len(form.columns)  # without the record id, with the status
        streams.append(_form_rows(records, form, order, before, width - before - size))
        before += size
    total = max(sum(records.counts().values()), 1)
    for done, (_, _, _, row) in enumerate(heapq.merge(*streams)):
        if done % 20_000 == 0:
            progress("write", done / total)
        yield row


def _form_rows(
    records: Records, form: Entity, order: int, before: int, after: int
) -> Iterator[tuple[str, int, int, list[str]]]:
    """Rows of one form with what they are sorted by: record, form, number within the record."""
    event, name = EVENT_OF[form.name].name, form.name if repeats(form) else ""
    left, right = [""] * before, [_COMPLETE, *[""] * after]
    number, last = 0, None
    size = len(form.key)
    ordered = Records({form.name: sorted(records.rows(form.name), key=lambda row: row[:size])})
    for cells in text_rows(ordered, form.name):
        number = number + 1 if cells[0] == last else 1
        last = cells[0]
        start = [cells[0], event, name, str(number) if name else ""]
        yield cells[0], order, number, [*start, *left, *cells[1:], *right]
