"""``vertherm calibrate``: efficiency and drying of a device from bench measurements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vertherm.calibration.device import DeviceCalibration


def calibrate(
    device: str = typer.Argument(..., help="Antenna of the catalogue, or the TOML file of an antenna."),
    measurements: Path = typer.Argument(..., help="Measurements (TOML, or a CSV of zones); the docs list every key."),
    output: Path = typer.Option(..., "-o", "--output", help="Device file (TOML) to write; a picture goes beside it."),
    cooling: str = typer.Option("", "--cooling", help="Cooling variant; default: the antenna's own."),
    frequency_mhz: float = typer.Option(0.0, "--frequency-mhz", min=0.0, help="Default: the antenna's first."),
    fit: str = typer.Option("efficiency+drying", "--fit", help="'efficiency+drying', or 'efficiency' alone."),
    drying: str = typer.Option("auto", "--drying", help="'water', 'sigmoid', or 'auto': both, the better one kept."),
    spacing_mm: float = typer.Option(2.0, "--spacing-mm", help="Cells of the simulated bench, 0.5 to 4 mm."),
    json_out: bool = typer.Option(False, "--json", help="Print the device file as one JSON document on stdout."),
    workers: int = typer.Option(1, "--workers", min=0, help="Processes; 0 takes one a core. Pays off for many powers."),
) -> int:
    """Fit a device's efficiency and drying to zones or thermocouple curves measured at the bench."""
    from vertherm.calibration.calibrate import Choice, What
    from vertherm.calibration.calibrate import calibrate as run
    from vertherm.calibration.calibrate import device as device_of
    from vertherm.calibration.measurements_read import load_measurements
    from vertherm.calibration.picture import write_picture
    from vertherm.calibration.toml_text import toml_text
    from vertherm.cli.progress import shown
    from vertherm.core.errors import InputError
    from vertherm.core.files import atomic_path

    if output.suffix.lower() != ".toml":
        raise InputError("The device file is TOML.", where="-o", got=output.name, expected="a name ending in .toml")
    wanted: What = fit  # type: ignore[assignment]  # Choice refuses other words
    choice = Choice(wanted, drying, spacing_mm, workers)
    antenna, frequency_hz = device_of(device, cooling or None, frequency_mhz * 1e6 or None)
    found = load_measurements(measurements)
    with shown() as progress:
        result = run(antenna, frequency_hz, found, choice, progress)
    picture = output.with_suffix(".png")
    with atomic_path(output) as temporary:
        # Both or none: the device file appears once its picture could be written.
        temporary.write_text(toml_text(result.document()), "utf-8")
        write_picture(result, picture)
    if json_out:
        typer.echo(json.dumps(result.document(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        tell(result, output, picture)
    return 0


def tell(result: DeviceCalibration, output: Path, picture: Path) -> None:
    """The calibration in a few lines."""
    from vertherm.calibration.picture import words

    origin = result.origin
    made_up = "  SYNTHETIC DATA" if origin.synthetic else ""
    typer.echo(f"{result.antenna}, {result.cooling}, {result.frequency_hz / 1e6:g} MHz{made_up}")
    typer.echo(f"Efficiency (of {origin.power_kind} power): {words(result.efficiency)}")
    typer.echo(f"{result.drying} drying, {result.drying_parameter_name}: {words(result.drying_parameter)}")
    if result.correlation is not None:
        typer.echo(f"Correlation of the two: {result.correlation:.2f}")
    for model, chi2 in origin.models.items():
        typer.echo(f"  {model} drying: chi2 {chi2:.1f} for {origin.degrees_of_freedom:g} degrees of freedom")
    if origin.rms_mm is not None:
        typer.echo(f"Root mean square residual: {origin.rms_mm:.1f} mm")
    if origin.rms_k is not None:
        typer.echo(f"Root mean square residual: {origin.rms_k:.1f} K")
    _residuals(result)
    for text in origin.assumptions:
        typer.echo(f"  Assumed: {text}")
    for text in origin.warnings:
        typer.echo(f"  Warning: {text}")
    low, high = origin.power_w
    typer.echo(f"Holds for {low:g}-{high:g} W and {origin.time_s[0]:g}-{origin.time_s[1]:g} s; beyond it extrapolates.")
    typer.echo(f"Device file: {output}   picture: {picture}")


def _residuals(result: DeviceCalibration) -> None:
    typer.echo("  row; quantity; W; s; measured; fitted; (measured - fitted) / sd")
    for row in result.residuals:
        numbers = f"{row.measured:.1f}; {row.fitted:.1f} {row.unit}; {row.standardised:+.1f}"
        typer.echo(f"  {row.row}; {row.quantity}; {row.power_w:g}; {row.time_s:g}; {numbers}")
