"""The command group ``vertherm dicom``."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="dicom",
    help="DICOM in and out: read series and labels, write results, send to an archive, de-identify.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
