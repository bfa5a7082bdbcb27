"""Diameters as a radiologist measures them: the longest in an axial slice, and the longest at right angles to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vertherm.geometry.surface import mask_surface
from vertherm.geometry.volume import FloatArray, Volume

SLICE_MM = 1.0
ANGLES = 180


@dataclass(frozen=True)
class Diameters:
    """Size of a mass.

    Args:
        longest_mm: largest extent within an axial slice.
        perpendicular_mm: extent across it in the same slice.
        volume_ml: enclosed by its smooth surface.
        height_mm: RAS z of that slice.
    """

    longest_mm: float
    perpendicular_mm: float
    volume_ml: float
    height_mm: float

    @property
    def product_mm2(self) -> float:
        """Longest times perpendicular."""
        return self.longest_mm * self.perpendicular_mm


def diameters(mask: Volume) -> Diameters:
    """Axial diameters of a mask through its smooth surface; zeros where it is empty.

    A slice is 1 mm of the surface: the extents are those of all surface points within it.
    """
    surface = mask_surface(mask)
    if surface is None:
        return Diameters(0.0, 0.0, 0.0, 0.0)
    points = surface.vertices_mm
    angles = np.linspace(0.0, np.pi, ANGLES, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)])
    best = (0.0, 0.0, 0.0)
    for height in np.arange(points[:, 2].min(), points[:, 2].max() + SLICE_MM, SLICE_MM):
        near = points[np.abs(points[:, 2] - height) <= 0.5 * SLICE_MM, :2]
        if len(near) > 2:
            widths = _widths(near, directions)
            i = int(np.argmax(widths))
            best = max(best, (float(widths[i]), float(widths[(i + ANGLES // 2) % ANGLES]), float(height)))
    return Diameters(best[0], best[1], surface.volume_ml, best[2])


def _widths(points: FloatArray, directions: FloatArray) -> FloatArray:
    projected = points @ directions
    return np.asarray(projected.max(axis=0) - projected.min(axis=0))
