"""Exports: levels, manifests, the mark of synthetic data, and cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.registry.importing.small import TODAY, small_records
from tests.registry.importing.strategies import NASTY
from vertherm.core.errors import InputError
from vertherm.registry import synthetic
from vertherm.registry.database import Registry
from vertherm.registry.exporting import export
from vertherm.registry.exporting.exporter import write_export
from vertherm.registry.exporting.manifest import make_manifest
from vertherm.registry.guard import FORMULA_STARTS, guarded, unguarded
from vertherm.registry.importing import import_records, read, validate
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import ENTITIES

NAMES = {"csv": "out", "xlsx": "out.xlsx", "json": "out.json", "redcap": "out"}


def manifest_of(form: str, folder: Path) -> dict[str, object]:
    if form == "json":
        return json.loads((folder / "out.json").read_text("utf-8"))
    if form != "xlsx":
        return json.loads((folder / "out" / "manifest.json").read_text("utf-8"))
    from openpyxl import load_workbook

    book = load_workbook(folder / "out.xlsx")
    return {str(name): value for name, value in book["about"].values}


@pytest.mark.parametrize("form", NAMES)
def test_full_export_of_a_synthetic_series(registry: Registry, tmp_path: Path, form: str) -> None:
    """The mark stands in the manifest of every format; counts and hash are those of the data."""
    records = synthetic.generate("khan2018")
    import_records(registry, records, user="t", why="w")
    paths = export(registry, tmp_path / NAMES[form], form, level="full", series="khan2018")
    assert all(path.is_file() for path in paths)
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths), "names of people: readable by the owner only"
    manifest = manifest_of(form, tmp_path)
    assert str(manifest["SYNTHETIC"]).startswith("SYNTHETIC")
    assert next(iter(manifest)) == "SYNTHETIC"
    assert manifest["data_sha256"] == records.sha256()
    assert (manifest["level"], manifest["series"]) == ("full", "khan2018")
    assert manifest.get("registry_id") == registry.registry_id
    if form in ("csv", "redcap"):
        assert (tmp_path / "out" / "SYNTHETIC.txt").is_file()
        assert manifest["rows"] == records.counts()


@pytest.mark.parametrize("form", NAMES)
def test_structure_only(registry: Registry, tmp_path: Path, form: str) -> None:
    """Level none holds not one record, and reads back as empty tables; it does not betray that there are data."""
    import_records(registry, synthetic.generate("khan2018"), user="t", why="w")
    paths = export(registry, tmp_path / NAMES[form], form, level="none")
    manifest = manifest_of(form, tmp_path)
    assert "SYNTHETIC" not in manifest
    assert manifest["data_sha256"] in ("", None)
    back, problems = validate(read(paths[0] if len(paths) == 1 else tmp_path / "out"), today=TODAY)
    assert not back.counts()
    assert {problem.kind for problem in problems} <= {"no_tables"}
    if form == "csv":
        assert (tmp_path / "out" / "patient.csv").read_text("utf-8").startswith("patient_key,series,")
        assert len((tmp_path / "out" / "patient.csv").read_text("utf-8").splitlines()) == 1


def test_template_offers_the_codes(tmp_path: Path) -> None:
    """The empty workbook has a sheet an entity, with lists to choose codes from."""
    from openpyxl import load_workbook

    write_export(tmp_path / "out.xlsx", "xlsx", Records(), make_manifest(Records(), "none", None, ""))
    book = load_workbook(tmp_path / "out.xlsx")
    assert book.sheetnames == ["about", *(entity.name for entity in ENTITIES), "dictionary"]
    rules = {rule.formula1: str(rule.sqref) for rule in book["patient"].data_validations.dataValidation}
    assert rules['"female,male,other,unknown"'] == "D2:D5000"


def test_no_cell_runs(tmp_path: Path) -> None:
    """Every cell of every CSV that begins like a formula is marked; the workbook holds text, never a formula."""
    records = small_records(tmp_path)
    place = [item.name for item in ENTITIES if item.name == "patient"]
    assert place
    notes = [text for text in NASTY if len(text) <= 200]
    row = list(records.rows("patient")[1])
    records.tables["patient"] = [(f"N{number}", *row[1:-1], text) for number, text in enumerate(notes)]
    manifest = make_manifest(records, "full", None, "x")
    for path in write_export(tmp_path / "out", "csv", records, manifest):
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as stream:
                cells = [cell for line in csv.reader(stream) for cell in line]
            running = [cell for cell in cells if cell.startswith(FORMULA_STARTS) and not _number(cell)]
            assert not running, running
    from openpyxl import load_workbook

    write_export(tmp_path / "out.xlsx", "xlsx", records, manifest)
    book = load_workbook(tmp_path / "out.xlsx")
    cells = [cell for sheet in book for line in sheet.iter_rows() for cell in line if cell.value is not None]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d"}


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("text", [*NASTY, "", "plain", "'", "'a", "''=", "-1"])
def test_guard_is_undone(text: str) -> None:
    """What goes out marked comes in as it was."""
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(FORMULA_STARTS)


def test_workbook_with_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vertherm.registry.exporting.write_xlsx.MOST_ROWS", 2)
    records = small_records(tmp_path)
    with pytest.raises(InputError, match="cannot hold so many rows"):
        write_export(tmp_path / "out.xlsx", "xlsx", records, make_manifest(records, "full", None, ""))
    assert not (tmp_path / "out.xlsx").exists()


@pytest.mark.parametrize(("change", "word"), [({"level": "some"}, "level"), ({"series": "none"}, "no such series")])
def test_wrong_wishes(registry: Registry, tmp_path: Path, change: dict[str, str], word: str) -> None:
    with pytest.raises(InputError, match=word):
        export(registry, tmp_path / "out", "csv", **{"level": "full", **change})
    with pytest.raises(InputError, match="format"):
        export(registry, tmp_path / "out", "sas", level="full")
    assert not (tmp_path / "out").exists()


def test_a_failed_export_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up in the middle: what was exported before is still whole."""
    records = small_records(tmp_path)
    manifest = make_manifest(records, "full", None, "x")
    write_export(tmp_path / "out", "csv", records, manifest)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vertherm.registry.exporting.write_csv.write_manifest", full)
    with pytest.raises(InputError, match="Cannot write"):
        write_export(tmp_path / "out", "csv", Records(), manifest)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_mixed_export_says_so() -> None:
    """Real beside synthetic: the mark is not allowed to cover the real ones."""
    records = Records()
    for name, mark in (("a", "yes"), ("b", "no")):
        records.add("series", series=name, title=name, synthetic=mark, day_zero="patient")
    assert "Other series in this export are real" in make_manifest(records, "full", None, "").mark
