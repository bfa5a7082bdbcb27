"""Where an image holds no data: beyond a circular field of view, padding, the wedge of a straightened gantry tilt.

Such voxels hold a number lower than air, but they are no air: nothing is known there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vertherm.imaging.tables import rule

Bool = NDArray[np.bool_]
NO_DATA_HU = -3024.0
"""HU that our reader writes where there is no data."""


def find_no_data(hu: NDArray[np.float32]) -> Bool:
    """Voxels without data, slice by slice along the last axis.

    Solid regions that reach the border of their slice and are either lower than any air, or one exact number at or
    below the lowest air that scanners store (-1024 as a rule); measured air has noise and a mean near -1000.
    """
    out = np.zeros(hu.shape, bool)
    for k in range(hu.shape[2]):
        plane = hu[:, :, k]
        out[:, :, k] = below_air(plane) | _constant(plane)
    return out


def below_air(plane: NDArray[np.float32]) -> Bool:
    """Solid regions of one slice that reach its border and are lower than any air."""
    return solid_at_border(plane <= rule("hu no data"))


def solid_at_border(found: Bool) -> Bool:
    """What of a mask is at least 3 x 3 pixels thick (the border's other side counts) and hangs on the border."""
    from scipy import ndimage

    if not found.any() or found.all():
        return found
    square = np.ones((3, 3), bool)
    padded = np.pad(found, 3, constant_values=True)
    opened = ndimage.binary_opening(padded, square)
    opened[:3], opened[-3:], opened[:, :3], opened[:, -3:] = True, True, True, True
    labels, _ = ndimage.label(opened)
    kept = (labels == labels[0, 0])[3:-3, 3:-3]
    parts, _ = ndimage.label(kept)  # a lone pixel in a corner would pass the opening
    kept &= (np.bincount(parts.ravel()) >= 3)[parts]
    # The opening took the corners of a jagged rim.
    return np.asarray(ndimage.binary_dilation(kept, square, iterations=2) & found) if kept.any() else kept


def _constant(plane: NDArray[np.float32]) -> Bool:
    out = np.zeros(plane.shape, bool)
    low = plane[plane <= rule("hu padding")]
    least = rule("no data share") * plane.size
    if low.size < least:
        return out
    for value, count in zip(*np.unique(low, return_counts=True), strict=True):
        if count >= least:
            region = solid_at_border(plane == value)
            if np.count_nonzero(region) >= least:
                out |= region
    return out
