"""The diagrams: temperature over time at the structures, power over time, and limits at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vertherm.planning.assessment import Assessment
from vertherm.planning.scene import Curve, Scene
from vertherm.report import canvas, style
from vertherm.report.canvas import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CURVES = 12
THERMOCOUPLE = "thermocouple"
"""Kind of the curves at points."""
_BLUE, _WARN, _STOP = "#0072b2", "#b07800", "#b2182b"
_POWER_STYLE = {"forward": ("#0072b2", "-"), "net": ("#b07800", "--"), "absorbed": ("#b2182b", "-.")}


def shown_curves(scene: Scene) -> list[Curve]:
    """The structures nearest to (or furthest beyond) their stop limit first, at most :data:`MOST_CURVES`."""
    inside = [curve for curve in scene.curves if curve.kind != THERMOCOUPLE]
    return sorted(inside, key=lambda curve: _highest(curve) - (curve.stop_c or 45.0), reverse=True)[:MOST_CURVES]


def thermocouple_curves(scene: Scene) -> list[Curve]:
    """The curves that thermocouples should read, in the order of the case."""
    return [curve for curve in scene.curves if curve.kind == THERMOCOUPLE]


def _highest(curve: Curve) -> float:
    values = curve.high_c[np.isfinite(curve.high_c)]
    return float(values.max()) if values.size else -np.inf


def draw_temperatures(assessment: Assessment, scene: Scene, curves: Sequence[Curve] | None = None) -> Figure:
    """Temperature over time, one small diagram a curve, with band, limits and time of switch-off.

    Args:
        assessment: for the marks.
        scene: for the times of power; its structures are drawn where ``curves`` is None.
        curves: what to draw.
    """
    curves = shown_curves(scene) if curves is None else curves
    columns = min(3, max(len(curves), 1))
    rows = max(-(-len(curves) // columns), 1)
    width, height = 3.9 * columns, 2.45 * rows + 0.35
    figure = canvas.new_figure(width, height)
    for position, curve in enumerate(curves):
        ax = figure.add_subplot(rows, columns, position + 1)
        _temperature(ax, curve, scene)
        canvas.stamp_diagram(ax, synthetic=assessment.synthetic)
    canvas.margins(figure, left=0.48, right=0.12, bottom=0.72, top=0.28)
    figure.subplots_adjust(wspace=0.18, hspace=0.42)
    if figure.axes:
        figure.legend(
            *figure.axes[0].get_legend_handles_labels(), loc="lower left", ncols=6, fontsize=7.5, frameon=False
        )
    return figure


def _temperature(ax: Axes, curve: Curve, scene: Scene) -> None:
    minutes = curve.time_s / 60.0
    _activations(ax, scene)
    ax.fill_between(minutes, curve.low_c, curve.high_c, color=_BLUE, alpha=0.22, lw=0, label="all members")
    ax.plot(minutes, curve.nominal_c, color=_BLUE, lw=1.6, label="nominal")
    for limit, colour, dash, name in ((curve.warn_c, _WARN, "--", "warn"), (curve.stop_c, _STOP, "-", "stop")):
        if limit is not None:
            ax.axhline(limit, color=colour, ls=dash, lw=1.1, label=f"{name} limit")
            ax.annotate(
                f"{name} {limit:g}", (1.0, limit), xycoords=("axes fraction", "data"), fontsize=6, color=colour,
                ha="right", va="bottom" if name == "stop" else "top", xytext=(-1, 0.5 if name == "stop" else -1),
                textcoords="offset points",
            )  # fmt: skip
    top = max(_highest(curve), (curve.stop_c or 45.0))
    bottom = float(np.nanmin(curve.low_c)) if np.isfinite(curve.low_c).any() else 37.0
    ax.set(
        xlim=(0, float(minutes[-1]) if len(minutes) else 1), ylim=(min(36.5, bottom - 0.5), top + 0.18 * (top - 36.0))
    )
    ax.set_title(curve.name, fontsize=8.5, weight="bold", loc="left")
    ax.set_xlabel("time (min)", fontsize=7)
    ax.set_ylabel("°C", fontsize=7)
    ax.tick_params(labelsize=7)
    ax.grid(alpha=0.25, lw=0.5)


def _activations(ax: Axes, scene: Scene) -> None:
    for number, (start, end) in enumerate(scene.activations_s):
        ax.axvspan(start / 60, end / 60, color="#000000", alpha=0.08, lw=0, label="power on" if number == 0 else None)
    if scene.activations_s:
        off = max(end for _, end in scene.activations_s) / 60
        ax.axvline(off, color="#444444", lw=0.9, ls=":")
        ax.annotate(
            "switch-off", (off, 1.0), xycoords=("data", "axes fraction"), xytext=(2, -2), textcoords="offset points",
            fontsize=5.8, color="#444444", va="top",
        )  # fmt: skip


def draw_power(assessment: Assessment, scene: Scene) -> Figure:
    """Forward, net and absorbed power of the nominal member over time."""
    figure = canvas.new_figure(8.0, 2.7)
    ax = figure.add_subplot()
    _activations(ax, scene)
    off = max((end for _, end in scene.activations_s), default=0.0)
    # Each value holds from its time on; the last one holds until switch-off.
    held = bool(scene.power_time_s.size) and scene.power_time_s[-1] < off
    minutes = np.append(scene.power_time_s, off if held else []) / 60.0
    highest = 1.0
    for key, power_w in scene.power_w.items():
        values = np.append(power_w, power_w[-1] if held else [])
        highest = max(highest, float(np.nanmax(values, initial=0.0)))
        name = key.removesuffix("_w").replace("_", " ")
        colour, dash = _POWER_STYLE.get(name, ("#555555", ":"))
        ax.plot(minutes, values, color=colour, ls=dash, lw=1.6, label=name, drawstyle="steps-post")
    ax.set(xlabel="time (min)", ylabel="power (W)", ylim=(0, 1.12 * highest))
    if off > 0:
        ax.set_xlim(0, 1.08 * off / 60)
    ax.grid(alpha=0.25, lw=0.5)
    ax.legend(fontsize=8, loc="best", ncols=2)
    canvas.stamp_diagram(ax, synthetic=assessment.synthetic)
    canvas.margins(figure, left=0.58, right=0.10, bottom=0.48, top=0.26)
    return figure


def draw_limits(assessment: Assessment, scene: Scene) -> Figure:
    """Each structure's peak temperature: nominal as a dot, all members as a bar, with its limits."""
    curves = {curve.name: curve for curve in scene.curves}
    rows = [row for row in assessment.structures if row.peak_temperature_c is not None]
    rows.sort(key=lambda row: row.peak_temperature_c.high if row.peak_temperature_c else 0.0)
    figure = canvas.new_figure(9.0, 0.9 + 0.26 * max(len(rows), 2))
    ax = figure.add_subplot()
    colours = {"green": "#007a5e", "warn": _WARN, "stop": _STOP, "not assessed": "#666666"}
    for y, row in enumerate(rows):
        peak, curve = row.peak_temperature_c, curves.get(row.name)
        assert peak is not None
        ax.plot([peak.low, peak.high], [y, y], color=colours[row.status], lw=5, alpha=0.5, solid_capstyle="butt")
        ax.plot(peak.value, y, "o", color=colours[row.status], ms=5, mec="black", mew=0.5)
        ax.annotate(
            f"{peak.high:.1f} {style.STATUS_SIGNS[row.status]}", (peak.high, y), xytext=(4, 0), fontsize=7,
            textcoords="offset points", va="center", color=colours[row.status],
        )  # fmt: skip
        if curve is not None:
            for limit, colour in ((curve.warn_c, _WARN), (curve.stop_c, _STOP)):
                if limit is not None:
                    ax.plot([limit, limit], [y - 0.4, y + 0.4], color=colour, lw=1.6)
    highest = max((row.peak_temperature_c.high for row in rows if row.peak_temperature_c), default=45.0)
    ax.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=8)
    ax.set(xlim=(36.5, max(highest, 46.0) * 1.06), ylim=(-0.6, max(len(rows), 1) - 0.4))
    ax.set_xlabel("peak temperature (°C): dot nominal, bar all members; upright lines: warn and stop limit", fontsize=8)
    ax.tick_params(axis="x", labelsize=8)
    ax.grid(axis="x", alpha=0.25, lw=0.5)
    canvas.stamp_diagram(ax, synthetic=assessment.synthetic)
    drawing: Any = figure.canvas
    widest = max((text.get_window_extent(drawing.get_renderer()).width for text in ax.get_yticklabels()), default=0.0)
    canvas.margins(figure, left=0.16 + widest / canvas.DPI, right=0.10, bottom=0.48, top=0.26)
    return figure


