# mypy: disable-error-code="no-untyped-def"
"""Numba kernels that visit only part of the grid: boiling cells, warm rows, tracked cells, single faces.

Temperatures here are relative to arterial blood, like the state. The state Y is an *equivalent* temperature: heat
content divided by the capacity of the wet tissue. Below the vaporisation band it is the temperature. In the band
(``tl`` to ``tu``) the cell takes up its latent heat, worth ``lam`` kelvin, while it warms by tu - tl; above, the dry
tissue warms by ``rv`` kelvin for each kelvin's worth of heat.
"""

from __future__ import annotations

import numpy as np
from numba import njit

OPTIONS = {"fastmath": True, "nogil": True, "error_model": "numpy", "cache": True}
u8 = np.uint64
ONE = np.uint64(1)
SATURATION = 1e9
"""Doses stop here, so that boiling tissue keeps a finite number."""


@njit(inline="always", **OPTIONS)
def to_temperature(y, lam, rv, tl, tu):
    """Temperature of a cell whose equivalent temperature is ``y``."""
    if y <= tl:
        return y
    band = lam + (tu - tl)
    if y < tl + band:
        return tl + (y - tl) * (tu - tl) / band
    return tu + (y - tl - band) * rv


@njit(inline="always", **OPTIONS)
def node_of(x, nodes):
    """Table interval of node coordinate ``x`` and the place in it; beyond the ends the end interval is extended."""
    i = min(max(int(x), 0), nodes - 2)
    return u8(i), x - i


@njit(inline="always", **OPTIONS)
def mean_over(tables, m, i0, f0, i1, f1, change):
    """Mean of function ``m`` while its variable runs evenly from interval i0, place f0 to i1, f1 (``change`` apart)."""
    if abs(change) < 0.25:
        # So close together the integrals' difference says less than the value between them.
        f = f0 + 0.5 * change
        return tables[m, i0, 1] + f * (tables[m, i0 + ONE, 1] - tables[m, i0, 1])
    before = f0 * (tables[m, i0, 1] + 0.5 * f0 * (tables[m, i0 + ONE, 1] - tables[m, i0, 1])) + tables[m, i0, 0]
    after = f1 * (tables[m, i1, 1] + 0.5 * f1 * (tables[m, i1 + ONE, 1] - tables[m, i1, 1])) + tables[m, i1, 0]
    return (after - before) / change


@njit(**OPTIONS)
def hot_scan(Y, rate, row_max, row_rate, lam, rv, tl, tu, stiffness, dt, box):
    """Box of cells that are boiling or may begin to within ``dt``, and what limits the step there.

    Args:
        box: int64 (6,), filled with the first and last i, j, k (padded indices; first > last where there is none).

    Returns:
        largest spectral bound of dry cells (``stiffness * rv``), largest temperature rate of wet cells in K/s.
    """
    nx, ny, nz = Y.shape[0] - 2, Y.shape[1] - 2, Y.shape[2] - 2
    box[0] = box[2] = box[4] = 1 << 30
    box[1] = box[3] = box[5] = -1
    bound, fastest = 0.0, 0.0
    for i in range(1, nx + 1):
        for j in range(1, ny + 1):
            if row_max[i, j] + dt * row_rate[i, j] < tl:
                fastest = max(fastest, row_rate[i, j])
                continue
            for k in range(1, nz + 1):
                y, r = Y[i, j, k], abs(rate[i, j, k])
                band = lam[i, j, k] + (tu - tl)
                # Dry cells change fast and harmlessly: dead, linear, and stable by the bound below.
                slope = 1.0 if y <= tl else ((tu - tl) / band if y < tl + band else 0.0)
                fastest = max(fastest, r * slope)
                if y + dt * r < tl:
                    continue
                box[0], box[1] = min(box[0], i), max(box[1], i)
                box[2], box[3] = min(box[2], j), max(box[3], j)
                box[4], box[5] = min(box[4], k), max(box[5], k)
                if y + dt * r > tl + 0.8 * band:
                    bound = max(bound, stiffness[i, j, k] * max(rv[i, j, k], 1.0))
    return bound, fastest


@njit(**OPTIONS)
def hot_excess(Y, X, c, G, lam, rv, tl, tu, box, lo, hi):
    """G <- (T(Y + c X) - T(Y)) - c X in the box: what the linear operator gets wrong about boiling cells.

    This and the next functions work on the planes ``lo <= i < hi`` of the box.
    """
    for i in range(max(box[0], lo), min(box[1] + 1, hi)):
        for j in range(box[2], box[3] + 1):
            for k in range(box[4], box[5] + 1):
                y, x = Y[i, j, k], c * X[i, j, k]
                la, r = lam[i, j, k], rv[i, j, k]
                G[i, j, k] = to_temperature(y + x, la, r, tl, tu) - to_temperature(y, la, r, tl, tu) - x


