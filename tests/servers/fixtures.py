"""Fixtures for every test that needs a registry: on SQLite and on a real PostgreSQL server.

Imported by the conftests of the folders that use them. The key of each registry lies in the test's own folder.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.servers import postgres
from vertherm.registry.database import Registry
from vertherm.registry.engine import address
from vertherm.registry.key import FILE_VARIABLE, VARIABLE

DIALECTS = ("sqlite", "postgresql")
_TEMPLATE = "vertherm_template"


@pytest.fixture(scope="session")
def registry_templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[str, Path]]]:
    """Address and key file of an empty, migrated registry by dialect; made once a worker, when first asked for."""
    made: dict[str, tuple[str, Path]] = {}
    server = postgres.cluster()
    entered: list[postgres.Server] = []

    def template(dialect: str) -> tuple[str, Path]:
        if dialect not in made:
            folder = tmp_path_factory.mktemp(f"template-{dialect}")
            if dialect == "sqlite":
                url = f"sqlite:///{folder / 'registry.db'}"
            else:
                entered.append(server.__enter__())
                url = entered[0].url(_TEMPLATE)
                _run(entered[0], f"CREATE DATABASE {_TEMPLATE}")
            with pytest.MonkeyPatch.context() as patch:
                _own_key(patch, folder / "key")
                Registry.create(url).close()
            made[dialect] = (url, folder / "key")
        return made[dialect]

    yield template
    if entered:
        server.__exit__(None, None, None)


def _own_key(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.delenv(VARIABLE, raising=False)
    patch.setenv(FILE_VARIABLE, str(path))


def _run(server: postgres.Server, *statements: str) -> None:
    engine = sa.create_engine(address(server.url("postgres")), isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _server(url: str) -> postgres.Server:
    port = address(url).port
    assert port is not None
    return postgres.Server(port, 0)


@pytest.fixture
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which this test's sealing key lies; it does not exist yet."""
    _own_key(monkeypatch, tmp_path / "keys" / "registry.key")
    return tmp_path / "keys" / "registry.key"


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    """``sqlite``, then ``postgresql``."""
    return str(request.param)


@pytest.fixture
def empty_database(
    dialect: str, tmp_path: Path, registry_templates: Callable[[str], tuple[str, Path]]
) -> Iterator[str]:
    """Address of a database without any table."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server = _server(registry_templates("postgresql")[0])
    name = f"t_{uuid.uuid4().hex[:12]}"
    _run(server, f"CREATE DATABASE {name}")
    yield server.url(name)
    _run(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(
    dialect: str, tmp_path: Path, own_key: Path, registry_templates: Callable[[str], tuple[str, Path]]
) -> Iterator[str]:
    """Address of a fresh, migrated, empty registry whose key is at hand."""
    template, key = registry_templates(dialect)
    own_key.parent.mkdir()
    shutil.copy(key, own_key)
    if dialect == "sqlite":
        path = tmp_path / "registry.db"
        shutil.copy(str(address(template).database), path)
        yield f"sqlite:///{path}"
        return
    server = _server(template)
    name = f"t_{uuid.uuid4().hex[:12]}"
    _run(server, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    yield server.url(name)
    _run(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def registry(database: str) -> Iterator[Registry]:
    """A fresh, empty, open registry."""
    with Registry.open(database) as opened:
        yield opened
