"""Barriers: the cortex and the canal end the tissue that must be treated.

A zone that fills the bone up to its cortex leaves no tumour behind although it reaches no further. Within barriers the
margin at a point of the lesion's surface is therefore the distance to the nearest bone that is left untreated (inside
the vertebra, outside the canal, outside the zone), not to the edge of the zone. A point of the lesion that itself lies
beyond a barrier (in the canal, outside the bone) keeps its plain margin: nothing protects what has already broken
through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.surface import iso_surface
from vertherm.geometry.volume import FloatArray, Grid, Volume

if TYPE_CHECKING:
    from vertherm.geometry.fitted_surface import FittedSurface

BARRIER_SD_VOXELS = 0.3
"""Of a barrier's place, in voxels of its mask."""
SAME_MM = 0.05
COVERAGE = 1.96


@dataclass(frozen=True, eq=False)
class Barriers:
    """What must be treated at most: bone outside the canal.

    Args:
        bone: bool mask of the vertebra.
        canal: bool mask of the canal; None where it is not known.
    """

    bone: Volume
    canal: Volume | None = None


@dataclass(frozen=True, eq=False)
class BarrierMargin:
    """Margins to untreated bone.

    Args:
        minimum_mm: the smallest; infinite where no bone is left untreated.
        low_mm, high_mm: band of 95 %.
        margins_mm: at the vertices of the lesion's surface.
        decided_share: share of the surface where a barrier makes the margin larger.
        breached_share: share of the surface that lies beyond a barrier.
    """

    minimum_mm: float
    low_mm: float
    high_mm: float
    margins_mm: FloatArray
    decided_share: float
    breached_share: float


def within_barriers(
    body: FittedSurface,
    margins: FloatArray,
    edge: FittedSurface,
    zone: Volume,
    barriers: Barriers,
    sd_mm: float,
) -> BarrierMargin:
    """Margins of a lesion's surface to the bone left untreated.

    Args:
        body: the lesion's surface.
        margins: plain margins at its vertices.
        edge: the zone's surface.
        zone: the zone's mask.
        barriers: bone and canal.
        sd_mm: standard deviation of the plain smallest margin.
    """
    points = body.surface.vertices_mm
    allowed = _depth_in(barriers, points)
    # A point a voxel or more outside reads minus half a voxel.
    breached = allowed < -0.4 * float(barriers.bone.grid.spacing_mm.max())
    decided = ~breached & (margins > 0.0) & ~_meets_bone(points, edge, barriers)
    result = margins.copy()
    voxel = float(barriers.bone.grid.spacing_mm.max())
    if decided.any():
        untreated = _untreated(zone, barriers)
        if untreated is None:
            result[decided] = np.inf
        else:
            from vertherm.geometry.margins import distances_mm

            result[decided] = np.maximum(margins[decided], distances_mm(points[decided], untreated))
    areas = body.surface.vertex_areas_mm2
    larger = decided & (result > margins + SAME_MM)
    worst = int(np.argmin(result))
    sd = float(np.hypot(sd_mm, BARRIER_SD_VOXELS * voxel)) if larger[worst] else sd_mm
    least = float(result[worst])
    total = float(areas.sum())
    return BarrierMargin(
        minimum_mm=least,
        low_mm=least - COVERAGE * sd,
        high_mm=least + COVERAGE * sd,
        margins_mm=result,
        decided_share=float(areas[larger].sum()) / total,
        breached_share=float(areas[breached].sum()) / total,
    )


def _smooth(mask: Volume, points: FloatArray) -> FloatArray:
    """Share of a mask around points (blurred by about a voxel), minus one half: its sign is the side."""
    field = mask.with_data(mask.data.astype(np.float32))
    return np.asarray(field.sample(points, outside=0.0) - 0.5)


def _depth_in(barriers: Barriers, points: FloatArray) -> FloatArray:
    """How deep points lie in allowed bone, in mm near its surface; negative outside."""
    inside = _smooth(barriers.bone, points) * float(barriers.bone.grid.spacing_mm.max())
    if barriers.canal is not None:
        canal = _smooth(barriers.canal, points) * float(barriers.canal.grid.spacing_mm.max())
        inside = np.minimum(inside, -canal)
    return inside


def _meets_bone(points: FloatArray, edge: FittedSurface, barriers: Barriers) -> NDArray[np.bool_]:
    """Where the zone's edge next to a point borders on allowed bone: there the plain margin holds."""
    _, near = edge.nearest(points, np.ones(len(edge.sd_mm), bool))
    beyond = edge.surface.vertices_mm[near] + 0.5 * float(barriers.bone.grid.spacing_mm.max()) * edge.normals[near]
    return np.asarray(_depth_in(barriers, beyond) > 0.0)


def _untreated(zone: Volume, barriers: Barriers):  # type: ignore[no-untyped-def]
    """Surface of the bone that is left: where depth in bone and distance from the zone are both positive."""
    grid = _common(zone.grid, barriers.bone)
    points = grid.centres()
    left = np.minimum(_depth_in(barriers, points), -_smooth(zone, points) * float(zone.grid.spacing_mm.max()))
    return iso_surface(Volume(left.astype(np.float32), grid), 0.0)


def _common(zone: Grid, bone: Volume) -> Grid:
    """The zone's grid where it holds the bone, else the bone's own at the finer spacing of both."""
    inside = bone.grid.world(np.argwhere(bone.data))
    spacing = float(min(zone.spacing_mm.min(), bone.grid.spacing_mm.min()))
    pad = 2.0 * float(bone.grid.spacing_mm.max())
    return Grid.isotropic(inside.min(axis=0) - pad, inside.max(axis=0) + pad, max(spacing, 0.5), zone.frame)
