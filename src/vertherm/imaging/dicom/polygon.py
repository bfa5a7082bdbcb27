"""Closed polygons to pixels: a pixel belongs to them where its centre lies inside by the even-odd rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import FloatArray

_CHUNK = 2_000_000


def filled(polygons: Sequence[FloatArray], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill polygons by the even-odd rule over all of them: a polygon within another is a hole, a keyhole closes itself.

    Each edge toggles the pixels at or beyond where it crosses their row (half-open, so that a vertex on a row counts
    once); a pixel toggled an odd number of times is inside.

    Args:
        polygons: each (n, 2) vertices in pixel indices, pixel centres at integers; closed by themselves.
        shape: pixels along both axes.

    Returns:
        bool of ``shape``.
    """
    toggles = np.zeros((shape[0] * (shape[1] + 1),), np.int64)
    for polygon in polygons:
        _toggle(np.asarray(polygon, float), shape, toggles)
    parity = np.cumsum(toggles.reshape(shape[0], shape[1] + 1), axis=1)[:, :-1]
    return np.asarray(parity % 2 == 1)


def _toggle(polygon: FloatArray, shape: tuple[int, int], toggles: NDArray[np.int64]) -> None:
    start, end = polygon, np.roll(polygon, -1, axis=0)
    upward = start[:, 0] <= end[:, 0]
    low, high = np.where(upward[:, None], start, end), np.where(upward[:, None], end, start)
    first = np.clip(np.ceil(low[:, 0]), 0, shape[0]).astype(np.int64)
    count = np.maximum(np.clip(np.ceil(high[:, 0]), 0, shape[0]).astype(np.int64) - first, 0)
    edges = np.flatnonzero(count)
    total = np.cumsum(count[edges])
    begin = 0
    while begin < len(edges):  # in portions: many long edges would ask for much memory at once
        done = total[begin - 1] if begin else 0
        stop = max(int(np.searchsorted(total, done + _CHUNK, side="right")), begin + 1)
        part = edges[begin:stop]
        edge = np.repeat(part, count[part])
        offset = np.arange(len(edge)) - np.repeat(np.cumsum(count[part]) - count[part], count[part])
        row = first[edge] + offset
        rise = high[edge, 0] - low[edge, 0]
        across = low[edge, 1] + (row - low[edge, 0]) * (high[edge, 1] - low[edge, 1]) / rise
        column = np.clip(np.ceil(across), 0, shape[1]).astype(np.int64)
        np.add.at(toggles, row * (shape[1] + 1) + column, 1)
        begin = stop


def area(polygon: FloatArray) -> float:
    """Area within a closed polygon (n, 2), by the shoelace formula."""
    x, y = np.asarray(polygon, float).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
