"""A bone as needles meet it: lengths within it, its surface's normal, and how deep in it a needle stays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vertherm.access.bone_kernels import BODY, BONE, depth_in_bone, walk
from vertherm.geometry.volume import FloatArray, Grid, Volume

SMOOTHED_VOXELS = 1.5
SMOOTHED_MM = 2.0
"""Gaussian sigma under which a surface's normal is taken: in voxels, against their stairs, and in mm at least."""
SAMPLED_MM = 0.1
"""Step at which an axis that has left the bone is followed."""
FAR_MM = 50.0
"""No pedicle is wider: distances beyond it are not sought."""


Blocks = tuple[FloatArray, NDArray[np.int64], FloatArray, FloatArray, FloatArray]
"""Voxel boxes sorted by block: centres, first of each block, spheres (middle, radius), half a voxel's edges; in mm."""


@dataclass(frozen=True, eq=False)
class Crossing:
    """What needles meet in one bone; arrays (n,), mm from the entry; nan: never.

    Args:
        first_mm: where the axis first enters bone.
        length_mm: length of the axis in bone.
        first_body_mm: where it first enters the vertebral body.
        before_body_mm: length in bone other than the body before that (all of it where the body is never entered).
        window_mm: length in bone within the window asked for.
        window_ends_in_bone: bool.
    """

    first_mm: FloatArray
    length_mm: FloatArray
    first_body_mm: FloatArray
    before_body_mm: FloatArray
    window_mm: FloatArray
    window_ends_in_bone: NDArray[np.bool_]


