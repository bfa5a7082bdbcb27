"""The registry's benchmark: every row has its columns, a missing server is said, nothing is left behind."""

from __future__ import annotations

import json
import os

import pytest
import sqlalchemy as sa

from tests.servers import postgres
from vertherm.bench.registry import SERVER, rows
from vertherm.registry.engine import address
from vertherm.registry.key import VARIABLE

STEPS = ("import", "read", "review", "check", "freeze", "backup", "restore")


def test_rows_beside_plain_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step of the registry has a speed; import, read and backup have a ratio to their peer in the same run."""
    monkeypatch.delenv(SERVER, raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    found = rows(patients=40)
    json.dumps(found, allow_nan=False)
    named = {row["name"]: row for row in found}
    for row in found:
        assert set(row) == {"name", "value", "unit", "ratio", "note", "peak_mb"}
    for step in STEPS:
        row = named[f"registry {step} sqlite 40"]
        assert row["value"] is not None, row["note"]
        assert row["value"] > 0
        assert (row["ratio"] is not None) == (step in ("import", "read", "backup"))
    for peer in ("sqlite3 executemany 40", "sqlite3 select 40", "sqlite3 backup 40"):
        assert named[peer]["ratio"] == 1.0
    silent = named["registry postgresql 40"]
    assert silent["value"] is None
    assert silent["note"].startswith("not run: no server named")
    assert VARIABLE not in os.environ


def test_rows_on_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own database, gone afterwards."""
    with postgres.cluster() as server:
        monkeypatch.setenv(SERVER, server.url("postgres"))
        found = {row["name"]: row for row in rows(patients=10)}
        engine = sa.create_engine(address(server.url("postgres")), poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            left = connection.execute(sa.text("SELECT datname FROM pg_database WHERE datname LIKE 'vertherm%'"))
            assert list(left) == []
        engine.dispose()
    for step in STEPS:
        assert found[f"registry {step} postgresql 10"]["value"] is not None, found


def test_a_server_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER, "postgresql://nobody@127.0.0.1:1/none")
    last = rows(patients=5)[-1]
    assert last["name"] == "registry postgresql 5"
    assert last["note"].startswith("not run: The PostgreSQL server cannot be reached")
