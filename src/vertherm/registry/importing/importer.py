"""Imports: read, check everything, then write in one transaction what is new or, if asked for, what has changed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from vertherm.core.progress import Progress, silent
from vertherm.registry.importing.existing import existing_records, patients_in, patients_of
from vertherm.registry.importing.problem import ImportProblems, Problem
from vertherm.registry.importing.raw import RawTables
from vertherm.registry.importing.reader import MAX_MB, read
from vertherm.registry.importing.validator import validate, validate_records
from vertherm.registry.reading import snapshot
from vertherm.registry.records import Records, Row
from vertherm.registry.schema.catalogue import BY_NAME, ENTITIES

if TYPE_CHECKING:
    from vertherm.registry.database import Registry


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Args:
        inserted, updated, unchanged: number of rows by entity; entities without any are left out.
        notes: what was taken as meant (a separator, a format).
    """

    inserted: dict[str, int] = field(default_factory=dict)
    updated: dict[str, int] = field(default_factory=dict)
    unchanged: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> int:
        """Number of rows that were written."""
        return sum(self.inserted.values()) + sum(self.updated.values())

    def text(self) -> str:
        """The report in one line."""
        parts = [
            f"{sum(counts.values()):,} {what}"
            for what, counts in (
                ("inserted", self.inserted),
                ("updated", self.updated),
                ("unchanged", self.unchanged),
            )
        ]
        return ", ".join(parts)


@dataclass
class _Plan:
    """Rows to write, by entity."""

    insert: dict[str, list[Row]] = field(default_factory=dict)
    update: dict[str, list[Row]] = field(default_factory=dict)
    unchanged: dict[str, int] = field(default_factory=dict)

    def report(self, notes: tuple[str, ...]) -> ImportReport:
        """The same as numbers."""
        count = {name: len(rows) for name, rows in self.insert.items()}
        return ImportReport(count, {name: len(rows) for name, rows in self.update.items()}, self.unchanged, notes)


def import_path(
    registry: Registry,
    path: Path | str,
    format: str | None = None,  # noqa: A002
    *,
    user: str,
    why: str,
    update: bool = False,
    max_mb: float = MAX_MB,
    today: date | None = None,
    progress: Progress = silent,
) -> ImportReport:
    """Import a file or folder, wholly or not at all. Importing the same again changes nothing.

    Args:
        registry: where to.
        path: a folder or zip of CSV, one CSV named after its table, a workbook, a JSON document, a REDCap export.
        format: one of ``raw.FORMATS``; found from the content where it is None.
        user, why: who imports and the reason, for the audit.
        update: replace rows that are there with other content; without it they are problems. Rows of the registry
            that the import does not name stay as they are.
        max_mb: larger inputs are refused before they are read.
        today: later dates are refused; the day of the clock unless given.
        progress: receives progress.

    Raises:
        ImportProblems: something in it cannot be taken; carries every problem.
        InputError: the file as a whole cannot be read, or the database refused.
    """
    with _few_collections():
        progress("read", 0.0)
        raw = read(path, format, max_mb=max_mb)
        records, existing = check_raw(registry, raw, today=today, update=update, progress=progress)
        notes = tuple(raw.notes)
        del raw
        return _write(registry, records, existing, user, why, update, notes, progress)


def check_path(
    registry: Registry,
    path: Path | str,
    format: str | None = None,  # noqa: A002
    *,
    update: bool = False,
    max_mb: float = MAX_MB,
    today: date | None = None,
    progress: Progress = silent,
) -> ImportReport:
    """What :func:`import_path` would do; nothing is written.

    Raises:
        ImportProblems, InputError: as :func:`import_path`.
    """
    raw = read(path, format, max_mb=max_mb)
    records, existing = check_raw(registry, raw, today=today, update=update, progress=progress)
    return _plan(records, existing).report(tuple(raw.notes))


def check_raw(
    registry: Registry, raw: RawTables, *, today: date | None, update: bool, progress: Progress = silent
) -> tuple[Records, Records]:
    """Typed rows of an import, and what the registry holds of the same patients.

    Raises:
        ImportProblems: with every problem.
    """
    with snapshot(registry.engine) as connection:
        existing = existing_records(connection, patients_in(raw))
    records, problems = validate(raw, existing, today=today or date.today(), update=update, progress=progress)
    if problems:
        raise ImportProblems(problems, raw.source)
    return records, existing


def import_records(
    registry: Registry,
    records: Records,
    *,
    user: str,
    why: str,
    update: bool = False,
    today: date | None = None,
    progress: Progress = silent,
) -> ImportReport:
    """Import typed rows, wholly or not at all, with the same rules as a file.

    Raises:
        ImportProblems: rows that contradict the data dictionary, each other or the registry.
        InputError: the database refused.
    """
    with _few_collections():
        with snapshot(registry.engine) as connection:
            existing = existing_records(connection, patients_of(records))
        problems = validate_records(records, existing, today=today or date.today(), update=update, progress=progress)
        if problems:
            raise ImportProblems(problems, "records")
        return _write(registry, records, existing, user, why, update, (), progress)


def _write(
    registry: Registry,
    records: Records,
    existing: Records,
    user: str,
    why: str,
    update: bool,
    notes: tuple[str, ...],
    progress: Progress,
) -> ImportReport:
    plan = _plan(records, existing)
    if not plan.insert and not plan.update:
        return plan.report(notes)
    patients = patients_of(records)
    with registry.transaction(user=user, why=why) as writer:
        # Others may have written since the check; from here on nobody else does.
        plan = _plan(records, existing_records(writer.connection, patients))
        if plan.update and not update:
            raise ImportProblems(_overtaken(plan), "records")
        total = max(sum(map(len, [*plan.insert.values(), *plan.update.values()])), 1)
        done = 0
        for entity in ENTITIES:
            for rows, send in ((plan.insert, writer.insert), (plan.update, writer.update)):
                if entity.name in rows:
                    progress(f"write {entity.label.lower()}", done / total)
                    done += send(entity.name, rows[entity.name])
        progress("seal and commit", done / total)
    return plan.report(notes)


def _plan(records: Records, existing: Records) -> _Plan:
    plan = _Plan()
    for entity in ENTITIES:
        size = len(entity.key)
        old = {row[:size]: row for row in existing.rows(entity.name)}
        same = 0
        for row in records.rows(entity.name):
            before = old.get(row[:size]) if old else None
            if before is None:
                plan.insert.setdefault(entity.name, []).append(row)
            elif before == row:
                same += 1
            else:
                plan.update.setdefault(entity.name, []).append(row)
        if same:
            plan.unchanged[entity.name] = same
    return plan


def _overtaken(plan: _Plan) -> list[Problem]:
    return [
        Problem(
            "records",
            name,
            0,
            BY_NAME[name].key[-1],
            "|".join(str(value) for value in row[: len(BY_NAME[name].key)]),
            "somebody else has just entered this row with other content",
            "look at it, then import again",
            "changed_row",
        )
        for name, rows in plan.update.items()
        for row in rows
    ]


@contextmanager
def _few_collections() -> Iterator[None]:
    """Millions of small objects that all live: the collector would walk over them again and again for nothing."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 1000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
