# mypy: disable-error-code="no-untyped-def, no-untyped-call"
"""CUDA kernels of the bioheat solver: the formulas of ``kernels`` and ``kernels_cells``, one thread a column of cells.

Never run on a graphics card: checked cell by cell against the CPU kernels in numba's simulator, and compiled for
sm_80 and sm_90 (tests/heat/test_gpu.py).

Fields are float32 of shape (nx+2, ny+2, nz+2) in C order. The fast index of a launch runs along k, so that neighbouring
threads read neighbouring cells; each thread goes through ``PLANES`` planes. ``small`` collects what the host reads.
"""

from __future__ import annotations

import numpy as np
from numba import cuda

from vertherm.heat import kernels_cells

PLANES = 8
f4 = np.float32
FASTEST, BOUND, HOTTEST, RATE = 0, 1, 2, 3
"""Places in ``small``: largest rate of wet cells, stiffness of dry ones, largest state, largest rate of any cell."""

to_temperature = cuda.jit(device=True, fastmath=True)(kernels_cells.to_temperature.py_func)
mean_over = cuda.jit(device=True, fastmath=True)(kernels_cells.mean_over.py_func)
SATURATION = kernels_cells.SATURATION


@cuda.jit(device=True, fastmath=True)
def lesser(a, b):
    """The lesser of two: numba's own CUDA target cannot compile ``min`` (0.68)."""
    return a if a < b else b


@cuda.jit(device=True, fastmath=True)
def larger(a, b):
    """The larger of two."""
    return a if a > b else b


@cuda.jit(device=True, fastmath=True)
def node_of(x, nodes):
    """Table interval of node coordinate ``x`` and the place in it, as ``kernels_cells.node_of``."""
    i = lesser(larger(int(x), 0), nodes - 2)
    return np.uint64(i), x - i


@cuda.jit(device=True, fastmath=True)
def divergence(D, kx, ky, kz, i, j, k):
    """div(k grad D) times spacing^2."""
    d = D[i, j, k]
    flux = kx[i, j, k] * (D[i - 1, j, k] - d) + kx[i + 1, j, k] * (D[i + 1, j, k] - d)
    flux += ky[i, j, k] * (D[i, j - 1, k] - d) + ky[i, j + 1, k] * (D[i, j + 1, k] - d)
    return flux + kz[i, j, k] * (D[i, j, k - 1] - d) + kz[i, j, k + 1] * (D[i, j, k + 1] - d)


@cuda.jit(fastmath=True)
def rate_kernel(Y, rate, kx, ky, kz, w, p, s, scale):
    """rate = w div(k grad Y) - p Y + scale * s."""
    k, j, block = cuda.grid(3)
    if k >= Y.shape[2] - 2 or j >= Y.shape[1] - 2:
        return
    j, k = j + 1, k + 1
    for i in range(block * PLANES + 1, lesser(block * PLANES + PLANES, Y.shape[0] - 2) + 1):
        flux = divergence(Y, kx, ky, kz, i, j, k)
        rate[i, j, k] = w[i, j, k] * flux - p[i, j, k] * Y[i, j, k] + scale * s[i, j, k]


@cuda.jit(fastmath=True)
def stage_kernel(D1, D2, rate, kx, ky, kz, w, p, a, b, c, e):
    """D2 <- a D1 + b D2 + c (w div(k grad D1) - p D1) + e rate."""
    k, j, block = cuda.grid(3)
    if k >= D1.shape[2] - 2 or j >= D1.shape[1] - 2:
        return
    j, k = j + 1, k + 1
    for i in range(block * PLANES + 1, lesser(block * PLANES + PLANES, D1.shape[0] - 2) + 1):
        d = D1[i, j, k]
        change = c * (w[i, j, k] * divergence(D1, kx, ky, kz, i, j, k) - p[i, j, k] * d)
        D2[i, j, k] = a * d + b * D2[i, j, k] + change + e * rate[i, j, k]


@cuda.jit(fastmath=True)
def scan_kernel(Y, rate, lam, rv, tl, tu, stiffness, dt, small, box):
    """What limits the step, and the box of cells that boil or may within ``dt``: as ``kernels_cells.hot_scan``."""
    k, j, block = cuda.grid(3)
    if k >= Y.shape[2] - 2 or j >= Y.shape[1] - 2:
        return
    j, k = j + 1, k + 1
    fastest, bound, largest = f4(0.0), f4(0.0), f4(0.0)
    for i in range(block * PLANES + 1, lesser(block * PLANES + PLANES, Y.shape[0] - 2) + 1):
        y, r = Y[i, j, k], abs(rate[i, j, k])
        band = lam[i, j, k] + (tu - tl)
        slope = f4(1.0) if y <= tl else ((tu - tl) / band if y < tl + band else f4(0.0))
        fastest, largest = larger(fastest, r * slope), larger(largest, r)
        if y + dt * r >= tl:
            cuda.atomic.min(box, 0, i)
            cuda.atomic.max(box, 1, i)
            cuda.atomic.min(box, 2, j)
            cuda.atomic.max(box, 3, j)
            cuda.atomic.min(box, 4, k)
            cuda.atomic.max(box, 5, k)
            if y + dt * r > tl + f4(0.8) * band:
                bound = larger(bound, stiffness[i, j, k] * larger(rv[i, j, k], f4(1.0)))
    cuda.atomic.max(small, FASTEST, fastest)
    cuda.atomic.max(small, BOUND, bound)
    cuda.atomic.max(small, RATE, largest)


