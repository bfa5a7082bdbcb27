"""``vertherm dicom out``: the results of a plan or a follow-up as DICOM, for the archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from vertherm.cli.dicom_options import app


@app.command("out")
def dicom_out(
    folder: Path = typer.Argument(..., help="Output folder of `vertherm plan`, `simulate`, `demo` or `verify`."),
    images: Path = typer.Option(
        ..., "--ct", "--images", help="DICOM series that it was made on, or the examination: folder, ZIP or one file."
    ),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for the objects and dicom.json."),
    case: Path | None = typer.Option(None, "--case", help="Case file, where the folder does not hold the images."),
    examination: str | None = typer.Option(None, "--examination", help="Of a follow-up: which, by its name."),
    series: str | None = typer.Option(None, "--series", help="SeriesInstanceUID, where there are several."),
    labelmap: bool = typer.Option(False, "--labelmap", help="Also a label map; many viewers cannot show it yet."),
    rtstruct: bool = typer.Option(False, "--rtstruct", help="Also contours, for radiotherapy stations."),
    json_out: bool = typer.Option(False, "--json", help="Print dicom.json on stdout, nothing else."),
) -> int:
    """Segmentation, parametric maps, structured report, key pictures and PDF that refer to the images."""
    from vertherm.cli.progress import shown
    from vertherm.report.dicom import write_dicom
    from vertherm.report.dicom_followup import is_followup, write_followup_dicom

    wanted: dict[str, Any] = {"series_uid": series, "labelmap": labelmap, "rtstruct": rtstruct}
    with shown() as progress:
        if is_followup(folder):
            rows = write_followup_dicom(folder, images, output, examination=examination, progress=progress, **wanted)
        else:
            rows = write_dicom(folder, images, output, case_file=case, progress=progress, **wanted)
    if json_out:
        typer.echo(json.dumps({"objects": rows}, indent=2))
        return 0
    for row in rows:
        typer.echo(f"{row['file']}: {row['what'][:100]}")
    typer.echo("Research only. Look at the objects before you send them: vertherm dicom send DIR --to ARCHIVE")
    return 0
