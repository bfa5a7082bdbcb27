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
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.surface import Surface, cropped, mask_surface
from vertherm.geometry.volume import FloatArray, Grid, Volume

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

LANDMARK_EDGES = 4.0
"""Edge of the cubes that have one."""
WALKS = 4
"""To the nearest place on a surface, from the nearest vertices."""
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
CELLS = 2
"""A reach is so many cells long, in which crossings are found."""
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

    @cached_property
    def _landmarks(self) -> tuple[NDArray[np.int64], cKDTree]:
        """Vertices to begin walks at, and their tree: one in each cube of a few edges for each octant of the normal.

        So the two sides of a cleft, and the wall of a small hole, all have their own.
        """
        from scipy.spatial import cKDTree

        vertices = self.surface.vertices_mm
        edge = np.sqrt(self.surface.area_mm2 / len(vertices))
        cell = np.floor((vertices - vertices.min(axis=0)) / (LANDMARK_EDGES * edge)).astype(np.int64)
        across = cell.max(axis=0) + 1
        octant = (self.normals > 0.0) @ np.array([1, 2, 4])
        key = ((cell[:, 0] * across[1] + cell[:, 1]) * across[2] + cell[:, 2]) * 8 + octant
        _, which = np.unique(key, return_index=True)
        return which, cKDTree(vertices[which])

    @cached_property
    def _around(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        from vertherm.geometry.distance_kernels import triangles_around

        starts, around = triangles_around(len(self.surface.vertices_mm), self.surface.faces)
        return starts, around

    def nearest(
        self, points: FloatArray, among: NDArray[np.bool_] | None = None
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """Distance in mm from points (n, 3), and the vertex next to the nearest place: by a walk down the mesh.

        Args:
            points: RAS mm.
            among: (m,) vertices to begin from, the nearest of them. Left out: landmarks, which is five times as fast
                where the surface lies around the points, as a zone around a lesion, and right for all but some points
                in a thousand beside holes and clefts of a few voxels.
        """
        from scipy.spatial import cKDTree

        from vertherm.geometry.distance_kernels import walk_to_nearest

        vertices, faces = self.surface.vertices_mm, self.surface.faces
        if among is None:
            which, tree = self._landmarks
        else:
            which = np.flatnonzero(among)
            tree = cKDTree(vertices[which])
        _, begin = tree.query(points, k=[*range(1, min(WALKS, len(which)) + 1)])
        squared, near = np.empty(len(points)), np.zeros(len(points), np.int64)
        walk_to_nearest(points, which[begin], vertices, faces, *self._around, squared, near)
        return np.sqrt(squared), near


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
    across = np.repeat(np.cross(b - a, c - a), 3, axis=0)
    corners, count = surface.faces.ravel(), len(surface.vertices_mm)
    normals = np.stack([np.bincount(corners, part, count) for part in across.T], axis=1)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))


def _nearest(points: FloatArray, vertices: FloatArray, most: int, reach: float) -> NDArray[np.int64]:
    """Numbers of the nearest crossings of each vertex, in any order, -1 at the end; lengths in voxels."""
    from vertherm.geometry.fit_kernels import gather

    cell = np.floor((points - points.min(axis=0)) / (reach / CELLS)).astype(np.int64)
    shape = cell.max(axis=0) + 1
    key = (cell[:, 0] * shape[1] + cell[:, 1]) * shape[2] + cell[:, 2]
    order = np.argsort(key, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=int(shape.prod())))])
    near = np.full((len(vertices), min(most, len(points))), -1, np.int64)
    gather(vertices, points, order, starts, shape, points.min(axis=0), reach / CELLS, reach, near)
    return near


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
