"""A rule across rows: a query that finds what contradicts, and the words for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vertherm.registry.importing.problem import Problems
from vertherm.registry.importing.staging import Staging
from vertherm.registry.importing.typed import TypedTable


@dataclass(frozen=True)
class Rule:
    """One rule.

    Args:
        kind: short name.
        entity, column: the cell to name.
        sql: a query of the offending rows: ``_row`` of ``entity``, ``_row`` of ``other`` or NULL, and values for the
            words. A pair of which neither row belongs to the import is not its concern and is passed over.
        reason, remedy: words; {0}, {1} ... stand for the further values of the query.
        other, other_column: the cell to name where only the other row belongs to the import.
        needs: further fields of ``entity`` without which the rule says nothing, where their cell was refused.
        reads: further entities that the query reads; where one of them could not be read, the rule is left out.
    """

    kind: str
    entity: str
    column: str
    sql: str
    reason: str
    remedy: str
    other: str = ""
    other_column: str = ""
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


def apply_rules(
    rules: Iterable[Rule],
    staging: Staging,
    tables: dict[str, TypedTable],
    unreadable: set[str],
    problems: Problems,
) -> None:
    """Report what the rules find."""
    for rule in rules:
        if unreadable.intersection((rule.entity, rule.other, *rule.reads)):
            continue
        for row, other, *values in staging.query(rule.sql):
            _report(rule, row, other, values, tables, problems)


def _report(
    rule: Rule,
    row: int | None,
    other: int | None,
    values: list[object],
    tables: dict[str, TypedTable],
    problems: Problems,
) -> None:
    if row is not None:
        table, index, column = tables[rule.entity], row, rule.column
        if table.is_bad(index, (column, *rule.needs)):
            return
    elif other is not None and rule.other:
        table, index, column = tables[rule.other], other, rule.other_column
        if table.is_bad(index, (column,)):
            return
    else:
        return
    words = ["" if value is None else f"{value:g}" if isinstance(value, float) else value for value in values]
    table.report(problems, index, column, rule.kind, rule.reason.format(*words), rule.remedy.format(*words))
