"""``vertherm plan``: paths, an optimised treatment, its assessment, and how sure all that is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vertherm.core.progress import Progress
    from vertherm.planning.case import CaseFile
    from vertherm.planning.cement.result import CementResult
    from vertherm.planning.optimise.run import PlanResult
    from vertherm.planning.plan import Plan

NO_SAFE_PLAN = 3


class Robust(StrEnum):
    """How surely a plan is checked."""

    quick = "quick"
    full = "full"


def plan(
    case: Path = typer.Argument(..., help="Case file (TOML); antennas and schedule may be missing."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for plan.json, report.html, paths/, fields/."),
    robust: Robust = typer.Option(
        Robust.quick, "--robust", help="quick: a PROVISIONAL plan; full: 59 samples and the full-wave check."
    ),
    json_out: bool = typer.Option(False, "--json", help="Print plan.json on stdout, nothing else."),
    workers: int = typer.Option(0, "--workers", min=0, help="Processes; 0 takes one a core."),
    dask: str | None = typer.Option(None, "--dask", envvar="VERTHERM_DASK", help="Address of a Dask scheduler."),
    parameters: Path | None = typer.Option(None, "--parameters", help="Uncertain parameters (TOML), not the default."),
) -> int:
    """Find path, antenna, power and time that ablate the lesion within every limit. Exit status 3: no safe plan."""
    from vertherm.cli.cement import tell_cement
    from vertherm.cli.progress import shown
    from vertherm.core.errors import InputError, SolverError
    from vertherm.planning.case import load_case
    from vertherm.planning.cement.with_plan import cement_of_plan
    from vertherm.planning.optimise.run import plan_case
    from vertherm.planning.uncertainty import load_space

    with shown() as progress:
        space = load_space(parameters) if parameters else None
        entry = load_case(case)
        result = plan_case(
            entry, case, robust=robust.value, workers=workers, address=dask, space=space, progress=progress
        )
        filled, failed = None, None
        try:
            filled = cement_of_plan(result, entry, workers=workers, address=dask, progress=progress)
        except (InputError, SolverError) as error:
            failed = error  # the plan took minutes: it is kept
        write_plan(result, entry, output, progress, filled)
    if failed is not None:
        typer.echo(f"The plan is written to {output}; its cement could not be predicted.", err=True)
        raise failed
    if json_out:
        typer.echo(result.plan.model_dump_json(indent=2))
    else:
        tell_plan(result.plan, output)
        if filled is not None:
            tell_cement(filled.document)
    return NO_SAFE_PLAN if result.plan.status == "no safe plan" else 0


def write_plan(
    result: PlanResult, entry: CaseFile, output: Path, progress: Progress, filled: CementResult | None = None
) -> None:
    """Everything a plan leaves behind, its cement too, in one go: a failed write leaves nothing half-written."""
    from vertherm.core.files import atomic_folder
    from vertherm.planning.access.path_files import write_paths
    from vertherm.planning.cement.outputs import write_cement_fields
    from vertherm.planning.optimise.document import case_with_treatment
    from vertherm.planning.outputs import write_fields
    from vertherm.planning.state.state import save_state
    from vertherm.report.html import write_report
    from vertherm.report.plan import write_plan_page

    plan, case, predicted = result.plan, result.case, result.prediction
    progress("report", 0.0)
    # A plan that an earlier run left must not stay beside a verdict that withdraws it.
    owned = ("fields", "paths", "state", "cement", "plan_case.toml", "assessment.json")
    with atomic_folder(output, owned=owned) as folder:
        if predicted is not None:
            write_report(
                predicted.assessment,
                predicted.scene,
                folder / "report.html",
                plan=plan,
                access=result.access,
                case=case,
                effect=predicted.effect,
                filled=filled,
            )
            write_fields(predicted.scene, folder / "fields")
            (folder / "assessment.json").write_text(predicted.assessment.model_dump_json(indent=2) + "\n", "utf-8")
        else:
            write_plan_page(plan, result.access, case, folder / "report.html")
        write_paths(result.access, folder / "paths", case.anatomy.ct.grid)
        if result.treatment is not None:
            (folder / "plan_case.toml").write_text(case_with_treatment(entry, plan), "utf-8")
            save_state(folder / "state", case, result.protocol, entry, result)
        if filled is not None:
            (folder / "cement").mkdir()
            write_cement_fields(filled, folder / "cement" / "fields")
            (folder / "cement" / "cement.json").write_text(filled.document.model_dump_json(indent=2) + "\n", "utf-8")
        (folder / "plan.json").write_text(plan.model_dump_json(indent=2) + "\n", "utf-8")
    progress("report", 1.0)


def tell_plan(plan: Plan, output: Path) -> None:
    """The plan in a few lines."""
    typer.echo(f"{plan.title}" + ("  SYNTHETIC" if plan.synthetic else ""))
    typer.echo(plan.status_words)
    for placed in plan.applicators:
        typer.echo(f"  {placed.name}: {placed.antenna} along {placed.path} to {placed.target}")
    for activation in plan.activations:
        drawn = f", drawn back {activation.pull_back_mm:.0f} mm" if activation.pull_back_mm else ""
        minutes, seconds = divmod(round(activation.time_s), 60)
        typer.echo(
            f"  {activation.antenna}: {activation.power_w:.0f} W {plan.power_kind}, {minutes}:{seconds:02d}{drawn}"
        )
    for target in plan.coverage:
        typer.echo(f"  {target.target}: {100 * target.coverage:.0f} % of lesion and margin, {_reached(target.reached)}")
    for row in plan.limits:
        if row.binding or row.status != "green":
            typer.echo(f"  {row.name}: up to {row.peak_c:.1f} °C, CEM43 {row.cem43_min:.1f} min: {row.status}")
    if plan.binding:
        typer.echo(f"Binding: {plan.binding}")
    for relaxation in plan.relaxations:
        typer.echo(f"  Would help: {relaxation.what}: {relaxation.effect}")
    for note in plan.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(plan.notice)
    typer.echo(f"Report: {output / 'report.html'}")


def _reached(reached: bool) -> str:
    return "goal reached" if reached else "goal not reached"
