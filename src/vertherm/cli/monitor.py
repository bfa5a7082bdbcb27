"""``vertherm monitor``: live thermocouple readings against the plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vertherm.planning.monitor.advice import Advice

LIMIT_BROKEN = 3


def monitor(
    plan: Path = typer.Argument(..., help="Output folder of `vertherm plan` or `vertherm replan`."),
    readings: Path = typer.Argument(..., help="Thermocouples (CSV): time_s,name,temperature_c; or one column each."),
    now: float | None = typer.Option(None, "--now", help="Seconds since the first watt; default: the newest reading."),
    power_log: Path | None = typer.Option(None, "--power-log", help="What was given (CSV): time_s,power_w[,antenna]."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Folder for advice.json."),
    json_out: bool = typer.Option(False, "--json", help="Print advice.json on stdout, nothing else."),
) -> int:
    """Compare readings with the plan and advise. Exit status 3: lower the power, stop early or stop now."""
    from vertherm.core.files import atomic_folder
    from vertherm.planning.monitor.monitor import monitor as watch
    from vertherm.planning.monitor.thermocouple_log import read_power_log, read_thermocouples
    from vertherm.planning.state.state import load_state

    log = read_thermocouples(readings)
    power = None if power_log is None else read_power_log(power_log)
    advice = watch(load_state(plan), log, now, power=power)
    if output is not None:
        with atomic_folder(output) as folder:
            (folder / "advice.json").write_text(advice.model_dump_json(indent=2) + "\n", "utf-8")
    tell_advice(advice, json_out)
    broken = any(row.status_if_stopped == "stop" for row in advice.structures)
    return 0 if advice.action in ("continue", "finished") and not broken else LIMIT_BROKEN


def tell_advice(advice: Advice, json_out: bool) -> None:
    """The advice in a few lines, or as the one JSON document."""
    if json_out:
        typer.echo(advice.model_dump_json(indent=2))
        return
    from vertherm.planning.outline import clock

    typer.echo(f"{advice.title}" + ("  SYNTHETIC" if advice.synthetic else ""))
    typer.echo(f"{clock(advice.now_s)} of {clock(advice.planned_end_s)}: {advice.action.upper()}. {advice.words}")
    typer.echo(f"  Why: {advice.reason}")
    for sensor in advice.sensors:
        typer.echo(
            f"  {sensor.name}: {sensor.measured_c:.1f} °C, predicted {sensor.predicted_c:.1f} "
            f"({sensor.predicted_low_c:.1f}-{sensor.predicted_high_c:.1f})"
        )
    scale = advice.scale
    typer.echo(f"  Temperature rises {scale.value:.2f} times the prediction (95 %: {scale.low:.2f}-{scale.high:.2f}).")
    for row in advice.structures[:5]:
        typer.echo(f"  {row.words}")
    for target in advice.targets:
        typer.echo(
            f"  {target.name}: {100 * target.coverage_if_stopped:.0f} % of lesion and margin if power ends now, "
            f"{100 * target.coverage_if_continued:.0f} % as planned"
        )
    for note in advice.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(advice.notice)
