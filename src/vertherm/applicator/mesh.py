"""Triangles for an antenna's (r, z) half plane, made from graded tensor lines fitted to every edge of the geometry.

Lines run through all corners; where an edge slopes (a cone) every line that crosses it gets a partner through the
crossing, so that the edge runs along diagonals and is represented exactly. Metal is left out: it is a boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import Antenna
from vertherm.core.errors import InputError

Array = NDArray[np.float64]
BASE_SIZE_MM = 0.05
"""The mesh size at which growth and ceiling below hold; another size scales all of them (uniform refinement)."""
GROWTH = 0.5
COARSEST_MM = 2.2
TISSUE = -1


@dataclass(frozen=True, eq=False)
class SectionMesh:
    """Triangles of the half plane, metal removed.

    Attributes:
        r_m, z_m: the tensor lines in metres.
        points: (2, n) vertex coordinates in metres.
        triangles: (3, m) vertex indices.
        part: (m,) index of the antenna part a triangle lies in, -1 in tissue.
        diagonal_up: (nr-1, nz-1) True where the cell is cut from its lower inner to its upper outer corner.
        triangle_of_cell: (nr-1, nz-1, 2) triangle below and above that diagonal, -1 in metal.
    """

    r_m: Array
    z_m: Array
    points: Array
    triangles: NDArray[np.int64]
    part: NDArray[np.int64]
    diagonal_up: NDArray[np.bool_]
    triangle_of_cell: NDArray[np.int64]

    def locate(self, r_m: Array, z_m: Array) -> NDArray[np.int64]:
        """Triangle that holds each point, -1 in metal or outside."""
        inside = (r_m >= self.r_m[0]) & (r_m <= self.r_m[-1]) & (z_m >= self.z_m[0]) & (z_m <= self.z_m[-1])
        i = np.clip(np.searchsorted(self.r_m, r_m, side="right") - 1, 0, self.r_m.size - 2)
        j = np.clip(np.searchsorted(self.z_m, z_m, side="right") - 1, 0, self.z_m.size - 2)
        a = (r_m - self.r_m[i]) / np.diff(self.r_m)[i]
        b = (z_m - self.z_m[j]) / np.diff(self.z_m)[j]
        above = np.where(self.diagonal_up[i, j], b > a, a + b > 1.0)
        return np.where(inside, self.triangle_of_cell[i, j, above.astype(int)], -1)


def antenna_mesh(
    antenna: Antenna,
    *,
    radius_mm: float,
    below_mm: float,
    above_mm: float,
    mesh_size_mm: float = BASE_SIZE_MM,
    fit_radii_mm: tuple[float, ...] = (),
    fit_z_mm: tuple[float, ...] = (),
) -> SectionMesh:
    """Mesh the half plane 0..radius x -below..above around an antenna, fitted to all its edges and the given lines.

    Raises:
        InputError: the domain does not hold the antenna.
    """
    corners = [corner for part in antenna.parts for corner in part.corners_mm]
    finite = [z for _, z in corners if np.isfinite(z)]
    if min(finite) < 0 or below_mm < 0 or max(finite) >= above_mm or max(r for r, _ in corners) >= radius_mm:
        raise InputError(
            "The antenna does not fit into its computing domain.",
            where=antenna.name,
            got=f"radius {radius_mm} mm, {below_mm} mm below to {above_mm} mm above the tip",
            expected=f"more than {max(r for r, _ in corners)} mm radius, and {max(finite)} mm above the tip",
        )
    slopes = _sloped_edges(antenna, above_mm)
    scale = mesh_size_mm / BASE_SIZE_MM
    r_breaks = {0.0, radius_mm, *(r for r, _ in corners), *(r for r in fit_radii_mm if 0 < r < radius_mm)}
    z_fit = (z for z in fit_z_mm if -below_mm < z < above_mm)
    z_breaks = {-below_mm, above_mm, *finite, *z_fit}
    r_lines = graded_lines(r_breaks, {r for r, _ in corners if r > 0}, scale, COARSEST_MM)
    z_lines = graded_lines(z_breaks, set(finite), scale, COARSEST_MM)
    r_lines, z_lines = _pair_lines(r_lines, z_lines, z_breaks, slopes, mesh_size_mm)
    return _triangulate(antenna, r_lines, z_lines, slopes, above_mm)


def graded_lines(breaks: set[float], fine: set[float], scale: float, coarsest_mm: float) -> Array:
    """Lines through all ``breaks``, spaced ``BASE_SIZE_MM`` at the ``fine`` ones and growing away from them; mm."""
    fixed = np.array(sorted(breaks))
    sources = np.array(sorted(fine))

    def size(x: Array) -> Array:
        distance = np.abs(x[:, None] - sources).min(axis=1)
        return np.asarray(scale * np.minimum(BASE_SIZE_MM + GROWTH * distance, coarsest_mm))

    lines = [fixed[:1]]
    for lower, upper in pairwise(fixed):
        x = np.linspace(lower, upper, 400)
        density = 1.0 / size(x)
        # Number of lines so far along the interval; equal shares of it give the graded spacing.
        count = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(x))])
        pieces = max(1, int(np.ceil(count[-1] - 0.05)))
        inner = np.interp(np.linspace(0, count[-1], pieces + 1)[1:], count, x)
        inner[-1] = upper
        lines.append(inner)
    return np.concatenate(lines)


def _sloped_edges(antenna: Antenna, top_mm: float) -> list[tuple[float, float, float, float]]:
    edges = set()
    for part in antenna.parts:
        corners = [(r, min(z, top_mm)) for r, z in part.corners_mm]
        for (r0, z0), (r1, z1) in zip(corners, corners[1:] + corners[:1], strict=True):
            if r0 != r1 and z0 != z1:
                edges.add((r0, z0, r1, z1) if r0 < r1 else (r1, z1, r0, z0))
    return sorted(edges)


def _pair_lines(
    r_lines: Array,
    z_lines: Array,
    z_breaks: set[float],
    slopes: list[tuple[float, float, float, float]],
    mesh_size_mm: float,
) -> tuple[Array, Array]:
    """Give every line that crosses a sloped edge a partner line through the crossing."""
    tolerance = 1e-9
    for r0, z0, r1, z1 in slopes:
        low, high = min(z0, z1), max(z0, z1)
        # Free z lines in the cone's range are replaced by the partners of the r lines; breaks must stay.
        stay = [z for z in z_lines if not low + tolerance < z < high - tolerance or z in z_breaks]
        inner_r = [r for r in r_lines if r0 + tolerance < r < r1 - tolerance]
        inner_z = [z for z in stay if low + tolerance < z < high - tolerance]
        shares = np.unique(
            np.round([0.0, *((r - r0) / (r1 - r0) for r in inner_r), *((z - z0) / (z1 - z0) for z in inner_z), 1.0], 12)
        )
        limit = max(4 * mesh_size_mm, (high - low) / 12)
        shares = _subdivide(shares, limit / (high - low))
        r_lines = _merge(r_lines, r0 + shares * (r1 - r0), tolerance)
        z_lines = _merge(np.array(stay), z0 + shares * (z1 - z0), tolerance)
    _check_slopes(r_lines, z_lines, slopes)
    return r_lines, z_lines


def _subdivide(shares: Array, limit: float) -> Array:
    pieces = [np.linspace(a, b, max(1, int(np.ceil((b - a) / limit))) + 1)[:-1] for a, b in pairwise(shares)]
    return np.concatenate([*pieces, shares[-1:]])


def _merge(lines: Array, more: Array, tolerance: float) -> Array:
    merged = np.sort(np.concatenate([lines, more]))
    keep = np.concatenate([[True], np.diff(merged) > tolerance])
    return np.asarray(merged[keep])


def _check_slopes(r_lines: Array, z_lines: Array, slopes: list[tuple[float, float, float, float]]) -> None:
    """Cones whose ranges overlap can spoil each other's pairs: refuse rather than stair-step."""
    for r0, z0, r1, z1 in slopes:
        on_r = z0 + (r_lines[(r_lines > r0) & (r_lines < r1)] - r0) * (z1 - z0) / (r1 - r0)
        low, high = min(z0, z1), max(z0, z1)
        inner = z_lines[(z_lines > low + 1e-7) & (z_lines < high - 1e-7)]
        inside = on_r[(on_r > low + 1e-7) & (on_r < high - 1e-7)]
        if inner.size != inside.size or not np.allclose(np.sort(inside), inner, atol=1e-7):
            raise InputError(
                "Two cones of an antenna overlap in r or z and cannot both be meshed exactly.",
                where=f"edge ({r0}, {z0}) to ({r1}, {z1}) mm",
                advice="split the cones so that their ranges do not overlap",
            )


