"""The migrations make exactly what the catalogue says, on both databases; other revisions are refused with advice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.registry.tampering import fill, sql
from vertherm.core.errors import InputError
from vertherm.registry import database as module
from vertherm.registry import migrations
from vertherm.registry.check import check
from vertherm.registry.check.structure import _postgresql_objects, _sqlite_objects
from vertherm.registry.database import Registry
from vertherm.registry.engine import address, make_engine
from vertherm.registry.schema.catalogue import DATED
from vertherm.registry.schema.system import AUDITED, CONTEXT_TABLE, REVISION
from vertherm.registry.schema.tables import METADATA


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
    text = (migrations.FOLDER / "versions" / "0001_initial.py").read_text()
    for entity in DATED:
        assert f'"{entity.name}": "{entity.date}"' in text


def test_every_table_is_audited(registry: Registry) -> None:
    with registry.engine.connect() as connection:
        tables = set(sa.inspect(connection).get_table_names())
    assert tables - {"meta", "audit", "seal", "alembic_version", CONTEXT_TABLE} == set(AUDITED)


def test_an_older_registry_is_brought_up_to_date_and_keeps_its_data(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Registry.open(database) as registry:
        before = fill(registry).sha256()
        registry_id = registry.registry_id
    # As a program with one migration more would see it.
    monkeypatch.setattr(module, "REVISION", "0002")
    monkeypatch.setattr(migrations, "revisions", lambda: ["0001", "0002"])
    with pytest.raises(InputError, match="older version") as caught:
        Registry.open(database)
    assert "registry init" in caught.value.advice
    monkeypatch.setattr(
        module,
        "upgrade",
        lambda connection: connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'"),
    )
    with Registry.create(database) as upgraded:
        assert upgraded.registry_id == registry_id
        assert upgraded.records().sha256() == before
    Registry.open(database).close()


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
