"""``vertherm access``: every admissible needle path, and why the others are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vertherm.access.path import AccessResult, NeedlePath

NO_PATH = 3


def access(
    case: Path = typer.Argument(..., help="Case file (TOML); antennas and schedule may be missing."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for access.json, access.html and paths/."),
    json_out: bool = typer.Option(False, "--json", help="Print access.json on stdout, nothing else."),
    threads: int = typer.Option(0, "--threads", min=0, help="Threads of the search; 0 takes one a core."),
) -> int:
    """Find the needle paths to every target of a case. Exit status 3: a target has no admissible path."""
    from vertherm.applicator.antenna import load_antenna
    from vertherm.cli.progress import shown
    from vertherm.core.files import atomic_folder
    from vertherm.planning.access.access import access_document, case_access
    from vertherm.planning.access.path_files import write_paths
    from vertherm.planning.case import load_case
    from vertherm.planning.prepare import prepare_case
    from vertherm.report.access import write_access_report

    with shown() as progress:
        entry = load_case(case)
        loaded, protocol = prepare_case(entry, case, progress)
        margin = protocol.margin_goal_mm if entry.plan.margin_mm is None else entry.plan.margin_mm
        antenna = load_antenna(entry.plan.antennas[0])
        results = case_access(
            loaded, protocol, entry.access, antenna, margin_mm=margin, threads=threads, progress=progress
        )
        document = access_document(loaded, protocol, results)
        progress("report", 0.0)
        with atomic_folder(output, owned=("paths",)) as folder:
            write_access_report(results, loaded, folder / "access.html", title=loaded.title)
            write_paths(results, folder / "paths", loaded.anatomy.ct.grid)
            (folder / "access.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        progress("report", 1.0)
    if json_out:
        typer.echo(json.dumps(document, indent=2))
    else:
        for result in results:
            tell_access(result)
        typer.echo(f"Report: {output / 'access.html'}")
    return 0 if all(result.paths for result in results) else NO_PATH


def tell_access(result: AccessResult) -> None:
    """The paths of one target in a few lines, or why there are none."""
    typer.echo(
        f"{result.target} [{result.level}], {result.position}: {result.admissible} of {result.candidates} candidate "
        f"paths keep every rule."
    )
    for path in result.paths:
        typer.echo(f"  {_line(path)}")
    if not result.paths:
        for refusal in result.refusals[:6]:
            only = f"; {refusal.alone} break only this, by {refusal.miss_words} at best"
            typer.echo(f"  {refusal.count} refused: {refusal.reason}{only if refusal.alone else ''}")
    if result.not_labelled:
        typer.echo(f"  Not labelled, so not avoided: {', '.join(result.not_labelled)}.")
    for note in result.notes:
        typer.echo(f"  Note: {note}")


def _line(path: NeedlePath) -> str:
    nearest = path.nearest
    near = "" if nearest is None else f", {nearest.name} {nearest.after_error_mm:.1f} mm after the placement error"
    depth = f"{path.length_mm:.0f} mm" if path.entry_kind == "skin" else f"{path.length_mm:.0f} mm to the image's edge"
    return (
        f"{path.name}: {path.approach.value}, {path.side}, {depth}, axial {path.axial_deg:+.0f}°, cranio-caudal "
        f"{path.cranio_caudal_deg:+.0f}°{near}; covers {100 * path.coverage:.0f} %, "
        f"zone needed {path.zone_factor:.2f}, risk {path.risk:.2f}"
    )
