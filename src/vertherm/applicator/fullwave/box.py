"""The fine cubic grid of the full wave: where its nodes lie, and how it subdivides the cells of the heat grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class FineBox:
    """A block of heat cells cut into ``ratio``^3 fine cells each, inside ``layers`` absorbing cells on every side.

    Fine axes run along the heat grid's array axes, whatever their direction; a left-handed grid is treated as its
    mirror image, in which Maxwell's equations keep their form.

    Attributes:
        grid: the heat grid.
        ratio: fine cells along a heat cell.
        first, count: (3,) first heat cell and number of heat cells inside the absorbing layers.
        layers: absorbing cells on every side, outside the block.
    """

    grid: Grid
    ratio: int
    first: tuple[int, int, int]
    count: tuple[int, int, int]
    layers: int

    @staticmethod
    def around(grid: Grid, centre_mm: Array, *, spacing_mm: float, reach_mm: float, layers: int) -> FineBox:
        """The cube of ``reach_mm`` to every side of a point, snapped to heat cells and clipped to the heat grid.

        Raises:
            InputError: cells are not cubes, the spacing does not fit, or the cube misses the grid.
        """
        heat = float(grid.spacing_mm.mean())
        directions = grid.affine[:3, :3] / heat
        if not np.allclose(directions.T @ directions, np.eye(3), atol=1e-3):
            raise InputError(
                "The full wave needs cubic cells.", got=grid.spacing_mm.tolist(), expected="equal spacings, square axes"
            )
        if not 0.0 < spacing_mm <= heat * 1.001:
            raise InputError(
                "The full wave's cells do not fit into those of the heat grid.",
                where="spacing_mm",
                got=spacing_mm,
                expected=f"above 0, up to {heat:g} mm",
            )
        if not reach_mm >= 4 * heat or layers < 4:
            raise InputError(
                "The full wave's domain is too small.",
                got=f"reach {reach_mm} mm, {layers} absorbing layers",
                expected=f"at least {4 * heat:g} mm and 4 layers",
            )
        middle = grid.index(centre_mm)
        lower = np.floor(middle - reach_mm / heat + 0.5 + 1e-6).astype(int)
        upper = np.ceil(middle + reach_mm / heat + 0.5 - 1e-6).astype(int)
        lower, upper = np.maximum(lower, 0), np.minimum(upper, np.array(grid.shape))
        if (upper - lower < 4).any():
            raise InputError(
                "The antenna's radiating part lies outside the heat grid.",
                where="full wave",
                got=np.round(np.asarray(centre_mm), 1).tolist(),
                expected=f"a point at least 4 cells inside {[np.round(b, 1).tolist() for b in grid.bounds()]}",
            )
        ratio = max(1, round(heat / spacing_mm))
        first, count = (tuple(int(n) for n in a) for a in (lower, upper - lower))
        return FineBox(grid, ratio, (first[0], first[1], first[2]), (count[0], count[1], count[2]), layers)

    @property
    def spacing_m(self) -> float:
        """Edge of a fine cell in metres."""
        return float(self.grid.spacing_mm.mean()) * 1e-3 / self.ratio

    @property
    def inner(self) -> tuple[int, int, int]:
        """Fine cells inside the absorbing layers."""
        x, y, z = (n * self.ratio for n in self.count)
        return x, y, z

    @property
    def cells(self) -> tuple[int, int, int]:
        """Fine cells with the absorbing layers."""
        x, y, z = (n + 2 * self.layers for n in self.inner)
        return x, y, z

    @property
    def nodes(self) -> tuple[int, int, int]:
        """Shape of the field arrays: one more than cells."""
        x, y, z = (n + 1 for n in self.cells)
        return x, y, z

    @property
    def directions(self) -> Array:
        """(3, 3) columns: unit vectors of the axes in RAS."""
        return np.asarray(self.grid.affine[:3, :3] / self.grid.spacing_mm)

    @property
    def origin_mm(self) -> Array:
        """RAS position of node (0, 0, 0), the outermost corner of the absorbing layers."""
        return self.grid.world(np.array(self.first) - 0.5 - self.layers / self.ratio)

    @property
    def inside(self) -> tuple[slice, slice, slice]:
        """The block's cells in an array of all fine cells."""
        x, y, z = (slice(self.layers, self.layers + n) for n in self.inner)
        return x, y, z

    @property
    def heat_block(self) -> tuple[slice, slice, slice]:
        """The block's cells in an array of the heat grid."""
        x, y, z = (slice(a, a + n) for a, n in zip(self.first, self.count, strict=True))
        return x, y, z

    @property
    def fine_grid(self) -> Grid:
        """The block's fine cells as a grid of their own."""
        affine = self.grid.affine.copy()
        affine[:3, :3] /= self.ratio
        affine[:3, 3] = self.grid.world(np.array(self.first) - 0.5 + 0.5 / self.ratio)
        return Grid(self.inner, affine, self.grid.frame)

    def heat_cell_of(self) -> tuple[Indices, Indices, Indices]:
        """For every fine cell along each axis the heat cell it takes its values from; layers continue the edge."""
        found = []
        for first, count in zip(self.first, self.count, strict=True):
            fine = np.clip(np.arange(-self.layers, count * self.ratio + self.layers), 0, count * self.ratio - 1)
            found.append(first + fine // self.ratio)
        return found[0], found[1], found[2]

    def needle(self, trajectory: Trajectory) -> Needle:
        """The needle in the box's own frame."""
        to_box = self.directions.T
        return Needle(to_box @ (self.origin_mm - trajectory.tip_mm) * 1e-3, to_box @ trajectory.axis, self.spacing_m)


@dataclass(frozen=True, eq=False)
class Needle:
    """Where the needle lies in a box: ``origin`` is node (0, 0, 0) seen from the tip, ``axis`` the unit vector from
    tip to entry, both along the box's axes; metres."""

    origin: Array
    axis: Array
    spacing_m: float

    def cylindrical(self, index: Array) -> tuple[Array, Array]:
        """r and z in metres of points given in units of cells from node (0, 0, 0), shape (..., 3)."""
        offset = self.origin + self.spacing_m * np.asarray(index, float)
        z = offset @ self.axis
        return np.linalg.norm(offset - z[..., None] * self.axis, axis=-1), z
