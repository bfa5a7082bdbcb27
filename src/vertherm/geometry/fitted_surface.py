"""The surface behind a mask, by local fits to where the mask changes: finer than voxels, with its own error.

Between a voxel centre inside and its neighbour outside lies the surface, somewhere on a line of one voxel's length.
Seen along the surface's normal n that line is short where the axis lies nearly in the surface: of the crossings around
a point those that cut it at a grazing angle say most. A quadric patch through the crossings of a neighbourhood, each
weighted by 1 / (h_i n_i)^2, therefore knows the surface far better than the half voxel that one crossing leaves open,
and the fit says how well. Blurring a mask, which is the usual way, leaves ripples wherever the surface runs along the
grid, because there the stairs are wider than the blur.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.surface import Surface, cropped, mask_surface
from vertherm.geometry.volume import FloatArray, Grid, Volume

NEIGHBOURS = 150
REACHES = (6.0, 4.5)
"""In voxels: the widest patch that still describes its crossings is taken. Stairs of a surface along the grid are
sqrt(2 R) voxels wide: a narrow patch would see one step only, a wide one cuts off what is strongly bent."""
WIDE_REACHES = (11.0, 7.0)
WIDE_NEIGHBOURS = 480
LONE_STEP = 0.65
"""Reduced chi square below which a patch sees too few steps."""
WORST_MISFIT = 1.4
LONG_STEP = 1.15
"""Root of the step's length along the normal, in voxels, from which on the reaches grow."""
SD_FACTOR = 1.25
"""The patches' own standard deviations are this much too small, by comparison with ellipsoids."""
FLOOR = 0.06
"""Least standard deviation of a crossing along the normal, in voxels: a quadric is not the shape itself."""
ROUNDS = 2
BLUR_VOXELS = 1.2
BLURRED_SD = 0.12
"""Of the blurred surface, in voxels."""


@dataclass(frozen=True, eq=False)
class FittedSurface:
    """A closed surface with the standard deviation of its place.

    Args:
        surface: triangles, RAS mm, oriented outwards.
        normals: (n, 3) unit vectors outwards at the vertices.
        sd_mm: (n,) of each vertex along its normal.
    """

    surface: Surface
    normals: FloatArray
    sd_mm: FloatArray


def blurred_surface(mask: Volume) -> FittedSurface | None:
    """The usual smooth surface of a mask, to begin with; None where the mask is empty."""
    start = mask_surface(mask, BLUR_VOXELS)
    if start is None:
        return None
    sd = np.full(len(start.vertices_mm), BLURRED_SD * float(mask.grid.spacing_mm.max()))
    return FittedSurface(start, vertex_normals(start), sd)


def fitted_surface(mask: Volume, start: FittedSurface, chosen: NDArray[np.bool_] | None = None) -> FittedSurface:
    """Surface of a mask by local quadric fits.

    Args:
        mask: True or non-zero inside; any voxels, also anisotropic and oblique.
        start: its blurred surface.
        chosen: (n,) vertices to fit; the others stay where they are. Left out: all.
    """
    points, steps = crossings(mask)
    coarse, axes = mean_spacing_mm(mask.grid), mask.grid.affine[:3, :3]
    which = np.ones(len(start.sd_mm), bool) if chosen is None else chosen.copy()
    vertices, normals, sd = start.surface.vertices_mm.copy(), start.normals.copy(), start.sd_mm.copy()
    for group, wider in _by_slope(normals, axes / coarse):
        wanted = which & group
        for reaches, count in ((REACHES, NEIGHBOURS), (WIDE_REACHES, WIDE_NEIGHBOURS)):
            if not wanted.any():
                break
            wide = tuple(wider * reach for reach in reaches)
            near = _nearest(points / coarse, vertices[wanted] / coarse, round(count * wider**2), max(wide))
            for _ in range(ROUNDS):
                fitted = _fitted(vertices[wanted], normals[wanted], near, points, steps, coarse, wide, axes)
                vertices[wanted], normals[wanted], sd[wanted], misfit = fitted
            # Residuals far smaller than stairs leave: the patch lies on a single step and must be wider.
            wanted[wanted] = misfit < LONE_STEP
    return FittedSurface(Surface(vertices, start.surface.faces), normals, sd)


