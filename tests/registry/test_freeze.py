"""Freezes: the same data always have the same hash, today's data can be told from them, and they can be read again."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.registry.sample import DAY, patient, sample, series, store
from vertherm.core.errors import InputError
from vertherm.registry.check import check, read_head
from vertherm.registry.database import Registry
from vertherm.registry.freeze import Freeze, freeze, freezes, load_snapshot, verify
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import SCHEMA_VERSION

ADA = {"user": "ada", "why": "review of 2024"}


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """Two series: s1 with five patients, s2 with one."""
    store(registry, sample(5))
    other = Records()
    series(other, "s2")
    patient(other, "Q1", name="s2")
    store(registry, other)
    return registry


def test_a_freeze_names_the_state_and_keeps_it(filled: Registry, tmp_path: Path) -> None:
    before = filled.records()
    head = check(filled).head
    made = freeze(filled, **ADA, folder=tmp_path / "out")
    assert (made.freeze_no, made.who, made.why, made.series) == (1, "ada", "review of 2024", "")
    assert made.data_sha256 == before.sha256()
    assert made.counts == before.counts()
    assert head is not None
    assert (made.head_seal_no, made.head_mac, made.audit_rows) == (head.seal_no, head.mac, head.audit_rows)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["freeze-1-head.json", "freeze-1.jsonl.gz"]
    assert load_snapshot(made.files[0], data_sha256=made.data_sha256).sha256() == before.sha256()
    assert read_head(made.files[1], filled.registry_id).seal_no >= made.head_seal_no
    assert freezes(filled) == [Freeze(**{**vars(made), "files": ()})]
    assert check(filled, heads=[made.files[1]]).findings == ()


def test_the_frozen_records_are_the_records(filled: Registry, tmp_path: Path) -> None:
    """Value for value and type for type, so that a review of the file is the review of that day."""
    made = freeze(filled, **ADA, folder=tmp_path)
    records, again = filled.records(), load_snapshot(made.files[0])
    for name, rows in records.tables.items():
        key = {row: [type(value) for value in row] for row in rows}
        assert {row: [type(value) for value in row] for row in again.rows(name)} == key


def test_entries_go_on_and_are_told_from_the_freeze(filled: Registry, tmp_path: Path) -> None:
    made = freeze(filled, **ADA, folder=tmp_path)
    assert verify(filled, 1).unchanged
    with filled.transaction(user="bob", why="late correction") as writer:
        writer.update("event", [("P000", 1, DAY, "surgery", None, None)])
    state = verify(filled, 1)
    assert not state.unchanged
    assert state.changes == {}
    with filled.transaction(user="bob", why="double") as writer:
        writer.delete("event", [("P000", 1)])
    assert verify(filled, 1).changes == {"event": (6, 5)}
    assert load_snapshot(made.files[0]).sha256() == made.data_sha256
    assert freeze(filled, **ADA, folder=tmp_path).freeze_no == 2
    assert verify(filled, 2).unchanged
    store(filled, _same_event())
    assert not verify(filled, 2).unchanged
    assert verify(filled, 1).unchanged


def _same_event() -> Records:
    records = Records()
    records.tables["event"] = list(sample(1).rows("event"))
    return records


def test_a_freeze_of_one_series(filled: Registry, tmp_path: Path) -> None:
    made = freeze(filled, **ADA, series="s2", folder=tmp_path)
    assert made.data_sha256 == filled.records("s2").sha256()
    assert made.counts["patient"] == 1
    with filled.transaction(user="bob", why="other series") as writer:
        writer.delete("event", [("P000", 1)])
    assert verify(filled, 1).unchanged
    with pytest.raises(InputError, match="no such series"):
        freeze(filled, **ADA, series="s3", folder=tmp_path)
    with pytest.raises(InputError, match=r"no such freeze(.|\n)*expected: 1"):
        verify(filled, 3)


def test_the_same_data_make_the_same_file_body(filled: Registry, tmp_path: Path) -> None:
    """Anyone can recompute the hash from the file without Vertherm; the lines do not depend on the database."""
    one = freeze(filled, **ADA, folder=tmp_path / "1").files[0]
    other = freeze(filled, **ADA, folder=tmp_path / "2").files[0]
    first, second = (gzip.decompress(path.read_bytes()).splitlines(keepends=True) for path in (one, other))
    assert first[1:] == second[1:]
    program = (
        "import gzip, hashlib, sys; lines = gzip.open(sys.argv[1]).readlines(); "
        f"print(hashlib.sha256(b'vertherm-registry {SCHEMA_VERSION}\\n' + b''.join(lines[1:-1])).hexdigest())"
    )
    told = subprocess.run([sys.executable, "-c", program, str(one)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == filled.records().sha256() == json.loads(first[-1])["data_sha256"]


def test_freezes_cannot_be_changed(filled: Registry, tmp_path: Path) -> None:
    freeze(filled, **ADA, folder=tmp_path)
    for statement in ("UPDATE freeze SET data_sha256 = 'x'", "DELETE FROM freeze"):
        with pytest.raises(sa.exc.DBAPIError), filled.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    assert len(freezes(filled)) == 1


def test_a_folder_that_is_taken_or_closed_makes_no_freeze(filled: Registry, tmp_path: Path) -> None:
    (tmp_path / "freeze-1-head.json").write_text("another registry's")
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "file"):
        with pytest.raises(InputError):
            freeze(filled, **ADA, folder=folder)
    assert freezes(filled) == []
    assert sorted(path.name for path in tmp_path.glob("*freeze*")) == ["freeze-1-head.json"]
    assert freeze(filled, **ADA, folder=tmp_path / "free").freeze_no in (1, 2)


def _changed(path: Path, old: bytes, new: bytes) -> None:
    content = gzip.decompress(path.read_bytes())
    assert old in content
    path.write_bytes(gzip.compress(content.replace(old, new, 1)))


@pytest.mark.parametrize("dialect", ["sqlite"])
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b'"breast"', b'"kidney"', "SHA-256"),
        (b'["patient",{', b'["nobody",{', "no record"),
        (b'"sex"', b'"sax"', "no sax"),
        (b'"format":"vertherm', b'"format":"other', "no header"),
        (b'"version":1', b'"version":2', "newer version"),
        (f'"schema_version":{SCHEMA_VERSION}'.encode(), b'"schema_version":99', "newer version"),
        (b'"data_sha256":"', b'"data_sha256":"0', "SHA-256"),
        (b'{"counts"', b'["counts"', "JSONDecodeError"),
        (b"2023-03-01", b"2023-03-xx", "no record"),
    ],
)
def test_a_changed_file_is_refused(filled: Registry, tmp_path: Path, old: bytes, new: bytes, told: str) -> None:
    made = freeze(filled, **ADA, folder=tmp_path)
    _changed(made.files[0], old, new)
    with pytest.raises(InputError, match=told):
        load_snapshot(made.files[0])


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_damaged_or_forged_file_is_refused(filled: Registry, tmp_path: Path) -> None:
    path = freeze(filled, **ADA, folder=tmp_path).files[0]
    content = path.read_bytes()
    for length in (0, 5, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            load_snapshot(path)
    lines = gzip.decompress(content).splitlines(keepends=True)
    for some in (lines[:-1], lines + lines[-1:], lines[:1]):
        path.write_bytes(gzip.compress(b"".join(some)))
        with pytest.raises(InputError, match="does not end"):
            load_snapshot(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_snapshot(tmp_path / "none")
    # A forger makes the hash fit too: only the hash that the registry names tells.
    path.write_bytes(content)
    with pytest.raises(InputError, match="not the freeze"):
        load_snapshot(path, data_sha256="0" * 64)
