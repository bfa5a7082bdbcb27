# mypy: disable-error-code="no-untyped-def"
"""Numba kernels of the Yee scheme: one time step over slabs, with absorbing layers and currents.

All fields are float32 of shape (nx+1, ny+1, nz+1), indexed by the node at the lower end: ``Ex[i, j, k]`` lies at
(i+1/2, j, k), ``Hx[i, j, k]`` at (i, j+1/2, k+1/2), in cells. H is multiplied with the impedance of vacuum, so that all
factors are Courant numbers. E on the outermost nodes stays zero.

A sweep updates E in plane i and at once H in plane i-1, which nothing else needs any more: every array then
crosses the memory bus once a step. H in the last plane of a slab waits for E of the next slab
(:func:`finish_slab`). The kernels release the interpreter lock; slabs are shared out to threads.

Inner loops use unsigned indices and contain no call and no branch, so that they vectorise (see heat/kernels.py).
"""

from __future__ import annotations

import numpy as np
from numba import njit

OPTIONS = {"fastmath": True, "nogil": True, "error_model": "numpy", "cache": True}
u8 = np.uint64
ONE = np.uint64(1)


@njit(**OPTIONS)
def _electric_plane(E, H, decay, gain, i):
    """E <- decay E + gain curl H in plane i (1 <= i < nx)."""
    Ex, Ey, Ez = E
    Hx, Hy, Hz = H
    ax, ay, az = decay
    bx, by, bz = gain
    ny, nz = Ex.shape[1] - 1, Ex.shape[2] - 1
    for signed_j in range(1, ny):
        j = u8(signed_j)
        for signed_k in range(1, nz):
            k = u8(signed_k)
            x, y, z = Hx[i, j, k], Hy[i, j, k], Hz[i, j, k]
            Ex[i, j, k] = ax[i, j, k] * Ex[i, j, k] + bx[i, j, k] * ((z - Hz[i, j - ONE, k]) - (y - Hy[i, j, k - ONE]))
            Ey[i, j, k] = ay[i, j, k] * Ey[i, j, k] + by[i, j, k] * ((x - Hx[i, j, k - ONE]) - (z - Hz[i - ONE, j, k]))
            Ez[i, j, k] = az[i, j, k] * Ez[i, j, k] + bz[i, j, k] * ((y - Hy[i - ONE, j, k]) - (x - Hx[i, j - ONE, k]))


@njit(**OPTIONS)
def _magnetic_plane(E, H, courant, i):
    """H <- H - courant curl E in plane i (0 <= i < nx)."""
    Ex, Ey, Ez = E
    Hx, Hy, Hz = H
    ny, nz = Ex.shape[1] - 1, Ex.shape[2] - 1
    for signed_j in range(ny):
        j = u8(signed_j)
        for signed_k in range(nz):
            k = u8(signed_k)
            x, y, z = Ex[i, j, k], Ey[i, j, k], Ez[i, j, k]
            Hx[i, j, k] -= courant * ((Ez[i, j + ONE, k] - z) - (Ey[i, j, k + ONE] - y))
            Hy[i, j, k] -= courant * ((Ex[i, j, k + ONE] - x) - (Ez[i + ONE, j, k] - z))
            Hz[i, j, k] -= courant * ((Ey[i + ONE, j, k] - y) - (Ex[i, j + ONE, k] - x))


@njit(**OPTIONS)
def _absorb_electric(E, H, gain, memory, factors, layers, i):
    """Convolutional absorbing layer: E += gain * (memory of the stretched part of curl H) in plane i."""
    Ex, Ey, Ez = E
    Hx, Hy, Hz = H
    bx, by, bz = gain
    zx, yx, zy, xy, yz, xz = memory
    (fx, gx), (fy, gy), (fz, gz) = factors
    nx, ny, nz = Ex.shape[0] - 1, Ex.shape[1] - 1, Ex.shape[2] - 1
    if i < layers or i > nx - layers:
        m = u8(i if i < layers else i - (nx - 2 * layers))
        f, g, p = fx[i], gx[i], u8(i)
        for signed_j in range(1, ny):
            j = u8(signed_j)
            for signed_k in range(1, nz):
                k = u8(signed_k)
                zx[m, j, k] = f * zx[m, j, k] + g * (Hy[p, j, k] - Hy[p - ONE, j, k])
                yx[m, j, k] = f * yx[m, j, k] + g * (Hz[p, j, k] - Hz[p - ONE, j, k])
                Ez[p, j, k] += bz[p, j, k] * zx[m, j, k]
                Ey[p, j, k] -= by[p, j, k] * yx[m, j, k]
    p = u8(i)
    for side in range(2):
        for n in range(layers):
            signed_j = n if side == 0 else ny - layers + n
            if signed_j == 0 or (side == 1 and n == 0):
                continue
            m, j = u8(n + side * layers), u8(signed_j)
            f, g = fy[signed_j], gy[signed_j]
            for signed_k in range(1, nz):
                k = u8(signed_k)
                xy[p, m, k] = f * xy[p, m, k] + g * (Hz[p, j, k] - Hz[p, j - ONE, k])
                zy[p, m, k] = f * zy[p, m, k] + g * (Hx[p, j, k] - Hx[p, j - ONE, k])
                Ex[p, j, k] += bx[p, j, k] * xy[p, m, k]
                Ez[p, j, k] -= bz[p, j, k] * zy[p, m, k]
    for signed_j in range(1, ny):
        j = u8(signed_j)
        for side in range(2):
            first = 1 if side == 0 else nz - layers
            shift = 0 if side == 0 else nz - 2 * layers
            last = layers if side == 0 else nz
            for signed_k in range(first, last):
                k, m = u8(signed_k), u8(signed_k - shift)
                yz[p, j, m] = fz[k] * yz[p, j, m] + gz[k] * (Hx[p, j, k] - Hx[p, j, k - ONE])
                xz[p, j, m] = fz[k] * xz[p, j, m] + gz[k] * (Hy[p, j, k] - Hy[p, j, k - ONE])
                Ey[p, j, k] += by[p, j, k] * yz[p, j, m]
                Ex[p, j, k] -= bx[p, j, k] * xz[p, j, m]


