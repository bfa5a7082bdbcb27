"""``vertherm dicom in``: what is in a folder, archive or file, and the chosen series with its segments as NIfTI."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vertherm.cli.dicom_options import app

if TYPE_CHECKING:
    from vertherm.imaging.dicom.source import Source


@app.command("in")
def dicom_in(
    source: Path = typer.Argument(..., help="Folder, ZIP archive or file."),
    series: str | None = typer.Option(None, "--series", help="SeriesInstanceUID of the CT or MR to write."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Folder for NIfTI files; left out: only list."),
    json_out: bool = typer.Option(False, "--json", help="Print one JSON document on stdout."),
) -> int:
    """List the DICOM series, segmentations and structure sets of a source, or write an image with its segments."""
    from vertherm.core.warnings import ImagingWarning
    from vertherm.imaging.dicom.source import open_source

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ImagingWarning)
        with open_source(source) as opened:
            document = listing(opened)
            if output is not None:
                from vertherm.imaging.dicom.convert import convert

                document["written"] = convert(opened, output, series)
    said = [str(item.message) for item in caught if issubclass(item.category, ImagingWarning)]
    document["notes"] = list(dict.fromkeys([*document["notes"], *said]))
    if json_out:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        tell(document, output)
    return 0


def listing(source: Source) -> dict[str, Any]:
    """What a source holds, as a document."""
    from dataclasses import asdict

    series = [asdict(info) for info in source.series]
    return {
        "schema_version": 1,
        "source": str(source.path),
        "series": series,
        "unreadable": [f"{error.where}: {error.got}" for error in source.broken],
        "other_files": source.others,
        "notes": list(source.notes),
    }


def tell(document: dict[str, Any], output: Path | None) -> None:
    """The document in lines."""
    if not document["series"]:
        typer.echo("No DICOM here.")
    for item in document["series"]:
        frames = f", {item['frames']} frames" if item["frames"] != item["instances"] else ""
        typer.echo(f"{item['modality']}  {item['instances']} file(s){frames}  '{item['description']}'")
        typer.echo(f"    series {item['series_uid']}")
        typer.echo(f"    frame of reference {item['frame'] or 'not stated'}")
    for line in document["unreadable"]:
        typer.echo(f"Unreadable: {line}")
    for note in document["notes"]:
        typer.echo(f"Note: {note}")
    written = document.get("written")
    if written is None or output is None:
        return
    typer.echo(f"{written['modality']} written: {output / written['file']}")
    for item in written["segments"]:
        meaning = item["structure"] or f"no known structure ({item['reason']})"
        typer.echo(f"  {item['label']}: {item['volume_ml']:.2f} ml, {meaning}: {item['file'] or 'empty, not written'}")
    for note in written["notes"]:
        typer.echo(f"  Note: {note}")
    typer.echo(f"Index: {output / 'index.json'}")
