"""The ablation margin: how far the zone reaches beyond the lesion, finer than the voxels and with its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vertherm.core.errors import InputError
from vertherm.geometry.surface import Surface, iso_surface, mask_surface
from vertherm.geometry.volume import FloatArray, Volume

ERROR_PER_VOXEL = 0.35
ERROR_PER_ANISOTROPY = 0.2
ERROR_PER_ZONE_VOXEL = 0.1
"""Calibration of :func:`margin_error_mm`."""
REFINEMENT = 6
"""Points per triangle edge where the minimum is searched between vertices."""


@dataclass(frozen=True)
class MarginResult:
    """Signed distances from the lesion's surface to the zone's surface: positive where the zone reaches beyond.

    Args:
        minimum_mm: the minimal ablation margin; minus infinity where there is no zone.
        error_mm: half width of its error from both grids (about 95 %, see :func:`margin_error_mm`).
        coverage: share of the lesion's volume inside the zone, 0 to 1.
        worst_point_mm: (x, y, z) RAS point of the lesion's surface with the minimum.
        p5_mm: 5th percentile over the lesion's surface area.
        median_mm: median over the lesion's surface area.
        negative_share: share of the lesion's surface area that the zone does not reach.
    """

    minimum_mm: float
    error_mm: float
    coverage: float
    worst_point_mm: tuple[float, float, float]
    p5_mm: float
    median_mm: float
    negative_share: float

    @property
    def zone_empty(self) -> bool:
        """True where there is no zone at all."""
        return bool(np.isneginf(self.minimum_mm))

    def as_row(self) -> dict[str, Any]:
        """The fields by name, ready for JSON: None for the distances of an empty zone."""
        row: dict[str, Any] = dict(vars(self))
        for key in ("minimum_mm", "p5_mm", "median_mm"):
            row[key] = row[key] if np.isfinite(row[key]) else None
        row["worst_point_mm"] = list(self.worst_point_mm)
        return row


def margin_error_mm(lesion_spacing_mm: FloatArray, zone_spacing_mm: FloatArray) -> float:
    """Error of the minimal margin that both grids cause together, in mm.

    For the lesion mask 0.35 of its largest voxel edge and 0.2 of the difference between its largest and smallest edge;
    for the zone 0.1 of its voxel; added as squares. Calibrated against dense sampling on random pairs of turned
    ellipsoids (lesion half axes 6-14 mm, voxels 0.5-3 mm, also anisotropic, turned against the world) and on concentric
    balls: at least 95 % of the minima lie within it (tests/geometry/test_margins.py). Where the margin is the same all
    around, the minimum picks the largest ripple of the lesion's surface and comes out too small by about 0.3 voxel,
    which is the safe side; elsewhere it has next to no bias. The segmentation's own error comes on top.
    """
    coarse, fine = float(np.max(lesion_spacing_mm)), float(np.min(lesion_spacing_mm))
    lesion = ERROR_PER_VOXEL * coarse + ERROR_PER_ANISOTROPY * (coarse - fine)
    return float(np.hypot(lesion, ERROR_PER_ZONE_VOXEL * float(np.max(zone_spacing_mm))))


def distances_mm(points_mm: Any, surface: Surface) -> FloatArray:
    """Exact unsigned distances in mm from points, shape (n, 3), to a triangle surface; shape (n,)."""
    from vertherm.geometry.distance_kernels import squared_distances

    points = np.ascontiguousarray(points_mm, dtype=np.float64)
    triangles, starts, centres, radii = _blocks(surface.triangles_mm)
    out = np.empty(len(points))
    squared_distances(points, triangles, starts, centres, radii, out)
    return np.sqrt(out)


def _blocks(triangles: FloatArray) -> tuple[FloatArray, Any, FloatArray, FloatArray]:
    """Triangles sorted into blocks of neighbours, with the blocks' bounding spheres."""
    middle = triangles.mean(axis=1)
    extent = np.maximum(np.ptp(middle, axis=0), 1e-9)
    # About 32 triangles a block: a surface fills some 6 n^2 of n^3 boxes.
    side = max(1, round((len(triangles) / 200) ** 0.5))
    cell = np.minimum((side * (middle - middle.min(axis=0)) / extent).astype(np.int64), side - 1)
    key = (cell[:, 0] * side + cell[:, 1]) * side + cell[:, 2]
    order = np.argsort(key, kind="stable")
    starts = np.append(np.flatnonzero(np.diff(key[order], prepend=-1)), len(order))
    ordered = np.ascontiguousarray(triangles[order])
    counts = np.diff(starts)
    centres = np.add.reduceat(middle[order], starts[:-1]) / counts[:, None]
    reach = np.linalg.norm(ordered - np.repeat(centres, counts, axis=0)[:, None], axis=2).max(axis=1)
    return ordered, starts, centres, np.maximum.reduceat(reach, starts[:-1])


