"""Loops of the tissue map, compiled: voting at sub-points, cell means, face conductivities."""

from __future__ import annotations

import numba
import numpy as np

TIE = 1e-5
"""Votes closer than this are a tie; the smaller label wins, so that storage order cannot matter."""


@numba.njit(cache=True)
def _vote(labels, i0, j0, k0, i1, j1, k1, fx, fy, fz):  # type: ignore[no-untyped-def]
    """Label with the largest trilinear weight among the eight voxels around a point."""
    first = labels[i0, j0, k0]
    if (
        labels[i1, j0, k0] == first
        and labels[i0, j1, k0] == first
        and labels[i0, j0, k1] == first
        and labels[i1, j1, k0] == first
        and labels[i1, j0, k1] == first
        and labels[i0, j1, k1] == first
        and labels[i1, j1, k1] == first
    ):
        return first
    names = np.empty(8, np.int32)
    weights = np.zeros(8, np.float64)
    count = 0
    for corner in range(8):
        a, b, c = corner & 1, (corner >> 1) & 1, corner >> 2
        label = labels[i1 if a else i0, j1 if b else j0, k1 if c else k0]
        weight = (fx if a else 1.0 - fx) * (fy if b else 1.0 - fy) * (fz if c else 1.0 - fz)
        slot = 0
        while slot < count and names[slot] != label:
            slot += 1
        if slot == count:
            names[slot] = label
            count += 1
        weights[slot] += weight
    best = 0
    for slot in range(1, count):
        difference = weights[slot] - weights[best]
        if difference > TIE or (difference > -TIE and names[slot] < names[best]):
            best = slot
    return names[best]


@numba.njit(cache=True)
def _trilinear(image, i0, j0, k0, i1, j1, k1, fx, fy, fz):  # type: ignore[no-untyped-def]
    low = (image[i0, j0, k0] * (1 - fx) + image[i1, j0, k0] * fx) * (1 - fy)
    low += (image[i0, j1, k0] * (1 - fx) + image[i1, j1, k0] * fx) * fy
    high = (image[i0, j0, k1] * (1 - fx) + image[i1, j0, k1] * fx) * (1 - fy)
    high += (image[i0, j1, k1] * (1 - fx) + image[i1, j1, k1] * fx) * fy
    return low * (1 - fz) + high * fz


