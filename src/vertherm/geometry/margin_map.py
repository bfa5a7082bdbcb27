"""The margin over a lesion's whole surface, from two masks, finer than their voxels and with a band that holds.

The margin at a point of the lesion's surface is its signed distance to the edge of the treated zone: positive where the
zone reaches beyond. Both surfaces are fitted (see ``fitted_surface``) where the margin is small; elsewhere a blurred
surface will do. Sources of the band: both fits, registration, the doubt of the zone's edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.fitted_surface import FittedSurface, blurred_surface, fitted_surface, mean_spacing_mm
from vertherm.geometry.margin_barriers import BarrierMargin, Barriers, within_barriers
from vertherm.geometry.surface import Surface
from vertherm.geometry.volume import FloatArray, Grid, Volume

FITTED_WITHIN_VOXELS = 1.5
"""Points whose first margin exceeds the smallest by no more are measured finely."""
FITTED_SHARE = 0.25
"""And no more than this share of the surface: on a plateau any part of it gives the minimum."""
FITTED_LEAST = 300
PATCH_VOXELS2 = 60.0
"""Area of the surface, in squared voxels, over which the errors of the fit go together."""
REST_VOXELS = 0.04
"""Error that no fit knows of, in voxels."""
COVERAGE = 1.96


@dataclass(frozen=True, eq=False)
class MarginMap:
    """Margins over the lesion's surface.

    Args:
        minimum_mm: the smallest margin; minus infinity without a zone.
        low_mm, high_mm: band of 95 % around it.
        coverage: share of the lesion's volume inside the zone.
        worst_point_mm: where the smallest margin is, RAS.
        goal_mm: margin aimed at.
        classes: share of the surface below 0, from 0 to the goal, at the goal or above.
        p5_mm, median_mm: percentiles over the surface.
        vertices_mm, margins_mm, areas_mm2: the map: (n, 3), (n,), (n,).
        within_barriers: the same where cortex and canal end what must be treated; None without barriers.
    """

    minimum_mm: float
    low_mm: float
    high_mm: float
    coverage: float
    worst_point_mm: tuple[float, float, float]
    goal_mm: float
    classes: tuple[float, float, float]
    p5_mm: float
    median_mm: float
    vertices_mm: FloatArray
    margins_mm: FloatArray
    areas_mm2: FloatArray
    within_barriers: BarrierMargin | None = None

    @property
    def zone_empty(self) -> bool:
        """True where there is no zone at all."""
        return bool(np.isneginf(self.minimum_mm))


def margin_map(
    lesion: Volume,
    zone: Volume,
    *,
    barriers: Barriers | None = None,
    registration_sd_mm: float = 0.0,
    segmentation_sd_mm: float = 0.0,
    goal_mm: float = 5.0,
) -> MarginMap:
    """Margin of a treated zone around a lesion.

    Args:
        lesion: bool mask.
        zone: bool mask of the same world, on any grid.
        barriers: what ends the tissue that must be treated.
        registration_sd_mm: standard deviation along one axis of the transform between the two scans.
        segmentation_sd_mm: of the zone's edge along its normal.
        goal_mm: margin aimed at.

    Raises:
        InputError: the lesion is empty.
    """
    start = blurred_surface(lesion)
    if start is None:
        raise InputError("The lesion is empty.", where=lesion.source, advice="check the lesion mask and its grid")
    edge = blurred_surface(zone)
    if edge is None:
        return _no_zone(start.surface, goal_mm)
    voxel = max(float(lesion.grid.spacing_mm.max()), float(zone.grid.spacing_mm.max()))
    first, _ = _measured(start.surface.vertices_mm, edge, zone)
    eligible = first <= first.min() + FITTED_WITHIN_VOXELS * voxel
    chosen = _lowest(first, eligible)
    body = fitted_surface(lesion, start, chosen)
    facing = _facing(edge, body, chosen, first, voxel)
    edge = fitted_surface(zone, edge, facing)
    margins = first.copy()
    margins[chosen], near = _measured(body.surface.vertices_mm[chosen], edge, zone, facing)
    worst = int(np.argmin(np.where(chosen, margins, np.inf)))
    # Of both surfaces.
    own = np.sqrt(body.sd_mm[chosen] ** 2 + edge.sd_mm[near] ** 2 + (REST_VOXELS * voxel) ** 2)
    areas = body.surface.vertex_areas_mm2
    # Where only a part of what is eligible was fitted, the rest would have had its chances too.
    chances = float(areas[eligible].sum() / areas[chosen].sum())
    unit = max(mean_spacing_mm(lesion.grid), mean_spacing_mm(zone.grid))
    other = float(np.hypot(registration_sd_mm, segmentation_sd_mm))
    band = _band(margins[chosen], own, chances * areas[chosen] / (PATCH_VOXELS2 * unit**2), other)
    point = body.surface.vertices_mm[worst]
    inner = None
    if barriers is not None:
        inner = within_barriers(body, margins, edge, zone, barriers, (band.high_mm - band.low_mm) / (2 * COVERAGE))
    return MarginMap(
        minimum_mm=band.minimum_mm,
        low_mm=band.low_mm,
        high_mm=band.high_mm,
        coverage=_coverage(lesion, zone),
        worst_point_mm=(float(point[0]), float(point[1]), float(point[2])),
        goal_mm=goal_mm,
        classes=classes_of(margins, areas, goal_mm),
        p5_mm=quantile(margins, areas, 0.05),
        median_mm=quantile(margins, areas, 0.5),
        vertices_mm=body.surface.vertices_mm,
        margins_mm=margins,
        areas_mm2=areas,
        within_barriers=inner,
    )


def classes_of(margins: FloatArray, areas: FloatArray, goal_mm: float) -> tuple[float, float, float]:
    """Share of the surface below 0 mm, from 0 to the goal, and from the goal on."""
    total = float(areas.sum())
    below, reached = margins < 0.0, margins >= goal_mm
    parts = (below, ~below & ~reached, reached)
    return tuple(float(areas[part].sum()) / total for part in parts)  # type: ignore[return-value]


def signed_distances(points: FloatArray, edge: FittedSurface, zone: Volume) -> FloatArray:
    """Distances to the zone's edge, positive inside the zone."""
    return _measured(points, edge, zone, np.ones(len(edge.sd_mm), bool))[0]


