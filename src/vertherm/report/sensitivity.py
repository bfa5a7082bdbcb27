"""A sensitivity study as one HTML page with a bar chart an output, and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vertherm.core.files import atomic_folder
from vertherm.planning.sensitivity import EffectRow, OutputRow, Sensitivity
from vertherm.report import canvas
from vertherm.report.canvas import Picture
from vertherm.report.environment import environment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 15
_EFFECT, _DIRECTION = "#0072b2", "#b07800"


def write_sensitivity(study: Sensitivity, folder: Path) -> None:
    """Write ``sensitivity.html`` and ``sensitivity.json`` into ``folder``, both or none.

    Raises:
        InputError: the folder cannot be written.
    """
    page = render_sensitivity(study)
    with atomic_folder(folder, owned=()) as temporary:
        (temporary / "sensitivity.html").write_text(page, "utf-8")
        (temporary / "sensitivity.json").write_text(study.model_dump_json(indent=2) + "\n", "utf-8")


def render_sensitivity(study: Sensitivity) -> str:
    """The page as text; every name in it is escaped."""
    pictures = [bars(study, output) for output in study.outputs]
    pairs = list(zip(study.outputs, pictures, strict=True))
    return environment().get_template("sensitivity.html.j2").render(s=study, pairs=pairs)


def bars(study: Sensitivity, output: OutputRow) -> Picture:
    """The strongest parameters of one output, largest first."""
    figure = draw_bars(study, output)
    first = ", ".join(row.parameter for row in output.effects[:3])
    title = f"{output.name}: what moves it"
    return canvas.encode(figure, title, f"Bar chart. Strongest parameters: {first}.", vector=True)


def draw_bars(study: Sensitivity, output: OutputRow) -> Figure:
    """The figure of :func:`bars`."""
    shown = output.effects[:MOST_BARS]
    height = 0.26 * len(shown) + 0.95
    figure = canvas.new_figure(8.4, height)
    ax = figure.add_axes((0.42, 0.62 / height, 0.55, 1.0 - 0.95 / height))
    _bars(ax, shown)
    unit = f" ({output.unit})" if study.method == "morris" else ""
    ax.set_xlabel(_axis(study) + unit, fontsize=8)
    ax.set_title(output.name, fontsize=9, weight="bold", loc="left")
    canvas.stamp_diagram(ax, synthetic=study.synthetic)
    return figure


def _axis(study: Sensitivity) -> str:
    if study.method == "morris":
        return "change over the parameter's whole range: mean of its size (bar), with sign (dot)"
    return "share of the variance: total (bar) and alone (dot)"


def _bars(ax: Axes, shown: list[EffectRow]) -> None:
    places = range(len(shown))
    values = [row.effect for row in shown]
    errors = [
        [max(row.effect - row.low, 0.0) for row in shown],
        [max(row.high - row.effect, 0.0) for row in shown],
    ]
    ax.barh(places, values, color=_EFFECT, alpha=0.75, xerr=errors, error_kw={"lw": 0.9, "capsize": 2.5})
    ax.plot([row.direction for row in shown], list(places), "D", ms=4, color=_DIRECTION, mec="white", mew=0.6)
    ax.set_yticks(list(places), labels=[row.parameter for row in shown], fontsize=7.5)
    ax.invert_yaxis()
    ax.axvline(0.0, color="black", lw=0.8)
    ax.tick_params(axis="x", labelsize=7.5)
    ax.grid(axis="x", alpha=0.3, lw=0.5)
