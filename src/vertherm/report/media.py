"""Pictures of what protects: gas or fluid of a dissection or irrigation in three planes through its middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vertherm.planning.scene import MediumRegion
from vertherm.report import canvas, style
from vertherm.report.canvas import Picture
from vertherm.report.pictures import Painter
from vertherm.report.planes import standard_plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PLANES = ("axial", "coronal", "sagittal")
_HALF_MM = 32.0


def medium(painter: Painter, item: MediumRegion) -> Picture:
    """One region on the CT, with structures, lesion and needles."""
    figure, title = draw_medium(painter, item)
    alt = (
        f"{title}, level {painter.level}: where it lies, in an axial, a coronal and a sagittal plane through its "
        f"middle, radiological convention. {style.SYNTHETIC_MARK + '. ' if painter.synthetic else ''}Research only."
    )
    return canvas.encode(figure, title, alt)


def draw_medium(painter: Painter, item: MediumRegion) -> tuple[Figure, str]:
    """The figure of :func:`medium`."""
    voxels = np.argwhere(item.region.data)
    # The voxel nearest to the middle: the middle of a shell lies outside of it.
    middle = voxels[np.argmin(((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1))] if len(voxels) else np.zeros(3)
    centre = item.region.grid.world(middle)
    planes = [standard_plane(name, centre, painter.ct.grid, _HALF_MM) for name in _PLANES]
    figure, starts = canvas.plane_figure(planes)
    title = f"{item.name} ({style.medium(item.medium)})"
    for plane, start in zip(planes, starts, strict=True):
        ax = canvas.picture_axes(figure, plane, start, title=f"{title}, {plane.name}")
        painter.background(ax, plane)
        derived = painter.outlines(ax, plane, names=True)
        painter.tint_protection(ax, plane, names=False)
        painter.outline_lesions(ax, plane)
        painter.draw_needles(ax, plane, label=False)
        painter.finish(ax, plane, derived, bar_mm=10.0)
    return figure, title
