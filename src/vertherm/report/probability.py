"""The probability map: in how many samples each point lies in the ablation zone, on the CT, with the lesion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vertherm.planning.scene import ProbabilityField
from vertherm.report import canvas
from vertherm.report.canvas import INCH_PER_MM, Picture, halo
from vertherm.report.pictures import Painter
from vertherm.report.planes import Plane, sampled
from vertherm.report.slices import STEP_MM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEVELS = ((0.05, "dotted"), (0.5, "dashed"), (0.95, "solid"))
_COLOURS = "cividis"
"""Ordered in lightness and readable without colour vision."""


def probability(painter: Painter, field: ProbabilityField) -> Picture:
    """One metric's map in three planes through the target."""
    figure, title = draw_probability(painter, field)
    alt = (
        f"{title}, level {painter.assessment.level}, axial, coronal and sagittal plane, radiological convention; "
        "lines at 5, 50 and 95 percent; the lesion is outlined."
    )
    return canvas.encode(figure, title, alt)


def draw_probability(painter: Painter, field: ProbabilityField) -> tuple[Figure, str]:
    """The figure of :func:`probability`."""
    planes = painter.close_planes
    figure, starts = canvas.plane_figure(planes, right_in=0.75)
    for plane, start in zip(planes, starts, strict=True):
        ax = canvas.picture_axes(figure, plane, start, title=f"{field.label.split(' (')[0]}, {plane.name}")
        painter.background(ax, plane)
        _overlay(ax, plane, field)
        painter.foreground(ax, plane)
        ax.text(
            0.985, 0.90, f"n = {field.samples}", transform=ax.transAxes, ha="right", va="top", color="white",
            fontsize=8, path_effects=halo(2.2), zorder=31,
        )  # fmt: skip
    _bar(figure, planes[-1], starts[-1])
    return figure, f"Probability of ablation by {field.label}, {field.samples} samples"


def _overlay(ax: Axes, plane: Plane, field: ProbabilityField) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    from vertherm.report.ground import Ground

    share = np.nan_to_num(sampled(field.share, plane, STEP_MM), nan=0.0)
    pixels = ScalarMappable(Normalize(0.0, 1.0), _COLOURS).to_rgba(share, bytes=True)
    pixels[..., 3] = 255 * 0.65 * np.clip(share / 0.02, 0.0, 1.0)
    ax.add_artist(Ground(pixels, zorder=1))
    for level, dash in _LEVELS:
        if share.min() < level <= share.max():
            canvas.contour(ax, plane.axes(STEP_MM), share, level, "white", 1.1, dash=dash, zorder=9)


def _bar(figure: Figure, plane: Plane, start: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    total_w, total_h = figure.get_size_inches()
    width, height = (size * INCH_PER_MM for size in plane.size_mm)
    left = start + width + 0.08
    axes = figure.add_axes((left / total_w, 0.08 * height / total_h, 0.12 / total_w, 0.80 * height / total_h))
    bar = figure.colorbar(ScalarMappable(Normalize(0.0, 1.0), _COLOURS), cax=axes)
    ticks = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
    bar.set_ticks(list(ticks), labels=[f"{100 * t:.0f} %" for t in ticks])
    bar.ax.tick_params(labelsize=7)
    for level, dash in _LEVELS:
        bar.ax.axhline(level, color="white", lw=1.1, ls=dash)
    bar.ax.set_title("share of\nsamples", fontsize=7, pad=5, loc="left")
