# mypy: disable-error-code="no-untyped-def"
"""Exact distances between segments and axis-aligned boxes, alone and in bounding-volume trees, compiled.

The squared distance from the point p + t v to a box is sum_k e_k(t)^2 with e_k the signed excess of its coordinate over
the box's interval: convex in t, with a piecewise linear derivative whose kinks are where a coordinate meets a face. The
kinks bracket the minimum; between two neighbouring kinks the derivative is linear and its root is closed form.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

STACK = 128
"""Deep enough for a binary tree of 2^60 leaves with one waiting sibling a level."""


class Forest(NamedTuple):
    """Trees of boxes of several solids in flat arrays; the tree of a solid is a full binary heap.

    rotation (s, 3, 3), origin (s, 3): a world point x is rotation @ (x - origin) in the solid's own frame;
    box_lower, box_upper (n, 3); box_start (s + 1,); node_lower, node_upper (m, 3); node_start (s,); leaves (s,).
    """

    rotation: Any
    origin: Any
    box_lower: Any
    box_upper: Any
    box_start: Any
    node_lower: Any
    node_upper: Any
    node_start: Any
    leaves: Any


@njit(cache=True, nogil=True, inline="always")
def _excess(x, lower, upper):
    return x - upper if x > upper else (x - lower if x < lower else 0.0)


@njit(cache=True, nogil=True)
def _slope(t, p, v, lower, upper, n):
    """Half the derivative of the squared distance at t."""
    total = 0.0
    for k in range(3):
        total += v[k] * _excess(p[k] + t * v[k], lower[n, k], upper[n, k])
    return total


@njit(cache=True, nogil=True)
def _squared(t, p, v, lower, upper, n):
    total = 0.0
    for k in range(3):
        e = _excess(p[k] + t * v[k], lower[n, k], upper[n, k])
        total += e * e
    return total


@njit(cache=True, nogil=True)
def segment_box(p, v, lower, upper, n):
    """Squared distance from the segment p + t v, 0 <= t <= 1, to box n, and the t where it is reached."""
    a, c = 0.0, 1.0
    ga = _slope(a, p, v, lower, upper, n)
    if ga >= 0.0:
        return _squared(a, p, v, lower, upper, n), a
    gc = _slope(c, p, v, lower, upper, n)
    if gc <= 0.0:
        return _squared(c, p, v, lower, upper, n), c
    for k in range(3):
        if v[k] == 0.0:
            continue
        for end in range(2):
            t = ((lower[n, k] if end == 0 else upper[n, k]) - p[k]) / v[k]
            if a < t < c:
                g = _slope(t, p, v, lower, upper, n)
                if g <= 0.0:
                    a, ga = t, g
                else:
                    c, gc = t, g
    t = a - ga * (c - a) / (gc - ga)
    return _squared(t, p, v, lower, upper, n), t


@njit(cache=True, nogil=True)
def _misses(p, v, lower, upper, n, margin):
    """True only where the segment stays outside box n grown by margin (a cheap test that may say False)."""
    first, last = 0.0, 1.0
    for k in range(3):
        low, high = lower[n, k] - margin - p[k], upper[n, k] + margin - p[k]
        if abs(v[k]) < 1e-12:
            if low > 0.0 or high < 0.0:
                return True
        else:
            t1, t2 = low / v[k], high / v[k]
            if t1 > t2:
                t1, t2 = t2, t1
            first, last = max(first, t1), min(last, t2)
            if first > last:
                return True
    return False


@njit(cache=True, nogil=True)
def _to_frame(forest, s, start, end, p, v):
    """Start and direction (end - start) of a world segment in the frame of solid s, into p and v."""
    for i in range(3):
        p[i], v[i] = 0.0, 0.0
        for j in range(3):
            p[i] += forest.rotation[s, i, j] * (start[j] - forest.origin[s, j])
            v[i] += forest.rotation[s, i, j] * (end[j] - start[j])


@njit(cache=True, nogil=True)
def nearer(forest, s, start, end, limit, work, stack):
    """True where the segment comes nearer than ``limit`` to solid s; work (2, 3), stack (STACK,)."""
    p, v = work[0], work[1]
    _to_frame(forest, s, start, end, p, v)
    base, leaves = forest.node_start[s], forest.leaves[s]
    first, count = forest.box_start[s], forest.box_start[s + 1] - forest.box_start[s]
    if count == 0:
        return False
    stack[0], top = 0, 1
    while top > 0:
        top -= 1
        node = stack[top]
        if _misses(p, v, forest.node_lower, forest.node_upper, base + node, limit):
            continue
        if node < leaves - 1:
            stack[top], stack[top + 1] = 2 * node + 1, 2 * node + 2
            top += 2
            continue
        leaf = node - (leaves - 1)
        for n in range(first + count * leaf // leaves, first + count * (leaf + 1) // leaves):
            if not _misses(p, v, forest.box_lower, forest.box_upper, n, limit):
                squared, _ = segment_box(p, v, forest.box_lower, forest.box_upper, n)
                if squared < limit * limit:
                    return True
    return False


@njit(cache=True, nogil=True)
def nearest(forest, s, start, end, cutoff, work, stack, gaps):
    """Distance from a segment to solid s and the share of the segment where it is reached; (cutoff, nan) beyond it.

    work (2, 3); stack, gaps (STACK,). The nearer child is opened first, so that most others are never opened.
    """
    p, v = work[0], work[1]
    _to_frame(forest, s, start, end, p, v)
    base, leaves = forest.node_start[s], forest.leaves[s]
    first, count = forest.box_start[s], forest.box_start[s + 1] - forest.box_start[s]
    best, place, top = cutoff * cutoff, np.nan, 0
    if count > 0 and not _misses(p, v, forest.node_lower, forest.node_upper, base, cutoff):
        stack[0], gaps[0], top = 0, 0.0, 1
    while top > 0 and best > 0.0:
        top -= 1
        node = stack[top]
        if gaps[top] >= best:
            continue
        if node < leaves - 1:
            left, _ = segment_box(p, v, forest.node_lower, forest.node_upper, base + 2 * node + 1)
            right, _ = segment_box(p, v, forest.node_lower, forest.node_upper, base + 2 * node + 2)
            near, far = (0, 1) if right < left else (1, 0)
            stack[top + near], gaps[top + near] = 2 * node + 1, left
            stack[top + far], gaps[top + far] = 2 * node + 2, right
            top += 2
            continue
        leaf = node - (leaves - 1)
        for n in range(first + count * leaf // leaves, first + count * (leaf + 1) // leaves):
            squared, t = segment_box(p, v, forest.box_lower, forest.box_upper, n)
            if squared < best:
                best, place = squared, t
    return np.sqrt(best), place


@njit(cache=True, nogil=True)
def nearest_of_many(forest, s, starts, ends, cutoff, distance, place):
    """:func:`nearest` for segments (n, 3), into distance (n,) and place (n,)."""
    work, stack, gaps = np.empty((2, 3)), np.empty(STACK, np.int64), np.empty(STACK)
    for n in range(starts.shape[0]):
        distance[n], place[n] = nearest(forest, s, starts[n], ends[n], cutoff, work, stack, gaps)


@njit(cache=True, nogil=True)
def nearer_of_many(forest, s, starts, ends, limit, out):
    """:func:`nearer` for segments (n, 3), into out (n,) bool."""
    work, stack = np.empty((2, 3)), np.empty(STACK, np.int64)
    for n in range(starts.shape[0]):
        out[n] = nearer(forest, s, starts[n], ends[n], limit, work, stack)


@njit(cache=True, nogil=True)
def splat(lower, upper, rotation, shift, reach, out):
    """Exact squared distances from cell centres to boxes, where they are below reach^2, into out (a window of cells).

    A cell (i, j, k) of ``out`` has its centre at rotation @ (i, j, k) + shift in the boxes' frame; ``out`` comes filled
    with what lies beyond the reach.
    """
    inverse = np.linalg.inv(rotation)
    low, high, q = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3)
    for n in range(lower.shape[0]):
        for i in range(3):
            middle, half = 0.0, 0.0
            for j in range(3):
                middle += inverse[i, j] * (0.5 * (lower[n, j] + upper[n, j]) - shift[j])
                half += abs(inverse[i, j]) * (0.5 * (upper[n, j] - lower[n, j]) + reach)
            low[i] = max(int(np.ceil(middle - half)), 0)
            high[i] = min(int(np.floor(middle + half)) + 1, out.shape[i])
        for i in range(low[0], high[0]):
            for j in range(low[1], high[1]):
                for m in range(3):
                    q[m] = rotation[m, 0] * i + rotation[m, 1] * j + rotation[m, 2] * low[2] + shift[m]
                for k in range(low[2], high[2]):
                    squared = 0.0
                    for m in range(3):
                        e = _excess(q[m], lower[n, m], upper[n, m])
                        squared += e * e
                        q[m] += rotation[m, 2]
                    out[i, j, k] = min(out[i, j, k], squared)
