"""Cement in space: shaded surfaces of cement, lesion, vertebral body and canal, seen from behind and from the left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.surface import cropped
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.planning.cement.document import TargetCement
from vertherm.planning.cement.result import CementFields
from vertherm.report import canvas, style
from vertherm.report.canvas import Picture, halo
from vertherm.report.cement_planes import BODY_COLOUR, CEMENT_COLOUR, LEAK_COLOUR
from vertherm.report.planes import Plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_VIEWS: dict[str, tuple[FloatArray, FloatArray]] = {
    "from behind": (np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])),
    "from the left": (np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])),
}
"""Directions of picture-right and picture-up; the viewer stands where their cross product points."""
CANAL_COLOUR = "#56b4e9"
_ROOM_MM = 8.0
_STEP_MM = 0.5
_GREY = 0.16
"""Brightness of the background."""


@dataclass(frozen=True, eq=False)
class Solid:
    """A surface to look at: where ``field`` passes one half, in a colour, letting light through by 1 - ``opacity``."""

    field: Volume
    colour: str
    opacity: float


def look(target: TargetCement, fields: CementFields, *, synthetic: bool, level: str) -> Picture:
    """Encoded :func:`draw_look`."""
    figure = draw_look(fields, synthetic=synthetic, level=level)
    title = f"Cement in space at {target.target}"
    alt = (
        f"{title}, {level}: shaded surfaces of cement, lesion, vertebral body and canal, seen from behind (patient "
        f"right on the right) and from the patient's left (back on the right). "
        f"{style.SYNTHETIC_MARK + '. ' if synthetic else ''}Research only."
    )
    return canvas.encode(figure, title, alt)


def draw_look(fields: CementFields, *, synthetic: bool, level: str) -> Figure:
    """Both views side by side."""
    solids = _solids(fields)
    planes = [_plane(name, fields) for name in _VIEWS]
    figure, starts = canvas.plane_figure(planes)
    for plane, start in zip(planes, starts, strict=True):
        ax = canvas.picture_axes(figure, plane, start, title=f"Cement in space, {plane.name}")
        _paint(ax, plane, solids)
        _needles(ax, plane, fields)
        canvas.orientation_marks(ax, plane)
        canvas.scale_bar(ax, plane, 10.0)
        canvas.stamp(ax, synthetic=synthetic, derived=False, level=level)
    return figure


def _solids(fields: CementFields) -> list[Solid]:
    out = fields.sites.data > 0
    fill = fields.fill.data
    # Half of what a full cell holds: cement fills only the pores of bone.
    half = 0.5 * max(float(np.percentile(fill[fill > 0.05], 90)), 0.2) if (fill > 0.05).any() else 0.5
    parts = [
        (np.where(out, 0.0, fill) * (0.5 / half), CEMENT_COLOUR, 1.0),
        (np.where(out, fill, 0.0) * (0.5 / half), LEAK_COLOUR, 1.0),
        (fields.lesion.data, style.LESION_COLOUR, 0.30),
        (fields.canal.data, CANAL_COLOUR, 0.34),
        (fields.body.data, BODY_COLOUR, 0.36),
    ]
    return [Solid(_rounded(fields.fill.with_data(data)), colour, opacity) for data, colour, opacity in parts]


def _rounded(volume: Volume) -> Volume:
    """Rounded over about a voxel, so that a surface shows no stairs; a speck keeps its height."""
    from scipy.ndimage import gaussian_filter

    data = np.clip(np.asarray(volume.data, np.float32), 0.0, 1.0)
    smooth: NDArray[np.float32] = gaussian_filter(data, 0.8)
    if data.max() >= 0.5 and smooth.max() < 0.55:
        smooth = smooth * (0.7 / max(float(smooth.max()), 1e-6))
    return volume.with_data(smooth.astype(np.float32))


def _plane(name: str, fields: CementFields) -> Plane:
    right, up = _VIEWS[name]
    grid = fields.body.grid
    shown = fields.body.data | (fields.fill.data > 0.3)
    points = grid.world(np.argwhere(shown)) if shown.any() else grid.centres().reshape(-1, 3)
    canal = grid.world(np.argwhere(fields.canal.data))
    beside = (canal[:, 2] >= points[:, 2].min()) & (canal[:, 2] <= points[:, 2].max())
    points = np.concatenate([points, canal[beside]])
    centre = 0.5 * (points.min(axis=0) + points.max(axis=0))
    reach = [float(np.abs((points - centre) @ way).max()) + _ROOM_MM for way in (right, up)]
    half = [max(value, 28.0) for value in reach]
    return Plane(name, centre, right, up, (-half[0], half[0]), (-half[1], half[1]))


def _paint(ax: Axes, plane: Plane, solids: list[Solid]) -> None:
    """Layers from back to front, each with its own light."""
    from matplotlib.colors import to_rgb

    from vertherm.report.ground import Ground

    depths, lights = zip(*(_surface(solid.field, plane) for solid in solids), strict=True)
    order = np.argsort(np.stack(depths), axis=0)
    colours = np.array([to_rgb(solid.colour) for solid in solids])
    opacity = np.array([solid.opacity for solid in solids])
    stack, bright = np.stack(depths), np.stack(lights)
    picture = np.full((*depths[0].shape, 3), _GREY)
    for rank in range(len(solids)):
        which = order[rank]
        depth = np.take_along_axis(stack, which[None], 0)[0]
        light = np.take_along_axis(bright, which[None], 0)[0]
        # A translucent shell is denser where it is seen along its surface: its outline shows.
        rim = np.where(opacity[which] < 1, 1.0 + 1.3 * (1.0 - light) ** 2, 1.0)
        share = np.where(np.isfinite(depth), np.clip(opacity[which] * rim, 0.0, 1.0), 0.0)[..., None]
        picture = (1 - share) * picture + share * colours[which] * (0.30 + 0.70 * light[..., None])
    for solid, depth in zip(solids, depths, strict=True):
        if solid.opacity < 1 and np.isfinite(depth).any():
            seen = np.isfinite(depth).astype(float)
            canvas.contour(ax, plane.axes(_STEP_MM), seen, 0.5, solid.colour, 1.2, zorder=8)
    ax.add_artist(Ground(np.round(255 * np.dstack([picture, np.ones(depths[0].shape)])).astype(np.uint8)))


def _surface(field: Volume, plane: Plane, step_mm: float = _STEP_MM) -> tuple[FloatArray, FloatArray]:
    """Height of the first surface above the plane (-inf: none) and how far it faces the viewer, shape (nv, nu)."""
    from scipy.ndimage import map_coordinates

    u, v = plane.axes(step_mm)
    best, light = np.full((len(v), len(u)), -np.inf), np.zeros((len(v), len(u)))
    solid = field.data >= 0.5
    if not solid.any():
        return best, light
    part = cropped(field, solid, 2)
    box = _box(part, plane)
    rows, columns = (np.flatnonzero((at >= low) & (at <= high)) for at, (low, high) in ((v, box[1]), (u, box[0])))
    if not rows.size or not columns.size:
        return best, light
    height = np.arange(box[2][0], box[2][1], step_mm)[::-1]
    base = plane.points(step_mm)
    gradient = np.gradient(part.data, *part.grid.spacing_mm)
    turn = part.grid.affine[:3, :3] / part.grid.spacing_mm
    for row in rows:
        rays = part.grid.index(base[row, columns][:, None, :] + height[:, None] * plane.normal)
        value = map_coordinates(part.data, rays.reshape(-1, 3).T, order=1, cval=0.0).reshape(rays.shape[:2])
        hit = (value >= 0.5).argmax(axis=1)
        found = np.flatnonzero(value.max(axis=1) >= 0.5)
        place = rays[found, hit[found]].T
        slope = np.stack([map_coordinates(along, place, order=1, mode="nearest") for along in gradient], axis=-1)
        facing = -(slope @ turn.T) @ plane.normal
        best[row, columns[found]] = height[hit[found]]
        light[row, columns[found]] = np.clip(facing / np.maximum(np.linalg.norm(slope, axis=-1), 1e-9), 0.0, 1.0)
    return best, light


def _box(part: Volume, plane: Plane) -> list[tuple[float, float]]:
    """Lower and upper limit of a volume along the picture's right, its up, and towards the viewer."""
    corners = np.stack(np.meshgrid(*((-0.5, n - 0.5) for n in part.grid.shape), indexing="ij"), -1).reshape(-1, 3)
    return [(float(along.min()), float(along.max())) for along in plane.project(part.grid.world(corners))]


def _needles(ax: Axes, plane: Plane, fields: CementFields) -> None:
    for needle in fields.needles.values():
        u, v, _ = plane.project(np.stack([needle.entry_mm, needle.tip_mm]))
        ax.plot(u, v, color=style.NEEDLE_COLOUR, lw=2.0, path_effects=halo(3.4), zorder=12)
        ax.plot(u[1], v[1], "o", ms=3.5, mfc="white", mec="black", mew=0.8, zorder=13)
    ax.set(xlim=plane.u_mm, ylim=plane.v_mm)
