"""``vertherm replan``: the plan where the needle really lies, in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vertherm.geometry.trajectory import Trajectory
    from vertherm.planning.replan.rows import ReplanDocument
    from vertherm.planning.state.state import State

NO_SAFE_DOSE = 3


def replan(
    plan: Path = typer.Argument(..., help="Output folder of `vertherm plan`."),
    needle: list[str] = typer.Option([], "--needle", help="NAME:entry=x,y,z:tip=x,y,z in RAS mm (or add :frame=LPS)."),
    needles: Path | None = typer.Option(None, "--needles", help="Needles as they lie (TOML)."),
    mask: Path | None = typer.Option(None, "--mask", help="Label mask of the needle from a check scan (NIfTI)."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for replan.html, replan.json and its state."),
    same_dose: bool = typer.Option(False, "--same-dose", help="Only predict the planned dose; seek no other."),
    reconstruction: bool = typer.Option(
        False, "--reconstruction", help="Accept a needle through the canal, to reconstruct what happened."
    ),
    json_out: bool = typer.Option(False, "--json", help="Print replan.json on stdout, nothing else."),
) -> int:
    """Recompute a plan for the needle where it lies. Exit status 3: the planned dose is not safe or enough there."""
    from vertherm.cli.progress import shown
    from vertherm.core.files import atomic_folder
    from vertherm.planning.replan.replan import replan as recompute
    from vertherm.planning.replan.state import check_output, save_replan
    from vertherm.planning.state.state import load_state
    from vertherm.report.replan import write_replan_page

    with shown() as progress:
        state = load_state(plan)
        check_output(state, output)
        real = given_needles(state, needle, needles, mask)
        result = recompute(
            state, real, mode="same dose" if same_dose else "new dose", reconstruction=reconstruction, progress=progress
        )
        # A state that an earlier re-plan left must not stay beside a verdict that withdraws it.
        with atomic_folder(output, owned=("state",)) as folder:
            write_replan_page(result, folder / "replan.html")
            if result.treatment is not None:
                save_replan(folder / "state", state, result)
            (folder / "replan.json").write_text(result.document.model_dump_json(indent=2) + "\n", "utf-8")
    tell_replan(result.document, output, json_out)
    kept = result.document.recommendation == "keep the dose" and not result.document.not_assessed
    return 0 if kept else NO_SAFE_DOSE


def given_needles(state: State, texts: list[str], file: Path | None, mask: Path | None) -> dict[str, Trajectory]:
    """The needles from text, a TOML file or a mask.

    Raises:
        InputError: none or several of these ways, or a needle that cannot be read.
    """
    from vertherm.core.errors import InputError
    from vertherm.planning.replan.needle_fit import needles_from_mask
    from vertherm.planning.replan.needle_input import load_needles, needles_of, parse_needle

    ways = [name for name, way in (("--needle", texts), ("--needles", file), ("--mask", mask)) if way]
    if len(ways) != 1:
        raise InputError(
            "Say in one way where the needle lies.",
            got=" and ".join(ways) or "nothing",
            expected="one of --needle, --needles and --mask",
        )
    if mask is not None:
        planned = {item.name: item.trajectory for item in needles_of(state.treatment)}
        return {
            name: found.trajectory
            for name, found in needles_from_mask(mask, planned, state.case.anatomy.ct.grid).items()
        }
    entries = load_needles(file) if file is not None else tuple(parse_needle(text) for text in texts)
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise InputError("A needle is given twice.", got=", ".join(names), expected="each needle once")
    return {entry.name: entry.trajectory for entry in entries}


def tell_replan(document: ReplanDocument, output: Path, json_out: bool) -> None:
    """The result in a few lines, or as the one JSON document."""
    if json_out:
        typer.echo(document.model_dump_json(indent=2))
        return
    typer.echo(f"{document.title}  PROVISIONAL" + ("  SYNTHETIC" if document.synthetic else ""))
    typer.echo(document.comparison)
    typer.echo(f"{document.recommendation.upper()}: {document.words}")
    if document.not_assessed:
        typer.echo(f"NOT ASSESSED, so not called safe: {', '.join(document.not_assessed)}.")
    for row in document.structures:
        if row.same_status != "green" or (row.new_status or "green") != "green":
            planned = "" if row.planned_c is None else f" (planned {row.planned_c:.1f})"
            new = "" if row.new_c is None else f", new dose {row.new_c:.1f} °C: {row.new_status}"
            typer.echo(f"  {row.name}: {row.same_c:.1f} °C{planned}: {row.same_status}{new}")
    for note in document.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(document.notice)
    typer.echo(f"Report: {output / 'replan.html'}")
