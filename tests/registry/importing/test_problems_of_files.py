"""Files that are no tables, or not the tables they seem: told by file, and by row and column where there are any."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.registry.importing.small import checked, small, write_folder
from vertherm.core.errors import InputError
from vertherm.registry.importing.reader import read

HEAD = b"patient_key,date,cause,attribution,note\n"
Make = Callable[[Path], Path]


def death(content: bytes, name: str = "death.csv") -> Make:
    """A folder of the small series in which one file holds these bytes."""

    def make(folder: Path) -> Path:
        write_folder(folder / "in", small())
        (folder / "in" / name).write_bytes(content)
        return folder / "in"

    return make


def zipped(names: Callable[[str], str], mode: int = 0) -> Make:
    def make(folder: Path) -> Path:
        write_folder(folder / "in", small())
        with zipfile.ZipFile(folder / "in.zip", "w") as archive:
            for item in sorted((folder / "in").iterdir()):
                info = zipfile.ZipInfo(names(item.name))
                info.external_attr = mode << 16
                archive.writestr(info, item.read_bytes())
        return folder / "in.zip"

    return make


def book(change: Callable[[object], object]) -> Make:
    def make(folder: Path) -> Path:
        from openpyxl import Workbook

        made = Workbook()
        sheet = made.active
        sheet.title = "death"
        sheet.append(["patient_key", "date", "cause"])
        sheet.append(["P2", "2016-08-01", "tumour"])
        change(made)
        made.save(folder / "in.xlsx")
        return folder / "in.xlsx"

    return make


def document(**change: object) -> Make:
    def make(folder: Path) -> Path:
        whole = {"format": "vertherm-registry", "schema_version": 1, "tables": small(), **change}
        (folder / "in.json").write_text(json.dumps(whole), "utf-8")
        return folder / "in.json"

    return make


def as_json(text: str) -> Make:
    def make(folder: Path) -> Path:
        (folder / "in.json").write_text(text, "utf-8")
        return folder / "in.json"

    return make


def truncated(folder: Path) -> Path:
    path = document()(folder)
    path.write_text(path.read_text("utf-8")[:-300], "utf-8")
    return path


# name, the input, kind, row, a word of column, value or reason
FILES: list[tuple[str, Make, str, int, str]] = [
    ("unknown column", death(HEAD[:-1] + b",colour\nP2,2016-08-01,tumour,,,red\n"), "unknown_column", 1, "colour"),
    ("misspelt column", death(b"patient_key,dat,date,cause\nP2,,2016-08-01,tumour\n"), "unknown_column", 1, "dat"),
    ("missing key column", death(b"date,cause\n2016-08-01,tumour\n"), "missing_key_column", 1, "patient_key"),
    ("missing required column", death(b"patient_key,date\nP2,2016-08-01\n"), "missing_column", 1, "cause"),
    ("duplicate heading", death(b"patient_key,date,Date,cause\nP2,2016-08-01,,tumour\n"), "duplicate_heading", 1,
     "date"),
    ("column without heading", death(b"patient_key,date,cause,\nP2,2016-08-01,tumour,x\n"), "no_column_name", 1,
     "without a heading"),
    ("empty file", death(b""), "empty_file", 0, "empty"),
    ("blank file", death(b"\n ,,\n\n"), "empty_file", 0, "no rows"),
    ("no heading", death(b"P2,2016-08-01,tumour\n"), "no_heading", 1, "P2, 2016-08-01"),
    ("UTF-16", death((HEAD + b"P2,2016-08-01,tumour,,\n").decode().encode("utf-16")), "encoding_utf16", 1, "UTF-16"),
    ("UTF-16 without mark", death(HEAD.decode().encode("utf-16-le")), "encoding_utf16", 1, "UTF-16"),
    ("Latin-1", death(HEAD + "P2,2016-08-01,tumour,,völlig\n".encode("latin-1")), "encoding", 2, "character 24"),
    ("NUL byte", death(HEAD + b"P2,2016-08-01,tum\x00our,,\n"), "nul_byte", 2, "character 18"),
    ("binary file", death(bytes(range(256)) * 40), "binary", 1, "binary"),
    ("workbook named csv", death(b"PK\x03\x04" + bytes(100)), "binary", 1, "workbook"),
    ("too few cells", death(HEAD + b"P2,2016-08-01,tumour\n"), "ragged_row", 2, "3 cells"),
    ("too many cells", death(HEAD + b"P2,2016-08-01,tumour,,,x\n"), "ragged_row", 2, "6 cells"),
    ("unclosed quote", death(HEAD + b'P2,2016-08-01,"tumour,,\nP3,x\n'), "unclosed_quote", 2, "never closed"),
    ("text behind a quote", death(HEAD + b'P2,2016-08-01,"tumour"x,,\n'), "bad_csv", 2, "proper CSV"),
    ("endless cell", death(HEAD + b'P2,2016-08-01,tumour,,"' + b"x" * 6_000_001 + b'"\n'), "bad_csv", 2, "longer"),
    ("wrong file name", death(HEAD, "deaths.csv"), "unknown_table", 0, "deaths"),
    ("path out of the zip", zipped(lambda name: f"../{name}"), "zip_path", 0, "../death.csv"),
    ("absolute path in the zip", zipped(lambda name: f"/etc/{name}"), "zip_path", 0, "/etc/death.csv"),
    ("backslash path in the zip", zipped(lambda name: f"..\\{name}"), "zip_path", 0, "death.csv"),
    ("link in the zip", zipped(lambda name: name, 0o120777), "zip_path", 0, "link"),
    ("deep folder in the zip", zipped(lambda name: f"a/b/{name}"), "zip_path", 0, "deeper"),
    ("wrong sheet name", book(lambda b: b.create_sheet("Patienten").append(["patient_key"])), "unknown_table", 0,
     "Patienten"),
    ("formula cell", book(lambda b: b["death"].append(["P1", "2016-08-01", "=A1"])), "formula_cell", 3, "C"),
    ("error cell", book(lambda b: b["death"].append(["P1", "#N/A", "other"])), "error_cell", 3, "B"),
    ("cell beyond the headings", book(lambda b: b["death"].append(["P1", "2016-08-01", "other", "x"])), "ragged_row", 3,
     "beyond"),
    ("empty sheet", book(lambda b: b["death"].delete_rows(1, 5)), "empty_file", 0, "empty"),
    ("wrong schema version", document(schema_version=99), "schema_version", 0, "99"),
    ("no schema version", document(schema_version=None), "schema_version", 0, "None"),
    ("another format", document(format="fhir"), "json_format", 0, "fhir"),
    ("unknown table in JSON", document(tables={"deaths": []}), "unknown_table", 0, "deaths"),
    ("table is no list", document(tables={"death": {"a": 1}}), "bad_json", 0, "list of objects"),
    ("row is no object", document(tables={"death": [1]}), "bad_json", 1, "object"),
    ("list in a cell", document(tables={"death": [{"patient_key": ["P2"]}]}), "bad_json", 1, "patient_key"),
    ("no tables in JSON", document(tables=None), "no_tables", 0, "tables"),
    ("truncated JSON", truncated, "json_truncated", 1, "cut off"),
    ("JSON with a comma too many", as_json('{"format": "vertherm-registry",}'), "bad_json", 1, "line 1"),
    ("the same name twice", as_json('{"format": "vertherm-registry", "schema_version": 1, "tables": {"death": '
     '[{"patient_key": "P2", "cause": "tumour", "cause": "other", "date": "2016-08-01"}]}}'), "json_duplicate_name", 1,
     "cause"),
    ("NaN in JSON", as_json('{"format": "vertherm-registry", "schema_version": 1, "tables": {"visit_window": '
     '[{"series": "s1", "time_point": "x", "label": "x", "first_day": NaN, "last_day": Infinity}]}}'), "placeholder", 1,
     "first_day"),
    ("nested too deeply", as_json("[" * 100_000), "bad_json", 0, "deeply"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "kind", "row", "word"), FILES, ids=[case[0] for case in FILES])
def test_one_wrong_file(tmp_path: Path, name: str, make: Make, kind: str, row: int, word: str) -> None:
    _, problems = checked(make(tmp_path))
    found = [p for p in problems if p.kind == kind and p.row == row]
    assert found, [problem.line() for problem in problems]
    assert any(word in " ".join((p.column, p.value, p.reason)) for p in found), [p.line() for p in found]
    assert all(p.reason and p.remedy and p.file for p in problems)


def test_what_refers_to_an_unreadable_table_is_not_blamed(tmp_path: Path) -> None:
    """Patients in UTF-16: one problem, not one for every row of the other tables."""
    folder = write_folder(tmp_path / "in", small())
    patients = folder / "patient.csv"
    patients.write_bytes(patients.read_text("utf-8").encode("utf-16"))
    _, problems = checked(folder)
    assert [problem.kind for problem in problems] == ["encoding_utf16"]


def sparse(folder: Path) -> Path:
    with (folder / "visit.csv").open("wb") as stream:
        stream.truncate(1_000_000_001)
    return folder / "visit.csv"


def cut_book(folder: Path) -> Path:
    path = book(lambda _: None)(folder)
    path.write_bytes(path.read_bytes()[:-700])
    return path


def bomb(suffix: str) -> Make:
    """A megabyte that unpacks to 600 MB, declared as such."""

    def make(folder: Path) -> Path:
        path = folder / f"in{suffix}"
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
            archive.open("visit.csv", "w", force_zip64=True) as stream,
        ):
            for _ in range(600):
                stream.write(bytes(1_000_000))
        return path

    return make


def lying_zip(folder: Path) -> Path:
    """Declares ten bytes where there are many."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("visit.csv", b"x" * 1_000_000)
    content = data.getvalue().replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10))
    (folder / "in.zip").write_bytes(content)
    return folder / "in.zip"


