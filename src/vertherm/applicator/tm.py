"""Axisymmetric TM finite elements in u = r * H_phi: assembly with reusable element matrices, solve, powers.

With H_phi itself as unknown a coaxial line locks (own prototype runs); u is constant in a TEM line, hence
exact. Weak form, exp(+j w t), peak phasors, e = eps_r - j sigma / (w eps0):

    int (1/e grad u . grad v - k0^2 u v) / r  +  j k0 int_port u v / (sqrt(e) r)  +  j k0 int_open u v / (sqrt(e) r)
        = 2 j k0 int_port u_inc v / (sqrt(e) r),          u_inc = I0 / (2 pi)

Metal is absent from the mesh (natural condition = perfect conductor), u = 0 on the axis, "open" is the first-order
absorbing condition with the local medium.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import EPS_0, LIGHT_M_S, MU_0
from vertherm.core.errors import SolverError

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
ETA_0 = float(np.sqrt(MU_0 / EPS_0))


@dataclass(frozen=True)
class CoaxPort:
    """Facets of a matched coaxial port and the line's relative permittivity; the radii are those of the facets."""

    facets: NDArray[np.int64]
    eps_r: float


@dataclass(frozen=True, eq=False)
class _Edge:
    """Shape functions on boundary facets.

    Attributes:
        element: (facets,) element each facet belongs to.
        dofs: (functions, facets) degrees of freedom.
        value: (functions, facets, points); weight: (facets, points) ds / r; r, z: (facets, points).
        products: (facets, points, functions^2) v v ds / r.
    """

    element: NDArray[np.int64]
    dofs: NDArray[np.int64]
    value: Array
    weight: Array
    r: Array
    z: Array
    products: Array

    @staticmethod
    def of(mesh: Any, element: Any, facets: NDArray[np.int64], order: int) -> _Edge:
        """Evaluate the shape functions; no facets give empty arrays (scikit-fem would complain)."""
        import skfem

        if facets.size == 0:
            count = {1: 3, 2: 6, 3: 10}[order]
            none = np.zeros((0, 1))
            number = np.zeros(0, dtype=np.int64)
            return _Edge(
                number,
                np.zeros((count, 0), dtype=np.int64),
                np.zeros((count, 0, 1)),
                none,
                none,
                none,
                np.zeros((0, 1, count**2)),
            )
        basis = skfem.FacetBasis(mesh, element, facets=facets, intorder=2 * order + 2)
        value, _ = _shape_functions(basis)
        r, z = np.asarray(basis.global_coordinates())
        weight = np.asarray(basis.dx / r)
        products = np.einsum("iep,jep,ep->epij", value, value, weight).reshape(*r.shape, value.shape[0] ** 2)
        return _Edge(np.asarray(basis.tind), np.asarray(basis.element_dofs), value, weight, r, z, products)

    def values(self, u: ComplexArray) -> ComplexArray:
        """u at the facets' quadrature points."""
        return np.asarray(np.einsum("iep,ie->ep", self.value, u[self.dofs]))


@dataclass(frozen=True, eq=False)
class TMField:
    """A solved field.

    Attributes:
        u: (n,) complex r * H_phi at the degrees of freedom, in A.
        s11: voltage reflection at the port (nan without one).
        net_w: power entering through the port.
        medium_w, fixed_w: power absorbed in the medium and in the antenna's own dielectrics.
        open_w: power leaving through the absorbing boundary.
    """

    u: ComplexArray
    s11: complex
    net_w: float
    medium_w: float
    fixed_w: float
    open_w: float


