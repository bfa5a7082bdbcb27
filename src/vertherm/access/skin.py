"""Where needles enter: the last face between the body and the air along a line, or the image's edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.access.candidates import Candidates, within
from vertherm.access.search_work import shared_out
from vertherm.access.solids import grid_frame, unsheared
from vertherm.geometry.volume import FloatArray, Volume


@dataclass(frozen=True, eq=False)
class Exits:
    """Where every candidate leaves the body.

    Args:
        distance_mm: (n,) from the focus to the entry; nan where the focus lies outside the body or the image.
        at_edge: (n,) True where the line leaves the image while it is still in the body.
    """

    distance_mm: FloatArray
    at_edge: NDArray[np.bool_]


def exits(body: Volume, pairs: Candidates, threads: int = 1) -> Exits:
    """Last exits of all candidates from the body; exact to the voxels' faces.

    Args:
        body: bool.
        pairs: the candidates.
        threads: number of threads; the result does not depend on it.
    """
    from vertherm.access.skin_kernels import leave_body

    straight = unsheared(body)
    frame = grid_frame(straight.grid)
    data = np.ascontiguousarray(straight.data, dtype=bool)
    foci = np.ascontiguousarray((pairs.foci - frame.origin) @ frame.rotation.T)
    directions = np.ascontiguousarray(pairs.directions @ frame.rotation.T)
    distance, edge = np.empty(pairs.count), np.empty(pairs.count, bool)

    def work(part: slice) -> None:
        leave_body(data, frame.spacing, foci, directions, part.start, distance[part], edge[part])

    shared_out(work, pairs.count, threads)
    distance.reshape(len(pairs.foci), -1)[~within(straight, pairs.foci)] = np.nan
    return Exits(distance, edge)
