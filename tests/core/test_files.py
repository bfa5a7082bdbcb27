"""Atomic writes: either all of the new, or all of the old."""

from __future__ import annotations

import errno
import pickle
import sqlite3
from pathlib import Path

import pytest

from vertherm.core.errors import InputError, MissingValueError
from vertherm.core.files import atomic_folder, atomic_path, write_json


def _disk_full(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def _interrupted(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError("interrupted")


def test_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        _interrupted(temporary)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_successful_write_replaces(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "a.json", {"t": "37 °C"})
    assert "37 °C" in (tmp_path / "new" / "a.json").read_text("utf-8")


def test_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"t": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_disk_full_is_an_input_error_that_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_text", _disk_full)
    with pytest.raises(InputError, match="Cannot write") as caught:
        write_json(tmp_path / "a.json", {})
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_folder_is_all_or_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("old")
    (out / "mine.txt").write_text("kept")
    with pytest.raises(RuntimeError), atomic_folder(out) as folder:
        _interrupted(folder / "report.html")
    assert (out / "report.html").read_text() == "old"
    with atomic_folder(out) as folder:
        (folder / "fields").mkdir()
        (folder / "fields" / "t.nii").write_text("new")
        (folder / "report.html").write_text("new")
    assert (out / "report.html").read_text() == "new"
    assert (out / "fields" / "t.nii").read_text() == "new"
    assert (out / "mine.txt").read_text() == "kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="is a file"), atomic_folder(tmp_path / "out"):
        pass


def test_errors_survive_pickling() -> None:
    error = MissingValueError("What.", where="here", got=1, expected=2, advice="do")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is MissingValueError
    assert str(copy) == str(error)
    assert copy.exit_code == 2


def test_a_database_is_never_overwritten(tmp_path: Path) -> None:
    """A mistyped output name must not cost a registry; who means it (a restore) says so."""
    target = tmp_path / "registry.db"
    with sqlite3.connect(target) as connection:
        connection.execute("create table t (a)")
    connection.close()
    before = target.read_bytes()
    with pytest.raises(InputError, match="replace a database"), atomic_path(target) as temporary:
        temporary.write_text("new")
    assert target.read_bytes() == before
    with atomic_path(target, replace_database=True) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["registry.db"]
