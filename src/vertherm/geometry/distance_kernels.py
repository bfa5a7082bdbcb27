"""Exact distances from points to triangles, compiled, with blocks of triangles skipped by their bounding spheres."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, inline="always")
def _dot(ax, ay, az, bx, by, bz):  # type: ignore[no-untyped-def]
    return ax * bx + ay * by + az * bz


@numba.njit(cache=True)
def _squared_distance(px, py, pz, t):  # type: ignore[no-untyped-def]
    """Squared distance from a point to triangle ``t`` (3, 3), by the Voronoi region the point projects into."""
    ax, ay, az = t[0, 0], t[0, 1], t[0, 2]
    abx, aby, abz = t[1, 0] - ax, t[1, 1] - ay, t[1, 2] - az
    acx, acy, acz = t[2, 0] - ax, t[2, 1] - ay, t[2, 2] - az
    apx, apy, apz = px - ax, py - ay, pz - az
    d1, d2 = _dot(abx, aby, abz, apx, apy, apz), _dot(acx, acy, acz, apx, apy, apz)
    ab2, ac2 = _dot(abx, aby, abz, abx, aby, abz), _dot(acx, acy, acz, acx, acy, acz)
    abac = _dot(abx, aby, abz, acx, acy, acz)
    # Barycentric weights v (of b) and w (of c) of the projection; each region below clamps them.
    if d1 <= 0.0 and d2 <= 0.0:
        v, w = 0.0, 0.0
    else:
        d3, d4 = d1 - ab2, d2 - abac
        d5, d6 = d1 - abac, d2 - ac2
        va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
        if d3 >= 0.0 and d4 <= d3:
            v, w = 1.0, 0.0
        elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
            v, w = d1 / (d1 - d3), 0.0
        elif d6 >= 0.0 and d5 <= d6:
            v, w = 0.0, 1.0
        elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
            v, w = 0.0, d2 / (d2 - d6)
        elif va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0:
            w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
            v = 1.0 - w
        else:
            total = va + vb + vc
            v, w = vb / total, vc / total
    qx, qy, qz = apx - v * abx - w * acx, apy - v * aby - w * acy, apz - v * abz - w * acz
    return _dot(qx, qy, qz, qx, qy, qz)


@numba.njit(cache=True, parallel=True)
def squared_distances(points, triangles, starts, centres, radii, out):  # type: ignore[no-untyped-def]
    """Squared distance from each point to the nearest triangle.

    triangles: (m, 3, 3) sorted by block; starts: (blocks + 1) first triangle of each block; centres, radii: bounding
    spheres of the blocks; out: (n).
    """
    blocks = starts.size - 1
    for n in numba.prange(points.shape[0]):
        gap = np.empty(blocks)
        px, py, pz = points[n, 0], points[n, 1], points[n, 2]
        first = 0
        for b in range(blocks):
            dx, dy, dz = px - centres[b, 0], py - centres[b, 1], pz - centres[b, 2]
            gap[b] = max(np.sqrt(_dot(dx, dy, dz, dx, dy, dz)) - radii[b], 0.0)
            if gap[b] < gap[first]:
                first = b
        best = np.inf
        for order in range(blocks + 1):
            # The most promising block first, so that its distance rules out most of the others.
            b = first if order == 0 else order - 1
            if gap[b] * gap[b] >= best or (order > 0 and b == first):
                continue
            for t in range(starts[b], starts[b + 1]):
                best = min(best, _squared_distance(px, py, pz, triangles[t]))
        out[n] = best
