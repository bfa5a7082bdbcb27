"""An antenna in a medium: S11, efficiency, power balance, |E|^2 and loss density on (r, z) lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import EPS_0, Antenna
from vertherm.applicator.medium import Medium
from vertherm.applicator.mesh import BASE_SIZE_MM, TISSUE, SectionMesh, antenna_mesh
from vertherm.applicator.tm import CoaxPort, TMField, TMSystem

Array = NDArray[np.float64]
SAMPLE_MM = 0.5
"""Spacing of the sample lines away from the antenna."""


@dataclass(frozen=True, eq=False)
class AxisymmetricSolution:
    """One solved antenna, everything per watt of forward power at the feed port (``forward_w`` = 1).

    Attributes:
        antenna, frequency_hz: what was solved.
        medium_key: hash of the medium.
        s11: complex voltage reflection at the feed port.
        forward_w, net_w: forward power, and forward minus reflected.
        absorbed_w: absorbed in the medium inside the computing domain.
        absorbed_dielectric_w: absorbed in the antenna's own dielectrics.
        radiated_w: leaving the computing domain.
        r_m, z_m: (nr,), (nz,) sample lines in metres, antenna frame.
        e2: (nr, nz) |E|^2 (peak phasor) in (V/m)^2; 0 inside the antenna.
        q: (nr, nz) loss density 0.5 sigma |E|^2 in W/m^3; 0 inside the antenna.
        e_r, e_z, h_phi: (nr, nz) complex64 peak phasors, exp(+j w t), in V/m and A/m; 0 inside the antenna. What the
            three-dimensional solve and antennas that fire in phase start from.
        tissue: (nr, nz) True where the sample point lies in the medium.
        wall_z_m: (nw + 1,) edges of the bins along the shaft, in metres.
        wall_loss_w_m: (nw,) power lost in all conductor surfaces per metre of shaft (perturbation, not in the balance).
        dof: number of unknowns.
    """

    antenna: str
    frequency_hz: float
    medium_key: str
    s11: complex
    forward_w: float
    net_w: float
    absorbed_w: float
    absorbed_dielectric_w: float
    radiated_w: float
    r_m: Array
    z_m: Array
    e2: NDArray[np.float32]
    q: NDArray[np.float32]
    e_r: NDArray[np.complex64]
    e_z: NDArray[np.complex64]
    h_phi: NDArray[np.complex64]
    tissue: NDArray[np.bool_]
    wall_z_m: Array
    wall_loss_w_m: Array
    dof: int

    @property
    def s11_db(self) -> float:
        """Return level 20 log10 |S11|."""
        return float(20 * np.log10(max(abs(self.s11), 1e-15)))

    @property
    def efficiency(self) -> float:
        """Share of the forward power that heats the medium."""
        return self.absorbed_w / self.forward_w

    @property
    def balance(self) -> float:
        """(absorbed + dielectric + radiated) / net - 1. Necessary, not sufficient: a locked mesh passes it too."""
        return (self.absorbed_w + self.absorbed_dielectric_w + self.radiated_w) / self.net_w - 1.0

    @property
    def wall_loss_w(self) -> float:
        """All conductor loss inside the computing domain."""
        return float((self.wall_loss_w_m * np.diff(self.wall_z_m)).sum())


class AxisymmetricModel:
    """Mesh and element matrices of one antenna at one frequency; :meth:`solve` changes only the medium.

    Args:
        antenna: the catalogue entry.
        frequency_hz: one of its frequencies.
        radius_mm, below_mm, above_mm: the computing domain, from the tip; the port lies at ``above_mm``.
        mesh_size_mm: element size at conductor edges; all other sizes scale with it.
        order: polynomial order of the elements (2; 1 is too coarse for SAR).
        fit_radii_mm, fit_z_mm: further lines the mesh shall follow (layers of the medium).

    Raises:
        InputError: frequency not catalogued, or the domain too small for the antenna.
    """

    def __init__(
        self,
        antenna: Antenna,
        frequency_hz: float,
        *,
        radius_mm: float = 50.0,
        below_mm: float = 45.0,
        above_mm: float = 60.0,
        mesh_size_mm: float = BASE_SIZE_MM,
        order: int = 2,
        fit_radii_mm: tuple[float, ...] = (),
        fit_z_mm: tuple[float, ...] = (),
    ) -> None:
        import skfem

        antenna.check_frequency(frequency_hz)
        self.antenna, self.frequency_hz = antenna, float(frequency_hz)
        self.domain_mm = (float(radius_mm), float(below_mm), float(above_mm))
        self.settings = repr((self.domain_mm, float(mesh_size_mm), order, tuple(fit_radii_mm), tuple(fit_z_mm)))
        self.section: SectionMesh = antenna_mesh(
            antenna,
            radius_mm=radius_mm,
            below_mm=below_mm,
            above_mm=above_mm,
            mesh_size_mm=mesh_size_mm,
            fit_radii_mm=fit_radii_mm,
            fit_z_mm=fit_z_mm,
        )
        mesh = skfem.MeshTri(self.section.points, self.section.triangles)
        fixed = [antenna.materials[p.material] for p in antenna.parts]
        eps = np.array([np.nan if m.metal else m.eps_c for m in fixed] + [np.nan], dtype=complex)
        port, open_facets, self._walls = self._boundaries(mesh)
        self.system = TMSystem(mesh, frequency_hz, eps[self.section.part], open_facets, port, order=order)
        self._prepare_samples()
        self._prepare_walls(mesh)

    @property
    def dof(self) -> int:
        """Number of unknowns."""
        return int(self.system.free.size)

    def solve(self, medium: Medium) -> AxisymmetricSolution:
        """Solve for one watt forward in ``medium`` (called with r, z in metres, antenna frame).

        Raises:
            SolverError: the field is not finite.
        """
        field = self.system.solve(medium)
        samples = self._sample(field, medium)
        return AxisymmetricSolution(
            antenna=self.antenna.name,
            frequency_hz=self.frequency_hz,
            medium_key=medium.key,
            s11=field.s11,
            forward_w=1.0,
            net_w=field.net_w,
            absorbed_w=field.medium_w,
            absorbed_dielectric_w=field.fixed_w,
            radiated_w=field.open_w,
            r_m=self.sample_r_m,
            z_m=self.sample_z_m,
            **samples,
            tissue=self.sample_tissue,
            wall_z_m=self.wall_z_m,
            wall_loss_w_m=self._wall_loss(field),
            dof=self.dof,
        )

    # ---- boundaries -----------------------------------------------------------------------------------------------
    def _boundaries(self, mesh: Any) -> tuple[CoaxPort, NDArray[np.int64], NDArray[np.int64]]:
        """The port, the facets of the absorbing boundary, and the metal walls."""
        port = self.antenna.port
        inner, outer = port.inner_radius_mm * 1e-3, port.outer_radius_mm * 1e-3
        facets = np.asarray(mesh.boundary_facets())
        r, z = mesh.p[:, mesh.facets[:, facets]].mean(axis=1)
        radius, below, above = (x * 1e-3 for x in self.domain_mm)
        tolerance = 1e-9
        at_top = np.abs(z - above) < tolerance
        in_port = at_top & (r > inner) & (r < outer)
        is_open = (at_top & ~in_port) | (np.abs(z + below) < tolerance) | (np.abs(r - radius) < tolerance)
        is_wall = ~in_port & ~is_open & (r > tolerance)
        eps = self.antenna.materials[port.dielectric].eps_c.real
        return CoaxPort(facets[in_port], eps), facets[is_open], facets[is_wall]

    def _prepare_walls(self, mesh: Any) -> None:
        """Surface resistance of every metal facet and its bin along the shaft."""
        import skfem

        # The singular field at metal edges makes this an estimate; the order of quadrature hardly matters.
        basis = skfem.FacetBasis(mesh, self.system.basis.elem, facets=self._walls, intorder=2 * self.system.order)
        points = np.asarray(basis.global_coordinates())
        behind = points + 1e-7 * np.asarray(basis.normals)
        part = self.antenna.part_at(behind[0] * 1e3, behind[1] * 1e3, self.domain_mm[2])
        by_part = [self.antenna.materials[p.material] for p in self.antenna.parts]
        resistance = np.array(
            [m.surface_resistance_ohm(self.frequency_hz) if m.metal else 0.0 for m in by_part] + [0.0]
        )
        values = np.stack([np.broadcast_to(np.asarray(f[0]), basis.dx.shape) for f in basis.basis])
        # 0.5 Rs |H|^2 2 pi r ds with H = u / r.
        self._wall_weight = np.pi * resistance[part] * basis.dx / points[0]
        self._wall_values, self._wall_dofs = values, np.asarray(basis.element_dofs)
        bins = int(np.ceil(self.domain_mm[2]))
        self.wall_z_m = np.linspace(0.0, self.domain_mm[2] * 1e-3, bins + 1)
        self._wall_bin = np.clip(np.searchsorted(self.wall_z_m, points[1], side="right") - 1, 0, bins - 1)

    def _wall_loss(self, field: TMField) -> Array:
        u = np.einsum("iep,ie->ep", self._wall_values, field.u[self._wall_dofs])
        power = np.bincount(
            self._wall_bin.ravel(), (self._wall_weight * np.abs(u) ** 2).ravel(), minlength=self.wall_z_m.size - 1
        )
        return np.asarray(power / np.diff(self.wall_z_m))

    # ---- sampling -------------------------------------------------------------------------------------------------
    def _prepare_samples(self) -> None:
        """Sample lines, and the sparse operators from u to its gradient and its value on them."""
        from scipy.sparse import csr_matrix

        radius, below, above = self.domain_mm
        self.sample_r_m = _sample_radii(self.antenna.shaft_radius_mm, radius) * 1e-3
        active = max(z for part in self.antenna.parts for _, z in part.corners_mm if np.isfinite(z))
        self.sample_z_m = _sample_heights(below, above, active) * 1e-3
        r, z = (a.ravel() for a in np.meshgrid(self.sample_r_m, self.sample_z_m, indexing="ij"))
        triangle = self.section.locate(r, z)
        inside = triangle >= 0
        tissue = np.zeros(r.size, dtype=bool)
        tissue[inside] = self.section.part[triangle[inside]] == TISSUE
        self._sampled = np.flatnonzero(tissue)
        self.sample_tissue: NDArray[np.bool_] = tissue.reshape(self.sample_r_m.size, self.sample_z_m.size)
        cells = triangle[self._sampled]
        self._sample_r, self._sample_z = r[self._sampled], z[self._sampled]
        basis = self.system.basis
        local = basis.mapping.invF(np.stack([self._sample_r, self._sample_z])[:, :, None], tind=cells)
        functions = [basis.elem.gbasis(basis.mapping, local, i, tind=cells)[0] for i in range(basis.Nbfun)]
        rows = np.tile(np.arange(cells.size), basis.Nbfun)
        columns = np.asarray(basis.element_dofs)[:, cells].ravel()

        def operator(parts: list[Array]) -> Any:
            return csr_matrix((np.concatenate(parts), (rows, columns)), shape=(cells.size, basis.N))

        self._gradient = [operator([np.asarray(f.grad)[d, :, 0] for f in functions]) for d in (0, 1)]
        self._value = operator([np.broadcast_to(np.asarray(f), (cells.size, 1))[:, 0] for f in functions])

    def _sample(self, field: TMField, medium: Medium) -> dict[str, NDArray[Any]]:
        """Fields on the sample lines: E = curl H / (j w eps) with r H_phi = u."""
        eps, sigma = medium(self._sample_r, self._sample_z)
        complex_eps = self.system.complex_eps(eps, sigma)
        by_r, by_z = (operator @ field.u for operator in self._gradient)
        per_gradient = 1.0 / (1j * self.system.omega * EPS_0 * complex_eps * self._sample_r)
        e_r, e_z = -per_gradient * by_z, per_gradient * by_r
        e2 = np.abs(e_r) ** 2 + np.abs(e_z) ** 2
        # Single precision here, not only on disk: a stored solution must equal a fresh one bit by bit.
        return {
            "e2": self._on_lines(e2, np.float32),
            "q": self._on_lines(0.5 * sigma * e2, np.float32),
            "e_r": self._on_lines(e_r, np.complex64),
            "e_z": self._on_lines(e_z, np.complex64),
            "h_phi": self._on_lines((self._value @ field.u) / self._sample_r, np.complex64),
        }

    def _on_lines(self, values: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
        """(nr, nz) array of ``kind`` that holds ``values`` at the samples in the medium and 0 inside the antenna."""
        out = np.zeros(self.sample_tissue.size, dtype=kind)
        out[self._sampled] = values
        return out.reshape(self.sample_tissue.shape)


def _sample_heights(below_mm: float, above_mm: float, active_mm: float) -> Array:
    """Positions in mm along the needle: half the usual spacing around the antenna's structured part."""
    breaks = [-below_mm, max(-4.0, -below_mm), min(active_mm + 4.0, above_mm), above_mm]
    pieces = []
    for lower, upper, spacing in zip(breaks, breaks[1:], (SAMPLE_MM, SAMPLE_MM / 2, SAMPLE_MM), strict=False):
        count = round((upper - lower) / spacing)
        pieces.append(lower + (np.arange(count) + 0.5) * (upper - lower) / max(count, 1))
    return np.concatenate(pieces)


def _sample_radii(shaft_mm: float, radius_mm: float) -> Array:
    """Radii in mm: a few within the shaft's radius (for below the tip), then outwards in steps from 0.05 to 0.5."""
    inside = np.linspace(0.05 * shaft_mm, 0.95 * shaft_mm, 6)
    outside = [shaft_mm + 1e-3]
    while outside[-1] < radius_mm:
        outside.append(outside[-1] + min(SAMPLE_MM, 0.05 + 0.12 * (outside[-1] - shaft_mm)))
    return np.concatenate([inside, outside[:-1]])