@njit(**OPTIONS)
def hot_state(Y, G, lam, rv, tl, tu, box, lo, hi):
    """G <- T(Y) - Y in the box."""
    for i in range(max(box[0], lo), min(box[1] + 1, hi)):
        for j in range(box[2], box[3] + 1):
            for k in range(box[4], box[5] + 1):
                y = Y[i, j, k]
                G[i, j, k] = to_temperature(y, lam[i, j, k], rv[i, j, k], tl, tu) - y


@njit(**OPTIONS)
def hot_apply(G, out, kx, ky, kz, w, p, c, box, lo, hi):
    """out += c (w div(k grad G) - p G) on the box and the cells around it (G is zero outside the box)."""
    ny, nz = G.shape[1] - 2, G.shape[2] - 2
    if box[1] < box[0]:
        return
    for i in range(max(box[0] - 1, lo), min(box[1] + 2, hi)):
        for j in range(max(box[2] - 1, 1), min(box[3] + 1, ny) + 1):
            for k in range(max(box[4] - 1, 1), min(box[5] + 1, nz) + 1):
                g = G[i, j, k]
                flux = kx[i, j, k] * (G[i - 1, j, k] - g) + kx[i + 1, j, k] * (G[i + 1, j, k] - g)
                flux += ky[i, j, k] * (G[i, j - 1, k] - g) + ky[i, j + 1, k] * (G[i, j + 1, k] - g)
                flux += kz[i, j, k] * (G[i, j, k - 1] - g) + kz[i, j, k + 1] * (G[i, j, k + 1] - g)
                out[i, j, k] += c * (w[i, j, k] * flux - p[i, j, k] * g)


@njit(**OPTIONS)
def hot_finish(Y, G, p, capacity, latent_max, lam, tl, tu, box, lo, hi):
    """Largest latent fraction so far, and perfusion's heat that the plain ledger sum gets wrong (W/m3 summed)."""
    extra = 0.0
    for i in range(max(box[0], lo), min(box[1] + 1, hi)):
        for j in range(box[2], box[3] + 1):
            for k in range(box[4], box[5] + 1):
                band = lam[i, j, k] + (tu - tl)
                fraction = min(max((Y[i, j, k] - tl) / band, np.float32(0.0)), np.float32(1.0))
                if lam[i, j, k] > 0.0:
                    latent_max[i, j, k] = max(latent_max[i, j, k], fraction)
                extra += capacity[i, j, k] * p[i, j, k] * G[i, j, k]
    return extra


@njit(**OPTIONS)
def perfusion_rows(
    Y, rate, p, p0, omega, model, lam, rv, tl, tu, dt, tables, offset, per_k, stop, stop_per, row_max, row_rate, active,
    wake, dose_from, dead, i, first, last,
):  # fmt: skip
    """Mean perfusion of the coming step in rows ``first`` to ``last`` of plane i, and the rate corrected for it.

    p = p0 * rise(T) * survival(omega). T runs from now to its linear prediction and omega with it; the means over the
    step make the whole scheme second order and switch the flow off within the step. Rows that never passed ``wake`` are
    left alone, cells beyond an omega of ``dead`` have no flow for good. ``offset`` is the temperature of the tables'
    first node.
    """
    nodes, stops = tables.shape[1], stop.shape[1]
    for j in range(first, last + 1):
        if not active[i, j]:
            if row_max[i, j] + dt * row_rate[i, j] < wake:
                continue
            active[i, j] = True
        for k in range(1, Y.shape[2] - 1):
            y, o0 = Y[i, j, k], omega[i, j, k]
            if p0[i, j, k] == 0.0 or (o0 >= dead and p[i, j, k] == 0.0):
                continue
            la, r = lam[i, j, k], rv[i, j, k]
            t0 = to_temperature(y, la, r, tl, tu)
            t1 = to_temperature(y + dt * rate[i, j, k], la, r, tl, tu)
            x0, x1 = (t0 - offset) * per_k, (t1 - offset) * per_k
            i0, f0 = node_of(x0, nodes)
            i1, f1 = node_of(x1, nodes)
            factor = mean_over(tables, u8(0), i0, f0, i1, f1, x1 - x0)
            if o0 > 0.0 or max(t0, t1) > dose_from:
                m = u8(2) + u8(model[i, j, k])
                o1 = o0 + dt * mean_over(tables, m, i0, f0, i1, f1, x1 - x0)
                i0, f0 = node_of(o0 * stop_per, stops)
                i1, f1 = node_of(o1 * stop_per, stops)
                factor *= mean_over(stop, u8(0), i0, f0, i1, f1, (o1 - o0) * stop_per)
            fresh = p0[i, j, k] * factor
            rate[i, j, k] -= (fresh - p[i, j, k]) * t0
            p[i, j, k] = fresh


