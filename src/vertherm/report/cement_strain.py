"""Maps of the strain in the vertebral body, state by state, at one load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vertherm.geometry.volume import Volume
from vertherm.materials.bone_mechanics import mechanics_constant
from vertherm.planning.cement.document import TargetCement
from vertherm.planning.cement.result import CementFields
from vertherm.report import canvas, style
from vertherm.report.canvas import Picture
from vertherm.report.cement_planes import CEMENT_COLOUR
from vertherm.report.planes import Plane, sampled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEP_MM = 0.5
_ROOM_MM = 3.0
_INCH_PER_MM = 0.045
_TITLE_IN, _GAP_IN, _BAR_IN = 0.26, 0.08, 0.95
_COLOURS = "viridis"
_TOP = 1.5
"""Colours end at this multiple of the critical strain."""
CEMENT_SHARE = 0.3
"""Share of a voxel that is cement where its outline is drawn."""
_CRITICAL_COLOUR = "#ff4d4d"


def strain(target: TargetCement, fields: CementFields, *, synthetic: bool) -> Picture:
    """Encoded :func:`draw_strain`."""
    title = f"Strain in the body of {target.level}"
    alt = (
        f"{title} in coronal and sagittal section through the lesion, for {', '.join(fields.strain)}, all at "
        f"the load at which the body without lesion fails; line where the critical strain is reached. "
        f"{style.SYNTHETIC_MARK + '. ' if synthetic else ''}Research only."
    )
    return canvas.encode(draw_strain(target, fields, synthetic=synthetic), title, alt)


def draw_strain(target: TargetCement, fields: CementFields, *, synthetic: bool) -> Figure:
    """One column a state, one row a section, one scale of colours for all."""
    sections = _sections(fields)
    heights = [plane.size_mm[1] * _INCH_PER_MM for plane in sections]
    width = max(plane.size_mm[0] for plane in sections) * _INCH_PER_MM
    states = list(fields.strain)
    figure = canvas.new_figure(
        len(states) * (width + _GAP_IN) + _BAR_IN, sum(heights) + _TITLE_IN + _GAP_IN * (len(sections) - 1)
    )
    for column, state in enumerate(states):
        top = sum(heights) + _GAP_IN * (len(sections) - 1)
        left = column * (width + _GAP_IN)
        _title(figure, state, left)
        for plane, height in zip(sections, heights, strict=True):
            top -= height
            own = plane.size_mm[0] * _INCH_PER_MM
            ax = _axes(figure, (left + 0.5 * (width - own), top, own, height))
            _section(ax, plane, fields, state)
            canvas.orientation_marks(ax, plane)
            canvas.scale_bar(ax, plane, 10.0)
            canvas.stamp(ax, synthetic=synthetic, derived=False, level=target.level)
            top -= _GAP_IN
    _colour_bar(figure, len(states) * (width + _GAP_IN) + 0.05)
    return figure


def _sections(fields: CementFields) -> list[Plane]:
    """Coronal and sagittal through the lesion's middle (else the body's), along the directions of the strain's grid."""
    grid = next(iter(fields.strain.values())).grid
    right, anterior, superior = (grid.affine[:3, n] / grid.spacing_mm[n] for n in range(3))
    middle = fields.lesion if fields.lesion.data.any() else fields.body
    centre = middle.grid.world(np.argwhere(middle.data)).mean(axis=0)
    corners = grid.world(np.array([[0, 0, 0], np.array(grid.shape) - 1]))

    def plane(name: str, across: np.ndarray) -> Plane:
        u, v = (np.sort((corners - centre) @ way) for way in (across, superior))
        return Plane(
            name, centre, across, superior, (u[0] - _ROOM_MM, u[1] + _ROOM_MM), (v[0] - _ROOM_MM, v[1] + _ROOM_MM)
        )

    return [plane("coronal", -right), plane("sagittal", -anterior)]


def _axes(figure: Figure, box_in: tuple[float, float, float, float]) -> Axes:
    width, height = figure.get_size_inches()
    return figure.add_axes((box_in[0] / width, box_in[1] / height, box_in[2] / width, box_in[3] / height))


def _title(figure: Figure, state: str, left_in: float) -> None:
    width, height = figure.get_size_inches()
    figure.text((left_in + 0.03) / width, 1 - 0.5 * _TITLE_IN / height, state, fontsize=9, weight="bold", va="center")


def _section(ax: Axes, plane: Plane, fields: CementFields, state: str) -> None:
    from matplotlib import colormaps

    from vertherm.report.ground import Ground

    canvas.dress(ax, plane)
    # The nearest voxel: an average over the body's surface would invent small strains there.
    values = sampled(fields.strain[state], plane, _STEP_MM, outside=0.0, order=0)
    critical = mechanics_constant("critical_strain").value
    pixels = (255 * colormaps[_COLOURS](np.clip(np.nan_to_num(values) / (_TOP * critical), 0.0, 1.0))).astype(np.uint8)
    pixels[..., 3] = np.where(values > 0, 255, 0)
    ax.add_artist(Ground(pixels))
    axes = plane.axes(_STEP_MM)
    if np.nanmax(values) > critical > 0:
        canvas.contour(ax, axes, np.nan_to_num(values), critical, _CRITICAL_COLOUR, 1.0)
    _outline(ax, plane, fields.lesion, style.LESION_COLOUR, 0.5)
    if state == "with cement":
        _outline(ax, plane, fields.fill, CEMENT_COLOUR, CEMENT_SHARE)


def _outline(ax: Axes, plane: Plane, mask: Volume, colour: str, level: float) -> None:
    share = np.nan_to_num(sampled(mask.with_data(mask.data.astype(np.float32)), plane, _STEP_MM, outside=0.0))
    if share.min() < level <= share.max():
        canvas.contour(ax, plane.axes(_STEP_MM), share, level, colour, 1.4)


def _colour_bar(figure: Figure, left_in: float) -> None:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    critical = 100.0 * mechanics_constant("critical_strain").value
    height = figure.get_size_inches()[1]
    ax = _axes(figure, (left_in, 0.15 * height, 0.14, 0.7 * height))
    bar = figure.colorbar(ScalarMappable(Normalize(0.0, _TOP * critical), colormaps[_COLOURS]), cax=ax, extend="max")
    bar.set_ticks([0.0, 0.5 * critical, critical, _TOP * critical])
    bar.ax.tick_params(labelsize=7.5)
    bar.ax.axhline(critical, color=_CRITICAL_COLOUR, lw=1.5)
    bar.set_label("effective strain (%); red: critical", fontsize=7.5)
