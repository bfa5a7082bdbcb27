"""Zones and masks on picture planes, on scales where their contours lie right and look smooth."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.planning.scene import ZoneField
from vertherm.report.planes import Plane, near, sampled

STEP_MM = 0.5
"""Distance of sample points on a picture plane."""


def zone_values(zone: ZoneField, volume: Volume, plane: Plane) -> tuple[NDArray[Any], float]:
    """A zone's field on a plane and its level, on the scale on which zones are measured.

    Dose and damage grow exponentially with temperature; their logarithm is as smooth as the temperature, so that the
    contour lies where the zone's volume and margin say it does.
    """
    if zone.quantity == "peak_c":
        return sampled(volume, plane, STEP_MM), zone.level
    part = near(volume, plane)
    clipped = np.clip(part.data, zone.level * 1e-12, zone.level * 1e12)
    return sampled(part.with_data(np.log(clipped).astype(np.float32)), plane, STEP_MM), float(np.log(zone.level))


def mask_values(mask: Volume, plane: Plane, *, smooth: bool = True, step_mm: float = STEP_MM) -> NDArray[Any]:
    """How far a mask covers a plane, 0 to 1, rounded over about a voxel so that the 0.5 contour shows no stairs.

    Thin shells (the skin) must not be rounded: they would vanish. Nor is anything else rounded away.
    """
    u, v = plane.axes(step_mm)
    values = np.zeros((len(v), len(u)), np.float32)
    width = 0.6 * float(mask.grid.spacing_mm.mean())
    part = _window(mask.grid, plane, u, v, 4.0 * width + step_mm)
    if part is None:
        return values
    rows, columns = part
    seen = replace(plane, u_mm=(u[columns][0], u[columns][-1]), v_mm=(v[rows][0], v[rows][-1]))
    inside = sampled(mask, seen, step_mm, outside=0.0)
    if smooth and inside.max() >= 0.5:
        from scipy.ndimage import gaussian_filter

        # scipy's stubs lose the type of the array.
        rounded: NDArray[Any] = gaussian_filter(inside, width / step_mm)
        inside = rounded if rounded.max() >= 0.5 else inside
    values[rows, columns] = inside
    return values


def label_values(mask: Volume, plane: Plane, step_mm: float) -> NDArray[np.bool_]:
    """The label itself on a plane, voxel edges and all: what distances are measured to. Shape (nv, nu)."""
    u, v = plane.axes(step_mm)
    values = np.zeros((len(v), len(u)), bool)
    part = _window(mask.grid, plane, u, v, 2.0 * step_mm)
    if part is not None:
        rows, columns = part
        seen = replace(plane, u_mm=(u[columns][0], u[columns][-1]), v_mm=(v[rows][0], v[rows][-1]))
        values[rows, columns] = sampled(mask, seen, step_mm, order=0, outside=0.0) > 0.5
    return values


def _window(grid: Grid, plane: Plane, u: FloatArray, v: FloatArray, pad_mm: float) -> tuple[slice, slice] | None:
    """Rows and columns of a plane that a grid can reach, at least two each; None where it does not touch the plane."""
    cu, cv, distance = plane.project(_corners(grid))
    if distance.min() > 0.0 or distance.max() < 0.0:
        return None
    parts = []
    for axis, reach in ((v, cv), (u, cu)):
        low = int(np.searchsorted(axis, reach.min() - pad_mm))
        high = int(np.searchsorted(axis, reach.max() + pad_mm))
        low, high = max(low - 1, 0), min(high + 1, len(axis))
        if high - low < 2:
            return None
        parts.append(slice(low, high))
    return parts[0], parts[1]


@functools.lru_cache(maxsize=1024)
def _corners(grid: Grid) -> FloatArray:
    """RAS corners of a grid's outer faces, shape (8, 3); kept: every plane asks for those of every structure."""
    ends = ((-0.5, n - 0.5) for n in grid.shape)
    return grid.world(np.stack(np.meshgrid(*ends, indexing="ij"), -1).reshape(-1, 3))
