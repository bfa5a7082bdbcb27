# mypy: disable-error-code="no-untyped-def"
"""The Yee update for graphics cards: one thread a cell, absorbing layers in the same kernel (see kernels.py)."""

from __future__ import annotations

from numba import cuda


@cuda.jit
def electric_kernel(Ex, Ey, Ez, Hx, Hy, Hz, ax, ay, az, bx, by, bz, zx, yx, zy, xy, yz, xz, keep, add, layers):
    """E <- decay E + gain (curl H + layers' memories) on the inner nodes; ``keep``, ``add``: (3, longest axis)."""
    k, j, i = cuda.grid(3)
    nx, ny, nz = Ex.shape[0] - 1, Ex.shape[1] - 1, Ex.shape[2] - 1
    if i < 1 or j < 1 or k < 1 or i >= nx or j >= ny or k >= nz:
        return
    hx, hy, hz = Hx[i, j, k], Hy[i, j, k], Hz[i, j, k]
    hz_y, hy_z = hz - Hz[i, j - 1, k], hy - Hy[i, j, k - 1]
    hx_z, hz_x = hx - Hx[i, j, k - 1], hz - Hz[i - 1, j, k]
    hy_x, hx_y = hy - Hy[i - 1, j, k], hx - Hx[i, j - 1, k]
    x, y, z = hz_y - hy_z, hx_z - hz_x, hy_x - hx_y
    if i < layers or i > nx - layers:
        m = i if i < layers else i - (nx - 2 * layers)
        zx[m, j, k] = keep[0, i] * zx[m, j, k] + add[0, i] * hy_x
        yx[m, j, k] = keep[0, i] * yx[m, j, k] + add[0, i] * hz_x
        z += zx[m, j, k]
        y -= yx[m, j, k]
    if j < layers or j > ny - layers:
        m = j if j < layers else j - (ny - 2 * layers)
        xy[i, m, k] = keep[1, j] * xy[i, m, k] + add[1, j] * hz_y
        zy[i, m, k] = keep[1, j] * zy[i, m, k] + add[1, j] * hx_y
        x += xy[i, m, k]
        z -= zy[i, m, k]
    if k < layers or k > nz - layers:
        m = k if k < layers else k - (nz - 2 * layers)
        yz[i, j, m] = keep[2, k] * yz[i, j, m] + add[2, k] * hx_z
        xz[i, j, m] = keep[2, k] * xz[i, j, m] + add[2, k] * hy_z
        y += yz[i, j, m]
        x -= xz[i, j, m]
    Ex[i, j, k] = ax[i, j, k] * Ex[i, j, k] + bx[i, j, k] * x
    Ey[i, j, k] = ay[i, j, k] * Ey[i, j, k] + by[i, j, k] * y
    Ez[i, j, k] = az[i, j, k] * Ez[i, j, k] + bz[i, j, k] * z


@cuda.jit
def magnetic_kernel(Ex, Ey, Ez, Hx, Hy, Hz, courant, zx, yx, zy, xy, yz, xz, keep, add, layers):
    """H <- H - courant (curl E + layers' memories) in all cells."""
    k, j, i = cuda.grid(3)
    nx, ny, nz = Ex.shape[0] - 1, Ex.shape[1] - 1, Ex.shape[2] - 1
    if i >= nx or j >= ny or k >= nz:
        return
    ex, ey, ez = Ex[i, j, k], Ey[i, j, k], Ez[i, j, k]
    ez_y, ey_z = Ez[i, j + 1, k] - ez, Ey[i, j, k + 1] - ey
    ex_z, ez_x = Ex[i, j, k + 1] - ex, Ez[i + 1, j, k] - ez
    ey_x, ex_y = Ey[i + 1, j, k] - ey, Ex[i, j + 1, k] - ex
    x, y, z = ez_y - ey_z, ex_z - ez_x, ey_x - ex_y
    if i < layers or i >= nx - layers:
        m = i if i < layers else i - (nx - 2 * layers)
        zx[m, j, k] = keep[0, i] * zx[m, j, k] + add[0, i] * ey_x
        yx[m, j, k] = keep[0, i] * yx[m, j, k] + add[0, i] * ez_x
        z += zx[m, j, k]
        y -= yx[m, j, k]
    if j < layers or j >= ny - layers:
        m = j if j < layers else j - (ny - 2 * layers)
        xy[i, m, k] = keep[1, j] * xy[i, m, k] + add[1, j] * ez_y
        zy[i, m, k] = keep[1, j] * zy[i, m, k] + add[1, j] * ex_y
        x += xy[i, m, k]
        z -= zy[i, m, k]
    if k < layers or k >= nz - layers:
        m = k if k < layers else k - (nz - 2 * layers)
        yz[i, j, m] = keep[2, k] * yz[i, j, m] + add[2, k] * ex_z
        xz[i, j, m] = keep[2, k] * xz[i, j, m] + add[2, k] * ey_z
        y += yz[i, j, m]
        x -= xz[i, j, m]
    Hx[i, j, k] -= courant * x
    Hy[i, j, k] -= courant * y
    Hz[i, j, k] -= courant * z


@cuda.jit
def drive_kernel(field, at, re, im, cosine, sine):
    """field[at] += re cos - im sin, on a flat view."""
    n = cuda.grid(1)
    if n < at.shape[0]:
        field[at[n]] += re[n] * cosine - im[n] * sine
