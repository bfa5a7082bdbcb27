# mypy: disable-error-code="no-untyped-def"
"""Numba kernels over the whole grid: one stage of the time integrator, row maxima, heat sums.

All fields are float32 of shape (nx+2, ny+2, nz+2): one ghost layer around the cells, so that no inner loop branches.
Inner loops index with unsigned integers (a signed index would be tested for wrap-around), carry no reduction that the
compiler cannot vectorise, and no function call: this is what lets LLVM reach the speed of plain C (own prototype runs;
slices of rows instead of unsigned indices cost 15 %). Maxima of rows are taken over the bit patterns of the
floats as int32, which vectorises (float maxima do not and cost 9 times as much): the order of the bits is that of the
floats as long as one of them is positive; a row of negative numbers yields some negative number.

Every kernel works on the slabs ``lo <= i < hi`` and releases the interpreter lock, so that threads share a sweep
without a threading layer.

Face conductances: ``kx[i, j, k]`` lies between cells i-1 and i, in W/mK; ``w`` is 1 / (capacity * spacing^2), zero in
held cells; ``p`` is the perfusion rate in 1/s.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

OPTIONS = {"fastmath": True, "nogil": True, "error_model": "numpy", "cache": True}
u8 = np.uint64
ONE = np.uint64(1)
NO_BITS, WITHOUT_SIGN = np.int32(0), np.int32(0x7FFFFFFF)


def bits_of(values: NDArray) -> NDArray:
    """The bit patterns of float32 numbers as int32 (a view)."""
    return values.view(np.int32)


@njit(**OPTIONS)
def rate_kernel(Y, rate, rate_bits, kx, ky, kz, w, p, s, scale, row_rate_bits, lo, hi):
    """rate = w div(k grad Y) - p Y + scale * s ; row_rate = largest |rate| of each row (both also seen as bits)."""
    ny, nz = Y.shape[1] - 1, Y.shape[2] - 1
    for signed_i in range(lo, hi):
        i = u8(signed_i)
        for signed_j in range(1, ny):
            j = u8(signed_j)
            for signed_k in range(1, nz):
                k = u8(signed_k)
                d = Y[i, j, k]
                flux = kx[i, j, k] * (Y[i - ONE, j, k] - d) + kx[i + ONE, j, k] * (Y[i + ONE, j, k] - d)
                flux += ky[i, j, k] * (Y[i, j - ONE, k] - d) + ky[i, j + ONE, k] * (Y[i, j + ONE, k] - d)
                flux += kz[i, j, k] * (Y[i, j, k - ONE] - d) + kz[i, j, k + ONE] * (Y[i, j, k + ONE] - d)
                rate[i, j, k] = w[i, j, k] * flux - p[i, j, k] * d + scale * s[i, j, k]
            largest = NO_BITS
            for signed_k in range(1, nz):
                bits = rate_bits[i, j, u8(signed_k)] & WITHOUT_SIGN
                largest = bits if bits > largest else largest
            row_rate_bits[i, j] = largest


@njit(**OPTIONS)
def stage_kernel(D1, D2, rate, kx, ky, kz, w, p, a, b, c, e, lo, hi):
    """One stage on increments: D2 <- a D1 + b D2 + c (w div(k grad D1) - p D1) + e rate. 36 bytes a cell."""
    ny, nz = D1.shape[1] - 1, D1.shape[2] - 1
    for signed_i in range(lo, hi):
        i = u8(signed_i)
        for signed_j in range(1, ny):
            j = u8(signed_j)
            for signed_k in range(1, nz):
                k = u8(signed_k)
                d = D1[i, j, k]
                flux = kx[i, j, k] * (D1[i - ONE, j, k] - d) + kx[i + ONE, j, k] * (D1[i + ONE, j, k] - d)
                flux += ky[i, j, k] * (D1[i, j - ONE, k] - d) + ky[i, j + ONE, k] * (D1[i, j + ONE, k] - d)
                flux += kz[i, j, k] * (D1[i, j, k - ONE] - d) + kz[i, j, k + ONE] * (D1[i, j, k + ONE] - d)
                change = c * (w[i, j, k] * flux - p[i, j, k] * d)
                D2[i, j, k] = a * d + b * D2[i, j, k] + change + e * rate[i, j, k]


@njit(**OPTIONS)
def add_kernel(Y, Y_bits, D, peak, row_max_bits, tl, lo, hi):
    """Y <- Y + D ; row_max = largest Y of each row ; peak <- max(peak, Y), with tl for any Y beyond it."""
    ny, nz = Y.shape[1] - 1, Y.shape[2] - 1
    for signed_i in range(lo, hi):
        i = u8(signed_i)
        for signed_j in range(1, ny):
            j = u8(signed_j)
            for signed_k in range(1, nz):
                k = u8(signed_k)
                y = Y[i, j, k] + D[i, j, k]
                Y[i, j, k] = y
                peak[i, j, k] = max(peak[i, j, k], min(y, tl))
            largest = Y_bits[i, j, ONE]
            for signed_k in range(1, nz):
                bits = Y_bits[i, j, u8(signed_k)]
                largest = bits if bits > largest else largest
            row_max_bits[i, j] = largest


@njit(**OPTIONS)
def perfusion_heat_kernel(Y, D, p, capacity, row_heat, lo, hi):
    """row_heat = sum over each row of capacity * p * (Y - D / 2): perfusion's share of the energy ledger, W/m3."""
    ny, nz = Y.shape[1] - 1, Y.shape[2] - 1
    half = Y[0, 0, 0] * 0 + 0.5
    for signed_i in range(lo, hi):
        i = u8(signed_i)
        for signed_j in range(1, ny):
            j = u8(signed_j)
            total = Y[i, j, ONE] * 0
            for signed_k in range(1, nz):
                k = u8(signed_k)
                total += capacity[i, j, k] * p[i, j, k] * (Y[i, j, k] - half * D[i, j, k])
            row_heat[i, j] = total


@njit(**OPTIONS)
def weighted_sum_kernel(A, B, row_sum, lo, hi):
    """row_sum = sum over each row of A * B."""
    ny, nz = A.shape[1] - 1, A.shape[2] - 1
    for signed_i in range(lo, hi):
        i = u8(signed_i)
        for signed_j in range(1, ny):
            j = u8(signed_j)
            total = A[i, j, ONE] * 0
            for signed_k in range(1, nz):
                k = u8(signed_k)
                total += A[i, j, k] * B[i, j, k]
            row_sum[i, j] = total
