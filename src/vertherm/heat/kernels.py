# mypy: disable-error-code="no-untyped-def"
"""Numba kernels over the whole grid: one stage of the time integrator, row maxima, heat sums.

All fields are float32 of shape (nx+2, ny+2, nz+2): one ghost layer around the cells, so that no inner loop branches.
Inner loops run over contiguous row views, carry no reduction that the compiler cannot vectorise, and no function call:
this is what lets LLVM reach the speed of plain C (numerics part B section 1). Every kernel works on the slabs
``lo <= i < hi`` and releases the interpreter lock, so that threads share a sweep without a threading layer.

Face conductances: ``kx[i, j, k]`` lies between cells i-1 and i, in W/mK; ``w`` is 1 / (capacity * spacing^2), zero in
held cells; ``p`` is the perfusion rate in 1/s.
"""

from __future__ import annotations

from numba import njit

OPTIONS = {"fastmath": True, "nogil": True, "error_model": "numpy", "cache": True}


@njit(**OPTIONS)
def rate_kernel(Y, rate, kx, ky, kz, w, p, s, scale, row_rate, lo, hi):
    """rate = w div(k grad Y) - p Y + scale * s ; row_rate = largest |rate| of each row."""
    ny, nz = Y.shape[1] - 2, Y.shape[2] - 2
    for i in range(lo, hi):
        for j in range(1, ny + 1):
            y, yl, yr = Y[i, j, 1:-1], Y[i, j, :-2], Y[i, j, 2:]
            ys, yn, yw, ye = Y[i, j - 1, 1:-1], Y[i, j + 1, 1:-1], Y[i - 1, j, 1:-1], Y[i + 1, j, 1:-1]
            xl, xr, sl, sr = kx[i, j, 1:-1], kx[i + 1, j, 1:-1], ky[i, j, 1:-1], ky[i, j + 1, 1:-1]
            zl, zr = kz[i, j, 1:-1], kz[i, j, 2:]
            ww, pp, ss, out = w[i, j, 1:-1], p[i, j, 1:-1], s[i, j, 1:-1], rate[i, j, 1:-1]
            for k in range(nz):
                d = y[k]
                flux = xl[k] * (yw[k] - d) + xr[k] * (ye[k] - d) + sl[k] * (ys[k] - d)
                flux += sr[k] * (yn[k] - d) + zl[k] * (yl[k] - d) + zr[k] * (yr[k] - d)
                out[k] = ww[k] * flux - pp[k] * d + scale * ss[k]
            largest = out[0] * 0
            for k in range(nz):
                largest = max(largest, abs(out[k]))
            row_rate[i, j] = largest


@njit(**OPTIONS)
def stage_kernel(D1, D2, rate, kx, ky, kz, w, p, a, b, c, e, lo, hi):
    """One stage on increments: D2 <- a D1 + b D2 + c (w div(k grad D1) - p D1) + e rate. 36 bytes a cell."""
    ny, nz = D1.shape[1] - 2, D1.shape[2] - 2
    for i in range(lo, hi):
        for j in range(1, ny + 1):
            y, yl, yr = D1[i, j, 1:-1], D1[i, j, :-2], D1[i, j, 2:]
            ys, yn, yw, ye = D1[i, j - 1, 1:-1], D1[i, j + 1, 1:-1], D1[i - 1, j, 1:-1], D1[i + 1, j, 1:-1]
            xl, xr, sl, sr = kx[i, j, 1:-1], kx[i + 1, j, 1:-1], ky[i, j, 1:-1], ky[i, j + 1, 1:-1]
            zl, zr = kz[i, j, 1:-1], kz[i, j, 2:]
            ww, pp, rr, out = w[i, j, 1:-1], p[i, j, 1:-1], rate[i, j, 1:-1], D2[i, j, 1:-1]
            for k in range(nz):
                d = y[k]
                flux = xl[k] * (yw[k] - d) + xr[k] * (ye[k] - d) + sl[k] * (ys[k] - d)
                flux += sr[k] * (yn[k] - d) + zl[k] * (yl[k] - d) + zr[k] * (yr[k] - d)
                out[k] = a * d + b * out[k] + c * (ww[k] * flux - pp[k] * d) + e * rr[k]


@njit(**OPTIONS)
def add_kernel(Y, D, row_max, lo, hi):
    """Y <- Y + D ; row_max = largest Y of each row."""
    ny, nz = Y.shape[1] - 2, Y.shape[2] - 2
    for i in range(lo, hi):
        for j in range(1, ny + 1):
            y, d = Y[i, j, 1:-1], D[i, j, 1:-1]
            for k in range(nz):
                y[k] += d[k]
            largest = y[0]
            for k in range(nz):
                largest = max(largest, y[k])
            row_max[i, j] = largest


@njit(**OPTIONS)
def perfusion_heat_kernel(Y, D, p, capacity, row_heat, lo, hi):
    """row_heat = sum over each row of capacity * p * (Y - D / 2): perfusion's share of the energy ledger, W/m3."""
    ny, nz = Y.shape[1] - 2, Y.shape[2] - 2
    half = Y[0, 0, 0] * 0 + 0.5
    for i in range(lo, hi):
        for j in range(1, ny + 1):
            y, d, pp, cc = Y[i, j, 1:-1], D[i, j, 1:-1], p[i, j, 1:-1], capacity[i, j, 1:-1]
            total = y[0] * 0
            for k in range(nz):
                total += cc[k] * pp[k] * (y[k] - half * d[k])
            row_heat[i, j] = total


@njit(**OPTIONS)
def weighted_sum_kernel(A, B, row_sum, lo, hi):
    """row_sum = sum over each row of A * B."""
    ny, nz = A.shape[1] - 2, A.shape[2] - 2
    for i in range(lo, hi):
        for j in range(1, ny + 1):
            x, y = A[i, j, 1:-1], B[i, j, 1:-1]
            total = x[0] * 0
            for k in range(nz):
                total += x[k] * y[k]
            row_sum[i, j] = total
