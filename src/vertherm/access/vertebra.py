"""Directions and landmarks of one vertebra, from its body and the canal. Derived by rule, never labelled.

All measures are taken in the world (RAS mm), over voxel centres, so the storage order of a mask cannot matter and
mirrored anatomy gives the mirrored frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vertherm.access.scene import VertebraFrame
from vertherm.geometry.volume import FloatArray, Volume

NEIGHBOUR_MM = 70.0
"""Bodies farther off than this are not the neighbours: the tallest lumbar segment is about 50 mm."""
BESIDE_MM = 10.0
"""How far above and below the body the canal's course is followed."""
LEAST_CANAL_MM = 8.0
"""A canal followed over less height has no course of its own."""


def vertebra_frame(body: Volume, canal: Volume, others: Sequence[Volume] = ()) -> VertebraFrame | None:
    """The vertebra's own directions, its posterior wall and its canal; None where body and canal do not lie together.

    Superior: the chord between the bodies above and below where both are known (they bracket the vertebra, so the bend
    of the spine cancels), otherwise the mean of what is known of: the line to the one neighbour, the canal's course.
    Anterior: from the canal's middle to the body's, made perpendicular to superior. Right completes them.

    Args:
        body: bool, vertebral body without the arch.
        canal: bool, spinal canal (or the dural sac in its place).
        others: bool, bodies of other vertebrae.
    """
    points = _points(body)
    around = _points(canal)
    if len(points) < 8 or len(around) < 8:
        return None
    centre = points.mean(axis=0)
    superior = _superior(centre, points, around, [_points(other) for other in others])
    height = _extent((points - centre) @ superior, body)
    beside = around[np.abs((around - centre) @ superior) <= 0.5 * height]
    if len(beside) < 4:
        return None
    canal_mm = beside.mean(axis=0)
    anterior = centre - canal_mm
    anterior = anterior - (anterior @ superior) * superior
    length = float(np.linalg.norm(anterior))
    if length < 2.0:
        return None
    anterior /= length
    right = np.cross(anterior, superior)
    return VertebraFrame(
        centre_mm=centre,
        right=right,
        anterior=anterior,
        superior=superior,
        canal_mm=canal_mm,
        posterior_wall_mm=_posterior_wall(points - centre, right, anterior, superior, height, body),
        canal_half_width_mm=_half_width(beside - canal_mm, right, superior, canal),
    )


def coordinates(frame: VertebraFrame, points_mm: FloatArray) -> FloatArray:
    """RAS points (..., 3) in the vertebra's own directions: mm to the right, to the front, upwards of its centre."""
    axes = np.stack([frame.right, frame.anterior, frame.superior], axis=-1)
    return np.asarray((np.asarray(points_mm, float) - frame.centre_mm) @ axes)


def canal_middle(frame: VertebraFrame) -> tuple[float, float]:
    """Middle of the canal in the vertebra's own directions: mm to the right of, and in front of the body's centre."""
    place = coordinates(frame, frame.canal_mm)
    return float(place[0]), float(place[1])


def pedicle_regions(bone: Volume, frame: VertebraFrame) -> tuple[Volume, Volume]:
    """Bone of the pedicles, (left, right): bool, on ``bone``'s grid.

    The pedicle is the bone lateral to the canal between the body's posterior wall and the middle of the canal. Behind
    the canal's middle it widens into articular and transverse processes, where a needle enters from outside and no
    wall is left to be measured. Within the canal's width only its outer fifth may belong to it: the medial wall curves
    around the dural sac.
    """
    index = np.argwhere(bone.data)
    place = coordinates(frame, bone.grid.world(index))
    across, middle = canal_middle(frame)
    deep = (place[:, 1] <= frame.posterior_wall_mm) & (place[:, 1] >= middle)
    regions = []
    for side in (-1.0, 1.0):
        data = np.zeros(bone.grid.shape, bool)
        beside = side * (place[:, 0] - across) >= 0.8 * frame.canal_half_width_mm
        data[tuple(index[deep & beside].T)] = True
        regions.append(bone.with_data(data, f"pedicle {'left' if side < 0 else 'right'}, derived"))
    return regions[0], regions[1]


