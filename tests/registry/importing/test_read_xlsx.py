"""Workbooks as people make them: real dates in both calendars, numbers as text, extra sheets, macros."""

from __future__ import annotations

import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from tests.registry.importing.small import checked
from vertherm.registry.importing.read_xlsx import cell_text
from vertherm.registry.records import Records

VISIT = ("patient_key", "visit_no", "date", "vas", "odi_missing", "omeq_mg_day_missing", "note")


def existing() -> Records:
    records = Records()
    records.add("series", series="s", title="t", synthetic="no", day_zero="patient")
    for key in ("P1", "17"):
        records.add("patient", patient_key=key, series="s", synthetic="no", sex="other", primary_tumour="lung",
                    prior_radiotherapy="no", systemic_therapy="no")  # fmt: skip
    return records


def book(path: Path, *rows: tuple[Any, ...], heading: tuple[Any, ...] = VISIT, **properties: Any) -> Path:
    made = Workbook()
    for name, value in properties.items():
        setattr(made, name, value)
    sheet = made.active
    sheet.title = "Visit "
    sheet.append(heading)
    for row in rows:
        sheet.append(row)
    made.create_sheet("Sheet2")
    notes = made.create_sheet("README")
    notes.append(["anything"])
    made.save(path)
    return path


@pytest.mark.parametrize("epoch", [None, CALENDAR_MAC_1904])
def test_real_dates_in_both_calendars(tmp_path: Path, epoch: datetime | None) -> None:
    """A cell formatted as a date is that day, whether the workbook counts from 1900 or from 1904."""
    properties = {"epoch": epoch} if epoch else {}
    path = book(
        tmp_path / "in.xlsx",
        ("P1", 1, date(2016, 2, 20), 7, "lost", "lost"),
        ("P1", 2, datetime(2016, 3, 20), 7.5, "lost", "lost"),
        ("P1", 3, "2016-04-20", "7", "lost", "lost"),
        **properties,
    )
    if epoch:
        with zipfile.ZipFile(path) as archive:
            assert b'date1904="1"' in archive.read("xl/workbook.xml")
    records, problems = checked(path, existing())
    assert not problems, [problem.line() for problem in problems]
    assert [(str(row["date"]), row["vas"]) for row in records.dicts("visit")] == [
        ("2016-02-20", 7.0), ("2016-03-20", 7.5), ("2016-04-20", 7.0),
    ]  # fmt: skip


def test_numbers_where_keys_belong(tmp_path: Path) -> None:
    """A patient key 17 that the spreadsheet made a number is still key 17, also as 17.0."""
    path = book(
        tmp_path / "in.xlsx", (17, 1.0, "2016-02-20", 7, "lost", "lost"), (17.0, 2, "2016-02-21", 7, "lost", "lost")
    )
    records, problems = checked(path, existing())
    assert not problems, [problem.line() for problem in problems]
    assert [row[:2] for row in records.rows("visit")] == [("17", 1), ("17", 2)]


@pytest.mark.parametrize(
    ("value", "kind", "column"),
    [
        (datetime(2016, 2, 20, 14, 30), "time_of_day", "date"),
        (42420, "day_number", "date"),
        (True, "not_a_date", "date"),
        (datetime(1900, 1, 7), "date_in_number", "vas"),
        (True, "not_a_number", "vas"),
        (time(7, 30), "unit_in_number", "vas"),
        (timedelta(hours=7), "unit_in_number", "vas"),
        (True, "unknown_code", "odi_missing"),
    ],
)
def test_cells_of_the_wrong_type(tmp_path: Path, value: object, kind: str, column: str) -> None:
    row: dict[str, Any] = dict(zip(VISIT, ("P1", 1, "2016-02-20", 7, "lost", "lost", None), strict=True))
    row[column] = value
    _, problems = checked(book(tmp_path / "in.xlsx", tuple(row.values())), existing())
    found = [(problem.kind, problem.row, problem.column) for problem in problems]
    assert (kind, 2, column) in found, found


def test_gaps_and_trailing_emptiness(tmp_path: Path) -> None:
    """Blank rows count, cells of spaces are empty, headings may be followed by empty cells."""
    path = book(
        tmp_path / "in.xlsx",
        (),
        ("P1", 1, "2016-02-20", 7, "lost", "lost", " ", None, " "),
        (),
        ("P1", 2, "2016-02-21", 12, "lost", "lost"),
        heading=(*VISIT, None, " "),
    )
    _, problems = checked(path, existing())
    assert [(problem.kind, problem.row, problem.column) for problem in problems] == [("out_of_range", 5, "vas")]


def test_a_macro_is_not_looked_at(tmp_path: Path) -> None:
    """The part of a workbook that holds macros is neither run nor read."""
    path = book(tmp_path / "in.xlsx", ("P1", 1, "2016-02-20", 7, "lost", "lost"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"\x00garbage" * 50)
    records, problems = checked(path, existing())
    assert not problems
    assert len(records.rows("visit")) == 1


def test_a_sheet_that_declares_a_vast_size(tmp_path: Path) -> None:
    """What a sheet says of its own size is not believed: one row is one row."""
    path = book(tmp_path / "in.xlsx", ("P1", 1, "2016-02-20", 7, "lost", "lost"))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "big.xlsx", "w") as new:
        for item in old.infolist():
            data = old.read(item)
            if item.filename.endswith("sheet1.xml"):
                assert b'<dimension ref="A1:G2"' in data
                data = data.replace(b'ref="A1:G2"', b'ref="A1:XFD1048576"')
            new.writestr(item.filename, data)
    records, problems = checked(tmp_path / "big.xlsx", existing())
    assert not problems
    assert len(records.rows("visit")) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (7, "7"), (7.0, "7"), (7.5, "7.5"), (0.1 + 0.2, "0.30000000000000004"), (1e300, "1e+300"),
     (True, "TRUE"), ("x ", "x "), (date(2016, 1, 2), "2016-01-02"), (datetime(2016, 1, 2), "2016-01-02"),
     (datetime(2016, 1, 2, 3, 4), "2016-01-02 03:04:00"), (timedelta(seconds=90), "90 s")],
)  # fmt: skip
def test_cell_text(value: object, text: str) -> None:
    assert cell_text(value) == text
