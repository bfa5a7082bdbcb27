"""Validation rows of the vertebra's strength: columns, layers, a core in a sleeve, a cantilever, another code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.strength import compress, posterior_share
from vertherm.cement.strength.system import System, solve
from vertherm.validation.case import Case

Array = NDArray[np.float64]
CASE = "voxel finite elements"
CANTILEVER_MM, MODULUS_MPA = 8.0, 1000.0


def column_cases() -> list[Case]:
    """Fields that the elements hold exactly: what is left is the solver."""
    even = compress(np.full((4, 5, 9), 300.0), 2.0, strain=0.008, ends="frictionless", tolerance=1e-8)
    layers = np.full((4, 4, 8), 100.0)
    layers[:, :, ::2] = 5_000.0
    reuss = 2.0 / (1.0 / 100.0 + 1.0 / 5_000.0)
    series = compress(layers, 1.0, poisson=0.0, tolerance=1e-9)
    columns = np.full((4, 6, 8), 100.0)
    columns[:2] = 5_000.0
    parallel = compress(columns, 1.0, ends="frictionless", tolerance=1e-9)
    expected = 300.0 * 80.0 / 18.0, reuss * 16.0 / 8.0, 0.5 * 5_100.0 * 24.0 / 8.0
    return [
        Case(CASE, "stiffness of an even column", expected[0], "E A / L", even.stiffness_n_mm, 0.02, "N/mm"),
        Case(CASE, "stiffness of layers, 1 : 50", expected[1], "Reuss", series.stiffness_n_mm, 0.005, "N/mm"),
        Case(CASE, "stiffness of columns, 1 : 50", expected[2], "Voigt", parallel.stiffness_n_mm, 0.1, "N/mm"),
    ]


def cylinder_cases() -> list[Case]:
    """A bonded core: only the circle's staircase is wrong, below 2 % at radii of 6 and 12 voxels."""
    centre = np.arange(26) - 12.5
    radius = np.hypot(*np.meshgrid(centre, centre, indexing="ij"))
    section = np.where(radius < 6.0, 2_000.0, np.where(radius < 12.0, 200.0, 0.0))
    found = compress(np.repeat(section[:, :, None], 6, axis=2), 1.0, strain=0.01, ends="frictionless", tolerance=1e-8)
    core, sleeve = 2_000.0 * np.pi * 36.0, 200.0 * np.pi * 108.0
    inside = np.repeat((radius < 6.0)[:, :, None], 6, axis=2)
    force, share = 0.01 * (core + sleeve), core / (core + sleeve)
    source = "e (E1 A1 + E2 A2), areas pi r^2"
    return [
        Case(CASE, "force on a sleeve with a core, 10 : 1", force, source, found.force_n, 0.02 * force, "N"),
        Case(CASE, "share of the core", share, source, posterior_share(found, inside, slices=2), 0.02, "1"),
    ]


def tip_mm(across: int) -> float:
    """Deflection of a cantilever of 8 x 1 x 1 mm, Poisson ratio 0, under 1 N spread over its end."""
    system = System(np.full((8 * across, across, across), MODULUS_MPA), 1.0 / across, 0.0)
    fixed = np.zeros(system.nodal, np.bool_)
    fixed[0] = True
    face = np.ones((across + 1, across + 1))
    face[[0, -1]] *= 0.5
    face[:, [0, -1]] *= 0.5
    forces = np.zeros(system.nodal)
    forces[-1, :, :, 2] = face / face.sum()
    displacement, _ = solve(system, fixed, np.zeros(system.nodal), forces, tolerance=1e-8)
    return float(displacement[-1, :, :, 2].mean())


def cantilever_cases() -> list[Case]:
    """Order of convergence, and the extrapolated deflection against Timoshenko's beam."""
    exact = CANTILEVER_MM**3 / (3.0 * MODULUS_MPA / 12.0) + CANTILEVER_MM / (5.0 / 6.0 * 0.5 * MODULUS_MPA)
    two, four, eight = (tip_mm(n) for n in (2, 4, 8))
    order = float(np.log2((four - two) / (eight - four)))
    source = "P L^3 / 3 E I + P L / k G A, k = 5/6"
    limit = eight + (eight - four) / 3.0
    return [
        Case(CASE, "order of convergence of a cantilever", 2.0, "trilinear elements", order, 0.3, "1"),
        Case(CASE, "deflection of the cantilever, extrapolated", exact, source, limit, 0.005 * exact, "mm"),
    ]


def mixed_body(shape: tuple[int, int, int] = (9, 8, 7)) -> Array:
    """Bone with a cortex, a lytic hole and cement: moduli from 10 to 10 000 MPa."""
    axes = (np.linspace(-1.0, 1.0, n) for n in shape)
    x, y, z = np.meshgrid(*axes, indexing="ij")
    modulus = 250.0 * np.exp(0.3 * np.random.default_rng(0).standard_normal(shape))
    modulus[np.hypot(x, y) > 0.9] = 10_000.0
    modulus[(x - 0.2) ** 2 + (y - 0.3) ** 2 + z**2 < 0.25] = 10.0
    modulus[(x - 0.2) ** 2 + (y - 0.1) ** 2 + z**2 < 0.06] = 2_000.0
    return modulus


def second_code_cases() -> list[Case]:
    """The same voxels assembled by scikit-fem and solved directly."""
    modulus = mixed_body()
    found = compress(modulus, 1.0, tolerance=1e-9)
    nodes, displacement, force = by_scikit_fem(modulus)
    apart = np.abs(found.displacement_mm[tuple(nodes)].T - displacement).max()
    source = "scikit-fem, assembled, SuperLU"
    return [
        Case(CASE, "force on a mixed body, 1 : 1000", force, source, found.force_n, 1e-6 * force, "N"),
        Case(CASE, "largest distance of displacements", 0.0, source, float(apart), 1e-7, "mm"),
    ]


def by_scikit_fem(modulus_mpa: Array) -> tuple[NDArray[np.intp], Array, float]:
    """Nodes (3, n), displacement (3, n) in mm and force in N at 1 % of compression between bonded ends."""
    from scipy.sparse.linalg import splu
    from skfem import Basis, ElementHex1, ElementVector, MeshHex, asm, condense
    from skfem.models.elasticity import linear_elasticity

    mesh: Any = MeshHex.init_tensor(*(np.arange(n + 1.0) for n in modulus_mpa.shape))
    basis: Any = Basis(mesh, ElementVector(ElementHex1()), intorder=3)
    voxel = np.floor(mesh.p[:, mesh.t].mean(axis=1)).astype(int)
    each = modulus_mpa[tuple(voxel)][:, None] * np.ones((1, basis.X.shape[1]))
    matrix: Any = asm(linear_elasticity(0.3 / (1.3 * 0.4) * each, 0.5 / 1.3 * each), basis)
    height = float(modulus_mpa.shape[2])
    ends = basis.get_dofs(lambda x: (x[2] < 1e-9) | (x[2] > height - 1e-9)).all()
    given = np.zeros(basis.N)
    given[basis.nodal_dofs[2]] = np.where(mesh.p[2] > height - 1e-9, -0.01 * height, 0.0)
    reduced, load, exact, inner = condense(matrix, np.zeros(basis.N), x=given, D=ends)
    exact[inner] = splu(reduced.tocsc()).solve(load)
    force = float(exact @ (matrix @ exact)) / (0.01 * height)
    return np.rint(mesh.p).astype(int), exact[basis.nodal_dofs], force


def strength_cases() -> list[Case]:
    """All rows of the strength."""
    return [*column_cases(), *cylinder_cases(), *cantilever_cases(), *second_code_cases()]
