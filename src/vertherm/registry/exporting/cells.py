"""Values as text cells: dates in ISO form, numbers that read back exactly, no cell that a spreadsheet would run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from vertherm.registry.guard import guarded
from vertherm.registry.records import Records, Value, plain
from vertherm.registry.schema.catalogue import BY_NAME


class _Texts(dict[Value, str]):
    """Text by value; every different value is written once. Keys of different type never meet in one column."""

    def __missing__(self, value: Value) -> str:
        self[value] = text = cell(value)
        return text


def cell(value: Value) -> str:
    """One value as a cell; an empty text for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, date):
        return value.isoformat()
    return repr(plain(value))


def text_rows(records: Records, entity: str) -> Iterator[tuple[str, ...]]:
    """Rows of an entity as cells."""
    rows = records.rows(entity)
    memos = [_Texts() for _ in BY_NAME[entity].columns]
    for start in range(0, len(rows), 4096):
        block = zip(*rows[start : start + 4096], strict=True)
        columns = [map(memo.__getitem__, values) for memo, values in zip(memos, block, strict=True)]
        yield from zip(*columns, strict=True)
