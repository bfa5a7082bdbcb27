"""``vertherm registry`` and ``vertherm review`` as a person uses them, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers.fixtures import (  # noqa: F401
    database,
    dialect,
    empty_database,
    own_key,
    registry_templates,
)
from vertherm.registry.database import Registry
from vertherm.registry.synthetic import generate

Command = Callable[..., int]
FORMATS = {"csv": "out", "xlsx": "out.xlsx", "json": "out.json", "redcap": "out"}


def _numbers(folder: Path, table: str) -> list[object]:
    document = json.loads((folder / "review.json").read_text("utf-8"))
    blocks = [block for section in document["sections"] for block in section["blocks"]]
    (found,) = [block for block in blocks if block.get("id") == table]
    # Pseudonyms sort differently, so sums differ in their last digit.
    rows: list[object] = _rounded(found["rows"])
    return rows


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def test_the_three_commands_of_the_study(
    vertherm: Command,
    empty_database: str,  # noqa: F811
    own_key: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """init, synthetic khan2018, review: a review in every format, and the audit trail is whole."""
    db = ("--db", empty_database)
    assert vertherm("registry", "init", *db) == 0
    assert own_key.is_file()
    assert vertherm("registry", "synthetic", "khan2018", *db) == 0
    assert "SYNTHETIC" in capsys.readouterr().out
    assert vertherm("review", *db, "-o", tmp_path / "review") == 0
    assert "SYNTHETIC" in capsys.readouterr().out
    for name in ("review.html", "review.pdf", "review.docx", "review.json"):
        assert (tmp_path / "review" / name).stat().st_size > 10_000
    assert vertherm("registry", "check", *db) == 0
    # The same series again changes nothing.
    assert vertherm("registry", "synthetic", "khan2018", *db) == 0
    assert "patient: 0 new, 0 changed, 69 as before" in capsys.readouterr().out


@pytest.mark.parametrize("format_", FORMATS)
def test_out_and_in_again(
    format_: str,
    vertherm: Command,
    database: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A full export imports into an empty registry as the same data; a second import changes nothing."""
    records = generate("khan2018", seed=3)
    path = tmp_path / FORMATS[format_]
    with Registry.open(database) as registry, registry.transaction(user="test", why="test") as writer:
        for entity, rows in records.tables.items():
            writer.insert(entity, rows)
    assert vertherm("registry", "export", path, "--format", format_, "--level", "full", "--db", database) == 0
    with Registry.open(database) as registry, registry.transaction(user="test", why="empty it") as writer:
        for entity in reversed(records.tables):
            writer.delete(entity, [records.key(entity, row) for row in records.rows(entity)])
    source = path / "records.csv" if format_ == "redcap" and (path / "records.csv").exists() else path
    for _ in range(2):
        assert vertherm("registry", "import", source, "--format", format_, "--db", database) == 0
    assert "patient: 0 new, 0 changed, 69 as before" in capsys.readouterr().out
    with Registry.open(database) as registry:
        assert registry.records().sha256() == records.sha256()
    assert vertherm("registry", "check", "--db", database) == 0


