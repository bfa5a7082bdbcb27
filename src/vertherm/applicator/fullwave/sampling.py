# mypy: disable-error-code="no-untyped-def"
"""Numba loops that read the axisymmetric solution at points of a box."""

from __future__ import annotations

import numpy as np
from numba import njit

OPTIONS = {"nogil": True, "error_model": "numpy", "cache": True}


@njit(**OPTIONS)
def _interval(lines, x):
    """Largest index with lines[index] <= x, within 0 .. size - 2."""
    low, high = 0, lines.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if lines[middle] <= x:
            low = middle
        else:
            high = middle
    return low


@njit(**OPTIONS)
def _bilinear(table, i, a, j, b, c):
    lower = table[i, j, c] * (1 - b) + table[i, j + 1, c] * b
    upper = table[i + 1, j, c] * (1 - b) + table[i + 1, j + 1, c] * b
    return lower * (1 - a) + upper * a


@njit(**OPTIONS)
def _in_tissue(r, z, z0, step, outline):
    """True outside the antenna."""
    n = int((z - z0) / step)
    if n < 0:
        return True
    n = min(n, outline.size - 1)
    return r > outline[n]


@njit(**OPTIONS)
def _cylinder(r, z, lines_r, lines_z, table, magnetic):
    """E_r, E_z (or H_phi, 0) at one point; 0 beyond the sample lines."""
    if r > lines_r[-1] or z < lines_z[0] or z > lines_z[-1]:
        return np.complex64(0), np.complex64(0)
    i, j = _interval(lines_r, r), _interval(lines_z, z)
    a = min(max((r - lines_r[i]) / (lines_r[i + 1] - lines_r[i]), 0.0), 1.0)
    b = (z - lines_z[j]) / (lines_z[j + 1] - lines_z[j])
    # Below the innermost line the radial field and H go to zero on the axis like r.
    per_r = 1.0 / r if r > lines_r[0] else r / lines_r[0] ** 2
    if magnetic:
        return np.complex64(_bilinear(table, i, a, j, b, 2) * per_r), np.complex64(0)
    return np.complex64(_bilinear(table, i, a, j, b, 0) * per_r), np.complex64(_bilinear(table, i, a, j, b, 1))


@njit(**OPTIONS)
def points_kernel(
    index, shift, origin, axis, spacing, lines_r, lines_z, table, z0, step, outline, component, magnetic, out
):
    """out[n] = component of E (or H) at node ``index[n]`` + ``shift``; 0 inside the antenna."""
    c, d, e = component, (component + 1) % 3, (component + 2) % 3
    for n in range(index.shape[0]):
        px = origin[0] + spacing * (index[n, 0] + shift[0])
        py = origin[1] + spacing * (index[n, 1] + shift[1])
        pz = origin[2] + spacing * (index[n, 2] + shift[2])
        z = px * axis[0] + py * axis[1] + pz * axis[2]
        radial = (px - z * axis[0], py - z * axis[1], pz - z * axis[2])
        r = np.sqrt(radial[0] ** 2 + radial[1] ** 2 + radial[2] ** 2)
        if r < 1e-12 or not _in_tissue(r, z, z0, step, outline):
            out[n] = 0
            continue
        first, second = _cylinder(r, z, lines_r, lines_z, table, magnetic)
        if magnetic:
            # phi = axis x r, in the box's own (possibly mirrored) frame.
            out[n] = first * (axis[d] * radial[e] - axis[e] * radial[d]) / r
        else:
            out[n] = first * radial[c] / r + second * axis[c]


@njit(**OPTIONS)
def cells_kernel(
    mean, spread, add_incident, near_m, subs, origin, axis, spacing, lines_r, lines_z, table, z0, step, outline,
    total, alone,
):  # fmt: skip
    """|E|^2 of every cell; near the antenna the axisymmetric field is taken at sub-points.

    ``mean``: the marched field's mean over the cell's edges, by component; ``spread``: its mean square about that mean.
    total = mean over the cell of |incident + mean|^2 + spread (incident only where ``add_incident``), alone = the same
    of the axisymmetric field by itself. Sub-points inside the antenna count as zero.
    """
    nx, ny, nz = total.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                px, py, pz = origin[0] + spacing * i, origin[1] + spacing * j, origin[2] + spacing * k
                along = px * axis[0] + py * axis[1] + pz * axis[2]
                away = np.sqrt(max(px * px + py * py + pz * pz - along * along, 0.0))
                m = subs if away < near_m else 1
                sx, sy, sz, rest = mean[0][i, j, k], mean[1][i, j, k], mean[2][i, j, k], spread[i, j, k]
                sum_total, sum_alone = 0.0, 0.0
                for n in range(m * m * m):
                    ox = px + spacing * ((n // (m * m) + 0.5) / m - 0.5)
                    oy = py + spacing * (((n // m) % m + 0.5) / m - 0.5)
                    oz = pz + spacing * ((n % m + 0.5) / m - 0.5)
                    z = ox * axis[0] + oy * axis[1] + oz * axis[2]
                    ux, uy, uz = ox - z * axis[0], oy - z * axis[1], oz - z * axis[2]
                    r = np.sqrt(ux * ux + uy * uy + uz * uz)
                    if r < 1e-12 or not _in_tissue(r, z, z0, step, outline):
                        continue
                    e_r, e_z = _cylinder(r, z, lines_r, lines_z, table, False)
                    ex, ey, ez = (
                        e_r * ux / r + e_z * axis[0],
                        e_r * uy / r + e_z * axis[1],
                        e_r * uz / r + e_z * axis[2],
                    )
                    sum_alone += _square(ex) + _square(ey) + _square(ez)
                    if add_incident:
                        sum_total += _square(ex + sx) + _square(ey + sy) + _square(ez + sz) + rest
                    else:
                        sum_total += _square(sx) + _square(sy) + _square(sz) + rest
                alone[i, j, k] = sum_alone / (m * m * m)
                total[i, j, k] = sum_total / (m * m * m)


@njit(**OPTIONS)
def _square(value):
    return value.real * value.real + value.imag * value.imag


@njit(**OPTIONS)
def reaction_kernel(first, count, offset, re, im, gain, field):
    """Sum over all driven edges of (re + j im) / gain * field: what the currents do to the field."""
    total = 0j
    for c in range(3):
        for i in range(first.shape[1]):
            for j in range(first.shape[2]):
                start, shift = first[c, i, j], offset[c, i, j]
                for n in range(count[c, i, j]):
                    factor = gain[c][i, j, start + n]
                    if factor > 0:
                        total += complex(re[shift + n], im[shift + n]) / factor * field[c][i, j, start + n]
    return total
