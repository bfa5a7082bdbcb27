"""Compiled loops: products with element stiffnesses that are never assembled, and moves between grids."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath=True)
def apply_common(x, y, base, offsets, scale, stiffness):  # type: ignore[no-untyped-def]
    """y = sum over elements of scale K x, with one stiffness K (24 x 24, symmetric) for all elements."""
    y[:] = 0.0
    local = np.empty(24, x.dtype)
    out = np.empty(24, x.dtype)
    for e in range(base.size):
        for a in range(8):
            n = 3 * (base[e] + offsets[a])
            for c in range(3):
                local[3 * a + c] = x[n + c] * scale[e]
        out[:] = 0.0
        for column in range(24):
            value = local[column]
            for row in range(24):
                out[row] += stiffness[column, row] * value
        for a in range(8):
            n = 3 * (base[e] + offsets[a])
            for c in range(3):
                y[n + c] += out[3 * a + c]


@njit(cache=True, nogil=True, fastmath=True)
def apply_own(x, y, base, offsets, stiffness):  # type: ignore[no-untyped-def]
    """y = sum over elements of K_e x, each element with its own symmetric stiffness, shape (n, 24, 24)."""
    y[:] = 0.0
    local = np.empty(24, x.dtype)
    out = np.empty(24, x.dtype)
    for e in range(base.size):
        for a in range(8):
            n = 3 * (base[e] + offsets[a])
            for c in range(3):
                local[3 * a + c] = x[n + c]
        out[:] = 0.0
        for column in range(24):
            value = local[column]
            for row in range(24):
                out[row] += stiffness[e, column, row] * value
        for a in range(8):
            n = 3 * (base[e] + offsets[a])
            for c in range(3):
                y[n + c] += out[3 * a + c]


@njit(cache=True, nogil=True)
def prolong(coarse, fine):  # type: ignore[no-untyped-def]
    """Add a coarse nodal field (.., .., .., 3) to a fine one, trilinearly: coarse node I lies on fine node 2 I."""
    weight = coarse.dtype.type(0.125)
    for i in range(fine.shape[0]):
        for j in range(fine.shape[1]):
            for k in range(fine.shape[2]):
                for a in range(8):
                    p, q, r = (i + (a >> 2)) >> 1, (j + ((a >> 1) & 1)) >> 1, (k + (a & 1)) >> 1
                    for c in range(3):
                        fine[i, j, k, c] += weight * coarse[p, q, r, c]


@njit(cache=True, nogil=True)
def restrict(fine, coarse):  # type: ignore[no-untyped-def]
    """The transpose of :func:`prolong`: coarse is overwritten."""
    coarse[:] = 0.0
    weight = coarse.dtype.type(0.125)
    for i in range(fine.shape[0]):
        for j in range(fine.shape[1]):
            for k in range(fine.shape[2]):
                for a in range(8):
                    p, q, r = (i + (a >> 2)) >> 1, (j + ((a >> 1) & 1)) >> 1, (k + (a & 1)) >> 1
                    for c in range(3):
                        coarse[p, q, r, c] += weight * fine[i, j, k, c]
