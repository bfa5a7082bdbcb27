"""Which cells of a lattice lie surely, or possibly, too near to an obstacle: decides most needles in one walk.

For a cell with edge h whose centre lies at the exact distance c from a solid, every point x in it has a distance
d(x) with |d(x) - c| <= h sqrt(3) / 2, because distances are 1-Lipschitz. So a needle's axis through the cell surely
breaks a limit T where c + h sqrt(3) / 2 < T, and cannot break it there where c - h sqrt(3) / 2 >= T. What the cells do
not decide is computed exactly.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.access.search_work import thread_count
from vertherm.access.solids_kernels import Forest, splat
from vertherm.access.solids_obstacles import Obstacles
from vertherm.geometry.volume import FloatArray

CELL_MM = 1.5
MOST_CELLS = 6e6
ROUNDING_MM = 1e-3
"""Squared distances are kept as float32 and cells are found in floating point: this covers both."""


@dataclass(frozen=True, eq=False)
class CellBits:
    """One bit a solid in every cell; cells are cubes along RAS.

    Args:
        lower_mm: (3,) corner of the lattice.
        cell_mm: edge of a cell.
        shape: (3,) number of cells.
        bits: (words, cells, 2) uint64, cells in C order: the whole cell breaks the limit; some of it may.
    """

    lower_mm: FloatArray
    cell_mm: float
    shape: NDArray[np.int64]
    bits: NDArray[np.uint64]


def cell_bits(obstacles: Obstacles, lower_mm: FloatArray, upper_mm: FloatArray, threads: int = 1) -> CellBits:
    """Bits of all forbidden solids and of the lesion (the last bit) within a box.

    Args:
        obstacles: with their limits.
        lower_mm, upper_mm: RAS corners of the box that holds every needle.
        threads: number of threads; the result does not depend on it.
    """
    extent = upper_mm - lower_mm
    cell = max(CELL_MM, float(np.cbrt(float(np.prod(extent)) / MOST_CELLS)))
    lower = lower_mm - 2.0 * cell
    shape = np.ceil((extent + 4.0 * cell) / cell).astype(int)
    trees = [*range(obstacles.forbidden), obstacles.lesion]
    words = (len(trees) + 63) // 64
    bits = np.zeros((words, *shape, 2), np.uint64)
    half = 0.5 * np.sqrt(3.0) * cell + ROUNDING_MM

    def window(bit: int) -> tuple[tuple[slice, slice, slice], NDArray[np.float32]] | None:
        limit = float(obstacles.limit_mm[bit])
        return _distances(obstacles.forest, trees[bit], limit + half + cell, lower, cell, shape)

    with ThreadPoolExecutor(thread_count(threads)) as pool:
        for bit, found in enumerate(pool.map(window, range(len(trees)))):
            if found is None:
                continue
            where, distance = found
            flag, word, limit = np.uint64(1 << (bit % 64)), bit // 64, float(obstacles.limit_mm[bit])
            part = bits[word][where]
            part[..., 0] |= np.where(distance < limit - half, flag, np.uint64(0))
            part[..., 1] |= np.where(distance < limit + half, flag, np.uint64(0))
    return CellBits(lower, cell, shape, bits.reshape(words, -1, 2))


def _distances(
    forest: Forest, tree: int, reach: float, lower: FloatArray, cell: float, shape: NDArray[np.int64]
) -> tuple[tuple[slice, slice, slice], NDArray[np.float32]] | None:
    """Distances of cell centres from one solid, infinite beyond the reach, in the window of cells around it."""
    part = slice(forest.box_start[tree], forest.box_start[tree + 1])
    low, high = forest.box_lower[part], forest.box_upper[part]
    if len(low) == 0:
        return None
    rotation, origin = forest.rotation[tree], forest.origin[tree]
    ends = np.stack(np.meshgrid(*zip(low.min(axis=0), high.max(axis=0), strict=True), indexing="ij"), -1).reshape(-1, 3)
    world = ends @ rotation + origin
    first = np.clip(np.floor((world.min(axis=0) - reach - lower) / cell).astype(int), 0, shape)
    last = np.clip(np.ceil((world.max(axis=0) + reach - lower) / cell).astype(int), first, shape)
    if (last <= first).any():
        return None
    out = np.full(tuple(last - first), np.inf, np.float32)
    start = rotation @ (lower + (first + 0.5) * cell - origin)
    splat(low, high, np.ascontiguousarray(rotation * cell), start, reach, out)
    return (slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2])), np.sqrt(out)
