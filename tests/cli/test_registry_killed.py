"""``kill -9`` of a running import: what was committed stays, nothing of the import is half there."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers.fixtures import (  # noqa: F401
    database,
    dialect,
    own_key,
    registry_templates,
)
from vertherm.registry.check import check
from vertherm.registry.database import Registry
from vertherm.registry.exporting import export
from vertherm.registry.importing import import_records
from vertherm.registry.synthetic import generate

PATIENTS = 300


def _start(database_url: str, source: Path) -> subprocess.Popen[bytes]:
    code = "import sys; from vertherm.cli.main import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, "registry", "import", str(source), "--db", database_url, "--user", "killed"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _killed_after(run: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        run.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        run.kill()
        run.wait()
        return True
    return False


def test_killed_import(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Killed later and later in its run, then left to finish: as it was, or all of it, never between."""
    first, second = generate("khan2018"), generate("stress", patients=PATIENTS)
    with Registry.open(database) as registry:
        import_records(registry, first, user="test", why="first")
        untouched = registry.records().sha256()
    scratch = f"sqlite:///{tmp_path / 'scratch.db'}"
    monkeypatch.setenv("VERTHERM_REGISTRY_KEY_FILE", str(tmp_path / "scratch.key"))
    with Registry.create(scratch) as registry:
        import_records(registry, second, user="test", why="second")
        export(registry, tmp_path / "records.json", "json", level="full")
    monkeypatch.setenv("VERTHERM_REGISTRY_KEY_FILE", str(tmp_path / "other.key"))
    other = f"sqlite:///{tmp_path / 'other.db'}"
    Registry.create(other).close()
    begun = time.monotonic()
    assert _start(other, tmp_path / "records.json").wait(timeout=300) == 0
    whole = time.monotonic() - begun
    monkeypatch.setenv("VERTHERM_REGISTRY_KEY_FILE", str(tmp_path / "keys" / "registry.key"))
    killed = 0
    for share in (0.3, 0.5, 0.7, 0.8, 0.9):
        killed += _killed_after(_start(database, tmp_path / "records.json"), share * whole)
        with Registry.open(database) as registry:
            found = registry.records()
            assert check(registry).findings == ()
        if found.sha256() != untouched:
            # It had committed: then all of it is there.
            assert found.counts()["patient"] == 69 + PATIENTS
            break
    assert killed, "the import was over before it could be killed"
    last = _start(database, tmp_path / "records.json")
    assert last.wait(timeout=300) == 0
    with Registry.open(database) as registry:
        found = registry.records()
        assert {name: len(rows) for name, rows in found.tables.items() if rows} == {
            name: first.counts().get(name, 0) + second.counts().get(name, 0)
            for name in {**first.counts(), **second.counts()}
        }
        assert check(registry).findings == ()