class TMSystem:
    """The assembled problem on one mesh at one frequency; only the medium changes between solves.

    Args:
        mesh: scikit-fem triangle mesh of the (r, z) half plane in metres, metal removed.
        frequency_hz: frequency.
        fixed_eps: (elements,) complex relative permittivity, nan where the medium decides.
        open_facets: facets with the absorbing condition.
        port: the feeding line, or None (a field is then imposed).
        order: 1, 2 or 3 (1 only to show what it costs).
    """

    def __init__(
        self,
        mesh: Any,
        frequency_hz: float,
        fixed_eps: ComplexArray,
        open_facets: NDArray[np.int64],
        port: CoaxPort | None = None,
        *,
        order: int = 2,
    ) -> None:
        import skfem

        element = {1: skfem.ElementTriP1, 2: skfem.ElementTriP2, 3: skfem.ElementTriP3}[order]()
        self.mesh, self.frequency_hz, self.port, self.order = mesh, frequency_hz, port, order
        self.omega = 2 * np.pi * frequency_hz
        self.k0 = self.omega / LIGHT_M_S
        self.basis = skfem.Basis(mesh, element, intorder=2 * order + 2)
        self.fixed_eps = fixed_eps
        self.in_medium = np.flatnonzero(np.isnan(fixed_eps))
        self._element_matrices()
        self._open = _Edge.of(mesh, element, open_facets, order)
        self._open_eps = fixed_eps[self._open.element]
        self._port_matrices(element)
        self._pattern()

    # ---- assembly -------------------------------------------------------------------------------------------------
    def _element_matrices(self) -> None:
        """Per quadrature point grad.grad / r (to be scaled with 1/e) and, summed, v.v / r."""
        value, grad = _shape_functions(self.basis)
        self.r, self.z = np.asarray(self.basis.global_coordinates())
        weight = self.basis.dx / self.r
        size = value.shape[0]
        self._stiffness = np.einsum("idep,jdep,ep->epij", grad, grad, weight, optimize=True).reshape(
            *self.r.shape, size**2
        )
        self._mass = np.einsum("iep,jep,ep->eij", value, value, weight, optimize=True).reshape(-1, size**2)
        self._grad, self._value = grad, value
        is_fixed = ~np.isnan(self.fixed_eps)
        constant = -(self.k0**2) * self._mass.astype(complex)
        constant[is_fixed] += self._stiffness[is_fixed].sum(axis=1) / self.fixed_eps[is_fixed, None]
        self._constant = constant
        self._medium_stiffness = np.ascontiguousarray(self._stiffness[self.in_medium])
        self.medium_r, self.medium_z = self.r[self.in_medium], self.z[self.in_medium]

    def _port_matrices(self, element: Any) -> None:
        facets = np.zeros(0, dtype=np.int64) if self.port is None else self.port.facets
        edge = self._port = _Edge.of(self.mesh, element, facets, self.order)
        # Integral of v / r over the port: load of the incident wave and projection on the TEM mode.
        load = np.einsum("iep,ep->ie", edge.value, edge.weight).ravel()
        # Impedance from ln(outer / inner) as the same quadrature sees it: then the TEM mode is matched exactly.
        self._port_log = float(edge.weight.sum())
        port_eps = 1.0 if self.port is None else self.port.eps_r
        self._port_ohm = ETA_0 / np.sqrt(port_eps) * self._port_log / (2 * np.pi)
        self._port_load = np.bincount(edge.dofs.ravel(), load, minlength=self.basis.N)

    def _pattern(self) -> None:
        """Sparsity of the free unknowns once, and for every local entry its place in the CSC data."""
        # Numbered for little fill once: every factorisation after this takes the unknowns as they come.
        self.free = np.flatnonzero(self.basis.doflocs[0] >= 1e-9)
        self.free = self.free[_sparing_order(*self._entries(), self.free.size)]
        row, column = self._entries()
        self._kept = np.flatnonzero((row >= 0) & (column >= 0))
        code = column[self._kept] * self.free.size + row[self._kept]
        unique, self._place = np.unique(code, return_inverse=True)
        self._indices = (unique % self.free.size).astype(np.int32)
        counts = np.bincount(unique // self.free.size, minlength=self.free.size)
        self._indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)

    def _entries(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of every local entry among the free unknowns, -1 for those on the axis."""
        number = np.full(self.basis.N, -1, dtype=np.int64)
        number[self.free] = np.arange(self.free.size)
        rows, columns = [], []
        for dofs in (self.basis.element_dofs, self._open.dofs, self._port.dofs):
            local = number[np.asarray(dofs)].T
            rows.append(np.repeat(local, local.shape[1], axis=1).ravel())
            columns.append(np.tile(local, (1, local.shape[1])).ravel())
        return np.concatenate(rows), np.concatenate(columns)

    def matrix(self, medium_eps: ComplexArray, open_eps: ComplexArray) -> Any:
        """CSC matrix of the free unknowns for complex permittivities at the quadrature points."""
        from scipy.sparse import csc_matrix

        elements = self._constant.copy()
        inverse = 1.0 / medium_eps
        scaled = np.matmul(inverse.real[:, None, :], self._medium_stiffness) + 1j * np.matmul(
            inverse.imag[:, None, :], self._medium_stiffness
        )
        elements[self.in_medium] += scaled[:, 0, :]
        opening = 1j * self.k0 * np.einsum("ep,epk->ek", 1.0 / np.sqrt(open_eps), self._open.products)
        port_eps = 1.0 if self.port is None else self.port.eps_r
        port = 1j * self.k0 / np.sqrt(port_eps) * self._port.products.sum(axis=1)
        local = np.concatenate([elements.ravel(), opening.ravel(), port.ravel()])[self._kept]
        size = self._indices.size
        data = np.bincount(self._place, local.real, size) + 1j * np.bincount(self._place, local.imag, size)
        return csc_matrix((data, self._indices, self._indptr), shape=(self.free.size, self.free.size))

    # ---- solve ----------------------------------------------------------------------------------------------------
    def complex_eps(self, eps_r: Any, sigma_s_m: Any) -> ComplexArray:
        """eps_r - j sigma / (w eps0)."""
        return np.asarray(eps_r - 1j * sigma_s_m / (self.omega * EPS_0))

    def solve(
        self,
        medium: Callable[[Array, Array], tuple[Array, Array]],
        *,
        forward_w: float = 1.0,
        imposed: tuple[NDArray[np.int64], ComplexArray] | None = None,
    ) -> TMField:
        """Solve for ``forward_w`` incident at the port, or for values imposed at degrees of freedom.

        Raises:
            SolverError: the factorisation or the field failed.
        """
        eps, sigma = medium(self.medium_r, self.medium_z)
        medium_eps = self.complex_eps(eps, sigma)
        around = self.complex_eps(*medium(self._open.r, self._open.z))
        open_eps = np.where(np.isnan(self._open_eps)[:, None], around, self._open_eps[:, None])
        matrix = self.matrix(medium_eps, open_eps)
        load = np.zeros(self.basis.N, dtype=complex)
        incident = 0.0
        if self.port is not None:
            incident = float(np.sqrt(2 * forward_w / self._port_ohm) / (2 * np.pi))
            load += 2j * self.k0 / np.sqrt(self.port.eps_r) * incident * self._port_load
        u = np.zeros(self.basis.N, dtype=complex)
        u[self.free] = _solve(matrix, load[self.free], None if imposed is None else self._imposed_free(imposed))
        if not np.isfinite(u).all():
            raise SolverError("The antenna's field is not finite.", got="nan or infinity in u")
        return self._powers(u, incident, medium_eps, sigma, open_eps)

    def _imposed_free(self, imposed: tuple[NDArray[np.int64], ComplexArray]) -> tuple[NDArray[np.int64], ComplexArray]:
        number = np.full(self.basis.N, -1, dtype=np.int64)
        number[self.free] = np.arange(self.free.size)
        local = number[imposed[0]]
        return local[local >= 0], imposed[1][local >= 0]

    def gradient(self, u: ComplexArray, elements: NDArray[np.int64] | slice = slice(None)) -> ComplexArray:
        """(du/dr, du/dz) at the quadrature points of ``elements``, shape (2, elements, points)."""
        local = u[np.asarray(self.basis.element_dofs)[:, elements]]
        return np.asarray(np.einsum("idep,ie->dep", self._grad[:, :, elements], local))

    def e2(self, u: ComplexArray, eps: ComplexArray, elements: NDArray[np.int64]) -> Array:
        """|E|^2 in (V/m)^2 at the quadrature points: |grad u|^2 / (w |eps| r)^2."""
        gradient = (np.abs(self.gradient(u, elements)) ** 2).sum(axis=0)
        return np.asarray(gradient / (self.omega * EPS_0 * np.abs(eps) * self.r[elements]) ** 2)

    def _powers(
        self, u: ComplexArray, incident: float, medium_eps: ComplexArray, sigma: Array, open_eps: ComplexArray
    ) -> TMField:
        volume = 2 * np.pi * self.r * self.basis.dx
        medium_w = (0.5 * sigma * self.e2(u, medium_eps, self.in_medium) * volume[self.in_medium]).sum()
        fixed = np.flatnonzero(~np.isnan(self.fixed_eps))
        loss = -self.fixed_eps[fixed, None].imag * self.omega * EPS_0
        fixed_w = (0.5 * loss * self.e2(u, self.fixed_eps[fixed, None], fixed) * volume[fixed]).sum()
        on_open = np.abs(self._open.values(u)) ** 2
        open_w = np.pi * ETA_0 * ((1 / np.sqrt(open_eps)).real * on_open * self._open.weight).sum()
        s11, net_w = complex(np.nan), float("nan")
        if self.port is not None:
            # H of the wave that goes back has the opposite sign of its voltage.
            s11 = complex(1.0 - (self._port_load @ u) / (incident * self._port_log))
            forward = 0.5 * self._port_ohm * (2 * np.pi * incident) ** 2
            net_w = forward * (1 - abs(s11) ** 2)
        return TMField(u, s11, net_w, float(medium_w), float(fixed_w), float(open_w))


def _shape_functions(basis: Any) -> tuple[Array, Array]:
    """Values (functions, elements, points) and gradients (functions, 2, elements, points) of all local functions."""
    shape = basis.dx.shape
    value = np.stack([np.broadcast_to(np.asarray(f[0]), shape) for f in basis.basis])
    grad = np.stack([np.broadcast_to(np.asarray(f[0].grad), (2, *shape)) for f in basis.basis])
    return value, grad


def _sparing_order(row: NDArray[np.int64], column: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Order of the unknowns in which factors of a matrix with entries at ``row`` and ``column`` (>= 0) stay sparse."""
    from scipy.sparse import csc_matrix, eye
    from scipy.sparse.linalg import splu

    kept = (row >= 0) & (column >= 0)
    pattern = csc_matrix((np.ones(np.count_nonzero(kept)), (row[kept], column[kept])), shape=(size, size))
    # Any regular matrix of this pattern shows SuperLU's order.
    dominant = pattern + float(pattern.sum(axis=1).max()) * eye(size, format="csc")
    factors = splu(dominant, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.argsort(factors.perm_c)


def _solve(matrix: Any, load: ComplexArray, imposed: tuple[NDArray[np.int64], ComplexArray] | None) -> ComplexArray:
    from scipy.sparse.linalg import splu

    keep = np.arange(matrix.shape[0])
    u = np.zeros(matrix.shape[0], dtype=complex)
    if imposed is not None:
        u[imposed[0]] = imposed[1]
        keep = np.setdiff1d(keep, imposed[0])
        load = (load - matrix @ u)[keep]
        matrix = matrix[keep][:, keep].tocsc()
    try:
        # The matrix is complex symmetric with a strong diagonal: diagonal pivots preferred. Its unknowns are in a
        # sparing order already; small panels suit factors as narrow as these.
        factors = splu(
            matrix,
            permc_spec="NATURAL",
            diag_pivot_thresh=0.01,
            panel_size=4,
            relax=4,
            options={"SymmetricMode": True},
        )
    except RuntimeError as error:
        raise SolverError("The antenna's equations could not be solved.", got=str(error)) from error
    u[keep] = factors.solve(load)
    return u
