"""The migrations make exactly what the catalogue says, on both databases; other revisions are refused with advice."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.registry.sample import sample, store
from tests.registry.tampering import fill, sql
from vertherm.core.errors import InputError
from vertherm.registry import database as module
from vertherm.registry import migrations, record_ref, snapshot_file
from vertherm.registry.backup import backup
from vertherm.registry.check import check
from vertherm.registry.check.structure import _postgresql_objects, _sqlite_objects
from vertherm.registry.database import Registry
from vertherm.registry.engine import address, make_engine
from vertherm.registry.freeze import freeze, load_snapshot, verify
from vertherm.registry.history import history
from vertherm.registry.lock import lock
from vertherm.registry.records import Records, canonical
from vertherm.registry.restore import restore
from vertherm.registry.schema.catalogue import DATED, ENTITIES, SINCE
from vertherm.registry.schema.system import AUDITED, CONTEXT_TABLE, REVISION
from vertherm.registry.schema.tables import METADATA
from vertherm.registry.signature import sign


def test_alembic_sees_no_difference(registry: Registry) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def ours(_object: object, name: str | None, kind: str, *_: object) -> bool:
        return not (kind == "table" and name == CONTEXT_TABLE)

    with registry.engine.connect() as connection:
        # SQLite counts its ascending keys by itself; only PostgreSQL has anything like a default here.
        defaults = registry.dialect == "postgresql"
        options = {"compare_type": True, "compare_server_default": defaults, "include_object": ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []


def test_constraints_are_those_of_the_catalogue(registry: Registry) -> None:
    """Alembic does not look at CHECK constraints; the databases themselves do."""
    with registry.engine.connect() as connection:
        if registry.dialect == "sqlite":
            with sa.create_engine("sqlite://").connect() as memory:
                METADATA.create_all(memory)
                wanted = {
                    name: _constraints(sql) for (kind, name), sql in _sqlite_objects(memory).items() if kind == "table"
                }
            there = {
                name: _constraints(sql) for (kind, name), sql in _sqlite_objects(connection).items() if kind == "table"
            }
            there = {name: constraints for name, constraints in there.items() if name in METADATA.tables}
        else:
            connection.exec_driver_sql("CREATE SCHEMA made_anew")
            connection.exec_driver_sql("SET LOCAL search_path = made_anew")
            METADATA.create_all(connection)
            wanted = _of_tables(_postgresql_objects(connection, "made_anew"))
            connection.exec_driver_sql("SET LOCAL search_path = public")
            there = _of_tables(_postgresql_objects(connection, "public"))
            connection.rollback()
    assert there == wanted


def _of_tables(objects: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    kept = ("column", "constraint", "foreign key trigger")
    return {key: text for key, text in objects.items() if key[0] in kept and not key[1].startswith("alembic_version")}


def _constraints(text: str) -> set[str]:
    """Conditions of a table's constraints, whatever the layout."""
    return {
        re.sub(r"[\s\"]+", " ", part)
        for part in re.findall(r"CHECK (\(.*?\))(?:, ?CONSTRAINT|, ?UNIQUE|, ?FOREIGN|, ?PRIMARY| ?\)$)", text)
    }


def test_one_line_of_revisions_that_ends_at_the_present_one() -> None:
    assert migrations.revisions()[-1] == REVISION
    assert len(set(migrations.revisions())) == len(migrations.revisions())


def test_dates_that_death_limits_are_those_of_the_catalogue() -> None:
    text = next((migrations.FOLDER / "versions").glob(f"{REVISION}_*.py")).read_text()
    for entity in DATED:
        assert f'"{entity.name}": "{entity.date}"' in text


def test_every_table_is_audited(registry: Registry) -> None:
    with registry.engine.connect() as connection:
        tables = set(sa.inspect(connection).get_table_names())
    assert tables - {"meta", "audit", "seal", "alembic_version", CONTEXT_TABLE} == set(AUDITED)


@pytest.fixture
def older(empty_database: str, own_key: Path) -> str:
    """A registry of revision 0001 with patients, a lock, a signature and a freeze, as its own program left it."""
    assert not own_key.exists()
    tables = tuple(entity for entity in ENTITIES if entity.name not in SINCE)
    with _made_by_revision_1(empty_database) as registry, pytest.MonkeyPatch.context() as patch:
        # As its own program read it, which knew these tables only.
        patch.setattr(snapshot_file, "ENTITIES", tables)
        patch.setattr(snapshot_file, "SCHEMA_VERSION", 1)
        patch.setattr(record_ref, "ENTITIES", tables)
        store(registry, sample(4), [entity.name for entity in tables])
        lock(registry, "P000", user="ada", why="closed")
        sign(registry, "P000", user="ada", printed_name="Ada", meaning="reviewed")
        freeze(registry, user="ada", why="review", folder=own_key.parent / "freezes")
    return empty_database


