"""``vertherm registry``: set up, fill, check, freeze, back up and read out the registry."""

from __future__ import annotations

import getpass
import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vertherm.registry.importing.importer import ImportReport
    from vertherm.registry.records import Records

app = typer.Typer(
    help="The registry: patients, lesions, procedures, follow-up, with an audit of every change.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
BROKEN = 3

DB = typer.Option(None, "--db", help="SQLite file or postgresql:// address; default: a file in the user's data folder.")
USER = typer.Option(None, "--user", help="Who does it; default: VERTHERM_USER, else the name of the account.")
WHY = typer.Option("", "--why", help="Reason for the audit trail.")
SERIES = typer.Option(None, "--series", help="One series; default: all.")


class Format(StrEnum):
    """Exchange formats."""

    csv = "csv"
    xlsx = "xlsx"
    redcap = "redcap"
    json = "json"


class Level(StrEnum):
    """How much an export may say."""

    none = "none"
    deidentified = "deidentified"
    full = "full"


def _user(name: str | None) -> str:
    return name or os.environ.get("VERTHERM_USER") or getpass.getuser()


@app.command("init")
def init(db: str | None = DB) -> int:
    """Make an empty registry and the key that seals its audit trail."""
    from vertherm.registry.database import Registry
    from vertherm.registry.key import VARIABLE, key_path

    with Registry.create(db) as registry:
        place = f"the variable {VARIABLE}" if os.environ.get(VARIABLE) else str(key_path(registry.registry_id))
        typer.echo(f"Registry {registry.registry_id} is ready: {registry.url}")
        typer.echo(f"Its sealing key: {place}")
        typer.echo("Keep a copy of the key apart from the database; without it nothing can be written or verified.")
    return 0


@app.command("import")
def import_(
    path: Path = typer.Argument(..., help="Folder or zip of CSV files, an XLSX file, JSON, or a REDCap export."),
    format: Format | None = typer.Option(None, "--format", help="Default: found from the content."),  # noqa: A002
    db: str | None = DB,
    update: bool = typer.Option(False, "--update", help="Change rows that are there with other content."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check everything, write nothing."),
    problems: Path | None = typer.Option(None, "--problems", help="Write all problems to this CSV file."),
    max_mb: float = typer.Option(500.0, "--max-mb", min=0.001, help="Refuse larger files before reading them."),
    user: str | None = USER,
    why: str = WHY,
) -> int:
    """Take in records, all or none; problems are listed with row, column, value, reason and remedy."""
    from vertherm.cli.progress import shown
    from vertherm.core.files import atomic_path
    from vertherm.registry.database import Registry
    from vertherm.registry.importing.importer import check_path, import_path
    from vertherm.registry.importing.problem import ImportProblems, problems_csv

    with Registry.open(db) as registry, shown() as progress:
        try:
            kind = format.value if format else None
            if dry_run:
                report = check_path(registry, path, kind, update=update, max_mb=max_mb, progress=progress)
            else:
                reason = why or f"import of {path.name}"
                report = import_path(
                    registry,
                    path,
                    kind,
                    user=_user(user),
                    why=reason,
                    update=update,
                    max_mb=max_mb,
                    progress=progress,
                )
        except ImportProblems as error:
            if problems is not None:
                with atomic_path(problems) as temporary:
                    temporary.write_text(problems_csv(error.problems), "utf-8")
                typer.echo(f"All {len(error.problems)} problems: {problems}", err=True)
            raise
    if dry_run:
        typer.echo("Dry run, nothing was written. This would be:")
    _tell_import(report)
    return 0


def _tell_import(report: ImportReport) -> None:
    for note in report.notes:
        typer.echo(f"Note: {note}")
    names = dict.fromkeys([*report.inserted, *report.updated, *report.unchanged])
    for name in names:
        typer.echo(
            f"{name}: {report.inserted.get(name, 0)} new, {report.updated.get(name, 0)} changed, "
            f"{report.unchanged.get(name, 0)} as before"
        )
    if not names:
        typer.echo("There was nothing to import.")


@app.command("export")
def export(
    path: Path = typer.Argument(..., help="File (xlsx, json) or folder (csv, redcap) to write."),
    format: Format = typer.Option(Format.csv, "--format"),  # noqa: A002
    level: Level = typer.Option(
        Level.deidentified, "--level", help="none: structure only; deidentified: shifted dates; full."
    ),
    series: str | None = SERIES,
    db: str | None = DB,
) -> int:
    """Write records out; de-identified unless told otherwise."""
    from vertherm.cli.progress import shown
    from vertherm.registry.database import Registry
    from vertherm.registry.exporting.exporter import export as write

    with Registry.open(db) as registry, shown() as progress:
        written = write(registry, path, format.value, level=level.value, series=series, progress=progress)
    for item in written:
        typer.echo(str(item))
    return 0


@app.command("synthetic")
def synthetic(
    name: str = typer.Argument(..., help="khan2018, bmc2022 or stress."),
    seed: int = typer.Option(0, "--seed", min=0),
    patients: int | None = typer.Option(None, "--patients", min=1, help="Number of patients (stress only)."),
    db: str | None = DB,
    user: str | None = USER,
    why: str = WHY,
) -> int:
    """Put a made-up series into the registry. It tests the software; it is no evidence."""
    from vertherm.cli.progress import shown
    from vertherm.registry.database import Registry
    from vertherm.registry.importing.importer import import_records
    from vertherm.registry.synthetic import generate

    records = generate(name, seed=seed, patients=patients)
    with Registry.open(db) as registry, shown() as progress:
        report = import_records(
            registry,
            records,
            user=_user(user),
            why=why or f"synthetic series {name}, seed {seed}",
            progress=progress,
        )
    _tell_import(report)
    typer.echo(f"SYNTHETIC series {name} (seed {seed}): made up to test the software, no evidence of anything.")
    return 0


@app.command("check")
def check(
    db: str | None = DB,
    heads: list[Path] = typer.Option([], "--head", help="Exported head(s) of the chain to compare with."),
    json_out: bool = typer.Option(False, "--json", help="Print one JSON document on stdout."),
) -> int:
    """Prove that the audit trail is whole and that the data are what it says. Exit status 3: they are not."""
    from vertherm.cli.progress import shown
    from vertherm.registry.check import check as run
    from vertherm.registry.database import Registry

    with Registry.open(db) as registry, shown() as progress:
        report = run(registry, heads=heads, progress=progress)
    if json_out:
        typer.echo(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
        return BROKEN if report.findings else 0
    for finding in report.findings:
        typer.echo(f"{finding.kind}: {finding.where}: {finding.what}")
    key = "with the key" if report.verified_with_key else "WITHOUT the key: forged seals would go unseen"
    typer.echo(f"{report.audit_rows} changes in {report.seals} seals read, verified {key}.")
    typer.echo(f"{len(report.findings)} findings." if report.findings else "Nothing found: data and audit trail agree.")
    return BROKEN if report.findings else 0


@app.command("freeze")
def freeze(
    output: Path = typer.Option(..., "-o", "--output", help="Folder for the snapshot and the exported head."),
    series: str | None = SERIES,
    db: str | None = DB,
    user: str | None = USER,
    why: str = WHY,
) -> int:
    """Fix the data as they are: their hash, a snapshot, and the head of the audit chain."""
    from vertherm.registry.database import Registry
    from vertherm.registry.freeze import freeze as make

    with Registry.open(db) as registry:
        made = make(registry, user=_user(user), why=why or "data freeze", series=series, folder=output)
    typer.echo(f"Freeze {made.freeze_no}: data SHA-256 {made.data_sha256}")
    typer.echo("Keep the exported head apart from the database: it is what proves that nothing was cut off later.")
    return 0


@app.command("backup")
def backup(path: Path = typer.Argument(..., help="Zip file to write."), db: str | None = DB) -> int:
    """Everything but the key in one file: data, audit trail, seals, locks, signatures, freezes."""
    from vertherm.cli.progress import shown
    from vertherm.registry.backup import backup as write
    from vertherm.registry.database import Registry

    with Registry.open(db) as registry, shown() as progress:
        write(registry, path, progress=progress)
    typer.echo(f"{path}. The sealing key is not in it: keep that apart, and keep it.")
    return 0


@app.command("restore")
def restore(
    path: Path = typer.Argument(..., help="A backup."),
    db: str = typer.Option(..., "--db", help="An empty or new database."),
    allow_unsigned: bool = typer.Option(False, "--allow-unsigned", help="Accept a backup made without the key."),
) -> int:
    """Bring a backup back into an empty database, SQLite or PostgreSQL."""
    from vertherm.cli.progress import shown
    from vertherm.registry.restore import restore as read

    with shown() as progress:
        read(path, db, allow_unsigned=allow_unsigned, progress=progress)
    typer.echo(f"Restored. Next: vertherm registry check --db {db}")
    return 0


_PATIENT = typer.Argument(..., help="Key of the patient.")
_ENTITY = typer.Option("*", "--table", help="One table, with --record; default: everything of the patient.")
_RECORD = typer.Option("", "--record", help="Key of one record, its parts joined by '|'.")


@app.command("lock")
def lock(
    patient: str = _PATIENT,
    table: str = _ENTITY,
    record: str = _RECORD,
    db: str | None = DB,
    user: str | None = USER,
    why: str = WHY,
) -> int:
    """Lock records against change; unlocking is possible, audited, and voids signatures."""
    from vertherm.registry.database import Registry
    from vertherm.registry.lock import lock as make

    with Registry.open(db) as registry:
        make(registry, patient, table, record, user=_user(user), why=why or "lock")
    typer.echo("Locked.")
    return 0


@app.command("unlock")
def unlock(
    patient: str = _PATIENT,
    table: str = _ENTITY,
    record: str = _RECORD,
    db: str | None = DB,
    user: str | None = USER,
    why: str = typer.Option(..., "--why", help="Reason for the audit trail."),
) -> int:
    """Unlock records; their signatures become void."""
    from vertherm.registry.database import Registry
    from vertherm.registry.lock import unlock as remove

    with Registry.open(db) as registry:
        remove(registry, patient, table, record, user=_user(user), why=why)
    typer.echo("Unlocked. Signatures of these records are void.")
    return 0


@app.command("sign")
def sign(
    patient: str = _PATIENT,
    printed_name: str = typer.Option(..., "--name", help="Printed name of the person who signs."),
    meaning: str = typer.Option(..., "--meaning", help="What the signature means, for instance 'reviewed'."),
    table: str = _ENTITY,
    record: str = _RECORD,
    db: str | None = DB,
    user: str | None = USER,
) -> int:
    """Sign locked records: name, date and meaning, bound to their content."""
    from vertherm.registry.database import Registry
    from vertherm.registry.signature import sign as make

    with Registry.open(db) as registry:
        make(registry, patient, table, record, user=_user(user), printed_name=printed_name, meaning=meaning)
    typer.echo("Signed.")
    return 0


@app.command("history")
def history(
    patient: str = _PATIENT,
    table: str | None = typer.Option(None, "--table", help="One table only."),
    db: str | None = DB,
) -> int:
    """Every change of a patient's records: when, who, what, old, new, why."""
    from vertherm.registry.database import Registry
    from vertherm.registry.history import history as read

    with Registry.open(db) as registry:
        changes = read(registry, patient, table)
    for change in changes:
        typer.echo(str(change))
    return 0


@app.command("link-plan")
def link_plan(
    patient: str = _PATIENT,
    procedure: int = typer.Argument(..., min=1, help="Number of the procedure."),
    document: Path = typer.Argument(..., help="assessment.json of the plan that was followed."),
    db: str | None = DB,
    user: str | None = USER,
    why: str = WHY,
) -> int:
    """Record the plan that a procedure followed: id, hash and document."""
    from vertherm.registry.database import Registry
    from vertherm.registry.plan import link_plan as link

    with Registry.open(db) as registry:
        number = link(registry, patient, procedure, document, user=_user(user), why=why or f"plan {document.name}")
    typer.echo(f"Plan {number} of procedure {procedure} of {patient}.")
    return 0


@app.command("compare")
def compare(
    first: Path = typer.Argument(..., help="First entry."),
    second: Path = typer.Argument(..., help="Second entry of the same records."),
    format: Format | None = typer.Option(None, "--format", help="Default: found from the content."),  # noqa: A002
) -> int:
    """Compare two entries of the same records cell by cell (double data entry). Exit status 3: they differ."""
    from vertherm.registry.entry_compare import compare as beside

    found = beside(_entry(first, format), _entry(second, format))
    for difference in found.differences:
        typer.echo(
            f"{difference.entity} {difference.record_key} {difference.field}: {difference.first} | {difference.second}"
        )
    rate = "" if found.error_rate is None else f", {100 * found.error_rate:.2f} % of {found.cells} cells"
    typer.echo(f"{len(found.differences)} differences in {found.rows} common rows{rate}.")
    return BROKEN if found.differences else 0


def _entry(path: Path, kind: Format | None) -> Records:
    """One entry, checked as an import is, but against no registry."""
    from datetime import date

    from vertherm.registry.importing.problem import ImportProblems
    from vertherm.registry.importing.read import read
    from vertherm.registry.importing.validate import validate

    raw = read(path, kind.value if kind else None)
    records, problems = validate(raw, None, today=date.today())
    if problems:
        raise ImportProblems(problems, raw.source)
    return records
