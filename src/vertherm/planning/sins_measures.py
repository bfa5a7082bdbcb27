"""Heights and tilt of vertebral bodies, measured in each body's own directions, and what their neighbours predict.

A body's own superior axis halves the angle between planes laid through its two endplates, so a wedge or a tilt of the
spine does not shorten it. Everything is measured over world coordinates: storage order cannot matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vertherm.access.vertebra import vertebra_frame
from vertherm.clinical.levels import Level, Region
from vertherm.geometry.volume import FloatArray, Grid, Volume

THIRDS = ("posterior", "middle", "anterior")
_TRIM = 0.08
"""Share of the depth left out at front and rear, where the rim is rounded and a height would be one of the rim."""
_CORE = 0.22
"""The same for the endplate planes: where walls slant against the axis, columns nearer the rim end on a wall."""
_STEP_MM = 1.0
_VOXEL_ERROR = 1.96 / np.sqrt(6.0)
"""Two surfaces, each anywhere within its voxel (uniform): 95 % of heights lie within this many voxels of the truth."""


@dataclass(frozen=True, eq=False)
class BodyShape:
    """One vertebral body.

    Args:
        level: which.
        centre_mm: middle between the endplates, RAS mm.
        right, anterior, superior: its own directions, unit vectors in RAS.
        heights_mm: of the posterior, middle and anterior third, median over the middle half of its width.
        depth_mm: from rear to front at mid-height.
        error_mm: of a height, 95 %, from the voxel size alone.
    """

    level: Level
    centre_mm: FloatArray
    right: FloatArray
    anterior: FloatArray
    superior: FloatArray
    heights_mm: FloatArray
    depth_mm: float
    error_mm: float

    @property
    def tilt_error_rad(self) -> float:
        """Error of the superior axis: that of a height over the body's depth."""
        return self.error_mm / max(self.depth_mm, 1.0)


def body_shapes(bodies: Mapping[Level, Volume], canal: Volume | None, image: Grid) -> dict[Level, BodyShape]:
    """Shapes of all bodies that lie whole in the image and have two endplates (C3 to L6).

    Args:
        bodies: bool, vertebral bodies without the arch.
        canal: bool, spinal canal or dural sac; gives the anterior direction, None takes RAS +y.
        image: grid of the CT; a body within one voxel of its border is cut off and left out.
    """
    found: dict[Level, BodyShape] = {}
    for level, body in bodies.items():
        if _comparable(level) and not _cut_off(body, image):
            shape = _shape(level, body, canal, [other for name, other in bodies.items() if name is not level])
            if shape is not None:
                found[level] = shape
    return found


def neighbours(shapes: Mapping[Level, BodyShape], level: Level, avoid: set[Level]) -> tuple[BodyShape | None, ...]:
    """The nearest body above and the nearest below, at most two vertebrae away, None where there is none."""
    usual = [item for item in Level if not item.supernumerary or item in shapes or item is level]
    place = usual.index(level)
    above, below = usual[max(place - 2, 0) : place][::-1], usual[place + 1 : place + 3]
    usable = [[shapes[item] for item in side if item in shapes and item not in avoid] for side in (above, below)]
    return tuple(side[0] if side else None for side in usable)


def expected_heights(target: BodyShape, upper: BodyShape | None, lower: BodyShape | None) -> tuple[FloatArray, float]:
    """Heights of the three thirds that the neighbours predict, and their 95 % voxel error, mm.

    Two neighbours: interpolated by distance, so the growth of the bodies down the spine cancels. One: its own heights.
    """
    if upper is not None and lower is not None:
        share = along(target, upper, lower)
        error = float(np.hypot((1 - share) * lower.error_mm, share * upper.error_mm))
        return (1 - share) * lower.heights_mm + share * upper.heights_mm, error
    only = upper if upper is not None else lower
    if only is None:
        raise ValueError("expected_heights needs a neighbour")
    return only.heights_mm, only.error_mm


def along(target: BodyShape, upper: BodyShape, lower: BodyShape) -> float:
    """Place of the target's centre on the way from the lower (0) to the upper (1) neighbour's centre."""
    way = upper.centre_mm - lower.centre_mm
    return float(np.clip((target.centre_mm - lower.centre_mm) @ way / (way @ way), 0.0, 1.0))


