"""``vertherm dicom out``: the results of a plan as DICOM, for the archive."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from vertherm.cli.dicom_options import app


@app.command("out")
def dicom_out(
    plan: Path = typer.Argument(..., help="Output folder of `vertherm plan`, `simulate` or `demo`."),
    ct: Path = typer.Option(..., "--ct", help="DICOM series that it was made on: folder, ZIP or one file."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for the objects and dicom.json."),
    case: Path | None = typer.Option(None, "--case", help="Case file, where the folder does not hold the images."),
    series: str | None = typer.Option(None, "--series", help="SeriesInstanceUID, where there are several."),
    labelmap: bool = typer.Option(False, "--labelmap", help="Also a label map; many viewers cannot show it yet."),
    rtstruct: bool = typer.Option(False, "--rtstruct", help="Also contours, for radiotherapy stations."),
    json_out: bool = typer.Option(False, "--json", help="Print dicom.json on stdout, nothing else."),
) -> int:
    """Segmentation, parametric maps, structured report, key pictures and PDF that refer to the planning CT."""
    from vertherm.cli.progress import shown
    from vertherm.report.dicom import write_dicom

    with shown() as progress:
        rows = write_dicom(
            plan,
            ct,
            output,
            case_file=case,
            series_uid=series,
            labelmap=labelmap,
            rtstruct=rtstruct,
            progress=progress,
        )
    if json_out:
        typer.echo(json.dumps({"objects": rows}, indent=2))
        return 0
    for row in rows:
        typer.echo(f"{row['file']}: {row['what'][:100]}")
    typer.echo("Research only. Look at the objects before you send them: vertherm dicom send DIR --to ARCHIVE")
    return 0
