"""``vertherm registry``: freeze, back up, lock, sign, look back, compare."""

from __future__ import annotations

from pathlib import Path

import typer

from vertherm.cli.registry_options import BROKEN, DB, SERIES, USER, WHY, Format, app, counted, user_name


@app.command("freeze")
def freeze(
    output: Path | None = typer.Option(None, "-o", "--output", help="Folder for the snapshot and the exported head."),
    verify: int | None = typer.Option(None, "--verify", min=1, help="Compare today's data with this freeze instead."),
    series: str | None = SERIES,
    db: str | None = DB,
    user: str | None = USER,
    why: str = WHY,
) -> int:
    """Fix the data as they are: their hash, a snapshot, the head of the audit chain. --verify: status 3 on change."""
    from vertherm.cli.progress import shown
    from vertherm.core.errors import InputError
    from vertherm.registry.database import Registry
    from vertherm.registry.freeze import freeze as make
    from vertherm.registry.freeze import verify as compare_with

    with Registry.open(db) as registry, shown() as progress:
        if verify is not None:
            state = compare_with(registry, verify, progress=progress)
        elif output is None:
            raise InputError("A freeze needs a folder.", expected="-o FOLDER", advice="name one with -o")
        else:
            reason = why or "data freeze"
            made = make(registry, user=user_name(user), why=reason, series=series, folder=output, progress=progress)
    if verify is not None:
        typer.echo(f"Freeze {verify}: today's data are {'the same' if state.unchanged else 'NOT the same'}.")
        for name, (then, now) in state.changes.items():
            typer.echo(f"  {name}: {then} rows then, {now} now")
        return 0 if state.unchanged else BROKEN
    typer.echo(f"Freeze {made.freeze_no}: data SHA-256 {made.data_sha256}")
    for path in made.files:
        typer.echo(str(path))
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
        report = read(path, db, allow_unsigned=allow_unsigned, progress=progress)
    if not report.verified_with_key:
        typer.echo("Note: the sealing key did not confirm this backup: its hashes show damage, but no forger.")
        typer.echo(f"To write to the registry you need its key: {report.key_path}")
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
        make(registry, patient, table, record, user=user_name(user), why=why or "lock")
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
        remove(registry, patient, table, record, user=user_name(user), why=why)
    typer.echo("Unlocked. Signatures of these records are void.")
    return 0


@app.command("locks")
def locks(
    patient: str | None = typer.Argument(None, help="Key of a patient; default: all."), db: str | None = DB
) -> int:
    """What is locked and signed, by whom and when; void signatures stay visible."""
    from vertherm.registry.database import Registry
    from vertherm.registry.lock import locks as all_locks
    from vertherm.registry.signature import signatures

    with Registry.open(db) as registry:
        for item in all_locks(registry, patient):
            typer.echo(f"{item.ref}: locked by {item.locked_by} at {item.locked_at}")
        for mark in signatures(registry, patient):
            void = f"; VOID since {mark.voided_at}" if mark.voided else ""
            typer.echo(
                f"{mark.ref}: signed by {mark.printed_name} ({mark.signed_by}), "
                f"{mark.meaning!r}, {mark.signed_at}{void}"
            )
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
        make(registry, patient, table, record, user=user_name(user), printed_name=printed_name, meaning=meaning)
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
        number = link(registry, patient, procedure, document, user=user_name(user), why=why or f"plan {document.name}")
    typer.echo(f"Plan {number} of procedure {procedure} of {patient}.")
    return 0


@app.command("record-followup")
def record_followup(
    document: Path = typer.Argument(..., help="verify.json, as vertherm verify wrote it."),
    patient: str = typer.Option(..., "--patient", help="Key of the patient."),
    lesion: list[str] = typer.Option(..., "--lesion", help="TARGET=NUMBER: the lesion that a target is."),
    confirmed_by: str = typer.Option(..., "--confirmed-by", help="Reader who confirms the result on the images."),
    response: list[str] = typer.Option(
        [], "--response", help="EXAMINATION:TARGET=CRITERION,RESPONSE,PROGRESSION as the reader states them."
    ),
    examination: list[str] = typer.Option(
        [], "--examination", help="NAME=NUMBER; default: found by date and modality, or new."
    ),
    replace: bool = typer.Option(False, "--replace", help="Overwrite what is recorded of these lesions and scans."),
    db: str | None = DB,
    user: str | None = USER,
    why: str = WHY,
) -> int:
    """Record a follow-up that a reader confirmed: examinations, responses, treated and predicted zones."""
    from vertherm.cli.registry_followup import answers, numbers, read_document, tell
    from vertherm.registry.database import Registry
    from vertherm.registry.verification import record_verification

    content = read_document(document)
    with Registry.open(db) as registry:
        done = record_verification(
            registry,
            content,
            patient_key=patient,
            lesions=numbers(lesion, "--lesion"),
            confirmed_by=confirmed_by,
            examinations=numbers(examination, "--examination"),
            responses=answers(response),
            replace=replace,
            user=user_name(user),
            why=why or f"follow-up {document.name}, confirmed by {confirmed_by.strip()}",
        )
    tell(done)
    return 0


@app.command("devices")
def devices(
    output: Path | None = typer.Option(None, "-o", "--output", help="Also write it to this file: .csv or .json."),
    series: str | None = SERIES,
    db: str | None = DB,
) -> int:
    """Treated against predicted zones by device and metric: what calibrates a device over a series."""
    from vertherm.cli.registry_followup import write_devices
    from vertherm.registry.database import Registry
    from vertherm.review.devices import device_lines, device_record

    with Registry.open(db) as registry:
        rows = device_record(registry.frames(series))
    if output is not None:
        write_devices(rows, output)
    for line in device_lines(rows):
        typer.echo(line)
    return 0


@app.command("compare")
def compare(
    first: Path = typer.Argument(..., help="First entry."),
    second: Path = typer.Argument(..., help="Second entry of the same records."),
    format: Format | None = typer.Option(None, "--format", help="Default: found from the content."),  # noqa: A002
) -> int:
    """Compare two entries of the same records cell by cell (double data entry). Exit status 3: they differ."""
    from vertherm.registry.entry_compare import compare_files

    found = compare_files(first, second, format.value if format else None)
    for difference in found.differences:
        typer.echo(str(difference))
    rate = "" if found.error_rate is None else f", {100 * found.error_rate:.2f} % of {found.cells} cells"
    differences = counted(len(found.differences), "difference")
    typer.echo(f"{differences} in {counted(found.rows, 'common row')}{rate}.")
    return BROKEN if found.differences else 0
