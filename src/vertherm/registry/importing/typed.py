"""A table understood: typed columns, which cells were bad, and where every row stands in the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from vertherm.registry.importing.cell import Column
from vertherm.registry.importing.fault import Fault, MissingCode
from vertherm.registry.importing.problem import Problems
from vertherm.registry.importing.raw import RawTable
from vertherm.registry.records import Row, Value
from vertherm.registry.schema.catalogue import BY_NAME
from vertherm.registry.schema.field import Entity, Field


@dataclass
class TypedTable:
    """Typed columns of one entity.

    Args:
        entity: the entity.
        raw: the text they came from; its cells serve messages.
        columns: values by name of the field, for every field of the entity.
        bad: by field, the rows whose cell could not be taken; rules that need such a cell are not applied.
    """

    entity: Entity
    raw: RawTable
    columns: dict[str, list[Value]]
    bad: dict[str, set[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.raw.rows)

    def rows(self) -> Iterator[Row]:
        """Rows in the order of the entity's columns."""
        return zip(*(self.columns[name] for name in self.entity.columns), strict=True)

    def is_bad(self, index: int, names: Sequence[str]) -> bool:
        """True where one of the cells of a row was refused already."""
        return any(index in self.bad[name] for name in names if name in self.bad)

    def report(
        self, problems: Problems, index: int, name: str, kind: str, reason: str, remedy: str, value: object = None
    ) -> None:
        """Add a problem of one cell."""
        cells = self.raw.columns.get(self.raw.heading(name))
        problems.add(
            kind,
            reason,
            remedy,
            file=self.raw.file,
            table=self.entity.name,
            row=self.raw.rows[index],
            column=self.raw.heading(name) if name else "",
            value=value if value is not None else (cells[index] if cells else ""),
        )


def typed_table(raw: RawTable, today: date, problems: Problems) -> TypedTable | None:
    """Read every cell of a table; None where its columns are not those of the entity."""
    entity = BY_NAME[raw.entity]
    if not _headings(raw, entity, problems):
        return None
    table = TypedTable(entity, raw, {})
    codes: list[tuple[Field, dict[int, str]]] = []
    for item in entity.fields:
        cells = raw.columns.get(raw.heading(item.name))
        if cells is None:
            table.columns[item.name] = [None] * len(table)
            continue
        values, missing = _column(table, item, cells, today, problems)
        table.columns[item.name] = values
        if missing:
            codes.append((item, missing))
    for item, missing in codes:
        _reasons(table, item, missing, problems)
    return table


def _column(
    table: TypedTable, item: Field, cells: list[str], today: date, problems: Problems
) -> tuple[list[Value], dict[int, str]]:
    memo = Column(item, today, item.name in table.entity.key)
    values = list(map(memo.__getitem__, cells))
    missing: dict[int, str] = {}
    if not memo.odd:
        return values, missing  # type: ignore[return-value]
    for index, value in enumerate(values):
        if isinstance(value, Fault):
            table.report(problems, index, item.name, value.kind, value.reason, value.remedy)
            table.bad.setdefault(item.name, set()).add(index)
            values[index] = None
        elif isinstance(value, MissingCode):
            missing[index] = value.reason
            values[index] = None
    return values, missing  # type: ignore[return-value]


def _reasons(table: TypedTable, item: Field, missing: dict[int, str], problems: Problems) -> None:
    """Put the reasons that stood as numbers in ``item`` into its partner."""
    partner = table.columns[item.missing]
    for index, reason in missing.items():
        if partner[index] in (None, reason):
            partner[index] = reason
            continue
        table.report(
            problems,
            index,
            item.name,
            "two_reasons",
            f"the code says '{reason}', {item.missing} says '{partner[index]}'",
            "keep one of them",
        )
        table.bad.setdefault(item.name, set()).add(index)


def _headings(raw: RawTable, entity: Entity, problems: Problems) -> bool:
    """Match headings to fields, capitals aside; report unknown and missing ones."""
    by_lower = {heading.strip().lower(): heading for heading in raw.columns}
    for name in entity.columns:
        heading = raw.headings.get(name) or by_lower.get(name)
        if heading is not None and heading in raw.columns and heading != name:
            raw.headings[name] = heading
    used = {raw.heading(name) for name in entity.columns}
    for heading, cells in raw.columns.items():
        if heading not in used and (heading or any(cells)):
            _unknown_column(raw, entity, heading, problems)
    lacking = [
        item
        for item in entity.fields
        if item.required and not item.computed and raw.heading(item.name) not in raw.columns
    ]
    for item in lacking:
        key = item.name in entity.key
        problems.add(
            "missing_key_column" if key else "missing_column",
            "the table has no column for " + ("its key" if key else "a field that must be filled"),
            f"add the column {item.name} ({item.label})",
            file=raw.file,
            table=entity.name,
            row=1,
            column=item.name,
        )
    return not lacking


def _unknown_column(raw: RawTable, entity: Entity, heading: str, problems: Problems) -> None:
    near = difflib.get_close_matches(heading.lower(), entity.columns, n=1)
    problems.add(
        "unknown_column" if heading else "no_column_name",
        "the table has no such column" if heading else "a column without a heading holds values",
        f"rename it to {near[0]}, or take it out" if near else "take it out, or give it the name of a field",
        file=raw.file,
        table=entity.name,
        row=1,
        column=heading,
    )
