# mypy: disable-error-code="no-untyped-def"
"""The exact solids of a problem on sub-points of a voxel grid, compiled: what CT partial volume tells of a patient."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vertherm.bench.peers.problem import Ball, Problem

OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy"}


def solids_table(problem: Problem) -> NDArray[np.float64]:
    """(n, 5): 0, z, radius, -, - of balls; 1, inner, outer, low, high of tubes."""
    rows = [
        (0.0, s.z, s.radius, 0.0, 0.0) if isinstance(s, Ball) else (1.0, s.inner, s.outer, s.low, s.high)
        for s in problem.solids
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


@njit(inline="always", **OPTIONS)
def _region(solids, r, z):
    """Region at a point and a lower bound of the distance to the nearest surface."""
    region, near = 0, 1e30
    for n in range(solids.shape[0]):
        if solids[n, 0] == 0.0:
            gap = solids[n, 2] - np.sqrt(r * r + (z - solids[n, 1]) ** 2)
        else:
            gap = min(min(solids[n, 2] - r, z - solids[n, 3]), solids[n, 4] - z)
            if solids[n, 1] > 0.0:
                gap = min(gap, r - solids[n, 1])
        if gap > 0.0:
            region = n + 1
        near = min(near, abs(gap))
    return region, near


@njit(**OPTIONS)
def fill(index, solids, frame, centre, first, spacing, s, lo, hi):
    """Region of every sub-point of the cells ``lo <= i < hi``; cells no surface can cut take one look.

    index: uint8 (s nx, s ny, s nz); frame: rows are the axis frame's directions; first: centre of cell (0, 0, 0), mm.
    """
    ny, nz = index.shape[1] // s, index.shape[2] // s
    reach = 0.5 * np.sqrt(3.0) * spacing
    for i in range(lo, hi):
        for j in range(ny):
            for k in range(nz):
                x, y, z = (
                    first[0] + i * spacing - centre[0],
                    first[1] + j * spacing - centre[1],
                    first[2] + k * spacing - centre[2],
                )
                u = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z
                v = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z
                w = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z
                region, near = _region(solids, np.sqrt(u * u + v * v), w)
                uniform = near > reach
                for a in range(s):
                    for b in range(s):
                        for c in range(s):
                            if not uniform:
                                dx, dy, dz = (
                                    x + spacing * ((a + 0.5) / s - 0.5),
                                    y + spacing * ((b + 0.5) / s - 0.5),
                                    z + spacing * ((c + 0.5) / s - 0.5),
                                )
                                u = frame[0, 0] * dx + frame[0, 1] * dy + frame[0, 2] * dz
                                v = frame[1, 0] * dx + frame[1, 1] * dy + frame[1, 2] * dz
                                w = frame[2, 0] * dx + frame[2, 1] * dy + frame[2, 2] * dz
                                region, near = _region(solids, np.sqrt(u * u + v * v), w)
                            index[i * s + a, j * s + b, k * s + c] = region