def ablation_margin(lesion: Volume, zone_field: Volume, level: float) -> MarginResult:
    """Margin of the zone ``zone_field > level`` around a lesion.

    Both surfaces are finer than the voxels (:func:`mask_surface`, :func:`iso_surface`); distances from the lesion's
    surface to the zone's triangles are exact; between the lesion's vertices the minimum is searched on a finer mesh.

    Args:
        lesion: mask, any grid.
        zone_field: scalar field on any grid of the same frame (temperature, dose, damage).
        level: its value on the zone's surface.

    Raises:
        InputError: the lesion is empty, the field is not finite.
    """
    surface = mask_surface(lesion)
    if surface is None:
        raise InputError("The lesion is empty.", where=lesion.source, advice="check the lesion mask and its grid")
    zone = iso_surface(zone_field, level)
    error = margin_error_mm(lesion.grid.spacing_mm, zone_field.grid.spacing_mm)
    if zone is None:
        start = surface.vertices_mm[0]
        none = -np.inf
        return MarginResult(none, error, 0.0, (start[0], start[1], start[2]), none, none, 1.0)
    margins = _signed(surface.vertices_mm, zone, zone_field, level)
    worst = int(np.argmin(margins))
    minimum, point = float(margins[worst]), surface.vertices_mm[worst]
    fine = _finer_points(surface, margins)
    if len(fine):
        fine_margins = _signed(fine, zone, zone_field, level)
        if fine_margins.min() < minimum:
            minimum, point = float(fine_margins.min()), fine[int(np.argmin(fine_margins))]
    areas = surface.vertex_areas_mm2
    return MarginResult(
        minimum_mm=minimum,
        error_mm=error,
        coverage=_coverage(lesion, zone_field, level),
        worst_point_mm=(float(point[0]), float(point[1]), float(point[2])),
        p5_mm=_weighted_quantile(margins, areas, 0.05),
        median_mm=_weighted_quantile(margins, areas, 0.5),
        negative_share=float(areas[margins < 0].sum() / areas.sum()),
    )


def _signed(points: FloatArray, zone: Surface, field: Volume, level: float) -> FloatArray:
    inside = field.sample(points, outside=-np.inf) > level
    return np.where(inside, 1.0, -1.0) * distances_mm(points, zone)


def _finer_points(surface: Surface, margins: FloatArray) -> FloatArray:
    """Points within those triangles that may hold a smaller margin than any vertex (the distance is 1-Lipschitz)."""
    corners = surface.triangles_mm
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    promising = np.flatnonzero(margins[surface.faces].min(axis=1) - 0.6 * edges < margins.min())
    # The most promising ones suffice: on a plateau of equal margins any of them gives the minimum.
    promising = promising[np.argsort(margins[surface.faces[promising]].sum(axis=1))[:200]]
    steps = np.arange(REFINEMENT + 1) / REFINEMENT
    a, b = np.meshgrid(steps, steps, indexing="ij")
    keep = a + b <= 1.0 + 1e-9
    weights = np.stack([a[keep], b[keep], 1.0 - a[keep] - b[keep]], axis=1)
    return np.einsum("pc,tcx->tpx", weights, corners[promising]).reshape(-1, 3)


def _coverage(lesion: Volume, field: Volume, level: float) -> float:
    """Share of the lesion's volume where the field exceeds the level, with 27 points a voxel."""
    index = np.argwhere(lesion.data.astype(bool)).astype(np.float64)
    inside = 0
    for shift in np.stack(np.meshgrid(*3 * [[-1 / 3, 0.0, 1 / 3]], indexing="ij"), axis=-1).reshape(-1, 3):
        inside += int((field.sample(lesion.grid.world(index + shift), outside=-np.inf) > level).sum())
    return inside / (27 * len(index))


def _weighted_quantile(values: FloatArray, weights: FloatArray, share: float) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, share * cumulative[-1])])
