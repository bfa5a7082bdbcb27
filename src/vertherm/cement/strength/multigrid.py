"""Geometric multigrid for voxel elasticity: exact Galerkin operators on every coarse grid, as stiffnesses of elements.

Eight elements make one of twice the edge; its stiffness is the exact Galerkin product of theirs,

    K_coarse = sum over children  T_i' M K_i M T_i          T_i trilinear interpolation, M 0 where displacement is given

so a cortex, a void or cement inside a coarse element keeps its effect, which averaged moduli would lose. Smoother:
Chebyshev polynomials of D^-1 K on the upper part of its spectrum, D the diagonal (Adams, Brezina, Hu, Tuminaro,
J Comput Phys 2003;188:593; recalled). One V-cycle is symmetric and positive and preconditions conjugate gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vertherm.cement.strength import kernels
from vertherm.cement.strength.elements import (
    FloatArray,
    IntArray,
    Shape,
    child_interpolation,
    first_nodes,
    node_offsets,
    node_shape,
    unknowns,
)

Real = np.float32
"""The preconditioner's precision; the outer iteration works in float64."""
RealArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
COARSEST_UNKNOWNS = 1300
SMOOTHING_DEGREE = 3
SPECTRUM_SHARE = 10.0
"""The smoother works on the upper spectrum, from its largest eigenvalue down to this many times less."""
SPECTRUM_MARGIN = 1.1
POWER_STEPS = 12


@dataclass(frozen=True, eq=False)
class Level:
    """One grid.

    Args:
        shape: elements along each axis.
        base: first node of each element that is present, shape (n,).
        scale: E h of each element with the ``stiffness`` common to all (24, 24); None where each has its own.
        stiffness: (24, 24) or (n, 24, 24).
        free: 1 where an unknown is free and has stiffness, else 0; shape (3 nodes,).
        inverse_diagonal: 0 where not free.
    """

    shape: Shape
    base: IntArray
    scale: RealArray | None
    stiffness: RealArray
    free: RealArray
    inverse_diagonal: RealArray

    @cached_property
    def offsets(self) -> IntArray:
        """Numbers of an element's nodes relative to its first."""
        return node_offsets(self.shape)

    @property
    def grid(self) -> tuple[int, int, int, int]:
        """Shape of a nodal vector field."""
        return (*node_shape(self.shape), 3)

    def apply(self, x: RealArray) -> RealArray:
        """Product with the stiffness restricted to the free unknowns."""
        y = np.empty_like(x)
        if self.scale is None:
            kernels.apply_own(x, y, self.base, self.offsets, self.stiffness)
        else:
            kernels.apply_common(x, y, self.base, self.offsets, self.scale, self.stiffness)
        y *= self.free
        return y

    @cached_property
    def largest_eigenvalue(self) -> float:
        """Of D^-1 K, by power steps from a fixed start, with a margin."""
        x = (np.random.default_rng(0).standard_normal(self.free.size)).astype(Real) * self.free
        size = 1.0
        for _ in range(POWER_STEPS):
            x = self.inverse_diagonal * self.apply(x / Real(np.linalg.norm(x) + 1e-30))
            size = float(np.linalg.norm(x))
        return SPECTRUM_MARGIN * size


def smooth(level: Level, rhs: RealArray, start: RealArray | None) -> RealArray:
    """Chebyshev steps for K x = rhs from ``start`` (None: zero)."""
    high = level.largest_eigenvalue
    centre, half = 0.5 * high * (1 + 1 / SPECTRUM_SHARE), 0.5 * high * (1 - 1 / SPECTRUM_SHARE)
    residual = rhs if start is None else rhs - level.apply(start)
    step = level.inverse_diagonal * residual / Real(centre)
    x = step.copy() if start is None else start + step
    rho = half / centre
    for _ in range(SMOOTHING_DEGREE - 1):
        residual = rhs - level.apply(x)
        following = 1.0 / (2.0 * centre / half - rho)
        step = Real(following * rho) * step + Real(2.0 * following / half) * (level.inverse_diagonal * residual)
        x, rho = x + step, following
    return x


def diagonal(level_shape: Shape, base: IntArray, element_diagonal: FloatArray) -> FloatArray:
    """Diagonal of the stiffness from those of the elements, shape (n, 24)."""
    size = 3 * int(np.prod(node_shape(level_shape)))
    summed = np.bincount(unknowns(base, level_shape).ravel(), element_diagonal.ravel(), minlength=size)
    return summed.astype(np.float64)