@njit(**OPTIONS)
def _absorb_magnetic(E, H, courant, memory, factors, layers, i):
    """The same for H in plane i; H lies half a cell further, so all its layers are full."""
    Ex, Ey, Ez = E
    Hx, Hy, Hz = H
    zx, yx, zy, xy, yz, xz = memory
    (fx, gx), (fy, gy), (fz, gz) = factors
    nx, ny, nz = Ex.shape[0] - 1, Ex.shape[1] - 1, Ex.shape[2] - 1
    p = u8(i)
    if i < layers or i >= nx - layers:
        m = u8(i if i < layers else i - (nx - 2 * layers))
        f, g = fx[i], gx[i]
        for signed_j in range(ny):
            j = u8(signed_j)
            for signed_k in range(nz):
                k = u8(signed_k)
                zx[m, j, k] = f * zx[m, j, k] + g * (Ey[p + ONE, j, k] - Ey[p, j, k])
                yx[m, j, k] = f * yx[m, j, k] + g * (Ez[p + ONE, j, k] - Ez[p, j, k])
                Hz[p, j, k] -= courant * zx[m, j, k]
                Hy[p, j, k] += courant * yx[m, j, k]
    for side in range(2):
        for n in range(layers):
            signed_j = n if side == 0 else ny - layers + n
            m, j = u8(n + side * layers), u8(signed_j)
            f, g = fy[signed_j], gy[signed_j]
            for signed_k in range(nz):
                k = u8(signed_k)
                xy[p, m, k] = f * xy[p, m, k] + g * (Ez[p, j + ONE, k] - Ez[p, j, k])
                zy[p, m, k] = f * zy[p, m, k] + g * (Ex[p, j + ONE, k] - Ex[p, j, k])
                Hx[p, j, k] -= courant * xy[p, m, k]
                Hz[p, j, k] += courant * zy[p, m, k]
    for signed_j in range(ny):
        j = u8(signed_j)
        for side in range(2):
            first = 0 if side == 0 else nz - layers
            shift = 0 if side == 0 else nz - 2 * layers
            for n in range(layers):
                k, m = u8(first + n), u8(first + n - shift)
                yz[p, j, m] = fz[k] * yz[p, j, m] + gz[k] * (Ex[p, j, k + ONE] - Ex[p, j, k])
                xz[p, j, m] = fz[k] * xz[p, j, m] + gz[k] * (Ey[p, j, k + ONE] - Ey[p, j, k])
                Hy[p, j, k] -= courant * yz[p, j, m]
                Hx[p, j, k] += courant * xz[p, j, m]


@njit(**OPTIONS)
def _drive(F, currents, cosine, sine, i):
    """F += re cos - im sin along the driven piece of every row of plane i."""
    first, count, offset, re, im = currents
    p = u8(i)
    for c in range(3):
        field = F[c]
        for signed_j in range(first.shape[2]):
            n = count[c, i, signed_j]
            if n == 0:
                continue
            j, start, o = u8(signed_j), u8(first[c, i, signed_j]), u8(offset[c, i, signed_j])
            for signed_k in range(n):
                k = u8(signed_k)
                field[p, j, start + k] += re[o + k] * cosine - im[o + k] * sine


@njit(**OPTIONS)
def sweep_slab(
    E, H, decay, gain, courant, memory_e, memory_h, factors_e, factors_h, layers, J, M, wave_e, wave_h, lo, hi
):
    """E in the planes lo <= i < hi and H in lo-1 (first slab only) or lo to hi-2.

    ``wave_e``, ``wave_h``: cosine and sine factors of the currents on E and on H.
    """
    for signed_i in range(lo, hi):
        i = u8(signed_i)
        _electric_plane(E, H, decay, gain, i)
        _absorb_electric(E, H, gain, memory_e, factors_e, layers, signed_i)
        _drive(E, J, wave_e[0], wave_e[1], signed_i)
        if signed_i > lo or lo == 1:
            _magnetic_plane(E, H, courant, i - ONE)
            _absorb_magnetic(E, H, courant, memory_h, factors_h, layers, signed_i - 1)
            _drive(H, M, wave_h[0], wave_h[1], signed_i - 1)


@njit(**OPTIONS)
def finish_slab(E, H, courant, memory_h, factors_h, layers, M, wave_h, hi):
    """H in plane hi-1, once E of the next slab is there."""
    _magnetic_plane(E, H, courant, u8(hi - 1))
    _absorb_magnetic(E, H, courant, memory_h, factors_h, layers, hi - 1)
    _drive(H, M, wave_h[0], wave_h[1], hi - 1)
