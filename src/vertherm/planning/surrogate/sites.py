"""Which cells are followed: the hot ones of every structure, the lesion with what lies around it, thermocouples."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.margins import distances_mm
from vertherm.geometry.surface import mask_surface
from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.heat.setup import Setup
from vertherm.heat.tracking import trilinear

Index = NDArray[np.int64]
BEYOND_MARGIN_MM = 6.0
"""Points are watched this far beyond the margin, so that margins above the goal are told apart."""
LABEL_ROOM_MM = 3.0
"""And this much farther where samples move the lesion's outline."""
HOTTEST = 40
"""Cells of a structure that are watched for each of the instants looked at."""


@dataclass(frozen=True, eq=False)
class TargetSites:
    """Cells in and around one lesion.

    Args:
        where: (m,) places in the list of all watched cells.
        distance_mm: (m,) from the lesion's surface, negative inside.
        edges: (e, 2) pairs of neighbouring cells, as places in ``where``.
        margin_mm: how far the goal reaches.
        reach_mm: how far cells are watched.
    """

    where: Index
    distance_mm: FloatArray
    edges: Index
    margin_mm: float
    reach_mm: float


@dataclass(frozen=True, eq=False)
class Sites:
    """All watched cells of one variant.

    Args:
        cells: (n,) flat cells of the heat grid.
        structures: places in ``cells`` by structure; empty where none lies on the grid.
        targets: by name.
        sensors: thermocouples: (8,) places in ``cells`` and (8,) weights.
    """

    cells: Index
    structures: dict[str, Index]
    targets: dict[str, TargetSites]
    sensors: dict[str, tuple[Index, FloatArray]]

    def only(self, keep_structures: bool, keep_targets: bool) -> tuple[Sites, Index]:
        """A part of the sites (thermocouples always), and the places of its cells here."""
        kept = [w for w, _ in self.sensors.values()]
        kept += list(self.structures.values()) if keep_structures else []
        kept += [t.where for t in self.targets.values()] if keep_targets else []
        places = np.unique(np.concatenate([np.zeros(0, np.int64), *kept]))
        new = np.full(self.cells.size, -1, np.int64)
        new[places] = np.arange(places.size)
        structures = {n: new[w] for n, w in self.structures.items()} if keep_structures else {}
        targets = {n: replace(t, where=new[t.where]) for n, t in self.targets.items()} if keep_targets else {}
        sensors = {n: (new[w], weights) for n, (w, weights) in self.sensors.items()}
        return Sites(self.cells[places], structures, targets, sensors), places


def hottest_cells(cells: Index, rise: NDArray[np.float32], count: int = HOTTEST) -> Index:
    """Of ``cells``, the ``count`` hottest at each instant, sorted; ties go to the lower cell.

    Args:
        cells: flat cells of one structure.
        rise: (instants, all cells of the grid).
    """
    if cells.size <= 2 * count:
        return np.sort(cells)
    ordered = np.sort(cells)
    found = [ordered[np.argsort(-row[ordered], kind="stable")[:count]] for row in rise]
    return np.unique(np.concatenate(found))


def lesion_distance_mm(lesion: Volume, points_mm: FloatArray) -> FloatArray:
    """Signed distance of points from a lesion's surface, negative inside; (n, 3) to (n,)."""
    surface = mask_surface(lesion)
    if surface is None:
        return np.full(len(points_mm), np.inf)
    inside = lesion.sample(points_mm, order=1, outside=0.0) >= 0.5
    return np.asarray(np.where(inside, -1.0, 1.0) * distances_mm(points_mm, surface))


