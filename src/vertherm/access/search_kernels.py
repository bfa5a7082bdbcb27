# mypy: disable-error-code="no-untyped-def"
"""Verdicts and scores of many candidates, compiled: cells decide the clear cases, exact distances the rest."""

from __future__ import annotations

import numpy as np
from numba import njit

from vertherm.access.solids_kernels import STACK, nearer, nearest


@njit(cache=True, nogil=True)
def _walk(lower, cell, bits, shape, start, d, length):
    """Bits (sure, possible) of all cells that a segment of ``length`` from ``start`` along d passes.

    bits (cells, 2) of a lattice of ``shape``, which holds the segment with a rim of cells to spare; the number of
    steps is known beforehand, so that rounding cannot walk on and on.
    """
    ahead, pace, stride, steps = np.empty(3), np.empty(3), np.empty(3, np.int64), 0
    at = 0
    for k in range(3):
        place = (start[k] - lower[k]) / cell
        first = np.floor(place)
        steps += int(abs(np.floor(place + length * d[k] / cell) - first))
        at = at * shape[k] + int(first)
        stride[k] = (1 if d[k] > 0.0 else -1) * (shape[1] * shape[2] if k == 0 else shape[2] if k == 1 else 1)
        ahead[k], pace[k] = np.inf, np.inf
        if abs(d[k]) > 1e-12:
            pace[k] = cell / abs(d[k])
            ahead[k] = pace[k] * ((first + 1.0 - place) if d[k] > 0.0 else (place - first))
    x, y, z = ahead[0], ahead[1], ahead[2]
    sure, possible = bits[at, 0], bits[at, 1]
    for _ in range(steps):
        if x <= y and x <= z:
            x += pace[0]
            at += stride[0]
        elif y <= z:
            y += pace[1]
            at += stride[1]
        else:
            z += pace[2]
            at += stride[2]
        sure |= bits[at, 0]
        possible |= bits[at, 1]
    return sure, possible


@njit(cache=True, nogil=True)
def classify(
    first, foci, directions, focus_mm, exits, forest, limits, forbidden, lesion, lower, cell, bits, shape, broken, out
):
    """Verdicts of candidates first, first + 1, ...

    exits (n,): from focus to entry, nan as if 0; limits as in Obstacles; bits (words, cells, 2) as in CellBits;
    broken (n, words): a bit a forbidden solid nearer than its limit; out (n,) bool: the tip lies too far outside the
    lesion.
    """
    work, stack = np.empty((2, 3)), np.empty(STACK, np.int64)
    tip, entry = np.empty(3), np.empty(3)
    one, many = np.uint64(1), directions.shape[0]
    tip_bit = one << np.uint64(forbidden % 64)
    for n in range(exits.size):
        f, k = (first + n) // many, (first + n) % many
        ahead = exits[n] if exits[n] >= 0.0 else 0.0
        for i in range(3):
            tip[i] = foci[f, i] - focus_mm * directions[k, i]
            entry[i] = foci[f, i] + ahead * directions[k, i]
        sure, possible = _walk(lower, cell, bits[forbidden // 64], shape, tip, directions[k], 0.0)
        if sure & tip_bit:
            out[n] = False
        elif not (possible & tip_bit):
            out[n] = True
        else:
            out[n] = not nearer(forest, lesion, tip, tip, limits[forbidden], work, stack)
        for word in range(bits.shape[0]):
            sure, possible = _walk(lower, cell, bits[word], shape, tip, directions[k], focus_mm + ahead)
            for s in range(64 * word, min(64 * word + 64, forbidden)):
                bit = one << np.uint64(s - 64 * word)
                if sure & bit or (possible & bit and nearer(forest, s, entry, tip, limits[s], work, stack)):
                    broken[n, word] |= bit


@njit(cache=True, nogil=True)
def obstacle_risk(forest, entries, tips, own_mm, weights, required, comfort, spared, without, risk):
    """Sum over solids of weight * max(0, 1 - (distance - own - required) / comfort)^2, into risk (n,).

    own_mm: radius and placement error; spared (s,) bool: solids that do not count for needles with ``without`` (n,).
    """
    work, stack, gaps = np.empty((2, 3)), np.empty(STACK, np.int64), np.empty(STACK)
    for n in range(risk.size):
        total = 0.0
        for s in range(weights.size):
            if weights[s] <= 0.0 or (without[n] and spared[s]):
                continue
            cutoff = own_mm + required[s] + comfort[s]
            distance, _ = nearest(forest, s, entries[n], tips[n], cutoff, work, stack, gaps)
            if distance < cutoff:
                share = (cutoff - distance) / comfort[s]
                total += weights[s] * share * share
        risk[n] = total


@njit(cache=True, nogil=True)
def zone_cover(points, focus, axis, long_half, short_half, inside):
    """Which points (m, 3) lie in the spheroid about ``focus`` along ``axis``, into inside (m,) bool."""
    for m in range(points.shape[0]):
        along, square = 0.0, 0.0
        for i in range(3):
            off = points[m, i] - focus[i]
            along += off * axis[i]
            square += off * off
        along *= along
        inside[m] = along / long_half**2 + (square - along) / short_half**2 <= 1.0 + 1e-9


@njit(cache=True, nogil=True)
def coverages(points, weights, foci, axes, long_half, short_half, share, factor):
    """Weighted share of the points in the spheroid of each needle, into share (n,), and the smallest factor on its axes
    with which it holds all of them, into factor (n,); weights (m,) add up to 1."""
    for n in range(share.size):
        total, largest = 0.0, 0.0
        for m in range(points.shape[0]):
            along, square = 0.0, 0.0
            for i in range(3):
                off = points[m, i] - foci[n, i]
                along += off * axes[n, i]
                square += off * off
            along *= along
            level = along / long_half**2 + (square - along) / short_half**2
            if level <= 1.0 + 1e-9:
                total += weights[m]
            largest = max(largest, level)
        share[n], factor[n] = total, np.sqrt(largest)
