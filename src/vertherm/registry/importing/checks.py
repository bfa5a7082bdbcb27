"""What the catalogue itself says: required fields, rules on one row, keys, unique sets and references."""

from __future__ import annotations

from collections.abc import Iterable

from vertherm.registry.importing.problem import Problems
from vertherm.registry.importing.staging import Staging
from vertherm.registry.importing.typed import TypedTable
from vertherm.registry.records import Records, Row, Value, plain
from vertherm.registry.schema.catalogue import BY_NAME
from vertherm.registry.schema.field import Entity, Reference


def check_required(table: TypedTable, problems: Problems) -> None:
    """Every field that must be filled is."""
    for item in table.entity.fields:
        column = table.columns[item.name]
        if not item.required or None not in column:
            continue
        for index, value in enumerate(column):
            if value is None and not table.is_bad(index, (item.name, *_parts(table.entity, item.name))):
                table.report(
                    problems, index, item.name, "required", f"{item.label} must be filled", f"fill {item.name}"
                )


def check_rows(table: TypedTable, staging: Staging, problems: Problems) -> None:
    """The catalogue's rules on one row, as the database will enforce them."""
    for check in table.entity.checks:
        found = staging.query(
            f'SELECT _row FROM "{table.entity.name}" WHERE _row IS NOT NULL AND NOT ({check.sql}) ORDER BY _row'
        )
        for (index,) in found:
            if table.is_bad(index, check.fields):
                continue
            shown = [name for name in check.fields if table.columns[name][index] is not None]
            column = shown[0] if shown else check.fields[0]
            values = ", ".join(f"{name} = {_text(table.columns[name][index])}" for name in check.fields[:4])
            reason = f"{check.reason} ({values})" if len(check.fields) > 1 else check.reason
            table.report(problems, index, column, check.name, reason, check.remedy)


def check_keys(table: TypedTable, staging: Staging, problems: Problems) -> None:
    """No two rows with the same key, and none that share a unique set."""
    entity = table.entity
    reported: set[int] = set()
    for index, first in _repeated(entity, entity.key, staging):
        if first is None or index is None:
            continue
        reported.add(index)
        same = all(table.columns[name][index] == table.columns[name][first] for name in entity.columns)
        what = "the same row" if same else "a row with the same key"
        table.report(
            problems,
            index,
            entity.key[-1],
            "duplicate_row" if same else "duplicate_key",
            f"{what} stands in row {table.raw.rows[first]}",
            "delete one of them" if same else "give one of them another number, or delete it",
        )
    for names in entity.unique:
        for index, first in _repeated(entity, names, staging):
            if index is None or index in reported or table.is_bad(index, names):
                continue
            where = f"row {table.raw.rows[first]}" if first is not None else "the registry"
            table.report(
                problems,
                index,
                names[-1],
                "not_unique",
                f"the same {', '.join(names)} as in {where}",
                f"a {entity.label.lower()} can be there only once with these values; correct or delete one",
            )


def _repeated(entity: Entity, names: Iterable[str], staging: Staging) -> list[tuple[int | None, int | None]]:
    """Rows of the import whose values were there before, with the row that has them (None: in the registry)."""
    listed = ", ".join(f'"{name}"' for name in names)
    filled = " AND ".join(f'"{name}" IS NOT NULL' for name in names)
    groups = (
        f'SELECT {listed} FROM "{entity.name}" WHERE {filled} GROUP BY {listed} HAVING count(*) > 1 AND count(_row) > 0'
    )
    joined = " AND ".join(f't."{name}" = g."{name}"' for name in names)
    # An old row without number sorts first: whatever the import adds to it is the repetition.
    group = ", ".join(f't."{name}"' for name in names)
    over = f"OVER (PARTITION BY {group} ORDER BY t._row)"
    rows = staging.query(
        f"SELECT t._row, first_value(t._row) {over}, row_number() {over} "
        f'FROM ({groups}) g JOIN "{entity.name}" t ON {joined}'
    )
    return [(row, first) for row, first, place in rows if place > 1]


