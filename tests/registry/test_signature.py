"""Signatures: bound to content and registry, only on what is locked, void after unlocking, never gone."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.registry.sample import sample, store
from vertherm.core.errors import InputError
from vertherm.registry.database import Registry
from vertherm.registry.history import history
from vertherm.registry.lock import lock, unlock
from vertherm.registry.record_ref import content_sha256
from vertherm.registry.records import canonical
from vertherm.registry.schema.catalogue import ENTITIES
from vertherm.registry.signature import findings, sign, signatures

ADA = {"user": "ada", "printed_name": "Ada Example", "meaning": "reviewed"}


@pytest.fixture
def filled(registry: Registry) -> Registry:
    store(registry, sample(3))
    return registry


def without_triggers(registry: Registry, *statements: str) -> None:
    """What somebody with full rights on the database can do."""
    with registry.engine.begin() as connection:
        if registry.dialect == "postgresql":
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        else:
            names = list(connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars())
            for name in names:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_signature_holds_the_content(filled: Registry) -> None:
    """The hash is SHA-256 over the canonical lines, so that anyone can compute it from an export."""
    lock(filled, "P001", "lesion", "2", user="ada", why="closed")
    signed = sign(filled, "P001", "lesion", "2", **ADA)
    records = filled.records()
    row = next(row for row in records.rows("lesion") if row[:2] == ("P001", 2))
    assert signed.content_sha256 == content_sha256([canonical("lesion", row)])
    lock(filled, "P001", user="ada", why="closed")
    whole = sign(filled, "P001", **ADA)
    rows = [
        canonical(entity.name, row)
        for entity in ENTITIES
        if entity.of_patient
        for row in records.rows(entity.name)
        if row[0] == "P001"
    ]
    assert whole.content_sha256 == content_sha256(sorted(rows))
    assert signatures(filled, "P001") == [signed, whole]
    assert signatures(filled, "P000") == []
    assert findings(filled) == []


def test_only_what_is_locked_is_signed(filled: Registry) -> None:
    """A lock on the whole patient is not one on the lesion: unlocking the patient would not void that signature."""
    with pytest.raises(InputError, match="Only a locked record"):
        sign(filled, "P001", "lesion", "2", **ADA)
    lock(filled, "P001", user="ada", why="closed")
    with pytest.raises(InputError, match="Only a locked record"):
        sign(filled, "P001", "lesion", "2", **ADA)
    with pytest.raises(InputError, match="no such record"):
        sign(filled, "P001", "lesion", "7", **ADA)
    for field in ("printed_name", "meaning"):
        for text in ("  ", "x" * 501):
            with pytest.raises(InputError, match=field.replace("_", " ")):
                sign(filled, "P001", **{**ADA, field: text})
    assert signatures(filled) == []


def test_unlocking_voids_and_keeps(filled: Registry) -> None:
    lock(filled, "P001", "lesion", "2", user="ada", why="closed")
    lock(filled, "P001", "lesion", "1", user="ada", why="closed")
    signed = sign(filled, "P001", "lesion", "2", **ADA)
    other = sign(filled, "P001", "lesion", "1", **ADA)
    assert unlock(filled, "P001", "lesion", "2", user="bob", why="wrong side") == 1
    void, kept = signatures(filled)
    assert (void.voided, void.voided_by, void.voided_why) == (True, "bob", "wrong side")
    assert void.content_sha256 == signed.content_sha256
    assert kept == other
    told = [(item.who, item.action) for item in history(filled, "P001", "signature")]
    assert told == [("ada", "entered"), ("ada", "entered"), ("bob", "changed")]
    row = next(row for row in filled.records().rows("lesion") if row[:2] == ("P001", 2))
    with filled.transaction(user="bob", why="wrong side") as writer:
        writer.update("lesion", [tuple("left" if value == "midline" else value for value in row)])
    lock(filled, "P001", "lesion", "2", user="bob", why="closed")
    assert sign(filled, "P001", "lesion", "2", **ADA).content_sha256 != signed.content_sha256
    assert findings(filled) == []


def test_an_unlock_by_direct_sql_voids_too(filled: Registry) -> None:
    lock(filled, "P001", user="ada", why="closed")
    sign(filled, "P001", **ADA)
    with filled.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM record_lock")
    (void,) = signatures(filled)
    assert void.voided_by is not None
    assert void.voided_by.startswith("direct SQL")


def test_the_database_keeps_signatures(filled: Registry) -> None:
    lock(filled, "P001", user="ada", why="closed")
    sign(filled, "P001", **ADA)
    for statement in ("DELETE FROM signature", "UPDATE signature SET printed_name = 'Eve'"):
        with pytest.raises(sa.exc.DBAPIError), filled.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    assert findings(filled) == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE visit SET vas = 1 WHERE patient_key = 'P001'", "changed after it was signed"),
        ("DELETE FROM event WHERE patient_key = 'P001'", "changed after it was signed"),
        ("UPDATE signature SET meaning = 'approved'", "not made with this registry's key"),
        ("UPDATE signature SET signed_by = 'eve'", "not made with this registry's key"),
        ("DELETE FROM record_lock", "is not locked"),
    ],
)
def test_tampering_is_found(filled: Registry, statement: str, told: str) -> None:
    lock(filled, "P001", user="ada", why="closed")
    sign(filled, "P001", **ADA)
    without_triggers(filled, statement)
    found = findings(filled)
    assert len(found) == 1
    assert told in found[0].what
    assert found[0].where == "signature 1 on patient P001"


def test_many_signatures_are_checked_in_few_reads(filled: Registry) -> None:
    for key in ("P000", "P001", "P002"):
        lock(filled, key, user="ada", why="closed")
        sign(filled, key, **ADA)
    reads: list[str] = []
    sa.event.listen(filled.engine, "before_cursor_execute", lambda _c, _u, statement, *_: reads.append(statement))
    assert findings(filled) == []
    assert len(reads) <= len(ENTITIES) + 5


def test_without_the_key_nothing_is_signed(filled: Registry, own_key: Path) -> None:
    lock(filled, "P001", user="ada", why="closed")
    own_key.unlink()
    with pytest.raises(InputError, match="key"):
        sign(filled, "P001", **ADA)
    assert findings(filled) == []
