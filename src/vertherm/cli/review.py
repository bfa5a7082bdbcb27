"""``vertherm review``: the efficacy-and-safety review of a series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

if TYPE_CHECKING:
    from pandas import DataFrame

    from vertherm.core.progress import Progress


class _Data(NamedTuple):
    frames: dict[str, DataFrame]
    sha256: str
    freeze: str


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
        data = _frames(db, series, snapshot, progress)
        options = ReviewOptions(data_sha256=data.sha256, freeze=data.freeze)
        made = build_review(data.frames, _one_series(data.frames, series), options, progress=progress)
        write_review(made, output, pdf=pdf, docx=docx, progress=progress)
    if json_out:
        typer.echo((output / "review.json").read_text("utf-8"), nl=False)
    else:
        _tell(made.heading, output)
    return 0


def _frames(db: str | None, series: str | None, snapshot: Path | None, progress: Progress) -> _Data:
    """The data of one moment, their hash, and which freeze they are."""
    from vertherm.registry import snapshot_file
    from vertherm.registry.database import Registry
    from vertherm.registry.reading import read_frames
    from vertherm.registry.reading import snapshot as moment

    if snapshot is not None:
        from vertherm.registry.frames import frames_of

        records = snapshot_file.load_snapshot(snapshot)
        return _Data(frames_of(records), records.sha256(), snapshot.name)
    with Registry.open(db) as registry, moment(registry.engine) as connection:
        frames = read_frames(connection, series)
        name = _one_series(frames, series)
        digest, _ = snapshot_file.digest(snapshot_file.data_lines(connection, name, progress))
    return _Data(frames, digest, "")


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
