"""``vertherm simulate``: one given treatment, no search."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vertherm.core.progress import Progress
    from vertherm.planning.assessment import Assessment
    from vertherm.planning.case import CaseFile
    from vertherm.planning.predict import CaseResult

LIMIT_BROKEN = 3


class Fidelity(StrEnum):
    """How the power density in the patient is found."""

    axisymmetric = "axisymmetric"
    full_wave = "full-wave"


def simulate(
    case: Path = typer.Argument(..., help="Case file (TOML); the docs list every key."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for assessment.json, fields and report.html."),
    json_out: bool = typer.Option(False, "--json", help="Print assessment.json on stdout, nothing else."),
    workers: int = typer.Option(0, "--workers", min=0, help="Processes; 0 takes one a core."),
    fidelity: Fidelity | None = typer.Option(None, "--fidelity", help="Power density; default: as the case says."),
    ensemble: int | None = typer.Option(
        None, "--ensemble", min=0, max=1000, help="Samples of what is uncertain; 59 or more decide by percentiles."
    ),
    parameters: Path | None = typer.Option(None, "--parameters", help="Uncertain parameters (TOML), not the default."),
    dask: str | None = typer.Option(None, "--dask", envvar="VERTHERM_DASK", help="Address of a Dask scheduler."),
) -> int:
    """Predict one treatment: zone, temperatures at cord, roots and skin. Exit status 3: a limit is broken."""
    from vertherm.cli.progress import shown
    from vertherm.planning.case import load_case
    from vertherm.planning.run import run_case
    from vertherm.planning.uncertainty import load_space

    with shown() as progress:
        space = load_space(parameters) if parameters else None
        loaded = chosen(load_case(case), fidelity, ensemble)
        result = run_case(loaded, case_path=case, workers=workers, address=dask, space=space, progress=progress)
        write_outputs(result, output, progress)
    tell(result.assessment, output, json_out)
    return LIMIT_BROKEN if result.assessment.verdict == "stop" else 0


def chosen(case: CaseFile, fidelity: Fidelity | None, ensemble: int | None) -> CaseFile:
    """The case with what the command line says instead of its own numerics."""
    said = {"fidelity": fidelity and fidelity.value, "ensemble": ensemble}
    numerics = case.numerics.model_copy(update={name: value for name, value in said.items() if value is not None})
    return case.model_copy(update={"numerics": numerics})


def write_outputs(result: CaseResult, output: Path, progress: Progress) -> None:
    """Everything a run leaves behind, in one go: a failed write leaves nothing half-written."""
    from vertherm.core.files import atomic_folder
    from vertherm.planning.outputs import write_fields
    from vertherm.report.html import write_report

    progress("report", 0.0)
    with atomic_folder(output, owned=("fields",)) as folder:
        write_report(result.assessment, result.scene, folder / "report.html", effect=result.effect)
        write_fields(result.scene, folder / "fields")
        (folder / "assessment.json").write_text(result.assessment.model_dump_json(indent=2) + "\n", "utf-8")
    progress("report", 1.0)


def tell(assessment: Assessment, output: Path, json_out: bool) -> None:
    """The result in a few lines, or as the one JSON document."""
    if json_out:
        typer.echo(assessment.model_dump_json(indent=2))
        return
    from vertherm.report.style import decider

    spread = "members" if assessment.ensemble is None else "samples"
    deciding = assessment.targets[0].deciding_metric
    zone = next(zone for zone in assessment.zones if zone.metric == deciding)
    typer.echo(f"{assessment.title}  [{assessment.level}]" + ("  SYNTHETIC" if assessment.synthetic else ""))
    typer.echo(f"Safety verdict: {assessment.verdict.upper()}. {assessment.verdict_words}")
    typer.echo(f"Coverage: {assessment.coverage_verdict} (by {zone.label}, {decider(assessment, upper=False)}).")
    typer.echo(
        f"Zone by {zone.label}: {zone.volume_ml.value:.1f} mL "
        f"({spread} {zone.volume_ml.low:.1f}-{zone.volume_ml.high:.1f}), "
        f"{zone.long_axis_mm.value:.0f} x {zone.short_axis_mm.value:.0f} mm."
    )
    for row in assessment.structures:
        if row.peak_temperature_c is not None and (row.status != "green" or row.required):
            typer.echo(
                f"  {row.name}: {row.peak_temperature_c.value:.1f} °C "
                f"({spread} {row.peak_temperature_c.low:.1f}-{row.peak_temperature_c.high:.1f}): {row.status}"
            )
    for row in assessment.structures:
        if row.peak_temperature_c is None:
            typer.echo(f"  {row.name}: not assessed")
    for note in assessment.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(assessment.notice)
    typer.echo(f"Report: {output / 'report.html'}")
