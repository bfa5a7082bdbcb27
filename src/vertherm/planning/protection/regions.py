"""Regions in the patient where gas or fluid is put: a layer before a structure, a ball, a capsule along points."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.imaging.anatomy import Anatomy, cropped

HEATED_MM = 30.0
"""The layer faces this much of each needle, from its tip: the part that heats, with what its shaft warms."""
SPAN_MM = 15.0
"""A layer runs along its structure as far as that lies at most this much farther from the needle than where it is
nearest: a dissection has some millilitres, not the length of the dural sac."""
STEP_MM = 0.5
"""Voxels of a region; a large ball has coarser ones."""


def heated_points(trajectories: Sequence[Trajectory]) -> FloatArray:
    """Points (n, 3) every 0.5 mm along the last :data:`HEATED_MM` of each needle, RAS mm."""
    along = np.arange(0.0, HEATED_MM + 0.5, 0.5)
    return np.concatenate([trajectory.point_mm(along) for trajectory in trajectories])


def layer_between(
    anatomy: Anatomy, structure_name: str, trajectories: Sequence[Trajectory], thickness_mm: float
) -> Volume:
    """The layer that hugs a structure on its side towards the nearest needle.

    Every point of it lies within ``thickness_mm`` of the structure, on the half of directions from its nearest point
    of the structure that look towards the needle, and not beyond the needle. Bone, nerves and vessels in it are left
    alone later, where the medium is painted.

    Args:
        anatomy: the patient.
        structure_name: what the layer protects.
        trajectories: the needles.
        thickness_mm: of the layer.

    Returns:
        bool mask on a grid of its own (0.5 mm, aligned to RAS, frame of the CT).

    Raises:
        InputError: there is no such structure (lists the names), or no needle.
    """
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import cKDTree

    structure = anatomy.structure(structure_name)
    if not trajectories or not structure.mask.data.any():
        what = "A layer needs a needle that it faces." if not trajectories else "The structure has no voxels."
        raise InputError(what, where=structure_name)
    needle = cKDTree(heated_points(trajectories))
    voxels = structure.mask.grid.world(np.argwhere(structure.mask.data))
    distance = np.asarray(needle.query(voxels)[0])
    facing = voxels[distance <= distance.min() + SPAN_MM]
    grid = _around(facing, thickness_mm + 2.0, anatomy.ct.grid.frame)
    inside = _mask_on(structure.mask, grid, voxels)
    reached, foot = distance_transform_edt(~inside, sampling=STEP_MM, return_indices=True)
    # The nearest voxel's centre lies half a voxel behind the surface.
    near = (reached > 0) & (reached <= thickness_mm + 0.5 * STEP_MM)
    at = np.argwhere(near)
    start = grid.world(foot[:, near].T)
    towards = needle.data[np.asarray(needle.query(start)[1])] - start
    length: FloatArray = np.linalg.norm(towards, axis=1)
    way = grid.world(at) - start
    kept = (np.einsum("ij,ij->i", way, towards) > 0) & (np.linalg.norm(way, axis=1) < length)
    kept &= length <= distance.min() + SPAN_MM
    out = np.zeros(grid.shape, bool)
    out[tuple(at[kept].T)] = True
    return cropped(out, grid, f"layer of {thickness_mm:g} mm before {structure_name}")


def _around(points_mm: FloatArray, margin_mm: float, frame: str) -> Grid:
    """Voxels of :data:`STEP_MM` around points; their faces fall on its multiples, whatever the storage of the CT."""
    lower = np.floor((points_mm.min(axis=0) - margin_mm) / STEP_MM) * STEP_MM
    upper = np.ceil((points_mm.max(axis=0) + margin_mm) / STEP_MM) * STEP_MM
    return Grid.isotropic(lower, upper, STEP_MM, frame)


def _mask_on(mask: Volume, grid: Grid, voxels_mm: FloatArray) -> NDArray[np.bool_]:
    """A structure on finer voxels, its surface smoothed by interpolation; thin ones keep their voxels' centres."""
    inside = np.asarray(mask.resampled(grid, order=1, outside=0.0).data) >= 0.5
    if not inside.any():
        index = np.rint(grid.index(voxels_mm[grid.contains(voxels_mm)])).astype(int)
        inside[tuple(np.clip(index, 0, np.array(grid.shape) - 1).T)] = True
    return inside


def capsule(points_mm: Sequence[FloatArray], radius_mm: float, frame: str = "") -> Volume:
    """All within ``radius_mm`` of the line through ``points_mm`` (RAS); one point: a ball. Bool mask."""
    points = np.asarray(points_mm, dtype=np.float64)
    step = max(STEP_MM, radius_mm / 40.0)
    grid = Grid.isotropic(points.min(axis=0) - radius_mm - step, points.max(axis=0) + radius_mm + step, step, frame)
    centres = grid.centres()
    distance = np.linalg.norm(centres - points[0], axis=-1)
    for start, end in pairwise(points):
        way = end - start
        share = np.clip(((centres - start) @ way) / max(float(way @ way), 1e-12), 0.0, 1.0)
        distance = np.minimum(distance, np.linalg.norm(centres - start - share[..., None] * way, axis=-1))
    return Volume(distance <= radius_mm, grid, "points")


def tissue_ml(region: Volume, anatomy: Anatomy, names: Collection[str]) -> float:
    """How much of the tissues ``names`` lies in a region, by the voxels of the CT, mL."""
    points = region.grid.world(np.argwhere(region.data))
    if not points.size:
        return 0.0
    codes = anatomy.tissue.sample(points, order=0, outside=-1.0)
    wanted = [code for code, name in anatomy.tissue_names.items() if name in names]
    return float(np.count_nonzero(np.isin(codes, wanted))) * region.grid.voxel_volume_ml
