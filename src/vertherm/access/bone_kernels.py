"""Needles through labelled voxels, compiled: exact lengths within labels, exact distances to voxel boxes.

Coordinates here are those of the label's own grid: q = fractional voxel index, x = q times the voxel's edges (mm).
Positions along a needle are mm from its entry.
"""

from __future__ import annotations

import numba
import numpy as np

BONE, BODY = 1, 2
"""Bits of a voxel's code: the target's own bone; its vertebral body."""


@numba.njit(cache=True, nogil=True)
def walk(starts, steps, lengths, codes, windows, out):  # type: ignore[no-untyped-def]
    """What each needle meets, voxel by voxel, with the exact length in each.

    starts (n, 3): voxel index of the entries; steps (n, 3): change of the index per mm; lengths (n): mm; codes: voxels'
    bits; windows (n, 2): stretch in mm that is looked at apart (empty: end before begin).
    out (n, 6): first bone, length in bone, first body (mm from the entry, nan: never), bone without body before the
    body, bone within the window, 1.0 where the window ends in bone.
    """
    for n in range(starts.shape[0]):
        out[n, 0] = out[n, 2] = np.nan
        out[n, 1] = out[n, 3] = out[n, 4] = out[n, 5] = 0.0
        near, far = _clip(starts[n], steps[n], lengths[n], codes.shape)
        if near >= far:
            continue
        _through(starts[n], steps[n], near, far, codes, windows[n, 0], windows[n, 1], out[n])


@numba.njit(cache=True, nogil=True)
def _clip(start, step, length, shape):  # type: ignore[no-untyped-def]
    """The stretch of a needle within the box of voxels."""
    near, far = 0.0, length
    for axis in range(3):
        low, high = -0.5, shape[axis] - 0.5
        if abs(step[axis]) < 1e-12:
            if start[axis] <= low or start[axis] >= high:
                return 1.0, 0.0
            continue
        a, b = (low - start[axis]) / step[axis], (high - start[axis]) / step[axis]
        near, far = max(near, min(a, b)), min(far, max(a, b))
    return near, far


@numba.njit(cache=True, nogil=True)
def _through(start, step, near, far, codes, begin, end, out):  # type: ignore[no-untyped-def]
    at = np.empty(3, np.int64)
    cross = np.empty(3)
    way = np.empty(3)
    for axis in range(3):
        # Just inside the box, so that rounding at a face cannot choose a voxel beyond it.
        q = start[axis] + step[axis] * (near + 1e-9)
        at[axis] = min(max(int(np.floor(q + 0.5)), 0), codes.shape[axis] - 1)
        if abs(step[axis]) < 1e-12:
            cross[axis], way[axis] = np.inf, np.inf
        else:
            face = at[axis] + (0.5 if step[axis] > 0 else -0.5)
            cross[axis] = (face - start[axis]) / step[axis]
            way[axis] = 1.0 / abs(step[axis])
    t = near
    while t < far:
        axis = 0 if cross[0] <= cross[1] and cross[0] <= cross[2] else (1 if cross[1] <= cross[2] else 2)
        leave = min(cross[axis], far)
        if leave > t:
            _count(codes[at[0], at[1], at[2]], t, leave, begin, end, out)
            t = leave
        if cross[axis] >= far:
            return
        at[axis] += 1 if step[axis] > 0 else -1
        if at[axis] < 0 or at[axis] >= codes.shape[axis]:
            return
        cross[axis] += way[axis]


@numba.njit(cache=True, nogil=True)
def _count(code, t, leave, begin, end, out):  # type: ignore[no-untyped-def]
    if not code & BONE:
        return
    if np.isnan(out[0]):
        out[0] = t
    out[1] += leave - t
    if code & BODY:
        if np.isnan(out[2]):
            out[2] = t
    elif np.isnan(out[2]):
        out[3] += leave - t
    if end > begin:
        out[4] += max(0.0, min(leave, end) - max(t, begin))
        if t < end <= leave + 1e-9:
            out[5] = 1.0


@numba.njit(cache=True, nogil=True)
def segment_to_box(a, d, length, low, high):  # type: ignore[no-untyped-def]
    """Squared distance between the segment a + t d (|d| = 1, 0 <= t <= length) and a box; exact.

    The squared distance is convex and piecewise quadratic in t, its slope piecewise linear with a bend where the
    segment passes a face's plane: the bends narrow the bracket until the slope in it is one straight line.
    """
    begin, end = 0.0, length
    slope_begin, slope_end = _slope(a, d, begin, low, high), _slope(a, d, end, low, high)
    if slope_begin >= 0.0:
        return _squared(a, d, begin, low, high)
    if slope_end <= 0.0:
        return _squared(a, d, end, low, high)
    for axis in range(3):
        if abs(d[axis]) < 1e-12:
            continue
        for side in range(2):
            t = ((low[axis] if side == 0 else high[axis]) - a[axis]) / d[axis]
            if begin < t < end:
                slope = _slope(a, d, t, low, high)
                if slope < 0.0:
                    begin, slope_begin = t, slope
                else:
                    end, slope_end = t, slope
    rise = slope_end - slope_begin
    t = end if rise <= 0.0 else begin - slope_begin * (end - begin) / rise
    return _squared(a, d, t, low, high)