def course(target: BodyShape, upper: BodyShape, lower: BodyShape) -> tuple[FloatArray, FloatArray]:
    """Point and direction of the spine at the target, from its neighbours alone.

    Cubic Hermite curve through both centres, tangent there to the bodies' own axes: a straight line where these point
    at each other, and an arc in a lordosis, which would otherwise be read as a forward slip of several millimetres.
    """
    t = along(target, upper, lower)
    length = float(np.linalg.norm(upper.centre_mm - lower.centre_mm))
    start, end = length * lower.superior, length * upper.superior
    ends = upper.centre_mm - lower.centre_mm
    point = lower.centre_mm + (3 * t**2 - 2 * t**3) * ends + t * (1 - t) ** 2 * start + t**2 * (t - 1) * end
    slope = 6 * t * (1 - t) * ends + (1 - t) * (1 - 3 * t) * start + t * (3 * t - 2) * end
    return point, slope / np.linalg.norm(slope)


@dataclass(frozen=True)
class Slip:
    """A body against the course of its neighbours: mm to the right and to the front, degrees, 95 % error in mm."""

    right_mm: float
    anterior_mm: float
    sagittal_deg: float
    coronal_deg: float
    error_mm: float

    @property
    def total_mm(self) -> float:
        """Translation in the transverse plane."""
        return float(np.hypot(self.right_mm, self.anterior_mm))


def slip(target: BodyShape, upper: BodyShape, lower: BodyShape) -> Slip:
    """Translation and angulation of the target against :func:`course`; sagittal positive: leaning forwards."""
    point, direction = course(target, upper, lower)
    anterior = target.anterior - (target.anterior @ direction) * direction
    anterior /= np.linalg.norm(anterior)
    right = np.cross(anterior, direction)
    off, lean = target.centre_mm - point, target.superior
    length = float(np.linalg.norm(upper.centre_mm - lower.centre_mm))
    bend = length / 8.0 * float(np.hypot(upper.tilt_error_rad, lower.tilt_error_rad))
    # A centre is a mean over a whole surface: half the error of a height in each of three bodies.
    error = float(np.hypot(bend, 0.5 * np.sqrt(1.5) * target.error_mm))
    sagittal = float(np.degrees(np.arctan2(lean @ anterior, lean @ direction)))
    coronal = float(np.degrees(np.arctan2(lean @ right, lean @ direction)))
    return Slip(float(off @ right), float(off @ anterior), sagittal, coronal, error)


def _comparable(level: Level) -> bool:
    return level not in (Level.C1, Level.C2) and level.region is not Region.sacral


def _cut_off(body: Volume, image: Grid) -> bool:
    where = np.argwhere(body.data)
    if not len(where):
        return True
    index = image.index(body.grid.world(where))
    return bool((index.min(axis=0) < 0.5).any() or (index.max(axis=0) > np.array(image.shape) - 1.5).any())


def _shape(level: Level, body: Volume, canal: Volume | None, others: list[Volume]) -> BodyShape | None:
    body = _padded(body)
    points = body.grid.world(np.argwhere(body.data))
    centre = points.mean(axis=0)
    frame = vertebra_frame(body, canal, others) if canal is not None else None
    superior = frame.superior if frame is not None else np.array([0.0, 0.0, 1.0])
    forwards = frame.anterior if frame is not None else np.array([0.0, 1.0, 0.0])
    columns = None
    for _ in range(4):
        right, anterior = _across(superior, forwards)
        columns = _columns(body, points, centre, right, anterior, superior)
        if columns is None:
            return None
        superior = _between_endplates(columns, right, anterior, superior)
    assert columns is not None
    _, depth, bottom, top = columns
    heights, length = _thirds(depth, top - bottom)
    # Across, the middle half of the width is symmetric about the centre of mass, which stands.
    forwards_mm, upwards_mm = 0.5 * float(depth.min() + depth.max()), 0.5 * float(np.mean(bottom + top))
    place = centre + forwards_mm * anterior + upwards_mm * superior
    error = _VOXEL_ERROR * float(np.abs(np.linalg.inv(body.grid.affine[:3, :3]) @ superior).max() ** -1)
    return BodyShape(level, place, right, anterior, superior, heights, length, error)


