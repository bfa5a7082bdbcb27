"""What every picture is made with: figures without global state, marks on them, and their encoding."""

from __future__ import annotations

import base64
import gc
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import FloatArray
from vertherm.report import style
from vertherm.report.planes import Plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCH_PER_MM = 0.054
"""Scale of all anatomical pictures of a report, so that they can be compared by eye."""
DPI = 120
_STRIP = 0.26
"""Height in inches of the title strip."""
_SMALL_LETTER = 0.043
"""Width in inches of a letter of the smallest size."""
SCALE_BAR = "scale bar"
"""Group of the line that words must keep off."""
_GROUND = 48
"""Grey where an image shows nothing."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture: title, text alternative, data URI and its natural size in CSS pixels."""

    title: str
    alt: str
    uri: str
    width_px: int
    height_px: int


@contextmanager
def collected_later() -> Iterator[None]:
    """Let the garbage of figures lie until all are drawn.

    A figure is some ten thousand objects in circles; with a whole plan in memory, looking through everything again and
    again takes a tenth of the time of a report. All figures of one together are some 150 MB.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure that belongs to no window and no global list."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def margins(figure: Figure, *, left: float, right: float, bottom: float, top: float) -> None:
    """Fixed margins in inches: measuring every text for a tight layout takes longer than drawing."""
    width, height = figure.get_size_inches()
    figure.subplots_adjust(left=left / width, right=1 - right / width, bottom=bottom / height, top=1 - top / height)


def halo(width: float = 2.0, colour: str = "black") -> list[Any]:
    """Path effect that keeps lines and letters readable on any background."""
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=width, foreground=colour)]


def picture_axes(
    figure: Figure, plane: Plane, left_in: float = 0.0, title: str = "", scale: float = INCH_PER_MM
) -> Axes:
    """Axes in millimetres with the title above; ``left_in`` places them, ``scale`` is inches a millimetre."""
    width, height = (size * scale for size in plane.size_mm)
    total_w, total_h = figure.get_size_inches()
    ax = figure.add_axes((left_in / total_w, 0.0, width / total_w, height / total_h))
    dress(ax, plane)
    if title:
        figure.text(
            (left_in + 0.03) / total_w, 1 - 0.5 * _STRIP / total_h, title, fontsize=9, weight="bold", va="center"
        )
    return ax


def dress(ax: Axes, plane: Plane) -> None:
    """Make axes show a plane in millimetres, without ticks or frame."""
    ax.set(xlim=plane.u_mm, ylim=plane.v_mm, aspect="equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_facecolor((_GROUND / 255,) * 3)
    for spine in ax.spines.values():
        spine.set_visible(False)


def plane_figure(
    planes: list[Plane], gap_in: float = 0.08, right_in: float = 0.0, scale: float = INCH_PER_MM
) -> tuple[Figure, list[float]]:
    """A figure for planes side by side, and where each starts in inches."""
    widths = [plane.size_mm[0] * scale for plane in planes]
    height = max(plane.size_mm[1] for plane in planes) * scale + _STRIP
    starts = [sum(widths[:i]) + gap_in * i for i in range(len(widths))]
    return new_figure(starts[-1] + widths[-1] + right_in, height), starts


def grey(ax: Axes, values: NDArray[Any], low: float, high: float) -> None:
    """An image in greys on a plane; where there is none, the dark ground shows."""
    from vertherm.report.ground import Ground

    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    ax.add_artist(Ground(np.where(np.isfinite(share), np.nan_to_num(255 * share), _GROUND).astype(np.uint8)))


def contour(
    ax: Axes,
    axes_mm: tuple[FloatArray, FloatArray],
    values: NDArray[Any],
    level: float,
    colour: str,
    width: float,
    *,
    dash: str = "solid",
    zorder: float = 10,
) -> None:
    """The line where values, shape (nv, nu), reach a level: what ``Axes.contour`` draws, in a fifth of its time."""
    from contourpy import LineType, contour_generator
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    # contourpy's type is the union of all layouts of lines; this one has one entry of points and one of codes.
    lines: Any = contour_generator(*axes_mm, values, line_type=LineType.ChunkCombinedCode).lines(level)
    points, codes = lines[0][0], lines[1][0]
    if points is None:
        return
    drawn = PathCollection(
        [Path(points, codes)], facecolors="none", edgecolors=colour, linewidths=width, linestyles=dash, zorder=zorder,
        path_effects=halo(width + 1.0),
    )  # fmt: skip
    ax.add_collection(drawn, autolim=False)


def orientation_marks(ax: Axes, plane: Plane) -> None:
    """The letters at the four edges."""
    places = {
        "left": (0.015, 0.5, "left"),
        "right": (0.985, 0.5, "right"),
        "top": (0.5, 0.985, "center"),
        "bottom": (0.5, 0.015, "center"),
    }
    for edge, text in plane.marks().items():
        x, y, align = places[edge]
        vertical = {"top": "top", "bottom": "bottom"}.get(edge, "center")
        ax.text(
            x, y, text, transform=ax.transAxes, ha=align, va=vertical, color="white", fontsize=12, weight="bold",
            path_effects=halo(3), zorder=30, gid=f"mark-{edge}",
        )  # fmt: skip


def scale_bar(ax: Axes, plane: Plane, length_mm: float = 20.0, *, top: bool = False) -> None:
    """A bar of known length at the bottom left; ``top``: below the level's name instead."""
    u, v = plane.u_mm[0] + 4.0, plane.v_mm[1] - 14.0 if top else plane.v_mm[0] + 6.5
    ax.plot(
        [u, u + length_mm], [v, v], color="white", lw=2.5, path_effects=halo(4.5), solid_capstyle="butt", zorder=30,
        gid=SCALE_BAR,
    )  # fmt: skip
    ax.text(
        u, v + 1.2, f"{length_mm:g} mm", color="white", fontsize=7.5, ha="left", va="bottom", path_effects=halo(2.5),
        zorder=30,
    )  # fmt: skip


