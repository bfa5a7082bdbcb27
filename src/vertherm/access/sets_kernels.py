# mypy: disable-error-code="no-untyped-def"
"""Exact distances between straight needles, compiled.

The squared distance of two segments is a convex quadratic of the two places along them: its minimum over the square of
places lies where both derivatives vanish, or on one of the four edges (an end of one segment against the other).
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _end_gap(point, start, along):
    """Squared distance from a point to the segment start + t along."""
    t = min(max(np.dot(point - start, along) / np.dot(along, along), 0.0), 1.0)
    gap = point - start - t * along
    return np.dot(gap, gap)


@njit(cache=True, nogil=True)
def _gap(p, u, q, v):
    """Squared distance between the segments p + s u and q + t v."""
    best = min(min(_end_gap(p, q, v), _end_gap(p + u, q, v)), min(_end_gap(q, p, u), _end_gap(q + v, p, u)))
    w = p - q
    uu, uv, vv, uw, vw = np.dot(u, u), np.dot(u, v), np.dot(v, v), np.dot(u, w), np.dot(v, w)
    det = uu * vv - uv * uv
    if det > 1e-12 * uu * vv:
        s, t = (uv * vw - vv * uw) / det, (uu * vw - uv * uw) / det
        if 0.0 <= s <= 1.0 and 0.0 <= t <= 1.0:
            gap = w + s * u - t * v
            best = min(best, np.dot(gap, gap))
    return best


@njit(cache=True, nogil=True)
def segment_gaps(starts, ends, gaps):
    """Distances between all segments (n, 3), into gaps (n, n), 0 on the diagonal."""
    for n in range(starts.shape[0]):
        for m in range(n):
            gaps[n, m] = np.sqrt(_gap(starts[n], ends[n] - starts[n], starts[m], ends[m] - starts[m]))
            gaps[m, n] = gaps[n, m]
