"""The paths that no other path beats in everything, and a readable number of them."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vertherm.access.search_scores import Ways
from vertherm.geometry.volume import FloatArray

SAME_MM = 3.0
SAME_DEG = 3.0
"""Two paths by the same approach with ends and direction as near as this are one path to a person."""


def front(costs: FloatArray) -> NDArray[np.int64]:
    """Indices of the rows of ``costs`` (n, 3), smaller is better, that no other row beats; the first of equal rows.

    A row beats another where it is nowhere worse and somewhere better. In lexicographic order a row can only be beaten
    by an earlier one, and it is enough to ask those that were not beaten themselves.
    """
    order = np.lexsort((np.arange(len(costs)), *costs.T[::-1]))
    return order[_unbeaten(np.ascontiguousarray(costs[order]))]


@njit(cache=True, nogil=True)
def _unbeaten(costs):  # type: ignore[no-untyped-def]
    kept = np.empty(len(costs), np.int64)
    count = 0
    for n in range(len(costs)):
        beaten = False
        for m in range(count - 1, -1, -1):
            other = costs[kept[m]]
            if other[0] <= costs[n, 0] and other[1] <= costs[n, 1] and other[2] <= costs[n, 2]:
                beaten = True
                break
        if not beaten:
            kept[count] = n
            count += 1
    return kept[:count]


def thinned(ways: Ways, costs: FloatArray, keep: int) -> NDArray[np.int64]:
    """At most ``keep`` different paths of a front, best first cost first; the best of every cost among them.

    Args:
        ways: the paths of the front.
        costs: (n, 3) theirs.
        keep: how many.
    """
    extremes = [int(np.lexsort((*costs.T[::-1], costs[:, k]))[0]) for k in range(costs.shape[1])]
    order = dict.fromkeys([*extremes, *np.lexsort(costs.T[::-1]).tolist()])
    different: list[int] = []
    for n in order:
        if not any(_same(ways, n, other) for other in different):
            different.append(n)
    chosen = _spread(costs[different], min(len(set(extremes) & set(different)), keep), keep)
    picked = np.array(different)[chosen]
    return picked[np.lexsort(costs[picked].T[::-1])]


def _same(ways: Ways, first: int, second: int) -> bool:
    if ways.approach[first] != ways.approach[second] or ways.side[first] != ways.side[second]:
        return False
    ends = max(
        float(np.linalg.norm(ways.entries[first] - ways.entries[second])),
        float(np.linalg.norm(ways.tips[first] - ways.tips[second])),
    )
    one, two = (ways.entries[n] - ways.tips[n] for n in (first, second))
    turn = np.degrees(np.arctan2(float(np.linalg.norm(np.cross(one, two))), float(one @ two)))
    return ends <= SAME_MM and turn <= SAME_DEG


def _spread(costs: FloatArray, fixed: int, keep: int) -> list[int]:
    """The first ``fixed`` rows, then again and again the row farthest from all taken, in costs scaled to 0 to 1."""
    scaled = (costs - costs.min(axis=0)) / np.maximum(np.ptp(costs, axis=0), 1e-9)
    taken = list(range(min(fixed, keep)))
    while len(taken) < min(keep, len(costs)):
        gaps = np.linalg.norm(scaled[:, None] - scaled[taken], axis=2).min(axis=1)
        gaps[taken] = -1.0
        taken.append(int(np.argmax(gaps)))
    return taken
