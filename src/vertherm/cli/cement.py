"""``vertherm cement``: where cement goes, what it may reach, how warm it gets, what it strengthens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vertherm.core.progress import Progress
    from vertherm.planning.case import CaseFile
    from vertherm.planning.cement.document import CementDocument, TargetCement
    from vertherm.planning.cement.needles import Cannula
    from vertherm.planning.cement.result import CementResult
    from vertherm.planning.objects import Case
    from vertherm.planning.protocol import Protocol

LIMIT_BROKEN = 3


def cement(
    case: Path = typer.Argument(..., help="Case file (TOML); [cement] says which cement, needles and volumes."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for cement.json, cement.html and fields/."),
    json_out: bool = typer.Option(False, "--json", help="Print cement.json on stdout, nothing else."),
    workers: int = typer.Option(0, "--workers", min=0, help="Processes; 0 takes one a core."),
    dask: str | None = typer.Option(None, "--dask", envvar="VERTHERM_DASK", help="Address of a Dask scheduler."),
) -> int:
    """Predict the cement of a case: fill, leakage, curing heat, strength. Exit status 3: a limit is broken."""
    from vertherm.cli.progress import shown
    from vertherm.ensemble.runner import kept_workers
    from vertherm.planning.case import load_case
    from vertherm.planning.cement.ablation import given_ablation
    from vertherm.planning.cement.run import cement_case
    from vertherm.planning.prepare import prepare_case

    with shown() as progress:
        entry = load_case(case)
        with kept_workers(workers, NEEDED_BY_WORKERS):
            loaded, protocol = prepare_case(entry, case, progress)
            cannulas = cannulas_for(loaded, protocol, entry, progress)
            ablation = given_ablation(loaded, protocol, entry, progress)
            result = cement_case(
                loaded,
                protocol,
                entry,
                cannulas,
                ablation=ablation,
                workers=workers,
                address=dask,
                progress=progress,
            )
        write_cement(result, output, progress)
    if json_out:
        typer.echo(result.document.model_dump_json(indent=2))
    else:
        tell_cement(result.document)
        typer.echo(f"Report: {output / 'cement.html'}")
    return LIMIT_BROKEN if result.document.status == "stop" else 0


NEEDED_BY_WORKERS = ("vertherm.cement.leakage",)


def cannulas_for(case: Case, protocol: Protocol, entry: CaseFile, progress: Progress) -> dict[str, list[Cannula]]:
    """Cannulas as given; for targets without one along the safest path that the search finds."""
    from vertherm.applicator.antenna import load_antenna
    from vertherm.planning.access.access import case_access
    from vertherm.planning.cement.measured import measured_by_target
    from vertherm.planning.cement.needles import best_path, cannulas_of_paths, given_cannulas

    found = given_cannulas(entry, case)
    shown_later = set(measured_by_target(entry.cement, case)) if entry.cement else set()
    if any(target.name not in found and target.name not in shown_later for target in case.targets):
        antenna = load_antenna(entry.plan.antennas[0])
        results = case_access(case, protocol, entry.access, antenna, margin_mm=0.0, progress=progress)
        wanted = [result for result in results if result.target not in found and result.target not in shown_later]
        targets = {target.name: target for target in case.targets}
        best = {result.target: best_path(result, targets[result.target]) for result in wanted}
        found |= cannulas_of_paths(best, case)
    return found


def write_cement(result: CementResult, output: Path, progress: Progress) -> None:
    """Everything a cement prediction leaves behind, in one go: a failed write leaves nothing half-written."""
    from vertherm.core.files import atomic_folder
    from vertherm.planning.cement.outputs import write_cement_fields
    from vertherm.report.cement import write_cement_report

    progress("report", 0.0)
    with atomic_folder(output, owned=("fields",)) as folder:
        write_cement_report(result, folder / "cement.html")
        write_cement_fields(result, folder / "fields")
        (folder / "cement.json").write_text(result.document.model_dump_json(indent=2) + "\n", "utf-8")
    progress("report", 1.0)


def tell_cement(document: CementDocument) -> None:
    """The prediction in a few lines."""
    typer.echo(f"{document.title}" + ("  SYNTHETIC" if document.synthetic else ""))
    typer.echo(f"{document.status}: {document.status_words}")
    typer.echo(f"  {document.cement.label}, densities {document.calibration.method}")
    for target in document.targets:
        _tell_target(target)
    for note in document.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(document.notice)


def _tell_target(row: TargetCement) -> None:
    from vertherm.report.words import dose as minutes

    fill = row.fill
    typer.echo(
        f"  {row.target} [{row.level}], {row.source}: {fill.injected_ml:.1f} ml fill {fill.lesion_share.value:.0%} of "
        f"the lesion and {fill.body_share.value:.0%} of the body; {row.status}"
    )
    for site in row.sites:
        share = site.probability
        chance = "" if row.source == "measured" else f"{share.estimate:.0%} ({share.low:.0%} to {share.high:.0%}) "
        typer.echo(f"    {site.site}: {chance}{site.words}".rstrip())
    if row.safe is not None:
        typer.echo(f"    {row.safe.words}")
    if row.curing is not None:
        for structure in row.curing.structures:
            if structure.status != "green":
                peak, dose = structure.combined_peak_c.high, minutes(structure.combined_cem43_min.high)
                typer.echo(f"    {structure.name}: up to {peak:.1f} °C, CEM43 {dose} min: {structure.status}")
        typer.echo(f"    {row.curing.delay_words or row.curing.starts_from}")
    if row.strength is not None:
        for state in row.strength.states:
            stiff, strong = state.stiffness_ratio.value, state.failure_ratio.value
            typer.echo(f"    {state.state}: stiffness {stiff:.2f}, strength {strong:.2f}")
    typer.echo(f"    SINS {row.sins.range_words}: {row.sins.advice}")
    for note in row.notes:
        typer.echo(f"    Note: {note}")
