"""Long results a few hundred rows at a time, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

ROWS = 500
"""Rows in memory at once; a plan's document may be megabytes."""


def stream(connection: sa.Connection, query: Any) -> Iterator[sa.Row[Any]]:
    """Rows of a query, without ever holding all of them."""
    statement = sa.text(query) if isinstance(query, str) else query
    yield from connection.execute(statement, execution_options={"stream_results": True, "yield_per": ROWS})


def words(row: Any) -> str:
    """An audit row as a person reads it."""
    done = {"I": "entered", "U": "changed", "D": "deleted"}[row.action]
    return f"{done} at {row.at} by {row.who}"
