"""Structures as unions of their voxel boxes, and exact distances from straight needles to them.

In the orthogonal frame of its own grid every voxel of a mask is an axis-aligned box, whatever the rotation, spacing or
storage order of the grid. Distances to the union of these boxes are exact (float64), so nothing depends on the grid's
storage. A sheared grid has no such frame: its mask is put on an orthogonal, finer grid first (nearest voxel).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.access.solids_kernels import Forest
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray, Grid, Volume

SHEAR = 1e-4
"""Largest product of two unit axes of a grid that still counts as orthogonal: scanners write six digits or so."""
LONGEST_RUN = 8
"""Voxels merged into one box along an axis: longer boxes make fewer of them but a worse tree."""
BOXES_A_LEAF = 3


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of a mask: bounds ``lower``, ``upper`` (n, 3) mm in a frame turned against the world.

    A world point x (RAS mm) is ``rotation @ (x - origin)`` in that frame; rotation may also mirror.
    """

    rotation: FloatArray
    origin: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, eq=False)
class GridFrame:
    """The orthogonal frame of a grid: rotation, origin as in :class:`Boxes`; spacing (3,) mm; faces at i * spacing."""

    rotation: FloatArray
    origin: FloatArray
    spacing: FloatArray


def sheared(grid: Grid) -> bool:
    """True where the axes of a grid are not perpendicular."""
    axes = grid.affine[:3, :3] / grid.spacing_mm
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() > SHEAR)


def unsheared(mask: Volume) -> Volume:
    """A bool mask on an orthogonal grid: itself, or at the nearest voxel on a RAS grid of half its finest spacing."""
    if not sheared(mask.grid):
        return mask
    lower, upper = mask.grid.bounds()
    grid = Grid.isotropic(lower, upper, 0.5 * float(mask.grid.spacing_mm.min()), mask.grid.frame)
    data = mask.with_data(mask.data.astype(np.uint8)).resampled(grid, order=0, outside=0.0).data
    return Volume(data > 0, grid, mask.source)


def grid_frame(grid: Grid) -> GridFrame:
    """The frame in which the voxels of an orthogonal grid are axis-aligned boxes, voxel (0, 0, 0) in the corner."""
    left, _, right = np.linalg.svd(grid.affine[:3, :3] / grid.spacing_mm)
    rotation = (left @ right).T
    middle = (np.array(grid.shape) - 1.0) / 2.0
    origin = grid.world(middle) - rotation.T @ ((middle + 0.5) * grid.spacing_mm)
    return GridFrame(np.ascontiguousarray(rotation), origin, grid.spacing_mm)


def boxes_of(mask: Volume, window: tuple[FloatArray, FloatArray] | None = None, *, whole: bool = False) -> Boxes:
    """The voxels of a mask as boxes, neighbours along one axis merged.

    Only voxels with a face to the outside are kept: a straight line that starts outside the mask meets one of them
    before any inner voxel, also where it enters through an edge or a corner.

    Args:
        mask: bool, an orthogonal grid (see :func:`unsheared`).
        window: lower and upper RAS corner of what matters, mm; voxels outside it may be left out.
        whole: keep the inner voxels too, so that points within the mask have distance 0.
    """
    frame = grid_frame(mask.grid)
    data, shift = _cut(np.asarray(mask.data, bool), mask.grid, window)
    kept = data if whole else data & ~_inner(data)
    axis = int(np.argmin(frame.spacing))
    turned = np.moveaxis(kept, axis, -1)
    place = np.arange(turned.shape[-1])
    before = np.concatenate([np.zeros((*turned.shape[:2], 1), bool), turned[..., :-1]], axis=-1)
    begins = turned & (~before | (place % LONGEST_RUN == 0))
    after = np.concatenate([begins[..., 1:] | ~turned[..., 1:], np.ones((*turned.shape[:2], 1), bool)], axis=-1)
    start = np.argwhere(begins)
    stop = start.copy()
    stop[:, 2] = np.argwhere(turned & after)[:, 2]
    order = np.argsort([a for a in range(3) if a != axis] + [axis])
    low, high = start[:, order] + shift, stop[:, order] + shift + 1
    return Boxes(frame.rotation, frame.origin, low * frame.spacing, high * frame.spacing)