class Bone:
    """Labelled bone on a grid of its own, stored the same way however the label was stored.

    Args:
        mask: bool.
        body: bool, the part that is the vertebral body; it counts as bone even where ``mask`` lacks it.
    """

    def __init__(self, mask: Volume, body: Volume | None = None) -> None:
        padded = _padded(_orthogonal(mask.canonical()))
        self.grid: Grid = padded.grid
        codes = np.where(np.asarray(padded.data) > 0, BONE, 0).astype(np.uint8)
        if body is not None:
            inside = np.asarray(body.resampled(self.grid, order=0, outside=0.0).data) > 0
            codes[inside] = BONE | BODY
        self.codes = np.ascontiguousarray(codes)
        self.edges = self.grid.spacing_mm
        self._turn = np.linalg.inv(self.grid.affine)[:3, :3]

    def crossing(self, entries_mm: FloatArray, tips_mm: FloatArray, windows_mm: FloatArray | None = None) -> Crossing:
        """Follow needles from entry to tip through the bone.

        Args:
            entries_mm, tips_mm: (n, 3) RAS mm.
            windows_mm: (n, 2), a stretch of each needle that is looked at apart, mm from the entry.
        """
        lengths = np.linalg.norm(tips_mm - entries_mm, axis=1)
        directions = (tips_mm - entries_mm) / lengths[:, None]
        windows = np.zeros((len(lengths), 2)) if windows_mm is None else np.ascontiguousarray(windows_mm, float)
        out = np.empty((len(lengths), 6))
        starts = np.ascontiguousarray(self.grid.index(entries_mm))
        walk(starts, np.ascontiguousarray(directions @ self._turn.T), lengths, self.codes, windows, out)
        return Crossing(out[:, 0], out[:, 1], out[:, 2], out[:, 3], out[:, 4], out[:, 5] > 0)

    def normals(self, points_mm: FloatArray) -> FloatArray:
        """Outward unit normals (n, 3) of the bone's surface near RAS points: the smoothed label's steepest descent."""
        from scipy.ndimage import map_coordinates

        gradients, corner = self._gradients(points_mm)
        index = (self.grid.index(points_mm) - corner).T
        slope = np.stack([map_coordinates(g, index, order=1, mode="nearest") for g in gradients], axis=-1)
        world = -(slope @ self._turn)
        return np.asarray(world / np.maximum(np.linalg.norm(world, axis=1, keepdims=True), 1e-12))

    def _gradients(self, points_mm: FloatArray) -> tuple[list[FloatArray], FloatArray]:
        """Slopes of the smoothed label along the grid's axes around some points, and the corner of that box."""
        from scipy.ndimage import gaussian_filter

        sigma = np.maximum(SMOOTHED_VOXELS, SMOOTHED_MM / self.edges)
        margin = np.ceil(4.0 * sigma).astype(int) + 1
        index = np.rint(self.grid.index(points_mm)).astype(int)
        low = index.min(axis=0) - margin
        high = index.max(axis=0) + margin + 1
        inner_low, inner_high = np.clip(low, 0, self.grid.shape), np.clip(high, 0, self.grid.shape)
        window = tuple(slice(a, b) for a, b in zip(inner_low, inner_high, strict=True))
        pad = list(zip(inner_low - low, high - inner_high, strict=True))
        part = np.pad((self.codes[window] & BONE).astype(np.float32), pad)
        orders = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
        return [gaussian_filter(part, sigma, order=order, mode="constant") for order in orders], low.astype(float)

    def depth(self, entries_mm: FloatArray, tips_mm: FloatArray, windows_mm: FloatArray) -> FloatArray:
        """How deep the axis stays in bone at least over a stretch (n, 2), mm from the entry; see the kernel."""
        lengths = np.linalg.norm(tips_mm - entries_mm, axis=1)
        directions = (tips_mm - entries_mm) / lengths[:, None]
        begins = self.grid.index(entries_mm + windows_mm[:, :1] * directions) * self.edges
        own = directions @ self._turn.T * self.edges
        out = np.empty(len(lengths))
        stretch = np.ascontiguousarray(windows_mm[:, 1] - windows_mm[:, 0])
        depth_in_bone(
            np.ascontiguousarray(begins),
            np.ascontiguousarray(own),
            stretch,
            self.codes,
            self.edges,
            self._shells[0],
            self._shells[1],
            SAMPLED_MM,
            FAR_MM,
            out,
        )
        return out

    @cached_property
    def _shells(self) -> tuple[Blocks, Blocks]:
        """Voxels that are not bone but touch it, and bone voxels that touch others: they hold the nearest one."""
        from scipy.ndimage import binary_dilation, binary_erosion

        bone = (self.codes & BONE) > 0
        around = np.ones((3, 3, 3), bool)
        outside = binary_dilation(bone, around) & ~bone
        inside = bone & ~binary_erosion(bone, around)
        return self._blocks(outside), self._blocks(inside)

    def _blocks(self, mask: NDArray[np.bool_]) -> Blocks:
        """Voxels sorted into blocks of about 6 mm, with the sphere that holds each block."""
        index = np.argwhere(mask)
        if len(index) == 0:
            return np.zeros((0, 3)), np.zeros(1, np.int64), np.zeros((0, 3)), np.zeros(0), 0.5 * self.edges
        size = np.maximum(np.round(6.0 / self.edges), 1).astype(int)
        _, block = np.unique(index // size, axis=0, return_inverse=True)
        order = np.argsort(block.ravel(), kind="stable")
        boxes = np.ascontiguousarray(index[order] * self.edges)
        starts = np.concatenate([[0], np.cumsum(np.bincount(block.ravel()))]).astype(np.int64)
        spans = [boxes[a:b] for a, b in pairwise(starts)]
        centres = np.array([0.5 * (span.min(axis=0) + span.max(axis=0)) for span in spans])
        half = 0.5 * self.edges
        radii = np.array(
            [
                np.linalg.norm(span - c, axis=1).max() + np.linalg.norm(half)
                for span, c in zip(spans, centres, strict=True)
            ]
        )
        return boxes, starts, centres, radii, half


def _orthogonal(mask: Volume) -> Volume:
    """The mask on a grid whose axes are perpendicular (a sheared grid has boxes that are not boxes)."""
    axes = mask.grid.affine[:3, :3] / mask.grid.spacing_mm
    if np.allclose(axes.T @ axes, np.eye(3), atol=1e-6):
        return mask
    lower, upper = mask.grid.bounds()
    plain = Grid.isotropic(lower, upper, float(mask.grid.spacing_mm.min()), mask.grid.frame)
    return mask.resampled(plain, order=0, outside=0.0)


def _padded(mask: Volume) -> Volume:
    """One more layer of voxels on every side, so that bone never ends at the array's edge."""
    affine = mask.grid.affine.copy()
    affine[:3, 3] = mask.grid.world([-1, -1, -1])
    shape = mask.data.shape
    grid = Grid((shape[0] + 2, shape[1] + 2, shape[2] + 2), affine, mask.grid.frame)
    return Volume(np.pad(np.asarray(mask.data) > 0, 1), grid, mask.source)
