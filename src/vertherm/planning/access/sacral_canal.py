"""The nerves within the sacrum that labels leave out: the canal below its label, and the foramina as holes in bone.

Label maps draw the dural sac, which ends near S2, and mostly fill the sacral canal below it with sacrum. A path from
behind in the midline would then seem to run through bone alone. Both solids are placed by rule and marked derived; the
rule was tried on one lumbar scan, where it covers the canal seen on the CT down to S4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import cropped, on_grid

Bool = NDArray[np.bool_]
HALF_WIDTH_MM = 12.0
"""Half the canal's width at S1 and S2; it narrows below, where this errs to the safe side. [guess]"""
DEPTH_MM = 22.0
"""From the outer surface of the laminae to the canal's front wall: lamina 3-6 mm, canal 10-16 mm. [guess]"""
WALL_MM = 5.0
"""At least this much bone is left in front of the canal. [guess]"""
LAMINA_MM = (4.0, 10.0)
"""How far from the midline the laminae's surface is taken: beside the median crest, within the canal's width."""
FORAMEN_MM2 = (15.0, 700.0)
"""Area of a hole in an axial slice of sacrum that counts as a foramen."""


def sacral_canal(sacrum: Volume, canal: Volume | None) -> Volume | None:
    """The sacral canal below its label, bool; None where the label already reaches the sacrum's end.

    In each axial slice of sacrum below the canal's lowest labelled one: the canal's width about the sacrum's middle,
    from the laminae's outer surface forwards.

    Args:
        sacrum: bool, all of it.
        canal: bool, as labelled or derived; None: nothing is known of it.
    """
    bone = sacrum.canonical()
    data = np.asarray(bone.data) > 0
    known = np.zeros(data.shape, bool) if canal is None else on_grid(canal, bone.grid)
    labelled = np.flatnonzero(known.any(axis=(0, 1)))
    end = int(labelled[0]) if labelled.size else data.shape[2]
    edges = bone.grid.spacing_mm
    rear, middle = _laminae(data, edges)
    out = np.zeros(data.shape, bool)
    x, y = np.arange(data.shape[0])[:, None] * edges[0], np.arange(data.shape[1])[None, :] * edges[1]
    for k in range(min(end, data.shape[2])):
        if not np.isfinite(rear[k]):
            continue
        beside = np.abs(x - middle[k]) <= HALF_WIDTH_MM
        column = data[:, :, k] & beside
        front = float(np.flatnonzero(column.any(axis=0))[-1]) * edges[1] - WALL_MM
        out[:, :, k] = beside & (y >= rear[k]) & (y <= min(rear[k] + DEPTH_MM, front))
    return cropped(out, bone.grid, "sacral canal below its label, by rule") if out.any() else None


def sacral_foramina(sacrum: Volume, canal: Volume | None) -> Volume | None:
    """Holes in the axial slices of the sacrum, bool: the foramina with their roots; None without any."""
    from scipy import ndimage

    bone = sacrum.canonical()
    data = np.asarray(bone.data) > 0
    known = np.zeros(data.shape, bool) if canal is None else on_grid(canal, bone.grid)
    area = float(bone.grid.spacing_mm[0] * bone.grid.spacing_mm[1])
    out = np.zeros(data.shape, bool)
    for k in np.flatnonzero(data.any(axis=(0, 1))):
        plane = data[:, :, k] | known[:, :, k]
        holes, count = ndimage.label(ndimage.binary_fill_holes(plane) & ~plane)
        for label in range(1, count + 1):
            hole = holes == label
            if FORAMEN_MM2[0] <= area * float(hole.sum()) <= FORAMEN_MM2[1]:
                out[:, :, k] |= hole
    return cropped(out, bone.grid, "holes in the sacrum, by rule") if out.any() else None


def _laminae(data: Bool, edges: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Depth of the laminae's outer surface and the sacrum's middle, mm from the first voxel, in each axial slice.

    nan where a slice holds no sacrum. The surface is the median over five slices: an open arch shows the canal's front.
    """
    count = data.shape[2]
    rear, middle = np.full(count, np.nan), np.full(count, np.nan)
    x = np.arange(data.shape[0]) * edges[0]
    for k in range(count):
        columns = data[:, :, k].any(axis=1)
        if not columns.any():
            continue
        middle[k] = float((data[:, :, k].sum(axis=1) * x).sum() / data[:, :, k].sum())
        off = np.abs(x - middle[k])
        beside = columns & (off >= LAMINA_MM[0]) & (off <= LAMINA_MM[1])
        if beside.any():
            rear[k] = float(np.median(np.argmax(data[beside, :, k], axis=1))) * edges[1]
    smooth = rear.copy()
    for k in range(count):
        near = rear[max(k - 2, 0) : k + 3]
        if np.isfinite(rear[k]):
            smooth[k] = np.median(near[np.isfinite(near)])
    return smooth, middle
