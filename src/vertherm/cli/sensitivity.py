"""``vertherm sensitivity``: which uncertain parameters a prediction hangs on."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vertherm.planning.sensitivity import Sensitivity


class Method(StrEnum):
    """How it is measured."""

    morris = "morris"
    sobol = "sobol"


def sensitivity(
    case: Path = typer.Argument(..., help="Case file (TOML)."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for sensitivity.html and sensitivity.json."),
    method: Method = typer.Option(Method.morris, "--method", help="morris: ranks; sobol: shares of the variance."),
    samples: int = typer.Option(
        0, "--samples", min=0, max=100_000, help="Trajectories (Morris, default 10) or base points (Sobol, default 64)."
    ),
    seed: int = typer.Option(0, "--seed", min=0, help="The same seed gives the same runs."),
    only: list[str] = typer.Option([], "--only", help="Only this parameter; may be given several times."),
    parameters: Path | None = typer.Option(None, "--parameters", help="Uncertain parameters (TOML), not the default."),
    workers: int = typer.Option(0, "--workers", min=0, help="Processes; 0 takes one a core."),
    dask: str | None = typer.Option(None, "--dask", envvar="VERTHERM_DASK", help="Address of a Dask scheduler."),
    json_out: bool = typer.Option(False, "--json", help="Print sensitivity.json on stdout, nothing else."),
) -> int:
    """Vary what is not known well and see what zone, margin, canal and roots hang on."""
    from vertherm.cli.progress import shown
    from vertherm.planning import sensitivity as study
    from vertherm.planning.case import load_case
    from vertherm.planning.prepare import prepare
    from vertherm.planning.uncertainty import load_space
    from vertherm.report.sensitivity import write_sensitivity

    with shown() as progress:
        space = load_space(parameters) if parameters else None
        entry = load_case(case)
        prepared, treatment, protocol = prepare(entry, case, progress)
        result = study.sensitivity(
            prepared,
            treatment,
            protocol,
            entry.numerics,
            method=method.value,
            samples=samples,
            seed=seed,
            names=only,
            space=space,
            workers=workers,
            address=dask,
            progress=progress,
        )
        write_sensitivity(result, output)
    tell(result, output, json_out)
    return 0


def tell(result: Sensitivity, output: Path, json_out: bool) -> None:
    """The three strongest parameters of each output, or the one JSON document."""
    if json_out:
        typer.echo(result.model_dump_json(indent=2))
        return
    typer.echo(f"{result.title}  [{result.level}]" + ("  SYNTHETIC" if result.synthetic else ""))
    typer.echo(f"{result.method}, {result.runs} runs, {len(result.failed)} failed or not settled.")
    for row in result.outputs:
        unit = f" {row.unit}" if result.method == "morris" else ""
        strongest = "; ".join(f"{effect.parameter} {effect.effect:.2g}{unit}" for effect in row.effects[:3])
        typer.echo(f"  {row.name} ({row.smallest:.3g} to {row.largest:.3g} {row.unit}): {strongest}")
    for text in result.skipped:
        typer.echo(f"  Note: {text}")
    typer.echo(result.notice)
    typer.echo(f"Report: {output / 'sensitivity.html'}")
