"""A whole import against the data dictionary, itself and the registry; every problem at once, nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from vertherm.core.progress import Progress, silent
from vertherm.registry.importing import checks
from vertherm.registry.importing.derive import Doses, derive_lesions, derive_odi, derive_omeq, gather_doses
from vertherm.registry.importing.problem import Problem, Problems
from vertherm.registry.importing.raw import RawTable, RawTables
from vertherm.registry.importing.rule import Rule, apply_rules
from vertherm.registry.importing.rules_dates import date_rules
from vertherm.registry.importing.rules_series import series_rules
from vertherm.registry.importing.rules_treatment import treatment_rules
from vertherm.registry.importing.rules_visits import check_doses, make_windows, visit_rules
from vertherm.registry.importing.staging import Staging
from vertherm.registry.importing.typed import TypedTable, typed_table
from vertherm.registry.records import Records
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES
from vertherm.registry.schema.tables import field_condition


def validate(
    raw: RawTables,
    existing: Records | None = None,
    *,
    today: date,
    update: bool = False,
    progress: Progress = silent,
) -> tuple[Records, list[Problem]]:
    """Understand and check an import.

    Args:
        raw: what was read.
        existing: what the registry holds of the patients and series concerned; rows may refer to it.
        today: the day of the import; later dates are refused.
        update: rows that the registry holds with other content are replaced instead of being problems.
        progress: receives progress.

    Returns:
        The typed rows with computed fields filled, and all problems in order of file, table and row. With problems
        the rows are what could be understood, good for nothing but a preview.
    """
    problems = Problems()
    problems.extend(raw.problems)
    problems.count = max(problems.count, raw.problems.count)
    tables: dict[str, TypedTable] = {}
    unreadable = set(raw.unreadable)
    for place, (name, table) in enumerate(raw.tables.items()):
        progress("check cells", place / max(len(raw.tables), 1))
        typed = typed_table(table, today, problems)
        if typed is None:
            unreadable.add(name)
        else:
            tables[name] = typed
    _derive(tables, existing)
    _check(tables, existing, unreadable, problems, update, progress)
    return _records(tables), problems.sorted()


def validate_records(
    records: Records, existing: Records | None = None, *, today: date, update: bool = False, progress: Progress = silent
) -> list[Problem]:
    """Check typed rows that come from no file; ``row`` counts them from 1 within their entity."""
    problems = Problems()
    tables = {name: _typed_rows(name, records) for name in BY_NAME if records.rows(name)}
    _check(tables, existing, set(), problems, update, progress, today)
    return problems.sorted()


def _typed_rows(name: str, records: Records) -> TypedTable:
    entity, rows = BY_NAME[name], records.rows(name)
    columns = {field: list(cells) for field, cells in zip(entity.columns, zip(*rows, strict=True), strict=True)}
    return TypedTable(entity, RawTable(name, "records", columns, range(1, len(rows) + 1)), columns)


def _derive(tables: dict[str, TypedTable], existing: Records | None) -> None:
    if "lesion" in tables:
        derive_lesions(tables["lesion"].columns)
    if "visit" not in tables:
        return
    visits = tables["visit"].columns
    derive_odi(visits)
    doses: Doses = {}
    fresh: set[object] = set()
    if "opioid_dose" in tables:
        table = tables["opioid_dose"]
        gather_doses(table.columns, doses)
        fresh = set(zip(*(table.columns[name] for name in table.entity.key), strict=True))
    if existing is not None and existing.rows("opioid_dose"):
        entity = BY_NAME["opioid_dose"]
        old = [row for row in existing.rows("opioid_dose") if row[: len(entity.key)] not in fresh]
        if old:
            gather_doses(
                {name: list(cells) for name, cells in zip(entity.columns, zip(*old, strict=True), strict=True)}, doses
            )
    derive_omeq(visits, doses)


def _check(
    tables: dict[str, TypedTable],
    existing: Records | None,
    unreadable: set[str],
    problems: Problems,
    update: bool,
    progress: Progress,
    today: date | None = None,
) -> None:
    with Staging() as staging:
        progress("lay out rows", 0.0)
        staging.load(tables, existing)
        for place, table in enumerate(tables.values()):
            progress("check rows", place / max(len(tables), 1))
            checks.check_required(table, problems)
            if today is not None:
                _check_fields(table, staging, today, problems)
            checks.check_rows(table, staging, problems)
            checks.check_keys(table, staging, problems)
            checks.check_references(table, staging, unreadable, problems)
            if existing is not None and not update:
                checks.check_changed(table, existing, problems)
        progress("check rules across rows", 0.0)
        make_windows(staging)
        apply_rules(all_rules(), staging, tables, unreadable, problems)
        if not unreadable & {"visit", "opioid_dose"}:
            check_doses(staging, tables, problems)
        progress("check rules across rows", 1.0)


def all_rules() -> Iterator[Rule]:
    """Every rule across rows that a query can say."""
    yield from date_rules()
    yield from treatment_rules()
    yield from visit_rules()
    yield from series_rules()


def _check_fields(table: TypedTable, staging: Staging, today: date, problems: Problems) -> None:
    """The conditions on single fields, for rows that were not read from cells."""
    for item in table.entity.fields:
        condition = f"NOT ({field_condition(item)})"
        if item.kind.value == "date":
            condition = f"({condition} OR \"{item.name}\" > '{today.isoformat()}')"
        rows = staging.query(f'SELECT _row FROM "{table.entity.name}" WHERE _row IS NOT NULL AND {condition}')
        for (index,) in rows:
            table.report(
                problems, index, item.name, "not_allowed", f"not a value of {item.label}", f"correct {item.name}"
            )
            table.bad.setdefault(item.name, set()).add(index)


def _records(tables: dict[str, TypedTable]) -> Records:
    return Records({entity.name: list(tables[entity.name].rows()) for entity in ENTITIES if entity.name in tables})
