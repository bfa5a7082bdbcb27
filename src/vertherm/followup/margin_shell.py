"""The margin over the lesion's surface as voxels of the examination: what a viewer can show."""

from __future__ import annotations

import numpy as np

from vertherm.geometry.margin_map import MarginMap
from vertherm.geometry.volume import FloatArray, Volume

CLASSES = ("below 0 mm", "0 mm to goal", "goal or more")
"""By number in the mask, from 1; the same bounds as ``MarginMap.classes``."""


def margin_shell(lesion: Volume, margin: MarginMap, to_followup: FloatArray) -> Volume:
    """The lesion's outermost voxels, each with the class of the nearest point of its surface.

    Args:
        lesion: mask on the examination's grid.
        margin: in the planning frame.
        to_followup: (4, 4), planning RAS mm to follow-up RAS mm.

    Returns:
        uint8: 0 elsewhere, 1 below 0 mm, 2 from 0 mm to the goal, 3 at the goal or above.
    """
    from scipy.ndimage import binary_erosion
    from scipy.spatial import cKDTree

    inside = lesion.data > 0
    border = np.argwhere(inside & ~binary_erosion(inside))
    classes = np.zeros(lesion.grid.shape, np.uint8)
    if len(border):
        surface = margin.vertices_mm @ to_followup[:3, :3].T + to_followup[:3, 3]
        near = cKDTree(surface).query(lesion.grid.world(border))[1]
        values = np.asarray(margin.margins_mm)[near]
        classes[tuple(border.T)] = 1 + np.searchsorted([0.0, margin.goal_mm], values, side="right")
    return Volume(classes, lesion.grid, "margin")