def temperatures(assessment: Assessment, scene: Scene) -> Picture:
    """Encoded :func:`draw_temperatures`."""
    names = ", ".join(f"{c.name} up to {_highest(c):.1f} °C in the worst member" for c in shown_curves(scene))
    alt = f"Temperature over time, cool-down included: {names}. The same numbers stand in the table of limits."
    return canvas.encode(
        draw_temperatures(assessment, scene), "Temperature over time at the structures", alt, vector=True
    )


def thermocouples(assessment: Assessment, scene: Scene) -> Picture:
    """What each thermocouple should read over time, nominal and band."""
    shown = thermocouple_curves(scene)
    names = ", ".join(f"{c.name} up to {_highest(c):.1f} °C at most" for c in shown)
    alt = f"Predicted readings over time: {names}. The peaks stand in the table of thermocouples."
    figure = draw_temperatures(assessment, scene, shown)
    return canvas.encode(figure, "Predicted readings of the thermocouples", alt, vector=True)


def power(assessment: Assessment, scene: Scene) -> Picture:
    """Encoded :func:`draw_power`."""
    alt = "Power over time of the nominal member: " + ", ".join(key.removesuffix("_w") for key in scene.power_w)
    return canvas.encode(draw_power(assessment, scene), "Power over time (nominal member)", alt, vector=True)


def limits(assessment: Assessment, scene: Scene) -> Picture:
    """Encoded :func:`draw_limits`."""
    alt = "Peak temperature of every structure, nominal and over all members, with limits. Numbers: table of limits."
    return canvas.encode(draw_limits(assessment, scene), "Limits at a glance", alt, vector=True)
