"""The picture of a calibration: measured against fitted, with the error of each measurement."""

from __future__ import annotations

from pathlib import Path

from vertherm.calibration.device import DeviceCalibration, Fitted, Residual
from vertherm.core.files import atomic_path

COLOURS = {"short axis": "#1f6fb4", "long axis": "#c65d12", "temperature": "#3a8f4d"}


def write_picture(calibration: DeviceCalibration, path: Path) -> None:
    """Draw measured against fitted, one panel for lengths and one for temperatures, as PNG or SVG.

    Raises:
        InputError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    panels = [(unit, [r for r in calibration.residuals if r.unit == unit]) for unit in ("mm", "degC")]
    panels = [(unit, rows) for unit, rows in panels if rows]
    figure = Figure(figsize=(5.2 * len(panels), 5.0), layout="constrained")
    for n, (unit, rows) in enumerate(panels, 1):
        _panel(figure.add_subplot(1, len(panels), n), unit, rows)
    figure.suptitle(title(calibration), fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)


def title(calibration: DeviceCalibration) -> str:
    """Device and parameters in two lines."""
    name = calibration.drying_parameter_name
    made_up = "SYNTHETIC DATA  " if calibration.origin.synthetic else ""
    head = f"{made_up}{calibration.antenna}, {calibration.cooling}, {calibration.frequency_hz / 1e9:g} GHz"
    values = f"efficiency {words(calibration.efficiency)}, {calibration.drying} drying, {name} "
    return f"{head}\n{values}{words(calibration.drying_parameter)}"


def words(fitted: Fitted) -> str:
    """A value with its interval, or that it was held."""
    unit = "" if fitted.unit == "1" else f" {fitted.unit}"
    if fitted.sd is None or fitted.low is None or fitted.high is None:
        return f"{fitted.value:.3g}{unit} (held, {fitted.certainty})"
    return f"{fitted.value:.3g}{unit} (95 % {fitted.low:.3g} to {fitted.high:.3g})"


def _panel(axes, unit: str, rows: list[Residual]) -> None:  # type: ignore[no-untyped-def]
    for quantity in dict.fromkeys(row.quantity for row in rows):
        chosen = [row for row in rows if row.quantity == quantity]
        axes.errorbar(
            [row.fitted for row in chosen],
            [row.measured for row in chosen],
            yerr=[1.96 * row.sd for row in chosen],
            fmt="o",
            ms=4,
            lw=1,
            color=COLOURS[quantity],
            label=quantity,
        )
    values = [row.fitted for row in rows] + [row.measured for row in rows]
    ends = [min(values), max(values)]
    axes.plot(ends, ends, color="#888888", lw=1)
    if unit == "mm":
        axes.fill_between(
            ends, [e - 5 for e in ends], [e + 5 for e in ends], color="#888888", alpha=0.15, label="±5 mm"
        )
    name = "length, mm" if unit == "mm" else "temperature, °C"
    axes.set_xlabel(f"fitted {name}")
    axes.set_ylabel(f"measured {name} (bars: 95 %)")
    axes.legend(fontsize=8)
