"""What every figure is made with: figures without global state, colours, marks, encoding."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing

from vertherm.review.model import SYNTHETIC_MARK, Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"
BLACK, GREY, PALE = "#1c1c1c", "#6b6b6b", "#d9d9d9"
"""Colours after Okabe and Ito; shapes and dashes say the same, so that nothing hangs on colour alone."""
PNG_DPI = 170


def new(width_in: float, height_in: float) -> Drawing:
    """A figure that belongs to no window and no global list."""
    drawing = Drawing(figsize=(width_in, height_in), facecolor="white")
    FigureCanvasAgg(drawing)
    return drawing


def plain(ax: Axes) -> None:
    """Thin frame, quiet grid, small letters."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.tick_params(labelsize=8)
    ax.grid(alpha=0.25, lw=0.5)
    ax.set_axisbelow(True)


def stamp(drawing: Drawing, *, synthetic: bool) -> None:
    """SYNTHETIC, and that this is research, in the top right corner outside the axes."""
    text = f"{SYNTHETIC_MARK} DATA – RESEARCH ONLY" if synthetic else "RESEARCH ONLY"
    box = {"facecolor": "#f0e442", "edgecolor": "black", "pad": 2.0, "linewidth": 0.6} if synthetic else None
    drawing.text(0.995, 0.995, text, ha="right", va="top", fontsize=7, weight="bold", color="black", bbox=box)


def finish(
    drawing: Drawing, name: str, title: str, alt: str, *, synthetic: bool, notes: tuple[str, ...] = ()
) -> Figure:
    """Stamp and encode a figure; the same input gives the same bytes."""
    stamp(drawing, synthetic=synthetic)
    width, height = (float(size) for size in drawing.get_size_inches())
    vector = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": f"vertherm-{name}"}):
        drawing.savefig(vector, format="svg", metadata={"Date": None, "Creator": None})
    pixels = io.BytesIO()
    drawing.savefig(pixels, format="png", dpi=PNG_DPI, metadata={"Software": None})
    mark = f"{SYNTHETIC_MARK} data. " if synthetic else ""
    return Figure(name, title, mark + alt, vector.getvalue(), pixels.getvalue(), width, height, notes)
