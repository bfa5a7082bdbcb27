# mypy: disable-error-code="no-untyped-def"
"""Where rays leave the body for the last time, by exact voxel traversal, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

TIE_MM = 1e-9
SIDE_MM = 1e-6
"""A ray that runs within a face between two columns of voxels sees both of them."""


@njit(cache=True, nogil=True)
def _last_exit(body, spacing, p, d, q, cell, ahead):
    """Distance from p along d to the last face between body and air; negative: none; and True for the image's edge.

    p, d: in the grid's frame, faces at multiples of the spacing. Walks inwards from the image's edge, so the first
    voxel of the body ends the walk. Scratch: q, ahead (3,) float, cell (3,) int.
    """
    leave = np.inf
    for k in range(3):
        size = body.shape[k] * spacing[k]
        if p[k] < 0.0 or p[k] > size:
            return -1.0, False
        if d[k] > 0.0:
            leave = min(leave, (size - p[k]) / d[k])
        elif d[k] < 0.0:
            leave = min(leave, -p[k] / d[k])
    for k in range(3):
        q[k] = p[k] + leave * d[k]
        cell[k] = min(max(int(np.floor(q[k] / spacing[k])), 0), body.shape[k] - 1)
        ahead[k] = np.inf
        if d[k] > 0.0:
            ahead[k] = (q[k] - cell[k] * spacing[k]) / d[k]
        elif d[k] < 0.0:
            ahead[k] = (q[k] - (cell[k] + 1) * spacing[k]) / d[k]
    done = 0.0
    while True:
        if body[cell[0], cell[1], cell[2]]:
            return leave - done, done <= TIE_MM
        step = min(ahead[0], ahead[1], ahead[2])
        if step >= leave:
            return -1.0, False
        done = max(step, done)
        for k in range(3):
            # Through an edge or a corner: all axes step at once, voxels that are only touched do not count.
            if ahead[k] <= step + TIE_MM:
                cell[k] += -1 if d[k] > 0.0 else 1
                if cell[k] < 0 or cell[k] >= body.shape[k]:
                    return -1.0, False
                ahead[k] += spacing[k] / abs(d[k])


@njit(cache=True, nogil=True)
def leave_body(body, spacing, foci, directions, first, exits, edges):
    """For candidates first, first + 1, ...: distance from the focus to the last exit (nan: none), and the image's edge.

    foci, directions: in the grid's frame; exits (n,), edges (n,) bool.
    """
    p, q, ahead, cell = np.empty(3), np.empty(3), np.empty(3), np.empty(3, np.int64)
    d = np.empty(3)
    many = directions.shape[0]
    for n in range(exits.size):
        f, k = (first + n) // many, (first + n) % many
        best, edge = -1.0, False
        for side in range(8):
            wanted = True
            for axis in range(3):
                shift = 0.0
                d[axis] = directions[k, axis]
                if abs(d[axis]) < TIE_MM:
                    d[axis] = 0.0
                    shift = SIDE_MM if (side >> axis) & 1 else -SIDE_MM
                elif (side >> axis) & 1:
                    wanted = False
                p[axis] = foci[f, axis] + shift
            if wanted:
                found, at_edge = _last_exit(body, spacing, p, d, q, cell, ahead)
                if found > best:
                    best = found
                edge = edge or at_edge
        exits[n] = best if best >= 0.0 else np.nan
        edges[n] = edge
