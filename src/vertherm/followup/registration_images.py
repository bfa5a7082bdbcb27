"""Images as the registration reads them: clipped, smoothed, with gradient and with what must not be read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.imaging.no_data import find_no_data

Bool = NDArray[np.bool_]
BONE_WINDOW_HU = (-150.0, 1200.0)
"""Clipped to it: gas says nothing about a vertebra, and cement or metal must not pull."""
CEMENT_HU = 1300.0
"""Above any bone at the voxel sizes of clinical CT: cement, metal, enamel."""
BLOOMING_MM = 3.0
"""Kept away from cement and metal: partial volume and beam hardening."""


@dataclass(frozen=True, eq=False)
class Image:
    """A crop of an image, smoothed, ready to be read at points.

    Args:
        grid: of the crop.
        values: (ni, nj, nk) coefficients of its cubic spline.
        slope: (3, ni, nj, nk) gradient per mm along R, A, S.
        usable: False where there is no data, cement, metal, or their surroundings.
        covered: False where there is no data.
    """

    grid: Grid
    values: NDArray[np.float32]
    slope: NDArray[np.float32]
    usable: Bool
    covered: Bool

    def inside(self, points_mm: FloatArray) -> tuple[Bool, Bool]:
        """Which of (n, 3) RAS points the image covers, and at which it may be compared."""
        index = np.rint(self.grid.index(points_mm)).astype(int)
        last = np.array(self.grid.shape) - 1
        within = ((index >= 0) & (index <= last)).all(axis=1)
        at = tuple(np.clip(index, 0, last).T)
        return within & self.covered[at], within & self.usable[at]

    def read(self, points_mm: FloatArray) -> NDArray[np.float64]:
        """Values at (n, 3) RAS points: (n,)."""
        return _read(self.values, self._index(points_mm), 3)

    def gradient(self, points_mm: FloatArray) -> FloatArray:
        """Gradient per mm at (n, 3) RAS points: (n, 3)."""
        index = self._index(points_mm)
        return np.stack([_read(part, index, 1) for part in self.slope], axis=1)

    def _index(self, points_mm: FloatArray) -> FloatArray:
        return np.ascontiguousarray(self.grid.index(points_mm).T)


def _read(values: NDArray[np.float32], index: FloatArray, order: int) -> NDArray[np.float64]:
    from scipy.ndimage import map_coordinates

    out = np.empty(index.shape[1])
    map_coordinates(values, index, out, order, "nearest", prefilter=False)  # type: ignore[call-overload]
    return out


def cropped(volume: Volume, lower_mm: FloatArray, upper_mm: FloatArray) -> Volume | None:
    """The part of a volume that holds a box of its world; None where they do not meet in 4 voxels an axis."""
    corners = np.stack(np.meshgrid(*zip(lower_mm, upper_mm, strict=True), indexing="ij"), -1).reshape(-1, 3)
    index = volume.grid.index(corners)
    first = np.clip(np.floor(index.min(axis=0)).astype(int), 0, None)
    last = np.minimum(np.ceil(index.max(axis=0)).astype(int) + 1, volume.grid.shape)
    if (last - first < 4).any():
        return None
    affine = np.array(volume.grid.affine)
    affine[:3, 3] = volume.grid.world(first)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    data = volume.data[i, j, k]
    return Volume(data, Grid((data.shape[0], data.shape[1], data.shape[2]), affine, volume.grid.frame), volume.source)


def image(volume: Volume, smoothing_mm: float, window: tuple[float, float] | None = BONE_WINDOW_HU) -> Image:
    """A volume as :class:`Image`.

    Args:
        volume: HU, or the intensities of an MR.
        smoothing_mm: standard deviation of the Gaussian, the same in both images of a pair: it hides the difference
            between their kernels and keeps the interpolation from sharpening at the voxels of either grid.
        window: intensities are clipped to it; None: an MR, nothing is clipped and nothing taken for cement.
    """
    from scipy.ndimage import binary_dilation, gaussian_filter, spline_filter

    grid = volume.grid
    missing = no_data(volume, window)
    data = np.nan_to_num(volume.data.astype(np.float32), nan=0.0)
    odd = missing | (data > CEMENT_HU) if window is not None else missing
    data = np.clip(data, *window) if window is not None else data
    sigma = smoothing_mm / grid.spacing_mm
    smooth = np.asarray(gaussian_filter(data, sigma, mode="nearest", truncate=3.0), np.float32)
    reach = np.ceil(np.maximum(BLOOMING_MM, smoothing_mm) / grid.spacing_mm).astype(int)
    usable = ~binary_dilation(odd, _ball(reach)) if odd.any() else ~odd
    back = np.linalg.inv(grid.affine[:3, :3])
    slope = np.einsum("ba,bijk->aijk", back, np.asarray(np.gradient(smooth))).astype(np.float32)
    values = np.asarray(spline_filter(smooth, 3, np.float32, "nearest"))
    return Image(grid, values, slope, usable, ~missing)


def no_data(volume: Volume, window: tuple[float, float] | None = BONE_WINDOW_HU) -> Bool:
    """Voxels that hold no measurement: not numbers, or (CT) padding outside the field of view."""
    bad = ~np.isfinite(volume.data)
    if window is None:
        return bad
    return bad | find_no_data(np.nan_to_num(volume.data.astype(np.float32), nan=-9999.0))


def _ball(radius: NDArray[np.int_]) -> Bool:
    axes = np.meshgrid(*(np.arange(-r, r + 1) / max(r, 1) for r in radius), indexing="ij")
    return np.asarray(sum(a**2 for a in axes) <= 1.0 + 1e-9)
