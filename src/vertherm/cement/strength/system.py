"""Displacement of a block of voxels under given displacements and forces: conjugate gradients with multigrid."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.strength import kernels
from vertherm.cement.strength.elements import (
    FloatArray,
    IntArray,
    Shape,
    first_nodes,
    node_offsets,
    node_shape,
    unit_stiffness,
    unknowns,
)
from vertherm.cement.strength.multigrid import Multigrid, Real
from vertherm.core.errors import SolverError

MOST_ITERATIONS = 600


@dataclass(frozen=True, eq=False)
class System:
    """Voxels with a modulus each; 0 where there is none.

    Args:
        modulus_mpa: shape (nx, ny, nz).
        spacing_mm: edge of a voxel.
        poisson: Poisson ratio of all.
    """

    modulus_mpa: FloatArray
    spacing_mm: float
    poisson: float

    @property
    def shape(self) -> Shape:
        """Elements along each axis."""
        nx, ny, nz = self.modulus_mpa.shape
        return nx, ny, nz

    @property
    def base(self) -> IntArray:
        """First node of each element that is present."""
        return first_nodes(self.modulus_mpa > 0)

    @property
    def scale(self) -> FloatArray:
        """E h of each element that is present, N/mm."""
        return self.modulus_mpa[self.modulus_mpa > 0] * self.spacing_mm

    @property
    def nodal(self) -> tuple[int, int, int, int]:
        """Shape of a nodal vector field."""
        return (*node_shape(self.shape), 3)

    def forces(self, displacement_mm: FloatArray) -> FloatArray:
        """Nodal forces in N that hold a displacement field (nodes..., 3)."""
        out = np.empty(displacement_mm.size)
        flat = np.ascontiguousarray(displacement_mm, np.float64).reshape(-1)
        stiffness = unit_stiffness(self.poisson)
        kernels.apply_common(flat, out, self.base, node_offsets(self.shape), self.scale, stiffness)
        return out.reshape(displacement_mm.shape)

    def element_displacements(self, displacement_mm: FloatArray) -> FloatArray:
        """The 24 displacements of each element that is present, shape (n, 24)."""
        return displacement_mm.reshape(-1)[unknowns(self.base, self.shape)]


@dataclass(frozen=True)
class Iteration:
    """How a solution went: steps, norm of the residual over that of the load, seconds."""

    iterations: int
    residual: float
    wall_s: float


def solve(
    system: System,
    fixed: NDArray[np.bool_],
    given_mm: FloatArray,
    forces_n: FloatArray | None = None,
    *,
    tolerance: float = 1e-7,
) -> tuple[FloatArray, Iteration]:
    """Displacement in equilibrium.

    Args:
        system: the voxels.
        fixed: where displacement is given, shape (nodes..., 3).
        given_mm: displacement where it is given; elsewhere the start of the iteration; same shape.
        forces_n: nodal forces in N, same shape; none if None.
        tolerance: of the residual, relative to the forces that the given displacement (all else at rest) and
            ``forces_n`` exert on free nodes.

    Returns:
        Displacement in mm (nodes..., 3), 0 at nodes without an element, and how the iteration went.

    Raises:
        SolverError: no convergence.
    """
    began = perf_counter()
    stiffness = unit_stiffness(system.poisson)
    touched = np.zeros(fixed.size, np.bool_)
    touched[unknowns(system.base, system.shape)] = True
    free = (touched & ~fixed.reshape(-1)).reshape(fixed.shape)
    held = np.where(fixed & touched.reshape(fixed.shape), given_mm, 0.0)
    load = np.zeros(fixed.shape) if forces_n is None else forces_n
    norm = float(np.linalg.norm((load - system.forces(held)) * free))
    x = held + given_mm * free
    if norm == 0.0:
        return held, Iteration(0, 0.0, perf_counter() - began)
    grids = Multigrid(system.shape, system.base, system.scale, stiffness, fixed)
    x, steps, residual = _conjugate_gradients(system, grids, x, load, free, tolerance * norm)
    return x, Iteration(steps, residual / norm, perf_counter() - began)


def _conjugate_gradients(
    system: System, grids: Multigrid, x: FloatArray, load: FloatArray, free: NDArray[np.bool_], goal: float
) -> tuple[FloatArray, int, float]:
    """Displacement, steps, residual. In the flexible form, which bears a preconditioner in single precision."""
    residual = (load - system.forces(x)) * free
    direction, old, work = np.zeros_like(x), np.zeros_like(x), 1.0
    for step in range(MOST_ITERATIONS + 1):
        size = float(np.linalg.norm(residual))
        if size <= goal:
            return x, step, size
        # Scaled to order one: single precision has too few small numbers for the last residuals.
        z = size * grids.cycle((residual / size).astype(Real).reshape(-1)).astype(np.float64).reshape(x.shape)
        ahead = float(np.vdot(residual, z))
        direction = z + (ahead - float(np.vdot(old, z))) / work * direction
        pushed = system.forces(direction) * free
        length = float(np.vdot(direction, residual)) / float(np.vdot(direction, pushed))
        x = x + length * direction
        old, work = residual, ahead
        residual = residual - length * pushed
    raise SolverError(
        "The displacement did not converge.",
        where="strength of the vertebra",
        got=f"relative residual after {MOST_ITERATIONS} steps above the tolerance",
        advice="narrow the range of moduli or coarsen the grid",
    )