@njit(**OPTIONS)
def dose_rows(
    Y, D, peak, cem, omega, model, lam, rv, tl, tu, dt, tables, offset, per_k, row_max, row_before, dose_from,
    i, first, last,
):  # fmt: skip
    """Doses of warm rows ``first`` to ``last`` of plane i after a step from Y - D to Y: CEM43 (minutes) and omega.

    Also the peak temperature of rows that boil.
    """
    nodes = tables.shape[1]
    for j in range(first, last + 1):
        if row_max[i, j] > tl:
            for k in range(1, Y.shape[2] - 1):
                t1 = to_temperature(Y[i, j, k], lam[i, j, k], rv[i, j, k], tl, tu)
                peak[i, j, k] = max(peak[i, j, k], t1)
        if max(row_max[i, j], row_before[i, j]) < dose_from:
            continue
        for k in range(1, Y.shape[2] - 1):
            y1 = Y[i, j, k]
            y0 = y1 - D[i, j, k]
            if max(y0, y1) < dose_from:
                continue
            la, r = lam[i, j, k], rv[i, j, k]
            x0 = (to_temperature(y0, la, r, tl, tu) - offset) * per_k
            x1 = (to_temperature(y1, la, r, tl, tu) - offset) * per_k
            i0, f0 = node_of(x0, nodes)
            i1, f1 = node_of(x1, nodes)
            m = u8(2) + u8(model[i, j, k])
            minutes = dt * mean_over(tables, u8(1), i0, f0, i1, f1, x1 - x0)
            damage = dt * mean_over(tables, m, i0, f0, i1, f1, x1 - x0)
            cem[i, j, k] = min(cem[i, j, k] + minutes, SATURATION)
            omega[i, j, k] = min(omega[i, j, k] + damage, SATURATION)


@njit(**OPTIONS)
def largest_kernel(Y, lam, rv, tl, tu, cells, starts, largest):
    """Largest temperature of each tracked structure; ``cells`` are flat padded indices, ``starts`` (m + 1) offsets."""
    y, la, r = Y.reshape(-1), lam.reshape(-1), rv.reshape(-1)
    for m in range(starts.size - 1):
        best = -np.inf
        for n in range(starts[m], starts[m + 1]):
            c = cells[n]
            best = max(best, to_temperature(y[c], la[c], r[c], tl, tu))
        largest[m] = best


@njit(**OPTIONS)
def sensor_kernel(Y, lam, rv, tl, tu, cells, weights, reading):
    """Trilinear readings: ``cells`` and ``weights`` are (m, 8)."""
    y, la, r = Y.reshape(-1), lam.reshape(-1), rv.reshape(-1)
    for m in range(cells.shape[0]):
        total = 0.0
        for n in range(cells.shape[1]):
            c = cells[m, n]
            total += weights[m, n] * to_temperature(y[c], la[c], r[c], tl, tu)
        reading[m] = total


@njit(**OPTIONS)
def face_heat(x, scale, g, boiling, cells, weights, lo, hi):
    """Sum of weight * T over listed cells, T = scale x + g (g only where something boils): heat through faces, W/m."""
    total = 0.0
    for n in range(lo, hi):
        total += weights[n] * x[cells[n]]
    total *= scale
    if boiling:
        for n in range(lo, hi):
            total += weights[n] * g[cells[n]]
    return total


@njit(**OPTIONS)
def fluid_heat(x, scale, g, boiling, out, w, gain, share, cells, weights, load, lo, hi):
    """out -= gain * w * heat in listed cells, heat = weight * T - share * load, T = scale x + g; its sum, W/m."""
    total = 0.0
    for n in range(lo, hi):
        c = cells[n]
        t = scale * x[c]
        if boiling:
            t += g[c]
        heat = weights[n] * t - share * load[n]
        out[c] -= gain * w[c] * heat
        total += heat
    return total


@njit(**OPTIONS)
def shaft_tissue(x, g, scale, cells, weights, starts, tissue, lo, hi):
    """Temperature of the tissue around nodes ``lo <= n < hi``, T = scale x + g."""
    for n in range(lo, hi):
        total = 0.0
        for m in range(starts[n], starts[n + 1]):
            total += weights[m] * (scale * x[cells[m]] + g[cells[m]])
        tissue[n] = total


@njit(**OPTIONS)
def shaft_heat(tissue, operator, blocks, constant, heat):
    """Heat of every node in W/m: operator tissue + constant; ``blocks`` (nodes, 2): the nodes of the same shaft."""
    for n in range(tissue.size):
        total = constant[n]
        for m in range(blocks[n, 0], blocks[n, 1]):
            total += operator[n, m] * tissue[m]
        heat[n] = total


@njit(**OPTIONS)
def shaft_spread(heat, gain, out, w, cells, weights, nodes, lo, hi):
    """out += gain * heat * weight * w in the listed cells ``lo <= m < hi``; ``gain`` by node: step * piece / size."""
    for m in range(lo, hi):
        c, n = cells[m], nodes[m]
        out[c] += gain[n] * heat[n] * weights[m] * w[c]