def _cut(
    data: NDArray[np.bool_], grid: Grid, window: tuple[FloatArray, FloatArray] | None
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The part of an array inside a world window (rounded outwards) and where it begins."""
    if window is None:
        return data, np.zeros(3, np.int64)
    corners = np.stack(np.meshgrid(*zip(*window, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)
    index = grid.index(corners)
    size = np.array(data.shape)
    low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, size)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, low, size)
    return data[low[0] : high[0], low[1] : high[1], low[2] : high[2]], low


def _inner(data: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels whose six neighbours all belong to the mask."""
    padded = np.pad(data, 1)
    inner = data.copy()
    for axis in range(3):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
    return inner


def forest_of(solids: Sequence[Boxes]) -> Forest:
    """Trees over the boxes of several solids, in the order given; an empty solid has no boxes."""
    trees = [_tree(solid) for solid in solids]
    count = [len(tree[0]) for tree in trees]
    nodes = [len(tree[2]) for tree in trees]
    stacked = [np.concatenate([tree[part] for tree in trees] or [np.empty((0, 3))]) for part in range(4)]
    return Forest(
        rotation=np.array([s.rotation for s in solids]).reshape(-1, 3, 3),
        origin=np.array([s.origin for s in solids]).reshape(-1, 3),
        box_lower=stacked[0],
        box_upper=stacked[1],
        box_start=np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        node_lower=stacked[2],
        node_upper=stacked[3],
        node_start=(np.cumsum(nodes) - nodes).astype(np.int64),
        leaves=np.array([(n + 1) // 2 for n in nodes], np.int64),
    )


def _tree(solid: Boxes) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Boxes sorted along a Morton curve, and bounds of the nodes of a full binary heap above them."""
    n = len(solid.lower)
    if n == 0:
        none = np.full((1, 3), np.inf)
        return solid.lower, solid.upper, none, -none
    order = np.argsort(_morton(0.5 * (solid.lower + solid.upper)), kind="stable")
    lower, upper = solid.lower[order], solid.upper[order]
    leaves = 1 << max(int(np.ceil(np.log2(n / BOXES_A_LEAF))), 0)
    starts = n * np.arange(leaves) // leaves
    low, high = [np.minimum.reduceat(lower, starts)], [np.maximum.reduceat(upper, starts)]
    while len(low[0]) > 1:
        low.insert(0, np.minimum(low[0][0::2], low[0][1::2]))
        high.insert(0, np.maximum(high[0][0::2], high[0][1::2]))
    return lower, upper, np.concatenate(low), np.concatenate(high)


def _morton(points: FloatArray) -> NDArray[np.uint64]:
    """Place along a space-filling curve: the bits of the three coordinates (16 each) interleaved."""
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = ((points - low) / max(float((high - low).max()), 1e-9) * 65535.0).astype(np.uint64)
    code = np.zeros(len(points), np.uint64)
    for bit in range(16):
        for axis in range(3):
            code |= ((scaled[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return code


def distances_mm(mask: Volume, starts_mm: Any, ends_mm: Any) -> tuple[FloatArray, FloatArray]:
    """Exact distances from segments to the voxels of a mask, 0 where they meet or lie inside.

    Args:
        mask: bool, any grid.
        starts_mm, ends_mm: (n, 3) RAS.

    Returns:
        Distances (n,) in mm, infinite for an empty mask; and where along each segment, 0 at its start to 1.
    """
    from vertherm.access.solids_kernels import nearest_of_many

    starts, ends = (np.ascontiguousarray(np.atleast_2d(points), np.float64) for points in (starts_mm, ends_mm))
    straight = unsheared(mask)
    distance, place = np.empty(len(starts)), np.empty(len(starts))
    nearest_of_many(forest_of([boxes_of(straight)]), 0, starts, ends, np.inf, distance, place)
    inside = straight.with_data(straight.data.astype(np.uint8)).sample(starts, order=0, outside=0.0) > 0
    return np.where(inside, 0.0, distance), np.where(inside, 0.0, place)


def clearance_mm(mask: Volume, needle: Trajectory, radius_mm: float) -> float:
    """Exact distance from a needle's surface to a mask, mm: negative where it cuts in (down to minus the radius)."""
    return float(distances_mm(mask, needle.entry_mm, needle.tip_mm)[0][0]) - radius_mm


def segment_gap_mm(first: Trajectory, second: Trajectory) -> float:
    """Exact distance between the axes of two needles, mm."""
    from vertherm.access.sets_kernels import segment_gaps

    gaps = np.zeros((2, 2))
    ends = [np.stack([getattr(needle, end) for needle in (first, second)]) for end in ("entry_mm", "tip_mm")]
    segment_gaps(ends[0], ends[1], gaps)
    return float(gaps[0, 1])
