"""``vertherm registry``: set up, fill, read out and check the registry."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vertherm.cli.registry_options import BROKEN, DB, SERIES, USER, WHY, Format, Level, app, counted, user_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vertherm.registry.importing.importer import ImportReport
    from vertherm.registry.importing.problem import Problem


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
    from vertherm.registry.database import Registry
    from vertherm.registry.importing.importer import check_path, import_path
    from vertherm.registry.importing.problem import ImportProblems

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
                    user=user_name(user),
                    why=reason,
                    update=update,
                    max_mb=max_mb,
                    progress=progress,
                )
        except ImportProblems as error:
            _write_problems(problems, error.problems)
            raise
        # An older list must not outlive the problems that it names.
        _write_problems(problems, ())
    if dry_run:
        typer.echo("Dry run, nothing was written. This would be:")
    _tell_import(report)
    return 0


def _write_problems(path: Path | None, problems: Sequence[Problem]) -> None:
    from vertherm.core.files import atomic_path
    from vertherm.registry.importing.problem import problems_csv

    if path is None:
        return
    with atomic_path(path) as temporary:
        temporary.write_text(problems_csv(problems), "utf-8")
    typer.echo(f"All {counted(len(problems), 'problem')}: {path}" if problems else f"No problems: {path}", err=True)


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
            user=user_name(user),
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
    said = f"{counted(len(report.findings), 'finding')}."
    typer.echo(said if report.findings else "Nothing found: data and audit trail agree.")
    return BROKEN if report.findings else 0