def _points(mask: Volume) -> FloatArray:
    return mask.grid.world(np.argwhere(mask.data))


def _superior(centre: FloatArray, body: FloatArray, canal: FloatArray, others: Sequence[FloatArray]) -> FloatArray:
    """Unit vector along the spine at this vertebra, upwards (towards +z)."""
    centres = [other.mean(axis=0) for other in others if len(other) >= 8]
    near = [c for c in centres if 5.0 < float(np.linalg.norm(c - centre)) < NEIGHBOUR_MM]
    above = [c for c in near if c[2] > centre[2]]
    below = [c for c in near if c[2] < centre[2]]
    upper = min(above, key=lambda c: float(np.linalg.norm(c - centre)), default=None)
    lower = min(below, key=lambda c: float(np.linalg.norm(c - centre)), default=None)
    if upper is not None and lower is not None:
        return _unit(upper - lower)
    known = [_unit(upper - centre)] if upper is not None else []
    known += [_unit(centre - lower)] if lower is not None else []
    course = _canal_course(centre, body, canal)
    known += [] if course is None else [course]
    return _unit(np.sum(known, axis=0)) if known else np.array([0.0, 0.0, 1.0])


def _canal_course(centre: FloatArray, body: FloatArray, canal: FloatArray) -> FloatArray | None:
    """Direction of the canal beside the body: the slope of its voxels over their height; None where it is too short.

    The slab is cut perpendicular to the direction found so far, so that its slanted ends do not pull the slope.
    """
    direction = np.array([0.0, 0.0, 1.0])
    for _ in range(4):
        reach = float(np.abs((body - centre) @ direction).max()) + BESIDE_MM
        height = (canal - centre) @ direction
        part, along = canal[np.abs(height) <= reach], height[np.abs(height) <= reach]
        if len(part) < 8 or float(np.ptp(along)) < LEAST_CANAL_MM:
            return None
        offset = along - along.mean()
        direction = _unit((part * offset[:, None]).sum(axis=0) / (offset @ offset))
    return direction


def _posterior_wall(
    points: FloatArray, right: FloatArray, anterior: FloatArray, superior: FloatArray, height: float, body: Volume
) -> float:
    """Median depth of the body's rear surface near the midline and mid-height, mm along ``anterior``.

    Near the midline, because the pedicles' roots continue the body backwards beside it.
    """
    across, depth, along = points @ right, points @ anterior, points @ superior
    width = _extent(across, body)
    middle = (np.abs(across) <= 0.2 * width) & (np.abs(along) <= 0.3 * height)
    if not middle.any():
        middle = np.ones(len(points), bool)
    step = float(body.grid.spacing_mm.max())
    columns = np.round(np.stack([across[middle], along[middle]], axis=1) / step).astype(int)
    _, which = np.unique(columns, axis=0, return_inverse=True)
    rear = np.full(int(which.max()) + 1, np.inf)
    np.minimum.at(rear, which.ravel(), depth[middle])
    return float(np.median(rear)) - 0.5 * _voxel_along(anterior, body)


def _half_width(points: FloatArray, right: FloatArray, superior: FloatArray, canal: Volume) -> float:
    """Half the canal's width, the median over its height."""
    step = float(canal.grid.spacing_mm.max())
    layers = np.round(points @ superior / step).astype(int)
    across = points @ right
    widths = [float(np.ptp(across[layers == layer])) for layer in np.unique(layers)]
    return 0.5 * (float(np.median(widths)) + _voxel_along(right, canal))


def _extent(along: FloatArray, mask: Volume) -> float:
    return float(np.ptp(along)) + float(mask.grid.spacing_mm.min())


def _voxel_along(direction: FloatArray, mask: Volume) -> float:
    """Edge of a voxel along a direction: its width between faces where the direction runs along an axis."""
    axes = mask.grid.affine[:3, :3]
    return float(np.abs(direction @ axes).max())


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / np.linalg.norm(vector))