def target_cells(lesion: Volume, grid: Grid, reach_mm: float, excluded: NDArray[np.bool_]) -> tuple[Index, FloatArray]:
    """Flat cells within ``reach_mm`` of a lesion and their signed distance.

    Args:
        lesion: mask, any grid.
        grid: the heat grid.
        reach_mm: farthest distance kept.
        excluded: (cells,) what is no part of the goal where it lies outside the lesion (canal, nerves, air).
    """
    voxels = lesion.grid.world(np.argwhere(lesion.data))
    lower, upper = grid.index(voxels.min(axis=0) - reach_mm), grid.index(voxels.max(axis=0) + reach_mm)
    spans = [
        np.arange(max(int(np.floor(a)), 0), min(int(np.ceil(b)) + 1, n))
        for a, b, n in zip(lower, upper, grid.shape, strict=True)
    ]
    box = np.stack(np.meshgrid(*spans, indexing="ij"), axis=-1).reshape(-1, 3)
    if not box.size:
        return np.zeros(0, np.int64), np.zeros(0)
    distance: FloatArray = lesion_distance_mm(lesion, grid.world(box))
    flat = np.asarray(np.ravel_multi_index(tuple(box.T), grid.shape), dtype=np.int64)
    keep: NDArray[np.bool_] = (distance <= reach_mm) & ((distance <= 0) | ~excluded[flat])
    if not (distance <= 0).any():  # a lesion smaller than a cell: the nearest cell stands for it
        nearest = np.argmin(distance).item()
        distance[nearest] = -1e-3
        keep[nearest] = True
    order = np.argsort(flat[keep], kind="stable")
    return flat[keep][order], distance[keep][order]


def neighbours(cells: Index, shape: tuple[int, int, int]) -> Index:
    """Pairs of cells that share a face, as places in the sorted list ``cells``; (e, 2)."""
    pairs = []
    index = np.stack(np.unravel_index(cells, shape), axis=-1)
    for axis in range(3):
        step = index.copy()
        step[:, axis] += 1
        inside = step[:, axis] < shape[axis]
        flat = np.ravel_multi_index(tuple(step[inside].T), shape)
        at = np.minimum(np.searchsorted(cells, flat), cells.size - 1)
        found = cells[at] == flat
        pairs.append(np.stack([np.flatnonzero(inside)[found], at[found]], axis=-1))
    return np.concatenate(pairs).astype(np.int64)


def make_sites(
    setup: Setup,
    rise: NDArray[np.float32],
    lesions: dict[str, Volume],
    excluded: NDArray[np.bool_],
    margin_mm: float,
    reach_mm: float,
) -> Sites:
    """Watched cells of a setup.

    Args:
        setup: with the structures' cells and the thermocouples.
        rise: (instants, cells of the grid) linear rise per watt at the instants that decide which cells are hot.
        lesions: masks by target.
        excluded: see :func:`target_cells`.
        margin_mm, reach_mm: see :class:`TargetSites`.
    """
    grid = setup.tissue.grid
    chosen = {name: hottest_cells(cells, rise) for name, cells in setup.probes.items()}
    around = {name: target_cells(mask, grid, reach_mm, excluded) for name, mask in lesions.items()}
    points = {name: _corners(grid, name, point) for name, point in setup.thermocouples.items()}
    parts = [*chosen.values(), *(c for c, _ in around.values()), *(c for c, _ in points.values())]
    cells = np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))
    none = np.zeros(0, np.int64)
    structures = {name: np.searchsorted(cells, chosen.get(name, none)) for name in setup.tracked}
    targets = {
        name: TargetSites(np.searchsorted(cells, flat), distance, neighbours(flat, grid.shape), margin_mm, reach_mm)
        for name, (flat, distance) in around.items()
    }
    sensors = {name: (np.searchsorted(cells, flat), weights) for name, (flat, weights) in points.items()}
    return Sites(cells, structures, targets, sensors)


def _corners(grid: Grid, name: str, point_mm: FloatArray) -> tuple[Index, FloatArray]:
    """The eight cells around a point, without ghosts, and their weights."""
    padded, weights = trilinear(grid.shape, name, grid.index(point_mm))
    _, ny, nz = grid.shape
    i, rest = np.divmod(padded, (ny + 2) * (nz + 2))
    j, k = np.divmod(rest, nz + 2)
    return (((i - 1) * ny + (j - 1)) * nz + (k - 1)).astype(np.int64), weights
