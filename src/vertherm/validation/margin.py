"""Validation rows of the margin between two masks: balls and ellipsoids of known distance, and barriers."""

from __future__ import annotations

import numpy as np

from vertherm.geometry.margin_barriers import Barriers
from vertherm.geometry.margin_map import MarginMap, margin_map
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.synthetic_followup import Ellipsoid
from vertherm.validation.case import Case
from vertherm.validation.evidence import Evidence

EVIDENCE = Evidence(
    title="Margin between lesion and treated zone",
    question="Is the smallest margin between two masks right to a tenth of a voxel, and does its band hold it?",
    context="After the treatment the smallest margin decides whether a lesion is called covered.",
    evidence="Balls and a half space, whose distances are differences of lengths, at places that share no symmetry "
    "with the voxels. The tolerance is 0.2 voxel: twice the root mean square of the method. Random turned ellipsoids, "
    "and the share of bands that hold the truth, are in the tests.",
    unknown="How well a reader's or an algorithm's mask follows the lesion: not part of the band unless it is given.",
)
AT_MM = (0.31, -0.17, 0.23)
LESION_MM, ZONE_MM, SHIFT_MM = 9.0, 15.0, 3.0
VOXELS_MM = (0.7, 1.0, 1.5)
TOLERANCE_VOXELS = 0.2


def cases() -> list[Case]:
    """Shifted balls on three grids, the shares of the surface, and a cortex that ends the zone."""
    rows = []
    for voxel in VOXELS_MM:
        found = _shifted(voxel)
        name = f"margin between shifted balls, voxels of {voxel:g} mm"
        truth = ZONE_MM - LESION_MM - SHIFT_MM
        tolerance = TOLERANCE_VOXELS * voxel
        rows.append(Case(name, "smallest margin", truth, "R - r - d", found.minimum_mm, tolerance, "mm"))
        held = float(found.low_mm <= truth <= found.high_mm)
        rows.append(Case(name, "band holds it", 1.0, "R - r - d", held, 0.0, "1"))
        rows.append(Case(name, "surface below 5 mm", _share_below(5.0), "law of cosines", found.classes[1], 0.03, "1"))
    return [*rows, *_cortex()]


def _ball(radius_mm: float, shift_mm: float = 0.0) -> Ellipsoid:
    x, y, z = AT_MM
    return Ellipsoid((x + shift_mm, y, z), (radius_mm,) * 3)


def _grid(voxel_mm: float) -> Grid:
    return Grid.isotropic(np.full(3, -24.0), np.full(3, 24.0), voxel_mm)


def _shifted(voxel_mm: float) -> MarginMap:
    grid = _grid(voxel_mm)
    return margin_map(_ball(LESION_MM).mask(grid), _ball(ZONE_MM, SHIFT_MM).mask(grid))


def _share_below(margin_mm: float) -> float:
    """Share of the lesion's surface whose distance to the zone's edge is below a margin.

    A point at angle a from the shift lies sqrt(r^2 + d^2 - 2 r d cos a) from the zone's middle; equal areas are equal
    steps of cos a.
    """
    far = ZONE_MM - margin_mm
    cosine = (LESION_MM**2 + SHIFT_MM**2 - far**2) / (2.0 * LESION_MM * SHIFT_MM)
    return float(0.5 * (cosine + 1.0))


def _cortex() -> list[Case]:
    """Lesion of 6 mm, zone of 12 mm that ends at a cortex 0.5 mm beyond the lesion."""
    grid = _grid(1.0)
    wall = AT_MM[0] + 6.5
    # Half a voxel beyond the last centre inside is where a mask ends.
    centres = grid.centres()[..., 0]
    bone = Volume(centres < wall, grid)
    ends = float(centres[bone.data].max()) + 0.5
    lesion = _ball(6.0).mask(grid)
    zone = _ball(12.0).mask(grid)
    found = margin_map(lesion, zone.with_data(zone.data & bone.data), barriers=Barriers(bone))
    inner = found.within_barriers
    name = "zone that ends at the cortex, voxels of 1 mm"
    source = "distance to the plane"
    plain = ends - AT_MM[0] - 6.0
    least = None if inner is None else inner.minimum_mm
    return [
        Case(name, "plain smallest margin", plain, source, found.minimum_mm, 0.35, "mm"),
        Case(name, "smallest margin to untreated bone", 6.0, "R - r", least, 0.35, "mm"),
    ]
