"""What the cells of a tissue map consist of, whatever its tissues' properties are.

The samples of an ensemble share the sub-cells and differ in the palette's numbers: what depends on the sub-cells alone
is found once a process for all of them, and never travels with a map to another process.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]


class Cells:
    """Cells of one map.

    Args:
        index: palette entry per sub-cell, shape (s nx, s ny, s nz).
        subdivision: s, sub-cells per cell and axis.
        names: of the palette's tissues.
    """

    def __init__(self, index: NDArray[np.uint8], subdivision: int, names: tuple[str, ...]) -> None:
        from vertherm.materials import tissue_map_kernels as kernels

        s, self._names = subdivision, names
        nx, ny, nz = (n // s for n in index.shape)
        self._kind = np.empty((nx, ny, nz), np.int32)
        mixed = kernels.kinds(index, s, len(names), self._kind)
        # The first kinds are cells of one tissue; every other cell is a kind of its own.
        self._members = np.empty((len(names) + mixed, s**3), np.uint8)
        self._members[: len(names)] = np.arange(len(names))[:, None]
        kernels.members(index, s, len(names), self._kind, self._members)

    def mean(self, values: NDArray[np.float64], weights: NDArray[np.float64]) -> Float32:
        """Weighted mean of ``values`` over the sub-cells of each cell, 0 where no sub-cell has weight."""
        from vertherm.materials import tissue_map_kernels as kernels

        out = np.empty(len(self._members), np.float32)
        kernels.kind_means(self._members, values, weights, out)
        return np.asarray(out[self._kind])

    def fraction(self, names: Collection[str]) -> Float32:
        """Volume fraction of the tissues ``names`` in each cell."""
        return self.mean(np.array([float(name in names) for name in self._names]), np.ones(len(self._names)))

    @cached_property
    def air(self) -> Bool:
        """See :meth:`TissueMap.air_cells`."""
        return np.asarray(self.fraction(["air"]) > 0.5 + 1e-6)

    @cached_property
    def exterior_air(self) -> Bool:
        """See :meth:`TissueMap.exterior_air`."""
        from scipy.ndimage import binary_dilation, label

        regions, count = label(self.air)
        if count == 0:
            return self.air
        near_skin = binary_dilation(self.fraction(["skin"]) > 0, np.ones((3, 3, 3), bool), iterations=2)
        touched = np.unique(regions[near_skin & self.air])
        return np.isin(regions, touched[touched > 0])

    @cached_property
    def staircase(self) -> Float32:
        """True area over staircase area of the tissue-air surface near each cell: 1 / (|nx| + |ny| + |nz|)."""
        from scipy.ndimage import gaussian_filter

        share = self.fraction(["air"])
        if not share.any():
            return np.ones(share.shape, np.float32)
        smooth = gaussian_filter(share, 1.5, mode="nearest")
        gradient = np.zeros((3, *share.shape), np.float32)
        for axis in range(3):
            if share.shape[axis] > 1:
                gradient[axis] = np.gradient(smooth, axis=axis)
        length, taxicab = np.linalg.norm(gradient, axis=0), np.abs(gradient).sum(axis=0)
        ratio = np.divide(length, taxicab, out=np.ones_like(length), where=taxicab > 1e-6)
        return ratio.astype(np.float32)


class _Same:
    """An array as part of a cache's key: equal where it is the same one."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self.array = array

    def __hash__(self) -> int:
        return id(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.array is other.array


@lru_cache(maxsize=2)
def _cells(index: _Same, subdivision: int, names: tuple[str, ...]) -> Cells:
    return Cells(index.array, subdivision, names)


def cells_of(index: NDArray[np.uint8], subdivision: int, names: tuple[str, ...]) -> Cells:
    """The cells of a map; the same ones for all maps that share ``index``, which must stay as it is."""
    return _cells(_Same(index), subdivision, names)