def stamp(ax: Axes, *, synthetic: bool, derived: bool, level: str = "") -> None:
    """Marks that must stay on an image even when it is cut out of the report.

    Args:
        ax: axes to mark.
        synthetic: a lesion or the patient was made by code.
        derived: outlines drawn here were made by a rule.
        level: vertebral level, shown top left.
    """
    # At most the right half of the picture: in its middle a letter stands at the edge, at its left the scale bar.
    width_in = float(ax.bbox.width) / DPI
    lines = wrap(style.DERIVED_MARK, max(int((0.5 * width_in - 0.12) / _SMALL_LETTER), 16)) if derived else []
    lines += style.RESEARCH_MARK.split(" - ")
    ax.text(
        0.985, 0.012, "\n".join(lines), transform=ax.transAxes, ha="right", va="bottom", fontsize=6, color="white",
        path_effects=halo(2.2), zorder=31, linespacing=1.15,
    )  # fmt: skip
    if level:
        ax.text(
            0.015, 0.985, level, transform=ax.transAxes, ha="left", va="top", fontsize=12, weight="bold", color="white",
            path_effects=halo(2.5), zorder=31,
        )  # fmt: skip
    if synthetic:
        ax.text(
            0.985, 0.985, style.SYNTHETIC_MARK, transform=ax.transAxes, ha="right", va="top", fontsize=8.5,
            weight="bold", color="black", bbox=_yellow(1.8), zorder=32,
        )  # fmt: skip


def _yellow(pad: float) -> dict[str, Any]:
    return {"facecolor": "#f0e442", "edgecolor": "black", "pad": pad, "linewidth": 0.6}


def stamp_diagram(ax: Axes, *, synthetic: bool) -> None:
    """The same marks above the top right corner of a diagram, where they hide no data."""
    text = f"{style.SYNTHETIC_MARK} - RESEARCH ONLY" if synthetic else "RESEARCH ONLY"
    box = {"facecolor": "#f0e442", "edgecolor": "black", "pad": 1.4, "linewidth": 0.5} if synthetic else None
    ax.annotate(
        text, (1.0, 1.0), xycoords="axes fraction", xytext=(0, 4.5), textcoords="offset points", ha="right",
        va="bottom", fontsize=6, weight="bold", color="black", bbox=box,
    )  # fmt: skip


def encode(figure: Figure, title: str, alt: str, *, vector: bool = False) -> Picture:
    """Encode a figure: vector as SVG, otherwise PNG."""
    width, height = (round(size * 96) for size in figure.get_size_inches())
    data = _svg(figure) if vector else _png(figure)
    kind = "svg+xml" if vector else "png"
    return Picture(title, alt, f"data:image/{kind};base64,{base64.b64encode(data).decode()}", width, height)


def _svg(figure: Figure) -> bytes:
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "vertherm"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _png(figure: Figure) -> bytes:
    from PIL import Image

    canvas: Any = figure.canvas
    canvas.draw()
    buffer = io.BytesIO()
    # 64 levels a channel are more than an eye tells apart on a CT in its window, and noise compresses twice as well.
    pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
    Image.fromarray((pixels & 0xFC) | (pixels >> 6)).save(buffer, "png", compress_level=3)
    return buffer.getvalue()