def test_deidentified_export_has_the_same_review(
    vertherm: Command,
    database: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Pseudonyms and shifted dates change no count, median or interval of the review."""
    records = generate("khan2018")
    with Registry.open(database) as registry, registry.transaction(user="test", why="test") as writer:
        for entity, rows in records.tables.items():
            writer.insert(entity, rows)
    path = tmp_path / "shared.json"
    assert vertherm("registry", "export", path, "--format", "json", "--db", database) == 0
    assert "SYN-KHAN-001" not in path.read_text("utf-8")
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert vertherm("registry", "init", "--db", other) == 0
    assert vertherm("registry", "import", path, "--format", "json", "--db", other) == 0
    for url, name in ((database, "one"), (other, "two")):
        assert vertherm("review", "--db", url, "-o", tmp_path / name, "--no-pdf", "--no-docx") == 0
    for table in ("abstract", "pain", "pain-change", "responders", "control", "incidence", "complication-rates"):
        assert _numbers(tmp_path / "one", table) == _numbers(tmp_path / "two", table)


def test_bad_import_says_all_and_changes_nothing(
    vertherm: Command,
    database: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert vertherm("registry", "synthetic", "khan2018", "--db", database) == 0
    path = tmp_path / "out"
    assert vertherm("registry", "export", path, "--format", "csv", "--level", "full", "--db", database) == 0
    visits = path / "visit.csv"
    lines = visits.read_text("utf-8").splitlines()
    columns = lines[0].split(",")
    cells = lines[3].split(",")
    cells[columns.index("vas")] = "11"
    lines[3] = ",".join(cells)
    visits.write_text("\n".join(lines) + "\n", "utf-8")
    problems = tmp_path / "problems.csv"
    capsys.readouterr()
    status = vertherm("registry", "import", path, "--db", database, "--update", "--problems", problems)
    said = capsys.readouterr().err
    assert status == 2
    assert "visit.csv" in said
    assert "vas" in said
    assert "11" in said
    assert "vas" in problems.read_text("utf-8")
    with Registry.open(database) as registry:
        assert registry.records().sha256() == generate("khan2018").sha256()


def test_lock_sign_freeze_backup_and_tampering(
    vertherm: Command,
    database: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The whole life of a record; then a change by direct SQL is found, with status 3."""
    db, patient = ("--db", database), "SYN-KHAN-001"
    assert vertherm("registry", "synthetic", "khan2018", *db) == 0
    assert vertherm("registry", "sign", patient, "--name", "A. Reader", "--meaning", "reviewed", *db) == 2
    assert vertherm("registry", "lock", patient, *db) == 0
    assert vertherm("registry", "sign", patient, "--name", "A. Reader", "--meaning", "reviewed", *db) == 0
    assert vertherm("registry", "check", *db) == 0
    assert vertherm("registry", "unlock", patient, "--why", "correction", *db) == 0
    capsys.readouterr()
    assert vertherm("registry", "history", patient, *db) == 0
    assert "correction" in capsys.readouterr().out
    assert vertherm("registry", "freeze", "-o", tmp_path / "freeze", *db) == 0
    snapshot = next(path for path in (tmp_path / "freeze").iterdir() if "head" not in path.name)
    out = tmp_path / "frozen"
    assert vertherm("review", "--snapshot", snapshot, "-o", out, "--no-pdf", "--no-docx") == 0
    assert vertherm("registry", "backup", tmp_path / "all.zip", *db) == 0
    restored = f"sqlite:///{tmp_path / 'restored.db'}"
    assert vertherm("registry", "restore", tmp_path / "all.zip", "--db", restored) == 0
    assert vertherm("registry", "check", "--db", restored) == 0
    with Registry.open(database) as registry, registry.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE visit SET note = 'direct' WHERE patient_key = '{patient}'")
    capsys.readouterr()
    assert vertherm("registry", "check", *db) == 3
    assert patient in capsys.readouterr().out


def test_a_plan_is_recorded_with_its_hash(
    vertherm: Command,
    database: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = tmp_path / "assessment.json"
    plan.write_text(json.dumps({"schema_version": 1, "title": "L3"}), "utf-8")
    assert vertherm("registry", "synthetic", "khan2018", "--db", database) == 0
    for _ in range(2):
        assert vertherm("registry", "link-plan", "SYN-KHAN-001", 1, plan, "--db", database) == 0
    with Registry.open(database) as registry:
        (row,) = registry.records().dicts("plan_link")
    assert row["document"] == plan.read_text("utf-8")
    assert vertherm("registry", "link-plan", "SYN-KHAN-001", 9, plan, "--db", database) == 2
    (tmp_path / "no.json").write_text("{", "utf-8")
    assert vertherm("registry", "link-plan", "SYN-KHAN-001", 1, tmp_path / "no.json", "--db", database) == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    "arguments",
    [
        ("registry", "check"),
        ("registry", "export", "x"),
        ("registry", "synthetic", "khan2018"),
        ("review", "-o", "x"),
    ],
)
def test_no_registry_there(
    arguments: tuple[str, ...], vertherm: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vertherm(*arguments, "--db", tmp_path / "none.db") == 2
    said = capsys.readouterr().err
    assert "registry init" in said
    assert not (tmp_path / "none.db").exists()


def test_the_series_must_be_named_where_there_are_several(
    vertherm: Command,
    database: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("khan2018", "bmc2022"):
        assert vertherm("registry", "synthetic", name, "--db", database) == 0
    assert vertherm("review", "--db", database, "-o", tmp_path / "x") == 2
    said = capsys.readouterr().err
    assert "khan2018" in said
    assert "bmc2022" in said
    out = tmp_path / "y"
    assert vertherm("review", "--db", database, "--series", "bmc2022", "-o", out, "--no-pdf", "--no-docx") == 0