@cuda.jit(fastmath=True)
def excess_kernel(Y, X, c, G, lam, rv, tl, tu, i0, j0, k0, i1, j1, k1):
    """G <- (T(Y + c X) - T(Y)) - c X in the box."""
    k, j, i = cuda.grid(3)
    i, j, k = i + i0, j + j0, k + k0
    if i > i1 or j > j1 or k > k1:
        return
    y, x = Y[i, j, k], c * X[i, j, k]
    la, r = lam[i, j, k], rv[i, j, k]
    G[i, j, k] = to_temperature(y + x, la, r, tl, tu) - to_temperature(y, la, r, tl, tu) - x


@cuda.jit(fastmath=True)
def apply_kernel(G, out, kx, ky, kz, w, p, c, i0, j0, k0, i1, j1, k1):
    """out += c (w div(k grad G) - p G) in the given cells (the box and its neighbours)."""
    k, j, i = cuda.grid(3)
    i, j, k = i + i0, j + j0, k + k0
    if i > i1 or j > j1 or k > k1:
        return
    out[i, j, k] += c * (w[i, j, k] * divergence(G, kx, ky, kz, i, j, k) - p[i, j, k] * G[i, j, k])


@cuda.jit(fastmath=True)
def hot_state_kernel(Y, G, lam, rv, tl, tu, keep, i0, j0, k0, i1, j1, k1):
    """G <- T(Y) - Y in the box, or 0 where ``keep`` is 0."""
    k, j, i = cuda.grid(3)
    i, j, k = i + i0, j + j0, k + k0
    if i > i1 or j > j1 or k > k1:
        return
    y = Y[i, j, k]
    G[i, j, k] = keep * (to_temperature(y, lam[i, j, k], rv[i, j, k], tl, tu) - y)


@cuda.jit(fastmath=True)
def rows_kernel(Y, rate, active, dt, wake):
    """Rows that passed ``wake`` or may within the step become active: one thread a row."""
    j, i = cuda.grid(2)
    if i >= Y.shape[0] - 2 or j >= Y.shape[1] - 2:
        return
    i, j = i + 1, j + 1
    if active[i, j]:
        return
    most, fastest = Y[i, j, 1], f4(0.0)
    for k in range(1, Y.shape[2] - 1):
        most, fastest = larger(most, Y[i, j, k]), larger(fastest, abs(rate[i, j, k]))
    if most + dt * fastest >= wake:
        active[i, j] = True


@cuda.jit(fastmath=True)
def perfusion_kernel(
    Y, rate, p, p0, omega, model, lam, rv, tl, tu, dt, tables, offset, per_k, stop, stop_per, active, dose_from, dead,
):  # fmt: skip
    """Mean perfusion of the coming step, and the rate corrected for it: as ``kernels_cells.perfusion_rows``."""
    k, j, block = cuda.grid(3)
    if k >= Y.shape[2] - 2 or j >= Y.shape[1] - 2:
        return
    j, k = j + 1, k + 1
    nodes, stops = tables.shape[1], stop.shape[1]
    for i in range(block * PLANES + 1, lesser(block * PLANES + PLANES, Y.shape[0] - 2) + 1):
        o0 = omega[i, j, k]
        if not active[i, j] or p0[i, j, k] == 0.0 or (o0 >= dead and p[i, j, k] == 0.0):
            continue
        y, la, r = Y[i, j, k], lam[i, j, k], rv[i, j, k]
        t0 = to_temperature(y, la, r, tl, tu)
        t1 = to_temperature(y + dt * rate[i, j, k], la, r, tl, tu)
        x0, x1 = (t0 - offset) * per_k, (t1 - offset) * per_k
        i0, f0 = node_of(x0, nodes)
        i1, f1 = node_of(x1, nodes)
        factor = mean_over(tables, 0, i0, f0, i1, f1, x1 - x0)
        if o0 > 0.0 or larger(t0, t1) > dose_from:
            m = 2 + model[i, j, k]
            o1 = o0 + dt * mean_over(tables, m, i0, f0, i1, f1, x1 - x0)
            i0, f0 = node_of(o0 * stop_per, stops)
            i1, f1 = node_of(o1 * stop_per, stops)
            factor *= mean_over(stop, 0, i0, f0, i1, f1, (o1 - o0) * stop_per)
        fresh = f4(p0[i, j, k] * factor)
        rate[i, j, k] -= (fresh - p[i, j, k]) * t0
        p[i, j, k] = fresh


