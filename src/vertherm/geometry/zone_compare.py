"""How alike two zones are: overlap, distances between their surfaces, size along and across the needle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vertherm.core.errors import InputError
from vertherm.geometry.fitted_surface import FittedSurface, blurred_surface, fitted_surface
from vertherm.geometry.margin_map import quantile, signed_distances
from vertherm.geometry.volume import FloatArray, Volume


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances between two closed surfaces, weighted by area, both ways.

    Args:
        mean_mm: mean of the unsigned distances.
        hausdorff95_mm: the larger of both ways' 95th percentiles.
        hausdorff_mm: the larger of both ways' maxima.
        signed_mm: mean distance of the first surface beyond the second.
    """

    mean_mm: float
    hausdorff95_mm: float
    hausdorff_mm: float
    signed_mm: float


@dataclass(frozen=True)
class ZoneSize:
    """Volume and extents of a zone: along an axis, and the largest across it."""

    volume_ml: float
    long_mm: float
    short_mm: float


def _surface(mask: Volume) -> FittedSurface:
    start = blurred_surface(mask)
    if start is None:
        raise InputError("A zone is empty.", where=mask.source, advice="check the mask")
    return fitted_surface(mask, start)


def surface_distances(first: Volume, second: Volume) -> SurfaceDistances:
    """Distances between the surfaces of two masks of one world, on any grids.

    Raises:
        InputError: a mask is empty.
    """
    one, two = _surface(first), _surface(second)
    beyond = -signed_distances(one.surface.vertices_mm, two, second)
    back = signed_distances(two.surface.vertices_mm, one, first)
    areas = one.surface.vertex_areas_mm2, two.surface.vertex_areas_mm2
    ways = [(np.abs(beyond), areas[0]), (np.abs(back), areas[1])]
    mean = sum(float((d * a).sum()) for d, a in ways) / sum(float(a.sum()) for _, a in ways)
    signed = (float((beyond * areas[0]).sum()) + float((back * areas[1]).sum())) / sum(float(a.sum()) for a in areas)
    far = max(quantile(d, a, 0.95) for d, a in ways)
    return SurfaceDistances(mean, far, max(float(d.max()) for d, _ in ways), signed)


def dice(first: Volume, second: Volume) -> float:
    """Overlap 2 |A and B| / (|A| + |B|) on the first mask's grid; 1 where both are empty."""
    other = second.resampled(first.grid, order=0, outside=0.0).data > 0.5
    inside = first.data.astype(bool)
    total = int(np.count_nonzero(inside)) + int(np.count_nonzero(other))
    return 1.0 if total == 0 else 2.0 * int(np.count_nonzero(inside & other)) / total


def zone_size(mask: Volume, axis: FloatArray | None = None) -> ZoneSize:
    """Size of a zone.

    Args:
        mask: bool.
        axis: (3,) RAS direction of the needle; None: the zone's own longest principal axis.

    Raises:
        InputError: the mask is empty.
    """
    surface = _surface(mask).surface
    points, weights = surface.vertices_mm, surface.vertex_areas_mm2
    if axis is None:
        offset = points - np.average(points, axis=0, weights=weights)
        axis = np.linalg.eigh((offset * weights[:, None]).T @ offset)[1][:, 2]
    along = np.asarray(axis, float) / np.linalg.norm(axis)
    helper = np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))])
    helper /= np.linalg.norm(helper)
    other = np.cross(along, helper)
    angles = np.linspace(0.0, np.pi, 90, endpoint=False)
    across = points @ (np.cos(angles)[:, None] * helper + np.sin(angles)[:, None] * other).T
    return ZoneSize(surface.volume_ml, float(np.ptp(points @ along)), float(np.ptp(across, axis=0).max()))