def _measured(
    points: FloatArray, edge: FittedSurface, zone: Volume, among: NDArray[np.bool_] | None = None
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Signed distances, and the edge's vertices next to the nearest places (see ``FittedSurface.nearest``).

    The side is the mask's; within two voxels of the edge that of its normal, which the mask's stairs would miss.
    """
    away, near = edge.nearest(points, among)
    inside = zone.sample(points, order=0, outside=0.0) > 0.5
    close = away < 2.0 * float(zone.grid.spacing_mm.max())
    beside = points[close] - edge.surface.vertices_mm[near[close]]
    inside[close] = np.einsum("nx,nx->n", beside, edge.normals[near[close]]) < 0.0
    return np.where(inside, away, -away), near


def _lowest(margins: FloatArray, eligible: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The vertices that may hold the minimum, as few as will do."""
    most = max(FITTED_LEAST, int(FITTED_SHARE * len(margins)))
    if np.count_nonzero(eligible) <= most:
        return eligible
    return np.asarray(eligible & (margins <= np.sort(margins)[most - 1]))


def _facing(
    edge: FittedSurface, body: FittedSurface, chosen: NDArray[np.bool_], margins: FloatArray, voxel: float
) -> NDArray[np.bool_]:
    """The zone's vertices that the chosen points may be nearest to."""
    from scipy.spatial import cKDTree

    reach = np.abs(margins[chosen]) + 2.0 * voxel
    tree = cKDTree(body.surface.vertices_mm[chosen])
    away, near = tree.query(edge.surface.vertices_mm, distance_upper_bound=float(reach.max()))
    return np.asarray(away <= np.append(reach, -1.0)[near])


@dataclass(frozen=True)
class _Band:
    minimum_mm: float
    low_mm: float
    high_mm: float


def _band(margins: FloatArray, sd_mm: FloatArray, patches: FloatArray, other_sd_mm: float) -> _Band:
    """The smallest margin and a band that holds it in 95 %.

    Where the margin is the same all around, the smallest of n independent measurements is low by the expected extreme
    of n normal deviates (Blom's formula); n is the area of what lies within two standard deviations, in patches. At a
    sharp minimum n is 1 and nothing is added. Below: the true minimum lies at one fixed point, so that no point's own
    lower bound may be undercut. Above: no point's upper bound may be exceeded, at a level that n points share.
    """
    from scipy.stats import norm

    worst = int(np.argmin(margins))
    alike = margins <= margins[worst] + 2.0 * sd_mm[worst]
    n = max(float(patches[alike].sum()), 1.0)
    luck = float(norm.ppf((n - 0.375) / (n + 0.25))) if n > 1.0 else 0.0
    least = float(margins[worst]) + luck * float(sd_mm[worst])
    shared = float(norm.ppf(1.0 - 0.025 / n))
    low = float(np.min(margins - np.hypot(COVERAGE * sd_mm, COVERAGE * other_sd_mm)))
    high = float(np.min(margins + np.hypot(shared * sd_mm, COVERAGE * other_sd_mm)))
    # On a plateau the luck itself is known no better than that.
    high = max(high, least + luck * float(sd_mm[worst]) + COVERAGE * float(np.hypot(sd_mm[worst], other_sd_mm)))
    return _Band(least, low, high)


def _coverage(lesion: Volume, zone: Volume) -> float:
    """Share of the lesion's volume inside the zone, with 27 points in each voxel that the zone's edge may cut."""
    from scipy.ndimage import maximum_filter, minimum_filter

    index = np.argwhere(lesion.data.astype(bool)).astype(np.float64)
    # As far as the points and the interpolation between zone voxels may reach from the nearest voxel.
    reach = 1 + int(np.ceil(lesion.grid.spacing_mm.sum() / 3.0 / zone.grid.spacing_mm.min()))
    centres = lesion.grid.world(index)
    field = _around(zone, centres, reach + 1)
    if field is None:
        return 0.0
    # Beyond the grid nothing is treated: its rim is an edge as well.
    most, least = (
        extreme(field.data, 2 * reach + 1, mode="constant", cval=0.0) for extreme in (maximum_filter, minimum_filter)
    )
    cut = field.with_data(most - least).sample(centres, order=0, outside=1.0) > 0.5
    inside = 27 * int((field.sample(centres[~cut], order=0, outside=0.0) > 0.5).sum())
    for shift in np.stack(np.meshgrid(*3 * [[-1 / 3, 0.0, 1 / 3]], indexing="ij"), axis=-1).reshape(-1, 3):
        inside += int((field.sample(lesion.grid.world(index[cut] + shift), outside=0.0) > 0.5).sum())
    return inside / (27 * len(index))


def _around(zone: Volume, points: FloatArray, voxels: int) -> Volume | None:
    """The part of a mask around points, as numbers; None where its grid is elsewhere."""
    places = np.rint(zone.grid.index(points)).astype(int)
    first = np.maximum(places.min(axis=0) - voxels, 0)
    last = np.minimum(places.max(axis=0) + voxels + 1, zone.data.shape)
    if (first >= last).any():
        return None
    data = (zone.data[tuple(slice(*span) for span in zip(first, last, strict=True))] != 0).astype(np.float32)
    affine = zone.grid.affine.copy()
    affine[:3, 3] = zone.grid.world(first.astype(float))
    return Volume(data, Grid((data.shape[0], data.shape[1], data.shape[2]), affine, zone.grid.frame), zone.source)


def _no_zone(surface: Surface, goal_mm: float) -> MarginMap:
    none = -np.inf
    point = surface.vertices_mm[0]
    margins: Any = np.full(len(surface.vertices_mm), none)
    at = (float(point[0]), float(point[1]), float(point[2]))
    areas = surface.vertex_areas_mm2
    return MarginMap(
        none, none, none, 0.0, at, goal_mm, (1.0, 0.0, 0.0), none, none, surface.vertices_mm, margins, areas
    )


def quantile(values: FloatArray, weights: FloatArray, share: float) -> float:
    """The value below which a share of the weights lies."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, share * cumulative[-1])])
