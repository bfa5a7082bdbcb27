"""Between the patient's cells and the antenna's half plane: mean medium in, power density out.

The antenna sees the azimuthal mean of the patient around the needle; the patient gets |E(r, z)|^2 weighted with the
local conductivity and renormalised to the absorbed power. What that cannot do: the field does not
bend around a structure beside the needle (local SAR there can be 2-3 times off), and structure around the needle finer
than a cell is not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.axisymmetric import AxisymmetricSolution
from vertherm.applicator.medium import Gridded, bilinear, interval_weights
from vertherm.core.errors import InputError, SolverError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid

Array = NDArray[np.float64]
SUB_SPACING_MM = 0.25
NEAR_CELLS = 4.0
"""Cells closer than this many spacings to the shaft are averaged over sub-points: |E|^2 falls like 1/r^2 there."""


@dataclass(frozen=True, eq=False)
class _Points:
    """Points at which |E|^2 is taken: r, z in m, the flat cell each belongs to, and its share of the cell."""

    r: NDArray[np.float32]
    z: NDArray[np.float32]
    cell: NDArray[np.int32]
    share: float


@dataclass(frozen=True, eq=False)
class Deposited:
    """Power density in the patient.

    Attributes:
        q: (nx, ny, nz) W/m^3 per W forward, float32.
        absorbed_w: sum of q times the cell volume, per W forward.
        captured_share: share of the solution's absorbed power that lies inside the grid.
        correction: factor of the renormalisation; far from 1 where the patient is far from its azimuthal mean.
    """

    q: NDArray[np.float32]
    absorbed_w: float
    captured_share: float
    correction: float


class Deposition:
    """Weights between one grid and one needle; make it once, use it for every solution.

    Args:
        grid: the heat grid (isotropic).
        trajectory: the needle.
        shaft_radius_mm: tissue closer to the axis than this above the tip is the applicator itself: no power there.
        reach_mm: radius of the antenna's computing domain.
        axial_mm: its extent along the needle, from the tip.
        outline_mm: the applicator's outer radius as a function of z (``Antenna.outer_radius_mm``); default a blunt
            cylinder of ``shaft_radius_mm``. A conical tip matters: the field is strongest beside it.
    """

    def __init__(
        self,
        grid: Grid,
        trajectory: Trajectory,
        shaft_radius_mm: float,
        *,
        reach_mm: float = 50.0,
        axial_mm: tuple[float, float] = (-45.0, 60.0),
        outline_mm: Callable[[Array], Array] | None = None,
    ) -> None:
        spacing = grid.spacing_mm
        if np.ptp(spacing) > 1e-3 * spacing.mean():
            raise InputError("The deposition needs cubic cells.", got=spacing.tolist(), expected="equal spacings")
        self.grid, self.trajectory, self.shaft_radius_mm = grid, trajectory, float(shaft_radius_mm)
        self.reach_mm, self.axial_mm, self._outline = float(reach_mm), axial_mm, outline_mm or self._cylinder
        self.spacing_mm = float(spacing.mean())
        self._size = int(np.prod(grid.shape))
        self._frame = (*_across(trajectory.axis), trajectory.axis)
        self._cell_m3 = grid.voxel_volume_ml * 1e-6
        self._far, self._near = self._points()
        self._bin_geometry()
        self._lines: tuple[Array, Array] | None = None
        self._weights: list[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]] = []
        self._coverage: Array = np.zeros((0, 0))

    def _cylinder(self, z_mm: Array) -> Array:
        return np.where(z_mm >= 0, self.shaft_radius_mm, 0.0)

    # ---- geometry -------------------------------------------------------------------------------------------------
    def _components(self) -> tuple[Array, Array, Array]:
        """Every cell centre in mm across the needle, twice, and along it; sums of outer products, no (n, 3) array."""
        i, j, k = (np.arange(n, dtype=float) for n in self.grid.shape)
        affine, tip = self.grid.affine, self.trajectory.tip_mm

        def component(direction: Array) -> Array:
            start = float((affine[:3, 3] - tip) @ direction)
            steps = affine[:3, :3].T @ direction
            return np.asarray(
                start + (i * steps[0])[:, None, None] + (j * steps[1])[None, :, None] + (k * steps[2])[None, None, :]
            )

        one, two, along = self._frame
        return component(one), component(two), component(along)

    def _points(self) -> tuple[_Points, _Points]:
        one, two, z = self._components()
        r = np.hypot(one, two)
        margin = self.spacing_mm
        inside = (r < self.reach_mm) & (z > self.axial_mm[0]) & (z < self.axial_mm[1])
        limit = self.shaft_radius_mm + NEAR_CELLS * self.spacing_mm
        near = (r < limit) & (z > self.axial_mm[0] - margin) & (z < self.axial_mm[1] + margin)
        far_cells = np.flatnonzero(inside & ~near)
        far = _Points(
            (r.ravel()[far_cells] * 1e-3).astype(np.float32),
            (z.ravel()[far_cells] * 1e-3).astype(np.float32),
            far_cells.astype(np.int32),
            1.0,
        )
        return far, self._sub_points(np.flatnonzero(near), np.stack([one[near], two[near], z[near]], axis=1))

    def _sub_points(self, cells: NDArray[np.intp], centres_mm: Array) -> _Points:
        """Sub-points of the cells near the axis, without those inside the applicator or beyond the domain.

        ``centres_mm`` (cells, 3) are the cells' centres across the needle and along it.
        """
        from vertherm.applicator.deposition_kernels import sub_points

        offsets = self._sub_offsets() @ self.grid.affine[:3, :3].T @ np.stack(self._frame, axis=1)
        r, z = np.empty((2, len(cells), len(offsets)))
        tissue = np.empty(r.shape, dtype=np.bool_)
        sub_points(centres_mm, offsets, *self.axial_mm, r, z, tissue)
        close = np.nonzero(tissue & (r <= self._widest_mm()))
        tissue[close] = r[close] > self._outline(z[close])
        cell = np.repeat(cells.astype(np.int32), np.count_nonzero(tissue, axis=1))
        self._near_cells, self._near_tissue = cells, tissue
        return _Points(
            (r[tissue] * 1e-3).astype(np.float32), (z[tissue] * 1e-3).astype(np.float32), cell, 1.0 / len(offsets)
        )

    def _widest_mm(self) -> float:
        """Bound on the outline: the widest of its samples and some more for what lies between them."""
        return float(self._outline(np.arange(*self.axial_mm, 0.1)).max()) + 0.5

    def _sub_offsets(self) -> Array:
        """(sub-points, 3) places of a cell's sub-points, in cells from its centre."""
        count = int(np.clip(np.ceil(self.spacing_mm / SUB_SPACING_MM), 4, 8))
        steps = (np.arange(count) + 0.5) / count - 0.5
        return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)

    # ---- patient -> antenna ---------------------------------------------------------------------------------------
    def _bin_geometry(self) -> None:
        """Bins one cell wide in r and z, and the bin of every point."""
        width = self.spacing_mm
        nr = int(np.ceil(self.reach_mm / width))
        nz = int(np.ceil((self.axial_mm[1] - self.axial_mm[0]) / width))
        self._bin_r_m: Array = np.asarray((np.arange(nr) + 0.5) * width * 1e-3, dtype=np.float64)
        along = self.axial_mm[0] + (np.arange(nz) + 0.5) * width
        self._bin_z_m: Array = np.asarray(along * 1e-3, dtype=np.float64)

        def number(points: _Points) -> NDArray[np.int32]:
            i = np.clip((points.r * 1e3 / width).astype(np.int32), 0, nr - 1)
            j = np.clip(((points.z * 1e3 - self.axial_mm[0]) / width).astype(np.int32), 0, nz - 1)
            return np.asarray(i * nz + j, dtype=np.int32)

        self._bins = (number(self._far), number(self._near))

    def azimuthal_mean(self, eps_cells: Any, sigma_cells: Any) -> Gridded:
        """Volume mean around the needle of permittivity and conductivity, on bins one cell wide.

        Bins without patient (beyond the grid) take the nearest bin's values. The mean is arithmetic: right for the
        field along the needle, too high across thin layers.

        Args:
            eps_cells: (nx, ny, nz) relative permittivity.
            sigma_cells: (nx, ny, nz) conductivity in S/m.
        """
        from scipy.ndimage import distance_transform_edt

        from vertherm.applicator.deposition_kernels import add_to_bins

        eps, sigma = self._flat(eps_cells, "eps_cells"), self._flat(sigma_cells, "sigma_cells")
        shape = (self._bin_r_m.size, self._bin_z_m.size)
        sums = np.zeros((shape[0] * shape[1], 3))
        for bins, points in zip(self._bins, (self._far, self._near), strict=True):
            add_to_bins(bins, points.cell, points.share, eps, sigma, sums)
        filled = sums[:, 0] > 0
        if not filled.any():
            raise InputError("The needle's surroundings lie outside the grid.", where="azimuthal_mean")
        mean = np.zeros((sums.shape[0], 2))
        mean[filled] = sums[filled, 1:] / sums[filled, :1]
        nearest = distance_transform_edt(~filled.reshape(shape), return_distances=False, return_indices=True)
        eps_mean, sigma_mean = (mean[:, n].reshape(shape)[tuple(nearest)] for n in (0, 1))
        # float32 cells of air may come out a rounding below 1.
        return Gridded(self._bin_r_m, self._bin_z_m, np.maximum(eps_mean, 1.0), np.maximum(sigma_mean, 0.0))

    def _flat(self, cells: Any, where: str) -> NDArray[np.float32]:
        array = np.ascontiguousarray(cells, dtype=np.float32)
        if array.shape != self.grid.shape:
            raise InputError("Cell values do not fit the grid.", where=where, got=array.shape, expected=self.grid.shape)
        return array.ravel()

    # ---- antenna -> patient ---------------------------------------------------------------------------------------
    def power_density(self, solution: AxisymmetricSolution, sigma_cells: Any) -> NDArray[np.float32]:
        """Heat source in W/m^3 per W forward, (nx, ny, nz); :meth:`deposit` tells the captured share as well."""
        return self.deposit(solution, sigma_cells).q

    def deposit(self, solution: AxisymmetricSolution, sigma_cells: Any) -> Deposited:
        """Spread a solution's absorbed power over the cells: q = 0.5 sigma |E|^2, scaled to the power inside the grid.

        Args:
            solution: from :class:`AxisymmetricModel`.
            sigma_cells: (nx, ny, nz) conductivity in S/m.

        Raises:
            SolverError: no conducting cell is reached although power is absorbed inside the grid.
        """
        from vertherm.applicator.deposition_kernels import add_weighted_e2

        sigma = self._flat(sigma_cells, "sigma_cells")
        self._prepare(solution)
        table = np.ascontiguousarray(filled_inside(solution.e2, solution.tissue), dtype=np.float32)
        q = np.zeros(self._size, dtype=np.float32)
        for (corner, a, b), points in zip(self._weights, (self._far, self._near), strict=True):
            add_weighted_e2(table, corner, a, b, points.cell, np.float32(points.share), sigma, q)
        raw_w = float(q.sum(dtype=np.float64)) * self._cell_m3
        share = self.captured_share(solution)
        target_w = solution.absorbed_w * share
        if raw_w <= 0.0 < target_w:
            raise SolverError(
                "The antenna heats no cell of the grid.",
                where="deposition",
                got=f"{target_w:.3g} W to place, no conducting cell in reach",
                advice="check that the needle lies in tissue and the conductivity is not zero",
            )
        correction = target_w / raw_w if raw_w > 0 else 1.0
        q *= np.float32(correction)
        return Deposited(q.reshape(self.grid.shape), target_w, share, correction)

    def vector_field(self, solution: AxisymmetricSolution) -> NDArray[np.complex64]:
        """Mean phasor of the electric field in every cell, RAS components, per sqrt(watt forward): complex64 (n, 3).

        n cells in C order. Cells near the shaft take the volume mean over the same sub-points as the power density, 0
        where a sub-point lies in the applicator; not renormalised. 24 bytes a cell.
        """
        from vertherm.applicator.deposition_kernels import add_vector_field

        self._prepare(solution)
        e_r, e_z = (np.ascontiguousarray(filled_inside(part, solution.tissue)) for part in (solution.e_r, solution.e_z))
        out = np.zeros((self._size, 3), dtype=np.complex64)
        axis = self.trajectory.axis.astype(np.float32)
        for (corner, a, b), points, radial in zip(self._weights, (self._far, self._near), self._radial(), strict=True):
            add_vector_field(e_r, e_z, corner, a, b, points.cell, np.float32(points.share), radial, axis, out)
        return out

    def _radial(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Unit vectors away from the axis at the far and near points, RAS; made when needed: 12 bytes a point."""
        index = np.stack(np.unravel_index(self._far.cell, self.grid.shape), axis=-1)
        near = np.stack(np.unravel_index(self._near_cells, self.grid.shape), axis=-1)
        fine = self.grid.world(near[:, None, :] + self._sub_offsets())
        worlds = (self.grid.world(index), fine[self._near_tissue])
        tip, axis = self.trajectory.tip_mm, self.trajectory.axis
        found = []
        for world in worlds:
            offset = world - tip
            offset -= (offset @ axis)[:, None] * axis
            offset /= np.maximum(np.linalg.norm(offset, axis=1), 1e-12)[:, None]
            found.append(offset.astype(np.float32))
        return found[0], found[1]

    def captured_share(self, solution: AxisymmetricSolution) -> float:
        """Share of the solution's absorbed power that lies inside the grid (1 where the grid holds all of it)."""
        self._prepare(solution)
        r, z = solution.r_m, solution.z_m
        density = solution.q.astype(np.float64) * (2 * np.pi * r[:, None])
        total = np.trapezoid(np.trapezoid(density, r, axis=0), z)
        inside = np.trapezoid(np.trapezoid(density * self._coverage, r, axis=0), z)
        return float(inside / total) if total > 0 else 1.0

    def _prepare(self, solution: AxisymmetricSolution) -> None:
        """Interpolation weights for the solution's sample lines, kept until the lines change."""
        lines = (solution.r_m, solution.z_m)
        if self._lines is not None and all(np.array_equal(a, b) for a, b in zip(self._lines, lines, strict=True)):
            return
        from vertherm.applicator.deposition_kernels import corners

        self._weights = []
        first = [_first_guess(values) for values in lines]
        for points in (self._far, self._near):
            corner = np.empty(points.r.size, dtype=np.int32)
            a, b = np.empty((2, points.r.size), dtype=np.float32)
            corners(points.r, points.z, *lines, *first, corner, a, b)
            self._weights.append((corner, a, b))
        self._coverage = self._inside_share(*lines)
        self._lines = lines

    def _inside_share(self, r_m: Array, z_m: Array) -> Array:
        """Share of each ring (r, z) that lies inside the grid, from 48 points a ring on a 2 mm raster."""
        # Not at r = 0, where all points of the ring coincide and a needle in the grid's face would count as inside.
        coarse_r = np.maximum(np.arange(0.0, r_m[-1] * 1e3 + 2.0, 2.0), 0.1)
        coarse_z = np.arange(z_m[0] * 1e3, z_m[-1] * 1e3 + 2.0, 2.0)
        one, two, _ = self._frame
        angle = (np.arange(48) + 0.5) * 2 * np.pi / 48
        ring = np.cos(angle)[:, None] * one + np.sin(angle)[:, None] * two
        points = self.trajectory.point_mm(coarse_z)[None, :, None, :] + coarse_r[:, None, None, None] * ring
        share = self.grid.contains(points).mean(axis=-1)
        i, a = interval_weights(coarse_r * 1e-3, r_m)
        j, b = interval_weights(coarse_z * 1e-3, z_m)
        return bilinear(share, i[:, None], a[:, None], j[None, :], b[None, :])


def _first_guess(lines: Array) -> NDArray[np.int32]:
    """Interval of ``lines`` at which each of evenly spread bins begins: where a search starts."""
    starts = np.linspace(lines[0], lines[-1], 16 * lines.size + 1)[:-1]
    return interval_weights(lines, starts)[0].astype(np.int32)


def filled_inside(values: NDArray[Any], tissue: NDArray[np.bool_]) -> NDArray[Any]:
    """Samples (nr, nz) with the applicator's inside filled from the tissue next to it: interpolation sees no step."""
    first = np.argmax(tissue, axis=0)
    rows = np.maximum(np.arange(values.shape[0])[:, None], first[None, :])
    return values[rows, np.arange(values.shape[1])[None, :]]


def _across(axis: Array) -> tuple[Array, Array]:
    """Two unit vectors that complete ``axis`` to a right-handed frame."""
    one = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
    one /= np.linalg.norm(one)
    return one, np.cross(axis, one)