@numba.njit(cache=True, nogil=True)
def _slope(a, d, t, low, high):  # type: ignore[no-untyped-def]
    total = 0.0
    for axis in range(3):
        x = a[axis] + t * d[axis]
        total += d[axis] * (x - min(max(x, low[axis]), high[axis]))
    return total


@numba.njit(cache=True, nogil=True)
def _squared(a, d, t, low, high):  # type: ignore[no-untyped-def]
    total = 0.0
    for axis in range(3):
        x = a[axis] + t * d[axis]
        off = x - min(max(x, low[axis]), high[axis])
        total += off * off
    return total


@numba.njit(cache=True, nogil=True)
def nearest_box(a, d, length, boxes, starts, centres, radii, half, best):  # type: ignore[no-untyped-def]
    """Distance from a segment to the nearest voxel box, or ``best`` where none is nearer.

    boxes (m, 3): voxel centres in mm, sorted by block; starts (blocks + 1): first of each block; centres (blocks, 3),
    radii (blocks): spheres around whole blocks; half (3): half a voxel's edges.
    """
    reach = np.sqrt(half[0] ** 2 + half[1] ** 2 + half[2] ** 2)
    low, high = np.empty(3), np.empty(3)
    first, least = 0, np.inf
    for b in range(radii.size):
        gap = _to_point(a, d, length, centres[b]) - radii[b]
        if gap < least:
            first, least = b, gap
    for order in range(radii.size + 1):
        # The most promising block first, so that its distance rules out most of the others.
        b = first if order == 0 else order - 1
        if (order > 0 and b == first) or _to_point(a, d, length, centres[b]) - radii[b] >= best:
            continue
        for m in range(starts[b], starts[b + 1]):
            if _to_point(a, d, length, boxes[m]) - reach >= best:
                continue
            for axis in range(3):
                low[axis], high[axis] = boxes[m, axis] - half[axis], boxes[m, axis] + half[axis]
            best = min(best, np.sqrt(segment_to_box(a, d, length, low, high)))
    return best


@numba.njit(cache=True, nogil=True)
def _to_point(a, d, length, point):  # type: ignore[no-untyped-def]
    along = 0.0
    for axis in range(3):
        along += (point[axis] - a[axis]) * d[axis]
    along = min(max(along, 0.0), length)
    total = 0.0
    for axis in range(3):
        off = a[axis] + along * d[axis] - point[axis]
        total += off * off
    return np.sqrt(total)


@numba.njit(cache=True, nogil=True)
def depth_in_bone(begins, directions, lengths, codes, edges, outside, inside, step, far, out):  # type: ignore[no-untyped-def]
    """How deep in bone each stretch of a needle's axis stays at least; negative: how far out of bone it comes at most.

    begins (n, 3), directions (n, 3), lengths (n): the stretch in mm (x = index times edges). outside, inside: blocks of
    voxels (boxes, starts, centres, radii, half) that are not bone, and that are, on either side of its surface. Within
    bone the depth is exact; where the axis leaves bone it is the largest distance back to bone at points ``step`` apart
    (itself exact). far: bound on every distance.
    """
    at = np.empty(3)
    for n in range(begins.shape[0]):
        leaves = 0.0
        t = 0.0
        while t <= lengths[n]:
            away = 0.0
            for axis in range(3):
                at[axis] = begins[n, axis] + t * directions[n, axis]
            if not _in_bone(at, codes, edges):
                away = nearest_box(at, directions[n], 0.0, *inside, far)
                leaves = max(leaves, away)
            # No point within ``leaves - away`` of this one lies farther out.
            t += max(step, leaves - away)
        if leaves > 0.0:
            out[n] = -leaves
        else:
            out[n] = nearest_box(begins[n], directions[n], lengths[n], *outside, far)


@numba.njit(cache=True, nogil=True)
def _in_bone(at, codes, edges):  # type: ignore[no-untyped-def]
    index = np.empty(3, np.int64)
    for axis in range(3):
        index[axis] = int(np.floor(at[axis] / edges[axis] + 0.5))
        if index[axis] < 0 or index[axis] >= codes.shape[axis]:
            return False
    return codes[index[0], index[1], index[2]] & BONE != 0
