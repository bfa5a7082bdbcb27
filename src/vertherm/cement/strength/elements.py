"""The cube as a finite element: eight nodes, trilinear displacement, exact stiffness, one modulus each.

    K = E h K^(nu)          24 x 24, K^ for a unit cube of unit modulus, integrated exactly by 2 x 2 x 2 Gauss points

Node a of an element is its corner (a // 4, a // 2 % 2, a % 2) along x, y, z; unknown 3 a + c is its displacement along
axis c. Nodes of a grid of (nx, ny, nz) elements are numbered in C order over (nx + 1, ny + 1, nz + 1).
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Shape = tuple[int, int, int]

CORNERS: IntArray = np.array(list(product((0, 1), repeat=3)))
"""Corner of each of the eight nodes, shape (8, 3)."""


def elasticity(poisson: float) -> FloatArray:
    """Isotropic stress-strain matrix for unit modulus; engineering strains in the order xx, yy, zz, xy, yz, zx."""
    lame = poisson / ((1.0 + poisson) * (1.0 - 2.0 * poisson))
    shear = 0.5 / (1.0 + poisson)
    matrix = np.zeros((6, 6))
    matrix[:3, :3] = lame
    matrix[np.arange(3), np.arange(3)] += 2.0 * shear
    matrix[np.arange(3, 6), np.arange(3, 6)] = shear
    return matrix


def strain_matrix(point: tuple[float, float, float]) -> FloatArray:
    """Strains of the unit cube at a point of (0, 1)^3 from its 24 displacements, shape (6, 24)."""
    factor = np.where(CORNERS == 1, np.asarray(point), 1.0 - np.asarray(point))
    slope = 2.0 * CORNERS - 1.0
    out = np.zeros((6, 24))
    for a in range(8):
        dx, dy, dz = (slope[a, c] * factor[a, (c + 1) % 3] * factor[a, (c + 2) % 3] for c in range(3))
        out[:, 3 * a : 3 * a + 3] = [[dx, 0, 0], [0, dy, 0], [0, 0, dz], [dy, dx, 0], [0, dz, dy], [dz, 0, dx]]
    return out


@cache
def unit_stiffness(poisson: float) -> FloatArray:
    """Stiffness of the unit cube of unit modulus, shape (24, 24)."""
    gauss = 0.5 + np.array((-0.5, 0.5)) / np.sqrt(3.0)
    matrix = elasticity(poisson)
    total = np.zeros((24, 24))
    for point in product(gauss, repeat=3):
        strain = strain_matrix((point[0], point[1], point[2]))
        total += strain.T @ matrix @ strain / 8.0
    symmetric: FloatArray = 0.5 * (total + total.T)
    symmetric.setflags(write=False)
    return symmetric


@cache
def child_interpolation() -> FloatArray:
    """Displacements of each of eight children from those of an element twice as large, shape (8, 24, 24).

    Child i fills the octant :data:`CORNERS` [i] of its parent.
    """
    out = np.zeros((8, 24, 24))
    for child in range(8):
        place = 0.5 * (CORNERS[child] + CORNERS)
        weight = np.where(CORNERS[None] == 1, place[:, None], 1.0 - place[:, None]).prod(axis=2)
        out[child] = np.kron(weight, np.eye(3))
    out.setflags(write=False)
    return out


def node_shape(shape: Shape) -> Shape:
    """Nodes along each axis of a grid of elements."""
    return shape[0] + 1, shape[1] + 1, shape[2] + 1


def node_offsets(shape: Shape) -> IntArray:
    """Number of an element's eight nodes relative to its first one, shape (8,)."""
    _, ny, nz = node_shape(shape)
    return CORNERS @ np.array((ny * nz, nz, 1))


def first_nodes(present: NDArray[np.bool_]) -> IntArray:
    """Number of the first node of each element that is present, in C order."""
    shape = (present.shape[0], present.shape[1], present.shape[2])
    return np.ravel_multi_index(np.nonzero(present), node_shape(shape)).astype(np.int64)


def unknowns(base: IntArray, shape: Shape) -> IntArray:
    """Numbers of the 24 unknowns of each element, shape (n, 24)."""
    nodes = base[:, None] + node_offsets(shape)
    return (3 * nodes[:, :, None] + np.arange(3)).reshape(len(base), 24)
