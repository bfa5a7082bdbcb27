"""The goal of a path: the lesion with its margin, less what must not be ablated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.imaging.anatomy import Anatomy, Structure, StructureKind, cropped
from vertherm.planning.objects import Target

FINEST_MM = 1.0
"""Voxels of the goal are no larger than this; smaller where the lesion's own are."""
NEURAL = (
    StructureKind.cord,
    StructureKind.cauda,
    StructureKind.dural_sac,
    StructureKind.canal,
    StructureKind.root,
    StructureKind.plexus,
)
LEAST_ML = 0.01


def access_goal(target: Target, anatomy: Anatomy, margin_mm: float) -> tuple[Volume, list[str]]:
    """Lesion with ``margin_mm`` around it (exact Euclidean distance to its voxels), and notes on what was left out.

    The margin stays out of every structure that has a limit (canal, nerves, vessels, hollow organs) and out of air.
    The canal and nerves are left out of the lesion itself too: tumour in the epidural space is no goal of a needle.
    Bone, discs, muscle and fat stay.

    Returns:
        bool on a grid along the lesion's own axes, with voxels of at most :data:`FINEST_MM`.
    """
    lesion, grid = _refined(target.mask.canonical(), margin_mm)
    grown = _within(lesion, grid, margin_mm)
    neural = _any_of(anatomy, NEURAL, grid)
    critical = tuple(kind for kind in StructureKind if kind.critical and kind is not StructureKind.skin)
    barred = _any_of(anatomy, critical, grid) | ~_in_body(anatomy, grid)
    goal = (lesion | (grown & ~barred)) & ~neural
    notes = []
    if not goal.any():  # a lesion wholly within the canal: there is nothing else to aim at
        goal = lesion
    inside_ml = float((lesion & neural).sum()) * grid.voxel_volume_ml
    if inside_ml >= LEAST_ML:
        notes.append(f"{inside_ml:.2f} ml of the lesion lie in canal or nerves: no goal of a path, not to be ablated.")
    left_ml = float((grown & ~lesion & barred).sum()) * grid.voxel_volume_ml
    if left_ml >= LEAST_ML:
        notes.append(f"The margin of {margin_mm:g} mm stops at structures with limits: {left_ml:.1f} ml are left out.")
    return cropped(goal, grid, f"{target.mask.source} with {margin_mm:g} mm"), notes


def _refined(mask: Volume, margin_mm: float) -> tuple[NDArray[np.bool_], Grid]:
    """The lesion on voxels that divide its own, with room for the margin."""
    data = np.asarray(mask.data) > 0
    index = np.argwhere(data)
    low, high = index.min(axis=0), index.max(axis=0) + 1
    edges = mask.grid.spacing_mm
    parts = np.maximum(np.ceil(edges / FINEST_MM - 1e-6), 1).astype(int)
    pad = np.ceil(margin_mm / edges).astype(int) + 1
    part = np.pad(data[low[0] : high[0], low[1] : high[1], low[2] : high[2]], [(p, p) for p in pad])
    for axis in range(3):
        part = np.repeat(part, parts[axis], axis=axis)
    affine = mask.grid.affine.copy()
    affine[:3, :3] = affine[:3, :3] / parts
    affine[:3, 3] = mask.grid.world((low - pad) - 0.5 + 0.5 / parts)
    return part, Grid(part.shape, affine, mask.grid.frame)


def _within(lesion: NDArray[np.bool_], grid: Grid, margin_mm: float) -> NDArray[np.bool_]:
    """Voxels whose centre lies within ``margin_mm`` of the lesion's voxels as boxes.

    On the lattice of half voxels the nearest point of a box to a voxel's centre is a lattice point itself, so the
    distance transform of the closed boxes on that lattice is exact.
    """
    from scipy import ndimage

    if margin_mm <= 0:
        return lesion
    closed = np.zeros([2 * n + 1 for n in lesion.shape], bool)
    closed[1::2, 1::2, 1::2] = lesion
    closed = ndimage.binary_dilation(closed, np.ones((3, 3, 3), bool))
    half: FloatArray = 0.5 * grid.spacing_mm
    distance = np.asarray(ndimage.distance_transform_edt(~closed, sampling=half))
    return distance[1::2, 1::2, 1::2] <= margin_mm + 1e-6


def _any_of(anatomy: Anatomy, kinds: tuple[StructureKind, ...], grid: Grid) -> NDArray[np.bool_]:
    out = np.zeros(grid.shape, bool)
    lower, upper = grid.bounds()
    for structure in anatomy.of_kind(*kinds):
        if _near(structure, lower, upper):
            out |= structure.on(grid)
    return out


def _near(structure: Structure, lower: FloatArray, upper: FloatArray) -> bool:
    low, high = structure.mask.grid.bounds()
    return bool((low < upper).all() and (high > lower).all() and structure.mask.data.any())


def _in_body(anatomy: Anatomy, grid: Grid) -> NDArray[np.bool_]:
    air = [code for code, name in anatomy.tissue_names.items() if name == "air"]
    codes = anatomy.tissue.resampled(grid, order=0, outside=float(air[0])).data
    return ~np.isin(codes, air)
