"""``vertherm review``: the efficacy-and-safety review of a series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pandas import DataFrame


def review(
    output: Path = typer.Option(..., "-o", "--output", help="Folder for review.html, .pdf, .docx, .json and tables."),
    db: str | None = typer.Option(
        None, "--db", envvar="VERTHERM_DB", help="SQLite file or postgresql:// address; default: the user's."
    ),
    series: str | None = typer.Option(None, "--series", help="Needed where the registry holds several."),
    snapshot: Path | None = typer.Option(None, "--snapshot", help="Review a data freeze instead of the database."),
    pdf: bool = typer.Option(True, help="Write review.pdf."),
    docx: bool = typer.Option(True, help="Write review.docx."),
    json_out: bool = typer.Option(False, "--json", help="Print review.json on stdout, nothing else."),
) -> int:
    """Tables, figures and numbers of the whole series, with what was done and what could not be estimated."""
    from vertherm.cli.progress import shown
    from vertherm.report.review import write_review
    from vertherm.review.build import build_review
    from vertherm.review.options import ReviewOptions

    with shown() as progress:
        frames, freeze = _frames(db, series, snapshot)
        name = _one_series(frames, series)
        made = build_review(frames, name, ReviewOptions(freeze=freeze), progress=progress)
        write_review(made, output, pdf=pdf, docx=docx, progress=progress)
    if json_out:
        typer.echo((output / "review.json").read_text("utf-8"), nl=False)
    else:
        _tell(made.heading, output)
    return 0


def _frames(db: str | None, series: str | None, snapshot: Path | None) -> tuple[dict[str, DataFrame], str]:
    """The data, and which freeze they are."""
    from vertherm.registry.database import Registry

    if snapshot is None:
        with Registry.open(db) as registry:
            return registry.frames(series), ""
    from vertherm.registry.frames import frames_of
    from vertherm.registry.snapshot_file import load_snapshot

    return frames_of(load_snapshot(snapshot)), snapshot.name


def _one_series(frames: dict[str, DataFrame], series: str | None) -> str:
    """The series to review.

    Raises:
        InputError: there is none, or several and nobody said which.
    """
    from vertherm.core.errors import InputError

    there = sorted(frames["series"]["series"])
    if series is None and len(there) == 1:
        return str(there[0])
    if series in there:
        return str(series)
    raise InputError(
        "Which series shall be reviewed?" if there else "The registry holds no series.",
        where="--series",
        got=series or "nothing",
        expected=", ".join(there) or "at least one series with patients",
        advice="name one with --series" if there else "import one, or make one with `vertherm registry synthetic`",
    )


def _tell(heading: str, output: Path) -> None:
    from vertherm import RESEARCH_NOTICE

    typer.echo(heading)
    typer.echo(RESEARCH_NOTICE)
    typer.echo(f"Review: {output / 'review.html'}")
