"""The data against their own history: every record must be what its last audit row left, every row what the one before
it left. Audit and data are read side by side in the order of the records' keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from vertherm.core.progress import Progress
from vertherm.registry import triggers_postgresql, triggers_sqlite
from vertherm.registry.check.report import Findings
from vertherm.registry.check.stream import stream, words
from vertherm.registry.schema.system import AUDIT
from vertherm.registry.triggers import Shape, shapes

_STEP = "data against audit"


def replay(connection: sa.Connection, found: Findings, progress: Progress) -> None:
    """Compare every audited table with the audit."""
    tables = shapes(connection, {})
    for number, table in enumerate(tables):
        live = _Live(stream(connection, _live_query(connection, table)), table)
        for key, rows in groupby(stream(connection, _audit_query(table.name)), key=lambda row: row.record_key):
            where = f"{table.name} {key}"
            for absent in live.before(key):
                _without_history(found, table, absent)
            last = _history(where, rows, found)
            _compare(where, last, live.take(key), found)
        for absent in live.rest():
            _without_history(found, table, absent)
        progress(_STEP, (number + 1) / len(tables))


def _audit_query(entity: str) -> sa.Select[Any]:
    columns = [AUDIT.c[name] for name in ("id", "at", "who", "record_key", "action", "old", "new")]
    return sa.select(*columns).where(AUDIT.c.entity == entity).order_by(AUDIT.c.record_key, AUDIT.c.id)


def _live_query(connection: sa.Connection, table: Shape) -> str:
    sqlite = connection.dialect.name == "sqlite"
    key = (triggers_sqlite if sqlite else triggers_postgresql).record_key(table, "t").replace(":", "\\:")
    columns = ", ".join(f't."{name}"' for name in table.columns)
    # Both in the order of bytes, which is also the order in which Python compares texts.
    order = "1" if sqlite else f'({key}) COLLATE "C"'
    return f'SELECT {key}, {columns} FROM "{table.name}" t ORDER BY {order}'


def _history(where: str, rows: Iterable[Any], found: Findings) -> Any:
    """Follow one record through its audit rows; returns the last one."""
    last = None
    for row in rows:
        left = last.new if last is not None else None
        if not _same_text(row.old, left):
            before = f"row {last.id} ({words(last)})" if last is not None else "no earlier row"
            found.add(
                "history",
                f"{where}, audit row {row.id}, {words(row)}",
                f"What it says was there before is not what {before} left"
                f"{_difference(_loads(row.old), _loads(left), 'this row', 'the row before')}: "
                "a row was edited, deleted, inserted or moved.",
            )
        last = row
    return last


def _compare(where: str, last: Any, live: dict[str, Any] | None, found: Findings) -> None:
    wanted = _loads(last.new)
    if wanted is None and live is None:
        return
    told = f"{where}, last {words(last)} (audit row {last.id})"
    if live is None:
        found.add("live data", told, "The record is gone from the data, but no audit row says that it was deleted.")
    elif wanted is None:
        found.add("live data", told, "The record is in the data, though the audit says that it was deleted.")
    elif not _same(wanted, live):
        what = _difference(live, wanted, "the data", "the audit")
        found.add("live data", told, f"The data are not what the audit says{what}: changed with the triggers off.")


def _without_history(found: Findings, table: Shape, key: str) -> None:
    found.add(
        "live data",
        f"{table.name} {key}",
        "The record is in the data, but the audit does not know it: inserted with the triggers off, "
        "or its audit rows were deleted.",
    )


class _Live:
    """Live rows in order of key, as the audit would write them."""

    def __init__(self, rows: Iterator[Any], table: Shape) -> None:
        self.source, self.columns = rows, table.columns
        self.waiting: Any = next(rows, None)

    def before(self, key: str) -> Iterator[str]:
        while self.waiting is not None and self.waiting[0] < key:
            yield self._next()[0]

    def take(self, key: str) -> dict[str, Any] | None:
        if self.waiting is None or self.waiting[0] != key:
            return None
        row = self._next()
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in zip(self.columns, row[1:], strict=True)
            if value is not None
        }

    def rest(self) -> Iterator[str]:
        while self.waiting is not None:
            yield self._next()[0]

    def _next(self) -> Sequence[Any]:
        taken, self.waiting = self.waiting, next(self.source, None)
        return taken


def _same_text(one: str | None, other: str | None) -> bool:
    if one == other:
        return True
    if one is None or other is None:
        return False
    left, right = _loads(one), _loads(other)
    return left is not None and right is not None and _same(left, right)


def _loads(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        made = json.loads(text)
    except ValueError:
        return {"(unreadable)": text[:80]}
    return made if isinstance(made, dict) else {"(unreadable)": text[:80]}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one == other:
        return True
    return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())


def _equal(one: Any, other: Any) -> bool:
    if one == other:
        return True
    numbers = isinstance(one, (int, float)) and isinstance(other, (int, float))
    # SQLite writes 15 digits of a number into the audit.
    return numbers and abs(one - other) <= 1e-14 * max(abs(one), abs(other))


def _difference(one: dict[str, Any] | None, other: dict[str, Any] | None, first: str, second: str) -> str:
    if one is None or other is None:
        return ""
    told = [
        f"{name} is {one.get(name, 'empty')!r} in {first}, {other.get(name, 'empty')!r} in {second}"
        for name in dict.fromkeys([*one, *other])
        if not _equal(one.get(name), other.get(name))
    ]
    return f" ({'; '.join(item[:200] for item in told[:5])}{'; ...' if len(told) > 5 else ''})"
