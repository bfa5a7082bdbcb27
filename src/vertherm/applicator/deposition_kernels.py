"""Compiled loops of the deposition: bilinear |E|^2 and E at cells, and volume sums in (r, z) bins."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def sub_points(
    centres: NDArray[np.float64],
    offsets: NDArray[np.float64],
    low: float,
    high: float,
    r: NDArray[np.float64],
    z: NDArray[np.float64],
    within: NDArray[np.bool_],
) -> None:
    """r and z (cells, sub-points) of ``centres`` + ``offsets`` (., 3: twice across, along), and low < z < high."""
    for n in range(centres.shape[0]):
        for m in range(offsets.shape[0]):
            one, two = centres[n, 0] + offsets[m, 0], centres[n, 1] + offsets[m, 1]
            along = centres[n, 2] + offsets[m, 2]
            r[n, m] = np.sqrt(one * one + two * two)
            z[n, m] = along
            within[n, m] = low < along < high


@njit(cache=True, nogil=True, inline="always")
def _interval(lines: NDArray[np.float64], first: NDArray[np.int32], per_m: float, x: float) -> int:
    """Interval of ``lines`` that holds ``x``, clamped at its ends; ``first``: that of bins, ``per_m`` a metre."""
    at = int((x - lines[0]) * per_m)
    i = first[0 if at < 0 else (first.size - 1 if at >= first.size else at)]
    while i < lines.size - 2 and lines[i + 1] <= x:
        i += 1
    while i > 0 and lines[i] > x:
        i -= 1
    return i


@njit(cache=True, nogil=True, inline="always")
def _place(lines: NDArray[np.float64], i: int, x: float) -> float:
    """Where ``x`` lies in interval ``i``, 0 to 1."""
    place = (x - lines[i]) / (lines[i + 1] - lines[i])
    return 0.0 if place < 0.0 else (1.0 if place > 1.0 else place)


@njit(cache=True, nogil=True)
def corners(
    r: NDArray[np.float32],
    z: NDArray[np.float32],
    r_lines: NDArray[np.float64],
    z_lines: NDArray[np.float64],
    r_first: NDArray[np.int32],
    z_first: NDArray[np.int32],
    corner: NDArray[np.int32],
    a: NDArray[np.float32],
    b: NDArray[np.float32],
) -> None:
    """Flat index of the lower corner of each point in a table (r_lines, z_lines), and the place in its mesh."""
    r_per_m = r_first.size / (r_lines[-1] - r_lines[0])
    z_per_m = z_first.size / (z_lines[-1] - z_lines[0])
    for n in range(r.size):
        i = _interval(r_lines, r_first, r_per_m, r[n])
        j = _interval(z_lines, z_first, z_per_m, z[n])
        corner[n] = i * z_lines.size + j
        a[n] = _place(r_lines, i, r[n])
        b[n] = _place(z_lines, j, z[n])


@njit(cache=True, nogil=True)
def add_weighted_e2(
    table: NDArray[np.float32],
    corner: NDArray[np.int32],
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    cell: NDArray[np.int32],
    weight: np.float32,
    sigma: NDArray[np.float32],
    q: NDArray[np.float32],
) -> None:
    """q[cell] += weight * 0.5 sigma[cell] * |E|^2, bilinear in ``table`` (nr, nz) at flat index ``corner``."""
    nz = table.shape[1]
    flat = table.ravel()
    for n in range(cell.size):
        k = corner[n]
        low = flat[k] + b[n] * (flat[k + 1] - flat[k])
        high = flat[k + nz] + b[n] * (flat[k + nz + 1] - flat[k + nz])
        c = cell[n]
        q[c] += weight * np.float32(0.5) * sigma[c] * (low + a[n] * (high - low))


@njit(cache=True, nogil=True)
def add_to_bins(
    bins: NDArray[np.int32],
    cell: NDArray[np.int32],
    weight: float,
    eps: NDArray[np.float32],
    sigma: NDArray[np.float32],
    sums: NDArray[np.float64],
) -> None:
    """sums[bin] += weight * (1, eps[cell], sigma[cell])."""
    for n in range(cell.size):
        k = bins[n]
        c = cell[n]
        sums[k, 0] += weight
        sums[k, 1] += weight * eps[c]
        sums[k, 2] += weight * sigma[c]


@njit(cache=True, nogil=True)
def add_vector_field(
    e_r: NDArray[np.complex64],
    e_z: NDArray[np.complex64],
    corner: NDArray[np.int32],
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    cell: NDArray[np.int32],
    weight: np.float32,
    radial: NDArray[np.float32],
    axis: NDArray[np.float32],
    out: NDArray[np.complex64],
) -> None:
    """out[cell] += weight * (e_r radial + e_z axis), bilinear in the tables (nr, nz) at flat index ``corner``."""
    nz = e_r.shape[1]
    flat_r, flat_z = e_r.ravel(), e_z.ravel()
    for n in range(cell.size):
        k = corner[n]
        low = flat_r[k] + b[n] * (flat_r[k + 1] - flat_r[k])
        high = flat_r[k + nz] + b[n] * (flat_r[k + nz + 1] - flat_r[k + nz])
        along_r = weight * (low + a[n] * (high - low))
        low = flat_z[k] + b[n] * (flat_z[k + 1] - flat_z[k])
        high = flat_z[k + nz] + b[n] * (flat_z[k + nz + 1] - flat_z[k + nz])
        along_z = weight * (low + a[n] * (high - low))
        c = cell[n]
        for d in range(3):
            out[c, d] += along_r * radial[n, d] + along_z * axis[d]


@njit(cache=True, nogil=True)
def add_in_phase(
    field: NDArray[np.complex64],
    factor: np.complex64,
    scale: NDArray[np.float32],
    total: NDArray[np.complex64],
    alone: NDArray[np.float32],
) -> None:
    """total += f and alone += |f|^2 with f = factor scale[cell] field[cell]; a ``scale`` of size 1 holds for all."""
    same = scale.size == 1
    for c in range(alone.size):
        f = factor * (scale[0] if same else scale[c])
        power = np.float32(0.0)
        for d in range(3):
            part = f * field[c, d]
            total[c, d] += part
            power += part.real * part.real + part.imag * part.imag
        alone[c] += power


@njit(cache=True, nogil=True)
def interference(
    total: NDArray[np.complex64], alone: NDArray[np.float32], sigma: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """out = 0.5 sigma (|total|^2 - alone): what fields that add in phase give beyond the sum of their powers."""
    for c in range(alone.size):
        power = np.float32(0.0)
        for d in range(3):
            power += total[c, d].real * total[c, d].real + total[c, d].imag * total[c, d].imag
        out[c] = np.float32(0.5) * sigma[c] * (power - alone[c])
