"""One wrong cell gives exactly one problem, with its file, row, column, value, reason and remedy.

Expected kinds and places are written by hand from what a person would say of the cell; the remedy must never be empty.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registry.importing.small import checked, small, write_folder

# entity, place of the row, column, cell, kind, a word of the reason
CELLS = [
    ("visit", 0, "vas", "11", "out_of_range", "0 to 10"),
    ("visit", 0, "vas", "-1", "out_of_range", "0 to 10"),
    ("visit", 0, "vas", "7,5", "decimal_comma", "comma"),
    ("visit", 0, "vas", "seven", "not_a_number", "not a number"),
    ("visit", 0, "vas", "NaN", "placeholder", "nothing"),
    ("visit", 0, "vas", "n/a", "placeholder", "nothing"),
    ("visit", 0, "vas", "inf", "not_finite", "finite"),
    ("visit", 0, "vas", "1e999", "not_finite", "larger"),
    ("visit", 0, "vas", "0x7", "not_decimal", "hexadecimal"),
    ("visit", 0, "vas", "1_0", "underscore", "underscore"),
    ("visit", 0, "vas", "<3", "inexact", "limit"),
    ("visit", 0, "vas", "7/10", "unit_in_number", "behind it"),
    ("visit", 0, "vas", "7 cm", "unit_in_number", "behind it"),
    ("visit", 0, "vas", "7.123456789012345678", "too_many_digits", "17 digits"),
    ("visit", 0, "vas", "7" + "0" * 50, "too_many_digits", "17 digits"),
    ("visit", 0, "vas", "=3+4", "formula", "formula"),
    ("visit", 0, "vas", "２", "not_a_number", "not a number"),
    ("visit", 0, "vas", "2016-02-20", "date_in_number", "date"),
    ("visit", 2, "omeq_mg_day", "1,200", "thousands_separator", "reading"),
    ("visit", 2, "omeq_mg_day", "1 200", "thousands_separator", "reading"),
    ("visit", 2, "omeq_mg_day", "1.200,5", "thousands_separator", "reading"),
    ("visit", 1, "odi_3", "6", "out_of_range", "0 to 5"),
    ("visit", 1, "odi_3", "2.5", "not_whole", "whole"),
    ("lesion", 0, "size_1_mm", "-999", "missing_code", "unknown"),
    ("activation", 0, "net_power_w", "-5", "out_of_range", "0 to 300 W"),
    ("visit", 0, "date", "31.02.2016", "no_such_day", "no day 31"),
    ("visit", 0, "date", "2016-13-01", "no_such_day", "no month 13"),
    ("visit", 0, "date", "20.02.16", "two_digit_year", "two digits"),
    ("visit", 0, "date", "03/04/2016", "ambiguous_date", "2016-04-03 or 2016-03-04"),
    ("visit", 0, "date", "20/02/2016", "date_form", "year-month-day"),
    ("visit", 0, "date", "2016-02-20 14:30", "time_of_day", "time of day"),
    ("visit", 0, "date", "42420", "day_number", "day number"),
    ("visit", 0, "date", "Feb 2016", "not_a_date", "not a date"),
    ("visit", 0, "date", "1816-02-20", "date_out_of_range", "1900"),
    ("visit", 0, "date", "2020-06-02", "future_date", "2020-06-01"),
    ("visit", 0, "date", "", "required", "must be filled"),
    ("visit", 0, "date", "-999", "missing_code", "unknown"),
    ("lesion", 1, "level", "T14", "unknown_code", "no such level"),
    ("lesion", 1, "kind", "soft", "unknown_code", "not a code"),
    ("lesion", 1, "part", "vertebral body", "label_for_code", "label"),
    ("patient", 0, "sex", "F", "unknown_code", "not a code"),
    ("complication", 0, "cirse_version", "2026", "disabled_code", "must not be used yet"),
    ("patient", 0, "note", "=HYPERLINK(1)", "formula", "'='"),
    ("patient", 0, "note", "+49 171", "formula", "'+'"),
    ("patient", 0, "note", "-2 points", "formula", "'-'"),
    ("patient", 0, "note", "@SUM(A1)", "formula", "'@'"),
    ("patient", 0, "note", "\tx", "formula", "tab"),
    ("patient", 0, "note", "\rx", "formula", "tab"),
    ("patient", 0, "note", "bell \x07", "control_character", "U+0007"),
    ("patient", 0, "note", "x" * 2001, "too_long", "2001 characters"),
    ("event", 0, "note", "-998", "missing_code", "not_done"),
    ("series", 0, "series", "s 1", "bad_key", "key"),
]


@pytest.mark.parametrize(
    ("entity", "place", "column", "cell", "kind", "word"), CELLS, ids=[f"{c[2]}={c[3][:20]!r}" for c in CELLS]
)
def test_one_wrong_cell(tmp_path: Path, entity: str, place: int, column: str, cell: str, kind: str, word: str) -> None:
    tables = small()
    tables[entity][place][column] = cell
    _, problems = checked(write_folder(tmp_path / "in", tables))
    found = [problem for problem in problems if problem.column == column and problem.table == entity]
    assert [problem.kind for problem in found] == [kind], [problem.line() for problem in problems]
    problem = found[0]
    assert problem.file == f"{entity}.csv"
    assert problem.row == place + 2  # the heading is row 1
    assert word in problem.reason
    assert problem.remedy
    if cell.strip() and len(cell) < 60 and cell.isprintable():
        assert problem.value == cell
    assert len(problem.value) <= 80
    # A cell that could not be read does not make other rules complain of its emptiness.
    assert column == "series" or len(problems) == 1, [problem.line() for problem in problems]


HARMLESS = [
    ("visit", 0, "vas", " 7.0 ", "vas", 7.0),
    ("visit", 0, "vas", "7.", "vas", 7.0),
    ("visit", 0, "vas", "+7", "vas", 7.0),
    ("visit", 0, "vas", "70e-1", "vas", 7.0),
    ("visit", 0, "visit_no", "1.0", "visit_no", 1),
    ("visit", 0, "vas", "-0", "vas", 0.0),
    ("lesion", 1, "level", "l3", "level", "L3"),
    ("lesion", 0, "level", "Th12", "level", "T12"),
    ("lesion", 1, "kind", " Mixed", "kind", "mixed"),
    ("complication", 0, "ctcae_version", "5", "ctcae_version", "5.0"),
    ("complication", 0, "cirse_grade", "3.0", "cirse_grade", "3"),
    ("patient", 0, "note", "'=1+1", "note", "=1+1"),
    ("patient", 0, "note", "''tis", "note", "'tis"),
    ("patient", 0, "note", "'tis", "note", "'tis"),
    ("patient", 0, "note", " two\r\nlines ", "note", "two\nlines"),
]


@pytest.mark.parametrize(("entity", "place", "column", "cell", "field", "value"), HARMLESS)
def test_harmless_spellings_are_taken(
    tmp_path: Path, entity: str, place: int, column: str, cell: str, field: str, value: object
) -> None:
    """What has one reading only is taken without a word; 7 and 7.0 are told apart by type."""
    tables = small()
    tables[entity][place][column] = cell
    records, problems = checked(write_folder(tmp_path / "in", tables))
    assert not problems, [problem.line() for problem in problems]
    got = list(records.dicts(entity))[place][field]
    assert (got, type(got)) == (value, type(value))


def test_dates_with_points_and_midnight(tmp_path: Path) -> None:
    """Day.month.year with points is what countries write that use points; spreadsheets add midnight."""
    tables = small()
    tables["visit"][0]["date"] = "20.02.2016"
    tables["visit"][1]["date"] = "2016-03-20 00:00:00"
    tables["visit"][2]["date"] = "2016-03-30T00:00"
    records, problems = checked(write_folder(tmp_path / "in", tables))
    assert not problems
    assert [str(row["date"]) for row in records.dicts("visit")] == ["2016-02-20", "2016-03-20", "2016-03-30"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [("-999", "unknown"), ("-998", "not_done"), ("-997", "died"), ("-996", "lost"), ("-995", "refused"),
     ("-994", "too_ill"), ("-996.0", "lost")],
)  # fmt: skip
def test_missing_data_codes_fill_the_reason(tmp_path: Path, code: str, reason: str) -> None:
    """The numbers are those of the practice reference, section 4, and go into the partner of the field."""
    tables = small()
    tables["visit"][0]["vas"] = code
    records, problems = checked(write_folder(tmp_path / "in", tables))
    row = next(iter(records.dicts("visit")))
    assert (row["vas"], row["vas_missing"]) == (None, reason)
    assert [problem.kind for problem in problems] == (["died_but_visited"] if reason == "died" else [])


def test_a_number_that_looks_like_a_code_but_is_allowed(tmp_path: Path) -> None:
    """A window may begin 999 days before: inside the limits a number is a number."""
    tables = small()
    tables["visit_window"][0]["first_day"] = "-999"
    records, problems = checked(write_folder(tmp_path / "in", tables))
    assert not problems
    assert next(iter(records.dicts("visit_window")))["first_day"] == -999


def test_every_problem_at_once(tmp_path: Path) -> None:
    """Three faults in three files: all three are told, in order of file and row."""
    tables = small()
    tables["visit"][2]["date"] = "2016-02-30"
    tables["lesion"][1]["level"] = "L9"
    tables["patient"][1]["sex"] = "x"
    _, problems = checked(write_folder(tmp_path / "in", tables))
    assert [(p.file, p.row, p.column) for p in problems] == [
        ("lesion.csv", 3, "level"),
        ("patient.csv", 3, "sex"),
        ("visit.csv", 4, "date"),
    ]