def _triangulate(
    antenna: Antenna, r_mm: Array, z_mm: Array, slopes: list[tuple[float, float, float, float]], top_mm: float
) -> SectionMesh:
    nr, nz = r_mm.size, z_mm.size
    i, j = np.meshgrid(np.arange(nr - 1), np.arange(nz - 1), indexing="ij")
    up = (i + j) % 2 == 0
    for r0, z0, r1, z1 in slopes:
        in_cone = (r_mm[i] >= r0 - 1e-9) & (r_mm[i + 1] <= r1 + 1e-9)
        lower_z, upper_z = min(z0, z1), max(z0, z1)
        in_cone &= (z_mm[j] >= lower_z - 1e-9) & (z_mm[j + 1] <= upper_z + 1e-9)
        up = np.where(in_cone, z1 > z0, up)
    corner = (i * nz + j, (i + 1) * nz + j, (i + 1) * nz + j + 1, i * nz + j + 1)
    below = np.where(up, np.stack([corner[0], corner[1], corner[2]]), np.stack([corner[0], corner[1], corner[3]]))
    above = np.where(up, np.stack([corner[0], corner[2], corner[3]]), np.stack([corner[1], corner[2], corner[3]]))
    triangles = np.stack([below, above], axis=-1).reshape(3, -1)
    grid_r, grid_z = (a.ravel() for a in np.meshgrid(r_mm, z_mm, indexing="ij"))
    centre_r, centre_z = grid_r[triangles].mean(axis=0), grid_z[triangles].mean(axis=0)
    part = antenna.part_at(centre_r, centre_z, top_mm)
    metal = np.array([antenna.materials[p.material].metal for p in antenna.parts] + [False])[part]
    number = np.full(triangles.shape[1], -1, dtype=np.int64)
    number[~metal] = np.arange(int((~metal).sum()))
    used, renumbered = np.unique(triangles[:, ~metal], return_inverse=True)
    return SectionMesh(
        r_m=r_mm * 1e-3,
        z_m=z_mm * 1e-3,
        points=np.stack([grid_r[used], grid_z[used]]) * 1e-3,
        triangles=renumbered.reshape(3, -1).astype(np.int64),
        part=part[~metal],
        diagonal_up=np.asarray(up, dtype=bool),
        triangle_of_cell=number.reshape(nr - 1, nz - 1, 2),
    )
