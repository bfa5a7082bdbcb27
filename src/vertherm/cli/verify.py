"""``vertherm verify``: follow-up imaging against the plan."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vertherm.followup.document import Verification
    from vertherm.followup.entry import FollowupFile

NOT_COVERED = 3


class Modality(StrEnum):
    """Kinds of examination."""

    ct = "CT"
    mr = "MR"


def verify(
    plan: Path = typer.Argument(..., help="Output folder of `vertherm plan`, `simulate` or `demo`."),
    followup: Path = typer.Argument(
        ..., help="Follow-up file (TOML), or one examination: DICOM folder, ZIP, NIfTI file."
    ),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for verify.html, verify.json and masks."),
    case: Path | None = typer.Option(None, "--case", help="Case file, where the plan's folder does not hold the CT."),
    contrast: bool = typer.Option(False, "--contrast", help="One examination: contrast medium was given."),
    native: Path | None = typer.Option(None, "--native", help="One examination: the same without contrast medium."),
    zone: Path | None = typer.Option(None, "--zone", help="One examination: treated zone, drawn on it."),
    modality: Modality = typer.Option(Modality.ct, "--modality", help="One examination."),
    date: datetime | None = typer.Option(None, "--date", formats=["%Y-%m-%d"], help="One examination."),
    json_out: bool = typer.Option(False, "--json", help="Print verify.json on stdout, nothing else."),
) -> int:
    """Was the lesion covered, was the prediction right, is anything new? Exit status 3: not covered, or progression."""
    from vertherm.cli.progress import shown
    from vertherm.core.files import atomic_folder
    from vertherm.followup.entry import load_followup, single
    from vertherm.followup.outputs import replaceable, write_followup
    from vertherm.followup.planned import load_planned
    from vertherm.followup.rows import verification
    from vertherm.followup.verify import verify as run
    from vertherm.report.verify import write_verify_page

    with shown() as progress:
        if followup.suffix.lower() == ".toml":
            entry: FollowupFile = load_followup(followup)
        else:
            day = None if date is None else date.date()
            entry = single(followup, date=day, contrast=contrast, modality=modality.value, native=native, zone=zone)
        replaced = replaceable(output)
        planned = load_planned(plan, case, progress)
        result = run(planned, entry, progress)
        document = verification(result)
        progress("report", 0.0)
        with atomic_folder(output, owned=replaced) as folder:
            write_followup(result, document, folder)
            write_verify_page(result, document, folder / "verify.html")
        progress("report", 1.0)
    tell(document, output, json_out)
    return NOT_COVERED if _alarming(document) else 0


def _alarming(document: Verification) -> bool:
    return any(row.coverage == "not covered" or row.progression == "suggested" for row in document.rows)


def tell(document: Verification, output: Path, json_out: bool) -> None:
    """The follow-up in a few lines."""
    if json_out:
        typer.echo(document.model_dump_json(indent=2))
        return
    typer.echo(f"{document.title}" + ("  SYNTHETIC" if document.synthetic else ""))
    for row in document.rows:
        typer.echo(f"{row.target} ({row.level}), {row.examination}: {row.coverage}")
        typer.echo(f"  {row.words}")
        for found in row.findings:
            typer.echo(f"  new: {found.kind} {found.place}, {found.volume_ml:.1f} ml, {found.longest_mm:.0f} mm")
        typer.echo(f"  local progression: {row.progression}. {row.progression_words}")
        for item in row.suggestions:
            typer.echo(f"  {item.criterion}: {item.response} ({item.words})")
    typer.echo("A suggestion: a reader confirms it.")
    typer.echo(document.notice)
    typer.echo(f"Report: {output / 'verify.html'}")