def linked(folder: Path) -> Path:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    return folder / "a"


def link_in_folder(folder: Path) -> Path:
    write_folder(folder / "in", small())
    (folder / "in" / "visit2.csv").symlink_to(folder / "in" / "visit2.csv")
    return folder / "in"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "visit.csv")
    return folder / "visit.csv"


def written(name: str, content: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def entity_bomb(folder: Path) -> Path:
    """A sheet whose XML defines entities that grow."""
    path = book(lambda _: None)(folder)
    bad = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><worksheet>&b;</worksheet>'
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(folder / "bad.xlsx", "w") as new:
        for item in old.infolist():
            new.writestr(item.filename, bad if "sheet1" in item.filename else old.read(item))
    return folder / "bad.xlsx"


REFUSED: list[tuple[str, Make, str]] = [
    ("a file of 1 GB", sparse, "too large"),
    ("not there", lambda folder: folder / "none.csv", "no such file"),
    ("loop of links", linked, "followed"),
    ("loop of links inside", link_in_folder, "followed"),
    ("NUL in the path", lambda folder: Path(f"{folder}/a\x00b"), "followed"),
    ("a pipe", pipe, "neither a file nor a folder"),
    ("an empty file", written("visit.csv", b""), "empty"),
    ("truncated workbook", cut_book, "damaged or cut off"),
    ("encrypted workbook", written("in.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)), "encrypted"),
    ("zip bomb", bomb(".zip"), "too large"),
    ("workbook bomb", bomb(".xlsx"), "too large"),
    ("zip that lies", lying_zip, "unpacked"),
    ("zip named workbook", lambda folder: zipped(str)(folder).rename(folder / "in.xlsx"), "no workbook"),
    ("no zip", written("in.zip", b"patient_key\n"), "damaged or cut off"),
    ("entity expansion in a workbook", entity_bomb, "damaged"),
    ("unknown format", written("in.docx", b"hello"), "not known"),
]


@pytest.mark.parametrize(("name", "make", "word"), REFUSED, ids=[case[0] for case in REFUSED])
def test_refused_as_a_whole(tmp_path: Path, name: str, make: Make, word: str) -> None:
    """What cannot be opened safely is refused before it is read, with what to do."""
    with pytest.raises(InputError) as caught:
        read(make(tmp_path))
    assert word in str(caught.value)
    assert caught.value.advice
    assert caught.value.where


def test_a_folder_without_tables(tmp_path: Path) -> None:
    (tmp_path / "readme.md").write_text("nothing here")
    assert [problem.kind for problem in checked(tmp_path)[1]] == ["no_tables"]


def test_two_files_for_one_table(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", small())
    (folder / "Death.csv").write_bytes((folder / "death.csv").read_bytes())
    assert [problem.kind for problem in checked(folder)[1]] == ["table_twice"]


def test_encrypted_zip(tmp_path: Path) -> None:
    """The flag of encryption is enough to refuse; no password is asked for."""
    path = zipped(str)(tmp_path)
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(magic)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(magic, at + 4)
    path.write_bytes(data)
    assert {problem.kind for problem in checked(path)[1]} == {"zip_encrypted"}


def test_harmless_files_are_taken(tmp_path: Path) -> None:
    """A byte order mark, CRLF, blank lines, empty cells at the end, capitals in headings, semicolons with a note."""
    folder = write_folder(tmp_path / "in", small())
    lines = (folder / "death.csv").read_text("utf-8").splitlines()
    lines[0] = lines[0].upper()
    text = "\r\n".join([*(line.replace(",", ";") + ";;" for line in lines), ";;", ""])
    (folder / "death.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    records, problems = checked(folder)
    assert not problems, [problem.line() for problem in problems]
    assert len(records.rows("death")) == 1
    assert any("semicolons" in note for note in read(folder).notes)


def test_rows_are_counted_as_a_spreadsheet_does(tmp_path: Path) -> None:
    """A cell of three lines is one row, a blank line is one too: the wrong VAS stands in row 4."""
    folder = write_folder(tmp_path / "in", small())
    with (folder / "visit.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["patient_key", "visit_no", "date", "vas", "odi_missing", "omeq_mg_day_missing", "note"])
        writer.writerow(["P1", "1", "2016-02-20", "7", "lost", "lost", "one\ntwo\nthree"])
        stream.write("\n")
        writer.writerow(["P1", "2", "2016-03-20", "12", "lost", "lost", ""])
    (folder / "opioid_dose.csv").unlink()
    (folder / "missed_visit.csv").unlink()
    problems = [problem for problem in checked(folder)[1] if problem.kind == "out_of_range"]
    assert [(p.row, p.column, p.value) for p in problems] == [(4, "vas", "12")]


def test_max_mb(tmp_path: Path) -> None:
    """The limit counts the whole folder, and can be raised."""
    folder = write_folder(tmp_path / "in", small())
    with pytest.raises(InputError, match="too large"):
        read(folder, max_mb=0.001)
    assert read(folder, max_mb=1).tables


@pytest.mark.parametrize("form", ["xlsx", "json"])
def test_a_folder_is_no_workbook(tmp_path: Path, form: str) -> None:
    write_folder(tmp_path / "in", small())
    with pytest.raises(InputError, match="not a folder"):
        read(tmp_path / "in", form)