def _by_slope(normals: FloatArray, axes: FloatArray) -> list[tuple[NDArray[np.bool_], float]]:
    """Vertices in groups by how long a step is along their normal, each with the factor of its reaches.

    Stairs of steps h are sqrt(2 R h) wide: where the surface lies along thick slices, patches must be wider to see as
    many steps as elsewhere.
    """
    factor = np.sqrt(np.maximum(np.abs(normals @ axes).max(axis=1), 1.0))
    long = factor > LONG_STEP
    return [(~long, 1.0), (long, float(factor.max()))]


def mean_spacing_mm(grid: Grid) -> float:
    """Edge of the cube with a voxel's volume: the unit of all reaches."""
    return float(np.prod(grid.spacing_mm) ** (1.0 / 3.0))


def crossings(mask: Volume) -> tuple[FloatArray, FloatArray]:
    """Middles of all pairs of neighbours of which one is inside, RAS mm (n, 3), and the steps between them (n, 3)."""
    inside = mask.data.astype(bool)
    part = cropped(mask.with_data(inside), inside, 0)
    data = np.pad(part.data, 1)
    points, steps = [], []
    for axis in range(3):
        changes = np.argwhere(np.diff(data.astype(np.int8), axis=axis) != 0).astype(float)
        changes[:, axis] += 0.5
        points.append(part.grid.world(changes - 1.0))
        steps.append(np.tile(part.grid.affine[:3, axis], (len(changes), 1)))
    return np.concatenate(points), np.concatenate(steps)


def vertex_normals(surface: Surface) -> FloatArray:
    """Outward unit vectors at the vertices: means of the triangles around, weighted by area."""
    a, b, c = np.moveaxis(surface.triangles_mm, 1, 0)
    normals = np.zeros_like(surface.vertices_mm)
    across = np.cross(b - a, c - a)
    for corner in range(3):
        np.add.at(normals, surface.faces[:, corner], across)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))


def _nearest(points: FloatArray, vertices: FloatArray, most: int, reach: float) -> NDArray[np.int64]:
    """Numbers of the nearest crossings of each vertex, nearest first, -1 at the end; lengths in voxels."""
    import numba
    from scipy.spatial import cKDTree

    count = min(most, len(points))
    threads = numba.get_num_threads()
    away, near = cKDTree(points).query(vertices, k=count, distance_upper_bound=reach, workers=threads)
    return np.where(np.isfinite(away), near, -1).reshape(len(vertices), count)


def _fitted(
    vertices: FloatArray,
    normals: FloatArray,
    near: NDArray[np.int64],
    points: FloatArray,
    steps: FloatArray,
    coarse_mm: float,
    reaches: tuple[float, ...],
    axes_mm: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Each vertex moved along its normal onto the patch around it; new normals; standard deviations; misfits."""
    from vertherm.geometry.fit_kernels import fit_patches

    own, there = vertices / coarse_mm, points / coarse_mm
    first, second = _tangents(normals)
    heights, tilts = np.zeros(len(own)), np.zeros((len(own), 2))
    variances, misfits = np.zeros(len(own)), np.zeros(len(own))
    fit_patches(
        own, normals, first, second, near, there, steps / coarse_mm, np.array(reaches), FLOOR, WORST_MISFIT,
        heights, tilts, variances, misfits,
    )  # fmt: skip
    # Crossings of one step are wrong together: what they agree on too well is no knowledge.
    stair = np.abs(normals @ (axes_mm / coarse_mm)).max(axis=1)
    together = stair**2 / 12.0 * np.clip(1.0 - misfits, 0.0, 1.0) ** 2
    sds = np.sqrt(SD_FACTOR**2 * variances * np.maximum(misfits, 1.0) + together)
    moved = coarse_mm * np.clip(heights, -1.5, 1.5)
    turned = normals - tilts[:, :1] * first - tilts[:, 1:] * second
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    return vertices + moved[:, None] * normals, turned, coarse_mm * sds, misfits


def _tangents(normals: FloatArray) -> tuple[FloatArray, FloatArray]:
    helper = np.eye(3)[np.argmin(np.abs(normals), axis=1)]
    first = np.cross(normals, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return first, np.cross(normals, first)
