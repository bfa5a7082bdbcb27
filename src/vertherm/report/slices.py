"""Zones and masks on picture planes, on scales where their contours lie right and look smooth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import Volume
from vertherm.planning.scene import ZoneField
from vertherm.report.planes import Plane, sampled

STEP_MM = 0.5
"""Distance of sample points on a picture plane."""


def zone_values(zone: ZoneField, volume: Volume, plane: Plane) -> tuple[NDArray[Any], float]:
    """A zone's field on a plane and its level, on the scale on which zones are measured.

    Dose and damage grow exponentially with temperature; their logarithm is as smooth as the temperature, so that the
    contour lies where the zone's volume and margin say it does.
    """
    if zone.quantity == "peak_c":
        return sampled(volume, plane, STEP_MM), zone.level
    clipped = np.clip(volume.data, zone.level * 1e-12, zone.level * 1e12)
    return sampled(volume.with_data(np.log(clipped).astype(np.float32)), plane, STEP_MM), float(np.log(zone.level))


def mask_values(mask: Volume, plane: Plane, *, smooth: bool = True) -> NDArray[Any]:
    """How far a mask covers a plane, 0 to 1, rounded over about a voxel so that the 0.5 contour shows no stairs.

    Thin shells (the skin) must not be rounded: they would vanish. Nor is anything else rounded away.
    """
    values = sampled(mask, plane, STEP_MM, outside=0.0)
    if not smooth or values.max() < 0.5:
        return values
    from scipy.ndimage import gaussian_filter

    rounded = gaussian_filter(values, 0.6 * float(mask.grid.spacing_mm.mean()) / STEP_MM)
    return rounded if rounded.max() >= 0.5 else values