def coarse_fixed(fixed: BoolArray, shape: Shape) -> BoolArray:
    """Given displacements on the grid twice as coarse: where its node lies on a fine node with one."""
    coarse = tuple((n + 1) // 2 for n in shape)
    out = np.zeros((*(n + 1 for n in coarse), 3), np.bool_)
    fine = fixed[::2, ::2, ::2]
    out[: fine.shape[0], : fine.shape[1], : fine.shape[2]] = fine
    return out


def _products(matrices: FloatArray, interpolation: FloatArray) -> FloatArray:
    """T' K T of symmetric matrices (n, 24, 24)."""
    right = (matrices.reshape(-1, 24) @ interpolation).reshape(-1, 24, 24)
    return (np.swapaxes(right, 1, 2).reshape(-1, 24) @ interpolation).reshape(-1, 24, 24)


def coarsen(
    shape: Shape, base: IntArray, scale: FloatArray | None, stiffness: FloatArray, fixed: BoolArray
) -> tuple[Shape, IntArray, FloatArray, BoolArray]:
    """The grid twice as coarse.

    Args:
        shape, base: grid and elements.
        scale, stiffness: as in :class:`Level`, in float64 and not yet cleared at ``fixed``.
        fixed: where displacement is given, shape (nodes..., 3).

    Returns:
        Shape, elements, their stiffness (n, 24, 24), and where displacement is given.
    """
    place = np.stack(np.unravel_index(base, node_shape(shape)), axis=1)
    parent_shape = ((shape[0] + 1) // 2, (shape[1] + 1) // 2, (shape[2] + 1) // 2)
    parents, parent = np.unique(np.ravel_multi_index(tuple((place // 2).T), parent_shape), return_inverse=True)
    child = (place % 2) @ np.array((4, 2, 1))
    held = fixed.reshape(-1)[unknowns(base, shape)]
    total = np.zeros((len(parents), 24, 24))
    for octant in range(8):
        interpolation = child_interpolation()[octant]
        mine = child == octant
        clear = mine & ~held.any(axis=1) if scale is not None else np.zeros_like(mine)
        if scale is not None:  # an element away from the ends is a number times one matrix
            common = interpolation.T @ stiffness @ interpolation
            total[parent[clear]] += scale[clear, None, None] * common
        rest = np.flatnonzero(mine & ~clear)
        free = ~held[rest]
        own = stiffness[rest] if scale is None else scale[rest, None, None] * stiffness
        total[parent[rest]] += _products(own * free[:, :, None] * free[:, None, :], interpolation)
    present = np.zeros(parent_shape, np.bool_)
    present.reshape(-1)[parents] = True
    return parent_shape, first_nodes(present), total, coarse_fixed(fixed, shape)


class CoarsestGrid:
    """Direct solution on the last grid: a pseudo-inverse, because rigid motions may be left free."""

    def __init__(self, shape: Shape, base: IntArray, stiffness: FloatArray, fixed: BoolArray) -> None:
        size = fixed.size
        index = unknowns(base, shape)
        matrix = np.zeros((size, size))
        np.add.at(matrix, (index[:, :, None], index[:, None, :]), stiffness)
        largest = matrix.diagonal().max()
        self.free = np.flatnonzero(~fixed.reshape(-1) & (matrix.diagonal() > 1e-12 * largest))
        values, vectors = np.linalg.eigh(matrix[np.ix_(self.free, self.free)])
        kept = values > 1e-9 * max(float(values.max()), 0.0) if len(values) else np.zeros(0, np.bool_)
        self.inverse = ((vectors[:, kept] / values[kept]) @ vectors[:, kept].T).astype(Real)

    def solve(self, rhs: RealArray) -> RealArray:
        """Displacement for forces ``rhs``."""
        out = np.zeros_like(rhs)
        out[self.free] = self.inverse @ rhs[self.free]
        return out


class Multigrid:
    """A V-cycle for the stiffness of voxels.

    Args:
        shape: elements along each axis.
        base: first node of each element that is present.
        scale: E h of each, N/mm.
        stiffness: of the unit cube, (24, 24).
        fixed: where displacement is given, shape (nodes..., 3).
    """

    def __init__(
        self, shape: Shape, base: IntArray, scale: FloatArray, stiffness: FloatArray, fixed: BoolArray
    ) -> None:
        self.levels: list[Level] = []
        factors: FloatArray | None = scale
        while True:
            if fixed.size <= COARSEST_UNKNOWNS or max(shape) <= 2:
                own = stiffness if factors is None else factors[:, None, None] * stiffness
                self.coarsest = CoarsestGrid(shape, base, own, fixed)
                return
            self.levels.append(make_level(shape, base, factors, stiffness, fixed))
            shape, base, stiffness, fixed = coarsen(shape, base, factors, stiffness, fixed)
            factors = None

    def cycle(self, rhs: RealArray, depth: int = 0) -> RealArray:
        """One V-cycle from zero for K x = rhs."""
        if depth == len(self.levels):
            return self.coarsest.solve(rhs)
        level = self.levels[depth]
        x = smooth(level, rhs, None)
        residual = (rhs - level.apply(x)).reshape(level.grid)
        coarse = np.empty((*((n + 1) // 2 + 1 for n in level.shape), 3), Real)
        kernels.restrict(residual, coarse)
        correction = np.zeros(level.grid, Real)
        kernels.prolong(self.cycle(coarse.reshape(-1), depth + 1).reshape(coarse.shape), correction)
        return smooth(level, rhs, x + correction.reshape(-1) * level.free)


def make_level(
    shape: Shape, base: IntArray, scale: FloatArray | None, stiffness: FloatArray, fixed: BoolArray
) -> Level:
    """A level from stiffnesses in float64 (see :class:`Level`)."""
    if scale is None:
        element_diagonal = np.diagonal(stiffness, axis1=1, axis2=2)
    else:
        element_diagonal = scale[:, None] * np.diagonal(stiffness)
    whole = diagonal(shape, base, element_diagonal)
    free = ~fixed.reshape(-1) & (whole > 1e-12 * whole.max())
    inverse = np.where(free, 1.0 / np.where(free, whole, 1.0), 0.0)
    factors = None if scale is None else scale.astype(Real)
    return Level(shape, base, factors, stiffness.astype(Real), free.astype(Real), inverse.astype(Real))