def _across(superior: FloatArray, forwards: FloatArray) -> tuple[FloatArray, FloatArray]:
    anterior = forwards - (forwards @ superior) * superior
    anterior /= np.linalg.norm(anterior)
    return np.cross(anterior, superior), anterior


def _columns(
    body: Volume,
    points: FloatArray,
    centre: FloatArray,
    right: FloatArray,
    anterior: FloatArray,
    superior: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
    """Columns of the middle half of the width: place across and in depth, lower and upper end, mm from the centre."""
    reach = [np.abs((points - centre) @ axis).max() + 3.0 for axis in (right, anterior, superior)]
    fine = 0.25 * float(body.grid.spacing_mm.min())
    x, y, z = _symmetric(0.5 * reach[0], _STEP_MM), _symmetric(reach[1], _STEP_MM), _symmetric(reach[2], fine)
    place = x[:, None, None, None] * right + y[:, None, None] * anterior + z[:, None] * superior + centre
    value = body.with_data(body.data.astype(np.float32)).sample(place, order=1, outside=0.0)
    inside = value >= 0.5
    filled = inside.any(axis=2)
    if filled.sum() < 8:
        return None
    i, j = np.nonzero(filled)
    bottom = z[0] + fine * _first_crossing(value[i, j])
    top = z[-1] - fine * _first_crossing(value[i, j][:, ::-1])
    return x[i], y[j], bottom, top


def _symmetric(reach_mm: float, step_mm: float) -> FloatArray:
    n = int(np.ceil(reach_mm / step_mm))
    return np.arange(-n, n + 1, dtype=np.float64) * step_mm


def _padded(mask: Volume) -> Volume:
    """One empty voxel all around, so that interpolation finds the outermost faces like any other."""
    affine = mask.grid.affine.copy()
    affine[:3, 3] = mask.grid.world([-1.0, -1.0, -1.0])
    ni, nj, nk = (n + 2 for n in mask.grid.shape)
    return Volume(np.pad(mask.data, 1), Grid((ni, nj, nk), affine, mask.grid.frame), mask.source)


def _first_crossing(value: NDArray[np.float64]) -> FloatArray:
    """Place, in samples, where each row (n, samples) first reaches one half, between samples; rows start outside."""
    rows = np.arange(len(value))
    first = np.maximum((value >= 0.5).argmax(axis=1), 1)
    before, after = value[rows, first - 1], value[rows, first]
    return np.asarray(first - (after - 0.5) / (after - before))


def _between_endplates(
    columns: tuple[FloatArray, ...], right: FloatArray, anterior: FloatArray, superior: FloatArray
) -> FloatArray:
    across, depth, bottom, top = columns
    core = _core(depth)
    design = np.stack([np.ones(int(core.sum())), across[core], depth[core]], axis=1)
    slope = [np.linalg.lstsq(design, ends[core], rcond=None)[0][1:] for ends in (bottom, top)]
    mean = 0.5 * (slope[0] + slope[1])
    axis = superior - mean[0] * right - mean[1] * anterior
    return np.asarray(axis / np.linalg.norm(axis))


def _core(depth: FloatArray) -> NDArray[np.bool_]:
    share = (depth - depth.min()) / np.ptp(depth)
    return np.asarray((share >= _CORE) & (share <= 1 - _CORE))


def _thirds(depth: FloatArray, height: FloatArray) -> tuple[FloatArray, float]:
    """Median height of the posterior, middle and anterior third, and the depth from rear to front."""
    share = (depth - depth.min()) / np.ptp(depth)
    edges = (_TRIM, 1 / 3, 2 / 3, 1 - _TRIM)
    parts = [(share >= low) & (share <= high) for low, high in pairwise(edges)]
    return np.array([float(np.median(height[part])) for part in parts]), float(np.ptp(depth)) + _STEP_MM
