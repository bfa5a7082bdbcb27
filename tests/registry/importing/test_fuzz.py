"""Damaged input of any kind ends in problems or an InputError, never in another error, and never in a silent loss."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.registry.importing.small import TODAY, checked, small, write_folder
from tests.registry.importing.test_round_trip import zipped
from vertherm.core.errors import InputError
from vertherm.registry.exporting.exporter import write_export
from vertherm.registry.exporting.manifest import make_manifest
from vertherm.registry.importing.reader import read
from vertherm.registry.importing.validator import validate
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import BY_NAME

_SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def survives(path: Path, form: str | None = None) -> None:
    try:
        raw = read(path, form)
        _, problems = validate(raw, today=TODAY)
    except InputError:
        return
    assert all(problem.reason and problem.remedy and problem.kind for problem in problems)


@cache
def good(form: str, folder: Path) -> bytes:
    """A whole file of a format."""
    records, _ = checked(write_folder(folder / "small", small()))
    manifest = make_manifest(records, "full", None, "x")
    if form == "zip":
        write_export(folder / "out", "csv", records, manifest)
        return zipped(folder / "out").read_bytes()
    if form == "redcap":
        write_export(folder / "rc", "redcap", records, manifest)
        return (folder / "rc" / "records.csv").read_bytes()
    return write_export(folder / f"out.{form}", form, records, manifest)[0].read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("form", ["zip", "xlsx", "json", "redcap"])
@_SETTINGS
@given(data=st.data())
def test_damaged_bytes(folder: Path, form: str, data: st.DataObject) -> None:
    """A few bytes changed, or the end cut off."""
    content = bytearray(good(form, folder))
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content
    path = folder / f"bad.{'csv' if form == 'redcap' else form}"
    path.write_bytes(content)
    survives(path, form)


@_SETTINGS
@given(content=st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_as_a_table(folder: Path, content: bytes) -> None:
    (folder / "visit.csv").write_bytes(content)
    survives(folder / "visit.csv")


@_SETTINGS
@given(
    entity=st.sampled_from(sorted(BY_NAME)),
    rows=st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=30), max_size=4),
)
def test_any_text_in_any_cell(folder: Path, entity: str, rows: list[list[str]]) -> None:
    """Cells with anything in them, under the right headings."""
    columns = BY_NAME[entity].columns
    tables = {entity: [dict(zip(columns, row, strict=False)) for row in rows]}
    target = folder / "cells"
    for old in target.glob("*.csv"):
        old.unlink()
    text_safe = {
        name: [{k: v.encode("utf-8", "replace").decode("utf-8") for k, v in row.items()} for row in made]
        for name, made in tables.items()
    }
    survives(write_folder(target, text_safe))


@_SETTINGS
@given(cell=st.text(alphabet="0123456789.,-+eE_ xX/:TZ'\u00a0", min_size=1, max_size=14))
def test_a_number_is_what_it_says(folder: Path, cell: str) -> None:
    """Whatever is taken as a number is the number that the characters say in plain decimal writing."""
    tables = small()
    tables["visit_window"][0]["first_day"] = cell
    records, problems = checked(write_folder(folder / "number", tables))
    if any(problem.column == "first_day" for problem in problems) or not cell.strip():
        return
    assert next(iter(records.dicts("visit_window")))["first_day"] == float(cell.strip().lstrip("'"))
    assert "_" not in cell


def test_empty_records_are_no_problem() -> None:
    from vertherm.registry.importing.validator import validate_records

    assert validate_records(Records(), today=TODAY) == []
