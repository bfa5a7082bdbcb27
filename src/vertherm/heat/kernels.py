# mypy: disable-error-code="no-untyped-def"
"""Numba kernels over runs of cells: one stage of the time integrator, its rate, increments, row maxima, heat sums.

All fields are float32 of shape (nx+2, ny+2, nz+2) seen flat: one ghost layer around the cells, so that no loop
branches. A run of rows is swept as *one* loop over consecutive cells, ghosts between the rows included: their ``w``,
``p`` and source are zero, so that they stay at zero. This spares the start and the end of a vector loop in every row
(measured: 3-20 % of a sweep) and makes rows whose length is no multiple of the vector as fast as any other.
Loops index with unsigned integers (a signed index would be tested for wrap-around), carry no reduction that the
compiler cannot vectorise, and no function call: this is what lets LLVM reach the speed of plain C. Maxima of rows are
taken over the bit patterns of the floats as int32, which vectorises (float maxima do not and cost 9 times as much): the
order of the bits is that of the floats as long as one of them is positive; a row of negative numbers yields some
negative number.

``X`` and ``R`` are the distances in memory between planes and rows. ``spans`` (nx+2, 2) holds the first and last row j
that is swept in each plane i (first > last: none). Face conductances: ``kx`` at a cell lies between it and cell i-1, in
W/mK; ``w`` is 1 / (capacity * spacing^2), zero in held cells; ``p`` is the perfusion rate in 1/s.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

OPTIONS = {"fastmath": True, "nogil": True, "error_model": "numpy", "cache": True}
u8 = np.uint64
ONE = np.uint64(1)
NO_BITS, WITHOUT_SIGN = np.int32(0), np.int32(0x7FFFFFFF)
BLOCK_CELLS = 4096
"""Cells of a run that is looked at twice (written, then its maxima taken): 16 KB, so that it is still in the cache."""


def bits_of(values: NDArray) -> NDArray:
    """The bit patterns of float32 numbers as int32 (a view)."""
    return values.view(np.int32)


@njit(**OPTIONS)
def stage_cells(D1, D2, rate, kx, ky, kz, w, p, a, b, c, e, X, R, lo, hi):
    """One stage on increments: D2 <- a D1 + b D2 + c (w div(k grad D1) - p D1) + e rate. 36 bytes a cell."""
    for signed_n in range(lo, hi):
        n = u8(signed_n)
        d = D1[n]
        flux = kx[n] * (D1[n - X] - d) + kx[n + X] * (D1[n + X] - d)
        flux += ky[n] * (D1[n - R] - d) + ky[n + R] * (D1[n + R] - d)
        flux += kz[n] * (D1[n - ONE] - d) + kz[n + ONE] * (D1[n + ONE] - d)
        change = c * (w[n] * flux - p[n] * d)
        D2[n] = a * d + b * D2[n] + change + e * rate[n]


@njit(**OPTIONS)
def rate_cells(Y, rate, kx, ky, kz, w, p, s, scale, X, R, lo, hi):
    """rate = w div(k grad Y) - p Y + scale * s."""
    for signed_n in range(lo, hi):
        n = u8(signed_n)
        d = Y[n]
        flux = kx[n] * (Y[n - X] - d) + kx[n + X] * (Y[n + X] - d)
        flux += ky[n] * (Y[n - R] - d) + ky[n + R] * (Y[n + R] - d)
        flux += kz[n] * (Y[n - ONE] - d) + kz[n + ONE] * (Y[n + ONE] - d)
        rate[n] = w[n] * flux - p[n] * d + scale * s[n]


@njit(**OPTIONS)
def source_cells(source, capacity, rate):
    """rate = source / capacity, 0 where the (padded) capacity is; sums of the source over all and over those cells."""
    total, held = 0.0, 0.0
    for signed_i in range(source.shape[0]):
        i = u8(signed_i)
        for signed_j in range(source.shape[1]):
            j = u8(signed_j)
            for signed_k in range(source.shape[2]):
                k = u8(signed_k)
                value, stored = source[i, j, k], capacity[i + ONE, j + ONE, k + ONE]
                free = stored > 0
                total += value
                held += 0.0 if free else np.float64(value)
                rate[i + ONE, j + ONE, k + ONE] = value / stored if free else np.float32(0.0)
    return total, held


@njit(**OPTIONS)
def add_cells(Y, D, peak, tl, lo, hi):
    """Y <- Y + D ; peak <- max(peak, Y), with tl for any Y beyond it."""
    for signed_n in range(lo, hi):
        n = u8(signed_n)
        y = Y[n] + D[n]
        Y[n] = y
        peak[n] = max(peak[n], min(y, tl))


@njit(**OPTIONS)
def largest_magnitude(bits, lo, hi):
    """Bits of the largest magnitude in a row."""
    largest = NO_BITS
    for signed_n in range(lo, hi):
        found = bits[u8(signed_n)] & WITHOUT_SIGN
        largest = found if found > largest else largest
    return largest


@njit(**OPTIONS)
def largest_value(bits, lo, hi):
    """Bits of the largest value in a row (right where it is positive)."""
    largest = bits[u8(lo)]
    for signed_n in range(lo, hi):
        found = bits[u8(signed_n)]
        largest = found if found > largest else largest
    return largest


@njit(**OPTIONS)
def rate_rows(Y, rate, rate_bits, kx, ky, kz, w, p, s, scale, row_rate_bits, X, R, i, first, last):
    """Rate of rows ``first`` to ``last`` of plane i and the largest magnitude of each row."""
    rows, step = X // R, max(1, BLOCK_CELLS // R)
    for begin in range(first, last + 1, step):
        end = min(begin + step, last + 1)
        at = i * X + begin * R
        rate_cells(Y, rate, kx, ky, kz, w, p, s, scale, u8(X), u8(R), at + 1, at + (end - begin) * R - 1)
        for j in range(begin, end):
            at = i * X + j * R
            row_rate_bits[i * rows + j] = largest_magnitude(rate_bits, at + 1, at + R - 1)


@njit(**OPTIONS)
def add_rows(Y, Y_bits, D, peak, row_max_bits, tl, X, R, i, first, last):
    """Add the increment to rows ``first`` to ``last`` of plane i; the largest value of each row."""
    rows, step = X // R, max(1, BLOCK_CELLS // R)
    for begin in range(first, last + 1, step):
        end = min(begin + step, last + 1)
        at = i * X + begin * R
        add_cells(Y, D, peak, tl, at + 1, at + (end - begin) * R - 1)
        for j in range(begin, end):
            at = i * X + j * R
            row_max_bits[i * rows + j] = largest_value(Y_bits, at + 1, at + R - 1)


@njit(**OPTIONS)
def perfusion_heat(Y, D, p, capacity, lo, hi):
    """Sum of capacity * p * (Y - D / 2) over a row: perfusion's share of the energy ledger, W/m3."""
    total = Y[u8(lo)] * 0
    half = total + 0.5
    for signed_n in range(lo, hi):
        n = u8(signed_n)
        total += capacity[n] * p[n] * (Y[n] - half * D[n])
    return total


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
