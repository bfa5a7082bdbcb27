"""``vertherm dicom send``, ``find``, ``get`` and ``echo``: an archive's instances in, out and listed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vertherm.cli.dicom_options import app

if TYPE_CHECKING:
    from vertherm.imaging.pacs.archive import Archive, StudyQuery
    from vertherm.imaging.pacs.outcome import Outcome

NOT_ALL_STORED, REFUSED = 1, 2
CONFIG = typer.Option(None, "--config", help="File with archives (TOML); left out: the user's own.")
JSON = typer.Option(False, "--json", help="Print one JSON document on stdout.")


@app.command("send")
def dicom_send(
    paths: list[Path] = typer.Argument(..., help="DICOM files, or folders with them."),
    to: str = typer.Option(..., "--to", help="Name of an archive, or the address of a DICOMweb service."),
    config: Path | None = CONFIG,
    dry_run: bool = typer.Option(False, "--dry-run", help="Ask and compare, but store nothing."),
    json_out: bool = JSON,
) -> int:
    """Store files in an archive, nothing twice. Exit status 1: not all is there. 2: other content under a UID."""
    from vertherm.cli.progress import shown
    from vertherm.imaging.pacs.transfer import send

    with connected(to, config) as archive, shown() as progress:
        outcome = send(archive, paths, dry_run=dry_run, progress=progress)
    if json_out:
        typer.echo(json.dumps(outcome.document(), indent=2, ensure_ascii=False))
    else:
        tell(outcome)
    if outcome.counts["failed"]:
        return NOT_ALL_STORED
    return REFUSED if outcome.counts["refused"] else 0


@app.command("find")
def dicom_find(
    source: str = typer.Option(..., "--from", help="Name of an archive, or the address of a DICOMweb service."),
    patient: str = typer.Option("", "--patient", help="Patient's name, FAMILY^GIVEN; * and ? are wildcards."),
    patient_id: str = typer.Option("", "--patient-id", help="Patient's number."),
    study: str = typer.Option("", "--study", help="StudyInstanceUID."),
    accession: str = typer.Option("", "--accession", help="Accession number."),
    modality: str = typer.Option("", "--modality", help="For example CT."),
    date: str = typer.Option("", "--date", help="YYYYMMDD, or a range YYYYMMDD-YYYYMMDD."),
    config: Path | None = CONFIG,
    json_out: bool = JSON,
) -> int:
    """List studies with their series. Prints names of patients."""
    from vertherm.core.errors import InputError
    from vertherm.imaging.pacs.archive import StudyQuery

    query = StudyQuery(patient, patient_id, study, accession, modality, date)
    if not query.elements():
        raise InputError("Say what to find.", expected="at least one of --patient, --patient-id, --study, ...")
    with connected(source, config) as archive:
        document = listing(archive, query)
    if json_out:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        tell_listing(document)
    return 0


@app.command("get")
def dicom_get(
    source: str = typer.Option(..., "--from", help="Name of an archive, or the address of a DICOMweb service."),
    study: str = typer.Option(..., "--study", help="StudyInstanceUID."),
    series: str = typer.Option(..., "--series", help="SeriesInstanceUID."),
    output: Path = typer.Option(..., "-o", "--output", help="New or empty folder for the files."),
    config: Path | None = CONFIG,
    json_out: bool = JSON,
) -> int:
    """Bring a series: all of it, as the archive keeps it, or nothing."""
    from vertherm.cli.progress import shown
    from vertherm.imaging.pacs.fetch import fetch

    with connected(source, config) as archive, shown() as progress:
        fetched = fetch(archive, study, series, output, progress=progress)
    if json_out:
        document = {"schema_version": 1, "study_uid": study, "series_uid": series}
        typer.echo(json.dumps({**document, "files": [str(path) for path in fetched.files]}, indent=2))
    else:
        typer.echo(f"{len(fetched.files)} instance(s): {output}")
    return 0


@app.command("echo")
def dicom_echo(
    name: str = typer.Argument(..., help="Name of an archive, or the address of a DICOMweb service."),
    config: Path | None = CONFIG,
) -> int:
    """Ask an archive whether it answers."""
    with connected(name, config) as archive:
        typer.echo(archive.echo())
    return 0


@contextmanager
def connected(name: str, config: Path | None) -> Iterator[Archive]:
    """The archive of that name or address."""
    from vertherm.imaging.pacs.connect import connect
    from vertherm.imaging.pacs.settings import archive_named

    archive = connect(archive_named(name, config))
    try:
        yield archive
    finally:
        archive.close()


def listing(archive: Archive, query: StudyQuery) -> dict[str, Any]:
    """Studies with their series, as a document."""
    from dataclasses import asdict

    from vertherm.imaging.pacs.connect import retry_of

    retry = retry_of(archive.settings)
    studies = []
    for study in retry(lambda: archive.find_studies(query)):
        uid = study.study_uid
        series = retry(lambda uid=uid: archive.find_series(uid))  # type: ignore[misc]
        studies.append({**asdict(study), "series": [asdict(row) for row in series]})
    return {"schema_version": 1, "archive": archive.settings.name, "studies": studies}


def tell_listing(document: dict[str, Any]) -> None:
    """Studies and series in lines."""
    if not document["studies"]:
        typer.echo("No study matches.")
    for study in document["studies"]:
        typer.echo(f"{study['patient_name']}  {study['patient_id']}  {study['date']}  '{study['description']}'")
        typer.echo(f"  study {study['study_uid']}")
        for row in study["series"]:
            count = "" if row["instances"] is None else f"  {row['instances']} instance(s)"
            typer.echo(f"    {row['modality']}{count}  '{row['description']}'")
            typer.echo(f"      series {row['series_uid']}")


def tell(outcome: Outcome) -> None:
    """The outcome in lines: the numbers, and each file that is not there."""
    for row in outcome.rows:
        if row.state in ("refused", "failed"):
            typer.echo(f"{row.state.upper()}  {row.path}: {row.reason}")
    typer.echo(
        f"{outcome.archive}: " + ", ".join(f"{count} {state}" for state, count in outcome.counts.items() if count)
    )