def _made_by_revision_1(url: str) -> Registry:
    """What `Registry.create` of that revision did; its tables and triggers are those of 0001 alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "upgrade", lambda connection: migrations.upgrade(connection, "0001"))
        patch.setattr(module, "SCHEMA_VERSION", 1)
        return Registry.create(url)


def _tables(url: str) -> set[str]:
    engine = make_engine(address(url))
    with engine.connect() as connection:
        found = set(sa.inspect(connection).get_table_names())
    engine.dispose()
    return found


def test_an_older_registry_is_brought_up_to_date_and_keeps_its_data(older: str, own_key: Path) -> None:
    """Revision 0001 to today: every row, the audit, the seals, the lock, the signature and the freeze stay valid."""
    assert not set(SINCE) & _tables(older)
    before = sample(4)
    for name in SINCE:
        before.tables.pop(name)
    with pytest.raises(InputError, match="older version") as caught:
        Registry.open(older)
    assert "registry init" in caught.value.advice
    Registry.create(older).close()
    with Registry.open(older) as upgraded:
        assert upgraded.records().sha256() == before.sha256()
        assert check(upgraded, heads=[own_key.parent / "freezes" / "freeze-1-head.json"]).findings == ()
        assert verify(upgraded, 1).unchanged
        with pytest.raises(InputError, match="locked"):
            store(upgraded, zones_of("P000"))
        store(upgraded, zones_of("P001"))
        assert not verify(upgraded, 1).unchanged
        assert verify(upgraded, 1).changes == {"treated_zone": (0, 1), "zone_prediction": (0, 2)}
        assert check(upgraded).findings == ()
        entered = [change for change in history(upgraded, "P001") if change.entity in SINCE]
        assert len(entered) == 3
    with pytest.raises(InputError, match="registry here already"):
        Registry.create(older)


def zones_of(key: str) -> Records:
    """The zone of a sample patient and its predictions."""
    whole, found = sample(4), Records()
    for name in SINCE:
        found.tables[name] = [row for row in whole.rows(name) if row[0] == key]
    return found


def test_the_freeze_of_an_older_registry_is_read(older: str, own_key: Path) -> None:
    with gzip.open(own_key.parent / "freezes" / "freeze-1.jsonl.gz", "rt") as stream:
        last = json.loads(stream.readlines()[-1])
    found = load_snapshot(own_key.parent / "freezes" / "freeze-1.jsonl.gz", data_sha256=last["data_sha256"])
    assert found.sha256() == last["data_sha256"]
    lines = "".join(
        f"{line}\n" for e in ENTITIES for line in sorted(canonical(e.name, row) for row in found.rows(e.name))
    )
    assert hashlib.sha256(f"vertherm-registry 1\n{lines}".encode()).hexdigest() == last["data_sha256"]


def test_a_backup_of_an_older_registry_is_restored_and_brought_up_to_date(
    older: str, own_key: Path, tmp_path: Path
) -> None:
    """The backup that its own program made: restored at revision 0001, then migrated."""
    copy = tmp_path / "old.zip"
    engine = make_engine(address(older))
    with engine.connect() as connection:
        registry_id = connection.exec_driver_sql("SELECT value FROM meta WHERE name = 'registry_id'").scalar_one()
    with pytest.MonkeyPatch.context() as patch:
        tables = sa.MetaData()
        tables.reflect(engine)
        for name in ("alembic_version", CONTEXT_TABLE):
            if name in tables.tables:
                tables.remove(tables.tables[name])
        patch.setattr("vertherm.registry.backup.METADATA", tables)
        patch.setattr("vertherm.registry.backup.SCHEMA_VERSION", 1)
        with Registry(address(older), engine, str(registry_id)) as registry:
            backup(registry, copy)
    target = f"sqlite:///{tmp_path / 'restored.db'}"
    restore(copy, target)
    with pytest.raises(InputError, match="older version"):
        Registry.open(target)
    with Registry.create(target) as restored:
        assert restored.records().counts()["patient"] == 4
        assert check(restored).findings == ()
        store(restored, zones_of("P001"))


def test_a_migration_from_an_older_registry_that_fails_leaves_it_as_it_was(
    older: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("half way")

    with monkeypatch.context() as patch:
        patch.setattr("vertherm.registry.triggers.install", broken)
        with pytest.raises(RuntimeError):
            Registry.create(older)
    assert not set(SINCE) & _tables(older)
    Registry.create(older).close()
    with Registry.open(older) as registry:
        assert check(registry).findings == ()


def test_a_newer_registry_is_refused(registry: Registry, database: str) -> None:
    sql(registry, "UPDATE alembic_version SET version_num = '9999'")
    for act in (Registry.open, Registry.create):
        with pytest.raises(InputError, match="newer version") as caught:
            act(database)
        assert "install" in caught.value.advice


def test_a_database_without_migrations_is_no_registry(empty_database: str) -> None:
    if empty_database.startswith("sqlite"):
        Path(str(address(empty_database).database)).touch()
    with pytest.raises(InputError, match="no registry here"):
        Registry.open(empty_database)


def test_a_migration_that_fails_leaves_an_empty_database(
    empty_database: str, own_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("half way")

    with monkeypatch.context() as patch:
        patch.setattr("vertherm.registry.triggers.install", broken)
        with pytest.raises(RuntimeError):
            Registry.create(empty_database)
    engine = make_engine(address(empty_database))
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    engine.dispose()
    assert not own_key.exists()
    with Registry.create(empty_database) as registry:
        fill(registry)
        assert check(registry).findings == ()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)  # SQLite has no schemas
def test_a_registry_in_another_schema_of_the_server(empty_database: str, own_key: Path) -> None:
    engine = sa.create_engine(address(empty_database), poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql('CREATE SCHEMA "My Clinic"')
        connection.exec_driver_sql(f'ALTER DATABASE {engine.url.database} SET search_path = "My Clinic"')
    with Registry.create(empty_database) as registry:
        fill(registry)
        assert check(registry).findings == ()