def check_references(table: TypedTable, staging: Staging, unreadable: set[str], problems: Problems) -> None:
    """Every row points at rows that are there, in the import or in the registry."""
    done: set[int] = set()
    for reference in sorted(table.entity.references, key=lambda item: len(item.fields)):
        if reference.entity in unreadable:
            continue
        _check_reference(table, reference, staging, done, problems)


def _check_reference(
    table: TypedTable, reference: Reference, staging: Staging, done: set[int], problems: Problems
) -> None:
    key = BY_NAME[reference.entity].key
    filled = " AND ".join(f't."{name}" IS NOT NULL' for name in reference.fields)
    joined = " AND ".join(f'p."{there}" = t."{here}"' for here, there in zip(reference.fields, key, strict=True))
    patient = "NULL"
    if len(key) > 1 and key[0] == "patient_key":
        patient = "(SELECT 1 FROM patient q WHERE q.patient_key = t.patient_key)"
    found = staging.query(
        f'SELECT t._row, {patient} FROM "{table.entity.name}" t WHERE t._row IS NOT NULL AND {filled} '
        f'AND NOT EXISTS (SELECT 1 FROM "{reference.entity}" p WHERE {joined}) ORDER BY t._row'
    )
    label = BY_NAME[reference.entity].label.lower()
    for index, has_patient in found:
        if index in done:
            continue
        done.add(index)
        values = [table.columns[name][index] for name in reference.fields]
        if len(values) == 1 or (key[0] == "patient_key" and not has_patient):
            who = "patient" if key[0] == "patient_key" else label
            table.report(
                problems,
                index,
                reference.fields[0],
                f"unknown_{who}",
                f"there is no {who} {values[0]}, neither in the import nor in the registry",
                _alike(staging, reference.entity, key[0], values[0])
                or f"correct the key, or import the {who} along with it",
            )
            continue
        names = ", ".join(f"{name} {value}" for name, value in zip(reference.fields[1:], values[1:], strict=True))
        table.report(
            problems,
            index,
            reference.fields[-1],
            "unknown_reference",
            f"patient {values[0]} has no {label} with {names}",
            f"correct the numbers, or import that {label} along with it",
        )


def _alike(staging: Staging, entity: str, column: str, value: object) -> str:
    """What to do where a key differs from a known one only in upper and lower case."""
    same = f"LOWER(\"{column}\") = '{_quoted(value)}'"
    found = staging.query(f'SELECT "{column}" FROM "{entity}" WHERE {same} LIMIT 1')
    return f"write {found[0][0]}: keys differ by upper and lower case" if found else ""


def _quoted(value: object) -> str:
    return str(value).lower().replace("'", "''")


def check_changed(table: TypedTable, existing: Records, problems: Problems) -> None:
    """Rows that the registry holds with other content are problems unless the import is an update."""
    entity = table.entity
    size = len(entity.key)
    old: dict[Row, Row] = {row[:size]: row for row in existing.rows(entity.name)}
    if not old:
        return
    for index, row in enumerate(table.rows()):
        before = old.get(row[:size])
        if before is None or before == row:
            continue
        names = [name for name, was, now in zip(entity.columns, before, row, strict=True) if was != now]
        if all(table.is_bad(index, (name,)) for name in names):
            continue
        name = next(name for name in names if not table.is_bad(index, (name,)))
        place = entity.columns.index(name)
        more = f" ({len(names) - 1} more fields differ)" if len(names) > 1 else ""
        table.report(
            problems,
            index,
            name,
            "changed_row",
            f"the registry holds this row with {name} = {_text(before[place])}, the import with "
            f"{_text(row[place])}{more}",
            "correct the import, or import with --update to replace what the registry holds",
        )


def _parts(entity: Entity, name: str) -> tuple[str, ...]:
    """Fields from which a computed one follows: where one of them was refused, its own emptiness is no news."""
    if not entity.by_name[name].computed:
        return ()
    return tuple(other for check in entity.checks if name in check.fields for other in check.fields if other != name)


def _text(value: Value) -> str:
    return "nothing" if value is None else str(plain(value))
