"""The one geometry type of the project: an array that carries its affine and its frame.

World coordinates are millimetres in RAS+ as in NIfTI: +x to the patient's right, +y anterior, +z superior.
Array axes are (i, j, k) in storage order, whatever that is; nothing may depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError

FloatArray = NDArray[np.float64]
LPS_RAS = np.diag([-1.0, -1.0, 1.0])
"""Turns an LPS point (DICOM, ITK) into RAS and back."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie: shape and affine (voxel index -> RAS mm, voxel centres at integers), and the frame.

    Args:
        shape: number of voxels along i, j, k.
        affine: (4, 4) float64, voxel index to RAS millimetres.
        frame: identity of the frame of reference (DICOM FrameOfReferenceUID); "" where the format has none (NIfTI).
    """

    shape: tuple[int, int, int]
    affine: FloatArray
    frame: str = ""

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise InputError(
                "The affine of a volume is unusable.", got=affine.tolist(), expected="finite, invertible 4x4"
            )
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @staticmethod
    def isotropic(lower_mm: FloatArray, upper_mm: FloatArray, spacing_mm: float, frame: str = "") -> Grid:
        """Axis-aligned RAS grid of cubic voxels whose outer faces enclose the box from ``lower_mm`` to ``upper_mm``."""
        lower, upper = np.asarray(lower_mm, float), np.asarray(upper_mm, float)
        shape = np.maximum(np.ceil((upper - lower) / spacing_mm - 1e-6), 1).astype(int)
        affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
        affine[:3, 3] = lower + 0.5 * spacing_mm
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine, frame)

    @property
    def spacing_mm(self) -> FloatArray:
        """Voxel edge lengths along i, j, k in mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def world(self, index: Any) -> FloatArray:
        """RAS mm of voxel indices, shape (..., 3) to (..., 3)."""
        return np.asarray(index, float) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def index(self, points_mm: Any) -> FloatArray:
        """Fractional voxel indices of RAS points, shape (..., 3) to (..., 3)."""
        inverse = np.linalg.inv(self.affine)
        return np.asarray(points_mm, float) @ inverse[:3, :3].T + inverse[:3, 3]

    def centres(self) -> FloatArray:
        """RAS mm of every voxel centre, shape (ni, nj, nk, 3)."""
        return self.world(np.stack(np.meshgrid(*(np.arange(n) for n in self.shape), indexing="ij"), axis=-1))

    def contains(self, points_mm: Any) -> NDArray[np.bool_]:
        """True where a point lies within the outer faces of the grid."""
        index = self.index(points_mm)
        return np.asarray(((index >= -0.5) & (index <= np.array(self.shape) - 0.5)).all(axis=-1))

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper RAS corner of the box around the outer faces."""
        corners = np.stack(np.meshgrid(*((-0.5, n - 0.5) for n in self.shape), indexing="ij"), -1).reshape(-1, 3)
        world = self.world(corners)
        return world.min(axis=0), world.max(axis=0)

    def same_as(self, other: Grid, tolerance_mm: float = 1e-3) -> bool:
        """True where both grids have their voxels at the same places (storage order included)."""
        return self.shape == other.shape and bool(np.allclose(self.affine, other.affine, atol=tolerance_mm))


@dataclass(frozen=True, eq=False)
class Volume:
    """An image or label map on a :class:`Grid`.

    Args:
        data: array of shape ``grid.shape`` (scalar voxels).
        grid: where the voxels lie.
        source: where it came from, for messages and provenance.
    """

    data: NDArray[Any]
    grid: Grid
    source: str = ""

    def __post_init__(self) -> None:
        if self.data.shape != self.grid.shape:
            raise InputError(
                "A volume's array does not fit its grid.",
                where=self.source,
                got=self.data.shape,
                expected=self.grid.shape,
            )

    def with_data(self, data: NDArray[Any], source: str | None = None) -> Volume:
        """The same grid with other voxels."""
        return replace(self, data=data, source=self.source if source is None else source)

    def sample(self, points_mm: Any, *, order: int = 1, outside: float = np.nan) -> NDArray[Any]:
        """Values at RAS points, shape (..., 3) to (...), interpolated with a spline of ``order`` (0 nearest, 1 linear).

        Points beyond the outermost voxel centres but within their faces take the edge value; beyond the faces,
        ``outside``.
        """
        return self._sampled(self._coefficients(order), points_mm, order, outside)

    def _coefficients(self, order: int) -> NDArray[Any]:
        """What the interpolation of ``order`` reads: made once, because a slab-wise resampling asks many times."""
        if order == 0:
            return self.data
        if order == 1:
            return self.data if self.data.dtype == np.float32 else self.data.astype(np.float32)
        from scipy.ndimage import spline_filter

        # scipy's stubs want a literal for the order.
        return np.asarray(spline_filter(self.data.astype(np.float64), order, np.float64, "nearest"))  # type: ignore[call-overload]

    def _sampled(self, coefficients: NDArray[Any], points_mm: Any, order: int, outside: float) -> NDArray[Any]:
        from scipy.ndimage import map_coordinates

        points = np.asarray(points_mm, float)
        # Flat list of points: scipy refuses a single one, shape (3,). One contiguous row an axis: half the time.
        index = np.ascontiguousarray(self.grid.index(points.reshape(-1, 3)).T)
        inside = np.ones(index.shape[1], bool)
        for along, n in zip(index, self.grid.shape, strict=True):
            inside &= (along >= -0.5) & (along <= n - 0.5)
            np.clip(along, 0, n - 1, out=along)
        if order == 0:
            values = coefficients[tuple(np.rint(index).astype(int))].astype(np.float64)
        else:
            values = np.empty(index.shape[1], np.float32)
            # "order" is a plain int here; scipy's stubs want a literal.
            map_coordinates(coefficients, index, values, order, "nearest", prefilter=False)  # type: ignore[call-overload]
        return np.where(inside, values, outside).reshape(points.shape[:-1])

    def resampled(self, grid: Grid, *, order: int = 1, outside: float = np.nan) -> Volume:
        """This volume on another grid of the same frame; same grid returns ``self``."""
        if grid.same_as(self.grid):
            return self
        coefficients = self._coefficients(order)
        points = (grid.world(_slab(grid.shape, i)) for i in range(grid.shape[0]))
        slabs = [self._sampled(coefficients, at, order, outside) for at in points]
        data = np.stack(slabs)
        if order == 0 and np.isfinite(data).all():
            data = data.astype(self.data.dtype)
        return Volume(data, grid, self.source)

    def canonical(self) -> Volume:
        """The same voxels stored so that i, j, k run as close to +R, +A, +S as possible (no interpolation)."""
        columns = self.grid.affine[:3, :3] / self.grid.spacing_mm
        from scipy.optimize import linear_sum_assignment

        world_axes, array_axes = linear_sum_assignment(-np.abs(columns))
        order = [int(array_axes[world_axes.tolist().index(w)]) for w in range(3)]
        affine = self.grid.affine.copy()
        data = self.data
        for axis in range(3):
            world_axis = order.index(axis)
            if columns[world_axis, axis] < 0:
                data = np.flip(data, axis)
                affine[:3, 3] += affine[:3, axis] * (self.grid.shape[axis] - 1)
                affine[:3, axis] *= -1
        affine[:, :3] = affine[:, order]
        data = np.transpose(data, order)
        shape = (data.shape[0], data.shape[1], data.shape[2])
        return Volume(data, Grid(shape, affine, self.grid.frame), self.source)


def _slab(shape: tuple[int, int, int], i: int) -> FloatArray:
    j, k = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    return np.stack([np.full(j.shape, i), j, k], axis=-1).astype(float)
