"""``vertherm dicom deidentify``: a folder of DICOM objects without what identifies anybody."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from vertherm.cli.dicom_options import app

if TYPE_CHECKING:
    from vertherm.imaging.deidentify.profile import Dates, Profile
    from vertherm.imaging.deidentify.run import Outcome

REFUSED = 2


@app.command("deidentify")
def dicom_deidentify(
    source: Path = typer.Argument(..., help="DICOM file, or folder with some."),
    output: Path = typer.Option(..., "-o", "--output", help="New or empty folder, outside the source."),
    key: Path | None = typer.Option(
        None, "--key", help="File with the key (64 hexadecimal digits); left out: the variable VERTHERM_DEIDENTIFY_KEY."
    ),
    new_key: bool = typer.Option(False, "--new-key", help="Make the key file first; an existing one is not replaced."),
    dates: str = typer.Option("shift", "--dates", help="shift (keyed, intervals stay), remove, or keep."),
    retain: list[str] = typer.Option(
        [], "--retain", help="patient (sex, age, size, weight), device, institution, uids, safe-private."
    ),
    accept: list[str] = typer.Option(
        [], "--accept", help="Write what is refused otherwise: burnt-in, documents, free-text."
    ),
    descriptors: bool = typer.Option(True, "--descriptors/--no-descriptors", help="Clean descriptors, or remove them."),
    graphics: bool = typer.Option(False, "--graphics", help="Clean graphic annotations instead of removing them."),
    patients: Path | None = typer.Option(
        None, "--patients", help="Table (CSV: patient_id, patient_key) of the registry's keys of these patients."
    ),
    json_out: bool = typer.Option(False, "--json", help="Print deidentified.json on stdout, nothing else."),
) -> int:
    """De-identify by the basic profile of DICOM PS3.15. Exit status 2: some objects were refused."""
    from vertherm.cli.progress import shown
    from vertherm.imaging.deidentify.patients import load_patients
    from vertherm.imaging.deidentify.profile import Profile
    from vertherm.imaging.deidentify.run import check_folders, deidentify

    profile = Profile(
        dates=cast("Dates", dates),
        retain=frozenset(retain),
        descriptors=descriptors,
        graphics=graphics,
        accept=frozenset(accept),
    )
    check_folders(source, output)
    known = load_patients(patients) if patients is not None else {}
    secret = the_key(key, new_key, output)
    with shown() as progress:
        outcome = deidentify(source, output, secret, profile, patients=known, progress=progress)
    tell(outcome, profile, output, json_out)
    return REFUSED if outcome.refused else 0


def the_key(path: Path | None, make: bool, output: Path) -> bytes:
    """The key, made first where asked.

    Raises:
        InputError: no key, or one that would lie in the output.
    """
    from vertherm.core.errors import InputError
    from vertherm.imaging.deidentify.key import load_key, make_key

    if path is not None and output.resolve() in path.resolve().parents:
        raise InputError(
            "The key would lie in the output.", where=str(path), advice="keep it where the output never goes"
        )
    if not make:
        secret = load_key(path)
        if path is not None and others_read(path):
            typer.echo(f"Note: others can read the key {path}; chmod 600 keeps it to you.", err=True)
        return secret
    if path is None:
        raise InputError("A new key needs a file.", expected="--key FILE", advice="name one with --key")
    return make_key(path)


def others_read(path: Path) -> bool:
    """True where a file's permissions let others than its owner read it; only POSIX systems tell."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


def tell(outcome: Outcome, profile: Profile, output: Path, json_out: bool) -> None:
    """The outcome in lines, or as the one JSON document; refused files are named on stderr only."""
    import json

    from vertherm.imaging.deidentify.report import document

    for row in outcome.refused:
        advice = f" (--accept {row.accept} writes it)" if row.accept else ""
        typer.echo(f"REFUSED  {row.path}: {row.reason} {row.tag}".rstrip() + advice, err=True)
    told = document(outcome, profile)
    if json_out:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    typer.echo(
        f"{told['instances']} object(s) of {told['patients']} patient(s) in {told['studies']} study(ies): {output}"
    )
    typer.echo(", ".join(f"{count} {action}" for action, count in told["actions"].items()))
    if outcome.refused:
        typer.echo(f"{len(outcome.refused)} object(s) refused.")
    for note in told["notes"]:
        typer.echo(f"Note: {note}.")
