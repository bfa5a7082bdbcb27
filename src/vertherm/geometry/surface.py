"""Closed triangle surfaces of fields and masks, finer than the voxels, and what they enclose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import FloatArray, Grid, Volume

MASK_BLUR_VOXELS = 1.0
"""Blur of a mask before its surface is taken: wide enough to melt the stairs, too narrow to round a lesion."""
NEAR_LEVEL = 0.05
"""Of a blurred mask: voxels this close to a level tell how the volume changes with it."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed triangle surface, oriented outwards.

    Args:
        vertices_mm: (n, 3) points in RAS mm.
        faces: (m, 3) vertex numbers.
    """

    vertices_mm: FloatArray
    faces: NDArray[np.int64]

    @property
    def triangles_mm(self) -> FloatArray:
        """Corner points, shape (m, 3, 3): triangle, corner, RAS axis."""
        return self.vertices_mm[self.faces]

    @property
    def area_mm2(self) -> float:
        """Surface area."""
        return float(self.triangle_areas_mm2.sum())

    @property
    def triangle_areas_mm2(self) -> FloatArray:
        """Area of each triangle, shape (m,)."""
        a, b, c = np.moveaxis(self.triangles_mm, 1, 0)
        return np.asarray(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1))

    @property
    def vertex_areas_mm2(self) -> FloatArray:
        """A third of the area of the triangles around each vertex, shape (n,): weights for means over the surface."""
        thirds = np.repeat(self.triangle_areas_mm2 / 3.0, 3)
        return np.asarray(np.bincount(self.faces.ravel(), thirds, len(self.vertices_mm)), np.float64)

    @property
    def volume_ml(self) -> float:
        """Enclosed volume by the divergence theorem; parts inside out (cavities) count negative."""
        # Relative to a vertex, not to the world's origin, which may lie far away and cost digits.
        a, b, c = np.moveaxis(self.triangles_mm - self.vertices_mm[0], 1, 0)
        return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6000.0


def cropped(volume: Volume, keep: NDArray[np.bool_], pad: int) -> Volume:
    """The part of a volume around the voxels ``keep``, ``pad`` voxels wider where the volume has them."""
    spans = []
    for axis in range(3):
        line = np.flatnonzero(keep.any(axis=tuple(a for a in range(3) if a != axis)))
        spans.append((max(int(line[0]) - pad, 0), min(int(line[-1]) + pad + 1, keep.shape[axis])))
    affine = volume.grid.affine.copy()
    affine[:3, 3] = volume.grid.world([span[0] for span in spans])
    data = volume.data[tuple(slice(*span) for span in spans)]
    shape = (data.shape[0], data.shape[1], data.shape[2])
    return Volume(data, Grid(shape, affine, volume.grid.frame), volume.source)


def iso_surface(volume: Volume, level: float) -> Surface | None:
    """Surface where a field equals ``level``, linear between voxel centres; None where nothing exceeds it.

    Values above the level are inside. A region that reaches the border of the volume is closed on the outer faces of
    its voxels.

    Args:
        volume: scalar field; NaN is refused.
        level: the value on the surface.

    Raises:
        InputError: the field or the level is not finite.
    """
    inside = volume.data > level
    if not (np.isfinite(level) and np.isfinite(volume.data).all()):
        raise InputError(
            "A field has no iso-surface.", where=volume.source, got="NaN or infinity", expected="finite values"
        )
    if not inside.any():
        return None
    part = cropped(volume, inside, 1)
    return _marching_cubes(_closed(part.data.astype(np.float64), level), level, part.grid, 1)


def _closed(data: FloatArray, level: float) -> FloatArray:
    """Pad by one voxel so that the linear surface closes half a voxel beyond the outermost centres."""
    for axis in range(3):
        edges = [np.take(data, [end], axis=axis) for end in (0, -1)]
        # Mirrored about the level: a line from v to 2 level - v crosses it half way. A hair below for v = level.
        mirrored = [np.minimum(edge, 2.0 * level - edge) for edge in edges]
        data = np.concatenate([mirrored[0], data, mirrored[1]], axis=axis)
    return data


def _marching_cubes(data: FloatArray, level: float, grid: Grid, pad: int) -> Surface | None:
    from skimage.measure import marching_cubes

    if not (data.min() < level < data.max()):
        return None
    # skimage works in float32: measured from the level, so that a small step on a large value keeps its digits.
    scale = float(np.abs(data - level).max())
    vertices, faces, _, _ = marching_cubes(((data - level) / scale).astype(np.float32), 0.0, allow_degenerate=False)
    surface = Surface(grid.world(vertices - pad), faces.astype(np.int64))
    if surface.volume_ml < 0:
        surface = Surface(surface.vertices_mm, surface.faces[:, ::-1].copy())
    return surface


def mask_surface(mask: Volume, blur_voxels: float = MASK_BLUR_VOXELS) -> Surface | None:
    """Smooth surface of a mask, finer than its voxels; None where the mask is empty.

    The mask is blurred by ``blur_voxels`` along each array axis, which melts the voxel stairs, and the surface is taken
    at the level that encloses the mask's own volume, which undoes the shrinking of convex shapes. A mask too thin for
    the blur keeps its voxel surface.

    Args:
        mask: True or non-zero inside.
        blur_voxels: standard deviation of the blur in voxels; 0 for the plain voxel surface.
    """
    from scipy.ndimage import gaussian_filter

    inside = mask.data.astype(bool)
    if not inside.any():
        return None
    part = cropped(mask.with_data(inside), inside, 0)
    pad = 1 + int(np.ceil(4 * blur_voxels))
    sharp = np.pad(part.data.astype(np.float64), pad)
    plain = _marching_cubes(sharp, 0.5, part.grid, pad)
    if blur_voxels <= 0 or plain is None:
        return plain
    blurred = gaussian_filter(sharp, blur_voxels, mode="constant")
    goal = float(inside.sum()) * mask.grid.voxel_volume_ml
    return _at_volume(blurred, part.grid, pad, goal) or plain


def _at_volume(field: FloatArray, grid: Grid, pad: int, goal_ml: float) -> Surface | None:
    """Iso-surface of ``field`` that encloses ``goal_ml``.

    From the level that as many voxels exceed; then by how many voxels lie around that level, kept within a bracket.
    """
    low, high = 0.02, min(0.98, 0.98 * float(field.max()))
    surface = None
    between = np.sort(field[(field > low) & (field < high)])
    # As many of those between as there are voxels in the goal, less those that exceed all levels.
    count = round(goal_ml / grid.voxel_volume_ml) - int(np.count_nonzero(field >= high))
    level = float(between[-count]) if 0 < count <= len(between) else (high if count <= 0 else low)
    for _ in range(10):
        surface = _marching_cubes(field, level, grid, pad)
        volume = 0.0 if surface is None else surface.volume_ml
        if surface is not None and abs(volume / goal_ml - 1.0) < 2e-3:
            return surface
        if volume < goal_ml:
            high = level
        else:
            low = level
        inner, outer = np.searchsorted(between, (level - NEAR_LEVEL, level + NEAR_LEVEL))
        slope = max(int(outer - inner), 1) * grid.voxel_volume_ml / (2.0 * NEAR_LEVEL)
        step = level + (volume - goal_ml) / slope
        level = step if low < step < high else 0.5 * (low + high)
    # The goal lies outside the bracket: too thin a mask for this blur.
    return surface if surface is not None and abs(surface.volume_ml / goal_ml - 1.0) < 0.05 else None


def enclosed_volume_ml(field: Volume, level: float) -> float:
    """Volume where a field exceeds ``level``, finer than the voxels; 0 where nothing does."""
    surface = iso_surface(field, level)
    return 0.0 if surface is None else surface.volume_ml


@dataclass(frozen=True)
class ZoneAxes:
    """Size of a zone.

    Args:
        long_mm: extent along the given axis (the needle).
        short_mm: largest width across that axis.
        principal_mm: extents along the zone's own principal axes, largest first.
    """

    long_mm: float
    short_mm: float
    principal_mm: tuple[float, float, float]


def zone_axes(field: Volume, level: float, axis: FloatArray) -> ZoneAxes:
    """Extents of the region where ``field`` exceeds ``level``; zeros where there is none.

    Args:
        field: scalar field.
        level: value on the zone's surface.
        axis: (3,) direction in RAS, any length; usually the needle's axis.

    Raises:
        InputError: the axis has no length.
    """
    direction = np.asarray(axis, dtype=np.float64)
    length = float(np.linalg.norm(direction))
    if direction.shape != (3,) or not np.isfinite(length) or length < 1e-12:
        raise InputError("The axis of a zone is unusable.", got=axis, expected="a vector of three numbers")
    surface = iso_surface(field, level)
    if surface is None:
        return ZoneAxes(0.0, 0.0, (0.0, 0.0, 0.0))
    direction = direction / length
    points = surface.vertices_mm
    helper = np.eye(3)[int(np.argmin(np.abs(direction)))]
    u = np.cross(direction, helper)
    u /= np.linalg.norm(u)
    v = np.cross(direction, u)
    angles = np.linspace(0.0, np.pi, 180, endpoint=False)
    widths = _extent(points, np.cos(angles)[:, None] * u + np.sin(angles)[:, None] * v)
    weights = surface.vertex_areas_mm2
    offset = points - np.average(points, axis=0, weights=weights)
    _, principal = np.linalg.eigh((offset * weights[:, None]).T @ offset)
    sizes = sorted(_extent(points, principal.T).tolist(), reverse=True)
    return ZoneAxes(float(_extent(points, direction[None])[0]), float(widths.max()), (sizes[0], sizes[1], sizes[2]))


def _extent(points: FloatArray, directions: FloatArray) -> FloatArray:
    projected = points @ directions.T
    return np.asarray(projected.max(axis=0) - projected.min(axis=0))