@cuda.jit(fastmath=True)
def finish_kernel(
    Y, D, peak, cem, omega, latent, model, p, capacity, lam, rv, tl, tu, dt, tables, offset, per_k, dose_from, small,
    heat,
):  # fmt: skip
    """Add the increment; peak, doses, latent share; largest state, and perfusion's heat (W/m3 summed) in heat[0]."""
    k, j, block = cuda.grid(3)
    if k >= Y.shape[2] - 2 or j >= Y.shape[1] - 2:
        return
    j, k = j + 1, k + 1
    nodes, carried, largest = tables.shape[1], 0.0, f4(-1e30)
    for i in range(block * PLANES + 1, lesser(block * PLANES + PLANES, Y.shape[0] - 2) + 1):
        la, r, d = lam[i, j, k], rv[i, j, k], D[i, j, k]
        y0 = Y[i, j, k]
        y1 = y0 + d
        Y[i, j, k] = y1
        t1 = to_temperature(y1, la, r, tl, tu)
        peak[i, j, k] = larger(peak[i, j, k], t1)
        largest = larger(largest, y1)
        carried += capacity[i, j, k] * p[i, j, k] * (y1 - f4(0.5) * d + (t1 - y1))
        if la > 0.0 and y1 > tl:
            latent[i, j, k] = larger(latent[i, j, k], lesser((y1 - tl) / (la + (tu - tl)), f4(1.0)))
        if larger(y0, y1) < dose_from:
            continue
        # The state before the step as the CPU kernels see it: rounded once more.
        x0 = (to_temperature(y1 - d, la, r, tl, tu) - offset) * per_k
        x1 = (t1 - offset) * per_k
        i0, f0 = node_of(x0, nodes)
        i1, f1 = node_of(x1, nodes)
        minutes = dt * mean_over(tables, 1, i0, f0, i1, f1, x1 - x0)
        damage = dt * mean_over(tables, 2 + model[i, j, k], i0, f0, i1, f1, x1 - x0)
        cem[i, j, k] = lesser(cem[i, j, k] + minutes, SATURATION)
        omega[i, j, k] = lesser(omega[i, j, k] + damage, SATURATION)
    cuda.atomic.max(small, HOTTEST, largest)
    cuda.atomic.add(heat, 0, carried)


@cuda.jit(fastmath=True)
def faces_kernel(x, scale, g, cells, weights, heats, stage, kind):
    """heats[stage, kind] += sum of weight * (scale x + g) over listed cells: heat through faces, W/m."""
    first = cuda.grid(1)
    total = 0.0
    for n in range(first, cells.size, cuda.gridsize(1)):
        c = cells[n]
        total += weights[n] * (scale * x[c] + g[c])
    if first < cells.size:
        cuda.atomic.add(heats, (stage, kind), total)


@cuda.jit(fastmath=True)
def tissue_kernel(x, scale, g, cells, weights, starts, tissue):
    """Temperature of the tissue around each node of the shafts."""
    n = cuda.grid(1)
    if n >= starts.size - 1:
        return
    total = 0.0
    for m in range(starts[n], starts[n + 1]):
        total += weights[m] * (scale * x[cells[m]] + g[cells[m]])
    tissue[n] = total


@cuda.jit(fastmath=True)
def shaft_kernel(tissue, operator, blocks, constant, gain, out, w, cells, weights, starts, heat, stage):
    """Heat of each node in W/m, and spread over its cells."""
    n = cuda.grid(1)
    if n >= starts.size - 1:
        return
    total = constant[n]
    for m in range(blocks[n, 0], blocks[n, 1]):
        total += operator[n, m] * tissue[m]
    heat[stage, n] = total
    for m in range(starts[n], starts[n + 1]):
        c = cells[m]
        cuda.atomic.add(out, c, f4(gain[n] * total * weights[m] * w[c]))


@cuda.jit(fastmath=True)
def largest_kernel(y, lam, rv, tl, tu, cells, owner, row):
    """Largest temperature of each structure; ``row`` starts far below."""
    n = cuda.grid(1)
    if n < cells.size:
        c = cells[n]
        cuda.atomic.max(row, owner[n], float(to_temperature(y[c], lam[c], rv[c], tl, tu)))


@cuda.jit(fastmath=True)
def sensor_kernel(y, lam, rv, tl, tu, cells, weights, row, first):
    """Trilinear readings into ``row`` from ``first`` on."""
    m = cuda.grid(1)
    if m >= cells.shape[0]:
        return
    total = 0.0
    for n in range(cells.shape[1]):
        c = cells[m, n]
        total += weights[m, n] * to_temperature(y[c], lam[c], rv[c], tl, tu)
    row[first + m] = total
