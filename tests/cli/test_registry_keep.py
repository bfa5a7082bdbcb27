"""``vertherm registry``: double entry, freeze and verify, locks, dry run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.fixtures import (  # noqa: F401
    database,
    dialect,
    own_key,
    registry_templates,
)
from vertherm.registry.database import Registry
from vertherm.registry.synthetic import generate

Command = Callable[..., int]


@pytest.fixture
def filled(vertherm: Command, database: str, capsys: pytest.CaptureFixture[str]) -> str:  # noqa: F811
    """A registry with the series of 69 patients."""
    assert vertherm("registry", "synthetic", "khan2018", "--db", database) == 0
    capsys.readouterr()
    return database


def test_double_entry(vertherm: Command, filled: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One cell typed differently is one difference, named, with status 3."""
    one, two = tmp_path / "one", tmp_path / "two"
    assert vertherm("registry", "export", one, "--level", "full", "--db", filled) == 0
    shutil.copytree(one, two)
    assert vertherm("registry", "compare", one, two) == 0
    lines = (two / "lesion.csv").read_text("utf-8").splitlines()
    cells = lines[5].split(",")
    cells[lines[0].split(",").index("kind")] = "lytic"
    lines[5] = ",".join(cells)
    (two / "lesion.csv").write_text("\n".join(lines) + "\n", "utf-8")
    capsys.readouterr()
    assert vertherm("registry", "compare", one, two) == 3
    said = capsys.readouterr().out
    assert "1 difference in " in said
    assert "lytic" in said


def test_freeze_and_verify(vertherm: Command, filled: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same data verify; after one change they do not."""
    db = ("--db", filled)
    assert vertherm("registry", "freeze", *db) == 2
    assert vertherm("registry", "freeze", "-o", tmp_path, *db) == 0
    assert vertherm("registry", "freeze", "--verify", 1, *db) == 0
    assert vertherm("registry", "freeze", "--verify", 7, *db) == 2
    with Registry.open(filled) as registry, registry.transaction(user="test", why="late result") as writer:
        writer.insert("event", [("SYN-KHAN-002", 1, generate("khan2018").rows("visit")[-1][2], "other", None, None)])
    capsys.readouterr()
    assert vertherm("registry", "freeze", "--verify", 1, *db) == 3
    assert "event: 0 rows then, 1 now" in capsys.readouterr().out


def test_locks_are_listed_and_a_locked_record_does_not_change(
    vertherm: Command, filled: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db, patient = ("--db", filled), "SYN-KHAN-003"
    assert vertherm("registry", "lock", patient, "--user", "reader", *db) == 0
    assert vertherm("registry", "sign", patient, "--name", "A. Reader", "--meaning", "reviewed", *db) == 0
    assert vertherm("registry", "locks", *db) == 0
    said = capsys.readouterr().out
    assert patient in said
    assert "locked by reader" in said
    assert "signed by A. Reader" in said
    out = tmp_path / "out"
    assert vertherm("registry", "export", out, "--level", "full", *db) == 0
    patients = (out / "patient.csv").read_text("utf-8").splitlines()
    columns = patients[0].split(",")
    row = next(number for number, line in enumerate(patients) if line.startswith(patient))
    cells = patients[row].split(",")
    cells[columns.index("sex")] = "other"
    patients[row] = ",".join(cells)
    (out / "patient.csv").write_text("\n".join(patients) + "\n", "utf-8")
    assert vertherm("registry", "import", out, "--dry-run", "--update", *db) == 0
    assert "patient: 0 new, 1 changed" in capsys.readouterr().out
    assert vertherm("registry", "import", out, "--update", *db) == 2
    assert "locked" in capsys.readouterr().err
    assert vertherm("registry", "unlock", patient, "--why", "correction", *db) == 0
    assert vertherm("registry", "import", out, "--update", *db) == 0
    capsys.readouterr()
    assert vertherm("registry", "locks", patient, *db) == 0
    assert "VOID" in capsys.readouterr().out
    assert vertherm("registry", "history", patient, "--table", "patient", *db) == 0
    assert "-> other" in capsys.readouterr().out
    assert vertherm("registry", "check", *db) == 0
