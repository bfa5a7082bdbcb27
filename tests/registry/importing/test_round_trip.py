"""Out and in again: no row, digit or letter changes, in any format, on both databases."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.registry.importing.small import TODAY, small_records
from tests.registry.importing.strategies import series
from vertherm.registry import synthetic
from vertherm.registry.database import Registry
from vertherm.registry.exporting.exporter import export, write_export
from vertherm.registry.exporting.manifest import make_manifest
from vertherm.registry.importing.importer import import_path, import_records
from vertherm.registry.importing.reader import read
from vertherm.registry.importing.validator import validate, validate_records
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import ENTITIES, SCHEMA_VERSION, SINCE

FORMATS = ("csv", "zip", "xlsx", "json", "redcap")
_NAMES = {"csv": "out", "zip": "out", "redcap": "out", "xlsx": "out.xlsx", "json": "out.json"}


def written(records: Records, form: str, folder: Path) -> Path:
    """The records in a format."""
    manifest = make_manifest(records, "full", None, "x")
    path = write_export(folder / _NAMES[form], "csv" if form == "zip" else form, records, manifest)[0]
    if form not in ("csv", "zip", "redcap"):
        return path
    return zipped(folder / "out") if form == "zip" else folder / "out"


def zipped(folder: Path) -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for item in sorted(folder.iterdir()):
            archive.write(item, f"{folder.name}/{item.name}")
    return target


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=series())
def test_any_series_through_every_format(tmp_path_factory: pytest.TempPathFactory, form: str, records: Records) -> None:
    """The hash covers every value of every row; formulas, quotes, line ends and 17 digits included."""
    assert not validate_records(records, today=TODAY), "the strategy made something impossible"
    raw = read(written(records, form, tmp_path_factory.mktemp("out")))
    assert raw.format == form
    back, problems = validate(raw, today=TODAY)
    assert not problems, [problem.line() for problem in problems]
    assert back.counts() == records.counts()
    assert back.sha256() == records.sha256()


@pytest.mark.parametrize("form", FORMATS)
def test_the_study_through_registry_and_format(registry: Registry, tmp_path: Path, form: str) -> None:
    """khan2018: into the registry, out, into nothing but a comparison; then the export again, which changes nothing."""
    records = synthetic.generate("khan2018")
    import_records(registry, records, user="tester", why="test")
    assert registry.records().sha256() == records.sha256()
    paths = export(registry, tmp_path / _NAMES[form], "csv" if form == "zip" else form, level="full")
    path = paths[0] if form in ("xlsx", "json") else tmp_path / "out"
    if form == "zip":
        path = zipped(path)
    back, problems = validate(read(path), today=date.today())
    assert not problems
    assert back.sha256() == records.sha256()
    assert back.counts() == records.counts()
    report = import_path(registry, path, user="tester", why="again")
    assert (report.changed, sum(report.unchanged.values())) == (0, sum(records.counts().values()))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=series())
def test_any_series_through_the_database(registry: Registry, records: Records) -> None:
    """What the database gives back is what went in, bit for bit."""
    import_records(registry, records, user="tester", why="test", today=TODAY)
    try:
        assert registry.records().sha256() == records.sha256()
    finally:
        with registry.transaction(user="tester", why="next example") as writer:
            for entity in reversed(ENTITIES):
                size = len(entity.key)
                writer.delete(entity.name, [row[:size] for row in records.rows(entity.name)])


def test_every_entity_is_in_the_small_series(tmp_path: Path) -> None:
    """The fixed series that goes through every format below has rows of all 22 entities."""
    assert set(small_records(tmp_path).counts()) == {entity.name for entity in ENTITIES}


@pytest.mark.parametrize("form", FORMATS)
def test_the_small_series_into_a_fresh_registry(registry: Registry, tmp_path: Path, form: str) -> None:
    """Each format fills an empty registry with the same data."""
    records = small_records(tmp_path)
    (tmp_path / "o").mkdir()
    report = import_path(registry, written(records, form, tmp_path / "o"), user="t", why="w", today=TODAY)
    assert sum(report.inserted.values()) == 34
    assert registry.records().sha256() == records.sha256()


def test_a_document_of_the_first_schema_version_is_taken(registry: Registry, tmp_path: Path) -> None:
    """It lacks the tables that came later and nothing else."""
    records = small_records(tmp_path)
    for name in SINCE:
        del records.tables[name]
    path = written(records, "json", tmp_path)
    text = path.read_text("utf-8")
    assert f'"schema_version": {SCHEMA_VERSION}' in text
    path.write_text(text.replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 1'), "utf-8")
    import_path(registry, path, user="ada", why="old export", today=TODAY)
    assert registry.records().sha256() == records.sha256()
