"""Small scenes for the search: a block of body, a lesion, boxes around it, and bone that lets everything through.

Body: x -40..40, y -50..40, z -40..40 mm, air around it, so the skin of the back is the plane y = -50.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vertherm.access.approach import BoneScores
from vertherm.access.path import NeedleSpec
from vertherm.access.rules import AccessRules, Approach, ApproachRule, ObstacleRule
from vertherm.access.scene import AccessScene, Solid
from vertherm.clinical.levels import Level, Region
from vertherm.geometry.volume import Grid, Volume

NEEDLE = NeedleSpec(radius_mm=1.0, length_mm=200.0, focus_mm=8.0, zone_long_mm=30.0, zone_short_mm=20.0)
LOWER, UPPER = np.array([-44.0, -54.0, -44.0]), np.array([44.0, 44.0, 44.0])
Box = tuple[Sequence[float], Sequence[float]]


def obstacle(clearance: float = 0.0, comfort: float = 4.0, **more: Any) -> ObstacleRule:
    return ObstacleRule(kinds=("organ",), clearance_mm=clearance, comfort_mm=comfort, source="test", **more)


def rules(**changes: Any) -> AccessRules:
    values: dict[str, Any] = {
        "placement_error_mm": 0.0,
        "max_cranio_caudal_deg": 30.0,
        "max_axial_deg": 40.0,
        "max_gantry_deg": 30.0,
        "max_incidence_deg": 60.0,
        "instrument_length_mm": 200.0,
        "outside_mm": 20.0,
        "tip_beyond_lesion_mm": 20.0,
        "max_breach_mm": 0.0,
        "needle_gap_mm": 5.0,
        "depth_weight": 0.0,
        "angle_weight": 0.0,
        "incidence_weight": 0.0,
        "breach_weight": 0.0,
        "zone_long_mm": 30.0,
        "zone_short_mm": 20.0,
        "obstacles": (obstacle(),),
        "approaches": (
            ApproachRule(approach=Approach.transpedicular, regions=(Region.lumbar,), position="prone", source="test"),
        ),
    }
    values |= {f"{name}_source": "test" for name in ("placement", "incidence", "breach", "scores", "zone")}
    return AccessRules(**{**values, **changes})


def grid(spacing: float = 1.0) -> Grid:
    return Grid.isotropic(LOWER, UPPER, spacing)


def box(lower: Sequence[float], upper: Sequence[float], on: Grid) -> Volume:
    centres = on.centres()
    return Volume(((centres > lower) & (centres < upper)).all(axis=-1), on)


def scene(
    solids: dict[str, Box | Volume] | None = None,
    lesion: Box | Volume = ((-6.0, -6.0, -6.0), (6.0, 6.0, 6.0)),
    *,
    rule: ObstacleRule | None = None,
    on: Grid | None = None,
    level: Level = Level.L3,
    skin: bool = True,
) -> AccessScene:
    where = on or grid()
    asked = rule or obstacle()

    def volume(shape: Box | Volume) -> Volume:
        return shape if isinstance(shape, Volume) else box(*shape, where)

    target = volume(lesion)
    # Without skin the body fills the image.
    body = box((-40, -50, -40), (40, 40, 40), where) if skin else Volume(np.ones(where.shape, bool), where)
    things = tuple(Solid(name, "organ", volume(shape), asked) for name, shape in (solids or {}).items())
    return AccessScene("target", level, target, target, body, skin, things, target, None, None, None)


def open_bone(asked: AccessScene, entries: Any, tips: Any, radius: float) -> BoneScores:
    """Every way is transpedicular from behind and anterolateral from the front, at no angle; side by the entry."""
    n = len(entries)
    behind = entries[:, 1] < tips[:, 1]
    codes = [list(Approach).index(a) for a in (Approach.transpedicular, Approach.anterolateral)]
    zero = np.zeros(n)
    return BoneScores(
        approach=np.where(behind, codes[0], codes[1]),
        side=np.sign(np.round(entries[:, 0], 6)).astype(int),
        incidence_deg=zero,
        first_bone_mm=zero,
        bone_mm=zero + 1.0,
        pedicle_wall_mm=zero + np.nan,
        breach_mm=zero,
        crosses_ilium=np.zeros(n, bool),
    )


def mirrored(volume: Volume) -> Volume:
    """The patient seen in a mirror: x negated, stored the other way round too."""
    affine = np.diag([-1.0, 1.0, 1.0, 1.0]) @ volume.grid.affine
    return Volume(volume.data, Grid(volume.grid.shape, affine), volume.source)


def stored(volume: Volume, order: tuple[int, int, int], flips: tuple[int, ...]) -> Volume:
    """The same voxels at the same places, axes permuted and flipped in storage."""
    data, affine = volume.data, volume.grid.affine.copy()
    for axis in flips:
        data = np.flip(data, axis)
        affine[:3, 3] += affine[:3, axis] * (volume.grid.shape[axis] - 1)
        affine[:3, axis] *= -1
    data = np.transpose(data, order)
    affine[:3, :3] = affine[:3, list(order)]
    return Volume(data, Grid((data.shape[0], data.shape[1], data.shape[2]), affine), volume.source)


def changed(asked: AccessScene, change: Any) -> AccessScene:
    """A scene with every volume changed the same way."""
    return replace(
        asked,
        **{name: change(getattr(asked, name)) for name in ("lesion", "goal", "body", "bone")},
        solids=tuple(replace(solid, mask=change(solid.mask)) for solid in asked.solids),
    )


def brute_distance(mask: Volume, start: Any, end: Any) -> float:
    """Distance from a segment to all voxel boxes of a mask on an orthogonal grid, by golden section on each box.

    The squared distance to a box is convex along the segment; 60 steps leave 3e-13 of its length.
    """
    index = np.argwhere(mask.data).astype(float)
    if len(index) == 0:
        return float("inf")
    spacing = mask.grid.spacing_mm
    turn = mask.grid.affine[:3, :3] / spacing
    a, b = ((np.asarray(point) - mask.grid.affine[:3, 3]) @ turn for point in (start, end))
    low, high = np.zeros(len(index)), np.ones(len(index))

    def squared(t: Any) -> Any:
        point = a + t[:, None] * (b - a)
        gap = np.maximum(np.abs(point - index * spacing) - 0.5 * spacing, 0.0)
        return (gap**2).sum(axis=1)

    part = (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(60):
        left, right = high - part * (high - low), low + part * (high - low)
        better = squared(left) <= squared(right)
        low, high = np.where(better, low, left), np.where(better, right, high)
    return float(
        np.sqrt(min(squared(low).min(), squared(high).min(), squared(0.0 * low).min(), squared(0 * low + 1).min()))
    )
