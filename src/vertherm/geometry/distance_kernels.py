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


@numba.njit(cache=True)
def triangles_around(vertices, faces):  # type: ignore[no-untyped-def]
    """Triangles around each of a number of vertices: those of vertex i are ``around[starts[i]:starts[i + 1]]``."""
    starts = np.zeros(vertices + 1, np.int64)
    for t in range(len(faces)):
        for corner in range(3):
            starts[faces[t, corner] + 1] += 1
    starts = np.cumsum(starts)
    around, filled = np.empty(3 * len(faces), np.int64), starts.copy()
    for t in range(len(faces)):
        for corner in range(3):
            around[filled[faces[t, corner]]] = t
            filled[faces[t, corner]] += 1
    return starts, around


@numba.njit(cache=True, parallel=True)
def walk_to_nearest(points, begin, vertices, faces, starts, around, squared, nearest):  # type: ignore[no-untyped-def]
    """Walk over a mesh from vertices near each point to the nearest triangle.

    Args:
        points: (n, 3).
        begin: (n, k) vertices to begin at; the walks' best counts.
        vertices, faces: (v, 3), (m, 3).
        starts, around: see :func:`triangles_around`.
        squared: (n,) squared distances, out.
        nearest: (n,) nearest corner of the nearest triangle, out.
    """
    for n in numba.prange(len(points)):
        squared[n] = np.inf
        triangle, corners = np.empty((3, 3)), np.empty(3)
        for first in begin[n]:
            here, best, moved = first, np.inf, True
            while moved:
                moved, there = False, here
                for place in range(starts[here], starts[here + 1]):
                    t = around[place]
                    for corner in range(3):
                        triangle[corner] = vertices[faces[t, corner]]
                    found = _squared_distance(points[n, 0], points[n, 1], points[n, 2], triangle)
                    if found < best:
                        best, moved = found, True
                        for corner in range(3):
                            d = triangle[corner] - points[n]
                            corners[corner] = _dot(d[0], d[1], d[2], d[0], d[1], d[2])
                        there = faces[t, np.argmin(corners)]
                moved = moved and there != here
                here = there
            if best < squared[n]:
                squared[n], nearest[n] = best, here
