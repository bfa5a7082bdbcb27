"""Outputs of ``vertherm registry``: no name that a person mistypes costs a registry, and nothing stale stays behind."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.fixtures import own_key  # noqa: F401

Command = Callable[..., int]


@pytest.fixture
def series(vertherm: Command, own_key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:  # noqa: F811
    """An SQLite registry with the series of 69 patients."""
    path = tmp_path / "series.db"
    assert vertherm("registry", "init", "--db", path) == 0
    assert vertherm("registry", "synthetic", "khan2018", "--db", path) == 0
    capsys.readouterr()
    return path


def test_no_output_replaces_a_registry(vertherm: Command, series: Path, tmp_path: Path) -> None:
    """Export, backup and list of problems refuse the name of a database, of this registry or of another one."""
    other = tmp_path / "other.db"
    shutil.copy(series, other)
    before = other.read_bytes()
    bad = tmp_path / "visit.csv"
    bad.write_text("patient_key,visit_no\nNOBODY,1\n", "utf-8")
    for target in (series, other):
        db = ("--db", series)
        for kind in ("json", "xlsx"):
            assert vertherm("registry", "export", target, "--format", kind, *db) == 2
        assert vertherm("registry", "backup", target, *db) == 2
        assert vertherm("registry", "import", bad, "--problems", target, *db) == 2
    assert other.read_bytes() == before
    assert vertherm("registry", "check", "--db", series) == 0


def test_a_restore_replaces_an_empty_database_only(vertherm: Command, series: Path, tmp_path: Path) -> None:
    """A restore may take an SQLite file that holds nothing."""
    backup, target = tmp_path / "all.zip", tmp_path / "new.db"
    assert vertherm("registry", "backup", backup, "--db", series) == 0
    with sqlite3.connect(target) as connection:
        connection.execute("create table t (a)")
        connection.execute("drop table t")
    connection.close()
    assert target.read_bytes().startswith(b"SQLite")
    assert vertherm("registry", "restore", backup, "--db", target) == 0
    assert vertherm("registry", "restore", backup, "--db", target) == 2


def test_a_list_of_problems_is_never_an_old_one(
    vertherm: Command, series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After an import without problems the list that was asked for names none."""
    problems, good, bad = tmp_path / "problems.csv", tmp_path / "good", tmp_path / "visit.csv"
    bad.write_text("patient_key,visit_no\nNOBODY,1\n", "utf-8")
    assert vertherm("registry", "export", good, "--level", "full", "--db", series) == 0
    assert vertherm("registry", "import", bad, "--problems", problems, "--db", series) == 2
    assert len(problems.read_text("utf-8").splitlines()) > 1
    assert vertherm("registry", "import", good, "--problems", problems, "--db", series) == 0
    assert len(problems.read_text("utf-8").splitlines()) == 1
    assert "No problems" in capsys.readouterr().err


def test_a_freeze_names_its_files_and_keeps_them_private(
    vertherm: Command, series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The data file is not de-identified: only its owner reads it, as with a backup."""
    assert vertherm("registry", "freeze", "-o", tmp_path / "freezes", "--db", series) == 0
    said = capsys.readouterr().out
    data = tmp_path / "freezes" / "freeze-1.jsonl.gz"
    assert str(data) in said
    assert str(data.with_name("freeze-1-head.json")) in said
    assert stat.S_IMODE(data.stat().st_mode) == 0o600


def test_a_restore_without_the_key_says_so(
    vertherm: Command,
    series: Path,
    own_key: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Otherwise its user takes it for proved, and finds out at the first entry that nothing can be written."""
    assert vertherm("registry", "backup", tmp_path / "all.zip", "--db", series) == 0
    own_key.unlink()
    capsys.readouterr()
    assert vertherm("registry", "restore", tmp_path / "all.zip", "--db", tmp_path / "new.db") == 0
    assert str(own_key) in capsys.readouterr().out
