"""Quadric patches fitted to crossings around points, compiled. Lengths in units of the largest voxel edge."""

from __future__ import annotations

import numba
import numpy as np

TERMS = 6


@numba.njit(cache=True, parallel=True)
def gather(vertices, points, order, starts, shape, corner, cell, reach, near):  # type: ignore[no-untyped-def]
    """Points within a reach of each vertex, the nearest of them where there are too many.

    Args:
        vertices: (n, 3).
        points: (m, 3).
        order: (m,) points cell by cell.
        starts: first of each cell's in ``order``; cells in C order.
        shape, corner, cell: (3,) number of cells, (3,) least corner, edge.
        reach: radius.
        near: (n, k) numbers of points, -1 after the last; out.
    """
    most = near.shape[1]
    for n in numba.prange(len(vertices)):
        low, high = np.empty(3, np.int64), np.empty(3, np.int64)
        for x in range(3):
            # Within the cells, also for a vertex far away: distances decide.
            first = int(np.floor((vertices[n, x] - reach - corner[x]) / cell))
            last = int(np.floor((vertices[n, x] + reach - corner[x]) / cell))
            low[x], high[x] = min(max(first, 0), shape[x] - 1), min(max(last, 0), shape[x] - 1)
        room = 4 * most
        found, away, count = np.empty(room, np.int64), np.empty(room), 0
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                row = (i * shape[1] + j) * shape[2]
                for place in range(starts[row + low[2]], starts[row + high[2] + 1]):
                    p = order[place]
                    square = 0.0
                    for x in range(3):
                        square += (points[p, x] - vertices[n, x]) ** 2
                    if square > reach * reach:
                        continue
                    if count == room:
                        # Full: the nearest stay, the others make room.
                        limit = np.partition(away, most - 1)[most - 1]
                        count = _kept(found, away, count, limit, most)
                    found[count], away[count] = p, square
                    count += 1
        if count > most:
            limit = np.partition(away[:count], most - 1)[most - 1]
            count = _kept(found, away, count, limit, most)
        near[n, :count] = found[:count]


@numba.njit(cache=True)
def _kept(found, away, count, limit, most):  # type: ignore[no-untyped-def]
    """Move the entries up to a limit to the front, at most so many; their number."""
    kept = 0
    for c in range(count):
        if away[c] <= limit and kept < most:
            found[kept], away[kept] = found[c], away[c]
            kept += 1
    return kept


@numba.njit(cache=True)
def _solve(matrix, right):  # type: ignore[no-untyped-def]
    """Cholesky in place: ``right`` becomes the solution; the first entry of the inverse is returned."""
    n = TERMS
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                matrix[i, i] = np.sqrt(max(total, 1e-12))
            else:
                matrix[i, j] = total / matrix[j, j]
    # Column 0 of the inverse of the factor gives entry (0, 0) of the inverse of the matrix.
    column = np.zeros(n)
    column[0] = 1.0 / matrix[0, 0]
    variance = column[0] ** 2
    for i in range(1, n):
        total = 0.0
        for k in range(i):
            total -= matrix[i, k] * column[k]
        column[i] = total / matrix[i, i]
        variance += column[i] ** 2
    for i in range(n):
        for k in range(i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            right[i] -= matrix[k, i] * right[k]
        right[i] /= matrix[i, i]
    return variance


@numba.njit(cache=True, fastmath=True)
def _patch(vertex, normal, first, second, near, points, steps, reach, floor, solution):  # type: ignore[no-untyped-def]
    """One patch: its coefficients into ``solution``; variance of its middle and reduced chi square.

    w = a0 + a1 u + a2 v + a3 (u^2 + w^2/2) + a4 u v + a5 (v^2 + w^2/2): with the halves of w^2 a ball is described
    exactly however wide the patch, and what is bent in one direction better than by a quadric over the plane.
    """
    variance, misfit = 1.0, 1.0
    basis = np.empty(TERMS)
    for turn in range(2):
        matrix = np.zeros((TERMS, TERMS))
        right = np.zeros(TERMS)
        total_weight, total_square = 0.0, 0.0
        for index in near:
            if index < 0:
                break
            u, v, w, away = 0.0, 0.0, 0.0, 0.0
            for x in range(3):
                d = points[index, x] - vertex[x]
                u += d * first[x]
                v += d * second[x]
                w += d * normal[x]
                away += d * d
            taper = 1.0 - away / reach**2
            if taper <= 0.0:
                continue
            du, dv, dw = 0.0, 0.0, 1.0
            if turn > 0:
                du = solution[1] + 2.0 * solution[3] * u + solution[4] * v
                dv = solution[2] + solution[4] * u + 2.0 * solution[5] * v
                dw = 1.0 - (solution[3] + solution[5]) * w
            across = 0.0
            for x in range(3):
                across += steps[index, x] * (dw * normal[x] - du * first[x] - dv * second[x])
            slope = du * du + dv * dv + dw * dw
            spread = across * across / 12.0 + floor * floor * slope
            weight = taper * taper / spread
            basis[0], basis[1], basis[2] = 1.0, u, v
            basis[3], basis[4], basis[5] = u * u + 0.5 * w * w, u * v, v * v + 0.5 * w * w
            for i in range(TERMS):
                right[i] += weight * basis[i] * w
                for j in range(i + 1):
                    matrix[i, j] += weight * basis[i] * basis[j]
            if turn > 0:
                fitted = 0.0
                for i in range(TERMS):
                    fitted += solution[i] * basis[i]
                total_square += taper * taper * (w - fitted) ** 2 / spread
                total_weight += taper * taper
        # Bends of more than one over a voxel are no data: a faint prior keeps thin neighbourhoods solvable.
        for i in range(TERMS):
            matrix[i, i] += 1e-6 if i < 3 else 1.0
        variance = _solve(matrix, right)
        for i in range(TERMS):
            solution[i] = right[i]
        if total_weight > 0.0:
            misfit = total_square / total_weight
    return variance, misfit


@numba.njit(cache=True, parallel=True)
def fit_patches(  # type: ignore[no-untyped-def]
    vertices,
    normals,
    first,
    second,
    near,
    points,
    steps,
    reaches,
    floor,
    worst_misfit,
    heights,
    tilts,
    variances,
    misfits,
):
    """Fit every vertex with the widest reach whose patch still describes the crossings.

    Args:
        vertices, normals, first, second: (n, 3), frames at the vertices.
        near: (n, k) numbers of the nearest crossings, -1 after the last.
        points, steps: (m, 3) crossings and the steps across them.
        reaches: widest first.
        floor: least standard deviation of a crossing.
        worst_misfit: reduced chi square above which a patch is too wide.
        heights, tilts, variances, misfits: results (n,), (n, 2), (n,), (n,).
    """
    for n in numba.prange(len(vertices)):
        solution = np.zeros(TERMS)
        for r in range(len(reaches)):
            solution[:] = 0.0
            variance, misfit = _patch(
                vertices[n], normals[n], first[n], second[n], near[n], points, steps, reaches[r], floor, solution
            )
            if misfit <= worst_misfit or r == len(reaches) - 1:
                heights[n], tilts[n, 0], tilts[n, 1] = solution[0], solution[1], solution[2]
                variances[n], misfits[n] = variance, misfit
                break
