"""The candidates of a search: places of the zone's middle in the lesion times directions towards the skin.

Both lie on lattices that follow the patient (RAS), never the storage of an image, and are symmetric about the lesion's
centroid and about the straight sagittal direction: a mirrored patient has the mirrored candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.access.rules import AccessRules, Position
from vertherm.access.solids import unsheared
from vertherm.core.errors import InputError
from vertherm.geometry.volume import FloatArray, Grid, Volume

LEVER_MM = 80.0
"""A usual depth: a step of the direction moves the entry by about as much as a step of the focus lattice."""
FACE_MM = 1e-6
"""A point this near to a voxel's face belongs to both voxels, so that mirrored lattices agree."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Every pair of a focus and a direction; pair n has focus n // len(directions), direction n % len(directions).

    Args:
        foci: (f, 3) RAS mm, middle of the zone.
        directions: (d, 3) unit vectors from the tip towards the entry.
        from_behind: (d,) True for directions with the entry behind the tip, False in front of it.
        focus_step_mm, angle_step_deg: of the two lattices.
        centroid: (3,) of the lesion.
    """

    foci: FloatArray
    directions: FloatArray
    from_behind: NDArray[np.bool_]
    focus_step_mm: float
    angle_step_deg: float
    centroid: FloatArray

    @property
    def count(self) -> int:
        """Number of candidates."""
        return len(self.foci) * len(self.directions)


def direction(axial_deg: Any, cranio_caudal_deg: Any, from_behind: Any) -> FloatArray:
    """Unit vectors (..., 3) from the tip towards the entry.

    Args:
        axial_deg: turn in the transverse plane away from straight back (or front), positive towards the patient's left.
        cranio_caudal_deg: out of the transverse plane, positive where the entry lies above (cranial to) the tip.
        from_behind: True where the entry lies behind the tip.
    """
    turn, rise = np.radians(axial_deg), np.radians(cranio_caudal_deg)
    facing = np.where(from_behind, -1.0, 1.0)
    parts = (-np.sin(turn) * np.cos(rise), facing * np.cos(turn) * np.cos(rise), np.sin(rise) + 0.0 * turn)
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


def angles_deg(axis: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Axial, cranio-caudal and gantry angle of unit vectors (..., 3) from the tip towards the entry.

    Axial: atan2(-x, |y|), within 90 degrees either way, positive where the entry lies towards the patient's left of the
    tip. Cranio-caudal: asin(z), positive where the entry lies above the tip. Gantry: atan2(z, |y|), the tilt of the
    slice about the patient's transverse axis that brings the whole needle into one slice.
    """
    x, y, z = np.moveaxis(np.asarray(axis, float), -1, 0)
    axial = np.degrees(np.arctan2(-x, np.abs(y)))
    return axial, np.degrees(np.arcsin(np.clip(z, -1.0, 1.0))), np.degrees(np.arctan2(z, np.abs(y)))


def upper_side(position: Position) -> float:
    """Sign of x of the side that lies up: +1 the patient's right, -1 the left, 0 where neither does."""
    return {"left lateral": 1.0, "right lateral": -1.0}.get(position, 0.0)


def candidates(
    lesion: Volume, rules: AccessRules, facings: tuple[bool, ...], position: Position | None, wanted: int
) -> Candidates:
    """Lattices of foci and directions whose product is about ``wanted`` candidates.

    The steps a (angle) and s (focus) are tied by s = a * LEVER_MM, so foci times directions, V / s^3 times the area of
    the angles / a^2, fixes both. The centroid (or the point of the lesion's lattice nearest to it, where a hollow
    lesion leaves it out) and the straight direction are always among them.

    Args:
        lesion: bool.
        rules: the limits of the angles.
        facings: True for directions from behind, False for those from the front.
        position: of the patient; None where both facings are tried.
        wanted: number of candidates.

    Raises:
        InputError: the lesion is empty.
    """
    straight = unsheared(lesion)
    index = np.argwhere(straight.data)
    if len(index) == 0:
        raise InputError("The lesion is empty.", where=lesion.source, advice="check the lesion's mask")
    volume = len(index) * straight.grid.voxel_volume_ml * 1000.0
    side = 0.0 if position is None else upper_side(position)
    area = len(facings) * np.radians(2 * rules.max_axial_deg) * np.radians(2 * rules.max_cranio_caudal_deg)
    area *= 0.5 if side else 1.0
    step = float(np.clip((volume * area * LEVER_MM**2 / wanted) ** 0.2, 0.25, 10.0))
    centroid = np.round(straight.grid.world(index).mean(axis=0), 6)
    foci = _foci(cut_out(straight, index), centroid, step)
    # The lattice of foci is coarse against a small lesion: the angles make up for what it misses of the number.
    angle = np.degrees(float(np.sqrt(area * len(foci) / wanted)))
    vectors, behind = _directions(rules, facings, side, min(max(angle, 0.1), 10.0))
    return Candidates(foci, vectors, behind, step, float(angle), centroid)


def cut_out(mask: Volume, index: NDArray[np.intp]) -> Volume:
    """The part of a mask around its voxels ``index`` (n, 3), with a rim of one voxel where the mask has one."""
    low = np.maximum(index.min(axis=0) - 1, 0)
    high = np.minimum(index.max(axis=0) + 2, mask.grid.shape)
    affine = mask.grid.affine.copy()
    affine[:3, 3] = mask.grid.world(low)
    data = mask.data[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    return Volume(data, Grid((data.shape[0], data.shape[1], data.shape[2]), affine, mask.grid.frame), mask.source)


def _foci(lesion: Volume, centroid: FloatArray, step: float) -> FloatArray:
    """Lattice points within the lesion, the centroid among them."""
    lower, upper = lesion.grid.bounds()
    reach = np.ceil(np.maximum(upper - centroid, centroid - lower) / step).astype(int)
    axes = [step * np.arange(-n, n + 1) for n in reach]
    points = centroid + np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = within(lesion, points) | (points == centroid).all(axis=1)
    return points[inside]


def within(mask: Volume, points: FloatArray) -> NDArray[np.bool_]:
    """True where points (n, 3) lie in the closed voxels of a mask: on a face, either voxel will do."""
    whole = mask.with_data(mask.data.astype(np.uint8))
    found = np.zeros(len(points), bool)
    axes = mask.grid.affine[:3, :3] / mask.grid.spacing_mm
    for signs in np.stack(np.meshgrid(*3 * [(-1.0, 1.0)], indexing="ij"), axis=-1).reshape(-1, 3):
        found |= whole.sample(points + FACE_MM * (axes @ signs), order=0, outside=0.0) > 0
    return found


def _directions(
    rules: AccessRules, facings: tuple[bool, ...], side: float, step: float
) -> tuple[FloatArray, NDArray[np.bool_]]:
    axial = step * np.arange(-int(rules.max_axial_deg / step), int(rules.max_axial_deg / step) + 1)
    # Towards the patient's left is positive: with the right side up only turns to the right are left.
    axial = axial[-side * axial >= 0.0]
    count = int(rules.max_cranio_caudal_deg / step)
    rise = step * np.arange(-count, count + 1)
    turn, up = (part.ravel() for part in np.meshgrid(axial, rise, indexing="ij"))
    vectors = [direction(turn, up, facing) for facing in facings]
    behind = np.repeat(np.array(facings), len(turn))
    return np.ascontiguousarray(np.concatenate(vectors)), behind
