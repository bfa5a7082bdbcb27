"""Compiled loops of the deposition: bilinear |E|^2 at cells, and volume sums in (r, z) bins."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def add_weighted_e2(
    table: NDArray[np.float32],
    corner: NDArray[np.int32],
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    cell: NDArray[np.int32],
    weight: np.float32,
    sigma: NDArray[np.float32],
    q: NDArray[np.float32],
) -> None:
    """q[cell] += weight * 0.5 sigma[cell] * |E|^2, bilinear in ``table`` (nr, nz) at flat index ``corner``."""
    nz = table.shape[1]
    flat = table.ravel()
    for n in range(cell.size):
        k = corner[n]
        low = flat[k] + b[n] * (flat[k + 1] - flat[k])
        high = flat[k + nz] + b[n] * (flat[k + nz + 1] - flat[k + nz])
        c = cell[n]
        q[c] += weight * np.float32(0.5) * sigma[c] * (low + a[n] * (high - low))


@njit(cache=True, nogil=True)
def add_to_bins(
    bins: NDArray[np.int32],
    cell: NDArray[np.int32],
    weight: float,
    eps: NDArray[np.float32],
    sigma: NDArray[np.float32],
    sums: NDArray[np.float64],
) -> None:
    """sums[bin] += weight * (1, eps[cell], sigma[cell])."""
    for n in range(cell.size):
        k = bins[n]
        c = cell[n]
        sums[k, 0] += weight
        sums[k, 1] += weight * eps[c]
        sums[k, 2] += weight * sigma[c]