@numba.njit(cache=True)
def sample_tissues(  # type: ignore[no-untyped-def]
    labels,
    hu,
    to_voxel,
    subdivision,
    lut,
    bone,
    hu_low,
    hu_step,
    bone_first,
    bone_classes,
    outside_entry,
    index,
    missing,
):
    """Fill ``index`` (palette entry per sub-point) and ``missing`` (cell has a sub-point beyond the image).

    labels: int32 voxels; hu: float32 voxels, shape (1, 1, 1) where there are none; to_voxel: (3, 4), sub-point index to
    voxel index; lut: label to palette entry; bone: label is bone by CT number.
    """
    ni, nj, nk = labels.shape
    with_hu = hu.size > 1
    for a in range(index.shape[0]):
        for b in range(index.shape[1]):
            for c in range(index.shape[2]):
                x = to_voxel[0, 0] * a + to_voxel[0, 1] * b + to_voxel[0, 2] * c + to_voxel[0, 3]
                y = to_voxel[1, 0] * a + to_voxel[1, 1] * b + to_voxel[1, 2] * c + to_voxel[1, 3]
                z = to_voxel[2, 0] * a + to_voxel[2, 1] * b + to_voxel[2, 2] * c + to_voxel[2, 3]
                # The small slack keeps a grid that ends exactly on the image's outer face inside it.
                if (
                    x < -0.5 - 1e-6
                    or y < -0.5 - 1e-6
                    or z < -0.5 - 1e-6
                    or x > ni - 0.5 + 1e-6
                    or y > nj - 0.5 + 1e-6
                    or z > nk - 0.5 + 1e-6
                ):
                    index[a, b, c] = outside_entry
                    missing[a // subdivision, b // subdivision, c // subdivision] = True
                    continue
                x, y, z = min(max(x, 0.0), ni - 1.0), min(max(y, 0.0), nj - 1.0), min(max(z, 0.0), nk - 1.0)
                i0, j0, k0 = int(x), int(y), int(z)
                i1, j1, k1 = min(i0 + 1, ni - 1), min(j0 + 1, nj - 1), min(k0 + 1, nk - 1)
                fx, fy, fz = x - i0, y - j0, z - k0
                label = _vote(labels, i0, j0, k0, i1, j1, k1, fx, fy, fz)
                if with_hu and bone[label]:
                    value = _trilinear(hu, i0, j0, k0, i1, j1, k1, fx, fy, fz)
                    # floor(x + 0.5) after a rounding to 1e-4 class: the same class whatever the storage order.
                    number = int(np.floor(np.round((value - hu_low) / hu_step, 4) + 0.5))
                    index[a, b, c] = bone_first + min(max(number, 0), bone_classes - 1)
                else:
                    index[a, b, c] = lut[label]


@numba.njit(cache=True)
def kinds(index, s, entries, kind):  # type: ignore[no-untyped-def]
    """``kind`` of each cell: its tissue where it has one, else a number of its own from ``entries`` on; their count."""
    mixed = 0
    for i in range(kind.shape[0]):
        for j in range(kind.shape[1]):
            for k in range(kind.shape[2]):
                first, uniform = index[i * s, j * s, k * s], True
                for a in range(i * s, i * s + s):
                    for b in range(j * s, j * s + s):
                        for c in range(k * s, k * s + s):
                            uniform &= index[a, b, c] == first
                kind[i, j, k] = first if uniform else entries + mixed
                mixed += not uniform
    return mixed


@numba.njit(cache=True)
def members(index, s, entries, kind, found):  # type: ignore[no-untyped-def]
    """Rows of ``found``: the sub-cells of each kind from ``entries`` on."""
    for i in range(kind.shape[0]):
        for j in range(kind.shape[1]):
            for k in range(kind.shape[2]):
                if kind[i, j, k] >= entries:
                    found[kind[i, j, k]] = index[i * s : i * s + s, j * s : j * s + s, k * s : k * s + s].copy().ravel()


@numba.njit(cache=True)
def kind_means(found, values, weights, out):  # type: ignore[no-untyped-def]
    """Weighted mean of ``values`` over the sub-cells of each kind."""
    for n in range(found.shape[0]):
        sum_value = 0.0
        sum_weight = 0.0
        for m in range(found.shape[1]):
            sum_value += weights[found[n, m]] * values[found[n, m]]
            sum_weight += weights[found[n, m]]
        out[n] = sum_value / sum_weight if sum_weight > 0.0 else 0.0


@numba.njit(cache=True)
def _ray(flat, start, stride, count, resistivity):  # type: ignore[no-untyped-def]
    """Sum of 1/k over ``count`` sub-cells and the number of them that are tissue (air has resistivity 0)."""
    resistance = 0.0
    tissue = 0
    for t in range(count):
        r = resistivity[flat[start + t * stride]]
        resistance += r
        if r > 0.0:
            tissue += 1
    return resistance, tissue


@numba.njit(cache=True)
def _bundle(flat, start, stride, count, u, v, s, resistivity):  # type: ignore[no-untyped-def]
    """Mean over s^2 parallel rays of the harmonic mean conductivity of their tissue; 0 where there is none."""
    first, uniform = flat[start], True
    for a in range(s):
        for b in range(s):
            for t in range(count):
                uniform &= flat[start + a * u + b * v + t * stride] == first
    if uniform:  # most of a body: the same number without the divisions
        return 1.0 / resistivity[first] if resistivity[first] > 0.0 else 0.0
    total = 0.0
    rays = 0
    for a in range(s):
        for b in range(s):
            resistance, tissue = _ray(flat, start + a * u + b * v, stride, count, resistivity)
            if tissue > 0:
                total += tissue / resistance
                rays += 1
    return total / rays if rays > 0 else 0.0


@numba.njit(cache=True)
def faces(flat, strides, axis, s, air, resistivity, film, spacing, out):  # type: ignore[no-untyped-def]
    """Effective conductivities between the centres of neighbouring cells along ``axis``.

    flat: sub-cell palette entries, flattened; strides: their strides; air: cell is air; film: convection coefficient
    per cell, already corrected for the staircase; out: (n + 1) faces along ``axis``.
    """
    u_axis, v_axis = (axis + 1) % 3, (axis + 2) % 3
    stride, u, v = strides[axis], strides[u_axis], strides[v_axis]
    half = s // 2
    last = air.shape[axis]
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                corner = s * (i * strides[0] + j * strides[1] + k * strides[2])
                position = i if axis == 0 else (j if axis == 1 else k)
                di, dj, dk = (1 if axis == 0 else 0), (1 if axis == 1 else 0), (1 if axis == 2 else 0)
                if position == 0:
                    value = 0.0 if air[i, j, k] else _bundle(flat, corner, stride, half, u, v, s, resistivity)
                elif position == last:
                    below = air[i - di, j - dj, k - dk]
                    start = corner - half * stride
                    value = 0.0 if below else _bundle(flat, start, stride, half, u, v, s, resistivity)
                else:
                    here, below = air[i, j, k], air[i - di, j - dj, k - dk]
                    start = corner - half * stride
                    if here and below:
                        value = 0.0
                    elif here:
                        # The tissue side's half cell, all of it: its near half may hold only air.
                        path = _bundle(flat, corner - s * stride, stride, s, u, v, s, resistivity)
                        value = spacing / (0.5 * spacing / path + 1.0 / film[i - di, j - dj, k - dk])
                    elif below:
                        path = _bundle(flat, corner, stride, s, u, v, s, resistivity)
                        value = spacing / (0.5 * spacing / path + 1.0 / film[i, j, k])
                    else:
                        value = _bundle(flat, start, stride, s, u, v, s, resistivity)
                out[i, j, k] = value
